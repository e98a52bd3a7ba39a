"""From trees to a workspace: put entries in place, remove others; nothing that somebody wrote meanwhile is lost.

A `Replacement` has four steps. *Stage*: every object is there; every new file and link is written into a staging
folder and made durable; what can fail (a full disk, a damaged object, a cancel) fails here, with the workspace
untouched. *Place*: first a look: nothing about to be replaced or removed differs from what the automatic snapshot
recorded, else a refusal, with the workspace still untouched. Then folders are made, staged files exchanged with what
stands at their paths, removals moved into the staging folder, deepest first; folders that still hold something stay.
Then either *finish* or *roll back*: the way back touches only what this replacement itself put there. Both compare
what was displaced with what was recorded, and keep what no snapshot holds (`store.staging`).

Nothing outside the workspace is ever touched: every folder is opened from its parent's descriptor without following
links, and a path with an empty, `.` or `..` component is refused. Killed in the middle, it leaves each file old or
new and the staging folder, which `staging.recover` clears away.
"""

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from nuvtui import sanitise
from nuvtui.atomic import write_all
from nuvtui.errors import Exit, NuvError
from nuvtui.model.kept import KeptFile
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.store.descent import FOLDER_FLAGS
from nuvtui.store.files_writer import FilesWriter
from nuvtui.store.folders import Folders, below, exchange, move, remove_tree, take
from nuvtui.store.recorded import Content, Guard, Recorded, holds, kind_of
from nuvtui.store.staging import AWAY, NEW_FLAGS, Item, Keeper, Plan, Staging
from nuvtui.store.store import Store

NAMED = 5
"""So many paths are named in an error; of the rest only the number."""
TRIES = 100
"""How often a name that somebody else makes and removes all the time is tried."""

