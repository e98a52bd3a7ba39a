"""What an image file says of itself in its first bytes: format, size, colour. No pixel is decoded."""

import re
import struct
from collections.abc import Callable, Iterator

import msgspec

HEAD = 256 << 10
"""First bytes of a file that are enough."""
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".svg", ".webp", ".bmp", ".ico")

_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_TIFF_COLOURS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
_JPEG_COLOURS = {1: "grey", 3: "colour", 4: "CMYK"}
_SVG = re.compile(r"<(?:\w+:)?svg\b([^>]*)>?", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""(?<![\w:-])(width|height|viewBox)\s*=\s*["']([^"']{1,60})["']""", re.IGNORECASE)


class Picture(msgspec.Struct, frozen=True):
    """Facts on an image."""

    format: str
    width: int | None = None
    height: int | None = None
    colour: str = ""
    """`RGB, 8 bits`."""
    more: str = ""
    """`animated`, `3 pages`, `interlaced`."""

    @property
    def size(self) -> str:
        """`640 x 480`; empty where it is not known."""
        return "" if self.width is None or self.height is None else f"{self.width:,} x {self.height:,}"


def look(head: bytes) -> Picture | None:
    """The facts that the first bytes of a file give; None where they are no image's, or too damaged to tell."""
    for magic, read in _READERS:
        if head.startswith(magic):
            try:
                return read(head)
            except (struct.error, IndexError, ValueError, OverflowError):
                return None
    return _svg(head)


def _png(head: bytes) -> Picture | None:
    if head[12:16] != b"IHDR":
        return None
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head[16:29])
    more = ["interlaced"] if interlaced else []
    if b"acTL" in head[:4096]:
        more.append("animated")
    return Picture("PNG", width, height, f"{_PNG_COLOURS.get(colour, '?')}, {bits} bits", ", ".join(more))


def _gif(head: bytes) -> Picture:
    width, height, flags = struct.unpack("<HHB", head[6:11])
    animated = "animated" if b"NETSCAPE2.0" in head[:4096] else ""
    return Picture("GIF", width, height, f"palette of {2 << (flags & 7)}" if flags & 0x80 else "", animated)


def _jpeg(head: bytes) -> Picture:
    at = 2
    while at + 9 < len(head):
        if head[at] != 0xFF:
            break
        marker = head[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker in (0x01, *range(0xD0, 0xD9)):  # without a length
            at += 2
            continue
        if marker in (0xD9, 0xDA):
            break
        (length,) = struct.unpack(">H", head[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, parts = struct.unpack(">BHHB", head[at + 4 : at + 10])
            more = "progressive" if marker == 0xC2 else ""
            return Picture("JPEG", width, height, f"{_JPEG_COLOURS.get(parts, '?')}, {bits} bits", more)
        at += 2 + max(2, length)
    return Picture("JPEG")


def _tiff(head: bytes) -> Picture:
    order = "<" if head.startswith(b"II") else ">"
    (at,) = struct.unpack(f"{order}I", head[4:8])
    if at + 2 > len(head):
        return Picture("TIFF")
    (count,) = struct.unpack(f"{order}H", head[at : at + 2])
    tags = dict(_tags(head, order, at + 2, min(count, 100)))
    bits = tags.get(258)
    colour = _TIFF_COLOURS.get(tags.get(262, -1), "")
    return Picture(
        "TIFF",
        tags.get(256),
        tags.get(257),
        ", ".join(part for part in (colour, f"{bits} bits" if bits and bits <= 64 else "") if part),
    )


def _tags(head: bytes, order: str, at: int, count: int) -> Iterator[tuple[int, int]]:
    """The tags of one directory with their first value, where it is a number that stands in the directory."""
    for start in range(at, at + 12 * count, 12):
        if start + 12 > len(head):
            return
        tag, kind, number = struct.unpack(f"{order}HHI", head[start : start + 8])
        if kind == 3:
            if number > 2:  # the values stand elsewhere: all the same for what is asked here
                (where,) = struct.unpack(f"{order}I", head[start + 8 : start + 12])
                if where + 2 <= len(head):
                    yield tag, struct.unpack(f"{order}H", head[where : where + 2])[0]
            else:
                yield tag, struct.unpack(f"{order}H", head[start + 8 : start + 10])[0]
        elif kind == 4 and number == 1:
            yield tag, struct.unpack(f"{order}I", head[start + 8 : start + 12])[0]


def _riff(head: bytes) -> Picture | None:
    if head[8:12] != b"WEBP":
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(head[24:27], "little")
        height = 1 + int.from_bytes(head[27:30], "little")
        return Picture("WebP", width, height, "with alpha" if head[20] & 0x10 else "", _animated(head[20]))
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return Picture("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), "", "lossless")
    width, height = struct.unpack("<HH", head[26:30])
    return Picture("WebP", width & 0x3FFF, height & 0x3FFF)


def _animated(flags: int) -> str:
    return "animated" if flags & 2 else ""


def _bmp(head: bytes) -> Picture:
    width, height, _, bits = struct.unpack("<iiHH", head[18:30])
    return Picture("BMP", abs(width), abs(height), f"{bits} bits a pixel")


def _icon(head: bytes) -> Picture:
    (count,) = struct.unpack("<H", head[4:6])
    return Picture("icon", head[6] or 256, head[7] or 256, "", f"{count} sizes" if count > 1 else "")


def _svg(head: bytes) -> Picture | None:
    text = head[:8192].decode("utf-8", "replace")
    found = _SVG.search(text) if text.lstrip("\ufeff \r\n\t").startswith("<") else None
    if found is None:
        return None
    given = {name.lower(): value for name, value in _ATTRIBUTE.findall(found[1])}
    box = re.findall(r"-?[\d.]+", given.get("viewbox", ""))
    sides = [_pixels(given.get("width", "")), _pixels(given.get("height", ""))]
    if None in sides and len(box) == 4:
        sides = [_pixels(box[2]), _pixels(box[3])]
    return Picture("SVG", sides[0], sides[1], "vector")


def _pixels(text: str) -> int | None:
    found = re.fullmatch(r"\s*(\d{1,7})(?:\.\d*)?\s*(?:px)?\s*", text)
    return int(found[1]) if found else None


_READERS: tuple[tuple[bytes, Callable[[bytes], Picture | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"\xff\xd8\xff", _jpeg),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"RIFF", _riff),
    (b"BM", _bmp),
    (b"\0\0\1\0", _icon),
)
