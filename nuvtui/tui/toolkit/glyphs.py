"""The few signs that the screens draw with, and their ASCII forms.

Every sign is one cell wide and never the only carrier of a meaning.
"""

import locale
import os
import sys

import msgspec


class Glyphs(msgspec.Struct, frozen=True):
    """A set of signs."""

    cursor: str = "▌"
    mark: str = "●"
    range: str = "│"
    opened: str = "▾"
    closed: str = "▸"
    ellipsis: str = "…"
    dot: str = "·"
    arrow: str = "→"
    down: str = "↓"
    done: str = "✓"
    failed: str = "✗"
    running: str = "◐"
    waiting: str = "○"
    warning: str = "!"
    new: str = "+"
    changed: str = "~"
    removed: str = "-"
    bar_full: str = "━"
    bar_empty: str = "─"
    thumb: str = "┃"
    rule: str = "─"
    bar: str = "│"
    # The timeline: the line itself, what stands on it, what happened.
    line_top: str = "┌"
    line_node: str = "├"
    line: str = "│"
    line_end: str = "└"
    current: str = "◉"
    named: str = "◆"
    quick: str = "◇"
    automatic: str = "◦"
    restored: str = "↺"
    received: str = "←"
    distributed: str = "→"
    recalled: str = "✗"
    held: str = "●"
    """A snapshot that a remote holds too."""
    unheld: str = "○"
    """A snapshot that is on this machine only."""
    package: str = "□"
    """An image of the application alone."""
    filled: str = "■"
    """An image with workspace files in it."""
    levels: str = "▁▂▃▄▅▆▇█"
    """Heights of a curve or a small histogram, lowest first; each sign is one cell."""


UNICODE = Glyphs()
ASCII = Glyphs(
    cursor=">",
    mark="*",
    range="|",
    opened="v",
    closed=">",
    ellipsis="~",
    dot="-",
    arrow=">",
    down="v",
    done="+",
    failed="x",
    running="@",
    waiting="o",
    bar_full="#",
    bar_empty="-",
    thumb="#",
    rule="-",
    bar="|",
    line_top=".",
    line_node="|",
    line="|",
    line_end="`",
    current="@",
    named="n",
    quick="q",
    automatic="a",
    restored="r",
    received="<",
    distributed=">",
    recalled="x",
    held="*",
    unheld="o",
    package="o",
    filled="#",
    levels="_.:-=+*#",
)


def only_ascii(setting: bool) -> bool:
    """True where the settings ask for ASCII, or the locale or the terminal's encoding cannot carry anything else."""
    if setting or os.environ.get("TERM") in ("vt100", "vt102", "vt220", "ansi"):
        return True
    written = sys.__stderr__.encoding if sys.__stderr__ is not None else "utf-8"
    return not all("utf" in each.lower() for each in (locale.nl_langinfo(locale.CODESET), written))
