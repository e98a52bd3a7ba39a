"""A pane that shows what differs: under each other, or side by side where there is room."""

from collections.abc import Iterable, Sequence

from nuvtui import sanitise
from nuvtui.tui.common import diff_rows
from nuvtui.tui.common.diff_rows import Part, Row
from nuvtui.tui.toolkit.detail import MOST, DetailPane, wrap_lines
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, cut, line, width_of

ROOMY = 92
"""Columns from which the sides stand beside each other."""


class DiffPane(DetailPane):
    """A `DetailPane` that lays out a difference for its width: `show_diff(head, rows)`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._head: list[Line | str] = []
        self._diff: list[Row] | None = None
        self._laid_out: list[Line] = []
        self._jumps: list[int] = []
        self._laid_out_for: tuple[int, bool] | None = None
        self.unified = False
        """Under each other whatever the room."""

    def show_diff(self, head: Iterable[Line | str], rows: Sequence[Row]) -> None:
        """Show a difference, from its top."""
        self._head = list(head)
        self._diff = list(rows)
        self._laid_out_for = None
        self._lines = []
        self._top = 0
        self.refresh()

    def show(self, lines: Iterable[Line | str], *, keep: bool = False) -> None:
        """Show lines, and no difference."""
        if self._diff is not None:
            self._diff = None
            self._lines = [line("")]
        super().show(lines, keep=keep)
        self.refresh()

    @property
    def beside(self) -> bool:
        """True where the sides stand beside each other."""
        return not self.unified and self.size.width >= ROOMY

    @property
    def has_diff(self) -> bool:
        """True while a difference is shown."""
        return self._diff is not None

    def toggle(self) -> None:
        """Side by side or under each other."""
        self.unified = not self.unified
        self._laid_out_for = None
        self._top = 0
        self.refresh()

    def jump(self, step: int) -> bool:
        """To the next change, or the one before; False where there is none."""
        rows = self._rows
        if step > 0:
            target = next((at for at in self._jumps if at > self._top + 1), None)
        else:
            target = next((at for at in reversed(self._jumps) if at < self._top + 1), None)
        if target is None:
            return False
        top = max(0, min(target - 1, len(rows) - self.size.height))
        moved = top != self._top
        self._top = top
        self.refresh()
        return moved

    @property
    def _rows(self) -> list[Line]:
        if self._diff is None:
            return super()._rows
        width = max(20, self.size.width - 1)
        if self._laid_out_for != (width, self.beside):
            self._laid_out_for = (width, self.beside)
            self._lay_out(self._diff, width, self.beside)
        return self._laid_out

    def _lay_out(self, rows: Sequence[Row], width: int, beside: bool) -> None:
        head = wrap_lines([line(each) if isinstance(each, str) else each for each in self._head], width)
        out = list(head)
        self._jumps = []
        within = False
        for row in rows:
            if row.kind == "change" and not within:
                self._jumps.append(len(out))
            within = row.kind == "change"
            out += self._beside(row, width) if beside else self._unified(row, width)
            if len(out) > MOST:
                out.append(line(("The rest is left out here.", "muted")))
                break
        self._laid_out = out
        self._lines = out

    def _unified(self, row: Row, width: int) -> list[Line]:
        tone, text = _about(row)
        if row.kind == "title":
            return [line((each, "strong")) for each in (row.old, row.new) if each]
        if row.kind != "change":
            sign = "  " if row.kind == "same" else ""
            return wrap_lines([line(sign, (text, tone))], width)
        old, new = _parts(row)
        out: list[Line] = []
        if row.old is not None:
            out += [line(("- ", "bad"), *each) for each in _wrapped(old, "bad", "removed", width - 2)]
        if row.new is not None:
            out += [line(("+ ", "good"), *each) for each in _wrapped(new, "good", "added", width - 2)]
        return out

    def _beside(self, row: Row, width: int) -> list[Line]:
        tone, text = _about(row)
        if row.kind == "hunk":
            return [line((text, tone))]
        half = (width - 3) // 2
        bar: Piece = (f" {self.glyphs.bar} ", "muted")
        if row.kind in ("title", "note"):
            strong: Tone = "strong" if row.kind == "title" else "muted"
            sides = [cut(each or "", half) for each in (row.old, row.new)]
            return [line((sides[0], strong), bar, (sides[1], strong))]
        old, new = _parts(row)
        changed = row.kind == "change"
        left = _side(row.old_number, "-" if changed else " ", old, "bad" if changed else "", "removed", half)
        right = _side(row.new_number, "+" if changed else " ", new, "good" if changed else "", "added", half)
        if row.old is None:
            left = []
        if row.new is None:
            right = []
        blank: list[Piece] = [(" " * half, "")]
        out = []
        for at in range(max(len(left), len(right))):
            a = left[at] if at < len(left) else blank
            b = right[at] if at < len(right) else blank
            out.append(line(*a, bar, *b))
        return out


def _about(row: Row) -> tuple[Tone, str]:
    text = row.new if row.new is not None else row.old or ""
    tones: dict[str, Tone] = {"hunk": "accent", "note": "muted"}
    return tones.get(row.kind, ""), text


def _parts(row: Row) -> tuple[list[Part], list[Part]]:
    if row.kind == "change" and row.old is not None and row.new is not None:
        return diff_rows.words(row.old, row.new)
    return [(row.old or "", False)], [(row.new or "", False)]


def _side(
    number: int | None, sign: str, parts: Sequence[Part], tone: Tone, emphasis: Tone, width: int
) -> list[list[Piece]]:
    """One side of a row, in exactly `width` cells."""
    label = "" if number is None else f"{number:>4} "
    room = max(8, width - len(label) - 2)
    out = []
    for at, pieces in enumerate(_wrapped(parts, tone, emphasis, room)):
        used = sum(width_of(text) for text, _ in pieces)
        start: list[Piece] = [(label if at == 0 else " " * len(label), "muted"), (f"{sign} ", tone)]
        out.append([*start, *pieces, (" " * (room - used), "")])
    return out


def _wrapped(parts: Sequence[Part], tone: Tone, emphasis: Tone, width: int) -> list[list[Piece]]:
    """The parts cut into lines of at most `width` cells; those that differ have the tone `emphasis`."""
    out: list[list[Piece]] = [[]]
    used = 0
    for text, differs in parts:
        text = sanitise.line(text)
        while text:
            room = width - used
            head = text[:room]
            while width_of(head) > room and head:
                head = head[:-1]
            if not head:
                if not used:
                    head = text[0]
                else:
                    out.append([])
                    used = 0
                    continue
            out[-1].append((head, emphasis if differs else tone))
            used += width_of(head)
            text = text[len(head) :]
            if used >= width and text:
                out.append([])
                used = 0
    return out
