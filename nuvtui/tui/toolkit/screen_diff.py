"""What goes to the terminal: only the cells that look different from what is there.

Textual repaints regions of lines. Over a slow line most of those bytes say what the terminal shows already, so a
`ScreenDiff` remembers what was sent, cell by cell, and turns each update into runs of changed cells, with as few
colour codes as tell them; where lines moved up or down as a block, the terminal moves them. Every run is placed by
its absolute position, so a terminal that disagrees about the width of a character errs in that line alone; lines
with such characters are sent whole. Sequences: cursor position, colours, and for moving lines the scroll margins of
the VT100, which every terminal since has.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from nuvtui.tui.toolkit.textual_private import ChopsUpdate, CompositorUpdate, LayoutUpdate

NEAR = 6
"""Cells between two runs that are sent again rather than jumped over: a jump takes about as many bytes."""
WORTH = 80
"""Cells that moving lines has to save: the sequences for it, and the line that comes in, cost about as much."""


class CellStyle(NamedTuple):
    """How a cell looks, in the terminal's own codes."""

    attributes: frozenset[str] = frozenset()
    foreground: str | None = ""
    """None: it does not matter, there is nothing in the cell."""
    background: str = ""

    def goes_with(self, other: "CellStyle") -> bool:
        """True where a cell of this look can be sent along with one of the other look, without a code between."""
        return self == other or (self.foreground is None and self.background == other.background)


class Row(NamedTuple):
    """What a line shows, by column; the right half of a wide character is an empty text."""

    characters: list[str]
    cell_styles: list[CellStyle]


PLAIN = CellStyle()
UNKNOWN = CellStyle(frozenset({"?"}))
"""Of a cell that the terminal may show anything in: never equal to another."""
_SEEN_IN_BLANKS = frozenset({"4", "7", "9"})
"""Underlined, reversed, struck through: what is to be seen of a space besides its background."""


_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}
"""What ends an attribute and leaves the colours as they are."""
_WEIGHTS = frozenset({"1", "2"})
"""Bold and dim, which end together."""


class ScreenDiff:
    """Remembers what the terminal shows."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._width = 0
        self._cell_styles = CellStyles(None)

    def forget(self) -> None:
        """The terminal may show anything: the next update is sent whole."""
        self._rows.clear()

    def update(self, update: CompositorUpdate) -> CompositorUpdate:
        """What takes the place of an update of Textual's."""
        return Difference(self, update) if isinstance(update, ChopsUpdate | LayoutUpdate) else update

    def difference(self, update: ChopsUpdate | LayoutUpdate, console: Console) -> str:
        """The bytes that bring the terminal from what it shows to `update`."""
        system = COLOR_SYSTEMS[console.color_system] if console.color_system else None
        if system is not self._cell_styles.system:
            self._cell_styles = CellStyles(system)
            self.forget()
        self._fit(console.size.width, console.size.height)
        new: dict[int, Row] = {}
        for y, x, strip in _parts(update):
            if y < len(self._rows) and x < self._width:  # an update may be older than the terminal's size
                row = new.get(y)
                if row is None:
                    old = self._rows[y]
                    row = new[y] = Row(old.characters[:], old.cell_styles[:])
                part = self._cell_styles.row(strip)
                end = min(self._width, x + len(part.characters))
                row.characters[x:end] = part.characters[: end - x]
                row.cell_styles[x:end] = part.cell_styles[: end - x]
        writer = AnsiWriter()
        self._move(writer, new)
        for y, row in sorted(new.items()):
            _put(writer, y, self._rows[y], row)
            self._rows[y] = row
        return writer.written()

    def _fit(self, width: int, height: int) -> None:
        if width != self._width or len(self._rows) != height:
            self._width = width
            self._rows = [self._nothing() for _ in range(height)]

    def _nothing(self) -> Row:
        return Row([""] * self._width, [UNKNOWN] * self._width)

    def _move(self, writer: "AnsiWriter", new: dict[int, Row]) -> None:
        """Have the terminal move lines up or down by one where that makes most of an update needless."""
        if not any(row.cell_styles[0] is not UNKNOWN for row in self._rows):
            return
        saved, top, bottom, step = max(
            (_gain(self._rows, new, step) for step in (1, -1)), key=lambda gain: gain[0]
        )
        if saved < WORTH:
            return
        writer.move_lines(top, bottom, step)
        for y in range(top, bottom + 1):  # what moved along, or out, and is to stay
            new.setdefault(y, self._rows[y])
        if step > 0:
            self._rows[top : bottom + 1] = [*self._rows[top + 1 : bottom + 1], self._nothing()]
        else:
            self._rows[top : bottom + 1] = [self._nothing(), *self._rows[top:bottom]]


