"""A list of any length: only the lines on the screen are asked for, only the lines that change are repainted."""

import time
from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.message import Message
from textual.strip import Strip

from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import wrap_lines
from nuvtui.tui.toolkit.lines import Line, LineWidget, Piece, line
from nuvtui.tui.toolkit.prompt import Prompt

T = TypeVar("T")

SLICE = 0.008
"""Seconds that filtering may take before keys are looked at again."""
SEARCH_NEAR = 20_000
"""Lines around the cursor in which its old line is looked for when the list changes."""


class Source:
    """What a list shows. Answers must be quick: they are asked while drawing."""

    def count(self) -> int:
        """Number of lines."""
        raise NotImplementedError

    def line(self, index: int, width: int) -> Line:
        """Line `index`, laid out for `width` cells."""
        raise NotImplementedError

    def key(self, index: int) -> Hashable:
        """What identifies line `index` when the list is read again: cursor and marks hold on to it."""
        return index

    def text(self, index: int) -> str:
        """The text that is filtered and copied."""
        return self.line(index, 200).text

    def marks(self, index: int) -> tuple[Hashable, ...]:
        """The keys that Space marks on line `index`: its own; none where it cannot be marked."""
        return (self.key(index),)

    def passes(self, text: str) -> Callable[[int], bool]:
        """What tells whether a line passes the filter `text`: it holds all words, in any case."""
        words = text.lower().split()

        def holds(index: int) -> bool:
            content = self.text(index).lower()
            return all(word in content for word in words)

        return holds


class Items(Source, Generic[T]):
    """A source over a sequence of items."""

    def __init__(
        self,
        items: Sequence[T],
        draw: Callable[[T, int], Line],
        key: Callable[[T], Hashable] | None = None,
        text: Callable[[T], str] | None = None,
    ) -> None:
        self.items = items
        self._draw = draw
        self._key = key
        self._text = text

    def count(self) -> int:
        return len(self.items)

    def line(self, index: int, width: int) -> Line:
        return self._draw(self.items[index], width)

    def key(self, index: int) -> Hashable:
        return self._key(self.items[index]) if self._key else index

    def text(self, index: int) -> str:
        return self._text(self.items[index]) if self._text else super().text(index)


