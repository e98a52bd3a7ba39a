"""Lines of a stream whose pieces end anywhere. Cost is linear in the bytes, memory bounded."""

from collections.abc import Iterator


class Lines:
    """Bytes in, lines out."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of the longest line that is kept until its end has come."""
        self._limit = limit
        self._parts: list[bytes] = []
        self._skipping = False
        self.held = 0
        """Bytes of the line that has not ended."""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """What `data` completes: lines with their ends, and True. Of a longer one its parts, as they come, and
        False: nothing is lost.
        """
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield from self._hold(line)
            yield from self.end(b"\n")
        yield from self._hold(rest)

    def end(self, ending: bytes = b"") -> Iterator[tuple[bytes, bool]]:
        """What is left at the end of the stream; an empty line is left out."""
        whole = not self._skipping
        line = self.take()
        if line or not whole:
            yield line + ending, whole

    def peek(self) -> bytes:
        """The line that has not ended, as far as it has come."""
        return b"".join(self._parts)

    def take(self) -> bytes:
        """The same, and forget it."""
        line = self.peek()
        self._parts, self.held, self._skipping = [], 0, False
        return line

    def _hold(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        if data:
            self._parts.append(data)
            self.held += len(data)
        if self._parts and (self._skipping or self.held > self._limit):
            yield self.take(), False
            self._skipping = True
