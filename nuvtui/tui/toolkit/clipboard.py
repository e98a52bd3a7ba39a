"""Copying out of a terminal: OSC 52 for the terminal at the user's end (SSH, tmux), and a local tool where there is one.

Terminals silently drop long OSC 52 sequences, so what is too large is put into a file, and the file is named.
"""

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

OSC52_LIMIT = 74_994
"""Characters of base64 that common terminals take in one sequence."""
TOOL_LIMIT = 8 << 20
"""Bytes handed to a local tool at most."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What can be copied."""

    text: str
    """Clean text; empty where only the file is worth naming."""
    what: str
    """What it is, for the notice: `the id`, `12 lines`."""
    file: Path | None = None
    """The file that holds it anyway (a log), named where the text is too large."""
    size: int | None = None
    """Bytes, where the text was not even read because of its size."""
    read: Callable[[], str] | None = None
    """Gives the text, in a thread, where it is in a file."""


def sequence(text: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The escape sequence that makes the terminal copy `text`, None where `text` is too long for it.

    In tmux and screen it is sent plainly and wrapped for the terminal around them.
    """
    environ = os.environ if environ is None else environ
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    if len(encoded) > OSC52_LIMIT:
        return None
    plain = f"\x1b]52;c;{encoded}\x07"
    if "TMUX" in environ:
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("TERM", "").startswith("screen"):
        # screen takes strings of up to 768 bytes: the sequence goes through in pieces
        pieces = [plain[at : at + 700] for at in range(0, len(plain), 700)]
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return plain


def tool(environ: Mapping[str, str] | None = None) -> list[str] | None:
    """The command that reads the clipboard's new content from its input, None where this machine has none."""
    environ = os.environ if environ is None else environ
    candidates: list[tuple[bool, list[str]]] = [
        ("TMUX" in environ, ["tmux", "load-buffer", "-w", "-"]),
        ("WAYLAND_DISPLAY" in environ, ["wl-copy"]),
        ("DISPLAY" in environ, ["xclip", "-selection", "clipboard"]),
        ("DISPLAY" in environ, ["xsel", "--clipboard", "--input"]),
        (True, ["pbcopy"]),
    ]
    path = environ.get("PATH")
    for there, command in candidates:
        if there and shutil.which(command[0], path=path):
            return command
    return None


def hand_over(copy: Copy) -> tuple[Copy, bool]:
    """Read what is to be copied, where that is still to be done, and give it to a local tool. For a thread.

    Returns it with its text, and True where a tool took it.
    """
    if copy.read is not None:
        copy = replace(copy, text=copy.read(), read=None)
    command = tool()
    return copy, command is not None and run_tool(command, copy.text)


def run_tool(command: list[str], text: str) -> bool:
    """Hand `text` to the tool; True where it took it. Loading up to two seconds: not for the event loop."""
    data = text.encode("utf-8", "replace")
    if len(data) > TOOL_LIMIT:
        return False
    try:
        # output not captured: xclip leaves a child behind that keeps it open
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def save(folder: Path, text: str) -> Path:
    """Put `text` into a file in `folder`, for the next one to overwrite; returns its path. Raises OSError."""
    from nuvtui import atomic

    atomic.make_folder(folder)
    file = folder / f"copied-{os.geteuid()}.txt"
    atomic.write_file(file, text.encode("utf-8", "replace"))
    return file
