"""Where a change of a workspace puts what comes and what goes, until it is certain that neither is lost.

A *staging folder* lies in `.nuvtui`, is locked (flock) by the process that uses it, and holds numbered items. What is
to come is written there first and then exchanged with what stands at its path, so that the displaced file is in the
staging folder under the same number. `plan` says which path each number belongs to and which inode was written for
it: after a kill, a number with another inode is something of the user's.

What was displaced is compared with what a snapshot holds. What no snapshot holds, or somebody is writing to, is moved
to `.nuvtui/kept/<time>/<its path>` and told; only the rest goes with the staging folder.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from nuvtui import clock
from nuvtui.atomic import TEMPORARY, write_all
from nuvtui.errors import NuvError
from nuvtui.model.kept import KeptFile, KeptFolder
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.paths import DOT
from nuvtui.store.descent import FOLDER_FLAGS
from nuvtui.store.folders import NEW_FLAGS, Folders, below, move, opened, remove_tree
from nuvtui.store.recorded import Content, Guard, Recorded, holds
from nuvtui.store.trees import Tree

STAGING = TEMPORARY + "apply-"
KEPT = f"{DOT}/kept"

AWAY = ".old"
"""Ends the name of what was displaced where the file system cannot exchange two names."""

_PLAN, _BESIDE = "plan", "beside"


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A path that is changed, and the file that was written for it (all 0: none)."""

    path: str
    """In text form."""
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0

    def is_staged(self, status: os.stat_result) -> bool:
        """True where `status` is of the file that was written for the path, as it was written."""
        return (status.st_ino, status.st_size, status.st_mtime_ns) == (self.inode, self.size, self.mtime_ns)


class Plan(msgspec.Struct, frozen=True):
    """What a staging folder holds, for whoever finds it after a kill."""

    recorded: str
    """Hex id of the root tree of the snapshot that was taken first; empty: none."""
    items: list[Item]
    """By number."""
    plain: dict[str, bytes] = {}
    """What that snapshot holds of files outside its trees, by path in text form."""

    def recorded_by(self, tree: Tree) -> Recorded:
        """What that snapshot holds; `tree` gives the entries of a tree of the store."""
        root = bytes.fromhex(self.recorded) if self.recorded else None
        return Recorded(tree, root, None, {text_to_path(path): data for path, data in self.plain.items()})

    def item(self, name: str) -> Item | None:
        """The item that the file `name` of the staging folder belongs to: its name begins with the number."""
        number = name.partition(".")[0]
        known = number.isdecimal() and int(number) < len(self.items)
        return self.items[int(number)] if known else None


