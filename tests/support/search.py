"""A search for planted values in images, archives and texts that shares no code with what it checks.

It knows nothing of nuvtui: whatever the product's own guard overlooks, this must be able to find. Slow and
thorough: everything is taken apart in memory, every spelling of each value is looked for in every layer of it.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import re
import tarfile
import urllib.parse
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_DEPTH = 8


class Found(NamedTuple):
    """A value where none should be."""

    value: str
    spelling: str
    where: str


def spellings(value: str) -> dict[str, bytes]:
    """Every way in which `value` is looked for, by name."""
    raw = value.encode("utf-8", "surrogateescape")
    out = {
        "raw": raw,
        "utf-16-le": value.encode("utf-16-le", "surrogatepass"),
        "utf-16-be": value.encode("utf-16-be", "surrogatepass"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "url": urllib.parse.quote(raw, safe="").encode(),
        "url, slashes kept": urllib.parse.quote(raw).encode(),
        "url, plus": urllib.parse.quote_plus(raw).encode(),
        "url, lower": re.sub(
            "%..", lambda match: match[0].lower(), urllib.parse.quote(raw, safe="")
        ).encode(),
        "json, slashes": json.dumps(value)[1:-1].replace("/", "\\/").encode(),
        "json": json.dumps(value)[1:-1].encode(),
        "json, unicode": json.dumps(value, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape"),
    }
    for padding in range(3):
        # Alone it is found by its beginning; in the middle of a longer text by the characters of whole bytes.
        whole = base64.b64encode(b"\0" * padding + raw).decode()
        keep_from = {0: 0, 1: 2, 2: 3}[padding]
        keep_to = len(whole.rstrip("="))
        if (padding + len(raw)) % 3:
            keep_to -= 1
        core = whole[keep_from:keep_to]
        out[f"base64 at {padding}"] = core.encode()
        out[f"base64 at {padding}, url alphabet"] = core.translate({43: "-", 47: "_"}).encode()
    return {name: form for name, form in out.items() if len(form) >= 4}


def in_bytes(data: bytes, values: Iterable[str], where: str) -> list[Found]:
    """The values in `data` and in whatever it is an archive of."""
    wanted = {value: spellings(value) for value in values}
    out: list[Found] = []
    for place, piece in _parts(data, where, 0):
        for value, forms in wanted.items():
            out += [Found(value, name, place) for name, form in forms.items() if form in piece]
    return out


def in_image(
    image: Path, values: Iterable[str], texts: Mapping[str, bytes | str] | None = None
) -> list[Found]:
    """The values in an image: a tar of `docker save` or an OCI archive, or a folder with its files or blobs.

    Layers, configuration, history, labels and manifests are all of them members of it; members' names count.
    `texts` are searched as well: a log, a report.
    """
    values = list(values)
    out: list[Found] = []
    if image.is_dir():
        for file in sorted(image.rglob("*")):
            if file.is_file() and not file.is_symlink():
                out += in_bytes(file.read_bytes(), values, str(file.relative_to(image)))
    else:
        out += in_bytes(image.read_bytes(), values, image.name)
    for name, text in (texts or {}).items():
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        out += in_bytes(data, values, name)
    return out


def _parts(data: bytes, where: str, depth: int) -> Iterator[tuple[str, bytes]]:
    """`data` itself, then everything inside of it, with the members' names."""
    yield where, data
    if depth >= _DEPTH:
        return
    for name, inner in _inside(data):
        place = f"{where}!{name}" if name else where
        yield f"{place} (name)", name.encode("utf-8", "surrogateescape")
        yield from _parts(inner, place, depth + 1)


def _inside(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(b"\x1f\x8b"):
        yield from _single(lambda: gzip.decompress(data))
    elif data.startswith(b"BZh"):
        yield from _single(lambda: bz2.decompress(data))
    elif data.startswith(b"\xfd7zXZ"):
        yield from _single(lambda: lzma.decompress(data))
    elif data.startswith(b"\x28\xb5\x2f\xfd"):
        yield from _single(lambda: _zstd(data))
    elif data.startswith(b"PK"):
        yield from _zip(data)
    elif data[257:262] == b"ustar":
        yield from _tar(data)
    elif data[:1] in (b"{", b"["):
        yield from _json(data)


def _single(unpack: object) -> Iterator[tuple[str, bytes]]:
    try:
        yield "", unpack()  # type: ignore[operator]
    except (OSError, EOFError, lzma.LZMAError, ValueError):
        return


def _zstd(data: bytes) -> bytes:
    import zstandard

    try:
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()
    except zstandard.ZstdError as error:
        raise ValueError from error


def _zip(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                yield info.filename, archive.read(info)
    except (zipfile.BadZipFile, RuntimeError, OSError, ValueError):
        return


def _tar(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                yield f"{member.name} {member.linkname}".strip(), file.read() if file else b""
    except (tarfile.TarError, OSError, ValueError):
        return


def _json(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each text of a JSON document as it means, and each list of texts joined: configurations, notebooks."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    queue = [value]
    while queue:
        item = queue.pop()
        if isinstance(item, str):
            yield "", item.encode("utf-8", "surrogatepass")
        elif isinstance(item, dict):
            queue += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            queue += item
            if item and all(isinstance(part, str) for part in item):
                yield "", "".join(item).encode("utf-8", "surrogatepass")
