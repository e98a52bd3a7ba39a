"""From a workspace to trees: what a snapshot of its files holds.

Left out: `.nuvtui/` but for `.nuvtui/ignore`, whatever that file names (gitignore syntax), the store itself
where it lies in the workspace, and nuvtui's own temporaries. Named in the warnings and left out: pipes,
sockets, devices, what cannot be read, what vanishes meanwhile. A file that changes while it is read is read
again; where it goes on changing it is kept as last read, and named.

Kept of a file: permission bits without set-user-id and set-group-id (a snapshot may be restored by somebody
else), time of modification, contents, hard links. Not kept: owner, extended attributes.

Files whose size, times and inode are those of the stat cache are not read. A file that was modified within
`MARGIN` before the scan began, or later, is never trusted: it may be written again within the clock's tick.
"""

import contextlib
import io
import operator
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from nuvtui.atomic import TEMPORARY
from nuvtui.errors import Exit, NuvError
from nuvtui.model import tree as tree_format
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import Warning
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.store import helpers, ignore
from nuvtui.store.helpers import Helpers, Part
from nuvtui.store.statcache import PIECE, CacheWriter, Record, StatCache, entries
from nuvtui.store.writer import WHOLE, TreeOnlyWriter, Writer

__all__ = ["MARGIN", "ScanResult", "TreeOnlyWriter", "scan"]

