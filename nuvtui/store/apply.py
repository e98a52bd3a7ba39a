"""From trees to a workspace: put entries in place, remove others, each file wholly old or new.

Four phases. *Check*: every path is a safe one, and nothing about to be replaced or removed has changed since the
scan whose stat cache is given. *Stage*: every object is there; every new file and link is written into a folder of
its own in `.nuvtui` and made durable; what can fail (a full disk, a damaged object, a cancel) fails here, with
the workspace untouched. *Place*: folders are made, staged files renamed into place. *Remove*: deepest first;
folders that still hold something (ignored files) stay. Folder modes and times come last.

Nothing outside the workspace is ever touched: every folder is opened from its parent's descriptor without following
links, and a path with an empty, `.` or `..` component is refused. Killed in the middle, it leaves each file old or
new and the staging folder, which the next scan leaves out and the next apply removes.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from nuvtui import sanitise
from nuvtui.atomic import TEMPORARY, write_all
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.store import trees
from nuvtui.store.statcache import StatCache
from nuvtui.store.statcache import piece as piece_of
from nuvtui.store.store import Store
from nuvtui.store.writer import cut_stream

STAGING = TEMPORARY + "apply-"
NAMED = 5
"""So many paths are named in an error; of the rest only the number."""
OPEN_FOLDERS = 100
"""Descriptors of folders that are kept open."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def apply(
    store: Store,
    target: Path,
    puts: Iterable[tuple[str, Entry]],
    removals: Iterable[str],
    reporter: Reporter,
    cache: Path | None = None,
) -> None:
    """Make `target` hold `puts` (paths with their entries) and no longer `removals`; all other files stay.

    `cache` is the stat cache of the scan that the caller has just taken of `target` into a snapshot. With it a
    file that would be replaced or removed although that snapshot does not hold it as it is (changed meanwhile,
    ignored, unreadable) is a NuvError (conflict), and nothing is touched.

    Raises NuvError where the target refuses, StoreError where the store fails, Cancelled (before anything is
    touched).
    """
    wanted = dict(puts)
    gone = [path for path in removals if path not in wanted]
    for path in [*wanted, *gone]:
        _check_path(path)
    _check_parents(wanted)
    try:
        root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NuvError(
            f"Workspace {target} cannot be opened", error.strerror or str(error), "", Exit.NOT_FOUND
        ) from error
    work = _Apply(store, target, root, reporter)
    try:
        work.check(wanted, gone, StatCache(cache) if cache is not None else None)
        work.run(wanted, gone)
    finally:
        work.close()


def _check_path(path: str) -> None:
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise NuvError(
            "Unsafe path",
            f"{path!r} does not stay inside the workspace",
            "The snapshot was made or altered by something else: `nuvtui store check`.",
            Exit.REFUSED,
        )
    if parts[0] == DOT and parts[1:] not in ([], ["ignore"]):
        raise NuvError(
            "Unsafe path", f"{path!r} belongs to nuvtui itself", "Of `.nuvtui` only `ignore` is a workspace file.",
            Exit.REFUSED,
        )  # fmt: skip


def _check_parents(wanted: dict[str, Entry]) -> None:
    fine = {""}
    for path in wanted:
        above = path.rpartition("/")[0]
        while above not in fine:
            entry = wanted.get(above)
            if entry is not None and entry.kind != FOLDER:
                raise NuvError(
                    "Unsafe path", f"{path!r} lies below {above!r}, which is no folder",
                    "The snapshot was made or altered by something else: `nuvtui store check`.", Exit.REFUSED,
                )  # fmt: skip
            fine.add(above)
            above = above.rpartition("/")[0]


