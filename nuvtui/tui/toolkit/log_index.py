"""Finding any line of a growing text of any length, with an index of a few bytes per thousand lines.

The text is cut into blocks of about 32 KiB that end with a line; the index keeps the offset and the first line
number of each. A line is found by bisection and one read of its block. Nothing else of the text is kept but the
few blocks last looked at.
"""

import os
from array import array
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

BLOCK = 32 * 1024
CACHED = 64
"""Blocks kept in memory."""
LONGEST = 256 * 1024
"""Bytes of a single line that are shown."""
GROWTH = 8 * 1024 * 1024
"""Bytes indexed at once."""


class Text(Protocol):
    """Where the bytes come from."""

    def size(self) -> int:
        """Bytes that are there now."""

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end or where they cannot be read."""


class FileText:
    """A file, maybe growing, maybe not there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def _open(self) -> int | None:
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

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()


class BytesText:
    """Bytes in memory: a preview."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]


class LogIndex:
    """The lines of a text."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._clear()

    def _clear(self) -> None:
        self._starts = array("Q")
        self._firsts = array("Q")
        self._closed = 0
        self._open_start = 0
        self._open_lines = 0
        self._open_end = 0
        self.indexed = 0
        """Bytes looked at so far."""
        self._blocks: OrderedDict[int, list[bytes]] = OrderedDict()

    @property
    def complete(self) -> int:
        """Lines that end with a newline: they will not change any more."""
        return self._closed + self._open_lines

    @property
    def count(self) -> int:
        """Lines so far, the unfinished last one included."""
        return self.complete + (1 if self.indexed > self._open_end else 0)

    def grow(self, limit: int = GROWTH) -> bool:
        """Index up to `limit` more bytes. True where there is more to do at once.

        A text that became shorter is begun again.
        """
        size = self.text.size()
        if size < self.indexed:
            self._clear()
        data = self.text.read(self.indexed, min(limit, size - self.indexed)) if size > self.indexed else b""
        if data:
            self._take(data)
            self._blocks.pop(len(self._starts), None)
        return self.indexed < size and bool(data)

    def _take(self, data: bytes) -> None:
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
        self._blocks.pop(len(self._starts), None)
        self._starts.append(self._open_start)
        self._firsts.append(self._closed)
        self._closed += self._open_lines
        self._open_start = self._open_end
        self._open_lines = 0

    def _bounds(self, block: int) -> tuple[int, int, int]:
        """First line, first byte and end of a block; the last one is the open one."""
        if block == len(self._starts):
            return self._closed, self._open_start, self.indexed
        end = self._starts[block + 1] if block + 1 < len(self._starts) else self._open_start
        return self._firsts[block], self._starts[block], end

    def block_of(self, line: int) -> int:
        """Number of the block that holds `line`."""
        return len(self._starts) if line >= self._closed else bisect_right(self._firsts, line) - 1

    def block(self, number: int, keep: bool = True) -> tuple[int, list[bytes]]:
        """First line number of a block, and its lines without their newlines."""
        first, start, end = self._bounds(number)
        lines = self._blocks.get(number)
        if lines is not None:
            self._blocks.move_to_end(number)
            return first, lines
        if end - start > 2 * BLOCK:
            lines = [self._long(start, end)]
        else:
            lines = self.text.read(start, end - start).split(b"\n")
            if not lines[-1]:
                lines.pop()
        if keep:
            self._blocks[number] = lines
            while len(self._blocks) > CACHED:
                self._blocks.popitem(last=False)
        return first, lines

    def block_bytes(self, number: int) -> tuple[int, bytes | None]:
        """First line number of a block, and all of it as it is in the text; None for a very long line."""
        first, start, end = self._bounds(number)
        return first, None if end - start > 2 * BLOCK else self.text.read(start, end - start)

    def end_of(self, number: int) -> int:
        """Number of the line after the last one of a block."""
        if number == len(self._starts):
            return self.count
        return self._firsts[number + 1] if number + 1 < len(self._firsts) else self._closed

    def _long(self, start: int, end: int) -> bytes:
        """What is shown of a very long line: its beginning, or of a progress bar what was written last."""
        if end - start <= LONGEST:
            return self.text.read(start, end - start).rstrip(b"\n")
        tail = self.text.read(end - BLOCK, BLOCK).rstrip(b"\r\n")
        at = tail.rfind(b"\r")
        if at >= 0:
            return tail[at + 1 :]
        return self.text.read(start, LONGEST) + f" [{end - start - LONGEST:,} more bytes]".encode()

    def line(self, number: int) -> bytes:
        """Line `number` as it is in the text, without its newline; empty where there is none."""
        first, lines = self.block(self.block_of(number))
        at = number - first
        return lines[at] if 0 <= at < len(lines) else b""

    def offset(self, number: int) -> int:
        """Offset of the first byte of line `number`."""
        block = self.block_of(number)
        first, start, end = self._bounds(block)
        if end - start > 2 * BLOCK:
            return start
        _, lines = self.block(block)
        return start + sum(len(line) + 1 for line in lines[: number - first])

    def line_at(self, offset: int) -> int:
        """Number of the line that holds byte `offset`."""
        if offset >= self._open_start:
            block = len(self._starts)
        else:
            block = bisect_right(self._starts, offset) - 1
        first, start, end = self._bounds(block)
        if end - start > 2 * BLOCK:
            return first
        _, lines = self.block(block)
        at = start
        for number, line in enumerate(lines):
            at += len(line) + 1
            if offset < at:
                return first + number
        return min(first + len(lines), max(0, self.count - 1))