MARGIN = 2_000_000_000
"""Nanoseconds: the coarsest tick of a file system's clock that is reckoned with."""
DEPTH = 300
"""Folders deeper than this are named in the warnings instead of kept."""
READ = 4 << 20
"""Bytes that are read of a large file before it is looked whether to stop."""
TRIES = 3
"""A file that changes while it is read is read so many times."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_DOT = DOT.encode()
_TEMPORARY = TEMPORARY.encode()
_pack = PIECE.pack
_KIND, _IS_FOLDER = 0o170000, stat.S_IFDIR
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_first = operator.itemgetter(0)

Tree = Callable[[bytes], list[Entry]]


@dataclass(frozen=True)
class ScanResult:
    """The files of a workspace as they were."""

    root: bytes
    """Id of the root tree object."""
    warnings: list[Warning]
    tree: Tree
    """Entries of a tree object of this scan; with a Writer, from its commit on."""
    count: int
    """Files and links."""
    bytes: int
    """Logical bytes."""
    seen: Callable[[], StatCache | None]
    """The stat cache as this scan left it; None where that is not known. With a Writer, from its commit on."""


def scan(workspace: Path, writer: Writer | TreeOnlyWriter, cache: Path, reporter: Reporter) -> ScanResult:
    """Read the workspace files into `writer`, with the help of the stat cache `cache`.

    With a Writer the cache is brought up to date when the writer commits. Raises NuvError where the workspace
    cannot be listed or its ignore file not be read, StoreError where the store fails, Cancelled.
    """
    old = StatCache(cache)
    new = CacheWriter(old, anew=old.generation != writer.generation.ljust(16, b"\0")[:16])
    try:
        descriptor = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NuvError(
            f"Workspace {workspace} cannot be read", error.strerror or str(error), "", Exit.NOT_FOUND
        ) from error
    publish = True
    try:
        scanner = _Scanner(ignore.read(descriptor), writer, old, new, reporter)
        found = scanner.workspace(descriptor)
        if found is None:
            raise NuvError(f"Workspace {workspace} cannot be listed", "", "", Exit.FAILED)
    except BaseException:
        publish = False
        raise
    finally:
        os.close(descriptor)
        if not publish:
            new.discard()

    seen: StatCache | None = None

    def keep() -> None:
        nonlocal seen
        # A cache that cannot be written costs time at the next scan, nothing else.
        try:
            seen = new.publish(writer.generation)
        except OSError:
            new.discard()

    if isinstance(writer, Writer):
        writer.after_commit(keep)
        tree: Tree = writer.store.tree
    else:
        keep()
        tree = writer.tree
    warnings = sorted(scanner.warnings, key=lambda warning: warning.path)
    return ScanResult(found.id, warnings, tree, found.count, found.size, lambda: seen)


@dataclass
class _Found:
    """A folder as scanned."""

    id: bytes
    size: int
    count: int
    offset: int
    """Of its record in the cache, old or new."""
    span: int


class _DiffersError(Exception):
    """Something is not as the cache has it."""


_Below = tuple[bytes, int, int, _Found]
"""A folder in a folder: name, mode, mtime, what was found."""


@dataclass
class _Look:
    """A folder as listed."""

    descriptor: int
    base: bytes
    files: list[tuple[bytes, bytes, os.stat_result]]
    folders: list[_Below]
    pieces: bytes
    offset: int | None
    record: Record | None
    ignored: list[bytes]
    racy: list[bytes]


class _Scanner:
    def __init__(
        self,
        rules: ignore.Rules,
        writer: Writer | TreeOnlyWriter,
        old: StatCache,
        new: CacheWriter,
        reporter: Reporter,
    ) -> None:
        self.writer = writer
        self.reads = isinstance(writer, Writer)
        self.old = old
        self.new = new
        self.reporter = reporter
        self.warnings: list[Warning] = []
        self.groups: dict[tuple[int, int], int] = {}
        self.done = 0
        self.parts: dict[int, Part] = {}
        """By the offsets of their records: what helpers may have looked at."""
        self.helpers: Helpers | None = None
        self.helping = False
        """True in a helper, which only looks whether anything differs."""
        self.trusted = old.generation == writer.generation.ljust(16, b"\0")[:16]
        if isinstance(writer, Writer) and not writer.whole:
            self.trusted = False
        self.limit = time.time_ns() - MARGIN
        self.home = _identity(writer.store.home.root)
        self.rules = rules

    def warn(self, path: bytes, reason: str) -> None:
        self.warnings.append(Warning(path_to_text(os.fsdecode(path)), reason))

    def workspace(self, descriptor: int) -> _Found | None:
        """Scan the open workspace, with helpers where it is large. None where it cannot be listed."""
        if self.trusted and not self.new.anew:
            found = helpers.parts(self.old)
            self.parts = {part.offset: part for part in found}
            if found:
                self.helpers = Helpers(found, descriptor, lambda *given: self._same(descriptor, *given))
        try:
            return self.folder(descriptor, b"", self.old.root, 0)
        finally:
            if self.helpers is not None:
                self.helpers.close()

    def _same(self, workspace: int, part: Part, reporter: Reporter) -> bool:
        """In a helper: True where a folder and all below it are as the cache has them."""
        self.helping = True
        self.reporter = reporter
        names = part.path.split(b"/")
        with contextlib.ExitStack() as stack, contextlib.suppress(_DiffersError, OSError):
            for name in names:
                workspace = os.open(name, _FOLDER_FLAGS, dir_fd=workspace)
                stack.callback(os.close, workspace)
            found = self.folder(workspace, part.path, part.offset, len(names))
            return found is not None and not self.warnings
        return False

    def folder(self, descriptor: int, path: bytes, offset: int | None, depth: int) -> _Found | None:
        """Scan the open folder at `path` (relative; empty: the root). None where it cannot be listed."""
        self.reporter.check()
        try:
            with os.scandir(descriptor) as listing:
                items = [*listing]
        except OSError as error:
            self.warn(path, f"the folder cannot be read: {error.strerror}")
            return None
        record = self.old.record(offset) if offset is not None else None
        warned = len(self.warnings)
        base = path + b"/" if path else b""
        ignored: list[bytes] = []
        pieces: list[bytes] = []
        files: list[tuple[bytes, bytes, os.stat_result]] = []
        folders: list[tuple[bytes, int, int]] = []
        linked = False
        limit = self.limit
        racy: list[bytes] = []
        # What is done for every file of the workspace, every time: short, and with nothing called that need not be.
        ignores_file, ignores_folder = self.rules.files, self.rules.folders
        pack, add, is_file = _pack, pieces.append, files.append
        for name, item in _by_name(items):
            if name.startswith(_DOT) and (name == _DOT or name.startswith(_TEMPORARY)):
                if name == _DOT and depth:
                    self.warn(base + name, "belongs to another workspace and is left out")
                continue
            try:
                status = item.stat(follow_symlinks=False)
            except OSError as error:
                self.warn(base + name, f"vanished or cannot be looked at: {error.strerror}")
                continue
            mode = status.st_mode
            if mode & _KIND != _IS_FOLDER:
                if ignores_file is not None and ignores_file(base + name):
                    ignored.append(name)
                    continue
                modified, changed = status.st_mtime_ns, status.st_ctime_ns
                piece = pack(mode, status.st_size, modified, changed, status.st_ino)
                is_file((name, piece, status))
                if status.st_nlink > 1:
                    linked = True
                if changed >= limit or modified >= limit:
                    racy.append(name)
            else:
                if ignores_folder is not None and ignores_folder(base + name):
                    ignored.append(name + b"/")
                    continue
                if (status.st_dev, status.st_ino) == self.home:
                    self.warn(base + name, "is the store itself and is left out")
                    continue
                piece = pack(mode, 0, status.st_mtime_ns, 0, 0)
                folders.append((name, mode, status.st_mtime_ns))
            add(b"%b\0%b" % (name, piece))
        if not depth:
            self._dot(descriptor, folders, pieces)
        joined = b"".join(pieces)

        # folders first: whether they are the same decides whether this one is
        offsets = {name: at for name, _, at in record.folders} if record is not None else {}
        found: list[_Below] = []
        for name, mode, mtime in folders:
            below = self._below(descriptor, base, name, offsets.get(name), depth)
            if below is not None:
                found.append((name, mode, mtime, below))
        look = _Look(descriptor, base, files, found, joined, offset, record, ignored, racy)
        steady = len(self.warnings) == warned
        if (
            record is not None
            and record.plain
            and record.pieces == joined
            and record.ignored == ignored
            and steady
            and not racy
            and not linked
            and len(found) == len(record.folders)
            and all(below.id == old[1] for (_, _, _, below), old in zip(found, record.folders, strict=True))
            and self._kept(record)
        ):
            self.done += len(files)
            self.reporter.progress(self.done, None, "files", "")
            stored = record.stored and self.trusted
            return self._record(
                look, record.tree_id, record.tree, record.size, record.count, [], True, stored
            )
        return self._changed(look, steady and not linked)

    def _kept(self, record: Record) -> bool:
        """True where a folder that looks the same needs no reading; sees to it that its tree is at hand."""
        if not self.reads and not self.helping:
            if not (record.stored and self.trusted):
                self.writer.put_tree(record.tree)
            return True
        return record.stored and self.trusted

    def _below(self, parent: int, base: bytes, name: bytes, offset: int | None, depth: int) -> _Found | None:
        path = base + name
        if depth == 0 and name == _DOT:
            return self._scan_dot(parent, offset)
        if depth >= DEPTH:
            self.warn(path, f"lies more than {DEPTH} folders deep and is left out")
            return None
        try:
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
        except OSError as error:
            self.warn(path, f"the folder cannot be read: {error.strerror}")
            return None
        try:
            if offset in self.parts and self.helpers is not None and self.helpers.same(offset):
                record = self.old.record(offset)
                if record is not None:
                    self.done += record.count
                    return _Found(record.tree_id, record.size, record.count, offset, record.span)
            return self.folder(descriptor, path, offset, depth + 1)
        finally:
            os.close(descriptor)

    def _changed(self, look: _Look, plain: bool) -> _Found:
        """A folder that is new or not the same: make its tree, reading only the files that differ."""
        if self.helping:
            raise _DiffersError
        record = look.record
        known = entries(record) if record is not None else {}
        seen = record.split() if record is not None else {}
        untrusted = set(record.racy) if record is not None else set()
        certain = self.trusted and record is not None and record.stored
        warned = len(self.warnings)
        out: list[Entry] = []
        racy = look.racy
        stored = True
        has = self.writer.has
        size = count = 0
        for name, piece, status in look.files:
            path = look.base + name
            old = known.get(name)
            if (
                old is not None
                and seen.get(name) == piece
                and name not in untrusted
                and (certain or not self.reads or all(has(item) for item in old.content))
            ):
                group = self._group(path, status) if status.st_nlink > 1 and old.kind == FILE else 0
                entry = old if group == old.group else _regroup(old, group)
            else:
                read = self._read(look.descriptor, name, path, status)
                if read is None:
                    continue
                entry, steady = read
                if not steady and name not in racy:
                    racy = [*racy, name]
            if not self.reads and stored:
                stored = all(has(item) for item in entry.content)
            out.append(entry)
            size += entry.size
            count += 1
            self.done += 1
        self.reporter.progress(self.done, None, "files", os.fsdecode(look.base))
        for name, mode, mtime, below in look.folders:
            bits = stat.S_IMODE(mode) & 0o3777
            out.append(Entry(name, FOLDER, bits, mtime, below.size, [below.id], count=below.count))
            size += below.size
            count += below.count
        out.sort(key=lambda entry: entry.name)
        data = tree_format.encode(out)
        tree_id = self.writer.put_tree(data)
        if not self.reads:
            stored = stored and has(tree_id)
        plain = plain and not racy and len(self.warnings) == warned
        return self._record(look, tree_id, data, size, count, racy, plain, stored)

    def _record(
        self,
        look: _Look,
        tree_id: bytes,
        data: bytes,
        size: int,
        count: int,
        racy: list[bytes],
        plain: bool,
        stored: bool,
    ) -> _Found:
        """The folder as found, with a record in the new cache unless the old one's says the same."""
        old = look.record
        folders = [(name, below.id, below.offset) for name, _, _, below in look.folders]
        if (
            old is not None
            and look.offset is not None
            and not self.new.anew
            and old.tree_id == tree_id
            and old.pieces == look.pieces
            and old.folders == folders
            and (old.racy, old.plain, old.ignored, old.stored) == (racy, plain, look.ignored, stored)
        ):
            return _Found(tree_id, size, count, look.offset, old.span)
        span = sum(below.span for _, _, _, below in look.folders)
        span += len(data) + len(look.pieces) + 60 * len(folders) + 100
        record = Record(
            data, tree_id, size, count, look.pieces, folders, span, racy, plain, look.ignored, stored
        )
        return _Found(tree_id, size, count, self.new.add(record), span)

    # -- one file

    def _read(
        self, parent: int, name: bytes, path: bytes, status: os.stat_result
    ) -> tuple[Entry, bool] | None:
        """The entry of a file or link, its content put, and whether it held still; None: left out."""
        kind = stat.S_IFMT(status.st_mode)
        try:
            if kind == stat.S_IFLNK:
                target = os.readlink(name, dir_fd=parent)
                return Entry(name, LINK, 0o777, status.st_mtime_ns, 0, target=os.fsencode(target)), True
            if kind != stat.S_IFREG:
                self.warn(path, f"is {_SPECIAL.get(kind, 'not a file')} and is left out")
                return None
            return self._read_file(parent, name, path, status)
        except FileNotFoundError:
            self.warn(path, "vanished while the snapshot was taken")
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
        return None

    def _read_file(
        self, parent: int, name: bytes, path: bytes, status: os.stat_result
    ) -> tuple[Entry, bool] | None:
        steady = False
        for _ in range(TRIES):
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=parent)
            try:
                if status.st_size > WHOLE:
                    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                        self.warn(path, "became something else while the snapshot was taken")
                        return None
                    content, size = self.writer.put_stream(self._reader(descriptor, status.st_size + 1))
                    small = False
                else:
                    size = os.readv(descriptor, [self.writer.space()])
                    content, small = [], True
                after = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            if not stat.S_ISREG(after.st_mode):
                self.warn(path, "became something else while the snapshot was taken")
                return None
            steady = size == after.st_size and _still(status, after)
            status = after
            if steady:
                break
        if small and size > WHOLE:  # it grows
            content, size = self.writer.put_stream(io.BytesIO(self.writer.space()).readinto)
        elif small and size:
            content = [self.writer.put_space(size)]
        if not steady:
            self.warn(path, "changed while it was read")
        if status.st_mode & 0o6000:
            self.warn(path, "its set-user-id or set-group-id bit is not kept")
        group = self._group(path, status) if status.st_nlink > 1 else 0
        mode = stat.S_IMODE(status.st_mode) & 0o777
        return Entry(name, FILE, mode, status.st_mtime_ns, size, content, group=group), steady

    def _reader(self, descriptor: int, limit: int) -> Callable[[memoryview], int]:
        """Reads `limit` bytes and no more: a file may grow as fast as it is read."""
        left = limit

        def read(buffer: memoryview) -> int:
            nonlocal left
            self.reporter.check()
            got = os.readv(descriptor, [buffer[: min(READ, left)]])
            left -= got
            return got

        return read

    def _group(self, path: bytes, status: os.stat_result) -> int:
        """The group of a file with several names: from the first of its paths, the same in every instance."""
        key = (status.st_dev, status.st_ino)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = int.from_bytes(blake3(path).digest(6), "big") or 1
        return group

    # -- `.nuvtui`, of which only the ignore file is kept

    def _dot(self, descriptor: int, folders: list[tuple[bytes, int, int]], pieces: list[bytes]) -> None:
        try:
            status = os.stat(f"{DOT}/ignore", dir_fd=descriptor, follow_symlinks=False)
            above = os.stat(DOT, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            return
        if not stat.S_ISREG(status.st_mode) or not stat.S_ISDIR(above.st_mode):
            return
        # The folder itself changes with every table: it is kept with a fixed mode and the file's time.
        mode = stat.S_IFDIR | 0o755
        folders.append((_DOT, mode, status.st_mtime_ns))
        folders.sort(key=lambda item: item[0])
        pieces.append(_DOT + b"\0" + _pack(mode, 0, status.st_mtime_ns, 0, 0))
        pieces.sort(key=lambda item: item[: item.index(0)])

    def _scan_dot(self, parent: int, offset: int | None) -> _Found | None:
        """The tree of `.nuvtui`: the ignore file alone. It is small and is read every time."""
        path = _DOT + b"/ignore"
        try:
            descriptor = os.open(DOT, _FOLDER_FLAGS, dir_fd=parent)
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
            return None
        try:
            status = os.stat("ignore", dir_fd=descriptor, follow_symlinks=False)
            read = self._read(descriptor, b"ignore", path, status)
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
            return None
        finally:
            os.close(descriptor)
        if read is None:
            return None
        entry = _regroup(read[0], 0)
        data = tree_format.encode([entry])
        tree_id = self.writer.put_tree(data)
        piece = b"ignore\0" + _piece(status)
        record = self.old.record(offset) if offset is not None else None
        look = _Look(parent, path, [], [], piece, offset, record, [], [])
        return self._record(look, tree_id, data, entry.size, 1, [b"ignore"], False, self.reads)


def _by_name(items: list[os.DirEntry[str]]) -> list[tuple[bytes, os.DirEntry[str]]]:
    """The entries with their names as bytes, sorted by these."""
    named = [(item.name.encode(_ENCODING, _ERRORS), item) for item in items]
    named.sort(key=_first)
    return named


def _piece(status: os.stat_result) -> bytes:
    return _pack(status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _still(before: os.stat_result, after: os.stat_result) -> bool:
    """True where a file is the one it was, and unchanged."""
    return (
        before.st_mtime_ns == after.st_mtime_ns
        and before.st_size == after.st_size
        and before.st_ctime_ns == after.st_ctime_ns
        and before.st_ino == after.st_ino
        and before.st_mode == after.st_mode
    )


def _regroup(entry: Entry, group: int) -> Entry:
    return Entry(
        entry.name, entry.kind, entry.mode, entry.mtime_ns, entry.size, entry.content, entry.target, group
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
