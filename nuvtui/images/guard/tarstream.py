"""The members of a tar stream, one after the other, read once, in bounded memory; nothing is written anywhere.

The standard library's reader keeps every member, reads an extended header as a whole whatever size it claims, and
inflates sparse files. A hostile archive uses all three. Here headers are bounded and contents are what is stored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

BLOCK = 512
_HEADER_LIMIT = 1 << 20
_PIECE = 1 << 18
_ZERO = bytes(BLOCK)
FILE, HARD_LINK, LINK, FOLDER = "f", "h", "l", "d"


class TarError(ValueError):
    """What is no tar archive, or is cut off."""


@dataclass
class TarMember:
    """One member; its content can be read until the next one is asked for."""

    name: bytes
    kind: str
    """`f`, `h` (hard link), `l` (symbolic link), `d`, or `?`."""
    size: int
    target: bytes
    pieces: Iterator[bytes] = field(repr=False, default_factory=lambda: iter(()))


def is_tar(head: bytes) -> bool:
    """True where the first block of a file is a tar header."""
    return len(head) >= BLOCK and head[257:262] == b"ustar" and _checksum(head[:BLOCK])


def members(read: Callable[[int], bytes]) -> Iterator[TarMember]:
    """The members of the stream that `read` (at most so many bytes; empty: its end) gives. Raises TarError."""
    take = _Exact(read)
    override: dict[str, bytes] = {}
    while True:
        header = take.block()
        if header is None:
            return
        if header == _ZERO:
            continue
        if not _checksum(header):
            raise TarError("a header's checksum is wrong")
        kind = header[156:157]
        size = _number(header[124:136])
        if kind in b"LKxg" and kind:
            if size > _HEADER_LIMIT:
                raise TarError("an extended header is too long")
            data = take.all(size)
            take.skip(-size % BLOCK)
            if kind == b"L":
                override["path"] = data.rstrip(b"\0")
            elif kind == b"K":
                override["linkpath"] = data.rstrip(b"\0")
            elif kind == b"x":
                override |= _extended(data)
            continue
        if "size" in override:
            size = _decimal(override["size"])
        if kind == b"S":
            extended = header[482]
            while extended:
                block = take.block()
                if block is None:
                    raise TarError("a sparse member's header is cut off")
                extended = block[504]
        name, target = header[:100].split(b"\0")[0], header[157:257].split(b"\0")[0]
        if header[257:263] == b"ustar\0" and (before := header[345:500].split(b"\0")[0]):
            name = before + b"/" + name
        what = {b"1": HARD_LINK, b"2": LINK, b"5": FOLDER}.get(kind, FILE if kind in b"\x0007SD" else "?")
        if what in (HARD_LINK, LINK, FOLDER, "?") and kind in b"123456":
            size = 0
        take.left = size
        yield TarMember(override.get("path", name), what, size, override.get("linkpath", target), take.body())
        override = {}
        take.skip(take.left + -size % BLOCK)


class _Exact:
    """Reads as much as is asked for."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.left = 0

    def block(self) -> bytes | None:
        data = self._some(BLOCK)
        if data and len(data) < BLOCK:
            raise TarError("a header is cut off")
        return data or None

    def all(self, size: int) -> bytes:
        data = self._some(size)
        if len(data) < size:
            raise TarError("an extended header is cut off")
        return data

    def body(self) -> Iterator[bytes]:
        while self.left:
            piece = self._read(min(self.left, _PIECE))
            if not piece:
                raise TarError("a member is cut off")
            self.left -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        while size:
            piece = self._read(min(size, _PIECE))
            if not piece:
                return  # Some writers leave out the padding at the end; whatever else is cut off shows next.
            size -= len(piece)

    def _some(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            piece = self._read(size)
            if not piece:
                break
            parts.append(piece)
            size -= len(piece)
        return b"".join(parts)


def _checksum(header: bytes) -> bool:
    try:
        said = int(header[148:156].split(b"\0")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return said == sum(header) - sum(header[148:156]) + 8 * 0x20


def _number(text: bytes) -> int:
    if text[0] & 0x80:
        value = int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
        if value >> 62:
            raise TarError("a size is out of bounds")
        return value
    try:
        value = int(text.split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        value = -1
    if value < 0:
        raise TarError("a size is no number")
    return value


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise TarError("a size is no number")
    return int(text)


def _extended(data: bytes) -> dict[str, bytes]:
    """The records of a pax header that matter: `path`, `linkpath`, `size`."""
    out: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        if space < 0 or not data[at:space].isdigit():
            break
        end = at + int(data[at:space])
        name, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end <= space or not equals:
            break
        if name in (b"path", b"linkpath", b"size"):
            out[name.decode()] = value
        elif name == b"GNU.sparse.name":
            out["path"] = value
        at = end
    return out
