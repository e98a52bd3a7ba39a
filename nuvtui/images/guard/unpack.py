"""What is in an archive, in bounded memory and time, whatever the archive claims.

Archives are known by how they begin, not by what they are called. One budget holds for an archive and all that is
nested in it. Zip needs its end first, so it is kept in a temporary file without a name (private to the process,
in memory while small); the others are read as they come.
"""

import bz2
import contextlib
import gzip
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import zstandard

from nuvtui.images.guard import tarstream

DEPTH = 4
"""Archives in each other; a tar in a compressed file is two."""
MEMBERS = 10_000
UNPACKED = 256 << 20
RATIO, RATIO_FROM = 200, 16 << 20
"""From so many unpacked bytes on, what was packed so well counts as a bomb."""
_IN_MEMORY = 16 << 20
_DIRECTORY = 8 << 20
"""Bytes of a zip's directory, which is read as a whole."""
_XZ_MEMORY = 128 << 20
_ZST_WINDOW = 128 << 20
_ZST_BITE = 512
_PIECE = 1 << 18
HEAD = 512
"""Bytes that `kind` wants to see."""


class LimitError(Exception):
    """An archive is more than the budget allows; the text says in what."""


class DamagedError(Exception):
    """What begins like an archive and cannot be read to its end."""


@dataclass
class Budget:
    """What an archive and everything in it may cost."""

    members: int = 0
    unpacked: int = 0
    packed: int = 0

    def member(self) -> None:
        """One more member. Raises LimitError."""
        self.members += 1
        if self.members > MEMBERS:
            raise LimitError(f"more than {MEMBERS:,} members")

    def take(self, size: int) -> None:
        """So many unpacked bytes more. Raises LimitError."""
        self.unpacked += size
        if self.unpacked > UNPACKED:
            raise LimitError(f"more than {UNPACKED >> 20} MiB unpacked")
        if self.unpacked > RATIO_FROM and self.unpacked > RATIO * self.packed:
            raise LimitError(f"packed to less than 1/{RATIO}")


class Reader:
    """Pieces as a file that can only be read onwards."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes (all where negative); empty at the end."""
        if size < 0:
            return b"".join((self._take(), *self._pieces))
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._held = piece
        out, self._held = self._held[:size], self._held[size:]
        return out

    def readable(self) -> bool:
        """As a file is asked."""
        return True

    def _take(self) -> bytes:
        out, self._held = self._held, b""
        return out


@dataclass
class ArchiveMember:
    """Something in an archive."""

    name: str | None
    """None: the archive is the one file in compressed form."""
    pieces: Iterator[bytes] | None
    """None: encrypted."""


def kind(head: bytes) -> str | None:
    """What sort of archive begins like this: zip, gz, bz2, xz, zst, tar; None: none."""
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[:3] == b"\x1f\x8b\x08":
        return "gz"
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bz2"
    if head[:6] == b"\xfd7zXZ\0":
        return "xz"
    if head[:4] == b"\x28\xb5\x2f\xfd":
        return "zst"
    return "tar" if tarstream.is_tar(head) else None


def members(sort: str, pieces: Iterator[bytes], budget: Budget) -> Iterator[ArchiveMember]:
    """What is in the archive that `pieces` are; each member is to be read before the next is asked for.

    Raises LimitError and DamagedError, also out of a member's pieces; what `pieces` raises goes through.
    """
    if sort == "zip":
        yield from _zip(pieces, budget)
    elif sort == "tar":
        yield from _tar(pieces, budget)
    else:
        yield ArchiveMember(None, _unpacked(sort, pieces, budget))