def _gain(old: Sequence[Row], new: dict[int, Row], step: int) -> tuple[int, int, int, int]:
    """Cells that need not be sent if a block of lines moves by `step` (1: up), the block's first and last line."""
    best = (0, 0, 0, step)
    start = -1
    saved = 0
    for y in sorted(new):
        if not 0 <= y + step < len(old):
            continue
        gain = _distance(old[y], new[y]) - _distance(old[y + step], new[y])
        if start < 0 or y - 1 not in new or saved + gain <= 0:
            start, saved = y, 0
        saved += gain
        if saved > best[0]:
            best = (saved, start, y + step, step) if step > 0 else (saved, start - 1, y, step)
    return best


def _distance(one: Row, other: Row) -> int:
    """Number of cells in which two lines differ."""
    same = one.characters == other.characters and one.cell_styles == other.cell_styles
    return 0 if same else len(_changed(one, other))


def _changed(old: Row, new: Row) -> list[int]:
    """Columns in which two lines differ."""
    pairs = zip(old.characters, new.characters, old.cell_styles, new.cell_styles, strict=True)
    return [at for at, (a, b, c, d) in enumerate(pairs) if a != b or (c is not d and c != d)]


def _put(writer: "AnsiWriter", y: int, old: Row, new: Row) -> None:
    """Send the cells of a line that differ."""
    if old.cell_styles.count(UNKNOWN) == len(old.cell_styles):
        changed = list(range(len(new.cell_styles)))
    else:
        changed = _changed(old, new)
    if not changed:
        return
    if _uncertain(old) or _uncertain(new):
        runs: Iterable[tuple[int, int]] = [(0, len(new.characters))]
    else:
        runs = _runs(changed, new.cell_styles)
    for start, stop in runs:
        writer.at(y, start)
        at = start
        while at < stop:
            cell_style = new.cell_styles[at]
            after = at + 1
            while after < stop and (
                new.cell_styles[after] is cell_style or new.cell_styles[after] == cell_style
            ):
                after += 1
            if cell_style == UNKNOWN:  # nothing was drawn there: the run goes on behind it
                writer.at(y, after)
            else:
                writer.write("".join(new.characters[at:after]), cell_style)
            at = after


def _uncertain(row: Row) -> bool:
    """True where a terminal may see other widths: wide characters, and those that join the one before."""
    return any(
        len(character) != 1 and cell_style is not UNKNOWN
        for character, cell_style in zip(row.characters, row.cell_styles, strict=True)
    )


def _runs(changed: list[int], cell_styles: list[CellStyle]) -> Iterator[tuple[int, int]]:
    """Start and stop of the runs of changed cells; what is near and looks the same is taken along."""
    start = last = changed[0]
    for at in changed[1:]:
        gap = at - last
        if gap > 1 and (
            gap > NEAR
            or not all(cell_styles[cell].goes_with(cell_styles[at]) for cell in range(last + 1, at))
        ):
            yield start, last + 1
            start = at
        last = at
    yield start, last + 1


