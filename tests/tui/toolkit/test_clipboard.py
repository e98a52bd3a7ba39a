"""Copying: sequences for terminals, tmux and screen, local tools, and what is too large."""

import base64
import re
from pathlib import Path

import pytest

from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit import clipboard
from nuvtui.tui.toolkit.clipboard import Copy
from tests.tui.harness import notices, running, settle, until


def payload(sequence: str) -> str:
    found = re.search(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found
    return base64.b64decode(found.group(1)).decode()


def test_a_terminal_gets_osc_52() -> None:
    sequence = clipboard.sequence("grüße\nzwei", {"TERM": "xterm"})
    assert sequence is not None
    assert payload(sequence) == "grüße\nzwei"
    assert sequence.count("\x1b") == 1


def test_tmux_gets_it_for_itself_and_for_the_terminal_around_it() -> None:
    sequence = clipboard.sequence("text", {"TERM": "tmux-256color", "TMUX": "/socket,1,0"})
    assert sequence is not None
    plain, _, wrapped = sequence.partition("\x1bPtmux;")
    assert payload(plain) == "text"
    assert wrapped.endswith("\x1b\\")
    assert payload(wrapped[:-2].replace("\x1b\x1b", "\x1b")) == "text"


def test_screen_gets_it_in_pieces() -> None:
    sequence = clipboard.sequence("x" * 3000, {"TERM": "screen.xterm"})
    assert sequence is not None
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", sequence, re.S)
    assert len(pieces) > 1
    assert all(len(piece) < 768 for piece in pieces)
    assert payload("".join(pieces)) == "x" * 3000


def test_what_terminals_would_drop_is_not_sent() -> None:
    assert clipboard.sequence("x" * 56_000, {}) is not None
    assert clipboard.sequence("x" * 57_000, {}) is None


def test_the_tool_that_fits_the_surroundings_is_found(tmp_path: Path) -> None:
    for name in ("wl-copy", "xclip", "tmux"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert clipboard.tool(path) is None, "a tool without its display copies nowhere"
    assert (clipboard.tool({**path, "DISPLAY": ":0"}) or [""])[0] == "xclip"
    assert (clipboard.tool({**path, "DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}) or [""])[0] == "wl-copy"
    assert (clipboard.tool({**path, "TMUX": "x", "DISPLAY": ":0"}) or [""])[0] == "tmux"
    assert clipboard.tool({"PATH": "/nonexistent", "TMUX": "x"}) is None


def test_a_tool_gets_the_text_and_its_failure_is_no_copy(tmp_path: Path) -> None:
    target = tmp_path / "clipboard"
    assert clipboard.run_tool(["sh", "-c", f"cat > {target}"], "grüße")
    assert target.read_text() == "grüße"
    assert not clipboard.run_tool(["sh", "-c", "exit 1"], "x")
    assert not clipboard.run_tool(["/nonexistent/tool"], "x")
    assert not clipboard.run_tool(["cat"], "x" * (clipboard.TOOL_LIMIT + 1))


async def test_what_is_too_large_is_put_into_a_file_that_is_named(
    app: NuvApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipboard, "tool", lambda: None)
    async with running(app) as pilot:
        text = "line\n" * 40_000
        app.copy(Copy(text, "the rows"))
        await until(pilot, lambda: notices(app))
        (notice,) = notices(app)
        path = Path(notice.rpartition(" ")[2])
        assert "too large" in notice
        assert path.read_text() == text
        assert path.stat().st_mode & 0o777 == 0o600


async def test_what_has_its_own_file_is_named_by_it(app: NuvApp, tmp_path: Path) -> None:
    async with running(app) as pilot:
        app.copy(Copy("", "the log", tmp_path / "build.log", 12_300_000))
        await settle(pilot)
        (notice,) = notices(app)
        assert notice == f"The log: 12.3 MB is too large for the clipboard. It is in {tmp_path / 'build.log'}"
