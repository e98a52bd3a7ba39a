"""A remote in a folder: a shared file system, an external disk.

A blob is a file. It is written under a temporary name, made durable, and linked to its own name: the link is what
fails where a blob is there already. A file system without hard links gets a rename where nothing is there.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nuvtui import atomic
from nuvtui.remote.blobs import MAXIMUM, Blob, checked_key, checked_listing, is_key
from nuvtui.remote.failure import (
    AbsentError,
    DamagedError,
    DeniedError,
    FullError,
    RemoteError,
    TransientError,
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_CUT = (errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ETIMEDOUT)
"""What network file systems say when their server is away."""
_ABANDONED = 86400.0
"""Seconds after which a temporary file belongs to nobody any more."""


class FolderBlobs:
    """Blobs as files under one folder."""

    conditional = True

    def __init__(self, root: Path, *, create: bool = False) -> None:
        """`create`: make the folder where it is not there. Raises RemoteError where there is none."""
        self.root = root
        self._swept: set[Path] = set()
        with self._errors("Opening it"):
            if create:
                root.mkdir(0o700, parents=True, exist_ok=True)
            if not root.is_dir():
                raise RemoteError(
                    f"There is no remote at {root}",
                    "there is no such folder",
                    "Is its disk mounted? `nuvtui remotes list` says where each remote is.",
                )
            self._group = stat.S_IMODE(root.stat().st_mode) & 0o2070
            """What of the folder's mode its group has: all below gets the same."""

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.root)

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind: type[RemoteError] = RemoteError
            hint = "Is its disk mounted and healthy? Try again then."
            if error.errno in _FULL:
                kind, hint = FullError, "Free some room there, or take another place, then try again."
            elif error.errno in _DENIED:
                kind, hint = DeniedError, "Ask for the right to read and write there."
            elif error.errno in _CUT:
                kind = TransientError
            raise kind(
                f"The remote at {self.root} failed", f"{what}: {error.strerror or error}", hint
            ) from error

    def list(self, prefix: str) -> Iterator[Blob]:
        """Every file whose key begins with `prefix`; what no remote has under its names is left out."""
        return checked_listing(self.url, prefix, self._walk(prefix.rpartition("/")[0]))

    def _walk(self, folder: str) -> Iterator[tuple[str, int]]:
        with self._errors("Listing"):
            try:
                with os.scandir(self.root / folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except (FileNotFoundError, NotADirectoryError):
                if not self.root.is_dir():
                    raise  # not an empty remote, but none
                return
        for entry in found:
            key = f"{folder}/{entry.name}" if folder else entry.name
            if not is_key(key):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(key)
                continue
            with self._errors("Listing"), contextlib.suppress(FileNotFoundError):
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    yield key, status.st_size

    def stat(self, key: str) -> Blob:
        """One file."""
        with self._errors(f"Looking for {key}"):
            try:
                found = (self.root / checked_key(key)).stat()
            except (FileNotFoundError, NotADirectoryError):
                raise AbsentError(self.url, key) from None
            if not stat.S_ISREG(found.st_mode):
                raise DamagedError(
                    f"{key} in {self.root} is no file", "a remote holds files only", "Move it away."
                )
            return Blob(key, found.st_size)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file."""
        with self._errors(f"Reading {key}"):
            try:
                descriptor = atomic.open_file(self.root / checked_key(key))
            except (FileNotFoundError, NotADirectoryError):
                raise AbsentError(self.url, key) from None
            try:
                wanted = min(MAXIMUM, os.fstat(descriptor).st_size - start if length is None else length)
                parts = []
                while wanted > 0 and (part := os.pread(descriptor, wanted, start)):
                    parts.append(part)
                    start += len(part)
                    wanted -= len(part)
                return b"".join(parts)
            finally:
                os.close(descriptor)

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """Write a file, durably."""
        path = self.root / checked_key(key)
        with self._errors(f"Writing {key}"):
            if path.exists():
                return False
            self._make(path.parent)
            temporary = atomic.temporary_name(path)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                try:
                    self._sweep(path.parent, os.fstat(descriptor).st_mtime)
                    atomic.write_all(descriptor, data)
                    with contextlib.suppress(PermissionError):  # FAT knows no modes
                        os.fchmod(descriptor, 0o400 | (self._group & 0o040))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                atomic.publish_new(temporary, path)
            except FileExistsError:
                return False
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            atomic.fsync_folder(path.parent)
        return True

    def _make(self, folder: Path) -> None:
        """Make a folder below the root, durably. Never the root: where that is gone, its disk is not mounted."""
        if folder == self.root or folder.is_dir():
            return
        self._make(folder.parent)
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            return
        if self._group:
            folder.chmod(0o700 | self._group)
        atomic.fsync_folder(folder.parent)

    def _sweep(self, folder: Path, now: float) -> None:
        """Once a folder: remove temporaries of writers that were killed. `now`: by the file system's own clock."""
        if folder in self._swept:
            return
        self._swept.add(folder)
        for path in folder.glob(f"{atomic.TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < now - _ABANDONED:
                    path.unlink()

    def delete(self, key: str) -> None:
        """Remove a file."""
        path = self.root / checked_key(key)
        with self._errors(f"Removing {key}"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            atomic.fsync_folder(path.parent)

    def close(self) -> None:
        """Nothing is held."""
