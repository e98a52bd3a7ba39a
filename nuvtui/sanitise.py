"""The one sanitiser: makes outside text harmless to a terminal.

Names, logs, table cells, descriptions and messages of other programs may carry escape sequences, C1 controls,
bidirectional overrides and undecodable bytes. Whatever nuvtui shows goes through here first.
"""

import re

# CSI, OSC/DCS/SOS/PM/APC with their terminators (also unterminated), two-byte escapes; 8-bit forms alike.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _PICTURES.get(code, "\ufffd")


def line(text: str) -> str:
    """`text` as one harmless line: control characters become visible pictures, tabs and newlines included.

    For names, cells, titles. Escape sequences are shown, not removed: a name with one in it stays
    distinguishable from a name without.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _CONTROLS.sub(_visible, text)
    return text.replace("\n", "\u240a").replace("\t", "\u2409")


def block(text: str) -> str:
    """`text` with its newlines and tabs, the rest as `line` does it. For descriptions, file previews."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(_visible, text.replace("\r\n", "\n"))


def log_line(text: str) -> str:
    """One line of a program's output, as a terminal would finally show it.

    Escape sequences (colours, cursor moves, titles) are dropped, a carriage return keeps what was written
    last, a tab becomes spaces, other controls become pictures.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _SEQUENCES.sub("", text.rstrip("\r\n"))
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part), "")
    return _CONTROLS.sub(_visible, text.expandtabs(8))