def _parts(update: ChopsUpdate | LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Line, column and strip of everything that an update holds."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield y, update.region.x, Strip.join(list(strips))
        return
    for y, x1, x2 in update.spans:
        for x, strip in update.chops[y].items():
            if strip is None or x >= x2 or x + strip.cell_length <= x1:
                continue
            if x < x1 or x + strip.cell_length > x2:
                strip = strip.crop(max(0, x1 - x), x2 - x)
                x = max(x, x1)
            yield y, x, strip


class CellStyles:
    """Styles as the codes of a colour system (None: no codes at all)."""

    def __init__(self, system: ColorSystem | None) -> None:
        self.system = system
        self._of: dict[Style | None, tuple[CellStyle, CellStyle]] = {}

    def row(self, strip: Iterable[Segment]) -> Row:
        """Characters and looks of a strip, cell by cell."""
        from rich.cells import cell_len

        row = Row([], [])
        for text, style, control in strip:
            if control:
                continue
            cell_style, blank = self.of(style)
            if text.isascii():
                row.characters.extend(text)
                row.cell_styles.extend([blank if character == " " else cell_style for character in text])
                continue
            for character in text:
                width = 1 if character.isascii() else cell_len(character)
                if width:
                    row.characters.extend((character, "")[:width])
                    row.cell_styles.extend((blank if character == " " else cell_style,) * width)
                elif row.characters:  # it is drawn over the one before
                    at = len(row.characters) - 1
                    at -= at > 0 and not row.characters[at]
                    row.characters[at] += character
        return row

    def of(self, style: Style | None) -> tuple[CellStyle, CellStyle]:
        """How a character in a style looks, and how a space does."""
        found = self._of.get(style)
        if found is None:
            cell_style = self._cell_style(style) if style is not None else PLAIN
            seen = cell_style.attributes & _SEEN_IN_BLANKS
            blank = CellStyle(seen, cell_style.foreground if seen else None, cell_style.background)
            found = self._of[style] = (cell_style, blank)
        return found

    def _cell_style(self, style: Style) -> CellStyle:
        rendered = style.without_color.render("x", color_system=self.system)
        codes = rendered[2 : rendered.index("m")].split(";") if rendered.startswith("\x1b[") else []
        return CellStyle(
            frozenset(filter(None, codes)),
            self._colour(style.color, foreground=True),
            self._colour(style.bgcolor, foreground=False),
        )

    def _colour(self, colour: Color | None, *, foreground: bool) -> str:
        if self.system is None or colour is None:
            return ""
        return ";".join(colour.downgrade(self.system).get_ansi_codes(foreground))


class AnsiWriter:
    """Writes sequences: from one look to the next only what differs."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._now = PLAIN

    def at(self, y: int, x: int) -> None:
        """Go to a cell."""
        self._out.append(f"\x1b[{y + 1};{x + 1}H")

    def move_lines(self, top: int, bottom: int, step: int) -> None:
        """Move lines `top` to `bottom` by one: up for a `step` of 1, down for -1. One line of them comes in empty."""
        edge, move = (bottom, "\n") if step > 0 else (top, "\x1bM")
        self._out.append(f"\x1b[{top + 1};{bottom + 1}r\x1b[{edge + 1};1H{move}\x1b[r")

    def write(self, text: str, cell_style: CellStyle) -> None:
        """Write `text` where the pen is."""
        self._switch(cell_style)
        self._out.append(text)

    def written(self) -> str:
        """All that was written, with the terminal's own colours after it."""
        self._switch(PLAIN)
        return "".join(self._out)

    def _switch(self, new: CellStyle) -> None:
        now = self._now
        if new.foreground is None:  # a blank: bold or dim, and in which colour, it looks the same
            new = CellStyle(
                new.attributes | (now.attributes - _SEEN_IN_BLANKS), now.foreground, new.background
            )
        if new is now or new == now:
            return
        self._now = new
        gone = now.attributes - new.attributes
        lost = (now.foreground and not new.foreground) or (now.background and not new.background)
        if lost or not gone <= _OFF.keys() or now.attributes >= _WEIGHTS:
            codes = ["0", *sorted(new.attributes), new.foreground or "", new.background]
        else:
            codes = [
                *sorted({_OFF[attribute] for attribute in gone}),
                *sorted(new.attributes - now.attributes),
            ]
            codes += [new.foreground or ""] if new.foreground != now.foreground else []
            codes += [new.background] if new.background != now.background else []
        self._out.append(f"\x1b[{';'.join(filter(None, codes))}m")


class Difference(CompositorUpdate):
    """An update that is worked out at the moment in which it is written: one that is dropped leaves no trace."""

    def __init__(self, screen_diff: ScreenDiff, update: ChopsUpdate | LayoutUpdate) -> None:
        self._screen_diff = screen_diff
        self._update = update

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        return self._screen_diff.difference(self._update, console)
