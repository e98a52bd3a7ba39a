"""What a snapshot recorded of a path, and whether what is on disk is that.

Asked of whatever is about to be replaced or removed. Two answers: by `stat`, against what the scan of that very
snapshot saw (cheap), and by content (certain).
"""

import contextlib
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Mapping

from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.store import trees
from nuvtui.store.chunks import WHOLE, cut_sparse
from nuvtui.store.statcache import Record, StatCache
from nuvtui.store.statcache import piece as piece_of

Content = Entry | bytes
"""What a path is to hold: an entry of a tree, or the bytes of a plain file."""

READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def kind_of(content: Content) -> str:
    """Kind of what is to be written: `f` (file), `d` (folder) or `l` (link)."""
    return content.kind if isinstance(content, Entry) else FILE


class Recorded:
    """The files of a snapshot, by path."""

    def __init__(
        self,
        tree: trees.Tree,
        root: bytes | None,
        seen: StatCache | None = None,
        plain: Mapping[str, bytes] | None = None,
    ) -> None:
        """`root`: the root tree (None: nothing is recorded). `seen`: the stat cache as the scan of this snapshot left it

        (None: only contents are compared). `plain`: files outside the trees, by path.
        """
        self.tree = tree
        self.root = root
        self._seen = seen
        self._plain = plain or {}
        self._racy: tuple[Record | None, frozenset[bytes]] = (None, frozenset())
        """Of the folder that was asked about last: names whose times say nothing."""

    def content(self, path: str) -> Content | None:
        """What the snapshot holds at `path`; None: nothing."""
        if path in self._plain:
            return self._plain[path]
        return trees.lookup(self.tree, self.root, path) if self.root is not None else None

    def unchanged(self, path: str, status: os.stat_result, changed_ns: int | None = None) -> bool:
        """True where the file at `path`, as `status` shows it, is certainly as the snapshot holds it.

        `changed_ns`: its time of change where the present one is known to be from a rename. False says nothing.
        """
        found = self._seen.find(path) if self._seen is not None else None
        if found is None:
            return False
        record, piece = found
        if piece != piece_of(status, changed_ns):
            return False
        if self._racy[0] is not record:
            self._racy = (record, frozenset(record.racy))
        if os.fsencode(path.rpartition("/")[2]) in self._racy[1]:
            return False
        kept = self.content(path)
        return isinstance(kept, Entry) and kept.kind != FOLDER


def holds(parent: int, name: str, content: Content | None, check: Callable[[], None] = lambda: None) -> bool:
    """True where the file or link `name` has the content `content`, read wholly. `check` is called now and then."""
    if content is None:
        return False
    try:
        if isinstance(content, Entry) and content.kind == LINK:
            return os.fsencode(os.readlink(name, dir_fd=parent)) == content.target
        if kind_of(content) != FILE:
            return False
        descriptor = os.open(name, READING, dir_fd=parent)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return False
            if status.st_size != (content.size if isinstance(content, Entry) else len(content)):
                return False
            return _same_bytes(descriptor, content, check)
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _same_bytes(descriptor: int, content: Content, check: Callable[[], None]) -> bool:
    if isinstance(content, bytes):
        return _read_whole(descriptor, len(content)) == content
    from blake3 import blake3  # here: few files are looked at so closely

    def digest(data: bytes | memoryview) -> bytes:
        return blake3(data).digest()

    if content.size <= WHOLE:  # one chunk, and no buffer made to cut it
        data = _read_whole(descriptor, content.size)
        return content.content == ([digest(data)] if data else [])
    return cut_sparse(descriptor, content.size, digest, check)[0] == content.content


def _read_whole(descriptor: int, size: int) -> bytes:
    """The bytes of an open file, one more than `size` at most."""
    data = b""
    while len(data) <= size and (more := os.pread(descriptor, size + 1 - len(data), len(data))):
        data += more
    return data


class Guard:
    """A plain file, held so that nobody begins to write to it unseen.

    By a read lease (fcntl(2), F_SETLEASE): the kernel gives it only where nobody has the file open or mapped for
    writing, and tells when somebody wants to. Where a file system has no leases, `certain` is False.
    """

    def __init__(self, parent: int, name: str) -> None:
        self.status: os.stat_result | None = None
        self.written = False
        """True where somebody has the file open for writing."""
        self.certain = False
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.open(name, READING, dir_fd=parent)
        if self._descriptor < 0:
            return
        try:
            status = os.fstat(self._descriptor)
            if stat.S_ISREG(status.st_mode):
                # What the kernel sends when somebody wants to write would end the process: a signal that is ignored.
                fcntl.fcntl(self._descriptor, fcntl.F_SETSIG, signal.SIGURG)
                fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                self.certain = True
                status = os.fstat(self._descriptor)
                self.status = status
        except BlockingIOError:
            self.written = True
        except OSError:
            self.status = status

    def quiet(self, now: os.stat_result) -> bool:
        """True where `now` is this file, and certainly nobody wrote to it or wants to since it is held."""
        if not self.certain or self.status is None:
            return False
        if fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            return False
        return (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns) == (
            self.status.st_dev,
            self.status.st_ino,
            self.status.st_size,
            self.status.st_mtime_ns,
        )

    def close(self) -> None:
        """Close the file, which also ends its lease."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
