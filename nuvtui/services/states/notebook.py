"""A Jupyter notebook as what somebody reads in it: cells with their numbers, sources, outputs, facts on images."""

import base64
import binascii
import re
from typing import Any, Literal

import msgspec

from nuvtui.services.states import pictures

MOST_CELLS = 1000
MOST_TEXT = 20_000
"""Characters of one source or output that are kept."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PREFERRED = ("text/markdown", "text/plain", "text/latex", "application/json", "text/html")


class Output(msgspec.Struct, frozen=True):
    """What a cell printed, returned or showed."""

    kind: Literal["text", "error", "image", "other"]
    text: str
    """Without escape sequences; of an image its facts."""


class Cell(msgspec.Struct, frozen=True):
    """A cell."""

    kind: str
    """`code`, `markdown`, `raw`."""
    source: str
    number: int | None = None
    """Execution count; None: never run."""
    outputs: list[Output] = []


class Notebook(msgspec.Struct, frozen=True):
    """A notebook."""

    language: str
    cells: list[Cell]
    left_out: int = 0
    """Cells after `MOST_CELLS`."""


def parse(data: bytes) -> Notebook | None:
    """The notebook in `data`; None where it is none."""
    try:
        book: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(book, dict):
        return None
    cells = book.get("cells")
    if not isinstance(cells, list):
        sheets = _items(book.get("worksheets"))
        if not sheets:
            return None
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _items(sheet.get("cells"))]
    cells = [cell for cell in cells if isinstance(cell, dict)]
    meta = book.get("metadata")
    kernel = meta.get("kernelspec") if isinstance(meta, dict) else None
    about = meta.get("language_info") if isinstance(meta, dict) else None
    language = _word(about, "name") or _word(kernel, "language") or "python"
    return Notebook(language, [_cell(cell) for cell in cells[:MOST_CELLS]], max(0, len(cells) - MOST_CELLS))


def _cell(cell: dict[str, Any]) -> Cell:
    kind = cell.get("cell_type")
    number = cell.get("execution_count", cell.get("prompt_number"))
    outputs = [
        found for each in _items(cell.get("outputs")) if isinstance(each, dict) for found in _output(each)
    ]
    return Cell(
        kind if isinstance(kind, str) and kind in ("code", "markdown", "raw") else "raw",
        _text(cell.get("source", cell.get("input"))),
        number if isinstance(number, int) else None,
        outputs,
    )


def _output(output: dict[str, Any]) -> list[Output]:
    kind = output.get("output_type")
    if kind in ("error", "pyerr"):
        trace = "\n".join(line for line in _items(output.get("traceback")) if isinstance(line, str))
        said = f"{_word(output, 'ename')}: {_word(output, 'evalue')}"
        return [Output("error", _plain(trace) or said)]
    if kind == "stream" or "text" in output:
        return [Output("text", _plain(_text(output.get("text"))))]
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    found = [
        Output("image", _picture(name, value)) for name, value in data.items() if name.startswith("image/")
    ]
    if found:
        return found
    for name in _PREFERRED:
        if name in data:
            value = data[name]
            text = _text(value) if not isinstance(value, dict) else msgspec.json.encode(value).decode()
            if name == "text/html":
                return [Output("other", f"text/html, {len(text):,} characters")]
            return [Output("text", _plain(text))]
    return [Output("other", ", ".join(str(name)[:60] for name in data))] if data else []


def _picture(name: str, value: object) -> str:
    """`image/png, 640 x 480, RGB, 8 bits` and the bytes, which the caller makes readable."""
    text = _text(value, limit=1 << 30)
    if name == "image/svg+xml":
        head, length = text[: pictures.HEAD].encode("utf-8", "replace"), len(text.encode("utf-8", "replace"))
    else:
        text = "".join(text.split())
        length = len(text) * 3 // 4 - text[-2:].count("=")
        try:
            head = base64.b64decode(text[: pictures.HEAD // 3 * 4], validate=False)
        except (binascii.Error, ValueError):
            head = b""
    facts = pictures.look(head)
    parts = [name[:60], facts.size if facts else "", f"{length} bytes"]
    return ", ".join(part for part in parts if part)


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


def _word(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found[:200] if isinstance(found, str) else ""


def _text(value: object, limit: int = MOST_TEXT) -> str:
    text = value if isinstance(value, str) else "".join(p for p in _items(value) if isinstance(p, str))
    return text if len(text) <= limit else f"{text[:limit]}\n[{len(text) - limit:,} more characters]"


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