_IMPOSSIBLE = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""What a file system says to a name that it cannot hold."""
_GONE = (FileNotFoundError, NotADirectoryError)


class RollBackError(NuvError):
    """Some of what had been changed could not be put back."""


class Replacement:
    """One change of the files of a workspace; to be closed."""

    def __init__(
        self,
        store: Store,
        target: Path,
        puts: Iterable[tuple[str, Entry]],
        removals: Iterable[str],
        recorded: Recorded,
        reporter: Reporter,
        *,
        own: Mapping[str, bytes | None] | None = None,
        times: Iterable[tuple[str, Entry]] = (),
        known: Mapping[str, Entry] | None = None,
    ) -> None:
        """Make `target` hold `puts` (paths with their entries) and no longer `removals`; all other files stay.

        `recorded` is what the snapshot holds that was taken of `target` just before. `own`: files in nuvtui's own
        folder, by path: bytes to write, or None to remove it. `times`: files, links and folders whose entries
        differ in the time alone. `known`: what else a snapshot holds of paths that are removed. Raises NuvError where
        a path is unsafe or `target` cannot be opened.
        """
        self._store = store
        self._target = target
        self._recorded = recorded
        self._reporter = reporter
        self._wanted: dict[str, Content] = dict(puts)
        gone = [path for path in removals if path not in self._wanted]
        for path in [*self._wanted, *gone]:
            _check_path(path)
        _check_parents(self._wanted)
        for path, data in (own or {}).items():
            if data is not None:
                self._wanted[path] = data
            else:
                gone.append(path)
        self._own = list(own or ())
        self._times = list(times)
        self._known = dict(known or {})
        by_depth = functools.partial(sorted, key=lambda path: path.count("/"))
        self._folders_wanted: list[str] = by_depth(
            path for path, content in self._wanted.items() if kind_of(content) == FOLDER
        )
        self._files = [path for path, content in self._wanted.items() if kind_of(content) != FOLDER]
        self._gone: list[str] = by_depth(gone)[::-1]
        self._numbers = {
            path: number for number, path in enumerate([*self._files, *self._folders_wanted, *self._gone])
        }
        self._idle = not (self._numbers or self._times)
        """True where there is nothing to do."""
        self._items: dict[int, Item] = {}
        """Of the files that are staged, by number."""
        self.skipped: list[tuple[str, str]] = []
        """Paths, in text form, that the file system cannot hold, with its words."""
        self._undo: list[Callable[[], None]] = []
        self._displaced: dict[int, tuple[str, bool]] = {}
        """By number: the name in the staging folder of what was displaced, and whether it is certainly recorded."""
        self._moved: dict[tuple[int, int], tuple[int, int]] = {}
        """Of files with several names that were displaced by one: their time of change then, and the one before."""
        self._modes: dict[str, int] = {}
        """Folders whose mode was widened for the work, with the mode they had."""
        self._writable: set[str] = set()
        self._undone_folders: list[tuple[str, os.stat_result]] = []
        """Folders that get their mode and times again, once everything in them is back."""
        self._aways = 0
        self._beside: dict[str, tuple[int, int]] = {}
        """Folders on other file systems: descriptors of the folder and of the staging folder in it."""
        self._at: dict[int, str] = {}
        """By number: the folder whose own staging folder an item is in."""
        self._staging: Staging | None = None
        self._stuck = False
        try:
            self._root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NuvError(
                f"Workspace {target} cannot be opened", error.strerror or str(error), "", Exit.NOT_FOUND
            ) from error
        self._folders = Folders(self._root)
        self._keeper = Keeper(self._root)

    def close(self) -> None:
        """Let go of everything; the staging folder goes, unless something in it was not looked at or not kept."""
        remove = not self._stuck and not self._displaced
        for parent, staging in self._beside.values():
            if remove and self._staging is not None:
                with contextlib.suppress(OSError):
                    remove_tree(parent, self._staging.name)
            os.close(staging)
            os.close(parent)
        self._beside.clear()
        if self._staging is not None:
            self._staging.close(remove=remove)
            self._staging = None
        self._keeper.close()
        self._folders.close()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def __enter__(self) -> "Replacement":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- stage

    def stage(self) -> None:
        """Write all that comes into the staging folder. Raises NuvError, StoreError, Cancelled; nothing is changed."""
        if self._idle:
            return
        try:
            self._staging = Staging(self._root)
            contents = [(path, self._wanted[path]) for path in self._files]
            writer = FilesWriter(self._store, self._staging.descriptor, self._reporter)
            self._items = dict(enumerate(writer.write(contents)))
            items = [Item(path_to_text(path)) for path in self._numbers]
            for number, item in self._items.items():
                items[number] = item
            root = self._recorded.root
            plain = {
                path_to_text(path): content
                for path in self._own
                if isinstance(content := self._recorded.content(path), bytes)
            }
            self._staging.write_plan(Plan(root.hex() if root else "", items, plain))
            sync_file_system(self._root)
        except OSError as error:
            raise self._refused(error, "") from error

    # -- look

    def _check(self) -> None:
        """Refuse what cannot be done, before anything is touched. Raises NuvError (5), Cancelled."""
        removed = set(self._gone)
        changed: list[str] = []
        unrecorded: list[str] = []
        blocked: list[str] = []
        absent: set[str] = set()
        total = len(self._wanted) + len(self._gone)
        for number, path in enumerate([*sorted(self._wanted), *self._gone]):
            self._tell(number, total)
            content = self._wanted.get(path)
            above = path.rpartition("/")[0]
            found = None if above in absent else self._look(path, removed, blocked)
            if found is None:
                if content is not None and kind_of(content) == FOLDER:
                    absent.add(path)  # and so is all that is to be put into it
            elif stat.S_ISDIR(found.st_mode):
                if content is not None and kind_of(content) != FOLDER:
                    blocked += [left for left in self._below(path) if left not in removed]
            elif not self._recorded.unchanged(path, found) and not self._held(path):
                (unrecorded if self._recorded.content(path) is None else changed).append(path)
        if blocked:
            raise NuvError(
                "The workspace is in the way",
                f"in {self._target} there is something else at {_some(blocked)}",
                "Move it away, then try again. Nothing was changed.",
                Exit.CONFLICT,
            )
        if unrecorded:
            raise NuvError(
                f"{_some(unrecorded)} in {self._target} would be overwritten",
                "the automatic snapshot does not hold it (ignored there, unreadable, or new this moment)",
                "Move it away or take it out of `.nuvtui/ignore`, then try again. Nothing was changed.",
                Exit.CONFLICT,
            )
        if changed:
            raise NuvError(
                "Files changed meanwhile",
                f"{_some(changed)}: not as the automatic snapshot of {self._target} holds it",
                "Nothing was changed. Stop what writes there, then try again.",
                Exit.CONFLICT,
            )

    def _look(self, path: str, removed: set[str], blocked: list[str]) -> os.stat_result | None:
        try:
            return self._folders.look(path)
        except NotADirectoryError:
            # A file or link stands where a folder is needed: fine where it makes way itself.
            above = path
            while above := above.rpartition("/")[0]:
                if above in removed or above in self._wanted:
                    return None
            blocked.append(path)
            return None
        except OSError as error:
            if error.errno in _IMPOSSIBLE:
                return None  # said when it is tried
            raise self._refused(error, path) from error

    def _below(self, path: str) -> Iterator[str]:
        """All paths on disk below the folder at `path`."""
        try:
            for found in below(self._folders.open(path)):
                yield f"{path}/{found.path}"
        except OSError as error:
            raise self._refused(error, path) from error

    def _held(self, path: str) -> bool:
        """True where a snapshot holds what is at `path`, by its content."""
        above, _, name = path.rpartition("/")
        parent = self._folders.open(above)
        contents = (self._recorded.content(path), self._wanted.get(path), self._known.get(path))
        return any(holds(parent, name, content, self._reporter.check) for content in contents)

    # -- place

    def place(self) -> None:
        """Bring the workspace to what it is to be. To be followed by `finish`, or where it raises by `roll_back`.

        Raises NuvError: CONFLICT where something is not as it was recorded (nothing is touched then); Cancelled.
        """
        if self._idle:
            return
        self._check()
        path = ""
        done, total = 0, len(self._files) + len(self._gone)
        try:
            for path in self._folders_wanted:
                with self._possible(path):
                    self._make_folder(path, 0o700)
            for path in self._files:
                self._tell(done, total)
                with self._possible(path):
                    self._put(path)
                done += 1
            for path in self._gone:
                self._tell(done, total)
                self._remove(path)
                done += 1
            for path, entry in self._times:
                if entry.kind != FOLDER:
                    self._set_time(path, entry)
            self._finish_folders()
            path = ""
            sync_file_system(self._root)
        except OSError as error:
            raise self._refused(error, path) from error
        self._reporter.progress(total, total, "files")

    def _tell(self, done: int, total: int) -> None:
        if done % 64 == 0:
            self._reporter.progress(done, total, "files", "")
            self._reporter.check()

    @contextlib.contextmanager
    def _possible(self, path: str) -> Iterator[None]:
        """Skip a path that the file system cannot hold, and say so; the rest goes on."""
        try:
            yield
        except OSError as error:
            if error.errno not in _IMPOSSIBLE:
                raise
            self.skipped.append((path_to_text(path), error.strerror or str(error)))

    def _put(self, path: str) -> None:
        """Put a staged file or link at its path."""
        above, _, last = path.rpartition("/")
        parent = self._parent(above)
        self._widen(above, parent)
        number = self._numbers[path]
        self._undo.append(functools.partial(self._take_back, path))
        for _ in range(TRIES):
            try:
                if not self._displace(path, parent, last):
                    move(self._home(number), str(number), parent, last)
                return
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno != errno.EXDEV or number in self._at:
                    raise
                self._copy_beside(number, above, parent)
        raise OSError(errno.EBUSY, "something makes and removes it all the time", path)

    def _displace(self, path: str, parent: int, last: str) -> bool:
        """Exchange what is staged for `path` with what stands there; False where nothing does."""
        number = self._numbers[path]
        home, name = self._home(number), str(number)
        try:
            found = os.stat(last, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        is_folder = stat.S_ISDIR(found.st_mode)
        with Guard(parent, "" if is_folder else last) as guard:
            certain = guard.status is not None and self._unchanged(path, guard.status)
            # Said before it is done: whatever fails from here on, it is looked at in the end.
            self._displaced[number] = (name, False)
            try:
                if not exchange(home, name, parent, last):
                    name = self._exchange_in_two(path, parent, last)
            except FileNotFoundError:
                return False
            now = os.stat(name, dir_fd=home, follow_symlinks=False)
            self._displaced[number] = (name, certain and guard.quiet(now))
            if now.st_nlink > 1 and guard.status is not None:
                self._remember(guard.status, now)
        if is_folder or stat.S_ISDIR(now.st_mode):
            self._folders.forget(path)
        return True

    def _exchange_in_two(self, path: str, parent: int, last: str) -> str:
        """As an exchange, where the file system has none; the name in the staging folder of what was displaced.

        Raises FileExistsError where somebody else put something there in between: that is displaced next.
        """
        number = self._numbers[path]
        home = self._home(number)
        self._aways += 1
        name = f"{number}.{self._aways}{AWAY}"
        self._displaced[number] = (name, False)
        take(parent, last, home, name)
        try:
            move(home, str(number), parent, last)
        except FileExistsError:
            self._settle(number, path, name)
            raise
        return name

    def _unchanged(self, path: str, status: os.stat_result) -> bool:
        after, before = self._moved.get((status.st_dev, status.st_ino), (0, 0))
        return self._recorded.unchanged(path, status, before if after == status.st_ctime_ns else None)

    def _remember(self, before: os.stat_result, now: os.stat_result) -> None:
        """A rename by us sets the time of change of a file that has other names: no sign of somebody else."""
        key = (now.st_dev, now.st_ino)
        after, first = self._moved.get(key, (0, 0))
        if after == before.st_ctime_ns:
            self._moved[key] = (now.st_ctime_ns, first)
        else:
            self._moved[key] = (now.st_ctime_ns, before.st_ctime_ns)

    def _remove(self, path: str) -> None:
        if path == DOT:
            return
        above, _, last = path.rpartition("/")
        try:
            parent = self._folders.open(above)
            found = os.stat(last, dir_fd=parent, follow_symlinks=False)
        except _GONE:
            return
        self._widen(above, parent)
        if stat.S_ISDIR(found.st_mode):
            self._folders.forget(path)
            try:
                os.rmdir(last, dir_fd=parent)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR):
                    raise
                return
            self._undo.append(functools.partial(self._make_again, path, found))
            return
        number = self._numbers[path]
        name = str(number)
        self._undo.append(functools.partial(self._take_back, path))
        for _ in range(2):
            home = self._home(number)
            with Guard(parent, last) as guard:
                certain = guard.status is not None and self._unchanged(path, guard.status)
                self._displaced[number] = (name, False)
                try:
                    take(parent, last, home, name)
                except FileNotFoundError:
                    return
                except OSError as error:
                    if error.errno != errno.EXDEV or number in self._at:
                        raise
                    self._open_beside(number, above, parent)
                    continue
                now = os.stat(name, dir_fd=home, follow_symlinks=False)
                self._displaced[number] = (name, certain and guard.quiet(now))
                if now.st_nlink > 1 and guard.status is not None:
                    self._remember(guard.status, now)
            return

    def _parent(self, path: str) -> int:
        """The folder at `path`, made where it is missing."""
        try:
            return self._folders.open(path)
        except _GONE:
            missing = [path]
            while above := missing[-1].rpartition("/")[0]:
                try:
                    self._folders.open(above)
                    break
                except _GONE:
                    missing.append(above)
            for folder in reversed(missing):
                self._make_folder(folder, 0o777)
            return self._folders.open(path)

    def _make_folder(self, path: str, mode: int) -> None:
        above, _, last = path.rpartition("/")
        parent = self._parent(above)
        self._widen(above, parent)
        for _ in range(TRIES):
            try:
                os.mkdir(last, mode, dir_fd=parent)
                self._undo.append(functools.partial(self._unmake, path))
                return
            except FileExistsError:
                pass
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(last, dir_fd=parent, follow_symlinks=False).st_mode):
                    return
                if self._make_way(path, above, parent, last, mode):
                    return
        raise OSError(errno.EBUSY, "something makes and removes it all the time", path)

    def _make_way(self, path: str, above: str, parent: int, last: str, mode: int) -> bool:
        """Put a new folder where a file or link is; False where that is gone."""
        number = self._numbers.setdefault(path, len(self._numbers))
        if number not in self._items:
            self._undo.append(functools.partial(self._take_back, path))
            self._stage_folder(number, path, mode)
        try:
            return self._displace(path, parent, last)
        except OSError as error:
            if error.errno != errno.EXDEV or number in self._at:
                raise
            self._open_beside(number, above, parent)
            self._stage_folder(number, path, mode)
            return self._displace(path, parent, last)

    def _stage_folder(self, number: int, path: str, mode: int) -> None:
        home = self._home(number)
        os.mkdir(str(number), mode, dir_fd=home)
        status = os.stat(str(number), dir_fd=home, follow_symlinks=False)
        self._items[number] = Item(path_to_text(path), status.st_ino)

    def _widen(self, path: str, descriptor: int) -> None:
        """Let the owner write in a folder that is read-only, until `_finish_folders`."""
        if path in self._writable:
            return
        self._writable.add(path)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor):
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            with contextlib.suppress(PermissionError):  # not ours: the work itself will say so
                os.fchmod(descriptor, mode | 0o700)
                self._modes[path] = mode

    def _set_time(self, path: str, entry: Entry) -> None:
        """Give a file or link the time of its entry, where it is still the one that was recorded."""
        above, _, last = path.rpartition("/")
        try:
            parent = self._folders.open(above)
            found = os.stat(last, dir_fd=parent, follow_symlinks=False)
        except _GONE:
            return
        before = self._recorded.content(path)
        if not isinstance(before, Entry) or found.st_mtime_ns != before.mtime_ns:
            return
        os.utime(last, ns=(found.st_atime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)
        times = (found.st_atime_ns, found.st_mtime_ns)

        def back() -> None:
            with contextlib.suppress(*_GONE):
                os.utime(last, ns=times, dir_fd=self._folders.open(above), follow_symlinks=False)

        self._undo.append(back)

    def _finish_folders(self) -> None:
        """Give folders their modes and times, deepest first: making their contents has changed the times."""
        planned = set(self._folders_wanted)
        for path, mode in self._modes.items():
            if path not in planned:
                with contextlib.suppress(*_GONE):
                    os.fchmod(self._folders.open(path), mode)
        folders = {path: entry for path, entry in self._times if entry.kind == FOLDER}
        folders |= {
            path: content for path in self._folders_wanted if isinstance(content := self._wanted[path], Entry)
        }
        for path in sorted(folders, key=lambda path: path.count("/"), reverse=True):
            entry = folders[path]
            if path == DOT:
                continue
            with contextlib.suppress(*_GONE):
                descriptor = self._folders.open(path)
                before = os.fstat(descriptor)
                self._undo.append(functools.partial(self._folder_back, path, before))
                if path in planned:
                    os.fchmod(descriptor, entry.mode & 0o3777)
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))

    # -- other file systems inside the workspace

    def _home(self, number: int) -> int:
        """The staging folder that an item is in."""
        if number in self._at:
            return self._beside[self._at[number]][1]
        assert self._staging is not None
        return self._staging.descriptor

    def _open_beside(self, number: int, folder: str, parent: int) -> int:
        """Let an item lie in a staging folder in its own folder, which is on another file system."""
        assert self._staging is not None
        if folder not in self._beside:
            self._staging.note_beside(folder)
            os.mkdir(self._staging.name, 0o700, dir_fd=parent)
            own = os.open(".", FOLDER_FLAGS, dir_fd=parent)
            self._beside[folder] = (own, os.open(self._staging.name, FOLDER_FLAGS, dir_fd=parent))
        self._at[number] = folder
        return self._beside[folder][1]

    def _copy_beside(self, number: int, folder: str, parent: int) -> None:
        home = self._open_beside(number, folder, parent)
        assert self._staging is not None
        status = _copy(str(number), self._staging.descriptor, home)
        item = self._items[number]
        self._items[number] = Item(item.path, status.st_ino, status.st_size, status.st_mtime_ns)

    # -- the way back

    def _take_back(self, path: str) -> None:
        """Undo `_put`, `_remove` or `_make_way` of one path, as far as nobody else has put something there.

        What is where is asked of the disk: the work may have failed at any point.
        """
        number = self._numbers[path]
        home = self._home(number)
        name = self._displaced.get(number, (str(number), False))[0]
        inode = self._items[number].inode if number in self._items else 0
        above, _, last = path.rpartition("/")
        try:
            parent = self._folders.open(above)
        except _GONE:
            return  # somebody removed the folder, and what was put into it
        displaced = _inode(home, name) not in (0, inode)
        found = _inode(parent, last)
        if not found:
            if displaced:
                with contextlib.suppress(FileExistsError):
                    move(home, name, parent, last)
        elif found == inode and displaced:
            self._displaced[number] = (name, False)
            self._folders.forget(path)
            if not exchange(home, name, parent, last):
                take(parent, last, home, f"{number}.back")
                with contextlib.suppress(FileExistsError):
                    move(home, name, parent, last)
                    self._displaced[number] = (f"{number}.back", False)
        elif found == inode:
            self._displaced[number] = (str(number), False)
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                take(parent, last, home, str(number))

    def _unmake(self, path: str) -> None:
        above, _, last = path.rpartition("/")
        self._folders.forget(path)
        with contextlib.suppress(*_GONE):
            try:
                os.rmdir(last, dir_fd=self._folders.open(above))
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                    raise

    def _make_again(self, path: str, before: os.stat_result) -> None:
        above, _, last = path.rpartition("/")
        with contextlib.suppress(FileExistsError, *_GONE):
            os.mkdir(last, stat.S_IMODE(before.st_mode), dir_fd=self._folders.open(above))
            self._undone_folders.append((path, before))

    def _folder_back(self, path: str, before: os.stat_result) -> None:
        self._undone_folders.append((path, before))

    def roll_back(self) -> list[KeptFile]:
        """Put back what was changed, as far as this replacement put it there; what was kept of what others wrote.

        Raises RollBackError where something could not be put back; what was kept is kept all the same.
        """
        failed: list[tuple[str, OSError]] = []
        for step in reversed(self._undo):
            try:
                step()
            except OSError as error:
                failed.append((str(step.args[0]) if isinstance(step, functools.partial) else "", error))
        self._undo.clear()
        for path, before in sorted(self._undone_folders, key=lambda item: item[0].count("/"), reverse=True):
            with contextlib.suppress(OSError):
                descriptor = self._folders.open(path)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
                os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
        for path, mode in self._modes.items():
            with contextlib.suppress(OSError):
                os.fchmod(self._folders.open(path), mode)
        kept = self.finish()
        with contextlib.suppress(OSError):
            sync_file_system(self._root)
        if failed:
            path, reason = failed[0]
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise RollBackError(
                f"Workspace {self._target} could not be put back",
                f"{_shown(path)}: {reason.strerror or reason}{more}",
            )
        return kept

    def finish(self) -> list[KeptFile]:
        """Let go of what was displaced; what of it no snapshot holds is kept, and returned."""
        for path, number in self._numbers.items():
            if number not in self._displaced:
                continue
            name, certain = self._displaced[number]
            try:
                if not certain:
                    self._settle(number, path, name)
            except (OSError, NuvError):
                # It stays where it is: in the staging folder, which the next change looks at again.
                self._stuck = True
                assert self._staging is not None
                where = self._at.get(number, DOT)
                self._keeper.kept.append(
                    KeptFile(path_to_text(path), path_to_text(f"{where}/{self._staging.name}/{name}"))
                )
            del self._displaced[number]  # only now: what was not looked at is not let go of
        return self._keeper.kept

    @property
    def kept(self) -> list[KeptFile]:
        """What has been kept so far."""
        return self._keeper.kept

    def _settle(self, number: int, path: str, name: str) -> None:
        """Keep of what was displaced from `path` what no snapshot holds. Raises OSError."""
        if not _inode(self._home(number), name):
            return
        beside = self._beside[self._at[number]][0] if number in self._at else None
        contents = (self._recorded.content(path), self._wanted.get(path), self._known.get(path))
        self._keeper.settle(self._home(number), name, path, self._recorded, contents, beside)

    # -- errors

    def _refused(self, error: OSError, path: str) -> NuvError:
        what = _shown(path or error.filename)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NuvError(
                f"No space for workspace {self._target}",
                f"{what}: {error.strerror}",
                "It is as it was. Free space on its disk, then try again.",
            )
        return NuvError(
            f"Workspace {self._target} cannot be changed",
            f"{what}: {error.strerror or error}",
            "It is as it was. Check who may write there, then try again.",
        )


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


def _check_parents(wanted: Mapping[str, Content]) -> None:
    fine = {""}
    for path in wanted:
        above = path.rpartition("/")[0]
        while above not in fine:
            entry = wanted.get(above)
            if entry is not None and kind_of(entry) != FOLDER:
                raise NuvError(
                    "Unsafe path", f"{path!r} lies below {above!r}, which is no folder",
                    "The snapshot was made or altered by something else: `nuvtui store check`.", Exit.REFUSED,
                )  # fmt: skip
            fine.add(above)
            above = above.rpartition("/")[0]


def sync_file_system(descriptor: int) -> None:
    """Make durable all that was written to the file system that `descriptor` lies on. Raises OSError."""
    import ctypes  # here: a run that changes nothing does not need it

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _copy(name: str, source: int, target: int) -> os.stat_result:
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


def _inode(parent: int, name: str) -> int:
    """The inode called `name` in an open folder; 0 where there is none."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0


def _shown(path: object) -> str:
    return sanitise.line(os.fsdecode(path)) if isinstance(path, str | bytes) and path else "the workspace"


def _some(paths: list[str]) -> str:
    """The first few of `paths`, and how many more there are."""
    named = ", ".join(sanitise.line(path) for path in paths[:NAMED])
    return named + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
