"""A viewer of texts of any length, growing or not: build logs, previews of files.

It reads only what is on the screen, by offsets, through `log_index.LogIndex`. A growing text is looked at five
times a second. Scrolling up stops following at once, and from then on the view never moves by itself; the status
line counts the lines that came since. Wrapping, timestamps, search and filter are laid out from the line at the
top of the view, so they cost what is on the screen, not what is in the text.
"""

import contextlib
import datetime
import time
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from nuvtui import sanitise
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.lines import LineWidget, Piece, line, width_of
from nuvtui.tui.toolkit.log_index import BytesText, FileText, LogIndex, Text
from nuvtui.tui.toolkit.prompt import Prompt

if TYPE_CHECKING:
    from nuvtui.tui.toolkit.log_search import Query

POLL = 0.2
"""Seconds between looks at a growing text: 200x50 cells at this rate stay under 100 KiB/s."""
SLICE = 0.008
"""Seconds of indexing or searching before keys are looked at again."""
COPY_LIMIT = 256 * 1024
"""Bytes of text that `y` copies at most."""
STAMP = 9
"""Cells of a timestamp with its space."""


class LogView(LineWidget):
    """Shows a text: `show_file(path, growing=True)` or `show_bytes(data)`."""

    SCOPES = ("text", "scroll")
    BINDINGS = [*bindings("scroll"), *bindings("text")]

    class FollowChanged(Message):
        """The log is followed (`view.following`), or no longer."""

        def __init__(self, view: "LogView") -> None:
            super().__init__()
            self.view = view

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
        self.wrap = False
        self.times = False
        self.following = False
        self.growing = False
        self.only_matches = False
        self.pattern: Query | None = None
        self.query_text = ""
        self.query_problem = ""
        self._raw = raw
        self._path: Path | None = None
        self._stamps: Sequence[tuple[int, str]] = ()
        self._timer: Timer | None = None
        self._prompt: Prompt | None = None
        self._busy = False
        self._reset(BytesText(b""))

    def _reset(self, text: Text) -> None:
        self.index = LogIndex(text)
        self._top = (0, 0)
        """The row at the top of the view, and which of its wrapped parts."""
        self._left = 0
        self._seen = 0
        """Lines there were when following stopped."""
        self._goal: int | None = None
        """A byte offset to go to as soon as it is indexed."""
        self._clean: OrderedDict[int, str] = OrderedDict()
        self._cuts: OrderedDict[tuple[int, int], list[int]] = OrderedDict()
        self._layout: list[tuple[int, int]] | None = None
        self._size_laid_out = (0, 0)
        self._matches = array("Q")
        self._scanned = 0
        self._scan: Iterator[None] | None = None
        self._wanted = False
        """True: go to the next match as soon as one is found."""
        self._at: int | None = None
        """Line of the match that was gone to last."""

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
        if self.pattern:
            self._search_again()
        self._work()

    def set_growing(self, growing: bool) -> None:
        """Whether more may come. Once it ended the text is looked at a last time and then left alone."""
        self.growing = growing
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if growing and self.is_attached:
            self._timer = self.set_interval(POLL, self._work)
        if self.is_attached:
            self.refresh_bindings()
            self._work()

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
        self._work()

    def on_mount(self) -> None:
        """Begin to look at the text."""
        self.set_growing(self.growing)

    @property
    def timed(self) -> bool:
        """True where it is known when lines were written."""
        return bool(self._stamps)

    @property
    def searching(self) -> bool:
        """True while there is a search."""
        return self.pattern is not None

    @property
    def rows(self) -> int:
        """Lines shown: all, or those that match."""
        return len(self._matches) if self.only_matches else self.index.count

    @property
    def unseen(self) -> int:
        """Lines that came since following stopped."""
        return 0 if self.following else max(0, self.index.count - self._seen)

    @property
    def match_count(self) -> int:
        """Lines that match, as far as the text has been searched."""
        return len(self._matches)

    def _number(self, row: int) -> int:
        return self._matches[row] if self.only_matches else row

    # work in slices

    def _work(self) -> None:
        """Index what came, search it, and repaint what that changed."""
        if self._busy:
            return
        before = self.index.count, self.index.indexed
        deadline = time.monotonic() + SLICE
        more = True
        while more and time.monotonic() < deadline:
            more = self.index.grow()
        if self.index.indexed < before[1]:
            self._reset(self.index.text)
            more = True
        if (self.index.count, self.index.indexed) != before:
            self._forget_unfinished(before[0] - 1)
            self._came(before[0])
        if self._goal is not None and (self._goal < self.index.indexed or not more):
            goal, self._goal = self._goal, None
            self._show_line(self.index.line_at(goal), centre=False)
        searching = self._search_on(deadline)
        if more or searching:
            self._busy = True
            self.set_timer(0.001, self._work_on)

    def _work_on(self) -> None:
        self._busy = False
        self._work()

    def _forget_unfinished(self, number: int) -> None:
        self._clean.pop(number, None)
        for key in [key for key in self._cuts if key[0] == number]:
            del self._cuts[key]

    def _came(self, before: int) -> None:
        if self.following:
            self._layout = None
            self._top = self._bottom()
            self.refresh_changed()
            return
        # Below the view: only the status line changes. Within it: the lines that were not there.
        layout = self._lines()
        if len(layout) < self._height or any(self._number(row) >= before - 1 for row, _ in layout):
            self._layout = None
            self.refresh_changed()
        else:
            self._refresh_status()

    def _refresh_status(self) -> None:
        self.refresh_line(self.size.height - 1)

    # layout

    @property
    def _height(self) -> int:
        return max(1, self.size.height - 1)

    @property
    def _width(self) -> int:
        return max(1, self.size.width - 1 - (STAMP if self.times else 0))

    def text_of(self, number: int) -> str:
        """Line `number`, sanitised."""
        text = self._clean.get(number)
        if text is None:
            raw = self.index.line(number).decode("utf-8", "surrogateescape")
            text = sanitise.line(raw.rstrip("\r").expandtabs(8)) if self._raw else sanitise.log_line(raw)
            self._clean[number] = text
            while len(self._clean) > 512:
                self._clean.popitem(last=False)
        return text

    def _parts(self, number: int) -> list[int]:
        """Where the wrapped parts of a line begin (character positions)."""
        width = self._width
        key = (number, width)
        cuts = self._cuts.get(key)
        if cuts is None:
            text = self.text_of(number)
            cuts = list(range(0, len(text), width)) if text.isascii() else _cuts(text, width)
            cuts = cuts or [0]
            self._cuts[key] = cuts
            while len(self._cuts) > 512:
                self._cuts.popitem(last=False)
        return cuts

    def _height_of(self, row: int) -> int:
        return len(self._parts(self._number(row))) if self.wrap else 1

    def _lines(self) -> list[tuple[int, int]]:
        """Row and part of every line on the screen."""
        self._fit()
        if self._layout is None:
            layout: list[tuple[int, int]] = []
            row, part = self._top
            rows = self.rows
            while row < rows and len(layout) < self._height:
                height = self._height_of(row)
                layout += [(row, at) for at in range(part, height)]
                row, part = row + 1, 0
            self._layout = layout[: self._height]
        return self._layout

    def _bottom(self) -> tuple[int, int]:
        """The top of the view when it shows the end."""
        row, room = self.rows, self._height
        while row > 0 and room > 0:
            row -= 1
            height = self._height_of(row)
            if height >= room:
                return row, height - room
            room -= height
        return max(0, row), 0

    def _set_top(self, top: tuple[int, int]) -> None:
        top = max((0, 0), min(top, self._bottom()))
        self._layout = None
        if top != self._top:
            self._top = top
            self.refresh()

    def scroll_lines(self, count: int) -> None:
        """Move the view; up stops following."""
        row, part = self._top
        if count < 0:
            self._follow(False)
        part += count
        while part < 0 and row > 0:
            row -= 1
            part += self._height_of(row)
        while row < self.rows - 1 and part >= (height := self._height_of(row)):
            part -= height
            row += 1
        self._set_top((row, max(0, part)))

    def _fit(self) -> None:
        """Lay out again where the size is another one: from the same line, or at the end where that is followed."""
        size = (self._width, self._height)
        if size != self._size_laid_out:
            self._size_laid_out = size
            self._layout = None
            row, part = self._top
            if self.wrap:
                part = min(part, self._height_of(row) - 1) if row < self.rows else 0
            self._top = self._bottom() if self.following else max((0, 0), min((row, part), self._bottom()))

    def on_resize(self, event: events.Resize) -> None:
        """Draw in the new size."""
        self._fit()
        self.refresh()

    # drawing

    def draw(self, y: int, width: int) -> Strip:
        """Line `y` of the screen; the last one is the status."""
        base = self.style_of("")
        if y >= self.size.height - 1:
            return self.strip(line(*self._status()), width, base + self.style_of("line--status"))
        layout = self._lines()
        if y >= len(layout):
            if y == 0 and not self.rows:
                return self.strip(line((f" {self._nothing()}", "muted")), width, base)
            return Strip.blank(width, base)
        row, part = layout[y]
        number = self._number(row)
        segments: list[Segment] = []
        if self.times:
            stamp = self._stamp(number) if part == 0 else ""
            segments.append(Segment(stamp.ljust(STAMP), base + self.style_of("tone--muted")))
        text = self.text_of(number)
        if self.wrap:
            cuts = self._parts(number)
            start = cuts[part]
            end = cuts[part + 1] if part + 1 < len(cuts) else len(text)
        else:
            start, end = _window(text, self._left, self._width)
        segments += self._searched(number, text, start, end)
        strip = Strip(segments).adjust_cell_length(width - 1, base)
        cut_off = not self.wrap and end < len(text)
        if cut_off:
            strip = Strip.join(
                [
                    strip.crop(0, width - 2),
                    Strip([Segment(self.glyphs.ellipsis, base + self.style_of("tone--muted"))]),
                ]
            )
        return Strip.join([strip, Strip([self.bar(y, self._height, self._top[0], self._height, self.rows)])])

    def _searched(self, number: int, text: str, start: int, end: int) -> list[Segment]:
        base = self.style_of("")
        pattern = self.pattern
        if pattern is None:
            return [Segment(text[start:end], base)]
        style = base + self.style_of("line--match-current" if number == self._at else "line--match")
        segments = []
        at = start
        for first, last in pattern.spans(text):
            if last <= start or last == first:
                continue
            if first >= end:
                break
            segments.append(Segment(text[at : max(at, first)], base))
            segments.append(Segment(text[max(start, first) : min(end, last)], style))
            at = min(end, last)
        segments.append(Segment(text[at:end], base))
        return [segment for segment in segments if segment.text]

    def _nothing(self) -> str:
        if self.only_matches:
            return "No line matches." if self._scan is None else "Searching"
        return self.empty

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
            last = min(rows, self._lines()[-1][0] + 1) if self._lines() else 0
            pieces.append((f" {last:,} of {rows:,} lines", "muted"))
        if self.pattern is not None:
            found = len(self._matches)
            at = "" if self._at is None else f"{bisect_left(self._matches, self._at) + 1:,} of "
            going = "" if self._scan is None else " so far"
            only = ", only these" if self.only_matches else ""
            noun = "match" if found == 1 else "matches"
            pieces.append((f"  {at}{found:,} {noun}{going}{only}", "accent"))
        if self.query_problem:
            pieces.append((f"  {self.query_problem}", "warn"))
        return pieces

    def _stamp(self, number: int) -> str:
        offset = self.index.offset(number)
        at = bisect_right(self._stamps, offset, key=lambda stamp: stamp[0]) - 1
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
        self.scroll_lines(self._height)

    def action_page_up(self) -> None:
        """A page up."""
        self.scroll_lines(-self._height)

    def action_first(self) -> None:
        """To the beginning."""
        self._follow(False)
        self._set_top((0, 0))

    def action_last(self) -> None:
        """To the end; a growing text is followed."""
        if self.growing:
            self._follow(True)
        self._set_top(self._bottom())

    def action_follow(self) -> None:
        """Follow, or stop."""
        if self.following:
            self._follow(False)
        else:
            self.action_last()

    def _follow(self, following: bool) -> None:
        if following == self.following:
            return
        self.following = following
        self._seen = self.index.count
        self._refresh_status()
        self.post_message(self.FollowChanged(self))

    def action_wrap(self) -> None:
        """Wrap or cut; the line at the top stays there."""
        self.wrap = not self.wrap
        self._left = 0
        self._again()

    def action_times(self) -> None:
        """Timestamps on or off."""
        self.times = not self.times
        self._again()

    def _again(self) -> None:
        self._layout = None
        self._top = self._bottom() if self.following else max((0, 0), min((self._top[0], 0), self._bottom()))
        self.refresh()

    def action_left(self) -> None:
        """Show what is further left."""
        self._sideways(-max(8, self._width // 2))

    def action_right(self) -> None:
        """Show what is further right."""
        self._sideways(max(8, self._width // 2))

    def _sideways(self, cells: int) -> None:
        if self.wrap:
            return
        widest = max((width_of(self.text_of(self._number(row))) for row, _ in self._lines()), default=0)
        left = max(0, min(self._left + cells, widest - self._width + 1))
        if left != self._left:
            self._left = left
            self.refresh()

    def copied(self) -> Copy | None:
        """The whole text where it is small enough, else its file's name."""
        what = "the matching lines" if self.only_matches else "the text"
        if self.index.indexed > COPY_LIMIT and not self.only_matches:
            return Copy("", what, self._path, self.index.indexed)
        numbers = self._matches if self.only_matches else range(self.index.count)
        return Copy("\n".join(map(self.text_of, numbers)), what, self._path)

    # search

    async def action_search(self) -> None:
        """Ask what to search."""
        if self._prompt is None or not self._prompt.is_attached:
            self._prompt = Prompt(self, "search: text, or /regular expression/", self.query_text)
            await self._prompt.open()

    def on_prompt_typed(self, message: Prompt.Typed) -> None:
        """Search while one types."""
        message.stop()
        self.search(message.text)

    def on_prompt_left(self, message: Prompt.Left) -> None:
        """Keep the search and go to the next match, or forget it."""
        message.stop()
        self._prompt = None
        if not message.kept:
            self.search("")
        elif self.pattern is not None:
            self.action_next_match()

    def on_prompt_passed(self, message: Prompt.Passed) -> None:
        """Scroll while one types."""
        message.stop()
        moves = {"up": -1, "down": 1, "pageup": -self._height, "pagedown": self._height}
        self.scroll_lines(moves[message.key])

    def search(self, text: str) -> None:
        """Search `text`: all lower case finds any case; `/…/` is a regular expression; empty ends the search."""
        if text == self.query_text:
            return
        self.query_text = text
        self.pattern = self._query(text)
        self.query_problem = self.pattern.problem if self.pattern is not None else ""
        if not text and self.only_matches:
            self.action_only_matches()
        self._search_again()
        self.refresh()
        self.refresh_bindings()
        self._work()

    def _query(self, text: str) -> "Query | None":
        if not text or text == "/":
            return None
        from nuvtui.tui.toolkit.log_search import Query

        return Query(text)

    def _search_again(self) -> None:
        self._matches = array("Q")
        self._scanned = 0
        self._scan = None
        self._at = None
        self._wanted = False
        if self.only_matches:
            self._top = (0, 0)
            self._layout = None

    def _search_on(self, deadline: float) -> bool:
        """Search on until the deadline; True where there is more to do."""
        if self.pattern is None:
            return False
        end = self.index.complete if self.growing else self.index.count
        if self._scan is None:
            if self._scanned >= end:
                return False
            self._scan = self._searching(self.pattern, end)
        found = len(self._matches)
        for _ in self._scan:
            if time.monotonic() > deadline + SLICE:
                break
        else:
            self._scan = None
        if self._wanted:
            self._go_to_match(1)
        if self.only_matches and len(self._matches) != found:
            self._came(self._matches[found])
        self._refresh_status()
        return self._scan is not None or self._scanned < end

    def _searching(self, query: "Query", end: int) -> Iterator[None]:
        """Search from where the last search stopped to line `end`, a few lines at a time."""
        from nuvtui.tui.toolkit.log_search import SlowError

        clean = sanitise.line if self._raw else sanitise.log_line
        try:
            while self._scanned < end:
                number = self.index.block_of(self._scanned)
                first, block = self.index.block_bytes(number)
                if block is not None and not query.may_be_in(block):
                    self._scanned = min(end, self.index.end_of(number))
                    yield
                    continue
                first, lines = self.index.block(number, keep=False)
                skip = self._scanned - first
                for raw in lines[skip : end - first]:
                    if query.is_in(clean(raw.decode("utf-8", "surrogateescape"))):
                        self._matches.append(self._scanned)
                    self._scanned += 1
                    yield
                if skip >= len(lines):
                    return  # the text is shorter than it was
        except SlowError:
            self.query_problem = f"takes too long on line {self._scanned + 1:,}: search something simpler"
            self._scanned = end

    def action_next_match(self) -> None:
        """To the next match after the last one, or after the top of the view; round at the end."""
        self._go_to_match(1)

    def action_previous_match(self) -> None:
        """To the match before."""
        self._go_to_match(-1)

    def _go_to_match(self, step: int) -> None:
        searching = self.pattern is not None and (self._scan is not None or not self._scanned)
        self._wanted = False
        if not self._matches:
            self._wanted = searching and step > 0
            return
        if self._at is None:
            start = self._number(self._top[0]) if self.rows else 0
            at = bisect_left(self._matches, start) + (0 if step > 0 else -1)
            if searching and at == len(self._matches) and step > 0:
                self._wanted = True  # round at the end only when there is nothing to come
                return
        else:
            at = bisect_left(self._matches, self._at) + step
        self._at = self._matches[at % len(self._matches)]
        self._show_line(self._at)
        self.refresh()

    def _show_line(self, number: int, centre: bool = True) -> None:
        """Bring a line into view without moving more than needed; stops following."""
        self._follow(False)
        row = bisect_left(self._matches, number) if self.only_matches else number
        if centre and any(shown == row for shown, _ in self._lines()):
            return
        self._set_top((max(0, row - self._height // 2) if centre else row, 0))

    def action_only_matches(self) -> None:
        """Show only the lines that match, or all again, with the same line in view."""
        here = self._at
        if here is None and self.rows:
            here = self._number(min(self._top[0], self.rows - 1))
        self.only_matches = not self.only_matches and self.pattern is not None
        self._layout = None
        self._top = (0, 0)
        if self.following:
            self._top = self._bottom()
        elif here is not None:
            self._show_line(here)
        self.refresh()

    def go_back(self) -> bool:
        """Esc: all lines again, then no search; False where there was none."""
        if self.only_matches:
            self.action_only_matches()
            return True
        if self.query_text:
            self.search("")
            return True
        return False


def _cuts(text: str, width: int) -> list[int]:
    """Positions at which `text` is cut into parts of at most `width` cells."""
    from rich.cells import cell_len

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
    from rich.cells import cell_len

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
