"""Finding any line of a growing text of any length, with an index of a few bytes per thousand lines.

The text is cut into blocks of about 32 KiB that end with a line; the index keeps the offset and the first line
number of each. A line is found by bisection and one read of its block. Nothing else of the text is kept but the
few blocks last looked at. The index reads nothing itself: `next_piece` and `read_block` do, in a thread where the text
is a file, and `take` and `keep` are given what they found.
"""

import os
import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple, Protocol

BLOCK = 32 * 1024
KEPT = 64
"""Blocks kept in memory."""
LONGEST = 256 * 1024
"""Bytes of a single line that are shown."""
PIECE = 4 * 1024 * 1024
"""Bytes read and indexed at once."""


class Text(Protocol):
    """Where the bytes come from."""

    in_memory: bool
    """False: reading may take its time, and is for a thread."""

    def size(self) -> int:
        """Bytes that are there now."""

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end or where they cannot be read."""


class FileText:
    """A file, maybe growing, maybe not there yet. For threads, several at the same time."""

    in_memory = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._opening = threading.Lock()

    def _open(self) -> int | None:
        with self._opening:
            if self._descriptor is None:
                try:
                    self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                except OSError:
                    return None
            return self._descriptor

    def size(self) -> int:
        descriptor = self._open()
        return 0 if descriptor is None else os.fstat(descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        descriptor = self._open()
        try:
            return b"" if descriptor is None else os.pread(descriptor, size, offset)
        except OSError:
            return b""

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class BytesText:
    """Bytes in memory: a preview, of which more may come."""

    in_memory = True

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset : offset + size])


class Piece(NamedTuple):
    """What came since a text was read last."""

    data: bytes
    more: bool = False
    """There is more to be read at once."""
    shorter: bool = False
    """The text is shorter than it was: it is to be read from the beginning."""


class Block(NamedTuple):
    """A part of a text: some whole lines, or one very long one. The last block may end within a line."""

    number: int
    first: int
    """Number of its first line."""
    after: int
    """Number of the line after its last one."""
    start: int
    end: int

    @property
    def long(self) -> bool:
        """True where it is one line, too long to be shown whole."""
        return self.end - self.start > 2 * BLOCK


def next_piece(text: Text, offset: int, limit: int = PIECE) -> Piece:
    """Read on from `offset`, at most `limit` bytes."""
    size = text.size()
    if size <= offset:
        return Piece(b"", shorter=size < offset)
    data = text.read(offset, min(limit, size - offset))
    return Piece(data, more=bool(data) and offset + len(data) < size)


def read_block(text: Text, block: Block) -> list[bytes]:
    """The lines of a block without their newlines."""
    if not block.long:
        return _split(text.read(block.start, block.end - block.start))
    if block.end - block.start <= LONGEST:
        return [text.read(block.start, block.end - block.start).rstrip(b"\n")]
    # Of a progress bar what was written last is shown, of any other line the beginning.
    tail = text.read(block.end - BLOCK, BLOCK).rstrip(b"\r\n")
    at = tail.rfind(b"\r")
    if at >= 0:
        return [tail[at + 1 :]]
    more = block.end - block.start - LONGEST
    return [text.read(block.start, LONGEST) + f" [{more:,} more bytes]".encode()]


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


class LogIndex:
    """Where the lines of a text are, and the lines of a few of its blocks."""

    def __init__(self, kept: int = KEPT) -> None:
        """`kept`: number of blocks whose lines stay in memory."""
        self.most = kept
        self._starts = array("Q")
        self._firsts = array("Q")
        self._closed = 0
        self._open_start = 0
        self._open_lines = 0
        self._open_end = 0
        self.indexed = 0
        """Bytes taken so far."""
        self._kept: OrderedDict[int, tuple[Block, list[bytes]]] = OrderedDict()

    @property
    def complete(self) -> int:
        """Lines that end with a newline: they will not change any more."""
        return self._closed + self._open_lines

    @property
    def count(self) -> int:
        """Lines so far, the unfinished last one included."""
        return self.complete + (1 if self.indexed > self._open_end else 0)

    def take(self, data: bytes) -> None:
        """Index the bytes that follow those taken so far."""
        base = self.indexed
        at = 0
        while at < len(data):
            room = BLOCK - (base + at - self._open_start)
            if room <= 0:  # a line longer than a block: it gets one of its own
                found = data.find(b"\n", at)
                at = len(data) if found < 0 else found + 1
                if found >= 0:
                    self._open_lines = 1
                    self._open_end = base + at
                    self._close()
                continue
            end = min(len(data), at + room)
            lines = data.count(b"\n", at, end)
            if lines:
                self._open_lines += lines
                self._open_end = base + data.rfind(b"\n", at, end) + 1
            at = end
            if base + at - self._open_start >= BLOCK and self._open_lines:
                self._close()
        self.indexed = base + len(data)

    def _close(self) -> None:
        self._starts.append(self._open_start)
        self._firsts.append(self._closed)
        self._closed += self._open_lines
        self._open_start = self._open_end
        self._open_lines = 0

    # blocks

    def block(self, number: int) -> Block:
        """Block `number`; the last one is that which still grows."""
        if number == len(self._starts):
            return Block(number, self._closed, self.count, self._open_start, self.indexed)
        last = number + 1 == len(self._starts)
        after = self._closed if last else self._firsts[number + 1]
        end = self._open_start if last else self._starts[number + 1]
        return Block(number, self._firsts[number], after, self._starts[number], end)

    def block_of(self, line: int) -> Block:
        """The block that holds line `line`."""
        closed = line < self._closed
        return self.block(bisect_right(self._firsts, line) - 1 if closed else len(self._starts))

    def block_at(self, offset: int) -> Block:
        """The block that holds byte `offset`."""
        closed = offset < self._open_start
        return self.block(bisect_right(self._starts, offset) - 1 if closed else len(self._starts))

    def keep(self, block: Block, lines: list[bytes]) -> None:
        """Keep the lines of a block; those looked at longest ago are forgotten."""
        self._kept[block.number] = block, lines
        self._kept.move_to_end(block.number)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)

    def lines(self, block: Block) -> list[bytes] | None:
        """What is kept of a block: of one that grew since, the lines that were whole by then; None: nothing."""
        kept = self._kept.get(block.number)
        if kept is None:
            return None
        self._kept.move_to_end(block.number)
        then, lines = kept
        return lines if then == block else lines[:-1]

    # lines

    def line(self, number: int) -> bytes | None:
        """Line `number` without its newline, empty where there is none; None: its block has to be read first."""
        block = self.block_of(number)
        lines = self.lines(block)
        at = number - block.first
        if lines is not None and 0 <= at < len(lines):
            return lines[at]
        return b"" if self.knows(block) else None

    def knows(self, block: Block) -> bool:
        """True where all lines of a block, as it is now, are kept."""
        kept = self._kept.get(block.number)
        return kept is not None and kept[0] == block

    def offset(self, number: int) -> int | None:
        """Offset of the first byte of line `number`; None: its block has to be read first."""
        block = self.block_of(number)
        if block.long or number == block.first:
            return block.start
        lines = self.lines(block)
        if lines is None or len(lines) < number - block.first:
            return None
        return block.start + sum(len(line) + 1 for line in lines[: number - block.first])

    def line_at(self, offset: int) -> int | None:
        """Number of the line that holds byte `offset`; None: its block has to be read first."""
        block = self.block_at(offset)
        if block.long:
            return block.first
        at = block.start
        lines = self.lines(block)
        for number, line in enumerate(lines or ()):
            at += len(line) + 1
            if offset < at:
                return block.first + number
        return max(0, min(block.after, self.count) - 1) if self.knows(block) else None
