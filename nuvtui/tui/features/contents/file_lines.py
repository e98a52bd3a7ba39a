"""Files that are not shown as they are written: notebooks, pictures, pages; as lines."""

import re

from nuvtui.model.names import path_to_text
from nuvtui.services.states.notebook import Cell, Notebook
from nuvtui.services.states.previews import Preview
from nuvtui.services.states.service import FileView
from nuvtui.tui.common import describe
from nuvtui.tui.toolkit import markdown, syntax
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.detail import block_lines
from nuvtui.tui.toolkit.lines import Line, Piece, line

MOST_LINES = 60
"""Lines of one output that are shown."""
_BYTES = re.compile(r"(\d+) bytes$")


def about(view: FileView, note: str = "") -> Line:
    """One line on a file: its path, and at the right size and age."""
    changed = describe.moment_of(view.mtime_ns)
    right: list[Piece] = []
    if note:
        right.append((f"{note}  ", "warn"))
    right.append((f"{size(view.size)}{f'  {changed}' if changed else ''}", "muted"))
    return line((view.path, "strong"), right=right)


def page(data: bytes) -> list[Line]:
    """A Markdown file."""
    return markdown.lines(data.decode("utf-8", "replace"))


def picture(preview: Preview) -> list[Line]:
    """An image's facts."""
    found = preview.picture
    assert found is not None
    facts = (
        ("Format", found.format),
        (
            "Size",
            f"{found.size} {'pixels' if found.format != 'SVG' else ''}".strip() if found.size else "not told",
        ),
        ("Colour", found.colour),
        ("", found.more),
        ("Bytes", f"{preview.view.size:,}"),
    )
    return [
        line(("Image", "strong")),
        line(""),
        *(line((f"{name:<9}", "muted"), text) for name, text in facts if text),
    ]


def notebook(book: Notebook, coloured: bool) -> list[Line]:
    """Cells with their numbers, sources and outputs."""
    code = sum(cell.kind == "code" for cell in book.cells)
    out = [
        line(
            ("Notebook", "strong"),
            (f"  {describe.plural(len(book.cells), 'cell')}, {code:,} of code, in {book.language}", "muted"),
        )
    ]
    for cell in book.cells:
        out += [line(""), *_cell(cell, book.language, coloured)]
    if book.left_out:
        out += [line(""), line((f"{describe.plural(book.left_out, 'more cell')} left out here.", "muted"))]
    return out


def _cell(cell: Cell, language: str, coloured: bool) -> list[Line]:
    if cell.kind != "code":
        return markdown.lines(cell.source) if cell.kind == "markdown" else block_lines(cell.source)
    number = " " if cell.number is None else str(cell.number)
    label = f"[{number}] "
    blank = " " * len(label)
    texts = [each.text for each in block_lines(cell.source)]
    spans = syntax.of_language(language, texts) if coloured else []
    out = []
    for at, text in enumerate(texts):
        pieces = syntax.pieces(text, spans[at]) if at < len(spans) else [(text, "")]
        out.append(line((label if at == 0 else blank, "accent"), *pieces))
    for output in cell.outputs:
        bad = output.kind == "error"
        text = (
            _BYTES.sub(lambda found: size(int(found[1])), output.text)
            if output.kind == "image"
            else output.text
        )
        rows = block_lines(text.rstrip("\n"))
        shown = rows[:MOST_LINES] if not bad else rows[-MOST_LINES:]
        if bad and len(shown) < len(rows):
            out.append(line((f"{blank}{len(rows) - len(shown):,} lines before", "muted")))
        for each in shown:
            facts = output.kind in ("image", "other")
            sign = "! " if bad else "= " if facts else "| "
            out.append(
                line(
                    (f"{blank}{sign}", "bad" if bad else "muted"),
                    (each.text, "bad" if bad else "muted" if facts else ""),
                )
            )
        if not bad and len(shown) < len(rows):
            out.append(line((f"{blank}| {len(rows) - len(shown):,} more lines", "muted")))
    return out


def nothing(preview: Preview) -> list[Line]:
    """What has no content to show."""
    return [line(preview.what), line(""), line((path_to_text(preview.view.path), "muted"))]