class _Apply:
    def __init__(self, store: Store, target: Path, root: int, reporter: Reporter) -> None:
        self.store = store
        self.target = target
        self.root = root
        self.reporter = reporter
        self.folders: OrderedDict[str, int] = OrderedDict()
        self.opened: dict[str, int] = {}
        """Folders whose mode was widened for the work: path to the mode they had."""
        self.staging = -1
        self.staging_at = root
        self.staging_name = ""
        self.aside = 0

    def close(self) -> None:
        for descriptor in self.folders.values():
            os.close(descriptor)
        self.folders.clear()
        if self.staging >= 0:
            os.close(self.staging)
        if self.staging_at not in (self.root, -1):
            os.close(self.staging_at)
        os.close(self.root)

    # -- folders by path, never through a link

    def folder(self, path: str) -> int:
        """A descriptor of the folder at `path` (empty: the workspace), owned here.

        Raises FileNotFoundError, NotADirectoryError (a file or a link is there), other OSErrors.
        """
        if not path:
            return self.root
        known = self.folders.get(path)
        if known is not None:
            self.folders.move_to_end(path)
            return known
        above, _, name = path.rpartition("/")
        try:
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=self.folder(above))
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotADirectoryError(errno.ENOTDIR, "a link is there", path) from error
            raise
        self.folders[path] = descriptor
        if len(self.folders) > OPEN_FOLDERS:
            os.close(self.folders.popitem(last=False)[1])
        return descriptor

    def forget(self, path: str) -> None:
        """Let go of the descriptors of the folder at `path` and of those below it."""
        for known in [known for known in self.folders if known == path or known.startswith(path + "/")]:
            os.close(self.folders.pop(known))

    def look(self, path: str) -> os.stat_result | None:
        """What is at `path`; None where there is nothing. Raises NotADirectoryError."""
        above, _, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self.folder(above), follow_symlinks=False)
        except FileNotFoundError:
            return None

    # -- check

    def check(self, wanted: dict[str, Entry], gone: list[str], cache: StatCache | None) -> None:
        """Refuse what cannot be done, before anything is touched."""
        removed = set(gone)
        changed: list[str] = []
        blocked: list[str] = []
        absent: set[str] = set()
        for path, entry in wanted.items():
            above = path.rpartition("/")[0]
            found = None if above in absent else self._look(path, wanted, removed, blocked)
            if found is None:
                if entry.kind == FOLDER:
                    absent.add(path)  # and so is all that is to be put into it
                continue
            if stat.S_ISDIR(found.st_mode):
                if entry.kind != FOLDER:
                    blocked += [left for left in self._below(path) if left not in removed]
            elif cache is not None and not self._known(cache, path, found, entry):
                changed.append(path)
        for path in gone:
            found = self._look(path, wanted, removed, blocked)
            if found is None or stat.S_ISDIR(found.st_mode):
                continue
            if cache is not None and not self._known(cache, path, found, None):
                changed.append(path)
        if blocked:
            raise NuvError(
                "The workspace is in the way",
                f"in {self.target} there is something else at {_some(blocked)}",
                "Move it away, then try again. Nothing was changed.",
                Exit.CONFLICT,
            )
        if changed:
            raise NuvError(
                "Files changed meanwhile",
                f"{_some(changed)}: not as the snapshot of {self.target} just taken holds it "
                "(changed since, ignored or unreadable)",
                "Nothing was changed. Stop what writes there or move the files away, then try again.",
                Exit.CONFLICT,
            )

    def _look(
        self, path: str, wanted: dict[str, Entry], removed: set[str], blocked: list[str]
    ) -> os.stat_result | None:
        try:
            return self.look(path)
        except NotADirectoryError:
            # A file or link stands where a folder is needed: fine where it makes way itself.
            above = path
            while above := above.rpartition("/")[0]:
                entry = wanted.get(above)
                if above in removed or (entry is not None):
                    return None
            blocked.append(path)
            return None
        except OSError as error:
            raise self._failed(error, path) from error

    def _below(self, path: str) -> Iterator[str]:
        """All paths on disk below the folder at `path`."""
        try:
            with os.scandir(self.folder(path)) as listing:
                names = [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
        except OSError as error:
            raise self._failed(error, path) from error
        for name, is_folder in names:
            below = f"{path}/{name}"
            yield below
            if is_folder:
                yield from self._below(below)

    def _known(self, cache: StatCache, path: str, found: os.stat_result, entry: Entry | None) -> bool:
        """True where the file at `path` is as the scan saw and kept it, or is what is wanted already."""
        seen = cache.find(path)
        name = os.fsencode(path.rpartition("/")[2])
        if seen is not None:
            record, piece = seen
            kept = trees.find(tree_format.decode(record.tree), name)
            if (
                kept is not None
                and kept.kind != FOLDER
                and piece == piece_of(found)
                and (name not in record.racy or self._holds(path, kept))
            ):
                return True
        return entry is not None and self._holds(path, entry)

    def _holds(self, path: str, entry: Entry) -> bool:
        """True where the file or link on disk has the content of `entry`."""
        above, _, name = path.rpartition("/")
        try:
            parent = self.folder(above)
            if entry.kind == LINK:
                return os.fsencode(os.readlink(name, dir_fd=parent)) == entry.target
            if entry.kind != FILE:
                return False
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=parent)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return False
                from blake3 import blake3  # here: few files are looked at so closely

                def read(buffer: memoryview) -> int:
                    self.reporter.check()
                    return os.readv(descriptor, [buffer])

                content, _ = cut_stream(read, lambda data: blake3(data).digest())
                return content == entry.content
            finally:
                os.close(descriptor)
        except OSError:
            return False

    # -- stage, place, remove

    def run(self, wanted: dict[str, Entry], gone: list[str]) -> None:
        folders = sorted(
            ((path, entry) for path, entry in wanted.items() if entry.kind == FOLDER),
            key=lambda item: item[0].count("/"),
        )
        others = [(path, entry) for path, entry in wanted.items() if entry.kind != FOLDER]
        try:
            self._open_staging()
            try:
                staged = self._stage(others)
                self._sync()
                with self._partly():
                    self._place(folders, staged)
                    self._remove(gone)
                    self._finish(folders)
                    self._sync()
            finally:
                self._drop_staging()
        except OSError as error:
            raise self._failed(error, "") from error

    @contextlib.contextmanager
    def _partly(self) -> Iterator[None]:
        """An error inside leaves a part of the work done: say so."""
        try:
            yield
        except OSError as error:
            raise NuvError(
                f"Workspace {self.target} is changed in part",
                f"{_shown(error.filename)}: {error.strerror or error}",
                "Every file is as it was or as it was to be. Remove the cause and try again, or restore the "
                "automatic snapshot that was taken before.",
            ) from error

    def _failed(self, error: OSError, path: str) -> NuvError:
        what = _shown(path or error.filename)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NuvError(
                f"No space for workspace {self.target}",
                f"{error.strerror}; nothing was changed",
                "Free space on its disk, then try again.",
            )
        return NuvError(
            f"Workspace {self.target} cannot be changed",
            f"{what}: {error.strerror or error}; nothing was changed",
            "Check who may write there.",
        )

    def _open_staging(self) -> None:
        """Make the staging folder, and remove those of runs that were killed."""
        with contextlib.suppress(FileNotFoundError):
            self.staging_at = os.open(DOT, _FOLDER_FLAGS, dir_fd=self.root)
        with os.scandir(self.staging_at) as listing:
            stale = [item.name for item in listing if item.name.startswith(STAGING)]
        for name in stale:
            with contextlib.suppress(OSError):
                descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=self.staging_at)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free: its owner is gone
                    _remove_tree(self.staging_at, name)
                finally:
                    os.close(descriptor)
        self.staging_name = STAGING + os.urandom(8).hex()
        os.mkdir(self.staging_name, 0o700, dir_fd=self.staging_at)
        self.staging = os.open(self.staging_name, _FOLDER_FLAGS, dir_fd=self.staging_at)
        fcntl.flock(self.staging, fcntl.LOCK_EX)

    def _drop_staging(self) -> None:
        # What cannot be removed now is in nobody's way: the next apply tries again.
        with contextlib.suppress(OSError):
            _remove_tree(self.staging_at, self.staging_name)

    def _stage(self, others: list[tuple[str, Entry]]) -> list[tuple[str, str]]:
        """Write every file and link into the staging folder: path and staged name of each."""
        staged: list[tuple[str, str]] = []
        leaders: dict[tuple[int, int, tuple[bytes, ...]], str] = {}
        linked: list[tuple[str, str]] = []
        blocks: dict[tuple[bytes, int], list[tuple[str, Entry]]] = {}
        alone: list[tuple[str, Entry]] = []
        for number, (path, entry) in enumerate(others):
            name = str(number)
            staged.append((path, name))
            if entry.group:
                key = (entry.group, entry.mode, tuple(entry.content))
                if key in leaders:
                    linked.append((leaders[key], name))
                    continue
                leaders[key] = name
            if entry.kind == FILE and len(entry.content) == 1:
                # Files whose bytes lie in one block are written together: it is decompressed once.
                block = self.store.locate(entry.content[0]).block
                blocks.setdefault((block.pack, block.offset), []).append((name, entry))
            else:
                for item in entry.content:
                    self.store.locate(item)
                alone.append((name, entry))
        jobs: list[list[tuple[str, Entry]]] = [*blocks.values(), *([item] for item in alone)]
        self._write_all(jobs, len(others))
        for leader, name in linked:
            os.link(leader, name, src_dir_fd=self.staging, dst_dir_fd=self.staging, follow_symlinks=False)
        return staged

    def _write_all(self, jobs: list[list[tuple[str, Entry]]], total: int) -> None:
        threads = min(4, (os.cpu_count() or 1) + 1)
        done = 0
        running: set[Future[int]] = set()
        with ThreadPoolExecutor(threads, thread_name_prefix="nuvtui-apply") as pool:
            try:
                for job in jobs:
                    running.add(pool.submit(self._write_job, job))
                    if len(running) > 2 * threads:
                        ended, running = wait(running, return_when=FIRST_COMPLETED)
                        done += sum(future.result() for future in ended)
                        self.reporter.progress(done, total, "files")
                        self.reporter.check()
                for future in running:
                    done += future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        self.reporter.progress(done, total, "files")
        self.reporter.check()

    def _write_job(self, job: list[tuple[str, Entry]]) -> int:
        for name, entry in job:
            if entry.kind == LINK:
                os.symlink(entry.target, os.fsencode(name), dir_fd=self.staging)
                times = (entry.mtime_ns, entry.mtime_ns)
                os.utime(name, ns=times, dir_fd=self.staging, follow_symlinks=False)
            else:
                self._write_file(name, entry)
        return len(job)

    def _write_file(self, name: str, entry: Entry) -> None:
        descriptor = os.open(name, _NEW_FLAGS, 0o600, dir_fd=self.staging)
        try:
            written, hole = 0, False
            for item in entry.content:
                data = self.store.read(item)
                hole = len(data) >= 4096 and not data[0] and not data[-1] and not data.strip(b"\0")
                if hole:
                    os.lseek(descriptor, len(data), os.SEEK_CUR)  # a hole reads as zeros and takes no space
                else:
                    write_all(descriptor, data)
                written += len(data)
            if written != entry.size:
                raise StoreError(
                    "A file of the snapshot is damaged",
                    f"{sanitise.line(os.fsdecode(entry.name))}: {written} of {entry.size} bytes are there",
                    "`nuvtui store check` names what is affected.",
                )
            if hole:
                os.ftruncate(descriptor, written)
            os.fchmod(descriptor, entry.mode & 0o777)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)

    def _place(self, folders: list[tuple[str, Entry]], staged: list[tuple[str, str]]) -> None:
        for path, _ in folders:
            self._make_folder(path, 0o700)
        for path, name in staged:
            above, _, last = path.rpartition("/")
            parent = self._parent(above)
            with self._widened(above, parent):
                try:
                    self._rename(name, parent, last)
                except (IsADirectoryError, FileExistsError):
                    self._set_aside(path, parent, last)
                    self._rename(name, parent, last)

    def _rename(self, name: str, parent: int, last: str) -> None:
        try:
            os.rename(name, last, src_dir_fd=self.staging, dst_dir_fd=parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # Another file system is mounted inside the workspace: copy beside the place, then rename there.
            temporary = STAGING + os.urandom(8).hex()
            try:
                _copy(name, self.staging, temporary, parent)
                os.rename(temporary, last, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=parent)
                raise

    def _parent(self, path: str) -> int:
        """The folder at `path`, made where it is missing."""
        try:
            return self.folder(path)
        except FileNotFoundError:
            self._make_folder(path, 0o777)
            return self.folder(path)

    def _make_folder(self, path: str, mode: int) -> None:
        above, _, last = path.rpartition("/")
        parent = self._parent(above)
        with self._widened(above, parent):
            try:
                os.mkdir(last, mode, dir_fd=parent)
            except FileExistsError:
                if stat.S_ISDIR(os.stat(last, dir_fd=parent, follow_symlinks=False).st_mode):
                    return
                self._set_aside(path, parent, last)
                os.mkdir(last, mode, dir_fd=parent)

    def _set_aside(self, path: str, parent: int, last: str) -> None:
        """Move what is at `path` into the staging folder: it is of another kind than what comes."""
        self.aside += 1
        os.rename(last, f"aside-{self.aside}", src_dir_fd=parent, dst_dir_fd=self.staging)
        self.forget(path)

    @contextlib.contextmanager
    def _widened(self, path: str, descriptor: int) -> Iterator[None]:
        """Let the owner write in a folder that is read-only, until `_finish`."""
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor) and path not in self.opened:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            with contextlib.suppress(PermissionError):  # not ours: the work itself will say so
                os.fchmod(descriptor, mode | 0o700)
                self.opened[path] = mode
        yield

    def _remove(self, gone: list[str]) -> None:
        for path in sorted(gone, key=lambda path: path.count("/"), reverse=True):
            if path == DOT:
                continue
            above, _, last = path.rpartition("/")
            try:
                parent = self.folder(above)
                found = os.stat(last, dir_fd=parent, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            with self._widened(above, parent):
                if stat.S_ISDIR(found.st_mode):
                    self.forget(path)
                    with contextlib.suppress(FileNotFoundError):
                        try:
                            os.rmdir(last, dir_fd=parent)
                        except OSError as error:
                            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                                raise
                else:
                    os.unlink(last, dir_fd=parent)

    def _finish(self, folders: list[tuple[str, Entry]]) -> None:
        """Give folders their modes and times, deepest first: making their contents has changed the times."""
        planned = {path for path, _ in folders}
        for path, mode in self.opened.items():
            if path not in planned:
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(self.folder(path), mode)
        for path, entry in reversed(folders):
            if path == DOT:
                continue
            descriptor = self.folder(path)
            os.fchmod(descriptor, entry.mode & 0o3777)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))

    def _sync(self) -> None:
        sync_file_system(self.root)


