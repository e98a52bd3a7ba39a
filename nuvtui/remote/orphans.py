"""Packs that no index lists: read by their own headers, as a push that was cut off left them."""

from typing import NamedTuple

from blake3 import blake3

from nuvtui.remote.failure import RemoteError
from nuvtui.remote.packing import pack_key
from nuvtui.remote.repository import Repository
from nuvtui.store.packs import (
    BLOCK_HEAD,
    BLOCK_MAGIC,
    CHECK,
    HEAD,
    MAGIC,
    OBJECT,
    RECORD,
    TAIL,
    TAIL_MAGIC,
    Block,
)


class Orphan(NamedTuple):
    """What a pack says that it holds."""

    size: int
    """Bytes of its content."""
    blocks: list[Block]
    entries: list[bytes]
    """As in `packing.MemoryPack`."""


def read(repository: Repository, pack: bytes) -> Orphan | None:
    """What the pack holds; None where it cannot be read, is damaged, or is sealed with keys other than those in use."""
    key = pack_key(pack)
    try:
        data, keyset = repository.seal.open(key, repository.blobs.read(key))
    except RemoteError:
        return None
    if repository.seal.name(bytes(32)) != repository.seal.name(bytes(32), keyset):
        return None  # its names would be looked for under other keys
    return parse(pack, data)


def parse(pack: bytes, data: bytes) -> Orphan | None:
    """What the bytes of the pack `pack` say that they hold; None where its own headers are damaged."""
    if data[:HEAD] != MAGIC + pack:
        return None
    blocks: list[Block] = []
    entries: list[bytes] = []
    checks, offset = blake3(), HEAD
    while data[offset : offset + 4] == BLOCK_MAGIC:
        head = data[offset : offset + BLOCK_HEAD.size]
        if len(head) < BLOCK_HEAD.size:
            return None
        _, codec, number, raw, stored = BLOCK_HEAD.unpack(head)
        end = offset + BLOCK_HEAD.size + number * OBJECT.size
        table, check = data[offset + BLOCK_HEAD.size : end], data[end : end + CHECK]
        if len(table) != number * OBJECT.size or blake3(head + table).digest(CHECK) != check:
            return None
        at = 0
        for name, length in OBJECT.iter_unpack(table):
            entries.append(name + RECORD.pack(len(blocks), at, length))
            at += length
        if at != raw:
            return None
        blocks.append(Block(pack, end + CHECK, stored, raw, codec))
        checks.update(check)
        offset = end + CHECK + stored
    tail = TAIL.pack(TAIL_MAGIC, len(blocks), offset + TAIL.size, checks.digest(CHECK))
    return Orphan(len(data), blocks, entries) if data[offset:] == tail else None
