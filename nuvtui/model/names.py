r"""Paths as JSON-safe text, and ids as people type them.

Linux file names are bytes. In memory nuvtui uses Python's `str` with surrogateescape (as `os.fsdecode` gives);
JSON cannot carry a lone surrogate, so every path that goes into JSON goes through `path_to_text` and comes back
through `text_to_path`. The text form doubles each backslash and writes an undecodable byte as `\xNN`:
ordinary names stay as they are, and the mapping is one to one.
"""

import re

ID_LENGTH = 16
"""Length of an id: lower-case hexadecimal digits, 64 random bits."""

_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def path_to_text(path: str) -> str:
    """Return the JSON-safe text of `path` (a str with surrogateescape)."""
    if "\\" not in path and path.isascii():
        return path
    out = []
    for char in path:
        code = ord(char)
        if char == "\\":
            out.append("\\\\")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        else:
            out.append(char)
    return "".join(out)


def text_to_path(text: str) -> str:
    """Return the path whose `path_to_text` is `text`.

    Raises ValueError where `text` is no such text (a backslash that escapes nothing).
    """
    if "\\" not in text:
        return text
    if "\\" in _ESCAPE.sub("", text):
        raise ValueError(f"not a path in text form: {text!r}")

    def undo(match: re.Match[str]) -> str:
        body = match.group(1)
        return "\\" if body == "\\" else chr(0xDC00 + int(body[1:], 16))

    return _ESCAPE.sub(undo, text)


def short(identifier: str) -> str:
    """The first eight characters of an id: what screens and tables show."""
    return identifier[:8]


def is_slug(text: str) -> bool:
    """True where `text` may name an application: lower-case letters, digits, `.`, `_`, `-`, at most 64."""
    return _SLUG.fullmatch(text) is not None


def slugify(text: str) -> str:
    """A slug close to `text`; `unnamed` where nothing of it can stay."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")
    return slug or "unnamed"
