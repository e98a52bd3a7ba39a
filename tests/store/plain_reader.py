"""Reads a snapshot by the documented formats, with nothing but the standard library, blake3 and zstandard.

Follows the docstrings of `store`, `index`, `packs` and `model.tree`, and shares no code with them.
"""

import json
import struct
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3


def read_objects(home: Path) -> dict[bytes, bytes]:
    """All objects of the packs, every checksum verified."""
    objects: dict[bytes, bytes] = {}
    for path in (home / "objects" / "packs").iterdir():
        data = path.read_bytes()
        assert data[:8] == b"NUVPACK\x01"
        assert data[8:24].hex() == path.name[:32]
        at, checks = 24, b""
        while data[at : at + 4] == b"NVBK":
            codec = data[at + 4]
            count, length, stored = struct.unpack_from(">III", data, at + 8)
            end = at + 20 + 36 * count
            assert data[end : end + 16] == blake3(data[at:end]).digest()[:16]
            checks += data[end : end + 16]
            payload = data[end + 16 : end + 16 + stored]
            joined = zstandard.ZstdDecompressor().decompress(payload) if codec == 1 else payload
            assert len(joined) == length
            start = 0
            for number in range(count):
                item, size = struct.unpack_from(">32sI", data, at + 20 + 36 * number)
                objects[item] = joined[start : start + size]
                assert blake3(objects[item]).digest() == item
                start += size
            at = end + 16 + stored
        assert data[at : at + 4] == b"NVEN"
        assert struct.unpack_from(">Q", data, at + 8)[0] == len(data)
        assert data[at + 16 :] == blake3(checks).digest()[:16]
    return objects


def read_listed(home: Path) -> set[bytes]:
    """The ids of the indexes."""
    listed = set()
    for path in (home / "objects" / "index").iterdir():
        data = path.read_bytes()
        p, b, n, f = struct.unpack_from(">IIII", data, 8)
        base = 24 + 24 * p + 24 * b + (4 << f)
        listed |= {data[base + 32 * i : base + 32 * i + 32] for i in range(n)}
        assert data[-32:] == blake3(data[:-32]).digest()
    return listed


def read_manifest(path: Path) -> dict[str, Any]:
    """The value of `snapshot` in a manifest, its checksum verified."""
    raw = path.read_bytes()
    envelope = json.loads(raw)
    assert (envelope["format"], envelope["version"]) == ("nuvtui snapshot", 1)
    value = raw[raw.index(b'"snapshot":') + 11 : raw.rindex(b"}")]
    assert blake3(value).hexdigest() == envelope["blake3"]
    found: dict[str, Any] = envelope["snapshot"]
    return found


def read_files(objects: dict[bytes, bytes], root: bytes, prefix: str = "") -> dict[str, bytes]:
    """Path and content of every file of a tree, of links the target."""
    out: dict[str, bytes] = {}
    for name, kind, _mode, _mtime, _size, content, *rest in unpack(objects[root]):
        path = prefix + name.decode()
        if kind == "d":
            out |= read_files(objects, content[0], path + "/")
        elif kind == "l":
            out[path] = rest[0]
        else:
            out[path] = b"".join(objects[item] for item in content)
    return out


def unpack(data: bytes) -> Any:
    """The one MessagePack value in `data`: arrays, integers, text, bytes and nil are all that trees use."""
    value, end = _unpack(data, 0)
    assert end == len(data)
    return value


_NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_SIZED = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I"}


def _unpack(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at]
    at += 1
    if kind < 0x80:
        return kind, at
    if kind >= 0xE0:
        return kind - 256, at
    if kind == 0xC0:
        return None, at
    if kind in _NUMBERS:
        form = _NUMBERS[kind]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind in _SIZED:
        form = _SIZED[kind]
        size = struct.unpack_from(form, data, at)[0]
        at += struct.calcsize(form)
    else:
        assert 0x90 <= kind < 0xC0, hex(kind)
        size = kind & 0x1F if kind >= 0xA0 else kind & 0x0F
    if kind in (0xDC, 0xDD) or 0x90 <= kind < 0xA0:
        items = []
        for _ in range(size):
            item, at = _unpack(data, at)
            items.append(item)
        return items, at
    piece = data[at : at + size]
    return (piece if 0xC4 <= kind <= 0xC6 else piece.decode()), at + size
