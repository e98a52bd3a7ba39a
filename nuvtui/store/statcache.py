"""The stat cache of an instance: what the last scan saw of each file, so that it need not be read again.

It may be thrown away at any time; whatever is wrong with it, it counts as empty. Layout, version 2:
records, one a folder, a folder after the folders in it, each

     8 bytes  first 8 bytes of the BLAKE3 of the record
     4 bytes  its length
     …        msgpack of `Record`

and at the end of the file (48 bytes of numbers, big-endian, then the first 8 bytes of their BLAKE3)

     8 bytes  "NUVSTAT" and the version (0x02)
     8 bytes  offset of the root folder's record
    16 bytes  the store's generation for which `Record.stored` holds
     8 bytes  what the clock said (ns) when the scan began that wrote this
     8 bytes  what it said when the scan began that read every file, the last one that did

A scan adds the records of changed folders at the end, with new ones for the folders above up to the root, and
refers to the old records of the others: nothing changed costs no write, one file changed costs a few records.
When more than half of the file is no longer in use, the next scan writes it anew. Writers hold a lock
(flock) on the file.
"""

import contextlib
import fcntl
import mmap
import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from blake3 import blake3

from nuvtui import atomic
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import Entry

MAGIC = b"NUVSTAT\x02"
HEAD = struct.Struct(">8sI")
TAIL = struct.Struct(">8sQ16sQQ8s")
PIECE = struct.Struct(">IQQQQ")
"""Of a name: mode, size, mtime, ctime (ns), inode; of a folder only mode and mtime, the others 0. See `piece`."""

_WRAP = (1 << 64) - 1
_groups: Callable[[re.Match[bytes]], Any] = re.Match.groups


def piece(status: os.stat_result, changed_ns: int | None = None) -> bytes:
    """What is remembered of a file; times before 1970 or after 2554 by their last 64 bits.

    `changed_ns`: its time of change, where it is to be another one than the present.
    """
    return PIECE.pack(
        status.st_mode,
        status.st_size,
        status.st_mtime_ns & _WRAP,
        (status.st_ctime_ns if changed_ns is None else changed_ns) & _WRAP,
        status.st_ino,
    )


_ONE = re.compile(rb"([^\0]+)\0(.{%d})" % PIECE.size, re.DOTALL)


