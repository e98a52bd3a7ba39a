"""From a workspace to trees: what a snapshot of its files holds.

Left out: `.nuvtui/` but for `.nuvtui/ignore`, and whatever that file names (gitignore syntax). Left out and named in
the warnings: pipes, sockets, devices, what cannot be read, what vanishes meanwhile, the store itself where it lies in
the workspace, nuvtui's own temporaries. A file that changes while it is read is read again; where it goes on changing
it is kept as last read, and named.

Kept of a file: permission bits without set-user-id and set-group-id (a snapshot may be restored by somebody
else), time of modification, contents, hard links. Not kept: owner, extended attributes.

Files whose size, times and inode are those of the stat cache are not read. Never trusted is a file that was modified
within `MARGIN` before the scan began, or later (it may be written again within the clock's tick), one of which the
kernel does not say that later writes set its times (`writeback`), and anything at all where the clock now shows an
earlier time than when the cache was written.

A folder is gone through from its listing, sorted by name, once; nothing is kept of a name but the bytes that the
cache and the tree need, so that a folder of any width takes little memory. Depth takes no stack and no descriptors.
"""

import contextlib
import io
import os
import stat
import struct
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from nuvtui.atomic import is_temporary
from nuvtui.errors import Exit, NuvError
from nuvtui.model import tree as tree_format
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import Warning
from nuvtui.model.tree import EARLIEST, FILE, FOLDER, LATEST, LINK, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.store import helpers, ignore
from nuvtui.store.descent import Descent
from nuvtui.store.helpers import Helpers, Part
from nuvtui.store.statcache import PIECE, CacheWriter, Known, Record, StatCache, piece, split
from nuvtui.store.writeback import Kind, Writeback
from nuvtui.store.writer import WHOLE, ZERO, TreeOnlyWriter, Writer

__all__ = ["MARGIN", "ScanResult", "TreeOnlyWriter", "scan"]

MARGIN = 2_000_000_000
"""Nanoseconds: the coarsest tick of a file system's clock that is reckoned with."""
READ = 4 << 20
"""Bytes that are read of a large file before it is looked whether to stop."""
OFTEN = 512
"""Files of one folder that are recorded before it is looked whether to stop."""
NARROW = 5000
"""Names of a new folder that are kept at hand; of a larger one they are taken from its record."""
TRIES = 3
"""A file that changes while it is read is read so many times."""
LARGEST = 32 << 40
"""Bytes of the largest file that can be kept."""

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_DOT = DOT.encode()
_pack, _unpack = PIECE.pack, PIECE.unpack
_WRAP = (1 << 64) - 1
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_KIND, _IS_FOLDER, _IS_FILE, _IS_LINK = 0o170000, stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK

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


def scan(
    workspace: Path,
    writer: Writer | TreeOnlyWriter,
    cache: Path,
    reporter: Reporter,
    *,
    reread: float | None = None,
) -> ScanResult:
    """Read the workspace files into `writer`, with the help of the stat cache `cache`.

    With a Writer the cache is brought up to date when the writer commits. `reread`: read every file, whatever the
    cache says, where that was last done so many seconds ago or more; None: never.

    Raises NuvError where the workspace cannot be listed or its ignore file not be read, StoreError where the store
    fails, Cancelled.
    """
    started = time.time_ns()
    old = StatCache(cache)
    if started < old.written:
        old.forget()  # the clock was set back: what is written now may have a time that was seen before
    due = reread is not None and not started - reread * 1e9 < old.whole <= started
    new = CacheWriter(old, anew=due or old.generation != writer.generation.ljust(16, b"\0")[:16])
    try:
        descriptor = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NuvError(
            f"Workspace {workspace} cannot be read", error.strerror or str(error), "", Exit.NOT_FOUND
        ) from error
    publish = True
    try:
        scanner = _Scanner(ignore.read(descriptor), writer, old, new, reporter, started, due)
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
    whole = started if due or old.root is None else old.whole

    def keep() -> None:
        nonlocal seen
        if time.time_ns() < started:
            new.discard()  # the clock was set back meanwhile: no time that was seen says anything
            return
        # A cache that cannot be written costs time at the next scan, nothing else.
        try:
            seen = new.publish(writer.generation, started, whole)
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


_Walk = Generator["_Walk", _Found | None, _Found | None]
"""A folder being scanned: gives the folders in it, takes what was found there, and ends with what was found."""


