"""The file in which a pull collects a blob, so that the next one can go on from there."""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL = 0.1
_READ = 1 << 20


class Partial:
    """A file in which a blob is collected, locked against other processes for as long as it is open."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._name = path.name
        self._check = check
        self.size = 0

    def __enter__(self) -> "Partial":
        """Open it, and read what an earlier pull left."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            try:
                opened = os.open(self._path, flags, 0o600)
            except PermissionError:
                # In a store that is shared, what another user left is theirs: one of our own, then.
                self._path = self._path.with_name(f"{self._name}.{os.getuid()}")
                opened = os.open(self._path, flags, 0o600)
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                os.close(opened)
                raise OSError(errno.EINVAL, f"{self._path} is no regular file")
            self._file = os.fdopen(opened, "r+b")
            try:
                self._lock()
                # Whoever had it before may have removed it.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(self._file.fileno()), os.lstat(self._path)):
                        self._read()
                        return self
            except BaseException:
                self._file.close()
                raise
            self._file.close()

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _lock(self) -> None:
        while True:
            self._check()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(_POLL)

    def _read(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        while piece := self._file.read(_READ):
            self._check()
            self._hash.update(piece)
            self.size += len(piece)

    @property
    def digest(self) -> str:
        """Of all that is there."""
        return f"sha256:{self._hash.hexdigest()}"

    def add(self, piece: bytes) -> None:
        """Put `piece` at the end."""
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def clear(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def pieces(self) -> Iterator[bytes]:
        """All that is there."""
        self._file.seek(0)
        while piece := self._file.read(_READ):
            self._check()
            yield piece

    def remove(self) -> None:
        """Give the file up, while it is still locked."""
        self._path.unlink(missing_ok=True)
