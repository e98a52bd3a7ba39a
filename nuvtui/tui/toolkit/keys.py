"""Names of keys: Textual's, those that people read, and those that terminals send."""

import unicodedata

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys


def normalise(keys: str) -> tuple[str, ...]:
    """The keys of a comma-separated list in Textual's long form (`?` is `question_mark`); `,` is `comma`."""
    if not keys.strip():
        return ()
    return tuple(binding.key for binding in Binding.make_bindings([Binding(keys, "x")]))


_NAMED = {key.value for key in Keys} | set(KEY_NAME_REPLACEMENTS.values())
_LOST = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+left_square_bracket": "escape"}


def unusable(key: str) -> str:
    """Why terminals do not send `key` (Textual's long form) as such; empty where they do."""
    if key in _LOST:
        return f"terminals send it as {_LOST[key]}"
    *modifiers, base = key.split("+")
    if set(modifiers) & {"super", "hyper", "meta", "cmd"}:
        return "terminals do not send that modifier"
    if "ctrl" in modifiers and (base.isdigit() or "shift" in modifiers):
        return "terminals do not send Ctrl with a digit or with Shift"
    named = base in _NAMED or key in _NAMED or _is_character(base)
    return "" if named else "there is no such key"


def _is_character(base: str) -> bool:
    if len(base) == 1:
        return True
    try:
        unicodedata.lookup(base.replace("_", " ").upper())
    except KeyError:
        return False
    return True


_LABELS = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "ampersand": "&",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "home": "Home",
    "end": "End",
    "delete": "Del",
    "backspace": "Backspace",
    "plus": "+",
    "minus": "-",
    "asterisk": "*",
    "comma": ",",
    "full_stop": ".",
    "vertical_line": "|",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}


def key_label(key: str) -> str:
    """How people write a key: `^P`, `F1`, `Esc`, `G`."""
    if key in _LABELS:
        return _LABELS[key]
    if key.startswith("ctrl+") and len(key) == 6:
        return f"^{key[-1].upper()}"
    if key.startswith("shift+"):
        return f"Shift+{key_label(key[6:])}"
    if len(key) > 1 and key[0] == "f" and key[1:].isdigit():
        return key.upper()
    if len(key) == 1:
        return key
    try:
        return unicodedata.lookup(key.replace("_", " ").upper())
    except KeyError:
        return key
