"""The file system of an image, as its layers lie on top of each other: looked at without running anything.

Layers are read once for their names; a layer that is compressed is unpacked into an unnamed temporary file, so
that single files can be read afterwards. Rules of hiding: OCI image layer specification (`.wh.`, `.wh..wh..opq`).
"""

import gzip
import io
import posixpath
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from nuvtui.errors import Exit, NuvError
from nuvtui.images.facts import FileFact
from nuvtui.images.oci.descriptor import Descriptor
from nuvtui.images.oci.layout import Layout
from nuvtui.images.python.interpreter import resolve
from nuvtui.model.tree import FILE, FOLDER, LINK

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_READ = 1 << 20
_INFLATION, _SMALLEST = 64, 256 << 20
"""Layers may unpack to so many times what they are stored as, and to `_SMALLEST` bytes in any case."""
_MEMBERS = 2_000_000
"""Files of an image; each takes about a kilobyte of memory."""
_HEADER = 1 << 20
"""Bytes of an extended header: names and attributes of one member."""
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class _Header(tarfile.TarInfo):
    """Refuses what the standard library would read into memory whatever its size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in (*_EXTENDED, *_LONG) and header.size > _HEADER:
            raise _refused(f"one of its headers claims {header.size:,} bytes")
        return header


def _refused(reason: str) -> NuvError:
    return NuvError(
        "A layer of an image is not read",
        f"{reason}; it may be made to fill disk or memory",
        "Use another base image, or ask those who made it.",
        Exit.REFUSED,
    )


def allowed(stored: int) -> int:
    """Bytes to which layers of `stored` bytes may unpack."""
    return max(stored * _INFLATION, _SMALLEST)


class _Place(NamedTuple):
    fact: FileFact
    layer: int
    offset: int
    """Of the content in the plain tar."""


@dataclass
class ImageTree:
    """Paths without leading slash to what is there."""

    _files: list[BinaryIO]
    _places: dict[str, _Place]

    @property
    def paths(self) -> list[str]:
        """Every path, sorted."""
        return sorted(self._places)

    @property
    def links(self) -> dict[str, str]:
        """Symbolic links and where they point."""
        return {path: place.fact.target for path, place in self._places.items() if place.fact.kind == LINK}

    def find(self, path: str) -> str | None:
        """The path of what `path` leads to over links; None where there is nothing."""
        real = resolve(path, self.links)
        return real if real is not None and real in self._places else None

    def executable(self, path: str) -> bool:
        """True where `path` leads to a file that somebody may execute."""
        real = self.find(path)
        fact = self._places[real].fact if real is not None else None
        return fact is not None and fact.kind == FILE and bool(fact.mode & 0o111)

    def open(self, path: str) -> BinaryIO:
        """A file (no link) to read from. Raises KeyError where there is none."""
        place = self._places[path]
        if place.fact.kind != FILE:
            raise KeyError(path)
        return cast(
            BinaryIO, io.BufferedReader(_Part(self._files[place.layer], place.offset, place.fact.size))
        )

    def read(self, path: str, limit: int = 16 << 20) -> bytes | None:
        """At most `limit` bytes of the file that `path` leads to; None where there is none."""
        real = self.find(path)
        if real is None or self._places[real].fact.kind != FILE:
            return None
        with self.open(real) as file:
            return file.read(limit)

    def openers(self) -> dict[str, Callable[[], BinaryIO]]:
        """Every file with a way to open it: for `elf.VirtualTree`."""
        return {
            path: (lambda path=path: self.open(path))  # type: ignore[misc]
            for path, place in self._places.items()
            if place.fact.kind == FILE
        }

    def close(self) -> None:
        """Let the files go."""
        for file in self._files:
            file.close()

    def __enter__(self) -> "ImageTree":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def image_tree(
    layout: Layout, layers: Sequence[Descriptor], tmp: Path, check: Callable[[], None] = lambda: None
) -> ImageTree:
    """The tree of an image by its layers, base first. `tmp`: where layers are unpacked.

    Raises NuvError where a layer is damaged or of a form that cannot be read.
    """
    tree = ImageTree([], {})
    left = allowed(sum(layer.size for layer in layers))
    try:
        for number, layer in enumerate(layers):
            file, size = plain(layout, layer, tmp, left, check)
            left -= size
            tree._files.append(file)
            _lay(tree._places, file, number, check)
    except BaseException:
        tree.close()
        raise
    return tree


def plain(
    layout: Layout, layer: Descriptor, tmp: Path, limit: int, check: Callable[[], None]
) -> tuple[BinaryIO, int]:
    """A layer as a plain tar that can seek, and the bytes that it was unpacked to (at most `limit`).

    Raises NuvError where it is compressed in an unknown way, or unpacks to more.
    """
    if layer.media_type.endswith(".tar"):
        return layout.open(layer.digest), 0
    unpacked = tempfile.TemporaryFile(dir=tmp)  # noqa: SIM115 - handed to the caller
    try:
        with layout.open(layer.digest) as packed:
            for piece in unpack(packed, layer.media_type, limit):
                check()
                unpacked.write(piece)
        size = unpacked.tell()
        unpacked.seek(0)
    except BaseException:
        unpacked.close()
        raise
    return cast(BinaryIO, unpacked), size


def unpack(packed: BinaryIO, media_type: str, limit: int) -> Iterator[bytes]:
    """The plain tar of a layer, piece by piece. Raises NuvError, also where it has more than `limit` bytes."""
    left = limit
    for piece in _unpacked(packed, media_type):
        left -= len(piece)
        if left < 0:
            raise _refused(
                f"it unpacks to more than {_INFLATION} times what its image is stored as, and than {_SMALLEST:,} bytes"
            )
        yield piece


def _unpacked(packed: BinaryIO, media_type: str) -> Iterator[bytes]:
    try:
        if media_type.endswith("gzip"):
            with gzip.open(packed) as stream:
                while piece := stream.read(_READ):
                    yield piece
        elif media_type.endswith("zstd"):
            import zstandard

            yield from zstandard.ZstdDecompressor().read_to_iter(packed, _READ)
        elif media_type.endswith(".tar"):
            while piece := packed.read(_READ):
                yield piece
        else:
            raise NuvError(
                "A layer cannot be read", f"expected gzip, zstd or plain tar, found {media_type[:100]}"
            )
    except (OSError, EOFError, ValueError) as error:
        raise NuvError("A layer cannot be unpacked", str(error)[:200]) from error


def _lay(places: dict[str, _Place], file: BinaryIO, number: int, check: Callable[[], None]) -> None:
    """Put a layer on top of what is there."""
    below = set(places)
    try:
        with tarfile.open(
            fileobj=file, mode="r:", tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for count, member in enumerate(archive):
                check()
                if count >= _MEMBERS or len(places) >= _MEMBERS:
                    raise _refused(f"its image has more than {_MEMBERS:,} files")
                path = posixpath.normpath(f"/{member.name}").strip("/")
                folder, _, name = path.rpartition("/")
                if name == _OPAQUE:
                    _hide(places, below, folder, itself=False)
                elif name.startswith(_WHITEOUT):
                    _hide(places, below, f"{folder}/{name.removeprefix(_WHITEOUT)}".strip("/"), itself=True)
                elif path:
                    _put(places, path, member, number)
    except tarfile.TarError as error:
        raise NuvError("A layer is no tar", str(error)[:200]) from error


def _hide(places: dict[str, _Place], below: set[str], path: str, *, itself: bool) -> None:
    for known in below:
        if (itself and known == path) or known.startswith(f"{path}/"):
            places.pop(known, None)


def _put(places: dict[str, _Place], path: str, member: tarfile.TarInfo, number: int) -> None:
    kind = FOLDER if member.isdir() else LINK if member.issym() else FILE
    offset, size, layer = member.offset_data, member.size, number
    if member.islnk():
        other = places.get(posixpath.normpath(f"/{member.linkname}").strip("/"))
        if other is None:
            return
        offset, size, layer, kind = other.offset, other.fact.size, other.layer, other.fact.kind
    fact = FileFact(
        path,
        kind,
        size,
        member.mode & 0o7777,
        member.uid,
        member.gid,
        member.linkname if kind == LINK else "",
    )
    places[path] = _Place(fact, layer, offset)


class _Part(io.RawIOBase):
    """A part of a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(view), self._size - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at
