"""Folders by descriptor: opened from a root without following links, moved, exchanged and removed without paths.

A path is only ever walked name by name from a descriptor that is held, so that it can be of any length and depth, and
nothing outside the root is reached whatever somebody puts in the way meanwhile.
"""

import contextlib
import errno
import functools
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nuvtui.atomic import write_all
from nuvtui.store.descent import FOLDER_FLAGS, Descent

OPEN_FOLDERS = 100
"""Descriptors of folders that are kept open."""

_NOREPLACE, _EXCHANGE = 1, 2
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a file is opened that must not be there yet."""
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class Folders:
    """The folders below an open one, by path (`/` between names, str with surrogateescape; empty: the root)."""

    def __init__(self, root: int) -> None:
        """Folders below the open folder `root`, which the caller closes."""
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()

    def close(self) -> None:
        """Close the descriptors of all folders that were opened."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def open(self, path: str) -> int:
        """A descriptor of the folder at `path`, owned here.

        Raises FileNotFoundError, NotADirectoryError (a file or a link is there), other OSErrors; each names the path.
        """
        missing = []
        while path and path not in self._open:
            path, _, name = path.rpartition("/")
            missing.append(name)
        descriptor = self.root
        if path:
            self._open.move_to_end(path)
            descriptor = self._open[path]
        while missing:
            name = missing.pop()
            path = f"{path}/{name}" if path else name
            try:
                descriptor = os.open(name, FOLDER_FLAGS, dir_fd=descriptor)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise NotADirectoryError(errno.ENOTDIR, "a link is there", path) from error
                error.filename = path
                raise
            self._open[path] = descriptor
            if len(self._open) > OPEN_FOLDERS:
                os.close(self._open.popitem(last=False)[1])
        return descriptor

    def look(self, path: str) -> os.stat_result | None:
        """What is at `path`; None where there is nothing. Raises NotADirectoryError, other OSErrors."""
        above, _, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self.open(above), follow_symlinks=False)
        except FileNotFoundError:
            return None

    def forget(self, path: str) -> None:
        """Let go of the descriptors of the folder at `path` and of those below it."""
        for known in [known for known in self._open if known == path or known.startswith(path + "/")]:
            os.close(self._open.pop(known))


@contextlib.contextmanager
def opened(name: str | os.PathLike[str], parent: int | None = None) -> Iterator[int]:
    """The folder `name` (in the open folder `parent`), open within the context. Raises OSError, also for a link."""
    descriptor = os.open(name, FOLDER_FLAGS, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class WalkedItem(NamedTuple):
    """Something below a folder, while that is walked."""

    path: str
    """Relative to where the walk began."""
    parent: int
    """Descriptor of the folder it lies in, open until the walk goes on."""
    name: str
    status: os.stat_result


def below(folder: int) -> Iterator[WalkedItem]:
    """All that lies below an open folder, however deep; a folder before what is in it. Raises OSError.

    What vanishes meanwhile is left out. Names may be removed or moved while the walk stands at them.
    """
    here = Descent(folder)
    left = [_names(folder)]
    try:
        while left:
            if not left[-1]:
                left.pop()
                if left:
                    here.leave()
                continue
            name = left[-1].pop()
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=here.descriptor, follow_symlinks=False)
                yield WalkedItem(os.fsdecode(here.base) + name, here.descriptor, name, status)
                if stat.S_ISDIR(status.st_mode):
                    here.enter(os.fsencode(name))
                    left.append(_names(here.descriptor))
    finally:
        here.close()


def _names(descriptor: int) -> list[str]:
    return sorted(os.listdir(descriptor), reverse=True)


def remove_tree(parent: int, name: str) -> None:
    """Remove a folder and all in it, however deep. Raises OSError."""
    here = Descent(parent)
    here.enter(os.fsencode(name))
    left = [(name, _emptied(here.descriptor))]
    try:
        while left:
            last, folders = left[-1]
            if folders:
                here.enter(os.fsencode(folders[-1]))
                left.append((folders.pop(), _emptied(here.descriptor)))
                continue
            left.pop()
            here.leave()
            os.rmdir(last, dir_fd=here.descriptor)
    finally:
        here.close()


def _emptied(descriptor: int) -> list[str]:
    """Remove the files of an open folder; the names of the folders in it."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o700 != 0o700:
        os.fchmod(descriptor, 0o700)
    with os.scandir(descriptor) as listing:
        items = [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
    for name, is_folder in items:
        if not is_folder:
            os.unlink(name, dir_fd=descriptor)
    return [name for name, is_folder in items if is_folder]


# -- renaming that never replaces


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    import ctypes  # here: a run that changes nothing does not need it

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return None
    call = library.renameat2
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

    def rename(source: int, old: bytes, target: int, new: bytes, flags: int) -> int:
        return 0 if call(source, old, target, new, flags) == 0 else ctypes.get_errno()

    return rename


def rename2(source: int, old: str, target: int, new: str, flags: int) -> None:
    """The system call renameat2 (Linux 3.15 or newer). Raises OSError; EINVAL or ENOSYS where it is not supported."""
    call = _renameat2()
    number = call(source, os.fsencode(old), target, os.fsencode(new), flags) if call else errno.ENOSYS
    if number:
        raise OSError(number, os.strerror(number), new)


def exchange(source: int, old: str, target: int, new: str) -> bool:
    """Exchange two names at once; False where the file system cannot do that. Raises OSError."""
    try:
        rename2(source, old, target, new, _EXCHANGE)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def move(source: int, old: str, target: int, new: str) -> None:
    """Rename out of a folder that is nobody else's, where the new name is free.

    Raises FileExistsError where it is not, other OSErrors.
    """
    if _moved(source, old, target, new):
        return
    # NFS and others: a link is made only where the name is free.
    if stat.S_ISDIR(os.stat(old, dir_fd=source, follow_symlinks=False).st_mode):
        with contextlib.suppress(FileNotFoundError):
            os.stat(new, dir_fd=target, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)  # over an empty folder at most
        return
    os.link(old, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    os.unlink(old, dir_fd=source)


def take(source: int, old: str, target: int, new: str) -> None:
    """Rename into a folder that is nobody else's, to a name that is free there. Raises OSError."""
    if not _moved(source, old, target, new):
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)


def _moved(source: int, old: str, target: int, new: str) -> bool:
    try:
        rename2(source, old, target, new, _NOREPLACE)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def copy(name: str, source: int, target: int) -> os.stat_result:
    """Copy a staged file or link into a folder on another file system, durably."""
    found = os.stat(name, dir_fd=source, follow_symlinks=False)
    times = (found.st_mtime_ns, found.st_mtime_ns)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
        return os.stat(name, dir_fd=target, follow_symlinks=False)
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        writing = os.open(name, NEW_FLAGS, 0o600, dir_fd=target)
        try:
            while data := os.read(reading, 1 << 20):
                write_all(writing, data)
            os.fchmod(writing, stat.S_IMODE(found.st_mode))
            os.utime(writing, ns=times)
            os.fsync(writing)
            return os.fstat(writing)
        except BaseException:
            os.unlink(name, dir_fd=target)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def inode(parent: int, name: str) -> int:
    """The inode called `name` in an open folder; 0 where there is none."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0
