"""Work on many things in copies of this process, one for each core: for the content guard, which only reads.

A copy cannot be started where another thread might hold a lock (then the work is done here, one after another).
A copy that dies is no quiet loss: what it should have looked at is looked at here.
"""

import contextlib
import os
import select
import signal
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from nuvtui.reporter import Reporter, Silent
from nuvtui.store.helpers import may_copy

T = TypeVar("T")
FROM = 64 << 20
"""Bytes to be read from which on copies are worth their start."""
MOST = 4
_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def spread(
    parts: Sequence[T],
    work: Callable[[T, Reporter], list[msgspec.Struct]],
    kind: type,
    reporter: Reporter,
) -> list[list[msgspec.Struct]]:
    """The results of `work` on each of `parts` (structs of `kind`), in their order.

    The first part is done by this process, which reports and can be cancelled; the others by copies of it. Raises
    what `work` raises here; what fails in a copy is done again here, and so raised here.
    """
    copies: list[tuple[int, int] | None] = [_copy(part, work) if may_copy() else None for part in parts[1:]]
    try:
        results = [work(parts[0], reporter)]
        for part, copy in zip(parts[1:], copies, strict=True):
            data = _whole(copy[1], reporter) if copy else b""
            try:
                results.append(msgspec.msgpack.decode(data, type=list[kind]))  # type: ignore[valid-type]
            except msgspec.DecodeError:
                results.append(work(part, reporter))
        return results
    finally:
        for copy in copies:
            if copy:
                _end(*copy)


def cores() -> int:
    """So many parts are worth while."""
    return min(MOST, len(os.sched_getaffinity(0)))


def _copy(part: T, work: Callable[[T, Reporter], list[msgspec.Struct]]) -> tuple[int, int] | None:
    """Start a copy on `part`: its process id, and where its result can be read."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    # A signal is for the export, not for a copy that does not yet know what it is.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        pid = os.fork()
        if not pid:
            _work(part, work, writing, parent)
    except OSError:  # too many processes, no memory
        os.close(reading)
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
    return pid, reading


def _work(part: T, work: Callable[[T, Reporter], list[msgspec.Struct]], writing: int, parent: int) -> None:
    """What a copy does; does not return. Locks of the export are kept open for as long as the copy lives: it
    ends with its parent.
    """
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        data = memoryview(msgspec.msgpack.encode(work(part, _Watch(parent))))
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


class _Watch(Silent):
    def __init__(self, parent: int) -> None:
        self._parent = parent

    def check(self) -> None:
        if os.getppid() != self._parent:
            os._exit(0)


def _whole(reading: int, reporter: Reporter) -> bytes:
    parts: list[bytes] = []
    while True:
        reporter.check()
        if not select.select([reading], [], [], 0.1)[0]:
            continue
        piece = os.read(reading, 1 << 16)
        if not piece:
            return b"".join(parts)
        parts.append(piece)


def _end(pid: int, reading: int) -> None:
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
