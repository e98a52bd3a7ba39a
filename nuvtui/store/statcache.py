"""The stat cache of an instance: what the last scan saw of each file, so that it need not be read again.

It may be thrown away at any time; whatever is wrong with it, it counts as empty. Layout, version 1:
records, one a folder, a folder after the folders in it, each

     8 bytes  first 8 bytes of the BLAKE3 of the record
     4 bytes  its length
     …        msgpack of `Record`

and at the end of the file (32 bytes of numbers, big-endian, then the first 8 bytes of their BLAKE3)

     8 bytes  "NUVSTAT" and the version (0x01)
     8 bytes  offset of the root folder's record
    16 bytes  the store's generation for which `Record.stored` holds

A scan adds the records of changed folders at the end, with new ones for the folders above up to the root, and
refers to the old records of the others: nothing changed costs no write, one file changed costs a few records.
When more than half of the file is no longer in use, the next scan writes it anew. Writers hold a lock
(flock) on the file.
"""

import contextlib
import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import BinaryIO

import msgspec
from blake3 import blake3

from nuvtui import atomic
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import Entry

MAGIC = b"NUVSTAT\x01"
HEAD = struct.Struct(">8sI")
TAIL = struct.Struct(">8sQ16s8s")
PIECE = struct.Struct(">IQqqQ")
"""Of a name: mode, size, mtime, ctime (ns), inode; of a folder only mode and mtime, the others 0."""


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

    def split(self) -> dict[bytes, bytes]:
        """`PIECE` bytes by name."""
        found, at, data = {}, 0, self.pieces
        while at < len(data):
            end = data.index(0, at)
            found[data[at:end]] = data[end + 1 : end + 1 + PIECE.size]
            at = end + 1 + PIECE.size
        return found


KNOWN = 1000
"""Folders that are kept decoded for look-ups."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class StatCache:
    """A stat cache as it was when it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self.root: int | None = None
        self.generation = b""
        self._map: mmap.mmap | None = None
        self._known: dict[bytes, tuple[Record, dict[bytes, bytes]] | None] = {}
        with contextlib.suppress(OSError, ValueError):
            self._open()

    def _open(self) -> None:
        descriptor = atomic.open_file(self.path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            size = os.fstat(descriptor).st_size
            if size < TAIL.size:
                return
            mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # said aloud: the mapping keeps a copy of the descriptor
            os.close(descriptor)
        tail = mapped[size - TAIL.size :]
        magic, root, generation, check = TAIL.unpack(tail)
        if magic == MAGIC and blake3(tail[:-8]).digest(8) == check:
            self._map, self.length, self.root, self.generation = mapped, size, root, generation

    def record(self, offset: int) -> Record | None:
        """The record at `offset`; None where it is damaged."""
        if self._map is None or offset + HEAD.size > self.length:
            return None
        check, length = HEAD.unpack_from(self._map, offset)
        body = self._map[offset + HEAD.size : offset + HEAD.size + length]
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
        if path not in self._known:
            if len(self._known) > KNOWN:
                self._known.clear()
            offset = self.root
            if path:
                above, _, name = path.rpartition(b"/")
                parent = self._folder(above)
                listed = parent[0].folders if parent is not None else []
                offset = next((at for known, _, at in listed if known == name), None)
            record = self.record(offset) if offset is not None else None
            self._known[path] = (record, record.split()) if record is not None else None
        return self._known[path]


class CacheWriter:
    """Gathers the records of a scan in a temporary file; `publish` makes them the cache."""

    def __init__(self, base: StatCache, anew: bool) -> None:
        self._path = base.path
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
        data = HEAD.pack(blake3(body).digest(8), len(body)) + body
        if not self._broken:
            try:
                self._write(data)
            except OSError:
                self._broken = True
                self.discard()
        self._last = self._length
        self._length += len(data)
        return self._last

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(descriptor, "w+b", buffering=1 << 18)
        self._file.write(data)

    def publish(self, generation: bytes) -> None:
        """Make the records the cache, the last one its root. Errors leave the old cache, or none."""
        if self._file is None:
            return
        tail = TAIL.pack(MAGIC, self._last, generation.ljust(16, b"\0")[:16], b"")[:-8]
        tail += blake3(tail).digest(8)
        self._file.write(tail)
        self._file.flush()
        if self.anew:
            os.replace(self._temporary, self._path)
        else:
            self._append()
        self.discard()

    def _append(self) -> None:
        assert self._file is not None
        target = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(target, fcntl.LOCK_EX)
            if os.fstat(target).st_size != self._start:
                return  # somebody else has written it meanwhile: theirs is as good
            os.lseek(target, 0, os.SEEK_END)
            self._file.seek(0)
            while data := self._file.read(1 << 20):
                atomic.write_all(target, data)
        finally:
            os.close(target)

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)


def entries(record: Record) -> dict[bytes, Entry]:
    """The entries of a record's tree by name."""
    return {entry.name: entry for entry in tree_format.decode(record.tree)}
