"""A view of a text that can be searched: build logs, previews of files."""

from array import array
from typing import TYPE_CHECKING, Any

from rich.segment import Segment

from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.lines import Piece
from nuvtui.tui.toolkit.log_index import Text
from nuvtui.tui.toolkit.prompt import Prompt
from nuvtui.tui.toolkit.text_view import TextView

if TYPE_CHECKING:
    from nuvtui.tui.toolkit.log_search import Search


class LogView(TextView):
    """Searches a text, shows all of it or the lines that match: `search("text")`."""

    def __init__(self, **options: Any) -> None:
        self.only_matches = False
        self.query_text = ""
        self._found: Search | None = None
        self._prompt: Prompt | None = None
        super().__init__(**options)

    def _reset(self, text: Text) -> None:
        super()._reset(text)
        self._search_again()

    @property
    def searching(self) -> bool:
        """True while there is a search."""
        return self._found is not None

    @property
    def match_count(self) -> int:
        """Lines that match, as far as the text has been searched."""
        return len(self._matches)

    @property
    def _matches(self) -> "array[int]":
        return self._found.matches if self._found is not None else array("Q")

    # what is shown

    @property
    def rows(self) -> int:
        """Lines shown: all, or those that match."""
        return len(self._matches) if self.only_matches else super().rows

    def number(self, row: int) -> int:
        """The line that a row shows."""
        return self._matches[row] if self.only_matches else row

    def row_of(self, number: int) -> int:
        """The row that shows a line."""
        return self._found.position(number) if self.only_matches and self._found is not None else number

    def grew(self, before: int) -> None:
        """Lines came after the first `before` ones: search them too."""
        super().grew(before)
        self._search_on()

    def segments(self, number: int, text: str, start: int, end: int) -> list[Segment]:
        """What is drawn of a line, the matches in it set off."""
        found = self._found
        if found is None:
            return super().segments(number, text, start, end)
        base = self.style_of("")
        style = base + self.style_of("line--match-current" if number == found.at else "line--match")
        segments = []
        at = start
        for first, last in found.query.spans(text):
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
            return "Searching" if self._to_come else "No line matches."
        return super()._nothing()

    def _status(self) -> list[Piece]:
        pieces = super()._status()
        found = self._found
        if found is not None:
            count = len(found.matches)
            at = "" if found.at is None else f"{found.position(found.at) + 1:,} of "
            going = " so far" if self._to_come else ""
            only = ", only these" if self.only_matches else ""
            noun = "match" if count == 1 else "matches"
            pieces.append((f"  {at}{count:,} {noun}{going}{only}", "accent"))
            if found.problem:
                pieces.append((f"  {found.problem}", "warn"))
        return pieces

    def copied(self) -> Copy | None:
        """The lines that match where only they are shown, else the text."""
        if not self.only_matches:
            return super().copied()
        return Copy("", "the matching lines", self._path, read=self._reader.reading_of(self._matches))

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
        else:
            self.action_next_match()

    def on_prompt_passed(self, message: Prompt.Passed) -> None:
        """Scroll while one types."""
        message.stop()
        page = self._layout.height
        self.scroll_lines({"up": -1, "down": 1, "pageup": -page, "pagedown": page}[message.key])

    def search(self, text: str) -> None:
        """Search `text`: all lower case finds any case; `/…/` is a regular expression; empty ends the search."""
        if text == self.query_text:
            return
        if not text and self.only_matches:
            self.action_only_matches()
        self.query_text = text
        self._search_again()
        self.refresh()
        self.refresh_bindings()

    def _search_again(self) -> None:
        self._found = None
        if self.query_text not in ("", "/"):
            from nuvtui.tui.toolkit.log_search import Query, Search

            self._found = Search(Query(self.query_text))
        if self.only_matches:
            self._layout.move((0, 0))
        self._search_on()

    @property
    def _end(self) -> int:
        """Number of the line up to which is searched: one that is still written is left out."""
        return self.index.complete if self.growing else self.index.count

    @property
    def _to_come(self) -> bool:
        """True while not all of the text was searched."""
        return self._found is not None and (self._found.scanned < self._end or not self._reader.complete)

    def _search_on(self) -> None:
        found = self._found
        if found is not None:
            found.go_on(self._reader, self._end, self.load, lambda first: self._searched_on(found, first))

    def _searched_on(self, found: "Search", first: int | None) -> None:
        """Show what was found: the first of it is match number `first`."""
        if found is not self._found:
            return
        if found.wanted:
            self._go_to_match(1)
        if self.only_matches and first is not None:
            self.grew(first)
        self._refresh_status()
        self._search_on()

    def action_next_match(self) -> None:
        """To the next match after the last one, or after the top of the view; round at the end."""
        self._go_to_match(1)

    def action_previous_match(self) -> None:
        """To the match before."""
        self._go_to_match(-1)

    def _go_to_match(self, step: int) -> None:
        if self._found is None:
            return
        start = self.number(self._layout.top[0]) if self.rows else 0
        number = self._found.step(step, start, self._to_come)
        if number is not None:
            self._show_line(number)
            self.refresh()

    def _show_line(self, number: int) -> None:
        """Bring a line into view without moving more than needed; stops following."""
        self._follow(False)
        row = self.row_of(number)
        if all(shown != row for shown, _ in self._layout.shown()):
            self._set_top((max(0, row - self._layout.height // 2), 0))

    def action_only_matches(self) -> None:
        """Show only the lines that match, or all again, with the same line in view."""
        here = self._found.at if self._found is not None else None
        if here is None and self.rows:
            here = self.number(min(self._layout.top[0], self.rows - 1))
        self.only_matches = not self.only_matches and self.searching
        self._layout.move((0, 0))
        if here is not None and not self.following:
            self._show_line(here)
        self.arrived()

    def go_back(self) -> bool:
        """Esc: all lines again, then no search; False where there was none."""
        if self.only_matches:
            self.action_only_matches()
            return True
        if self.query_text:
            self.search("")
            return True
        return False
