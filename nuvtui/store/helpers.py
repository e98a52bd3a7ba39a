"""Helper processes of a scan, for workspaces of many files and machines of several cores.

A scan goes through the folders from the first to the last. Its helpers, copies of the process, go through the same
folders from the last to the first and say which of them, with all that is below, are as the stat cache has them;
the scan leaves those out. They meet in the middle: nobody waits for anybody, and a helper that cannot be started,
or dies, costs time and nothing else.
"""

import contextlib
import os
import signal
import struct
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nuvtui.reporter import Reporter, Silent
from nuvtui.store.statcache import StatCache

FROM = 8192
"""Files from which on helpers are started."""
MOST = 3
PARTS = 24
"""Into about so many parts the workspace is divided."""

_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_OFFSET = struct.Struct(">Q")


class Part(NamedTuple):
    """A folder that is looked at as a whole."""

    path: bytes
    offset: int
    """Of its record in the stat cache."""


def parts(cache: StatCache) -> list[Part]:
    """The workspace in parts, in the order in which a scan comes to them; none where it is small."""
    root = cache.record(cache.root) if cache.root is not None else None
    if root is None or root.count < FROM:
        return []
    found: list[Part] = []
    stack = [Part(name, offset) for name, _, offset in reversed(root.folders)]
    while stack:
        part = stack.pop()
        record = cache.record(part.offset)
        if record is None:
            continue
        if record.count > root.count // PARTS and record.folders:
            stack += [Part(part.path + b"/" + name, at) for name, _, at in reversed(record.folders)]
        else:
            found.append(part)
    return found


class Helpers:
    """The helpers of one scan; `close` ends them."""

    def __init__(self, found: Sequence[Part], workspace: int, same: Callable[[Part, Reporter], bool]) -> None:
        """`same` says, in a process of its own, whether a part is as the cache has it.

        Of all open files it has the descriptor `workspace` only; it calls `check` of the reporter that it is given.
        """
        self._same: set[int] = set()
        self._pids: list[int] = []
        self._pipe = -1
        count = min(MOST, len(os.sched_getaffinity(0)) - 1, len(found))
        if count < 1 or not may_copy():
            return
        self._pipe, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        scanner = os.getpid()
        # A signal is for the scan, not for a helper that does not yet know what it is.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            os.set_blocking(writing, True)
            backwards = found[::-1]
            for number in range(count):
                pid = os.fork()
                if not pid:
                    _help(
                        backwards[number::count],
                        lambda part: same(part, _HelperWatch(scanner)),
                        writing,
                        workspace,
                    )
                self._pids.append(pid)
        except OSError:
            pass  # too many processes, no memory: the scan does it alone
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(writing)

    def same(self, offset: int) -> bool:
        """True where a helper has said that the part with this record is as the cache has it."""
        if self._pipe >= 0:
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._pipe, 64 * _OFFSET.size)
                self._same.update(item for (item,) in _OFFSET.iter_unpack(data))
        return offset in self._same

    def close(self) -> None:
        """Stop the helper processes and close their pipes."""
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._pids.clear()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


def may_copy() -> bool:
    """True where a copy of this process need not fear for locks that another thread holds.

    A worker has one thread more than its main one, which waits for a cancel.
    """
    return threading.active_count() <= 2 and len(os.listdir("/proc/self/task")) <= 2


class _HelperWatch(Silent):
    """Ends a helper whose scanner is gone."""

    def __init__(self, scanner: int) -> None:
        self._scanner = scanner

    def check(self) -> None:
        if os.getppid() != self._scanner:
            os._exit(0)


def _help(found: Sequence[Part], same: Callable[[Part], bool], writing: int, workspace: int) -> None:
    """What a helper does: let go of everything, look, say, end. Does not return."""
    try:
        # Locks that the scanner holds end with it, and so does the pipe: a helper must not keep them open.
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in (writing, workspace):
                with contextlib.suppress(OSError):
                    os.close(int(name))
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for part in found:
            if same(part):
                os.write(writing, _OFFSET.pack(part.offset))
    finally:
        os._exit(0)
