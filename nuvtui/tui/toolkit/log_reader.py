"""The lines of a text as they are shown, read where they are asked for: a file in threads alone, never in the event loop.

A `LogReader` tells its view that lines came (`grew`) and that lines which were asked for and missing are there now
(`arrived`). What is in memory is there at once.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from nuvtui import sanitise
from nuvtui.errors import NuvError
from nuvtui.tui.toolkit.log_index import KEPT, Block, LogIndex, Piece, Text, next_piece, read_block

T = TypeVar("T")
Failed = Callable[[NuvError], Any] | None
CLEAN = 512
"""Lines that are kept as they are shown."""


class View(Protocol):
    """The widget that shows the lines."""

    def load(self, call: Callable[[], T], done: Callable[[T], Any], *, group: str, failed: Failed) -> None:
        """Run `call` in a thread and `done` with its result in the event loop."""

    def call_later(self, callback: Callable[[], None]) -> bool:
        """Call something after what is waiting now."""

    def grew(self, before: int) -> None:
        """Lines came after the first `before` ones, the last of which may have been unfinished."""

    def arrived(self) -> None:
        """Lines that were missing are there."""

    def begun_again(self) -> None:
        """The text is shorter than it was: it is read from its beginning."""


class LogReader:
    """Reads a text for a view."""

    def __init__(self, view: View, text: Text, *, escapes: bool) -> None:
        """`escapes`: show escape sequences as signs; else they are dropped."""
        self.text = text
        self.index = LogIndex()
        self.complete = False
        """The text was read to the end that it had when it was looked at last."""
        self._view = view
        self._escapes = escapes
        self._clean: OrderedDict[int, str] = OrderedDict()
        self._missing: set[int] = set()
        """Blocks that were asked for and are not there."""
        self._looking = self._look_again = self._reading = self._closed = False

    def shown_as(self, raw: bytes) -> str:
        """What is shown of a line."""
        text = raw.decode("utf-8", "surrogateescape")
        return sanitise.line(text.rstrip("\r").expandtabs(8)) if self._escapes else sanitise.log_line(text)

    def close(self) -> None:
        """Nothing of what is being read is wanted any more."""
        self._closed = True

    def _run(
        self,
        call: Callable[[], T],
        done: Callable[[T], None],
        group: str,
        failed: Failed = None,
    ) -> None:
        def arrived(result: T) -> None:
            if not self._closed:
                done(result)

        if self.text.in_memory:
            arrived(call())
        else:
            self._view.load(call, arrived, group=group, failed=failed)

    # what comes

    def look(self) -> None:
        """Read what came since the last look."""
        if self._looking or self._closed:
            self._look_again = True
            return
        self._looking, self._look_again = True, False
        text, indexed = self.text, self.index.indexed
        self._run(lambda: next_piece(text, indexed), self._came, "look")

    def _came(self, piece: Piece) -> None:
        self._looking = False
        if piece.shorter:
            self._view.begun_again()
            return
        before = self.index.count
        self.index.take(piece.data)
        self._clean.pop(before - 1, None)
        first, self.complete = not self.complete, not piece.more
        if piece.data or first:
            self._view.grew(before)
        if piece.more or self._look_again:
            self._view.call_later(self.look)

    # lines

    def text_of(self, number: int) -> str | None:
        """Line `number` as it is shown; None: it is not there yet and will be read (`read_missing`)."""
        text = self._clean.get(number)
        if text is None:
            raw = self.index.line(number)
            if raw is None:
                block = self.index.block_of(number)
                if not self.text.in_memory:
                    self._missing.add(block.number)
                    return None
                self.index.keep(block, read_block(self.text, block))
                raw = self.index.line(number) or b""
            text = self._clean[number] = self.shown_as(raw)
            while len(self._clean) > CLEAN:
                self._clean.popitem(last=False)
        return text

    def line_at(self, offset: int) -> int | None:
        """The line that holds byte `offset`; None: not known yet, it will be read."""
        number = self.index.line_at(offset)
        if number is None and self.text_of(self.index.block_at(offset).first) is not None:
            number = self.index.line_at(offset)
        return number

    def want(self, number: int) -> None:
        """Have the block around line `number` read along: it may be asked for next."""
        block = self.index.block_of(number)
        if self.index.lines(block) is None and not self.text.in_memory:
            self._missing.add(block.number)

    def read_missing(self) -> None:
        """Read what was asked for."""
        if self._reading or not self._missing:
            return
        self._reading = True
        text, blocks = self.text, [self.index.block(number) for number in sorted(self._missing)]
        self._missing.clear()
        self.index.most = max(self.index.most, KEPT + len(blocks))
        self._run(
            lambda: [(block, read_block(text, block)) for block in blocks],
            self._blocks_came,
            "log",
            self._left,
        )

    def _blocks_came(self, found: list[tuple[Block, list[bytes]]]) -> None:
        self._reading = False
        for block, lines in found:
            self.index.keep(block, lines)
        self._view.arrived()

    def _left(self, _: NuvError) -> None:
        self._reading = False  # the user did not wait

    def reading_of(self, numbers: Iterable[int]) -> Callable[[], str]:
        """What reads these lines, as they are shown. For a thread."""
        wanted: dict[Block, list[int]] = {}
        for number in numbers:
            block = self.index.block_of(number)
            wanted.setdefault(block, []).append(number - block.first)

        def read() -> str:
            found: list[str] = []
            for block, rows in wanted.items():
                lines = read_block(self.text, block)
                found += [self.shown_as(lines[row]) for row in rows if row < len(lines)]
            return "\n".join(found)

        return read
