"""The program's own log: what goes in, who may read it, and that a fault is told in a sentence."""

import logging
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui import logfile
from nuvtui.paths import Home
from tests.support.cli import Nuvtui
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until
from tests.tui.shell.test_terminal import assert_restored

Start = Callable[..., Terminal]


@pytest.fixture
def store(home: Home) -> Home:
    home.root.mkdir(parents=True, exist_ok=True)
    return home


def test_only_its_owner_may_read_it_and_it_is_put_aside_when_it_grew(
    store: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "MOST", 1000)
    for at in range(60):
        logfile.write(store, f"line {at} " + "x" * 40)
    assert stat.S_IMODE(store.log.stat().st_mode) == 0o600
    assert store.log.stat().st_size <= 1100
    aside = Path(f"{store.log}.1")
    assert aside.stat().st_size <= 1100
    assert not Path(f"{store.log}.2").exists()
    assert logfile.tail(store, 1) == ["line 59 " + "x" * 40]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://me:hunter2@host/x", "hunter2"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("HF_TOKEN=hf_123", "hf_123"),
        ("password = 'a b c'", "a b c"),
        ('{"api_key": "k-9"}', "k-9"),
    ],
)
def test_credentials_are_taken_out(store: Home, text: str, secret: str) -> None:
    logfile.write(store, text)
    assert secret not in store.log.read_text()
    assert "***" in store.log.read_text()


def test_records_threads_and_levels(store: Home) -> None:
    with logfile.kept(store, "warning", "start"):
        logging.getLogger("nuvtui.jobs").info("too little")
        logging.getLogger("nuvtui.jobs").warning("worth it")
        logging.getLogger("somebody").error("a library")
        thread = threading.Thread(target=lambda: 1 // 0, name="nuvtui test")
        thread.start()
        thread.join()
    text = store.log.read_text()
    assert "too little" not in text
    assert "worth it" in text
    assert "a library" in text
    assert "fault in nuvtui test" in text
    assert "ZeroDivisionError" in text
    with logfile.kept(store, "off", "nothing of this"):
        pass
    assert "nothing of this" not in store.log.read_text()


def test_a_fault_ends_with_a_sentence_and_no_traceback(sample_terminal: Start, home: Home) -> None:
    terminal = sample_terminal(100, 30, SAMPLE_FAULT="1")
    terminal.wait_for("snapshot-3")
    terminal.send("x")
    assert terminal.wait_end() == 1
    assert_restored(terminal.raw)
    after = terminal.raw[terminal.raw.rfind(b"\x1b[?1049l") :].decode()
    words = " ".join(after.split())
    assert "nuvtui met an unexpected error: ZeroDivisionError" in words
    assert "nuvtui.log" in words.replace(" ", "")
    assert "Traceback" not in words
    assert ", line " not in words
    text = home.log.read_text()
    assert "Traceback" in text
    assert "action_go" in text
    assert stat.S_IMODE(home.log.stat().st_mode) == 0o600


def test_a_fault_in_a_thread_leaves_the_screen_alone(sample_terminal: Start, home: Home) -> None:
    terminal = sample_terminal(SAMPLE_THREAD_FAULT="1")
    terminal.wait_for("snapshot-3")
    terminal.send("x")
    wait_until(
        lambda: (terminal.pump(0.01), home.log.exists() and "in sample thread" in home.log.read_text())[1],
        "the record",
    )
    terminal.wait_quiet()
    assert b"Traceback" not in terminal.raw
    terminal.send("q")
    assert terminal.wait_end() == 0


def test_f8_shows_it_and_the_command_prints_it(sample_terminal: Start, home: Home, workspace: object) -> None:
    terminal = sample_terminal()
    terminal.wait_for("snapshot-3")
    terminal.send("f8")
    terminal.wait_for("Log of the program")
    terminal.wait_for("start ")
    terminal.send("esc")
    terminal.wait_gone("Log of the program")
    terminal.send("q")
    assert terminal.wait_end() == 0
    printed = Nuvtui(home.root, {"NUVTUI_HOME": str(home.root)}).json("doctor", "--log")
    assert printed["path"] == str(home.log)
    assert any("nuvtui: start" in each for each in printed["lines"])
