"""Whether a file that is about to be read can be trusted afterwards for as long as its times stay as they are.

What a program writes through a mapping (`mmap`) sets a time only where the page was clean: for as long as the page is
dirty, further writes leave no trace. So a file is written out before it is read; the next write then sets a time.

Who has a file open or mapped for writing is told by a read lease (fcntl(2), F_SETLEASE): the kernel gives it only
where nobody has. That costs two microseconds and no disk, so that only files that are being written are written
out, each by itself. Where the kernel does not tell (somebody else's file, a file system over a network or over another
one) the whole file system is written out, once for a scan.

In memory (tmpfs) nothing is ever written out and mapped pages never are clean: no file there can be trusted, all are
read every time.
"""

import contextlib
import enum
import fcntl
import os
import signal
from pathlib import Path

_DIRECT = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "jfs", "nilfs2"})
"""File systems whose leases know of every mapping, and that set a time when a clean page is written to."""
_MEMORY = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs"})


class Kind(enum.Enum):
    """What a file system lets know."""

    DIRECT = enum.auto()
    MEMORY = enum.auto()
    OTHER = enum.auto()


class Writeback:
    """For one scan."""

    def __init__(self) -> None:
        self._kinds: dict[int, Kind] = {}
        self._flushed: dict[int, bool] = {}

    def kind(self, descriptor: int, device: int) -> Kind:
        """Of the file system with the number `device` (`st_dev`) that `descriptor` lies on."""
        if device not in self._kinds:
            self._kinds[device] = _kind(descriptor)
        return self._kinds[device]

    def ready(self, descriptor: int, device: int, kind: Kind) -> bool:
        """True where the file, open and about to be read, can be trusted afterwards as long as its times stay."""
        if kind is Kind.MEMORY:
            return False
        if kind is Kind.DIRECT:
            written = written_to(descriptor)
            if written is False:
                return True
            if written:
                with contextlib.suppress(OSError):  # of a file that is one hole
                    os.lseek(descriptor, 0, os.SEEK_DATA)  # waits for the end of a write that has begun
                try:
                    os.fdatasync(descriptor)
                except OSError:
                    return False
                return True
        if device not in self._flushed:
            self._flushed[device] = _flush(descriptor)
        return self._flushed[device]


def written_to(descriptor: int) -> bool | None:
    """True where anybody has the file open or mapped for writing; None where the kernel does not tell."""
    try:
        # Whoever wants to write in between waits for as long, and we get a signal, which would end the process: one
        # that is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _flush(descriptor: int) -> bool:
    """Write out the file system that `descriptor` lies on."""
    from nuvtui.store.apply import sync_file_system  # here: few scans need it

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
