"""Reading a state: the Current State and a snapshot through one interface.

`files` of a state are a root tree and a function from tree id to entries. For a snapshot these come from the store;
for the Current State from a scan that writes nothing.
"""

import contextlib
import functools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from nuvtui.catalog.view import View
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import short
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import ApplicationPart, Column, Snapshot, SnapshotRecord
from nuvtui.model.space import Instance
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.paths import DOT, Workspace
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.applications import applications
from nuvtui.services.context import Context
from nuvtui.store import scanner, trees
from nuvtui.store.descent import Descent
from nuvtui.store.store import Store
from nuvtui.store.tree_only_writer import TreeOnlyWriter

if TYPE_CHECKING:
    from nuvtui.model.table import ColumnStats
    from nuvtui.tables.database import ColumnInfo, Rows, Tables
    from nuvtui.tables.parquet import Captured

READMES = ("README.md", "README.rst", "README.txt", "README")


class FileView(msgspec.Struct, frozen=True):
    """A name in a folder, as screens show it."""

    name: str
    """str with surrogateescape; sanitise before showing."""
    path: str
    """Relative to the workspace."""
    kind: str
    """`f`, `d`, `l`; `?` for what snapshots cannot hold."""
    size: int
    """Bytes; of a snapshot's folder: of all below; of a folder of the Current State: 0."""
    mtime_ns: int
    mode: int
    count: int = 1
    target: str = ""
    status: str = ""
    """`new`, `changed` or empty (unchanged, or not known: a snapshot's)."""


class TableView(msgspec.Struct, frozen=True):
    """A table of a state."""

    name: str
    rows: int
    columns: list[Column]
    description: str = ""


class Files(msgspec.Struct, frozen=True):
    """The files of a state: root tree and how to read trees."""

    root: bytes
    tree: Callable[[bytes], list[Entry]]
    count: int = 0
    bytes: int = 0


class StateReader(Protocol):
    """What can be read of any state."""

    ref: StateRef
    label: str

    def folder(self, path: str) -> list[FileView]:
        """Folders first, then by name. Raises NuvError (3) where `path` is no folder."""

    def names(self, path: str) -> list[tuple[str, bool]]:
        """Name of everything in a folder and whether it is one, in the order of `folder`, in a tenth of its time."""

    def looks(self, path: str, names: Sequence[str]) -> list[FileView]:
        """What `folder` says of some names in it; a name that is gone is of kind `?`."""

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """The first `limit` bytes of a file. Raises NuvError (3)."""

    def stream(self, path: str) -> Iterator[bytes]:
        """All bytes of a file, in pieces."""

    def descriptor(self, path: str) -> int | None:
        """The file opened for reading, to be closed by the caller; None where it lies in the store, in pieces."""

    def tables(self) -> list[TableView]:
        """Tables by name."""

    def columns(self, table: str) -> "list[ColumnInfo]":
        """Columns of a table with their facts."""

    def distributions(self, table: str) -> "list[ColumnStats]":
        """Columns of a table with how their values are spread."""

    def rows(self, table: str, offset: int = 0, limit: int = 100) -> "Rows":
        """A page of a table's rows."""

    def applications(self) -> list[ApplicationPart]:
        """Applications by slug."""


def describe(record: SnapshotRecord | Snapshot) -> str:
    """How a snapshot is called in a sentence: `snapshot 1a2b3c4d (paper-1)`."""
    return f"snapshot {short(record.id)}" + (f" ({record.name})" if record.name else f" ({record.kind})")


