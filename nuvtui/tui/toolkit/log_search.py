"""What is searched in a text: a word or a regular expression, and how a million lines are gone through quickly."""

import re
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import regex

from nuvtui.tui.toolkit.log_index import Block, read_block
from nuvtui.tui.toolkit.log_reader import LogReader

PATIENCE = 0.1
"""Seconds that a regular expression may think about one line or block: some would think for ever."""
STRETCH = 0.1
"""Seconds after which a stretch of a search ends, and what it found is shown."""
BLOCKS = 128
"""Blocks in a stretch at most."""
_SPECIAL = re.compile(rb"[^\t\n\x20-\x7e]").search
"""Finds what is not shown as it stands in the text: colours, carriage returns, anything beyond ASCII."""
_LOOKS_AROUND = re.compile(r"\(\?|\\[AZz]|\\G").search
"""Finds what in an expression may mean something else in a block of lines than in one line."""


class SlowError(Exception):
    """The expression took too long."""


class Query:
    """A search: all lower case finds any case; `/…/` is a regular expression."""

    def __init__(self, text: str) -> None:
        """`problem` says why a regular expression could not be taken as one; then it is searched as text."""
        self.problem = ""
        flags = regex.IGNORECASE if text == text.lower() else 0
        body = ""
        if text.startswith("/"):
            body = text[1:-1] if len(text) > 2 and text.endswith("/") else text[1:]
        if body:
            try:
                self._pattern = regex.compile(body, flags)
            except regex.error as error:
                self.problem = f"not a regular expression ({error}), searched as text"
        if not body or self.problem:
            self._pattern = regex.compile(regex.escape(text), flags)
        self._block: regex.Pattern[bytes] | None = None
        pattern = self._pattern.pattern
        if pattern.isascii() and not _LOOKS_AROUND(pattern):
            self._block = regex.compile(pattern.encode(), flags | regex.MULTILINE)

    def may_be_in(self, block: bytes) -> bool:
        """False where no line of a block matches, told without taking it apart. Raises SlowError."""
        if self._block is None or _SPECIAL(block):
            return True
        try:
            return self._block.search(block, timeout=PATIENCE) is not None
        except TimeoutError as error:
            raise SlowError from error

    def is_in(self, line: str) -> bool:
        """True where a line, as it is shown, matches. Raises SlowError."""
        try:
            return self._pattern.search(line, timeout=PATIENCE) is not None
        except TimeoutError as error:
            raise SlowError from error

    def spans(self, line: str) -> Iterator[tuple[int, int]]:
        """Where in a line the matches are: start and end of each; none where that took too long."""
        try:
            for match in self._pattern.finditer(line, timeout=PATIENCE):
                yield match.span()
        except TimeoutError:
            return


class Stretch(NamedTuple):
    """A part of a text that was gone through."""

    matches: Sequence[int]
    """The numbers of the lines that match."""
    scanned: int
    """Number of the line after the last one that was looked at."""
    slow: bool = False
    """The next line takes the expression too long: there is no going on."""


class Search:
    """What was found in a text so far."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.problem = query.problem
        self.matches = array("Q")
        """The numbers of the lines that match."""
        self.scanned = 0
        """Lines gone through."""
        self.at: int | None = None
        """Line of the match that was gone to last."""
        self.wanted = False
        """True: go to the next match as soon as one is found."""
        self._running = False

    def go_on(
        self, reader: LogReader, end: int, load: Callable[..., None], done: Callable[[int | None], None]
    ) -> None:
        """Go through the next stretch on the way to line `end`, in a thread; `done` is told of the first match there.

        Nothing where one is gone through already, or all is.
        """
        blocks: list[Block] = []
        at = self.scanned
        while at < end and len(blocks) < BLOCKS:
            blocks.append(reader.index.block_of(at))
            at = blocks[-1].after
        if self._running or not blocks:
            return
        self._running = True

        def arrived(found: Stretch) -> None:
            self._running = False
            self.scanned = found.scanned
            if found.slow:
                self.problem = f"takes too long on line {self.scanned + 1:,}: search something simpler"
                self.scanned = end
            self.matches.extend(found.matches)
            done(found.matches[0] if found.matches else None)

        start = self.scanned
        load(lambda: go_through(reader, self.query, blocks, start, end), arrived, group="look search")

    def position(self, number: int) -> int:
        """Which match line `number` is, or would be."""
        return bisect_left(self.matches, number)

    def step(self, step: int, start: int, to_come: bool) -> int | None:
        """Go to the next match (-1: the one before), the first time from line `start`; round at the end.

        Returns its line; None: there is none yet. `to_come`: not all of the text was gone through.
        """
        self.wanted = False
        if self.at is not None:
            at = self.position(self.at) + step
        else:
            at = self.position(start) - (step < 0)
        # The first time it goes round only when there is nothing to come.
        if not self.matches or (self.at is None and to_come and step > 0 and at == len(self.matches)):
            self.wanted = to_come and step > 0
            return None
        self.at = self.matches[at % len(self.matches)]
        return self.at


def go_through(reader: LogReader, query: Query, blocks: Sequence[Block], start: int, end: int) -> Stretch:
    """Go through `blocks` from line `start` to line `end`, a moment at most. For a thread."""
    until = time.monotonic() + STRETCH
    matches: list[int] = []
    at = start
    try:
        for block in blocks:
            if not block.long and not query.may_be_in(reader.text.read(block.start, block.end - block.start)):
                at = min(end, block.after)
            else:
                lines = read_block(reader.text, block)
                for raw in lines[at - block.first : end - block.first]:
                    if query.is_in(reader.shown_as(raw)):
                        matches.append(at)
                    at += 1
                    if time.monotonic() > until:
                        return Stretch(matches, at)
                at = min(end, block.after)  # also where the text has become shorter
            if time.monotonic() > until:
                break
    except SlowError:
        return Stretch(matches, at, slow=True)
    return Stretch(matches, at)
