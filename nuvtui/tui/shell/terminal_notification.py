"""Calling a user who looks elsewhere: a bell, or a notification of the terminal (OSC 9, OSC 777).

OSC 9 shows one text (iTerm2, WezTerm, Ghostty, kitty), OSC 777 title and text (foot, rxvt-unicode, WezTerm). Inside
tmux and screen such a sequence is wrapped so that it passes through to the terminal around; whether that is allowed
there cannot be known, so the bell comes as well.
"""

import os
from collections.abc import Mapping

from nuvtui import sanitise

AWAY = 60.0
"""Seconds without a key after which somebody counts as away, where the terminal does not tell of its focus."""
LONGEST = 160
"""Characters of a notification."""
_OSC9 = ("iterm.app", "wezterm", "ghostty", "kitty")
_OSC777 = ("foot", "rxvt")


def way(setting: str, environ: Mapping[str, str] | None = None) -> str:
    """How to call in this terminal: `off`, `bell`, `osc9` or `osc777`; `setting` may also be `auto`."""
    environ = os.environ if environ is None else environ
    if setting != "auto":
        return setting
    term = environ.get("TERM", "").lower()
    if "TMUX" in environ or term.startswith(("screen", "tmux")):
        return "bell"  # which terminal is around it is not known here
    names = f"{environ.get('TERM_PROGRAM', '').lower()} {term}"
    if any(name in names for name in _OSC9):
        return "osc9"
    return "osc777" if any(name in names for name in _OSC777) else "bell"


def sequence(setting: str, text: str, environ: Mapping[str, str] | None = None) -> str:
    """What to send to the terminal to call with `text` (from outside: made harmless here); empty: nothing."""
    environ = os.environ if environ is None else environ
    chosen = way(setting, environ)
    if chosen == "off":
        return ""
    if chosen == "bell":
        return "\x07"
    words = clean(text)
    plain = f"\x1b]9;nuvtui: {words}\x07" if chosen == "osc9" else f"\x1b]777;notify;nuvtui;{words}\x07"
    if "TMUX" in environ:
        return "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\\x07"
    if environ.get("TERM", "").startswith("screen"):
        return f"\x1bP{plain}\x1b\\\x07"
    return plain


def clean(text: str) -> str:
    """`text` on one line without controls, and without the sign that separates the parts of such a sequence."""
    words = " ".join(sanitise.line(text).replace(";", ",").split())
    words = "".join(char for char in words if char.isprintable())
    return words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."
