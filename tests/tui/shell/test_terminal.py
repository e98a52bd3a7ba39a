"""The app in a real terminal: what arrives there, and how it is left."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.paths import Home
from tests.support.terminal import Terminal
from tests.support.waiting import PATIENCE, wait_until
from tests.worker import running as tasks

Start = Callable[..., Terminal]

ALLOWED = re.compile(
    rb"\x1b\[[0-9;?>=<$]*[A-Za-z]"  # colours, moves, modes
    rb"|\x1bM"  # lines move down
    rb"|\x1b\[\?\d+\$p"
    rb"|\x1b\]22;[a-z-]*\x07"  # Textual's own: the pointer's shape
)
ON = ("\x1b[?1049h", "\x1b[?25l", "\x1b[?2004h", "\x1b[?1004h")
RESTORED = {"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h", "\x1b[?2004h": "\x1b[?2004l"}


def assert_restored(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    for on, off in RESTORED.items():
        assert text.rfind(off) > text.rfind(on) > -1, f"{off!r} is the last word"
    for mouse in ("1000", "1003", "1006", "1015"):
        assert text.rfind(f"\x1b[?{mouse}l") > text.rfind(f"\x1b[?{mouse}h")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_nothing_of_hostile_text_reaches_the_terminal(sample_terminal: Start) -> None:
    terminal = sample_terminal(160, 45)
    terminal.wait_for("folder0/")
    terminal.wait_for("row 3")
    for keys in (
        ("j", "j"),
        ("?",),
        ("esc",),
        (":",),
        ("esc",),
        ("2", "j", "j", "j", "j"),
        ("3",),
        ("ctrl+p",),
        ("esc",),
    ):
        terminal.send(*keys)
        terminal.wait_quiet()
    assert "evil␛[31m" in terminal.text
    rest = ALLOWED.sub(b"", bytes(terminal.raw))
    text = rest.decode("utf-8")
    bad = [char for char in text if ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e"]
    assert set(bad) <= {"\r", "\n"}
    assert b"\x1b]0;" not in terminal.raw
    assert b"\x9b" not in terminal.raw.replace("\u241b".encode(), b"")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_leaving_restores_the_terminal(sample_terminal: Start, key: str) -> None:
    terminal = sample_terminal()
    terminal.wait_for("snapshot-3")
    terminal.send(key)
    assert terminal.wait_end() == 0
    assert_restored(terminal.raw)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_restore_the_terminal_and_end_the_process(
    sample_terminal: Start, number: signal.Signals
) -> None:
    terminal = sample_terminal()
    terminal.wait_for("snapshot-3")
    terminal.process.send_signal(number)
    assert terminal.wait_end() == 128 + number
    assert_restored(terminal.raw)


def test_a_hang_up_ends_the_process(sample_terminal: Start) -> None:
    terminal = sample_terminal()
    terminal.wait_for("snapshot-3")
    terminal.hang_up()
    terminal.process.wait(PATIENCE)


def test_a_terminal_that_vanishes_without_a_signal_ends_the_process_without_spinning(
    sample_terminal: Start,
) -> None:
    terminal = sample_terminal(SAMPLE_IGNORE="HUP")
    terminal.wait_for("snapshot-3")
    before = cpu_seconds(terminal.process.pid)
    terminal.hang_up()
    used = before

    def ended() -> bool:
        nonlocal used
        if terminal.process.poll() is None:
            used = max(used, cpu_seconds(terminal.process.pid))
        return terminal.process.poll() is not None

    wait_until(ended, "the end of the process")
    assert used - before < 2


def test_a_stuck_event_loop_is_ended_too(sample_terminal: Start) -> None:
    terminal = sample_terminal(SAMPLE_STUCK="1")
    terminal.wait_for("snapshot-3")
    terminal.send("x")
    terminal.wait_quiet()
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.wait_end() == 128 + signal.SIGTERM
    assert_restored(terminal.raw)


def test_tasks_outlive_a_hang_up(sample_terminal: Start, home: Home, tmp_path: Path) -> None:
    identifier = tasks.start(home, "hold", folder=str(tmp_path), lines=10)
    (pid,) = tasks.ready(tmp_path)
    terminal = sample_terminal()
    terminal.wait_for("1 running")
    terminal.hang_up()
    terminal.process.wait(PATIENCE)
    assert tasks.alive(pid)
    (tmp_path / "go").touch()
    tasks.ended(home, identifier)
    again = sample_terminal()
    again.wait_for("While you were away")
    again.wait_for("Do hold completed")


def test_a_fault_restores_the_terminal(sample_terminal: Start, home: Home) -> None:
    terminal = sample_terminal(SAMPLE_FAULT="1")
    terminal.wait_for("snapshot-3")
    terminal.send("x")
    assert terminal.wait_end() == 1
    assert_restored(terminal.raw)
    assert "unexpected error" in terminal.text
    assert "ZeroDivisionError" in home.log.read_text()


def test_an_idle_screen_sends_nothing_and_a_cursor_key_little(sample_terminal: Start) -> None:
    terminal = sample_terminal(100, 30, SAMPLE_LINES="100000")
    terminal.wait_for("snapshot-3")
    terminal.wait_quiet(3.0)
    for _ in range(3):
        cost = terminal.measure("j")
        assert 0 < cost.bytes < 800


def test_a_resize_is_drawn(sample_terminal: Start) -> None:
    terminal = sample_terminal()
    terminal.wait_for("snapshot-3")
    terminal.resize(150, 40)
    terminal.wait_for("folder0/")
    terminal.resize(50, 15)
    terminal.wait_for("nuvtui needs 60 x 20.")
    terminal.resize(80, 24)
    terminal.wait_for("snapshot-3")


def test_following_a_flood_at_200x50_stays_under_100_kib_a_second(
    sample_terminal: Start, tmp_path: Path
) -> None:
    log = tmp_path / "flood.log"
    log.write_text("start\n")
    terminal = sample_terminal(200, 50, SAMPLE_LOG=str(log))
    terminal.wait_for("snapshot-3")
    terminal.send("4")
    terminal.wait_for("start")
    before = terminal.received
    began = time.monotonic()
    number = 0
    with log.open("a") as file:
        while time.monotonic() - began < 4:
            for _ in range(2000):
                number += 1
                file.write(f"#{number} " + "installing a package with many words and a long path " * 4 + "\n")
            file.flush()
            terminal.pump(0.02)
    spent = time.monotonic() - began
    assert (terminal.received - before) / spent < 100 * 1024
    terminal.wait_for(f"#{number} installing")
    assert f"{number + 1:,} of {number + 1:,} lines" in terminal.text


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_is_refused_with_a_hint(sample_terminal: Start, term: str) -> None:
    terminal = sample_terminal(TERM=term)
    assert terminal.wait_end() == 2
    assert "cannot show the screens" in terminal.text
    assert "nuvtui --help" in terminal.text
    assert b"\x1b[?1049h" not in terminal.raw


def test_no_color_sends_no_colours_at_all_and_the_cursor_is_still_seen(sample_terminal: Start) -> None:
    terminal = sample_terminal(NO_COLOR="1")
    terminal.wait_for("snapshot-3")
    terminal.send("j", "?")
    terminal.wait_for("Help")
    terminal.send("esc", "/", "s", "n", "enter")
    terminal.wait_quiet()
    codes = {code for found in re.findall(rb"\x1b\[([\d;]*)m", terminal.raw) for code in found.split(b";")}
    assert codes <= {b"", b"0", b"1", b"3", b"4", b"7", b"22", b"23", b"24", b"27"}
    assert b"7" in codes


def test_ascii_sends_nothing_else(sample_terminal: Start) -> None:
    terminal = sample_terminal(160, 45, NUVTUI_ASCII="true")
    terminal.wait_for("folder0/")
    terminal.send("j", "space", "?")
    terminal.wait_for("Help")
    assert terminal.raw.isascii()


@pytest.mark.parametrize("term", ["xterm", "linux", "screen", "vt220"])
def test_few_colours_where_the_terminal_knows_few(sample_terminal: Start, term: str) -> None:
    terminal = sample_terminal(TERM=term)
    terminal.wait_for("snapshot-3")
    assert b"38;2;" not in terminal.raw
    assert b"38;5;" not in terminal.raw


def test_over_ssh_the_mouse_is_left_alone(sample_terminal: Start) -> None:
    terminal = sample_terminal(SSH_CONNECTION="1.2.3.4 5 6.7.8.9 22")
    terminal.wait_for("snapshot-3")
    assert b"?1000h" not in terminal.raw
    local = sample_terminal()
    local.wait_for("snapshot-3")
    assert b"?1000h" in local.raw


def test_copying_sends_osc_52(sample_terminal: Start) -> None:
    import base64

    terminal = sample_terminal(PATH="/nonexistent")
    terminal.wait_for("snapshot-3")
    terminal.send("y")
    wait_until(lambda: (terminal.pump(0.01), b"]52;c;" in terminal.raw)[1], "the sequence")
    terminal.wait_for("Copied the line: snapshot-0")
    found = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", terminal.raw)
    assert found
    assert base64.b64decode(found.group(1)).startswith(b"snapshot-0")


def test_suspending_and_coming_back(sample_terminal: Start) -> None:
    terminal = sample_terminal()
    terminal.wait_for("snapshot-3")
    terminal.send("ctrl+z")
    stat = Path(f"/proc/{terminal.process.pid}/stat")
    wait_until(
        lambda: (terminal.pump(0.01), stat.read_text().rpartition(")")[2].split()[0] == "T")[1], "the stop"
    )
    assert terminal.raw.rfind(b"\x1b[?1049l") > terminal.raw.rfind(b"\x1b[?1049h")
    terminal.process.send_signal(signal.SIGCONT)
    wait_until(lambda: (terminal.pump(0.01), terminal.raw.count(b"\x1b[?1049h") == 2)[1], "coming back")
    terminal.send("j")
    terminal.wait_quiet()
    terminal.send("q")
    assert terminal.wait_end() == 0
