"""Tree entries: how a folder of workspace files is recorded.

A tree object is the msgpack array of its entries, sorted by name (bytes). One object a folder, so an unchanged
folder is stored once however many snapshots hold it.
"""

from collections.abc import Iterator

import msgspec

FILE = "f"
FOLDER = "d"
LINK = "l"


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One name in a folder."""

    name: bytes
    """A single path component: no `/`, no NUL, neither `.` nor `..`."""
    kind: str
    """`f` file, `d` folder, `l` symbolic link."""
    mode: int
    """Permission bits (0o7777)."""
    mtime_ns: int
    size: int
    """Bytes of a file; of a folder: bytes of all files below it; of a link: 0."""
    content: list[bytes] = []
    """Object ids (32 bytes each): of a file its chunks in order (none: an empty file); of a folder its one tree."""
    target: bytes = b""
    """Where a link points."""
    group: int = 0
    """Files with the same group above 0 in one snapshot are hard links to each other."""
    count: int = 1
    """Files and links at or below: 1 for a file or link, the sum for a folder."""


EARLIEST, LATEST = -(2**63), 2**64 - 1
"""Times of modification (ns) that an entry can have: of the years 1677 to 2554."""

_encoder = msgspec.msgpack.Encoder()
_raws = msgspec.msgpack.Decoder(list[msgspec.Raw])
_entry = msgspec.msgpack.Decoder(Entry)
_decoder = msgspec.msgpack.Decoder(list[Entry])


def encode(entries: list[Entry]) -> bytes:
    """The tree object of `entries`, which must be sorted by name without duplicates."""
    return _encoder.encode(entries)


class Builder:
    """A tree object from entries that come little by little, sorted by name without duplicates."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._count = 0

    def add(self, entries: list[Entry]) -> None:
        """The next entries."""
        self._body += _encoder.encode(entries)[len(_head(len(entries))) :]
        self._count += len(entries)

    def finish(self) -> bytes:
        """What `encode` makes of all of them. To be asked once."""
        body, self._body = self._body, bytearray()
        return _head(self._count) + body


def _head(count: int) -> bytes:
    """How the msgpack of an array of so many items begins."""
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


def each(data: bytes) -> Iterator[Entry]:
    """The entries of a tree object of our own, one by one; of a large folder that takes little memory."""
    for raw in _raws.decode(data):
        yield _entry.decode(raw)


def decode(data: bytes) -> list[Entry]:
    """The entries of a tree object.

    Raises ValueError where the bytes are no tree, a name is not a single safe component, or the order is wrong:
    what comes from disk is not trusted to stay inside the target folder.
    """
    try:
        entries = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a tree object: {error}") from error
    last = b""
    for entry in entries:
        name = entry.name
        if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
            raise ValueError(f"unsafe name in a tree object: {name!r}")
        if name <= last:
            raise ValueError(f"names out of order in a tree object: {name!r}")
        if entry.kind not in (FILE, FOLDER, LINK):
            raise ValueError(f"unknown kind {entry.kind!r} of {name!r} in a tree object")
        if entry.kind == FOLDER and len(entry.content) != 1:
            raise ValueError(f"folder {name!r} without its tree")
        last = name
    return entries