class _DiffersError(Exception):
    """Something is not as the cache has it."""


class _Below(NamedTuple):
    """A folder in a folder."""

    name: bytes
    mode: int
    mtime_ns: int
    found: _Found


class _On(NamedTuple):
    """The folder whose files are read."""

    descriptor: int
    device: int
    kind: Kind
    """Of the file system that it lies on."""
    settled: int
    """What was last changed before (ns) needs no care."""


@dataclass
class _Look:
    """A folder as listed."""

    pieces: bytes
    listed: list[tuple[bytes, bytes]] | None
    """What `pieces` holds, where it is at hand."""
    folders: list[_Below]
    linked: dict[bytes, int]
    """Files with several names, and the devices that they lie on."""
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
        started: int,
        reread: bool,
    ) -> None:
        self.rules = rules
        self.writer = writer
        self.reads = isinstance(writer, Writer)
        self.old = old
        self.new = new
        self.reporter = reporter
        self.reread = reread
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
        self.limit = started - MARGIN
        self.home = _identity(writer.store.home.root)
        self.writeback = Writeback(started, self.reads)
        self.way = Descent(-1)
        """To the folder that is being scanned."""

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
            return self._run(descriptor, [], self.old.root)
        finally:
            if self.helpers is not None:
                self.helpers.close()

    def _same(self, workspace: int, part: Part, reporter: Reporter) -> bool:
        """In a helper: True where a folder and all below it are as the cache has them."""
        self.helping = True
        self.reporter = reporter
        self.warnings.clear()
        with contextlib.suppress(_DiffersError, OSError):
            found = self._run(workspace, part.path.split(b"/"), part.offset)
            return found is not None and not self.warnings
        return False

    def _run(self, workspace: int, names: list[bytes], offset: int | None) -> _Found | None:
        """Scan a folder below the open workspace, however deep that goes. Raises OSError where it is not there."""
        self.way = Descent(workspace)
        walks: list[_Walk] = []
        found: _Found | None = None
        try:
            for name in names:
                self.way.enter(name)
            walks.append(self.folder(offset))
            while walks:
                try:
                    walks.append(walks[-1].send(found))
                    found = None
                except StopIteration as ended:
                    walks.pop()
                    found = ended.value
            return found
        finally:
            while walks:
                walks.pop().close()
            self.way.close()

    def folder(self, offset: int | None) -> _Walk:
        """Scan the folder at the end of the way, whose record is at `offset`. None where it cannot be listed."""
        self.reporter.check()
        try:
            names = _names(self.way.descriptor)
        except OSError as error:
            self.warn(self.way.path, f"the folder cannot be read: {error.strerror}")
            return None
        warned = len(self.warnings)
        look, inner = self._look(names, offset)
        del names
        record = look.record
        # folders first: whether they are the same decides whether this one is
        offsets = {name: at for name, _, at in record.folders} if record is not None else {}
        for name, mode, mtime in inner:
            at = offsets.get(name)
            found = self._helped(at)
            if name == _DOT and not self.way.depth:
                found = self._scan_dot(at)
            elif found is None and self._enter(name):
                try:
                    found = yield self.folder(at)
                finally:
                    self.way.leave()
            if found is not None:
                look.folders.append(_Below(name, mode, mtime, found))
        steady = len(self.warnings) == warned
        if (
            record is not None
            and record.plain
            and record.pieces == look.pieces
            and record.ignored == look.ignored
            and steady
            and not look.racy
            and not look.linked
            and len(look.folders) == len(record.folders)
            and all(below.found.id == old[1] for below, old in zip(look.folders, record.folders, strict=True))
            and self._kept(record)
        ):
            self.done += record.count - sum(below.found.count for below in look.folders)
            self.reporter.progress(self.done, None, "files", "")
            stored = record.stored and self.trusted
            return self._record(
                look, record.tree_id, record.tree, record.size, record.count, [], True, stored
            )
        return self._changed(look, steady and not look.linked)

    def _look(self, names: list[bytes], offset: int | None) -> tuple[_Look, list[tuple[bytes, int, int]]]:
        """Look at everything that a folder lists; with the folders in it: name, mode, mtime."""
        top = not self.way.depth
        base = self.way.base
        descriptor = self.way.descriptor
        pieces = bytearray()
        folders: list[tuple[bytes, int, int]] = []
        linked: dict[bytes, int] = {}
        ignored: list[bytes] = []
        racy: list[bytes] = []
        listed: list[tuple[bytes, bytes]] | None = [] if offset is None and len(names) < NARROW else None
        limit = self.limit
        # What is done for every file of the workspace, every time: short, and with nothing called that need not be.
        ignores_file, ignores_folder = self.rules.files, self.rules.folders
        look, pack, is_folder = os.stat, _pack, _IS_FOLDER
        for name in names:
            if name.startswith(_DOT) and (name == _DOT or is_temporary(name)):
                if name != _DOT:
                    self.warn(base + name, "is unfinished work of nuvtui and is left out")
                elif not top:
                    self.warn(base + name, "belongs to another workspace and is left out")
                elif (own := _own(descriptor)) is not None:
                    seen = _folder_piece(*own)
                    pieces += b"%b\0%b" % (name, seen)
                    if listed is not None:
                        listed.append((name, seen))
                    folders.append((name, *own))
                continue
            try:
                status = look(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                self.warn(base + name, f"vanished or cannot be looked at: {error.strerror}")
                continue
            mode = status.st_mode
            if mode & _KIND != is_folder:
                if ignores_file is not None and ignores_file(base + name):
                    ignored.append(name)
                    continue
                modified, changed = status.st_mtime_ns, status.st_ctime_ns
                try:
                    seen = pack(mode, status.st_size, modified, changed, status.st_ino)
                except struct.error:
                    seen = piece(status)
                if status.st_nlink > 1:
                    linked[name] = status.st_dev
                if changed >= limit or modified >= limit:
                    racy.append(name)
            else:
                if ignores_folder is not None and ignores_folder(base + name):
                    ignored.append(name + b"/")
                    continue
                if (status.st_dev, status.st_ino) == self.home:
                    self.warn(base + name, "is the store itself and is left out")
                    continue
                seen = _folder_piece(mode, status.st_mtime_ns)
                folders.append((name, mode, status.st_mtime_ns))
            pieces += b"%b\0%b" % (name, seen)
            if listed is not None:
                listed.append((name, seen))
        record = self.old.record(offset) if offset is not None else None
        return _Look(bytes(pieces), listed, [], linked, offset, record, ignored, racy), folders

    def _kept(self, record: Record) -> bool:
        """True where a folder that looks the same needs no reading; sees to it that its tree is at hand."""
        if self.reread:
            return False
        if not self.reads and not self.helping:
            if not (record.stored and self.trusted):
                self.writer.put_tree(record.tree)
            return True
        return record.stored and self.trusted

    def _helped(self, offset: int | None) -> _Found | None:
        """A folder of which a helper has said that it is as its record at `offset` has it."""
        if offset not in self.parts or self.helpers is None or not self.helpers.same(offset):
            return None
        record = self.old.record(offset)
        if record is None:
            return None
        self.done += record.count
        return _Found(record.tree_id, record.size, record.count, offset, record.span)

    def _enter(self, name: bytes) -> bool:
        try:
            self.way.enter(name)
        except OSError as error:
            self.warn(self.way.base + name, f"the folder cannot be read: {error.strerror}")
            return False
        return True

    def _changed(self, look: _Look, plain: bool) -> _Found:
        """A folder that is new or not the same: make its tree, reading only the files that differ."""
        if self.helping:
            raise _DiffersError
        base = self.way.base
        known = Known(look.record) if look.record is not None else None
        certain = self.trusted and look.record is not None and look.record.stored
        warned = len(self.warnings)
        folders = {below.name: below for below in look.folders}
        untrusted = set(look.racy)
        out = tree_format.Builder()
        some: list[Entry] = []
        on: _On | None = None
        stored = True
        has = self.writer.has
        size = count = files = 0
        for name, seen in look.listed or split(look.pieces):
            mode = int.from_bytes(seen[:4], "big")
            if mode & _KIND == _IS_FOLDER:
                below = folders.get(name)
                if below is not None:
                    entry = _folder_entry(below)
                    self._tell(base + name, 0, entry)
                    some.append(entry)
                    size += entry.size
                    count += entry.count
                continue
            old = known.find(name, seen) if known is not None else None
            if (
                old is not None
                and not self.reread
                and (certain or not self.reads or all(has(item) for item in old.content))
            ):
                group = 0
                if name in look.linked and old.kind == FILE:
                    inode = int.from_bytes(seen[-8:], "big")
                    group = self._group(base + name, look.linked[name], inode)
                entry = old if group == old.group else _regroup(old, group)
            else:
                on = on or self._on()
                read = self._read(base, name, seen, on)
                if read is None:
                    continue
                entry, trusted = read
                if not trusted:
                    untrusted.add(name)
                if old is not None and trusted and old.content != entry.content:
                    self.warn(
                        base + name, "its bytes changed, and its times did not, since they were last read"
                    )
            if not self.reads and stored:
                stored = all(has(item) for item in entry.content)
            if mode & 0o6000 or not EARLIEST < entry.mtime_ns < LATEST:
                self._tell(base + name, mode, entry)
            some.append(entry)
            size += entry.size
            files += 1
            if not files % OFTEN:
                out.add(some)
                some.clear()
                on = None  # to be looked at again
                self.reporter.check()
                self.reporter.progress(self.done + files, None, "files", os.fsdecode(base))
        out.add(some)
        self.done += files
        self.reporter.progress(self.done, None, "files", os.fsdecode(base))
        del known  # of a wide folder it is large
        data = out.finish()
        tree_id = self.writer.put_tree(data)
        if not self.reads:
            stored = stored and has(tree_id)
        plain = plain and not untrusted and len(self.warnings) == warned
        return self._record(look, tree_id, data, size, count + files, sorted(untrusted), plain, stored)

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
        folders = [(below.name, below.found.id, below.found.offset) for below in look.folders]
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
        span = sum(below.found.span for below in look.folders)
        span += len(data) + len(look.pieces) + 60 * len(folders) + 100
        record = Record(
            data, tree_id, size, count, look.pieces, folders, span, racy, plain, look.ignored, stored
        )
        return _Found(tree_id, size, count, self.new.add(record), span)

    def _tell(self, path: bytes, mode: int, entry: Entry) -> None:
        """Name what of a file or folder is not kept, each time, read or not."""
        if mode & 0o6000 and entry.kind == FILE:
            self.warn(path, "its set-user-id or set-group-id bit is not kept")
        if not EARLIEST < entry.mtime_ns < LATEST:
            self.warn(path, "its time of modification is kept as the nearest from 1677 to 2554")

    # -- one file

    def _on(self) -> _On:
        """The folder at the end of the way."""
        try:
            descriptor = self.way.descriptor
            device = os.fstat(descriptor).st_dev
        except OSError:
            return _On(-1, 0, Kind.MEMORY, 0)  # it is gone, and so are its files: each will say so
        kind = self.writeback.kind(descriptor, device)
        return _On(descriptor, device, kind, self.writeback.settled(device, kind))

    def _read(self, base: bytes, name: bytes, seen: bytes, on: _On) -> tuple[Entry, bool] | None:
        """The entry of a file or link, its content put, and whether it can be trusted from now on; None: left out.

        `seen`: what it looked like when the folder was listed (`PIECE`).
        """
        look = _unpack(seen)
        try:
            if look[0] & _KIND == _IS_FILE:
                return self._read_file(base, name, look, on)
            if look[0] & _KIND == _IS_LINK:
                target = os.readlink(name, dir_fd=on.descriptor)
                status = os.stat(name, dir_fd=on.descriptor, follow_symlinks=False)
                entry = Entry(
                    name, LINK, 0o777, _kept_time(status.st_mtime_ns), 0, target=os.fsencode(target)
                )
                return entry, piece(status) == seen
            self.warn(base + name, f"is {_SPECIAL.get(look[0] & _KIND, 'not a file')} and is left out")
        except FileNotFoundError:
            self.warn(base + name, "vanished while the snapshot was taken")
        except OSError as error:
            self.warn(base + name, f"cannot be read: {error.strerror}")
        return None

    def _read_file(
        self, base: bytes, name: bytes, look: tuple[int, int, int, int, int], on: _On
    ) -> tuple[Entry, bool] | None:
        writer = self.writer
        for _ in range(TRIES):
            _, size, modified, changed, _ = look
            if size > LARGEST:
                self.warn(base + name, f"is larger than {LARGEST >> 40} TiB and is left out")
                return None
            large = size > WHOLE
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=on.descriptor)
            try:
                ready = (modified < on.settled and changed < on.settled) or self.writeback.ready(
                    descriptor, on.device, on.kind, not large
                )
                if large:
                    before = os.fstat(descriptor)
                    if not stat.S_ISREG(before.st_mode):
                        self.warn(base + name, "became something else while the snapshot was taken")
                        return None
                    # one byte more than there should be: it may grow as fast as it is read
                    if before.st_blocks * 512 + ZERO <= before.st_size:
                        content, got = writer.put_sparse(descriptor, size + 1, self.reporter.check)
                    else:
                        content, got = writer.put_stream(self._reader(descriptor, size + 1))
                else:
                    got = os.readv(descriptor, [writer.space()])
                    content = []
                after = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            mode, mtime = after.st_mode, after.st_mtime_ns
            if mode & _KIND != _IS_FILE:
                self.warn(base + name, "became something else while the snapshot was taken")
                return None
            now = (mode, after.st_size, mtime & _WRAP, after.st_ctime_ns & _WRAP, after.st_ino)
            steady = now == look and got == size
            if steady:
                break
            look = now
        if not large and got:
            if got > WHOLE:  # it grows
                content, got = writer.put_stream(io.BytesIO(writer.space()).readinto)
            else:
                content = [writer.put_space(got)]
        if not steady:
            self.warn(base + name, "changed while it was read")
        if not EARLIEST < mtime < LATEST:
            mtime = _kept_time(mtime)
        group = self._group(base + name, after.st_dev, after.st_ino) if after.st_nlink > 1 else 0
        entry = Entry(name, FILE, mode & 0o777, mtime, got, content, b"", group)
        return entry, steady and ready and after.st_dev == on.device

    def _reader(self, descriptor: int, limit: int) -> Callable[[memoryview], int]:
        """Reads `limit` bytes and no more."""
        left = limit

        def read(buffer: memoryview) -> int:
            nonlocal left
            self.reporter.check()
            got = os.readv(descriptor, [buffer[: min(READ, left)]])
            left -= got
            return got

        return read

    def _group(self, path: bytes, device: int, inode: int) -> int:
        """The group of a file with several names: from the first of its paths, the same in every instance."""
        group = self.groups.get((device, inode))
        if group is None:
            group = int.from_bytes(blake3(path).digest(6), "big") or 1
            self.groups[(device, inode)] = group
        return group

    # -- `.nuvtui`, of which only the ignore file is kept

    def _scan_dot(self, offset: int | None) -> _Found | None:
        """The tree of `.nuvtui`: the ignore file alone. It is small and is read every time."""
        path = _DOT + b"/ignore"
        try:
            self.way.enter(_DOT)
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
            return None
        try:
            seen = piece(os.stat("ignore", dir_fd=self.way.descriptor, follow_symlinks=False))
            read = self._read(_DOT + b"/", b"ignore", seen, self._on())
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
            return None
        finally:
            self.way.leave()
        if read is None:
            return None
        entry = _regroup(read[0], 0)
        data = tree_format.encode([entry])
        tree_id = self.writer.put_tree(data)
        record = self.old.record(offset) if offset is not None else None
        look = _Look(b"ignore\0" + seen, None, [], {}, offset, record, [], [])
        return self._record(look, tree_id, data, entry.size, 1, [b"ignore"], False, self.reads)


