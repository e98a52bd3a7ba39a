"""Whether a file that is about to be read can be trusted afterwards for as long as its times stay as they are.

What a program writes through a mapping (`mmap`) sets a time only where the page was clean: for as long as the page is
dirty, further writes leave no trace. So a file is written out before it is read; the next write then sets a time.

Who has a file open or mapped for writing is told by a read lease (fcntl(2), F_SETLEASE): the kernel gives it only
where nobody has. That costs no disk, so that only files that are being written are written out, each by itself; and
one that was last changed long ago the kernel has written out. Where the kernel does not tell (somebody else's file, a
file system over a network or over another one), or would have to be asked very often, the whole file system is written
out, once for a scan.

In memory (tmpfs) nothing is ever written out and mapped pages never are clean: no file there can be trusted, all are
read every time.
"""

import contextlib
import enum
import fcntl
import os
import signal
from pathlib import Path

from nuvtui.atomic import sync_file_system

_DIRECT = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "jfs", "nilfs2"})
"""File systems whose leases know of every mapping, and that set a time when a clean page is written to."""
_MEMORY = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs"})

MANY = 4096
"""So many files are asked about before the whole file system is written out instead."""
_NEVER = 1 << 64
_fcntl, _SET_SIGNAL, _SET_LEASE, _READ = fcntl.fcntl, fcntl.F_SETSIG, fcntl.F_SETLEASE, fcntl.F_RDLCK
_IGNORED = int(signal.SIGURG)


class Kind(enum.Enum):
    """What a file system lets know."""

    DIRECT = enum.auto()
    MEMORY = enum.auto()
    OTHER = enum.auto()


class Writeback:
    """For one scan, which trusts no file with a time from its beginning on."""

    def __init__(self, now_ns: int, flush: bool) -> None:
        """`now_ns`: what the clock says. `flush`: write out a file system to save time, too."""
        self._settled = now_ns - _patience_ns()
        self._flush = flush
        self._kinds: dict[int, Kind] = {}
        self._flushed: dict[int, bool] = {}
        self._asked = 0

    def kind(self, descriptor: int, device: int) -> Kind:
        """Of the file system with the number `device` (`st_dev`) that `descriptor` lies on."""
        if device not in self._kinds:
            self._kinds[device] = _kind(descriptor)
        return self._kinds[device]

    def settled(self, device: int, kind: Kind) -> int:
        """What was last changed before (ns) needs no `ready`: it has been written out."""
        if kind is Kind.MEMORY:
            return 0
        return _NEVER if self._flushed.get(device) else self._settled

    def ready(self, descriptor: int, device: int, kind: Kind, keep: bool = False) -> bool:
        """True where the file, open and about to be read, can be trusted afterwards as long as its times stay.

        `keep`: whoever wants to write to it may wait until it is closed again.
        """
        if kind is Kind.MEMORY:
            return False
        self._asked += 1
        if kind is Kind.DIRECT and (self._asked < MANY or not self._flush):
            written = written_to(descriptor, keep)
            if written is False:
                return True
            if written:
                return _write_out(descriptor)
        if device not in self._flushed:
            self._flushed[device] = _flush(descriptor)
        return self._flushed[device]


def _patience_ns() -> int:
    """So long ago (ns) what was dirtied then has been written out by the kernel itself, many times over."""
    try:
        vm = Path("/proc/sys/vm")
        interval, age = (
            int((vm / f"dirty_{name}_centisecs").read_text()) for name in ("writeback", "expire")
        )
    except (OSError, ValueError):
        return _NEVER
    return max(3600, 20 * (interval + age) // 100) * 10**9 if interval else _NEVER


def written_to(descriptor: int, keep: bool = False) -> bool | None:
    """True where anybody has the file open or mapped for writing; None where the kernel does not tell.

    `keep`: nobody may begin to write until the file is closed.
    """
    try:
        # Whoever wants to write in between waits for as long, and we get a signal, which would end the process: one
        # that is ignored.
        _fcntl(descriptor, _SET_SIGNAL, _IGNORED)
        _fcntl(descriptor, _SET_LEASE, _READ)
        if not keep:
            _fcntl(descriptor, _SET_LEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _write_out(descriptor: int) -> bool:
    with contextlib.suppress(OSError):  # of a file that is one hole
        os.lseek(descriptor, 0, os.SEEK_DATA)  # waits for the end of a write that has begun
    try:
        os.fdatasync(descriptor)
    except OSError:
        return False
    return True


def _flush(descriptor: int) -> bool:
    """Write out the file system that `descriptor` lies on."""
    with contextlib.suppress(OSError):
        sync_file_system(descriptor)
        return True
    return False


def _kind(descriptor: int) -> Kind:
    """By the name of the file system in the list of mounts."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
        mount = told.partition("mnt_id:")[2].split()[0].encode()
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            words = line.split()
            if words[0] == mount:
                name = words[words.index(b"-") + 1].decode()
                return Kind.MEMORY if name in _MEMORY else Kind.DIRECT if name in _DIRECT else Kind.OTHER
    return Kind.OTHER
