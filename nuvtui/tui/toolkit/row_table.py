"""Rows of a table, however many: pages are fetched in a thread as they come into view, and forgotten again."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nuvtui import sanitise
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.line_list import LineList, Source
from nuvtui.tui.toolkit.lines import Line, Piece, fit, width_of

PAGE = 200
"""Rows fetched at once."""
PAGES = 32
"""Pages kept."""
WIDEST = 40
"""Cells that a column takes at most."""


@dataclass(slots=True)
class TableColumn:
    """A column as it is drawn."""

    name: str
    type: str = ""
    width: int = 0
    numeric: bool = False


Fetch = Callable[[int, int], Sequence[Sequence[Any]]]
"""`fetch(offset, limit)`: rows of the table. Called in a thread; may raise NuvError."""

_NUMERIC = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "REAL", "NUMERIC", "HUGE")


class _Rows(Source):
    def __init__(self, widget: "RowTable", total: int, fetch: Fetch) -> None:
        self.widget = widget
        self.total = total
        self.fetch = fetch
        self.pages: OrderedDict[int, Sequence[Sequence[Any]]] = OrderedDict()

    def count(self) -> int:
        return self.total

    def row(self, index: int) -> Sequence[Any] | None:
        page, offset = divmod(index, PAGE)
        rows = self.pages.get(page)
        if rows is None:
            self.widget.want(page)
            return None
        self.pages.move_to_end(page)
        return rows[offset] if offset < len(rows) else ()

    def line(self, index: int, width: int) -> Line:
        values = self.row(index)
        return self.widget.lay_out(index, values, width)

    def text(self, index: int) -> str:
        return "\t".join(map(text_of, self.row(index) or ()))


def text_of(value: Any) -> str:
    """A value as text; None is empty."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else str(value)


