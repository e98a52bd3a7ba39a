"""The bytes of the state file.

One JSON object as TinyDB has it (table name, key, document), UTF-8, in two lines. The first line is 256 bytes
long, filled up with spaces, and holds the table `meta` with one document `state`: format, version, a count of
the writes, the time, and the CRC-32 of all bytes that follow. The second line holds the other tables. A file
that lost or changed a byte anywhere is told from a whole one before any of it is believed.
"""

import gc
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec

from nuvtui.catalog.schema import FORMAT, CatalogTables, Documents

META = "meta"
HEAD = 256
"""Length of the first line in bytes, its newline included."""
T = TypeVar("T")
RawTables = dict[str, dict[str, msgspec.Raw]]


class Meta(msgspec.Struct, frozen=True):
    """The first line of the file: format, version, number of writes, time and checksum."""

    format: str
    version: int
    generation: int
    """Number of writes so far."""
    written: str
    crc32: str


class DamagedError(ValueError):
    """These bytes are no whole state file; the text completes "The state file …"."""


class Whole(NamedTuple):
    """A state file that was verified."""

    data: bytes
    meta: Meta
    tables: RawTables


class _Head(msgspec.Struct, frozen=True):
    meta: dict[str, Meta]


_encoder = msgspec.json.Encoder()
_head = msgspec.json.Decoder(_Head)
_typed = msgspec.json.Decoder(CatalogTables)
_raw = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]])
_whole_tables = msgspec.json.Decoder(dict[str, msgspec.Raw])
_plain = msgspec.json.Decoder(dict[str, dict[str, dict[str, Any]]])


@contextmanager
def collector_off() -> Iterator[None]:
    """No garbage collection: decoding makes no garbage, and the collector's passes cost thrice as much."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def meta(data: bytes) -> Meta:
    """Verify `data` and return its first line. Raises DamagedError, with the reason."""
    if not data:
        raise DamagedError("is empty")
    if not data.strip(b"\0"):
        raise DamagedError("holds nothing but NUL bytes")
    line = data[:HEAD].rstrip()
    if not line.endswith(b",") or not data.endswith(b"}\n"):
        raise DamagedError("is cut off")
    try:
        head = _line(data)
    except (msgspec.DecodeError, KeyError) as error:
        raise DamagedError(f"has no readable first line ({error})") from error
    if head.format != FORMAT:
        raise DamagedError(f"is of another format ({head.format!r})")
    if head.crc32 != _sum(data):
        raise DamagedError("does not match its checksum")
    return head


def tables(data: bytes) -> dict[str, msgspec.Raw]:
    """The tables of verified `data`, each still as JSON: for those who need a few of them."""
    return _decoded(_whole_tables, data)


def typed(data: bytes) -> CatalogTables:
    """The tables of verified `data` as records. Raises DamagedError where one is not what its table holds."""
    try:
        with collector_off():
            return _typed.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedError(f"holds something else than its records ({error})") from error


def raw(data: bytes) -> RawTables:
    """The tables of verified `data`, each document still as JSON."""
    return _decoded(_raw, data)


def load(data: bytes) -> Whole:
    """Verify `data` and take it apart. Raises DamagedError."""
    return Whole(data, meta(data), raw(data))


def plain(data: bytes) -> Documents:
    """The tables of verified `data` as plain values, for migrations."""
    return _decoded(_plain, data)


def _decoded(decoder: msgspec.json.Decoder[dict[str, T]], data: bytes) -> dict[str, T]:
    """The tables by name, without `META`. Raises DamagedError."""
    try:
        with collector_off():
            found = decoder.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedError(f"is not JSON of tables ({error})") from error
    found.pop(META, None)
    return found


def encode(tables: Mapping[str, Mapping[str, Any]], version: int, generation: int, written: str) -> bytes:
    """The file that holds `tables`. Documents: plain values, records, or `msgspec.Raw`."""
    known = {name: tables.get(name, {}) for name in CatalogTables.__struct_fields__}
    data = bytearray(HEAD)
    # In place, as the tables may have megabytes: their opening brace lands where the first line ends.
    everything = known | {name: rows for name, rows in tables.items() if name not in known}
    _encoder.encode_into(everything, data, HEAD - 1)
    data += b"\n"
    head = {META: {"state": Meta(FORMAT, version, generation, written, _sum(data))}}
    line = _encoder.encode(head)[:-1] + b","
    data[:HEAD] = line.ljust(HEAD - 1) + b"\n"
    return bytes(data)


def same_tables(data: bytes, other: bytes) -> bool:
    """True where two whole files hold the same tables, whatever else their first lines say."""
    return _line(data).crc32 == _line(other).crc32 and data[HEAD:] == other[HEAD:]


def _line(data: bytes) -> Meta:
    """The first line of a whole file."""
    return _head.decode(data[:HEAD].rstrip()[:-1] + b"}").meta["state"]


def _sum(data: bytes | bytearray) -> str:
    return f"{zlib.crc32(memoryview(data)[HEAD:]):08x}"
