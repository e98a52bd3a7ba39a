"""Which lines of a text are on the screen, wrapped or cut, laid out from the line at the top of the view.

It costs what is on the screen, not what is in the text. A line that is not read yet takes one line of the screen.
"""

from collections import OrderedDict
from typing import Protocol

from rich.cells import cell_len

Place = tuple[int, int]
"""A row of the text, and which of its wrapped parts."""
KEPT = 512
"""Lines of which it is remembered where they are cut."""


class Lines(Protocol):
    """The rows that are laid out: all lines of a text, or some."""

    @property
    def rows(self) -> int:
        """How many there are."""

    def number(self, row: int) -> int:
        """Line number of a row."""

    def text_of(self, number: int) -> str | None:
        """A line; None: not read yet."""


class Layout:
    """Lays out rows in `width` x `height` cells."""

    def __init__(self, lines: Lines) -> None:
        self._of = lines
        self.wrap = False
        self.left = 0
        """Cells that a view which is not wrapped is moved to the right."""
        self.top: Place = (0, 0)
        self.width = self.height = 1
        self._shown: list[Place] | None = None
        self._cuts: OrderedDict[tuple[int, int], list[int]] = OrderedDict()

    def resize(self, width: int, height: int) -> bool:
        """Lay out in another size; False: it is the same."""
        if (width, height) == (self.width, self.height):
            return False
        self.width, self.height = width, height
        self._shown = None
        return True

    def changed(self, number: int | None = None) -> None:
        """Lay out anew: rows, or the text of line `number`, are others."""
        self._shown = None
        for key in [key for key in self._cuts if key[0] == number]:
            del self._cuts[key]

    def clear(self) -> None:
        """Forget the lines: the text is another one. It is shown from its beginning."""
        self.top, self.left, self._shown = (0, 0), 0, None
        self._cuts.clear()

    def move(self, top: Place) -> None:
        """Show what is there from `top` on."""
        self.top, self._shown = top, None

    def parts(self, number: int) -> list[int]:
        """Where the wrapped parts of a line begin (character positions)."""
        cuts = self._cuts.get((number, self.width))
        if cuts is None:
            text = self._of.text_of(number)
            if text is None:
                return [0]
            ascii = list(range(0, len(text), self.width)) if text.isascii() else _cuts(text, self.width)
            cuts = self._cuts[number, self.width] = ascii or [0]
            while len(self._cuts) > KEPT:
                self._cuts.popitem(last=False)
        return cuts

    def _height_of(self, row: int) -> int:
        return len(self.parts(self._of.number(row))) if self.wrap else 1

    def shown(self) -> list[Place]:
        """What is on each line of the screen."""
        if self._shown is None:
            shown: list[Place] = []
            row, part = self.top
            rows = self._of.rows
            while row < rows and len(shown) < self.height:
                shown += [(row, at) for at in range(part, self._height_of(row))]
                row, part = row + 1, 0
            self._shown = shown[: self.height]
        return self._shown

    def bottom(self) -> Place:
        """The top of the view when it shows the end."""
        row, room = self._of.rows, self.height
        while row > 0 and room > 0:
            row -= 1
            height = self._height_of(row)
            if height >= room:
                return row, height - room
            room -= height
        return max(0, row), 0

    def within(self, top: Place) -> Place:
        """The top nearest to `top` that leaves nothing empty below the end."""
        row, part = top
        if self.wrap and row < self._of.rows:
            part = min(part, self._height_of(row) - 1)
        return max((0, 0), min((row, part), self.bottom()))

    def moved(self, count: int) -> Place:
        """The top after moving down by `count` lines of the screen; negative: up."""
        row, part = self.top
        part += count
        while part < 0 and row > 0:
            row -= 1
            part += self._height_of(row)
        while row < self._of.rows - 1 and part >= (height := self._height_of(row)):
            part -= height
            row += 1
        return row, max(0, part)

    def span(self, number: int, part: int, text: str) -> tuple[int, int]:
        """Which characters of a line are on a line of the screen: the first, and the one after the last."""
        if not self.wrap:
            return _window(text, self.left, self.width)
        cuts = self.parts(number)
        return cuts[part], cuts[part + 1] if part + 1 < len(cuts) else len(text)


def _cuts(text: str, width: int) -> list[int]:
    """Positions at which `text` is cut into parts of at most `width` cells."""
    cuts = [0]
    used = 0
    for at, char in enumerate(text):
        size = 1 if char < "\u0300" else cell_len(char)
        if used + size > width:
            cuts.append(at)
            used = 0
        used += size
    return cuts


def _window(text: str, left: int, width: int) -> tuple[int, int]:
    """Positions of the first and after the last character within `width` cells from cell `left`."""
    if text.isascii():
        return min(left, len(text)), min(len(text), left + width)
    start = used = 0
    while start < len(text) and used < left:
        used += cell_len(text[start])
        start += 1
    end, used = start, 0
    while end < len(text):
        used += cell_len(text[end])
        if used > width:
            break
        end += 1
    return start, end