class StatesService:
    """Opens states for reading."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reader(self, ref: StateRef) -> StateReader:
        """A reader of the state. Needs the viewer role (4); raises NuvError (3) where the state is gone."""
        view = self._context.view()
        instance = self._context.instance(view, ref.instance)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        if ref.snapshot is None:
            return CurrentState(self._context, instance, view)
        return SnapshotState(self._context, self._context.manifest(ref))

    def readme(self, instance: str) -> str | None:
        """The README of an instance's Current State: the one thing that an observer may read."""
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, Action.READ_README, found.space, instance)
        reader = CurrentState(self._context, found, None)
        return readme_of(reader)

    def files(self, ref: StateRef, reporter: Reporter | None = None) -> Files:
        """The files of a state as trees. For the Current State: scans the workspace, writes nothing to the store."""
        if ref.snapshot is not None:
            manifest = self._context.manifest(ref)
            part = manifest.files
            return Files(bytes.fromhex(part.root), self._context.store.tree, part.count, part.bytes)
        view = self._context.view()
        instance = self._context.instance(view, ref.instance)
        workspace = self._context.workspace(instance)
        result = scanner.scan(
            workspace.root,
            TreeOnlyWriter(self._context.store),
            stat_cache(self._context, instance.id),
            reporter or Silent(),
        )
        return Files(result.root, result.tree, result.count, result.bytes)


def stat_cache(context: Context, instance: str) -> Path:
    """Where the stat cache of an instance lies."""
    return context.home.cache / f"{instance}.stat"


def table_memory(context: Context, instance: str) -> Path:
    """Where it is remembered what an instance's database held (`tables.memory`)."""
    return context.home.cache / f"{instance}.tables"


def readme_of(reader: StateReader) -> str | None:
    """The text of the README at the top of a state, or None where there is none."""
    names = {view.name for view in reader.folder("") if view.kind == FILE}
    for name in READMES:
        if name in names:
            return reader.read(name, 1 << 18).decode("utf-8", "replace")
    return None