def split(pieces: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and `PIECE` of everything in `Record.pieces`."""
    return map(_groups, _ONE.finditer(pieces))


class Record(msgspec.Struct, array_like=True, frozen=True):
    """What the last scan saw of a folder."""

    tree: bytes
    """Its tree object."""
    tree_id: bytes
    size: int
    count: int
    pieces: bytes
    """Of every name that the folder lists, sorted: name, NUL, `PIECE`."""
    folders: list[tuple[bytes, bytes, int]]
    """The folders in its tree, in order: name, id of the tree, offset of the record."""
    span: int
    """Bytes of the records of the folder and all below it, roughly."""
    racy: list[bytes] = []
    """Names of files that may have changed since without a trace in their times."""
    plain: bool = True
    """True where equal pieces mean an equal tree: no hard links, no warnings, nothing racy."""
    ignored: list[bytes] = []
    """Names that the ignore file left out; of folders with `/` at the end."""
    stored: bool = False
    """True where the store held the tree and its files' contents."""


KNOWN = 1000
"""Folders that are kept decoded for look-ups."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class StatCache:
    """A stat cache as it was when it was opened."""

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        """Of the file at `path`; `descriptor`: that file, where it is open already."""
        self.path = path
        self.length = 0
        self.root: int | None = None
        self.generation = b""
        self.written = 0
        """What the clock said (ns) when the scan began that wrote this."""
        self.whole = 0
        """What it said when the scan began that read every file."""
        self._map: mmap.mmap | None = None
        self._known: dict[bytes, tuple[Record, dict[bytes, bytes]] | None] = {}
        with contextlib.suppress(OSError, ValueError):
            if descriptor is None:
                self._open()
            else:
                self._read(descriptor)

    def _open(self) -> None:
        descriptor = atomic.open_file(self.path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._read(descriptor)
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # said aloud: the mapping keeps a copy of the descriptor
            os.close(descriptor)

    def _read(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size < TAIL.size:
            return
        mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        tail = mapped[size - TAIL.size :]
        magic, root, generation, written, whole, check = TAIL.unpack(tail)
        if magic == MAGIC and blake3(tail[:-8]).digest(8) == check:
            self._map, self.length, self.root, self.generation = mapped, size, root, generation
            self.written, self.whole = written, whole

    def forget(self) -> None:
        """Count as empty from now on."""
        self.length, self.root, self.generation, self.written, self.whole = 0, None, b"", 0, 0

    def record(self, offset: int) -> Record | None:
        """The record at `offset`; None where it is damaged."""
        if self._map is None or offset + HEAD.size > self.length:
            return None
        check, length = HEAD.unpack_from(self._map, offset)
        body = memoryview(self._map)[offset + HEAD.size : offset + HEAD.size + length]
        if len(body) != length or blake3(body).digest(8) != check:
            return None
        try:
            return _decoder.decode(body)
        except msgspec.DecodeError:
            return None

    def find(self, path: str) -> tuple[Record, bytes] | None:
        """The record of the folder that `path` (relative) lies in, and its `PIECE`; None: not seen."""
        folder, _, name = os.fsencode(path).rpartition(b"/")
        found = self._folder(folder)
        piece = found[1].get(name) if found is not None else None
        return (found[0], piece) if found is not None and piece is not None else None

    def _folder(self, path: bytes) -> tuple[Record, dict[bytes, bytes]] | None:
        missing = []
        while path not in self._known:
            missing.append(path)
            if not path:
                break
            path = path.rpartition(b"/")[0]
        found = self._known.get(path)
        for path in reversed(missing):
            offset = self.root
            if path:
                name = path.rpartition(b"/")[2]
                listed = found[0].folders if found is not None else []
                offset = next((at for known, _, at in listed if known == name), None)
            record = self.record(offset) if offset is not None else None
            found = (record, dict(split(record.pieces))) if record is not None else None
            if len(self._known) > KNOWN:
                self._known.clear()
            self._known[path] = found
        return found


class CacheWriter:
    """Gathers the records of a scan in a temporary file; `publish` makes them the cache."""

    def __init__(self, base: StatCache, anew: bool) -> None:
        self._path = base.path
        self._base = base
        root = base.record(base.root) if base.root is not None else None
        self.anew = anew or root is None or base.length > 2 * root.span + (1 << 20)
        """True where no record of the old file is referred to."""
        self._start = 0 if self.anew else base.length
        self._length = self._start
        self._temporary = atomic.temporary_name(base.path)
        self._file: BinaryIO | None = None
        self._last = 0
        self._broken = False

    def add(self, record: Record) -> int:
        """Add a record; its offset. Where the disk does not take it, there will be no new cache."""
        body = _encoder.encode(record)
        if not self._broken:
            try:
                self._write(HEAD.pack(blake3(body).digest(8), len(body)))
                self._write(body)
            except OSError:
                self._broken = True
                self.discard()
        self._last = self._length
        self._length += HEAD.size + len(body)
        return self._last

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(descriptor, "w+b", buffering=1 << 18)
        self._file.write(data)

    def publish(self, generation: bytes, written: int, whole: int) -> StatCache | None:
        """Make the records the cache, the last one its root. Errors leave the old cache, or none.

        `written`, `whole`: see `StatCache`.

        Returned is the cache as these records make it, whatever another scan puts in its place later; None where
        another scan was quicker.
        """
        if self._file is None:
            return None if self._broken else self._base
        tail = TAIL.pack(MAGIC, self._last, generation.ljust(16, b"\0")[:16], written, whole, b"")[:-8]
        tail += blake3(tail).digest(8)
        self._file.write(tail)
        self._file.flush()
        if self.anew:
            os.replace(self._temporary, self._path)
            published: StatCache | None = StatCache(self._path, self._file.fileno())
        else:
            published = self._append()
        self.discard()
        return published

    def _append(self) -> StatCache | None:
        assert self._file is not None
        target = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(target, fcntl.LOCK_EX)
            if os.fstat(target).st_size != self._start:
                return None  # somebody else has written it meanwhile: theirs is as good
            os.lseek(target, 0, os.SEEK_END)
            self._file.seek(0)
            while data := self._file.read(1 << 20):
                atomic.write_all(target, data)
            return StatCache(self._path, target)
        finally:
            fcntl.flock(target, fcntl.LOCK_UN)  # said aloud: the mapping keeps a copy of the descriptor
            os.close(target)

    def discard(self) -> None:
        """Remove the temporary file; the cache stays as it was."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)


class KnownFiles:
    """What a record has of the files of its folder, by names that are asked for in their order."""

    def __init__(self, record: Record | None) -> None:
        """Look up files in `record`; with None no file is known."""
        self._untrusted = frozenset(record.racy) if record is not None else frozenset()
        self._pieces = split(record.pieces) if record is not None else iter(())
        self._entries = tree_format.each(record.tree) if record is not None else iter(())
        self._piece = next(self._pieces, None)
        self._entry = next(self._entries, None)

    def find(self, name: bytes, piece: bytes) -> Entry | None:
        """The entry of the file `name` where it looks as it did (`PIECE`) and that can be trusted."""
        while self._entry is not None and self._entry.name < name:
            self._entry = next(self._entries, None)
        while self._piece is not None and self._piece[0] < name:
            self._piece = next(self._pieces, None)
        if self._piece != (name, piece) or name in self._untrusted:
            return None
        entry = self._entry
        return entry if entry is not None and entry.name == name else None
