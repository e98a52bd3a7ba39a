"""The one way nuvtui writes a small file, and the one lock.

A file is written under a unique temporary name in the same folder, flushed to the disk, put in place by rename,
and the folder is flushed: a reader, or a crash at any point, sees the old file or the new one, never a part.
"""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from nuvtui.errors import Exit, NuvError, StoreError

SHARED = stat.S_ISGID | stat.S_IWGRP
"""Permission bits of a folder that a group works in together."""
TEMPORARY = ".nuvtui-tmp-"
"""Prefix of temporary names."""

_TEMPORARY_NAME = re.compile(rb"\.nuvtui-tmp-(?:apply|[0-9a-f]+)-[0-9a-f]{16}")


def is_temporary(name: bytes) -> bool:
    """True where `name` is such as `temporary_name` and the staging of a restore make; a user's own may begin alike."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def temporary_name(path: Path) -> Path:
    """A unique temporary path beside `path`, at most 255 bytes long whatever `path` is called."""
    return path.with_name(f"{TEMPORARY}{os.getpid():x}-{os.urandom(8).hex()}")


def publish_new(temporary: Path, path: Path) -> None:
    """Give the finished file `temporary` the name `path`. Raises FileExistsError where something has that name."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the gap between look and rename is as small as can be
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.replace(path)
    else:
        temporary.unlink()


def remove_abandoned(folder: Path) -> None:
    """Remove temporaries that `temporary_name` gave to processes of this machine that are gone."""
    for path in folder.glob(f"{TEMPORARY}*-*"):
        try:
            os.kill(int(path.name.removeprefix(TEMPORARY).split("-")[0], 16), 0)
        except ProcessLookupError:
            with contextlib.suppress(OSError):
                path.unlink()
        except (ValueError, PermissionError):
            continue


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(descriptor: int) -> None:
    """Make durable all that was written to the file system that `descriptor` lies on. Raises OSError."""
    import ctypes  # here: a run that changes nothing does not need it

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`, however often the kernel takes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_file(path: Path, data: bytes | bytearray, mode: int = 0o600, *, durable: bool = True) -> None:
    """Put `data` at `path`, wholly or not at all, durably unless said. Raises OSError; then nothing has changed."""
    temporary = temporary_name(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            if mode & 0o077:  # a shared store: the umask takes nothing away
                os.fchmod(descriptor, mode)
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_folder(path.parent)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Create `folder` and what is missing above it, durably. Raises OSError, NotAFolderError among them.

    In a folder that a group shares (set-group-id, and the group may write) it is the group's, too, whatever the umask.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    try:
        folder.mkdir(mode=mode)
        above = stat.S_IMODE(folder.parent.stat().st_mode)
        if above & SHARED == SHARED:
            folder.chmod(above & 0o2777)
    except FileExistsError:
        if not folder.is_dir():
            raise NotAFolderError(errno.ENOTDIR, "it is no folder", str(folder)) from None
    else:
        fsync_folder(folder.parent)


class NotAFileError(OSError):
    """A folder, a named pipe, a device or a socket lies where a file belongs."""


class NotAFolderError(NotADirectoryError):
    """Something else lies where a folder belongs."""


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_file(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Open a file that is there, never waiting for one that is none. Raises OSError, NotAFileError among them."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        kind = _kind(Path(path).stat()) if error.errno in (errno.ENXIO, errno.EISDIR) else None
        raise (_not_a_file(kind, path) if kind else error) from None
    kind = _kind(os.fstat(descriptor))
    if kind is not None:
        os.close(descriptor)
        raise _not_a_file(kind, path)
    return descriptor


def _kind(status: os.stat_result) -> str | None:
    """What a thing is that is no file; None: a file."""
    return None if stat.S_ISREG(status.st_mode) else _KINDS.get(stat.S_IFMT(status.st_mode), "something else")


def _not_a_file(kind: str, path: str | os.PathLike[str]) -> NotAFileError:
    return NotAFileError(errno.EINVAL, f"it is {kind}, not a file", os.fspath(path))


def read_file(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file; as `open_file`."""
    with open(open_file(path), "rb") as file:
        return file.read()


def _open_lock(path: Path, mode: int) -> int:
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            return open_file(path, os.O_RDWR)
        try:
            os.fchmod(descriptor, mode)
        except BaseException:
            os.close(descriptor)
            raise
    except NotAFileError as error:
        raise StoreError(
            f"{path} cannot be locked",
            error.strerror or "",
            "Move it away, then try again: a lock holds nothing and is made anew.",
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path} cannot be locked",
            error.strerror or str(error),
            "Is its disk full, or may you not write there? Nothing was changed.",
        ) from error
    return descriptor


@contextlib.contextmanager
def locked(
    path: Path, *, shared: bool = False, timeout: float = -1, what: str = "", mode: int = 0o600
) -> Iterator[None]:
    """Hold the advisory lock of file `path` (created where missing, never removed).

    A lock of the operating system (flock): it ends with its holder, so it can neither go stale nor be stolen.
    `mode` is that of a new lock file, whatever the umask. `timeout` in seconds, negative: wait for ever.
    Raises NuvError (exit code 5) naming `what` on time-out, StoreError where the lock file cannot be opened.
    """
    import fcntl
    import time

    descriptor = _open_lock(path, mode)
    try:
        flag = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if timeout < 0:
            fcntl.flock(descriptor, flag)
        else:
            deadline = time.monotonic() + timeout
            while True:
                try:
                    fcntl.flock(descriptor, flag | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise NuvError(
                            f"{what or path.name} is locked",
                            "another nuvtui works on it",
                            "Wait for it to end (`nuvtui tasks list`), then try again.",
                            Exit.CONFLICT,
                        ) from None
                    time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)
