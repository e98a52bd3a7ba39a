"""Reading one file or link of a workspace for a scan: its entry, with its content put into the writer.

A file that changes while it is read is read again; where it goes on changing it is kept as last read, and named.
"""

import io
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from blake3 import blake3

from nuvtui.model.tree import EARLIEST, FILE, LATEST, LINK, Entry
from nuvtui.reporter import Reporter
from nuvtui.store.chunks import WHOLE, ZERO
from nuvtui.store.descent import Descent
from nuvtui.store.statcache import PIECE, piece
from nuvtui.store.tree_only_writer import TreeOnlyWriter
from nuvtui.store.writeback import Kind, Writeback
from nuvtui.store.writer import ObjectWriter

READ = 4 << 20
"""Bytes that are read of a large file before it is looked whether to stop."""
TRIES = 3
"""A file that changes while it is read is read so many times."""
LARGEST = 32 << 40
"""Bytes of the largest file that can be kept."""

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_unpack = PIECE.unpack
_WRAP = (1 << 64) - 1
_KIND, _IS_FILE, _IS_LINK = 0o170000, stat.S_IFREG, stat.S_IFLNK


class OpenFolder(NamedTuple):
    """The folder whose files are read."""

    descriptor: int
    device: int
    kind: Kind
    """Of the file system that it lies on."""
    settled: int
    """What was last changed before (ns) needs no care."""


class FileReader:
    """Reads the files of one scan; `warn` is told what is left out of a path (bytes), and why."""

    def __init__(
        self,
        writer: ObjectWriter | TreeOnlyWriter,
        reporter: Reporter,
        writeback: Writeback,
        warn: Callable[[bytes, str], None],
    ) -> None:
        self.writer = writer
        self.reporter = reporter
        self.writeback = writeback
        self.warn = warn
        self.groups: dict[tuple[int, int], int] = {}

    def folder(self, way: Descent) -> OpenFolder:
        """What reading the files of the folder at the end of `way` needs to know of it."""
        try:
            descriptor = way.descriptor
            device = os.fstat(descriptor).st_dev
        except OSError:
            return OpenFolder(-1, 0, Kind.MEMORY, 0)  # it is gone, and so are its files: each will say so
        kind = self.writeback.kind(descriptor, device)
        return OpenFolder(descriptor, device, kind, self.writeback.settled(device, kind))

    def read(self, base: bytes, name: bytes, seen: bytes, on: OpenFolder) -> tuple[Entry, bool] | None:
        """The entry of a file or link, its content put, and whether it can be trusted from now on; None: left out.

        `seen`: what it looked like when the folder was listed (`PIECE`).
        """
        look = _unpack(seen)
        try:
            if look[0] & _KIND == _IS_FILE:
                return self._read_file(base, name, look, on)
            if look[0] & _KIND == _IS_LINK:
                target = os.readlink(name, dir_fd=on.descriptor)
                status = os.stat(name, dir_fd=on.descriptor, follow_symlinks=False)
                entry = Entry(
                    name, LINK, 0o777, nearest_time(status.st_mtime_ns), 0, target=os.fsencode(target)
                )
                return entry, piece(status) == seen
            self.warn(base + name, f"is {_SPECIAL.get(look[0] & _KIND, 'not a file')} and is left out")
        except FileNotFoundError:
            self.warn(base + name, "vanished while the snapshot was taken")
        except OSError as error:
            self.warn(base + name, f"cannot be read: {error.strerror}")
        return None

    def _read_file(
        self, base: bytes, name: bytes, look: tuple[int, int, int, int, int], on: OpenFolder
    ) -> tuple[Entry, bool] | None:
        writer = self.writer
        for _ in range(TRIES):
            _, size, modified, changed, _ = look
            if size > LARGEST:
                self.warn(base + name, f"is larger than {LARGEST >> 40} TiB and is left out")
                return None
            large = size > WHOLE
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=on.descriptor)
            try:
                ready = (modified < on.settled and changed < on.settled) or self.writeback.ready(
                    descriptor, on.device, on.kind, not large
                )
                if large:
                    before = os.fstat(descriptor)
                    if not stat.S_ISREG(before.st_mode):
                        self.warn(base + name, "became something else while the snapshot was taken")
                        return None
                    # one byte more than there should be: it may grow as fast as it is read
                    if before.st_blocks * 512 + ZERO <= before.st_size:
                        content, got = writer.put_sparse(descriptor, size + 1, self.reporter.check)
                    else:
                        content, got = writer.put_stream(self._reader(descriptor, size + 1))
                else:
                    got = os.readv(descriptor, [writer.space()])
                    content = []
                after = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            mode, mtime = after.st_mode, after.st_mtime_ns
            if mode & _KIND != _IS_FILE:
                self.warn(base + name, "became something else while the snapshot was taken")
                return None
            now = (mode, after.st_size, mtime & _WRAP, after.st_ctime_ns & _WRAP, after.st_ino)
            steady = now == look and got == size
            if steady:
                break
            look = now
        if not large and got:
            if got > WHOLE:  # it grows
                content, got = writer.put_stream(io.BytesIO(writer.space()).readinto)
            else:
                content = [writer.put_space(got)]
        if not steady:
            self.warn(base + name, "changed while it was read")
        if not EARLIEST < mtime < LATEST:
            mtime = nearest_time(mtime)
        group = self.group(base + name, after.st_dev, after.st_ino) if after.st_nlink > 1 else 0
        entry = Entry(name, FILE, mode & 0o777, mtime, got, content, b"", group)
        return entry, steady and ready and after.st_dev == on.device

    def _reader(self, descriptor: int, limit: int) -> Callable[[memoryview], int]:
        """Reads `limit` bytes and no more."""
        left = limit

        def read(buffer: memoryview) -> int:
            nonlocal left
            self.reporter.check()
            got = os.readv(descriptor, [buffer[: min(READ, left)]])
            left -= got
            return got

        return read

    def group(self, path: bytes, device: int, inode: int) -> int:
        """The group of a file with several names: from the first of its paths, the same in every instance."""
        group = self.groups.get((device, inode))
        if group is None:
            group = int.from_bytes(blake3(path).digest(6), "big") or 1
            self.groups[(device, inode)] = group
        return group


def nearest_time(mtime_ns: int) -> int:
    """A time of modification, as near as an entry can have it."""
    return min(max(mtime_ns, EARLIEST), LATEST)


def regroup(entry: Entry, group: int) -> Entry:
    """`entry` with another group of hard links."""
    return Entry(
        entry.name, entry.kind, entry.mode, entry.mtime_ns, entry.size, entry.content, entry.target, group
    )
