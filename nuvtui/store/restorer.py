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

Longer than 500 lines: each step stands beside what undoes it, and all of them share what was displaced.
"""

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from nuvtui.atomic import sync_file_system
from nuvtui.errors import Exit, NuvError
from nuvtui.model.kept import KeptFile
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.store.change import Change
from nuvtui.store.files_writer import FilesWriter
from nuvtui.store.folders import Folders, copy, exchange, inode, move, take
from nuvtui.store.recorded import Guard, Recorded
from nuvtui.store.restore_checks import (
    IMPOSSIBLE,
    Preconditions,
    refused,
    shown,
    tell,
)
from nuvtui.store.staging import AWAY, Item, Keeper, Plan, Staging
from nuvtui.store.store import Store

TRIES = 100
"""How often a name that somebody else makes and removes all the time is tried."""

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
        self._change = Change(puts, removals, own or {}, times, known or {})
        paths = [*self._change.files, *self._change.folders, *self._change.gone]
        self._numbers = {path: number for number, path in enumerate(paths)}
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
        if not self._change:
            return
        try:
            self._staging = Staging(self._root)
            contents = [(path, self._change.wanted[path]) for path in self._change.files]
            writer = FilesWriter(self._store, self._staging.descriptor, self._reporter)
            self._items = dict(enumerate(writer.write(contents)))
            items = [Item(path_to_text(path)) for path in self._numbers]
            for number, item in self._items.items():
                items[number] = item
            root = self._recorded.root
            plain = {
                path_to_text(path): content
                for path in self._change.own
                if isinstance(content := self._recorded.content(path), bytes)
            }
            self._staging.write_plan(Plan(root.hex() if root else "", items, plain))
            sync_file_system(self._root)
        except OSError as error:
            raise refused(self._target, error, "") from error

    # -- look

    # -- place

    def _check(self) -> None:
        Preconditions(self._target, self._folders, self._change, self._recorded, self._reporter).check()

    def place(self) -> None:
        """Bring the workspace to what it is to be. To be followed by `finish`, or where it raises by `roll_back`.

        Raises NuvError: CONFLICT where something is not as it was recorded (nothing is touched then); Cancelled.
        """
        if not self._change:
            return
        self._check()
        path = ""
        done, total = 0, len(self._change.files) + len(self._change.gone)
        try:
            for path in self._change.folders:
                with self._possible(path):
                    self._make_folder(path, 0o700)
            for path in self._change.files:
                tell(self._reporter, done, total)
                with self._possible(path):
                    self._put(path)
                done += 1
            for path in self._change.gone:
                tell(self._reporter, done, total)
                self._remove(path)
                done += 1
            for path, entry in self._change.times:
                if entry.kind != FOLDER:
                    self._set_time(path, entry)
            self._finish_folders()
            path = ""
            sync_file_system(self._root)
        except OSError as error:
            raise refused(self._target, error, path) from error
        self._reporter.progress(total, total, "files")

    @contextlib.contextmanager
    def _possible(self, path: str) -> Iterator[None]:
        """Skip a path that the file system cannot hold, and say so; the rest goes on."""
        try:
            yield
        except OSError as error:
            if error.errno not in IMPOSSIBLE:
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
                    move(self._staged.folder_of(number), str(number), parent, last)
                return
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno != errno.EXDEV or self._staged.is_beside(number):
                    raise
                self._copy_beside(number, above, parent)
        raise OSError(errno.EBUSY, "something makes and removes it all the time", path)

    def _displace(self, path: str, parent: int, last: str) -> bool:
        """Exchange what is staged for `path` with what stands there; False where nothing does."""
        number = self._numbers[path]
        home, name = self._staged.folder_of(number), str(number)
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
        home = self._staged.folder_of(number)
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
            home = self._staged.folder_of(number)
            with Guard(parent, last) as guard:
                certain = guard.status is not None and self._unchanged(path, guard.status)
                self._displaced[number] = (name, False)
                try:
                    take(parent, last, home, name)
                except FileNotFoundError:
                    return
                except OSError as error:
                    if error.errno != errno.EXDEV or self._staged.is_beside(number):
                        raise
                    self._staged.move_beside(number, above, parent)
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
            if error.errno != errno.EXDEV or self._staged.is_beside(number):
                raise
            self._staged.move_beside(number, above, parent)
            self._stage_folder(number, path, mode)
            return self._displace(path, parent, last)

    def _stage_folder(self, number: int, path: str, mode: int) -> None:
        home = self._staged.folder_of(number)
        os.mkdir(str(number), mode, dir_fd=home)
        status = os.stat(str(number), dir_fd=home, follow_symlinks=False)
        self._items[number] = Item(path_to_text(path), status.st_ino)

    @property
    def _staged(self) -> Staging:
        assert self._staging is not None, "stage() comes first"
        return self._staging

    def _copy_beside(self, number: int, folder: str, parent: int) -> None:
        """Copy a staged file to the file system of its place."""
        status = copy(str(number), self._staged.descriptor, self._staged.move_beside(number, folder, parent))
        item = self._items[number]
        self._items[number] = Item(item.path, status.st_ino, status.st_size, status.st_mtime_ns)

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
        planned = set(self._change.folders)
        for path, mode in self._modes.items():
            if path not in planned:
                with contextlib.suppress(*_GONE):
                    os.fchmod(self._folders.open(path), mode)
        folders = {path: entry for path, entry in self._change.times if entry.kind == FOLDER}
        folders |= {
            path: content
            for path in self._change.folders
            if isinstance(content := self._change.wanted[path], Entry)
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

    # -- the way back

    def _take_back(self, path: str) -> None:
        """Undo `_put`, `_remove` or `_make_way` of one path, as far as nobody else has put something there.

        What is where is asked of the disk: the work may have failed at any point.
        """
        number = self._numbers[path]
        home = self._staged.folder_of(number)
        name = self._displaced.get(number, (str(number), False))[0]
        own = self._items[number].inode if number in self._items else 0
        above, _, last = path.rpartition("/")
        try:
            parent = self._folders.open(above)
        except _GONE:
            return  # somebody removed the folder, and what was put into it
        displaced = inode(home, name) not in (0, own)
        found = inode(parent, last)
        if not found:
            if displaced:
                with contextlib.suppress(FileExistsError):
                    move(home, name, parent, last)
        elif found == own and displaced:
            self._displaced[number] = (name, False)
            self._folders.forget(path)
            if not exchange(home, name, parent, last):
                take(parent, last, home, f"{number}.back")
                with contextlib.suppress(FileExistsError):
                    move(home, name, parent, last)
                    self._displaced[number] = (f"{number}.back", False)
        elif found == own:
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
                f"{shown(path)}: {reason.strerror or reason}{more}",
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
                where = f"{self._staged.path_of(number)}/{name}"
                self._keeper.kept.append(KeptFile(path_to_text(path), path_to_text(where)))
            del self._displaced[number]  # only now: what was not looked at is not let go of
        return self._keeper.kept

    @property
    def kept(self) -> list[KeptFile]:
        """What has been kept so far."""
        return self._keeper.kept

    def _settle(self, number: int, path: str, name: str) -> None:
        """Keep of what was displaced from `path` what no snapshot holds. Raises OSError."""
        if not inode(self._staged.folder_of(number), name):
            return
        contents = self._change.contents(path, self._recorded)
        beside = self._staged.parent_of(number)
        self._keeper.settle(self._staged.folder_of(number), name, path, self._recorded, contents, beside)
