"""What table work lays out in the home: folders for unfinished files, and captured tables laid out for reading.

Whatever is in use is held by a lock of the operating system (flock on the folder, or on the file), so what the
killed left behind is known by being free. It goes at the next table work and with `sweep`. Laid out tables together
take `CACHE_BYTES`; those used least recently go first. duckdb is not imported here: gc uses this, too.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from nuvtui import atomic

CACHE_BYTES = 512 << 20
"""Laid out tables may take so much together (or the one table in use, where it alone takes more)."""
TABLES = "tables"
"""Folder of the laid out tables in the home's cache."""
_PREFIX = "table-work-"
_EARLIER = "tables-"
"""What earlier versions called their folders, which nobody holds: they are left behind after `_OLD` seconds."""
_OLD = 86400.0


@contextlib.contextmanager
def folder(where: Path) -> Iterator[Path]:
    """A new folder in `where` for unfinished files, gone with all that is in it when the block ends.

    Removes what killed processes left there. Raises OSError.
    """
    atomic.make_folder(where)
    _sweep_folders(where)
    path, descriptor = _held_folder(where)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _held_folder(where: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # swept before it was held
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


@contextlib.contextmanager
def laid_out(cache: Path, name: str, size: int, write: Callable[[BinaryIO], None]) -> Iterator[Path]:
    """The file `name` of `size` bytes in the folder `cache`, written by `write` where it is not there yet.

    It stays at least as long as the block runs. A file of another size is written anew. Raises OSError, and
    whatever `write` raises.
    """
    file = cache / name
    held = _open_whole(file, size)
    if held is None:
        atomic.make_folder(cache)
        _sweep_folders(cache)
        _sweep_unfinished(cache)
        held = _write(file, write)
    try:
        with contextlib.suppress(OSError):  # another user's
            os.utime(held, ns=(time.time_ns(), time.time_ns()))  # finer than the kernel's own tick
        _make_room(cache, CACHE_BYTES)
        yield file
    finally:
        os.close(held)


def _open_whole(file: Path, size: int) -> int | None:
    """A descriptor that holds `file`; None where there is no such file of that size."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    found = os.fstat(descriptor)
    if found.st_size == size and found.st_nlink:
        return descriptor
    os.close(descriptor)
    return None


def _write(file: Path, write: Callable[[BinaryIO], None]) -> int:
    """Write `file` under a temporary name, put it in place; a descriptor that holds it."""
    while True:
        temporary = atomic.temporary_name(file)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            with os.fdopen(descriptor, "wb", closefd=False) as out:
                write(out)
            try:
                temporary.replace(file)
            except FileNotFoundError:  # swept before it was held
                os.close(descriptor)
                continue
        except BaseException:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return descriptor


def sweep(tmp: Path, cache: Path) -> int:
    """Remove what killed table work left in the home's `tmp` and `cache`, and what is over the bound; bytes freed."""
    laid = cache / TABLES
    before = used(tmp, cache)
    for where in (tmp, laid):
        _sweep_folders(where)
    _sweep_unfinished(laid)
    _make_room(laid, CACHE_BYTES)
    return max(0, before - used(tmp, cache))


def used(tmp: Path, cache: Path) -> int:
    """Bytes that table work takes in the home's `tmp` and `cache`, in use or left behind."""
    total = 0
    for top in (*_folders(tmp), cache / TABLES):
        for where, _, names in os.walk(top):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(where, name)).st_size
    return total


def _folders(where: Path) -> list[Path]:
    """Folders in which table work may have left unfinished files."""
    with contextlib.suppress(OSError):
        return [
            path for path in where.iterdir() if path.name.startswith((_PREFIX, _EARLIER)) and path.is_dir()
        ]
    return []


@contextlib.contextmanager
def _free(path: Path, flags: int) -> Iterator[bool]:
    """Whether nobody holds `path`; then nobody does as long as the block runs."""
    try:
        descriptor = os.open(path, flags | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _sweep_folders(where: Path) -> None:
    for path in _folders(where):
        with _free(path, os.O_DIRECTORY) as free:
            if free and (path.name.startswith(_PREFIX) or time.time() - path.stat().st_mtime > _OLD):
                shutil.rmtree(path, ignore_errors=True)


def _sweep_unfinished(cache: Path) -> None:
    for path in cache.glob(f"{atomic.TEMPORARY}*"):
        with _free(path, 0) as free:
            if free:
                with contextlib.suppress(OSError):
                    path.unlink()


def _make_room(cache: Path, limit: int) -> None:
    """Remove the laid out tables used least recently until the rest takes `limit` bytes; none that is in use."""
    files = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(cache):
            with contextlib.suppress(FileNotFoundError):
                if entry.name.endswith(".parquet") and entry.is_file(follow_symlinks=False):
                    files.append((entry.stat().st_mtime_ns, entry.stat().st_size, Path(entry.path)))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit:
            return
        with _free(path, 0) as free:
            if free:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= size
