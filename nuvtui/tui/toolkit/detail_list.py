"""Details of something, one field a line. `y` copies exactly the value under the cursor, never its frame.

Values stay on one line, cut at the edge (Enter shows all of one); sentences are wrapped.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nuvtui import sanitise
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.detail import wrap_lines
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, line

LABEL = 12
"""Cells of a fact's name."""


class Field(NamedTuple):
    """A line of the list."""

    shown: Line
    value: str = ""
    """What `y` copies; empty: the line as it is shown."""
    what: str = ""
    """What that is: `the digest`."""
    sentence: bool = False
    """Wrapped where it is too long."""

    @property
    def text(self) -> str:
        """The line as it is shown."""
        return self.shown.text


def field(name: str, value: str, note: str = "", tone: Tone = "", what: str = "") -> Field:
    """A named value; the note after it is not copied with it."""
    pieces: list[Piece] = [(f"{name:<{LABEL}} ", "muted"), (value, tone)]
    if note:
        pieces.append((f"  {note}" if value else note, "muted"))
    return Field(line(*pieces), value, what or f"the {name.lower()}")


def say(*pieces: str | Piece, value: str = "", what: str = "the line") -> Field:
    """A sentence, wrapped where it is too long."""
    return Field(line(*pieces), value, what, sentence=True)


def sentence(content: Line | str) -> Field:
    """A line that was made elsewhere, as a sentence."""
    return Field(line(content) if isinstance(content, str) else content, sentence=True, what="the line")


class _Row(NamedTuple):
    field: int
    part: int
    shown: Line


class DetailList(LineList):
    """Shows facts."""

    def __init__(self, *, id: str | None = None, empty: str = "Nothing to tell.") -> None:
        super().__init__(id=id, empty=empty, filterable=False)
        self.opens = "all of it"
        self._fields: Sequence[Field] = ()
        self._laid_out = 0
        self._begun = False

    @property
    def fields(self) -> Sequence[Field]:
        """What is shown."""
        return self._fields

    @property
    def current_field(self) -> Field | None:
        """The fact under the cursor."""
        at = self.current
        if at is None or not isinstance(self.source, Items):
            return None
        row: _Row = self.source.items[at]
        return self._fields[row.field]

    def show(self, fields: Iterable[Field | Line | str], *, at: str = "", fresh: bool = False) -> None:
        """Show these; a plain line is a sentence. The cursor begins at the fact named `at`.

        `fresh`: facts of something else than before; the cursor begins anew.
        """
        new = [each if isinstance(each, Field) else sentence(each) for each in fields]
        if new == self._fields and not fresh:
            return
        self._fields = new
        self._lay_out()
        if fresh or not self._begun:
            first = next((n for n, each in enumerate(new) if at and each.text.startswith(at)), 0)
            self.move_to(self.position(first))
        self._begun = self._begun or bool(at and any(each.text.startswith(at) for each in new))

    def position(self, number: int) -> int:
        """The line of fact `number`."""
        rows: Sequence[_Row] = self.source.items if isinstance(self.source, Items) else ()
        return next((at for at, row in enumerate(rows) if row.field == number), 0)

    @property
    def rows(self) -> int:
        """Lines that all of it takes."""
        return self.source.count()

    def _lay_out(self) -> None:
        self._laid_out = self.size.width
        width = max(8, (self.size.width or 80) - self.GUTTER - 2)
        rows: list[_Row] = []
        for number, each in enumerate(self._fields):
            lines = wrap_lines([each.shown], width) if each.sentence else [each.shown]
            rows += [_Row(number, part, shown) for part, shown in enumerate(lines)]
        # The cursor stays with a fact's name when more is known: by number it would slip to another one.
        names = [each.text[:LABEL].strip() or str(number) for number, each in enumerate(self._fields)]
        self.set_source(Items(rows, lambda row, _: row.shown, key=lambda row: (names[row.field], row.part)))

    def on_resize(self) -> None:
        """Wrap anew."""
        if self.size.width != self._laid_out:
            self._lay_out()
        if self.cursor < self._page:  # it may have been shown while there was no room yet
            self._top = 0
            self.refresh()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """All of a line that is too long."""
        message.stop()
        found = self.current_field
        if found is not None and found.text.strip():
            from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog

            name = found.text[:LABEL].strip() if found.value and not found.sentence else ""
            self.app.push_screen(MessageDialog(name or "All of the line", [found.value or found.text]))

    def copied(self) -> Copy | None:
        """The value under the cursor."""
        found = self.current_field
        if found is None or not found.text.strip():
            return None
        text = sanitise.line(found.value or found.text).strip()
        return Copy(text, found.what or "the line")