def _names(descriptor: int) -> list[bytes]:
    """The names in an open folder, sorted."""
    names = [name.encode(_ENCODING, _ERRORS) for name in os.listdir(descriptor)]
    names.sort()
    return names


def _own(descriptor: int) -> tuple[int, int] | None:
    """Mode and time of `.nuvtui` where it holds an ignore file.

    The folder itself changes with every table: it is kept with a fixed mode and the file's time.
    """
    try:
        status = os.stat(f"{DOT}/ignore", dir_fd=descriptor, follow_symlinks=False)
        above = os.stat(DOT, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or not stat.S_ISDIR(above.st_mode):
        return None
    return stat.S_IFDIR | 0o755, status.st_mtime_ns


def _folder_piece(mode: int, mtime_ns: int) -> bytes:
    return _pack(mode, 0, mtime_ns & _WRAP, 0, 0)


def _folder_entry(below: _Below) -> Entry:
    found = below.found
    bits = stat.S_IMODE(below.mode) & 0o3777
    return Entry(
        below.name, FOLDER, bits, _kept_time(below.mtime_ns), found.size, [found.id], count=found.count
    )


def _kept_time(mtime_ns: int) -> int:
    """A time of modification, as near as an entry can have it."""
    return min(max(mtime_ns, EARLIEST), LATEST)


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
