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

from nuvtui.store.statcache import StatCache

FROM = 8192
"""Files from which on helpers are started."""
MOST = 3
PARTS = 24
"""Into about so many parts the workspace is divided."""

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

    def __init__(self, found: Sequence[Part], same: Callable[[Part], bool]) -> None:
        """`same` says, in a process of its own, whether a part is as the cache has it."""
        self._same: set[int] = set()
        self._pids: list[int] = []
        self._pipe = -1
        count = min(MOST, len(os.sched_getaffinity(0)) - 1, len(found))
        if count < 1 or not _may_copy():
            return
        self._pipe, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(writing, True)
            backwards = found[::-1]
            for number in range(count):
                pid = os.fork()
                if not pid:
                    _help(backwards[number::count], same, writing)
                self._pids.append(pid)
        except OSError:
            pass  # too many processes, no memory: the scan does it alone
        finally:
            os.close(writing)

    def same(self, offset: int) -> bool:
        """True where a helper has said that the part with this record is as the cache has it."""
        if self._pipe >= 0:
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._pipe, 64 * _OFFSET.size)
                self._same.update(item for (item,) in _OFFSET.iter_unpack(data))
        return offset in self._same

    def close(self) -> None:
        """End the helpers."""
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._pids.clear()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


def _may_copy() -> bool:
    """True where a copy of this process need not fear for locks that another thread holds.

    A worker has one thread more than its main one, which waits for a cancel.
    """
    return threading.active_count() <= 2 and len(os.listdir("/proc/self/task")) <= 2


def _help(found: Sequence[Part], same: Callable[[Part], bool], writing: int) -> None:
    """What a helper does: look, say, end. Does not return."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        scanner = os.getppid()
        for part in found:
            if os.getppid() != scanner:
                break
            if same(part):
                os.write(writing, _OFFSET.pack(part.offset))
    finally:
        os._exit(0)