class RowTable(LineList):
    """A table: heading, row numbers, columns that stay aligned, numbers at the right.

    `set_table(columns, total, fetch)`; `h` and `l` move through the columns.
    """

    SCOPES = ("list", "table")
    BINDINGS = bindings("table")

    def __init__(self, **options: Any) -> None:
        options.setdefault("filterable", False)
        super().__init__(heading=self._heading, **options)
        self.columns: list[TableColumn] = []
        self.first_column = 0
        self._wanted: set[int] = set()
        self._fetching = False

    def set_table(self, columns: Sequence[tuple[str, str]], total: int, fetch: Fetch) -> None:
        """Show `total` rows of the columns `(name, type)`; `fetch` reads them page by page. Type `#`: any number."""
        self.columns = [
            TableColumn(
                name, type, min(WIDEST, width_of(sanitise.line(name)) + _label_width(type)), _is_numeric(type)
            )
            for name, type in columns
        ]
        self.first_column = 0
        self._wanted.clear()
        self.cursor = 0
        self.set_source(_Rows(self, total, fetch))

    @property
    def row_values(self) -> Sequence[Any] | None:
        """The row under the cursor; None where it is not there (yet)."""
        return (
            self.source.row(self.current)
            if isinstance(self.source, _Rows) and self.current is not None
            else None
        )

    def want(self, page: int) -> None:
        """A page is in view and not here: fetch it soon."""
        self._wanted.add(page)
        if not self._fetching:
            self._fetching = True
            self.call_later(self._fetch)

    def _fetch(self) -> None:
        source = self.source
        if not isinstance(source, _Rows) or not self._wanted:
            self._fetching = False
            return
        first = self._top // PAGE
        page = min(self._wanted, key=lambda number: abs(number - first))
        self._wanted.clear()  # what is still in view asks again

        def read() -> tuple[_Rows, int, list[Sequence[Any]]]:
            return source, page, list(source.fetch(page * PAGE, PAGE))

        self.load(read, self._fetched, group="rows", failed=self._fetch_failed)

    def _fetch_failed(self, error: Any) -> None:
        self._fetching = False
        self.host.show_error(error)

    def _fetched(self, answer: tuple[_Rows, int, list[Sequence[Any]]]) -> None:
        source, page, rows = answer
        self._fetching = False
        if source is not self.source:
            self.refresh()
            return
        source.pages[page] = rows
        while len(source.pages) > PAGES:
            source.pages.popitem(last=False)
        for at, column in enumerate(self.columns):  # columns grow with what is seen, and never shrink again
            widths = (
                width_of(sanitise.line(text_of(row[at])[: 2 * WIDEST])) for row in rows if at < len(row)
            )
            column.width = min(WIDEST, max([column.width, 1, *widths]))
        self.refresh_changed()
        self.post_message(self.Highlighted(self))

    # drawing

    @property
    def _number_width(self) -> int:
        return len(f"{max(1, self.source.count()):,}")

    def _heading(self, width: int) -> Line:
        pieces: list[Piece] = [(" " * self._number_width, "")]
        for column in self._shown(width):
            label = _label(column.type)
            room = max(0, column.width - _label_width(column.type))
            name = fit(column.name, min(room, width_of(sanitise.line(column.name))))
            space = " " * (room - width_of(name))
            pieces.append(("  ", ""))
            if column.numeric:
                pieces.append((space, ""))
            pieces += [(name, "strong"), (f" {label}" if label else "", "muted")]
            if not column.numeric:
                pieces.append((space, ""))
        return Line(tuple(pieces))

    def _shown(self, width: int) -> list[TableColumn]:
        used = self._number_width
        shown = []
        for column in self.columns[self.first_column :]:
            if used + 2 >= width:
                break
            shown.append(column)
            used += 2 + column.width
        return shown

    def lay_out(self, index: int, values: Sequence[Any] | None, width: int) -> Line:
        """The line of a row."""
        pieces: list[Piece] = [(f"{index + 1:,}".rjust(self._number_width), "muted")]
        if values is None:
            return Line((*pieces, ("  ", ""), (self.glyphs.ellipsis, "muted")))
        for at, column in enumerate(self._shown(width), self.first_column):
            value = values[at] if at < len(values) else None
            pieces.append(("  ", ""))
            if value is None:
                pieces.append((fit(self.glyphs.dot, column.width, _side(column)), "muted"))
            else:
                pieces.append((fit(text_of(value), column.width, _side(column)), ""))
        return Line(tuple(pieces))

    def action_right(self) -> None:
        """Columns further right."""
        if self.first_column < len(self.columns) - 1:
            self.first_column += 1
            self.refresh()

    def action_left(self) -> None:
        """Columns further left."""
        if self.first_column:
            self.first_column -= 1
            self.refresh()

    def copied(self) -> Copy | None:
        """The row, its values separated by tabs."""
        values = self.row_values
        return (
            None
            if values is None
            else Copy("\t".join(sanitise.line(text_of(value)) for value in values), "the row")
        )


_LABELS = (
    ("INTERVAL", "interval"),
    ("TIMESTAMP", "time"),
    ("VARCHAR", "text"),
    ("DECIMAL", "num"),
    ("DOUBLE", "num"),
    ("FLOAT", "num"),
    ("BOOLEAN", "bool"),
)


def _label(type: str) -> str:
    """A type in a few letters, for the heading; `#` (a number, whatever its type) has none."""
    if type in ("", "#"):
        return ""
    if type.endswith("]"):
        return "list"
    if type.startswith(("STRUCT", "MAP", "UNION", "ENUM")):
        return type.partition("(")[0].lower()
    found = next((label for word, label in _LABELS if type.upper().startswith(word)), "")
    return found or ("int" if "INT" in type.upper() else sanitise.line(type.lower())[:8])


def _label_width(type: str) -> int:
    label = _label(type)
    return width_of(label) + 1 if label else 0


def _is_numeric(type: str) -> bool:
    return type == "#" or any(word in type.upper() for word in _NUMERIC)


def _side(column: TableColumn) -> Any:
    return "right" if column.numeric else "left"