def safe_parts(path: str) -> list[str]:
    """The components of a path relative to a workspace. Raises NuvError (2) where it would lead out of it."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise NuvError(
            f"{path!r} is not a path in the workspace",
            "expected a relative path without `..`",
            "",
            Exit.USAGE,
        )
    return parts


class CurrentState:
    """The live state of an instance."""

    def __init__(self, context: Context, instance: Instance, view: View | None) -> None:
        """`view`: where the newest snapshot is known from; None: nothing is compared with it."""
        self.ref = StateRef(instance.id)
        self.label = "Current State"
        self._context = context
        self._workspace: Workspace = context.workspace(instance)
        self._view = view

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """The folder at `path`, open: reached name by name, whatever its depth, and never through a link.

        Raises NuvError (3) where a link is in the way, OSError.
        """
        root = os.open(self._workspace.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.closing(Descent(root)) as way:
                for name in safe_parts(path):
                    try:
                        way.enter(os.fsencode(name))
                    except OSError:
                        status = os.stat(name, dir_fd=way.descriptor, follow_symlinks=False)
                        if not stat.S_ISLNK(status.st_mode):
                            raise
                        raise NuvError(
                            f"{path!r} lies behind a link",
                            "",
                            "Open the link's target itself.",
                            Exit.NOT_FOUND,
                        ) from None
                yield way.descriptor
        finally:
            os.close(root)

    def folder(self, path: str) -> list[FileView]:
        path = "/".join(safe_parts(path))
        return self.looks(path, [name for name, _ in self.names(path)])

    def names(self, path: str) -> list[tuple[str, bool]]:
        path = "/".join(safe_parts(path))
        folders: list[str] = []
        others: list[str] = []
        try:
            with self._folder(path) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
        except (FileNotFoundError, NotADirectoryError):
            raise NuvError(f"No folder {path!r}", "in the Current State", "", Exit.NOT_FOUND) from None
        except OSError as error:
            raise NuvError(f"{path!r} cannot be read", str(error.strerror)) from error
        if not path and DOT in folders:
            folders.remove(DOT)
        return [*((name, True) for name in sorted(folders)), *((name, False) for name in sorted(others))]

    def looks(self, path: str, names: Sequence[str]) -> list[FileView]:
        path = "/".join(safe_parts(path))
        known = self._known(path)
        try:
            with self._folder(path) as folder:
                return [self._look(folder, path, name, known) for name in names]
        except OSError:  # it is gone
            return [FileView(name, f"{path}/{name}" if path else name, "?", 0, 0, 0) for name in names]

    def _known(self, path: str) -> list[Entry] | None:
        """Entries of the same folder in the newest snapshot, or None where there is no snapshot."""
        manifest = self._newest
        if manifest is None:
            return None
        root = bytes.fromhex(manifest.files.root)
        store = self._context.store
        if path:
            entry = trees.lookup(store.tree, root, path)
            if entry is None or entry.kind != FOLDER:
                return []
            root = entry.content[0]
        return store.tree(root)

    @functools.cached_property
    def _newest(self) -> Snapshot | None:
        newest = self._view.newest(self.ref.instance) if self._view is not None else None
        return self._context.store.read_manifest(newest) if newest is not None else None

    def _look(self, descriptor: int, folder: str, name: str, known: list[Entry] | None) -> FileView:
        path = f"{folder}/{name}" if folder else name
        try:
            info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            return FileView(name, path, "?", 0, 0, 0)
        kind = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}.get(
            stat.S_IFMT(info.st_mode), "?"
        )
        target = ""
        if kind == LINK:
            try:
                target = os.readlink(name, dir_fd=descriptor)
            except OSError:
                target = "?"
        status = ""
        if known is not None:
            before = trees.find(known, os.fsencode(name))
            if before is None:
                status = "new"
            elif kind != FOLDER and (
                before.kind != kind
                or (kind == FILE and (before.size != info.st_size or before.mtime_ns != info.st_mtime_ns))
                or (kind == LINK and before.target != os.fsencode(target))
            ):
                status = "changed"
        elif kind != FOLDER:
            status = "new"
        return FileView(
            name,
            path,
            kind,
            info.st_size if kind == FILE else 0,
            info.st_mtime_ns,
            stat.S_IMODE(info.st_mode),
            target=target,
            status=status,
        )

    def descriptor(self, path: str) -> int | None:
        return self._open(path)

    def _open(self, path: str) -> int:
        above, _, name = "/".join(safe_parts(path)).rpartition("/")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with self._folder(above) as folder:
                descriptor = os.open(name or ".", flags, dir_fd=folder)
        except OSError as error:
            raise NuvError(f"{path!r} cannot be read", error.strerror or "", "", Exit.NOT_FOUND) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NuvError(f"{path!r} is not a file", "", "", Exit.NOT_FOUND)
        return descriptor

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        with open(self._open(path), "rb") as file:
            return file.read(limit)

    def stream(self, path: str) -> Iterator[bytes]:
        with open(self._open(path), "rb") as file:
            while piece := file.read(1 << 20):
                yield piece

    def _tables(self) -> "Tables":
        from nuvtui.tables.database import Tables  # here: many workspaces have no tables

        return Tables(self._workspace)

    def tables(self) -> list[TableView]:
        tables = self._tables()
        if not tables.exists():
            return []
        return [TableView(t.name, t.rows, t.columns, t.description) for t in tables.list()]

    def columns(self, table: str) -> "list[ColumnInfo]":
        return self._tables().columns(table)

    def distributions(self, table: str) -> "list[ColumnStats]":
        return self._tables().column_stats(table)

    def rows(self, table: str, offset: int = 0, limit: int = 100) -> "Rows":
        return self._tables().preview(table, offset, limit)

    def applications(self) -> list[ApplicationPart]:
        parts = []
        for slug, text, application in applications.load_all(self._workspace):
            bad = isinstance(application, NuvError)
            parts.append(
                ApplicationPart(
                    slug,
                    slug if isinstance(application, NuvError) else application.name,
                    "invalid" if isinstance(application, NuvError) else application.kind.value,
                    text,
                    None,
                    str(application) if bad else "",
                )
            )
        return parts


class SnapshotState:
    """A snapshot."""

    def __init__(self, context: Context, manifest: Snapshot) -> None:
        self.ref = StateRef(manifest.instance.id, manifest.id)
        self.label = describe(manifest)
        self.manifest = manifest
        self._store: Store = context.store
        self._cache = context.home.cache / "tables"
        self._root = bytes.fromhex(manifest.files.root)

    def _entry(self, path: str) -> Entry:
        entry = trees.lookup(self._store.tree, self._root, "/".join(safe_parts(path)))
        if entry is None:
            raise NuvError(
                f"No {path!r} in {self.label}",
                "",
                f"List its files: `nuvtui snapshots files {self.manifest.id[:8]}`.",
                Exit.NOT_FOUND,
            )
        return entry

    def _entries(self, path: str) -> list[Entry]:
        if not path:
            return self._store.tree(self._root)
        entry = self._entry(path)
        if entry.kind != FOLDER:
            raise NuvError(f"{path!r} is not a folder", f"in {self.label}", "", Exit.NOT_FOUND)
        return self._store.tree(entry.content[0])

    def folder(self, path: str) -> list[FileView]:
        path = "/".join(safe_parts(path))
        return _sorted([_view_of(path, entry) for entry in self._entries(path) if path or entry.name != _DOT])

    def names(self, path: str) -> list[tuple[str, bool]]:
        path = "/".join(safe_parts(path))
        folders: list[str] = []
        others: list[str] = []
        for entry in self._entries(path):
            (folders if entry.kind == FOLDER else others).append(os.fsdecode(entry.name))
        if not path and DOT in folders:
            folders.remove(DOT)
        return [*((name, True) for name in sorted(folders)), *((name, False) for name in sorted(others))]

    def looks(self, path: str, names: Sequence[str]) -> list[FileView]:
        path = "/".join(safe_parts(path))
        entries = self._entries(path)
        views = []
        for name in names:
            entry = trees.find(entries, os.fsencode(name))
            whole = f"{path}/{name}" if path else name
            views.append(_view_of(path, entry) if entry else FileView(name, whole, "?", 0, 0, 0))
        return views

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        out = bytearray()
        for piece in self.stream(path):
            out += piece
            if len(out) >= limit:
                break
        return bytes(out[:limit])

    def stream(self, path: str) -> Iterator[bytes]:
        entry = self._entry(path)
        if entry.kind != FILE:
            raise NuvError(f"{path!r} is not a file", f"in {self.label}", "", Exit.NOT_FOUND)
        return self._store.stream(entry.content)

    def descriptor(self, _path: str) -> int | None:
        return None

    def _captured(self, table: str) -> "Captured":
        from nuvtui.tables.parquet import Captured  # here: see `_tables`

        for part in self.manifest.tables:
            if part.name == table:
                return Captured(self._store, part, self._cache)
        raise NuvError(f"No table {table!r} in {self.label}", "", "", Exit.NOT_FOUND)

    def tables(self) -> list[TableView]:
        return [TableView(t.name, t.rows, t.columns, t.description) for t in self.manifest.tables]

    def columns(self, table: str) -> "list[ColumnInfo]":
        return self._captured(table).columns()

    def distributions(self, table: str) -> "list[ColumnStats]":
        return self._captured(table).column_stats()

    def rows(self, table: str, offset: int = 0, limit: int = 100) -> "Rows":
        return self._captured(table).preview(offset, limit)

    def applications(self) -> list[ApplicationPart]:
        return self.manifest.applications


_DOT = os.fsencode(DOT)


def _view_of(folder: str, entry: Entry) -> FileView:
    name = os.fsdecode(entry.name)
    return FileView(
        name,
        f"{folder}/{name}" if folder else name,
        entry.kind,
        entry.size,
        entry.mtime_ns,
        entry.mode,
        entry.count,
        os.fsdecode(entry.target),
    )


def _sorted(views: list[FileView]) -> list[FileView]:
    return sorted(views, key=lambda view: (view.kind != FOLDER, view.name))
