"""The call when a task ends while the user looks elsewhere: which one, how it is sent, and that it is harmless."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from nuvtui.paths import Home
from nuvtui.services.context import system_user
from nuvtui.tui.shell import terminal_notification
from nuvtui.worker.submit import submit
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until
from tests.worker import running as tasks

OUT = b"\x1b[O"
"""What a terminal sends when it loses the focus."""


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({"TERM": "xterm-256color"}, "bell"),
        ({"TERM": "xterm-kitty"}, "osc9"),
        ({"TERM": "xterm-ghostty"}, "osc9"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "osc9"),
        ({"TERM": "foot"}, "osc777"),
        ({"TERM": "rxvt-unicode-256color"}, "osc777"),
        ({"TERM": "screen-256color", "TERM_PROGRAM": "WezTerm"}, "bell"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "bell"),
        ({}, "bell"),
    ],
)
def test_the_terminal_decides_where_the_setting_is_auto(environ: Mapping[str, str], chosen: str) -> None:
    assert terminal_notification.way("auto", environ) == chosen
    assert terminal_notification.way("osc777", environ) == "osc777"


def test_text_from_outside_cannot_leave_the_sequence() -> None:
    hostile = "a\x1b]0;title\x07b;c\n\x9cd" + "e" * 500
    for setting in ("osc9", "osc777"):
        sent = terminal_notification.sequence(setting, hostile, {"TERM": "xterm"})
        body = sent[2:-1]
        assert sent.startswith("\x1b]")
        assert sent.endswith("\x07")
        assert body.isprintable()
        assert body.count(";") == {"osc9": 1, "osc777": 3}[setting]
        assert len(body) < 220
    assert terminal_notification.sequence("off", "x", {}) == ""
    assert terminal_notification.sequence("bell", "x", {}) == "\x07"


def test_through_tmux_it_is_wrapped_and_the_bell_comes_too() -> None:
    sent = terminal_notification.sequence("osc9", "done", {"TMUX": "1", "TERM": "tmux-256color"})
    assert sent == "\x1bPtmux;\x1b\x1b]9;nuvtui: done\x07\x1b\\\x07"
    assert terminal_notification.sequence("osc9", "done", {"TERM": "screen"}).endswith("\x1b\\\x07")


def hold(home: Home, folder: Path) -> None:
    """A task of the acting user, at work until there is a file `go`."""
    request = tasks.request("hold", folder=str(folder), lines=1)
    submit(home, msgspec.structs.replace(request, user=system_user()), worker=tasks.WORKER)
    tasks.ready(folder)


@pytest.mark.parametrize(
    ("setting", "wanted"), [("osc9", rb"\x1b\]9;nuvtui: Do hold completed\x07"), ("bell", rb"(?<!\])\x07")]
)
def test_a_task_that_ends_while_one_looks_elsewhere_calls(
    sample_terminal: Callable[..., Terminal], home: Home, tmp_path: Path, setting: str, wanted: bytes
) -> None:
    terminal = sample_terminal(NUVTUI_NOTIFY=setting)
    terminal.wait_for("snapshot-3")
    hold(home, tmp_path)
    terminal.wait_for("1 running")
    terminal.send(OUT.decode())
    terminal.wait_quiet()
    before = len(terminal.raw)
    (tmp_path / "go").touch()
    wait_until(lambda: (terminal.pump(0.01), re.search(wanted, bytes(terminal.raw[before:])))[1], "the call")
    terminal.wait_for("Do hold completed")
    terminal.wait_for("snapshot-3")


def test_nobody_is_called_who_is_there(
    sample_terminal: Callable[..., Terminal], home: Home, tmp_path: Path
) -> None:
    terminal = sample_terminal(NUVTUI_NOTIFY="osc9")
    terminal.wait_for("snapshot-3")
    hold(home, tmp_path)
    terminal.wait_for("1 running")
    terminal.send("j")
    (tmp_path / "go").touch()
    terminal.wait_for("Do hold completed")
    assert b"\x1b]9;" not in terminal.raw
