"""Copying out of the screens: to the terminal's clipboard and a local tool's, or into a file where it is too large."""

from collections.abc import Callable
from pathlib import Path

from nuvtui import sanitise
from nuvtui.tui.common.shell import Shell
from nuvtui.tui.toolkit import clipboard
from nuvtui.tui.toolkit.amounts import size as bytes_text
from nuvtui.tui.toolkit.clipboard import Copy

COPIED = 40
"""Characters of what was copied that the notice shows."""


def copy(nuv: Shell, item: Copy, send: Callable[[str], object]) -> None:
    """Copy `item` and say so. `send` writes to the terminal."""

    def handed_over(item: Copy, tool: bool) -> None:
        sequence = clipboard.sequence(item.text)
        if sequence is not None:
            send(sequence)
        _tell(nuv, item, sequence is not None or tool)

    if item.size is not None:
        _tell(nuv, item, False)
    else:
        nuv.load(lambda: clipboard.hand_over(item), lambda done: handed_over(*done), group="copy")


def _tell(nuv: Shell, item: Copy, copied: bool) -> None:
    if copied:
        text = sanitise.line(" ".join(item.text[:200].split()))
        start = text if len(text) <= COPIED else f"{text[:COPIED]}{nuv.glyphs.ellipsis}"
        nuv.notify(f"Copied {item.what}: {start}", timeout=3)
    elif item.file is not None:
        _too_large(nuv, item, item.file)
    else:
        nuv.load(
            lambda: clipboard.save(nuv.home.cache, item.text),
            lambda file: _too_large(nuv, item, file),
            group="copy",
        )


def _too_large(nuv: Shell, item: Copy, file: Path) -> None:
    size = len(item.text.encode("utf-8", "replace")) if item.size is None else item.size
    nuv.notify(
        f"{item.what.capitalize()}: {bytes_text(size)} is too large for the clipboard. It is in {file}",
        severity="warning",
        timeout=15,
    )