class Staging:
    """A staging folder of this process: `descriptor` is open, `name` its name in the folder `at`.

    What belongs into folders on other file systems inside the workspace lies in a staging folder of the same name
    beside it: only there can names be exchanged.
    """

    def __init__(self, root: int) -> None:
        """Make one in the workspace that is open as `root`. Raises OSError."""
        self.at = dot_folder(root)
        self.name = STAGING + os.urandom(8).hex()
        self._beside: dict[str, tuple[int, int]] = {}
        """Folders on other file systems: descriptors of the folder and of the staging folder in it."""
        self._at: dict[int, str] = {}
        """By number: the folder whose own staging folder an item is in."""
        try:
            os.mkdir(self.name, 0o700, dir_fd=self.at)
            self.descriptor = os.open(self.name, FOLDER_FLAGS, dir_fd=self.at)
        except BaseException:
            os.close(self.at)
            raise
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def write_plan(self, plan: Plan) -> None:
        """Say what the numbers mean; to be made durable before anything is displaced. Raises OSError."""
        new = f"{_PLAN}.new"
        _write(self.descriptor, new, msgspec.json.encode(plan))
        os.rename(new, _PLAN, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def _note_beside(self, folder: str) -> None:
        """Say that a folder of the workspace has a staging folder of the same name as well. Raises OSError."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(_BESIDE, 0o700, dir_fd=self.descriptor)
        beside = os.open(_BESIDE, FOLDER_FLAGS, dir_fd=self.descriptor)
        try:
            _write(beside, os.urandom(8).hex(), os.fsencode(folder))
        finally:
            os.close(beside)

    def folder_of(self, number: int) -> int:
        """Descriptor of the staging folder that an item is in."""
        return self._beside[self._at[number]][1] if number in self._at else self.descriptor

    def is_beside(self, number: int) -> bool:
        """True where an item is in a staging folder on another file system."""
        return number in self._at

    def parent_of(self, number: int) -> int | None:
        """Descriptor of the folder that an item is beside its place in; None where it is in `.nuvtui`."""
        return self._beside[self._at[number]][0] if number in self._at else None

    def path_of(self, number: int) -> str:
        """Path, in the workspace, of the staging folder that an item is in."""
        return f"{self._at.get(number, DOT)}/{self.name}"

    def move_beside(self, number: int, folder: str, parent: int) -> int:
        """Let an item lie in a staging folder in `folder` (open as `parent`); returns its descriptor. Raises OSError."""
        if folder not in self._beside:
            self._note_beside(folder)
            os.mkdir(self.name, 0o700, dir_fd=parent)
            own = os.open(".", FOLDER_FLAGS, dir_fd=parent)
            self._beside[folder] = (own, os.open(self.name, FOLDER_FLAGS, dir_fd=parent))
        self._at[number] = folder
        return self._beside[folder][1]

    def close(self, *, remove: bool) -> None:
        """Let go of it. What cannot be removed now is in nobody's way: the next change tries again."""
        for parent, staging in self._beside.values():
            if remove:
                with contextlib.suppress(OSError):
                    remove_tree(parent, self.name)
            os.close(staging)
            os.close(parent)
        self._beside.clear()
        if remove:
            with contextlib.suppress(OSError):
                remove_tree(self.at, self.name)
        os.close(self.descriptor)
        os.close(self.at)


def dot_folder(root: int) -> int:
    """`.nuvtui` of the workspace open as `root`, or the workspace where there is none; opened anew.

    Raises OSError where it is a link or no folder.
    """
    try:
        return os.open(DOT, FOLDER_FLAGS, dir_fd=root)
    except FileNotFoundError:
        return os.open(".", FOLDER_FLAGS, dir_fd=root)


def _write(folder: int, name: str, data: bytes) -> None:
    descriptor = os.open(name, NEW_FLAGS, 0o600, dir_fd=folder)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


class Keeper:
    """Keeps what was displaced and is in no snapshot."""

    def __init__(self, root: int) -> None:
        """`root`: the open workspace; stays the caller's."""
        moment = clock.now()
        digits = "".join(sign for sign in moment[:19] if sign.isdigit())
        self.label = f"{digits[:8]}T{digits[8:14]}Z-{os.urandom(2).hex()}"
        self._folders = Folders(root)
        self._others = 0
        self.kept: list[KeptFile] = []

    def close(self) -> None:
        self._folders.close()

    def keep(self, parent: int, name: str, path: str, beside: int | None = None) -> None:
        """Move `name` in the open folder `parent`, which was at `path`, to where it is kept. Raises OSError.

        `beside`: the folder it was in, where that is another file system than `.nuvtui`.
        """
        above, _, last = path.rpartition("/")
        if beside is not None:
            new = f"{last}.kept-{self.label}"
            if len(os.fsencode(new)) > 255:
                new = f"kept-{self.label}-{self._next()}"
            move(parent, name, beside, new)
            at = f"{above}/{new}" if above else new
        else:
            folder = f"{KEPT}/{self.label}"
            try:
                at = f"{folder}/{path}"
                move(parent, name, self._folder(f"{folder}/{above}" if above else folder), last)
            except OSError:
                # Its name, or a folder of its path, is taken by something else that is kept.
                folder = f"{folder}/other-{self._next()}"
                at = f"{folder}/{last}"
                move(parent, name, self._folder(folder), last)
        self.kept.append(KeptFile(path_to_text(path), path_to_text(at)))

    def _next(self) -> int:
        self._others += 1
        return self._others

    def _folder(self, path: str) -> int:
        """The folder at `path`, made where it is missing."""
        missing: list[str] = []
        while True:
            try:
                descriptor = self._folders.open(path)
                break
            except FileNotFoundError:
                path, _, name = path.rpartition("/")
                missing.append(name)
        while missing:
            name = missing.pop()
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=descriptor)
            path = f"{path}/{name}" if path else name
            descriptor = self._folders.open(path)
        return descriptor

    def settle(
        self,
        parent: int,
        name: str,
        path: str,
        recorded: Recorded,
        contents: Sequence[Content | None],
        beside: int | None = None,
    ) -> None:
        """Keep of what was at `path`, and is now `name` in the folder `parent`, what no snapshot holds.

        `contents`: what snapshots hold of the path; `recorded`: of what is below it, where it is a folder. Raises
        OSError.
        """
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            if not _held(parent, name, contents):
                self.keep(parent, name, path, beside)
            return
        with opened(name, parent) as folder:
            for found in below(folder):
                whole = f"{path}/{found.path}"
                is_folder = stat.S_ISDIR(found.status.st_mode)
                if not is_folder and not _held(found.parent, found.name, [recorded.content(whole)]):
                    self.keep(found.parent, found.name, whole, beside)


