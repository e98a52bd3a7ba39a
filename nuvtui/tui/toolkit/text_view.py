"""A viewer of texts of any length, growing or not: build logs, previews of files.

Only what is on the screen is read, by offsets, through `log_index.LogIndex`; a file is opened, looked at and read in
threads alone. A growing text is looked at five times a second. Scrolling up stops following at once, and from then
on the view never moves by itself; the status line counts the lines that came since. Where a line is not read yet the
screen stays as it is until it is there.
"""

import contextlib
import datetime
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from rich.segment import Segment
from textual.strip import Strip
from textual.timer import Timer

from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.lines import LineWidget, Piece, line, width_of
from nuvtui.tui.toolkit.log_index import BytesText, FileText, LogIndex, Text
from nuvtui.tui.toolkit.log_layout import Layout, Place
from nuvtui.tui.toolkit.log_reader import LogReader

POLL = 0.2
"""Seconds between looks at a growing text: 200x50 cells at this rate stay under 100 KiB/s."""
COPY_LIMIT = 256 * 1024
"""Bytes of text that `y` copies at most."""
STAMP = 9
"""Cells of a timestamp with its space."""


class TextView(LineWidget):
    """Shows a text: `show_file(path, growing=True)` or `show_bytes(data)`."""

    SCOPES = ("text", "scroll")
    BINDINGS = [*bindings("scroll"), *bindings("text")]

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        title: str = "",
        empty: str = "Nothing written yet.",
        raw: bool = False,
    ) -> None:
        """`raw`: show escape sequences as they are in the text (file previews); else drop them (program output)."""
        super().__init__(id=id, classes=classes, title=title)
        self.empty = empty
        self.times = False
        self.following = False
        self.growing = False
        self._raw = raw
        self._path: Path | None = None
        self._stamps: Sequence[tuple[int, str]] = ()
        self._timer: Timer | None = None
        self._layout = Layout(self)
        self._reader = LogReader(self, BytesText(b""), escapes=raw)
        self._reset(self._reader.text)

    def _reset(self, text: Text) -> None:
        self._reader.close()
        self._reader = LogReader(self, text, escapes=self._raw)
        self._layout.clear()
        self._seen = 0
        """Lines there were when following stopped."""
        self._to_end = False
        """True: the view was moved to the end, wherever that turns out to be."""
        self._goal: int | None = None
        """A byte offset to go to as soon as it is indexed."""

    # what is shown

    def show_file(self, path: Path, *, growing: bool = False, at_end: bool | None = None) -> None:
        """Show a file. `growing`: look at it again and again and, unless `at_end` says otherwise, follow its end."""
        self._path = path
        self._begin(FileText(path), growing, growing if at_end is None else at_end)

    def show_bytes(self, data: bytes) -> None:
        """Show bytes, from the beginning."""
        self._path = None
        self._begin(BytesText(data), False, False)

    def _begin(self, text: Text, growing: bool, at_end: bool) -> None:
        self._reset(text)
        self.following = at_end
        self.set_growing(growing)

    def set_growing(self, growing: bool) -> None:
        """Whether more may come. Once it ended the text is looked at a last time and then left alone."""
        self.growing = growing
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if growing and self.is_attached:
            self._timer = self.set_interval(POLL, self.look)
        if self.is_attached:
            self.refresh_bindings()
        self.look()

    def set_times(self, stamps: Sequence[tuple[int, str]]) -> None:
        """When which byte was written: `(offset, ISO time)` in order, from a task's events."""
        had = self.timed
        self._stamps = stamps
        if self.times:
            self.refresh()
        if had != self.timed:
            self.refresh_bindings()

    def go_to(self, offset: int) -> None:
        """Bring the line that holds byte `offset` to the top, now or as soon as it is there. Stops following."""
        self._follow(False)
        self._goal = offset
        self.arrived()

    def on_mount(self) -> None:
        """Begin to look at the text."""
        self.set_growing(self.growing)

    @property
    def wrap(self) -> bool:
        """True while long lines are wrapped."""
        return self._layout.wrap

    @property
    def index(self) -> LogIndex:
        """Where the lines are."""
        return self._reader.index

    @property
    def timed(self) -> bool:
        """True where it is known when lines were written."""
        return bool(self._stamps)

    @property
    def rows(self) -> int:
        """Lines that can be shown."""
        return self.index.count

    @property
    def unseen(self) -> int:
        """Lines that came since following stopped."""
        return 0 if self.following else max(0, self.index.count - self._seen)

    def number(self, row: int) -> int:
        """The line that a row shows."""
        return row

    def row_of(self, number: int) -> int:
        """The row that shows a line."""
        return number

    def text_of(self, number: int) -> str | None:
        """A line as it is shown; None: it is not read yet."""
        return self._reader.text_of(number)

    # what the reader tells

    def look(self) -> None:
        """Look at what came."""
        if self.is_attached or self._reader.text.in_memory:
            self._reader.look()

    def grew(self, before: int) -> None:
        """Lines came after the first `before` ones."""
        layout = self._layout
        layout.changed(before - 1)
        shown = layout.shown()
        if (
            self.following
            or self._goal is not None
            or len(shown) < layout.height
            or any(self.number(row) >= before - 1 for row, _ in shown)
        ):
            self.arrived()
        else:
            self._refresh_status()  # they are below the view

    def begun_again(self) -> None:
        """The text is shorter than it was."""
        self._reset(self._reader.text)
        self.look()

    def arrived(self) -> None:
        """Go to where the view is to be, and repaint what that changed as soon as all of its lines are there."""
        if not self.is_attached:
            return
        layout, reader = self._layout, self._reader
        layout.changed()
        self._fit()
        if self._goal is not None and (self._goal < self.index.indexed or reader.complete):
            at = reader.line_at(self._goal)
            if at is not None:
                self._goal = None
                layout.move(layout.within((self.row_of(at), 0)))
        if self.following or self._to_end:
            layout.move(layout.bottom())
        there = [self.text_of(self.number(row)) is not None for row, _ in layout.shown()]
        if self.rows:  # a page away it is read along, to be there when it is moved to
            for row in (layout.top[0] - layout.height, layout.top[0] + 2 * layout.height):
                reader.want(self.number(max(0, min(row, self.rows - 1))))
        reader.read_missing()
        if all(there):
            self.refresh_changed()

    # layout

    def _set_top(self, top: Place, to_end: bool = False) -> None:
        self._goal, self._to_end = None, to_end
        top = self._layout.within(top)
        if top != self._layout.top:
            self._layout.move(top)
            self.arrived()

    def scroll_lines(self, count: int) -> None:
        """Move the view; up stops following."""
        if count < 0:
            self._follow(False)
        self._set_top(self._layout.moved(count))

    def _fit(self) -> None:
        """Lay out again where the size is another one: from the same line, or at the end where that is followed."""
        width = self.size.width - 1 - (STAMP if self.times else 0)
        layout = self._layout
        if layout.resize(max(1, width), max(1, self.size.height - 1)):
            layout.move(layout.bottom() if self.following else layout.within(layout.top))

    def on_resize(self) -> None:
        """Draw in the new size."""
        self.arrived()
        self.refresh()

    # drawing

    def draw(self, y: int, width: int) -> Strip:
        """Line `y` of the screen; the last one is the status."""
        base = self.style_of("")
        if y >= self.size.height - 1:
            return self.strip(line(*self._status()), width, base + self.style_of("line--status"))
        self._fit()
        layout = self._layout
        shown = layout.shown()
        if y >= len(shown):
            if y == 0 and not self.rows:
                return self.strip(line((f" {self._nothing()}", "muted")), width, base)
            return Strip.blank(width, base)
        row, part = shown[y]
        number = self.number(row)
        text = self.text_of(number)
        if text is None:
            self.call_later(self._reader.read_missing)
            return self._drawn.get(y, Strip.blank(width, base)).adjust_cell_length(width, base)
        segments: list[Segment] = []
        if self.times:
            stamp = self._stamp(number) if part == 0 else ""
            segments.append(Segment(stamp.ljust(STAMP), base + self.style_of("tone--muted")))
        start, end = layout.span(number, part, text)
        segments += self.segments(number, text, start, end)
        strip = Strip(segments).adjust_cell_length(width - 1, base)
        if not layout.wrap and end < len(text):
            ellipsis = Segment(self.glyphs.ellipsis, base + self.style_of("tone--muted"))
            strip = Strip.join([strip.crop(0, width - 2), Strip([ellipsis])])
        return Strip.join(
            [strip, Strip([self.bar(y, layout.height, layout.top[0], layout.height, self.rows)])]
        )

    def segments(self, _number: int, text: str, start: int, end: int) -> list[Segment]:
        """What is drawn of a line's characters from `start` to `end`."""
        return [Segment(text[start:end], self.style_of(""))]

    def _nothing(self) -> str:
        return self.empty if self._reader.complete else ""

    def _status(self) -> list[Piece]:
        glyphs = self.glyphs
        pieces: list[Piece] = []
        if self.growing and self.following:
            pieces.append((f" {glyphs.down} following", "accent"))
        elif self.unseen and self.growing:
            noun = "line" if self.unseen == 1 else "lines"
            pieces.append((f" {glyphs.down} {self.unseen:,} new {noun}, f follows", "warn"))
        elif self.growing:
            pieces.append((" paused, f follows", "warn"))
        rows = self.rows
        if rows:
            shown = self._layout.shown()
            last = min(rows, shown[-1][0] + 1) if shown else 0
            pieces.append((f" {last:,} of {rows:,} lines", "muted"))
        return pieces

    def _refresh_status(self) -> None:
        self.refresh_line(self.size.height - 1)

    def _stamp(self, number: int) -> str:
        offset = self.index.offset(number)
        at = -1 if offset is None else bisect_right(self._stamps, offset, key=lambda stamp: stamp[0]) - 1
        if at < 0:
            return ""
        with contextlib.suppress(ValueError):
            return datetime.datetime.fromisoformat(self._stamps[at][1]).astimezone().strftime("%H:%M:%S")
        return ""

    # keys

    def action_down(self) -> None:
        """One line down."""
        self.scroll_lines(1)

    def action_up(self) -> None:
        """One line up."""
        self.scroll_lines(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self.scroll_lines(self._layout.height)

    def action_page_up(self) -> None:
        """A page up."""
        self.scroll_lines(-self._layout.height)

    def action_first(self) -> None:
        """To the beginning."""
        self._follow(False)
        self._set_top((0, 0))

    def action_last(self) -> None:
        """To the end; a growing text is followed."""
        if self.growing:
            self._follow(True)
        self._set_top(self._layout.bottom(), to_end=True)

    def action_follow(self) -> None:
        """Follow, or stop."""
        if self.following:
            self._follow(False)
        else:
            self.action_last()

    def _follow(self, following: bool) -> None:
        self._to_end = False
        if following == self.following:
            return
        self.following = following
        self._seen = self.index.count
        self._refresh_status()

    def action_wrap(self) -> None:
        """Wrap or cut; the line at the top stays there."""
        self._layout.wrap = not self._layout.wrap
        self._layout.left = 0
        self._again()

    def action_times(self) -> None:
        """Timestamps on or off."""
        self.times = not self.times
        self._again()

    def _again(self) -> None:
        self._layout.changed()
        self._layout.move(self._layout.within((self._layout.top[0], 0)))
        self.arrived()

    def action_left(self) -> None:
        """Show what is further left."""
        self._sideways(-max(8, self._layout.width // 2))

    def action_right(self) -> None:
        """Show what is further right."""
        self._sideways(max(8, self._layout.width // 2))

    def _sideways(self, cells: int) -> None:
        layout = self._layout
        if layout.wrap:
            return
        texts = [self.text_of(self.number(row)) or "" for row, _ in layout.shown()]
        widest = max(map(width_of, texts), default=0)
        left = max(0, min(layout.left + cells, widest - layout.width + 1))
        if left != layout.left:
            layout.left = left
            self.refresh()

    def copied(self) -> Copy | None:
        """The whole text where it is small enough, else its file's name."""
        if self.index.indexed > COPY_LIMIT:
            return Copy("", "the text", self._path, self.index.indexed)
        return Copy("", "the text", self._path, read=self._reader.reading_of(range(self.rows)))