_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError, tarstream.TarError,
           gzip.BadGzipFile, EOFError, struct.error, UnicodeDecodeError, NotImplementedError, RuntimeError)  # fmt: skip


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What readers of archives raise becomes a DamagedError."""
    try:
        yield
    except _BROKEN as error:
        raise DamagedError(str(error)) from error


def _unpacked(sort: str, pieces: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    source = _guarded(pieces)
    if sort == "xz":
        found = _xz(source)
    elif sort == "zst":
        found = _zst(source)
    else:
        found = _read(sort, cast("BinaryIO", Reader(source)))
    yield from _content(found, budget)


def _read(sort: str, source: BinaryIO) -> Iterator[bytes]:
    stream: IO[bytes]
    if sort == "gz":
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=source))
    else:
        stream = bz2.BZ2File(source)
    while piece := _next(stream):
        yield piece


def _zst(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """As the library's own reader, which takes a stream that is cut off for a whole one."""
    reader = zstandard.ZstdDecompressor(max_window_size=_ZST_WINDOW)
    stream = None
    for piece in pieces:
        # What is given at once comes out at once: four bytes can be a block of 128 KiB.
        for at in range(0, len(piece), _ZST_BITE):
            data = piece[at : at + _ZST_BITE]
            while data:
                stream = stream or reader.decompressobj()
                if out := stream.decompress(data):
                    yield out
                data = b""
                if stream.eof:
                    data, stream = stream.unused_data, None
    if stream is not None:
        raise EOFError("it is cut off")


def _next(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(_PIECE)
    except OSError as error:
        raise DamagedError(str(error)) from error


def _xz(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """As `lzma.LZMAFile`, which knows no limit of memory."""
    stream, data = None, b""
    for piece in pieces:
        data += piece
        while data:
            if stream is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            out = stream.decompress(data, _PIECE)
            data = b""
            while out or not (stream.needs_input or stream.eof):
                if out:
                    yield out
                if stream.eof:
                    break
                out = stream.decompress(b"", _PIECE)
            if stream.eof:
                data, stream = stream.unused_data, None
    if stream is not None:
        raise EOFError("it is cut off")


class _SourceError(BaseException):
    """Carries what the source of the bytes raised past the readers of archives, which take errors for their own."""


def _guarded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except (Exception, KeyboardInterrupt) as error:
        raise _SourceError from error


@contextlib.contextmanager
def _passing() -> Iterator[None]:
    try:
        yield
    except _SourceError as error:
        raise (error.__cause__ or error) from None


def _tar(pieces: Iterator[bytes], budget: Budget) -> Iterator[ArchiveMember]:
    reader = Reader(_guarded(pieces))
    found = tarstream.members(reader.read)
    while True:
        with _passing(), _told():
            member = next(found, None)
        if member is None:
            return
        budget.member()
        yield ArchiveMember(member.name.decode("utf-8", "surrogateescape"), _content(member.pieces, budget))


def _content(pieces: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    while True:
        with _passing(), _told():
            piece = next(pieces, None)
        if piece is None:
            return
        budget.take(len(piece))
        yield piece


def _zip(pieces: Iterator[bytes], budget: Budget) -> Iterator[ArchiveMember]:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > UNPACKED:
                raise LimitError(f"more than {UNPACKED >> 20} MiB")
            spool.write(piece)
        file = cast("BinaryIO", spool)
        with _told():
            _check_directory(file, size)
            try:
                archive = zipfile.ZipFile(file)
            except (ValueError, OSError) as error:
                raise DamagedError(str(error)) from error
        with archive:
            for info in archive.infolist():
                budget.member()
                if info.flag_bits & 1:
                    yield ArchiveMember(info.filename, None)
                elif not info.is_dir():
                    yield ArchiveMember(info.filename, _inflated(archive, info, budget))
                else:
                    yield ArchiveMember(info.filename, iter(()))


def _inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Iterator[bytes]:
    with _told():
        try:
            stream = archive.open(info)
        except (ValueError, OSError) as error:
            raise DamagedError(str(error)) from error
    with stream:
        yield from _content(iter(lambda: _next(stream), b""), budget)


def _check_directory(file: BinaryIO, size: int) -> None:
    """A zip's directory is read as a whole by the standard library: not where it is huge."""
    tail = min(size, (1 << 16) + 22 + 20 + 56)
    file.seek(size - tail)
    data = file.read(tail)
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or len(data) < at + 22:
        raise DamagedError("its directory is missing")
    length = struct.unpack_from("<L", data, at + 12)[0]
    if at >= 20 and data[at - 20 : at - 16] == b"PK\x06\x07":
        big = at - 20 - 56
        if big < 0 or data[big : big + 4] != b"PK\x06\x06":
            raise DamagedError("its directory is missing")
        length = struct.unpack_from("<Q", data, big + 40)[0]
    if length > _DIRECTORY:
        raise LimitError(f"more than {MEMBERS:,} members")
