"""Chunks: how the bytes of a file become objects.

Files of more than `WHOLE` bytes are cut by their content (FastCDC, 256 KiB to 4 MiB, 1 MiB on average), so
that a change in place or an insertion costs a chunk or two; smaller ones are one object each.
"""

import errno
import os
from collections.abc import Callable

WHOLE = 512 << 10
MINIMUM, AVERAGE, MAXIMUM = 256 << 10, 1 << 20, 4 << 20
STREAM = 16 << 20
"""Bytes of the buffer in which a stream is cut."""

ZERO = MAXIMUM
"""Bytes of the chunk that a long run of zeros is cut into."""
ZERO_ID = bytes.fromhex("04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1")
"""Id of that chunk: of a hole of any length neither is anything read nor hashed, nor written back by a restore."""

Put = Callable[[bytes | memoryview], bytes]
Read = Callable[[memoryview], int]
"""Fills a buffer from its beginning, with as many bytes as it says; 0: there are no more."""


class Cutter:
    """Cuts streams into chunks and puts each; its buffer is made once, when the first stream comes."""

    _buffer: bytearray | None = None

    def put(self, data: bytes | memoryview) -> bytes:
        """Take in one object; returns its id."""
        raise NotImplementedError

    def put_stream(self, read: Read) -> tuple[list[bytes], int]:
        """Add what `read` gives until it gives nothing: ids of its chunks in order, and its length.

        Its errors come through as they are.
        """
        return cut_stream(read, self.put, self._room())

    def put_sparse(self, descriptor: int, limit: int, check: Callable[[], None]) -> tuple[list[bytes], int]:
        """As `put_stream` of the first `limit` bytes of an open file, whose holes are not read."""
        return cut_sparse(descriptor, limit, self.put, check, self._room())

    def _room(self) -> bytearray:
        if self._buffer is None:
            self._buffer = bytearray(STREAM)
        return self._buffer


def cut_stream(
    read: Read, put: Callable[[memoryview], bytes], room: bytearray | None = None
) -> tuple[list[bytes], int]:
    """Cut what `read` gives into chunks and hand each to `put`: their ids in order, and the whole length.

    The cut depends on the bytes alone, not on how they arrive. A chunk is to be copied by whoever keeps it.
    `room`: `STREAM` bytes to work in, where one has them already.
    """
    buffer = memoryview(room or bytearray(STREAM))
    used = _fill(read, buffer[: WHOLE + 1])
    if used <= WHOLE:
        return ([put(buffer[:used])] if used else []), used
    from pyfastcdc import FastCDC  # here: small files do not need it

    cutter = FastCDC(AVERAGE, min_size=MINIMUM, max_size=MAXIMUM)
    ids: list[bytes] = []
    total, ended = 0, False
    while used or not ended:
        used += _fill(read, buffer[used:])
        ended = used < STREAM
        done = 0
        for chunk in cutter.cut_buf(buffer[:used]):
            # A cut is certain only where it could not have come later, had more bytes been there.
            if not ended and done + MAXIMUM > used:
                break
            ids.append(put(buffer[done : done + chunk.length]))
            done += chunk.length
        total += done
        buffer[: used - done] = bytes(buffer[done:used])
        used -= done
    return ids, total


def cut_sparse(
    descriptor: int, limit: int, put: Put, check: Callable[[], None], room: bytearray | None = None
) -> tuple[list[bytes], int]:
    """As `cut_stream` of the first `limit` bytes of an open file, whose holes are not read.

    The chunks are the same: a run of zeros is cut into chunks of `ZERO` bytes, wherever it begins. `check` is called
    before each read. Raises OSError.
    """
    from pyfastcdc import FastCDC  # here: small files do not need it

    limit = min(limit, os.fstat(descriptor).st_size)
    buffer = memoryview(room or bytearray(STREAM))
    cutter = FastCDC(AVERAGE, min_size=MINIMUM, max_size=MAXIMUM)
    ids: list[bytes] = []
    at = 0
    zero = b""
    while at < limit:
        zeros = (_next_data(descriptor, at, limit) - at) // ZERO
        if zeros:
            zero = zero or put(bytes(ZERO))
            ids += [zero] * zeros
            at += zeros * ZERO
            continue
        check()
        used = 0
        while used < min(STREAM, limit - at) and (
            got := os.preadv(descriptor, [buffer[used : limit - at]], at + used)
        ):
            used += got
        if not used:
            break  # it has become shorter
        ended = used < STREAM
        done = 0
        for chunk in cutter.cut_buf(buffer[:used]):
            if not ended and done + MAXIMUM > used:
                break
            ids.append(put(buffer[done : done + chunk.length]))
            done += chunk.length
            if _next_data(descriptor, at + done, limit) - at - done >= ZERO:
                break
        at += done
    return ids, at


def _next_data(descriptor: int, at: int, limit: int) -> int:
    """Where from `at` on there is something else than a hole; `limit` where there is nothing before."""
    try:
        return min(os.lseek(descriptor, at, os.SEEK_DATA), limit)
    except OSError as error:
        return limit if error.errno == errno.ENXIO else at


def _fill(read: Read, buffer: memoryview) -> int:
    """Fill `buffer`; how much of it: less than all only at the end."""
    used = 0
    while used < len(buffer):
        got = read(buffer[used:])
        if not got:
            break
        used += got
    return used
