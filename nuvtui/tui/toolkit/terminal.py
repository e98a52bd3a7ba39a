"""Which colours the terminal knows, told by TERM: COLORTERM does not come through SSH.

Apart from `theme`, because it is asked before textual is imported.
"""

import os

_TRUECOLOR = ("kitty", "ghostty", "alacritty", "foot", "wezterm", "contour", "rio")


def color_system() -> str:
    """Rich's name of the colours that the terminal knows, by COLORTERM where it is there, else by TERM."""
    if os.environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    term = os.environ.get("TERM", "").lower()
    if term.endswith("-direct") or any(name in term for name in _TRUECOLOR):
        return "truecolor"
    return "256" if "256" in term else "standard"
