"""Scanning folders: each is listed once, compared with the stat cache, and only what differs is read.

What is the same as the cache has it, with everything below, costs a look at each name and nothing else. Folders
come before files, deepest first: whether they are the same decides whether the folder above is.
"""

import contextlib
import os
import stat
import struct
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nuvtui.atomic import is_temporary
from nuvtui.model import tree as tree_format
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import Warning
from nuvtui.model.tree import EARLIEST, FILE, FOLDER, LATEST, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.store import helpers, ignore
from nuvtui.store.descent import Descent
from nuvtui.store.file_reader import FileReader, OpenFolder, nearest_time, regroup
from nuvtui.store.helpers import Helpers, Part
from nuvtui.store.statcache import PIECE, CacheWriter, KnownFiles, Record, StatCache, piece, split
from nuvtui.store.tree_only_writer import TreeOnlyWriter
from nuvtui.store.writeback import Writeback
from nuvtui.store.writer import ObjectWriter

OFTEN = 512
"""Files of one folder that are recorded before it is looked whether to stop."""
NARROW = 5000
"""Names of a new folder that are kept at hand; of a larger one they are taken from its record."""

_DOT = DOT.encode()
_pack = PIECE.pack
_WRAP = (1 << 64) - 1
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_KIND, _IS_FOLDER = 0o170000, stat.S_IFDIR


@dataclass
class ScannedFolder:
    """Result of scanning a folder: its tree object, totals of files and bytes, and its record in the stat cache."""

    id: bytes
    size: int
    count: int
    offset: int
    """Of its record in the cache, old or new."""
    span: int


_Walk = Generator["_Walk", ScannedFolder | None, ScannedFolder | None]
"""A folder being scanned: gives the folders in it, takes what was found there, and ends with what was found."""


class _DiffersError(Exception):
    """Something is not as the cache has it."""


class _Subfolder(NamedTuple):
    """A subfolder that was scanned, with its own name, mode and time."""

    name: bytes
    mode: int
    mtime_ns: int
    found: ScannedFolder


@dataclass
class _Listing:
    """Names and stat values of one folder, before any file in it is read."""

    pieces: bytes
    listed: list[tuple[bytes, bytes]] | None
    """What `pieces` holds, where it is at hand."""
    folders: list[_Subfolder]
    linked: dict[bytes, int]
    """Files with several names, and the devices that they lie on."""
    offset: int | None
    record: Record | None
    ignored: list[bytes]
    racy: list[bytes]