def sync_file_system(descriptor: int) -> None:
    """Make durable all that was written to the file system that `descriptor` lies on. Raises OSError."""
    import ctypes  # here: a run that changes nothing does not need it

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _copy(name: str, source: int, temporary: str, parent: int) -> None:
    """Copy a staged file or link into another file system, durably."""
    found = os.stat(name, dir_fd=source, follow_symlinks=False)
    times = (found.st_mtime_ns, found.st_mtime_ns)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), temporary, dir_fd=parent)
        os.utime(temporary, ns=times, dir_fd=parent, follow_symlinks=False)
        return
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        writing = os.open(temporary, _NEW_FLAGS, 0o600, dir_fd=parent)
        try:
            while data := os.read(reading, 1 << 20):
                write_all(writing, data)
            os.fchmod(writing, stat.S_IMODE(found.st_mode))
            os.utime(writing, ns=times)
            os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _remove_tree(parent: int, name: str) -> None:
    """Remove a folder of ours and all in it. Raises OSError."""
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    try:
        os.fchmod(descriptor, 0o700)
        with os.scandir(descriptor) as listing:
            items = [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
        for below, is_folder in items:
            if is_folder:
                _remove_tree(descriptor, below)
            else:
                os.unlink(below, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


def _shown(path: object) -> str:
    return sanitise.line(os.fsdecode(path)) if isinstance(path, str | bytes) else "the workspace"


def _some(paths: list[str]) -> str:
    """The first few of `paths`, and how many more there are."""
    named = ", ".join(sanitise.line(path) for path in paths[:NAMED])
    return named + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