def _held(parent: int, name: str, contents: Sequence[Content | None]) -> bool:
    """True where a file or link has one of `contents`, and nobody is writing to it."""
    with Guard(parent, name) as guard:
        return not guard.written and any(holds(parent, name, content) for content in contents)


# -- after a kill


def recover(target: Path, tree: Tree) -> list[KeptFile]:
    """Clear away what killed changes of the workspace `target` left; what was kept of it.

    `tree` gives the entries of a tree of the store. Staging folders whose process lives are left alone. Errors leave
    a staging folder for the next time.
    """
    kept: list[KeptFile] = []
    with contextlib.suppress(OSError):
        root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with opened(DOT, root) as dot:
                names = sorted(name for name in os.listdir(dot) if name.startswith(STAGING))
                for name in names:
                    kept += _recover(root, dot, name, tree)
        finally:
            os.close(root)
    return kept


def _recover(root: int, dot: int, name: str, tree: Tree) -> list[KeptFile]:
    keeper = Keeper(root)
    folders = Folders(root)
    try:
        with opened(name, dot) as staging:
            fcntl.flock(staging, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free: its owner is gone
            plan = _read_plan(staging)
            if plan is not None:
                recorded = plan.recorded_by(tree)
                for item in os.listdir(staging):
                    if item[:1].isdecimal():
                        _recover_item(staging, item, plan, folders, keeper, recorded)
                for folder in _beside(staging):
                    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                        _recover_beside(folders.open(folder), folder, name, plan, keeper, recorded)
            remove_tree(dot, name)
    except (OSError, ValueError, NuvError):
        pass  # held by somebody, or it cannot be read: it stays
    finally:
        keeper.close()
        folders.close()
    return keeper.kept


def _recover_item(
    staging: int, name: str, plan: Plan, folders: Folders, keeper: Keeper, recorded: Recorded
) -> None:
    item = plan.item(name)
    if item is not None and item.is_staged(os.stat(name, dir_fd=staging, follow_symlinks=False)):
        return  # written for the path, and never put there
    path = text_to_path(item.path) if item is not None else name
    if item is not None and name.endswith(AWAY):
        # Taken away where the file system cannot exchange: back, unless something stands there.
        above, _, last = path.rpartition("/")
        with contextlib.suppress(FileExistsError, FileNotFoundError, NotADirectoryError):
            move(staging, name, folders.open(above), last)
            return
    keeper.settle(staging, name, path, recorded, [recorded.content(path)])


def _recover_beside(
    parent: int, folder: str, name: str, plan: Plan, keeper: Keeper, recorded: Recorded
) -> None:
    with opened(name, parent) as staging:
        for item in os.listdir(staging):
            planned = plan.item(item)
            path = text_to_path(planned.path) if planned is not None else f"{folder}/{item}"
            keeper.settle(staging, item, path, recorded, [recorded.content(path)], parent)
    remove_tree(parent, name)


def _read_plan(staging: int) -> Plan | None:
    """The plan of a staging folder; None where there is none: nothing was displaced, or all of it was looked at."""
    try:
        descriptor = os.open(_PLAN, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=staging)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return msgspec.json.decode(file.read(), type=Plan)


def _beside(staging: int) -> Iterator[str]:
    """The folders of the workspace that have a staging folder of their own."""
    with contextlib.suppress(FileNotFoundError), opened(_BESIDE, staging) as folder:
        for name in os.listdir(folder):
            with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), "rb") as file:
                yield os.fsdecode(file.read())


def kept_folders(target: Path) -> list[KeptFolder]:
    """The folders of the workspace `target` that hold what was kept."""
    found: list[KeptFolder] = []
    with contextlib.suppress(OSError), opened(target / KEPT) as kept:
        for name in sorted(os.listdir(kept)):
            with contextlib.suppress(OSError), opened(name, kept) as one:
                count = sum(not stat.S_ISDIR(item.status.st_mode) for item in below(one))
                if count:
                    found.append(KeptFolder(f"{KEPT}/{path_to_text(name)}", count))
    return found