class LineList(LineWidget):
    """A list with a cursor, marks, ranges and a filter.

    `markable`: Space marks lines. `openable`: Enter sends `Opened`. `filterable`: `/` filters. `empty` is what is
    said where there is nothing; `heading(width)` is a line that stays on top.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("list",)
    BINDINGS = bindings("list")
    GUTTER = 2

    class ListMessage(Message):
        """What a list says; `list` is its control."""

        def __init__(self, list: "LineList") -> None:
            super().__init__()
            self.list = list

        @property
        def control(self) -> "LineList":
            """The list, for `@on(…, "#id")`."""
            return self.list

    class Highlighted(ListMessage):
        """The cursor is on another line (`list.current`)."""

        def can_replace(self, message: Message) -> bool:
            """Only the last of a flood is of interest."""
            return isinstance(message, LineList.Highlighted) and message.list is self.list

    class Opened(ListMessage):
        """Enter was pressed on `list.current`."""

    class Marked(ListMessage):
        """The marks changed (`list.marked`)."""

    def __init__(
        self,
        source: Source | None = None,
        *,
        id: str | None = None,
        classes: str | None = None,
        title: str = "",
        empty: str = "Nothing here.",
        markable: bool = False,
        openable: bool = True,
        filterable: bool = True,
        heading: Callable[[int], Line] | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes, title=title)
        self.source: Source = source or Items[str]([], lambda text, _width: line(text))
        self.empty = empty
        self.markable = markable
        self.openable = openable
        self.filterable = filterable
        self.heading = heading
        self.opens = ""
        """What Enter does, for the footer; empty: it opens."""
        self.driven = False
        """Moved by keys of another widget (a field above it): its cursor looks as if it had the focus."""
        self.cursor = 0
        """Position of the cursor among the lines shown."""
        self.marked: set[Hashable] = set()
        """Keys of the marked lines."""
        self.filter = ""
        self._rows: array[int] | None = None
        self._scan: Iterator[None] | None = None
        self._top = 0
        self._anchor: int | None = None
        self._prompt: Prompt | None = None

    # what is shown

    @property
    def count(self) -> int:
        """Lines shown (after the filter)."""
        return self.source.count() if self._rows is None else len(self._rows)

    @property
    def current(self) -> int | None:
        """Index in the source of the line under the cursor; None where there is none."""
        return self.index(self.cursor) if 0 <= self.cursor < self.count else None

    @property
    def current_key(self) -> Hashable | None:
        """Key of the line under the cursor."""
        current = self.current
        return None if current is None else self.source.key(current)

    def index(self, position: int) -> int:
        """Index in the source of the line shown at `position`."""
        return position if self._rows is None else self._rows[position]

    def set_source(self, source: Source) -> None:
        """Show another source; cursor and marks stay with their keys where the new one has them."""
        key = self.current_key
        near = self.cursor
        self.source = source
        self.reread(key, near)

    def reread(self, key: Hashable | None = None, near: int | None = None) -> None:
        """The source has other lines now: show them, with the cursor on `key` where it is still there."""
        self._anchor = None
        if self.filter:
            self.set_filter(self.filter, keep=True)
        near = self.cursor if near is None else near
        found = None if key is None else self._find(key, near)
        old = self.cursor
        self.cursor = max(0, min(near if found is None else found, self.count - 1))
        if found is not None:
            self._top += self.cursor - old
        self._show_cursor()
        self.refresh_changed()
        self.refresh_bindings()
        self.post_message(self.Highlighted(self))

    def _find(self, key: Hashable, near: int) -> int | None:
        count = self.count
        for distance in range(min(count, SEARCH_NEAR) + 1):
            for position in {near - distance, near + distance}:
                if 0 <= position < count and self.source.key(self.index(position)) == key:
                    return position
        return None

    def move_to_key(self, key: Hashable) -> bool:
        """Put the cursor on the line of `key`; False where it is not shown."""
        found = self._find(key, self.cursor)
        if found is not None:
            self.move_to(found)
        return found is not None

    # cursor and view

    @property
    def _head(self) -> int:
        return 1 if self.heading else 0

    @property
    def _page(self) -> int:
        return max(1, self.size.height - self._head)

    def move_to(self, position: int) -> None:
        """Put the cursor on the line shown at `position`."""
        count = self.count
        position = max(0, min(position, count - 1))
        if position == self.cursor or not count:
            return
        old, self.cursor = self.cursor, position
        if self._show_cursor():
            self.refresh()
        elif self._anchor is not None:
            self.refresh_changed()
        else:
            self._refresh_row(old)
            self._refresh_row(position)
        self.post_message(self.Highlighted(self))

    def _show_cursor(self) -> bool:
        """Scroll so that the cursor is in view; True where the view moved."""
        page = self._page
        top = self._top
        if self.cursor < top:
            top = self.cursor
        elif self.cursor >= top + page:
            top = self.cursor - page + 1
        top = max(0, min(top, self.count - page))
        moved = top != self._top
        self._top = top
        return moved

    def _refresh_row(self, position: int) -> None:
        self.refresh_line(position - self._top + self._head)

    def refresh_key(self, key: Hashable) -> None:
        """Repaint the line of `key` where it is in view."""
        for position in range(self._top, min(self.count, self._top + self._page)):
            if self.source.key(self.index(position)) == key:
                self._refresh_row(position)

    def scroll_lines(self, count: int) -> None:
        """Move the cursor, and the view with it."""
        self.move_to(self.cursor + count)

    def focus_changed(self) -> None:
        """Repaint the cursor's line."""
        self._refresh_row(self.cursor)

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        if self._show_cursor():
            self.refresh()

    # drawing

    def draw(self, y: int, width: int) -> Strip:
        """Line `y` of the screen."""
        base = self.style_of("")
        if self.heading and y == 0:
            style = base + self.style_of("line--heading")
            heading = self.heading(width - self.GUTTER - 1)
            return Strip.join(
                [
                    self.strip(line(" " * self.GUTTER), self.GUTTER, style),
                    self.strip(heading, width - self.GUTTER, style),
                ]
            )
        position = self._top + y - self._head
        count = self.count
        if position >= count:
            said = wrap_lines([line((self._nothing(), "muted"))], max(8, width - 4)) if not count else []
            if self._head <= y < self._head + len(said):
                return self.strip(line("  ", *said[y - self._head].left), width, base)
            return Strip.blank(width, base)
        index = self.index(position)
        here = position == self.cursor
        style = base
        if here:
            style += self.style_of("line--cursor" if self._active else "line--cursor-blurred")
        gutter = self._gutter(position, index, here)
        content = self.source.line(index, width - self.GUTTER - 1)
        return Strip.join(
            [
                Strip(self.pieces(gutter.left, style)),
                self.strip(content, width - self.GUTTER - 1, style),
                Strip([self.bar(y - self._head, self._page, self._top, self._page, count)]),
            ]
        )

    @property
    def _active(self) -> bool:
        return self.has_focus or self.driven

    def _nothing(self) -> str:
        if self._scan is not None:
            return "Filtering"
        return f"No line holds “{self.filter}”." if self.filter else self.empty

    def _gutter(self, position: int, index: int, here: bool) -> Line:
        glyphs = self.glyphs
        cursor: Piece = (glyphs.cursor if self._active else glyphs.bar, "accent") if here else (" ", "")
        if self._anchor is not None and position in self._range():
            return line(cursor, (glyphs.range, "accent"))
        if self.marked and self._is_marked(index):
            return line(cursor, (glyphs.mark, "accent"))
        return line(cursor, " ")

    # marks

    def _is_marked(self, index: int) -> bool:
        keys = self.source.marks(index)
        return bool(keys) and self.marked.issuperset(keys)

    def _range(self) -> range:
        anchor = self.cursor if self._anchor is None else self._anchor
        return range(min(anchor, self.cursor), max(anchor, self.cursor) + 1)

    @property
    def ranged(self) -> set[Hashable]:
        """Keys of the range that was begun and not yet marked; empty where none was."""
        if self._anchor is None:
            return set()
        return {key for position in self._range() for key in self.source.marks(self.index(position))}

    def set_marked(self, keys: set[Hashable]) -> None:
        """Mark exactly `keys`."""
        self.marked = set(keys)
        self.refresh_changed()
        self.post_message(self.Marked(self))

    def action_mark(self) -> None:
        """Toggle the mark of the cursor's line, or of the range: all of it unless all of it is marked."""
        keys = [key for position in self._range() for key in self.source.marks(self.index(position))]
        if all(key in self.marked for key in keys):
            self.marked.difference_update(keys)
        else:
            self.marked.update(keys)
        if self._anchor is None:
            self._refresh_row(self.cursor)
            self.move_to(self.cursor + 1)
        else:
            self._anchor = None
            self.refresh_changed()
        self.post_message(self.Marked(self))

    def action_range(self) -> None:
        """Begin a range, or give it up."""
        self._anchor = self.cursor if self._anchor is None else None
        self.refresh_changed()

    def action_mark_all(self) -> None:
        """Mark every line shown; where all are, none."""
        keys = {key for position in range(self.count) for key in self.source.marks(self.index(position))}
        self.set_marked(self.marked - keys if keys <= self.marked else self.marked | keys)

    def go_back(self) -> bool:
        """Esc: give up a range, then the filter; False where there was neither."""
        if self._anchor is not None:
            self._anchor = None
            self.refresh_changed()
            return True
        if self.filter:
            self.set_filter("")
            return True
        return False

    # keys

    def action_down(self) -> None:
        """One line down."""
        self.move_to(self.cursor + 1)

    def action_up(self) -> None:
        """One line up."""
        self.move_to(self.cursor - 1)

    def action_first(self) -> None:
        """To the first line."""
        self.move_to(0)

    def action_last(self) -> None:
        """To the last line."""
        self.move_to(self.count - 1)

    def action_page_down(self) -> None:
        """A page down."""
        self.move_to(self.cursor + self._page)

    def action_page_up(self) -> None:
        """A page up."""
        self.move_to(self.cursor - self._page)

    def action_open(self) -> None:
        """Tell that the cursor's line was chosen."""
        if self.count:
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        """The cursor goes where the mouse clicks; a second click opens."""
        position = self._top + event.y - self.gutter.top - self._head
        if 0 <= position < self.count:
            self.move_to(position)
            if event.chain > 1 and self.openable:
                self.action_open()

    def word(self, command: str) -> str:
        """What Enter does here."""
        return self.opens if command == "list.open" else ""

    def copied(self) -> Copy | None:
        """The marked lines, else the cursor's."""
        if self.current is None:
            return None
        if not self.marked:
            return Copy(self.source.text(self.current), "the line")
        chosen = [i for i in map(self.index, range(self.count)) if self._is_marked(i)]
        return Copy("\n".join(map(self.source.text, chosen)), f"{len(chosen)} lines")

    # filter

    async def action_filter(self) -> None:
        """Ask for the filter."""
        if self._prompt is None or not self._prompt.is_attached:
            self._prompt = Prompt(self, "filter: lines with all these words", self.filter)
            await self._prompt.open()

    def on_prompt_typed(self, message: Prompt.Typed) -> None:
        """Filter while one types."""
        message.stop()
        self.set_filter(message.text)

    def on_prompt_left(self, message: Prompt.Left) -> None:
        """Keep the filter or forget it."""
        message.stop()
        self._prompt = None
        self.set_filter(message.text if message.kept else "")

    def on_prompt_passed(self, message: Prompt.Passed) -> None:
        """Move while one types."""
        message.stop()
        moves = {"up": -1, "down": 1, "pageup": -self._page, "pagedown": self._page}
        self.move_to(self.cursor + moves[message.key])

    def set_filter(self, text: str, keep: bool = False) -> None:
        """Show only the lines that hold all words of `text`, in any case; empty: all lines."""
        if text == self.filter and not keep:
            return
        key = self.current_key
        self.filter = text
        self._anchor = None
        if not text.strip():
            self._rows = self._scan = None
            self.cursor = (self._find(key, self.cursor) or 0) if key is not None else 0
            self._show_cursor()
            self._filtered()
            return
        self._rows = array("Q")
        self._scan = self._filtering(self.source.passes(text))
        self.cursor = self._top = 0
        self._filter_on()

    def _filtering(self, passes: Callable[[int], bool]) -> Iterator[None]:
        rows = array("Q")
        self._rows = rows
        for index in range(self.source.count()):
            if passes(index):
                rows.append(index)
            if not index % 64:
                yield

    def _filter_on(self) -> None:
        scan = self._scan
        if scan is None:
            return
        deadline = time.monotonic() + SLICE
        for _ in scan:
            if time.monotonic() > deadline:
                self.set_timer(0.001, self._filter_on)
                break
        else:
            self._scan = None
        self._filtered()

    def _filtered(self) -> None:
        self.refresh_changed()
        self.refresh_bindings()
        self.post_message(self.Highlighted(self))