class FolderScanner:
    """One scan: from the root folder of the workspace down, with what the stat cache remembers of each folder."""

    def __init__(
        self,
        rules: ignore.Rules,
        writer: ObjectWriter | TreeOnlyWriter,
        old: StatCache,
        new: CacheWriter,
        reporter: Reporter,
        started: int,
        limit: int,
        reread: bool,
    ) -> None:
        """`started`: when the scan began (ns). `limit`: what was changed at this time (ns) or later is not trusted."""
        self.rules = rules
        self.writer = writer
        self.reads = isinstance(writer, ObjectWriter)
        self.old = old
        self.new = new
        self.reporter = reporter
        self.reread = reread
        self.warnings: list[Warning] = []
        self.done = 0
        self.parts: dict[int, Part] = {}
        """By the offsets of their records: what helpers may have looked at."""
        self.helpers: Helpers | None = None
        self.helping = False
        """True in a helper, which only looks whether anything differs."""
        self.trusted = old.generation == writer.generation.ljust(16, b"\0")[:16]
        if isinstance(writer, ObjectWriter) and not writer.whole:
            self.trusted = False
        self.limit = limit
        self.home = _identity(writer.store.home.root)
        self.files = FileReader(writer, reporter, Writeback(started, self.reads), self.warn)
        self.way = Descent(-1)
        """To the folder that is being scanned."""

    def warn(self, path: bytes, reason: str) -> None:
        self.warnings.append(Warning(path_to_text(os.fsdecode(path)), reason))

    def workspace(self, descriptor: int) -> ScannedFolder | None:
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

    def _run(self, workspace: int, names: list[bytes], offset: int | None) -> ScannedFolder | None:
        """Scan a folder below the open workspace, however deep that goes. Raises OSError where it is not there."""
        self.way = Descent(workspace)
        walks: list[_Walk] = []
        found: ScannedFolder | None = None
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
        listing, inner = self._list(names, offset)
        del names
        record = listing.record
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
                listing.folders.append(_Subfolder(name, mode, mtime, found))
        steady = len(self.warnings) == warned
        if (
            record is not None
            and record.plain
            and record.pieces == listing.pieces
            and record.ignored == listing.ignored
            and steady
            and not listing.racy
            and not listing.linked
            and len(listing.folders) == len(record.folders)
            and all(
                below.found.id == old[1] for below, old in zip(listing.folders, record.folders, strict=True)
            )
            and self._kept(record)
        ):
            self.done += record.count - sum(below.found.count for below in listing.folders)
            self.reporter.progress(self.done, None, "files", "")
            stored = record.stored and self.trusted
            return self._record(
                listing, record.tree_id, record.tree, record.size, record.count, [], True, stored
            )
        return self._changed(listing, steady and not listing.linked)

    def _list(self, names: list[bytes], offset: int | None) -> tuple[_Listing, list[tuple[bytes, int, int]]]:
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
        return _Listing(bytes(pieces), listed, [], linked, offset, record, ignored, racy), folders

    def _kept(self, record: Record) -> bool:
        """True where a folder that looks the same needs no reading; sees to it that its tree is at hand."""
        if self.reread:
            return False
        if not self.reads and not self.helping:
            if not (record.stored and self.trusted):
                self.writer.put_tree(record.tree)
            return True
        return record.stored and self.trusted

    def _helped(self, offset: int | None) -> ScannedFolder | None:
        """A folder of which a helper has said that it is as its record at `offset` has it."""
        if offset not in self.parts or self.helpers is None or not self.helpers.same(offset):
            return None
        record = self.old.record(offset)
        if record is None:
            return None
        self.done += record.count
        return ScannedFolder(record.tree_id, record.size, record.count, offset, record.span)

    def _enter(self, name: bytes) -> bool:
        try:
            self.way.enter(name)
        except OSError as error:
            self.warn(self.way.base + name, f"the folder cannot be read: {error.strerror}")
            return False
        return True

    def _changed(self, listing: _Listing, plain: bool) -> ScannedFolder:
        """A folder that is new or not the same: make its tree, reading only the files that differ."""
        if self.helping:
            raise _DiffersError
        base = self.way.base
        known = KnownFiles(listing.record) if listing.record is not None else None
        certain = self.trusted and listing.record is not None and listing.record.stored
        warned = len(self.warnings)
        folders = {below.name: below for below in listing.folders}
        untrusted = set(listing.racy)
        out = tree_format.Builder()
        some: list[Entry] = []
        on: OpenFolder | None = None
        stored = True
        has = self.writer.has
        size = count = files = 0
        for name, seen in listing.listed or split(listing.pieces):
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
                if name in listing.linked and old.kind == FILE:
                    inode = int.from_bytes(seen[-8:], "big")
                    group = self.files.group(base + name, listing.linked[name], inode)
                entry = old if group == old.group else regroup(old, group)
            else:
                on = on or self.files.folder(self.way)
                read = self.files.read(base, name, seen, on)
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
        return self._record(listing, tree_id, data, size, count + files, sorted(untrusted), plain, stored)

    def _record(
        self,
        listing: _Listing,
        tree_id: bytes,
        data: bytes,
        size: int,
        count: int,
        racy: list[bytes],
        plain: bool,
        stored: bool,
    ) -> ScannedFolder:
        """The folder as found, with a record in the new cache unless the old one's says the same."""
        old = listing.record
        folders = [(below.name, below.found.id, below.found.offset) for below in listing.folders]
        if (
            old is not None
            and listing.offset is not None
            and not self.new.anew
            and old.tree_id == tree_id
            and old.pieces == listing.pieces
            and old.folders == folders
            and (old.racy, old.plain, old.ignored, old.stored) == (racy, plain, listing.ignored, stored)
        ):
            return ScannedFolder(tree_id, size, count, listing.offset, old.span)
        span = sum(below.found.span for below in listing.folders)
        span += len(data) + len(listing.pieces) + 60 * len(folders) + 100
        record = Record(
            data, tree_id, size, count, listing.pieces, folders, span, racy, plain, listing.ignored, stored
        )
        return ScannedFolder(tree_id, size, count, self.new.add(record), span)

    def _tell(self, path: bytes, mode: int, entry: Entry) -> None:
        """Name what of a file or folder is not kept, each time, read or not."""
        if mode & 0o6000 and entry.kind == FILE:
            self.warn(path, "its set-user-id or set-group-id bit is not kept")
        if not EARLIEST < entry.mtime_ns < LATEST:
            self.warn(path, "its time of modification is kept as the nearest from 1677 to 2554")

    # -- `.nuvtui`, of which only the ignore file is kept

    def _scan_dot(self, offset: int | None) -> ScannedFolder | None:
        """The tree of `.nuvtui`: the ignore file alone. It is small and is read every time."""
        path = _DOT + b"/ignore"
        try:
            self.way.enter(_DOT)
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
            return None
        try:
            seen = piece(os.stat("ignore", dir_fd=self.way.descriptor, follow_symlinks=False))
            read = self.files.read(_DOT + b"/", b"ignore", seen, self.files.folder(self.way))
        except OSError as error:
            self.warn(path, f"cannot be read: {error.strerror}")
            return None
        finally:
            self.way.leave()
        if read is None:
            return None
        entry = regroup(read[0], 0)
        data = tree_format.encode([entry])
        tree_id = self.writer.put_tree(data)
        record = self.old.record(offset) if offset is not None else None
        listing = _Listing(b"ignore\0" + seen, None, [], {}, offset, record, [], [])
        return self._record(listing, tree_id, data, entry.size, 1, [b"ignore"], False, self.reads)


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


def _folder_entry(below: _Subfolder) -> Entry:
    found = below.found
    bits = stat.S_IMODE(below.mode) & 0o3777
    return Entry(
        below.name, FOLDER, bits, nearest_time(below.mtime_ns), found.size, [found.id], count=found.count
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
