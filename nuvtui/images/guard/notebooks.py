"""A notebook as the texts that somebody sees in it: sources and outputs, whole, whatever JSON made of them.

In the file a text is a list of lines with escapes, so that a value may be split or spelled differently.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

LIMIT = 64 << 20
"""Bigger ones are not taken apart."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_KEPT_OUT = ("image/", "audio/", "video/", "application/pdf")


def texts(data: bytes) -> Iterator[tuple[str, str]]:
    """For each text its place (`cell 3, output`) and the text itself.

    Raises ValueError where `data` is no notebook.
    """
    try:
        book: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if not isinstance(book, dict):
        raise ValueError("no notebook")
    sheets = book.get("worksheets")
    cells = book.get("cells")
    if not isinstance(cells, list):
        if not isinstance(sheets, list):
            raise ValueError("no notebook")
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _items(sheet.get("cells"))]
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            continue
        for field in ("source", "input"):
            if text := _text(cell.get(field)):
                yield f"cell {number}", text
        for output in _items(cell.get("outputs")):
            if isinstance(output, dict):
                yield from ((f"cell {number}, output", text) for text in _output(output))


def _output(output: dict[str, Any]) -> Iterator[str]:
    for field in ("text", "evalue", "html", "json", "latex", "javascript"):
        if text := _text(output.get(field)):
            yield _ANSI.sub("", text)
    if trace := output.get("traceback"):
        yield _ANSI.sub("", "\n".join(line for line in _items(trace) if isinstance(line, str)))
    data = output.get("data")
    for kind, value in (data if isinstance(data, dict) else {}).items():
        if kind.startswith(_KEPT_OUT) and kind != "image/svg+xml":
            continue
        if text := _text(value):
            yield _ANSI.sub("", text)
        elif isinstance(value, dict):
            yield msgspec.json.encode(value).decode("utf-8", "replace")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "".join(part for part in _items(value) if isinstance(part, str))


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
