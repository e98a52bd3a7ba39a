"""The state file on the disk: its lock, its last good generations, damaged ones kept aside.

state.json             the state; replaced by rename, never written in place
state.json.1 … .3      what it was before the last writes: hard links, made before each replacement
state.json.v1-<time>   kept for ever: the file before a migration from version 1
state.json.damaged-…   kept for ever: what could not be read
state.lock             locked (flock) over each whole read-modify-write
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from nuvtui import atomic, clock

GENERATIONS = 3
STALE = 3600.0
"""Seconds after which a temporary in the store home counts as left by a write that was cut off."""


class CatalogFile:
    """The files that belong to one state. Callers hold `lock` for everything but `read` and `stamp`."""

    def __init__(self, path: Path, shared: bool) -> None:
        self.path = path
        self.lock_path = path.with_name("state.lock")
        self._shared = shared

    @property
    def shared(self) -> bool:
        """True where the group of the store may change the state: said so, or seen on the store home."""
        if self._shared:
            return True
        try:
            return bool(self.path.parent.stat().st_mode & 0o020)
        except FileNotFoundError:
            return False

    def share(self) -> None:
        """Let the group change what is there already, as far as it is ours to allow."""
        for path in (self.path, self.lock_path, *self.generations()):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                path.chmod(0o660)

    def read(self) -> tuple[bytes, tuple[int, ...]]:
        """All bytes, with the stamp of just these. Raises OSError, FileNotFoundError and NotAFileError among them."""
        with open(atomic.open_file(self.path), "rb") as file:
            return file.read(), _stamp(os.fstat(file.fileno()))

    def stamp(self) -> tuple[int, ...]:
        """Differs whenever the file differs; () where there is none."""
        try:
            return _stamp(self.path.stat())
        except FileNotFoundError:
            return ()

    def generations(self) -> list[Path]:
        """The earlier generations there are, newest first."""
        return [path for path in map(self._generation, range(1, GENERATIONS + 1)) if path.is_file()]

    def kept(self, what: str) -> list[Path]:
        """Files kept aside whose name goes on with `what` (`damaged-`, `v`), oldest first."""
        return sorted(self.path.parent.glob(f"{self.path.name}.{what}*"))

    @contextlib.contextmanager
    def lock(self, seconds: float) -> Iterator[None]:
        """Alone with the state. Raises NuvError (exit code 5) after `seconds`."""
        if self.shared and not self.lock_path.exists():
            descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
            try:
                os.fchmod(descriptor, 0o660)
            finally:
                os.close(descriptor)
        with atomic.locked(self.lock_path, timeout=seconds, what="The state file"):
            yield

    def replace(self, data: bytes) -> None:
        """Put `data` in place; what was there before becomes generation 1. OSError: nothing changed."""
        self._sweep()
        self._rotate()
        self._write(data)

    def restore(self, data: bytes) -> None:
        """Put `data`, a good generation, in place of a damaged or missing file, which makes no generation."""
        self._write(data)

    def keep(self, what: str) -> Path | None:
        """Keep the file as it is under a name that goes on with `what`; None where there is no file.

        What lies there and is no file is moved to that name.
        """
        copy = self._kept_name(what)
        try:
            if stat.S_ISREG(self.path.stat().st_mode):
                self._link(self.path, copy)
            else:
                self.path.rename(copy)
        except FileNotFoundError:
            return None
        atomic.fsync_folder(copy.parent)
        return copy

    def _kept_name(self, what: str) -> Path:
        moment = clock.now()[:19].replace(":", "").replace("-", "")
        return self.path.with_name(f"{self.path.name}.{what}{moment}-{os.urandom(2).hex()}")

    def _rotate(self) -> None:
        for path in map(self._generation, range(1, GENERATIONS + 1)):
            if os.path.lexists(path) and not path.is_file():
                path.rename(self._kept_name("damaged-"))
        newest = self._generation(1)
        if not self.path.exists() or (newest.exists() and newest.samefile(self.path)):
            return  # the second: a write that was cut off after it had rotated
        for number in range(GENERATIONS - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._generation(number).replace(self._generation(number + 1))
        self._link(self.path, newest)

    def _sweep(self) -> None:
        """Remove the temporaries of writes that were cut off: they are old, and we hold the lock."""
        for temporary in self.path.parent.glob(f"{atomic.TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if abs(time.time() - temporary.stat().st_mtime) > STALE:  # also one dated ahead
                    temporary.unlink()

    def _write(self, data: bytes) -> None:
        try:
            mode = stat.S_IMODE(self.path.stat().st_mode)
        except FileNotFoundError:
            mode = 0o660 if self.shared else 0o600
        atomic.write_file(self.path, data, mode)

    def _link(self, source: Path, copy: Path) -> None:
        try:
            os.link(source, copy)
        except OSError as error:
            # File systems without hard links, and other people's files where the kernel protects those.
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV):
                raise
            atomic.write_file(copy, source.read_bytes(), stat.S_IMODE(source.stat().st_mode))

    def _generation(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
