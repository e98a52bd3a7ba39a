"""Packs made in memory, as they lie on a remote: the store's own format (`store.packs`)."""

import os
from collections.abc import Sequence

from blake3 import blake3

from nuvtui.store import index
from nuvtui.store.packs import (
    CHECK,
    MAGIC,
    RECORD,
    TAIL,
    TAIL_MAGIC,
    Block,
    block_header,
)

PACK = 16 << 20
"""Bytes at which a pack is closed: four on the way at once stay below 200 MB of memory."""


def pack_key(pack: bytes) -> str:
    """Key of the blob that holds the pack."""
    return f"packs/{pack.hex()[:2]}/{pack.hex()}"


class MemoryPack:
    """A pack that is being made."""

    def __init__(self) -> None:
        self.id = os.urandom(16)
        self.data = bytearray(MAGIC + self.id)
        self.blocks: list[Block] = []
        self.entries: list[bytes] = []
        """Of every object 44 bytes: name, number of its block in this pack, offset in it, length."""
        self.ids: list[bytes] = []
        """Ids of the objects, for whoever fills it."""
        self.weight = 0
        """How much of the work it stands for, in the unit of whoever fills it."""
        self._checks = blake3()

    @property
    def full(self) -> bool:
        """True where no block is to be added."""
        return len(self.data) >= PACK

    def add(
        self, codec: int, raw: int, payload: bytes | memoryview, objects: Sequence[tuple[bytes, int]]
    ) -> None:
        """Add a block that holds `objects`: name and length of each."""
        header = block_header(codec, raw, len(payload), objects)
        self.data += header
        number = len(self.blocks)
        self.blocks.append(Block(self.id, len(self.data), len(payload), raw, codec))
        self.data += payload
        self._checks.update(header[-CHECK:])
        offset = 0
        for name, length in objects:
            self.entries.append(name + RECORD.pack(number, offset, length))
            offset += length

    def finish(self) -> bytearray:
        """The pack's bytes. To be asked once."""
        size = len(self.data) + TAIL.size
        self.data += TAIL.pack(TAIL_MAGIC, len(self.blocks), size, self._checks.digest(CHECK))
        return self.data


class IndexBuilder:
    """The index of packs that are on the remote."""

    def __init__(self) -> None:
        self.packs: list[tuple[bytes, int]] = []
        self._blocks: list[Block] = []
        self._entries: list[bytes] = []

    def add(self, pack: tuple[bytes, int], blocks: Sequence[Block], entries: Sequence[bytes]) -> None:
        """List a pack: its id and size, its blocks, and of every object name and record as in `MemoryPack`."""
        base = len(self._blocks)
        self.packs.append(pack)
        self._blocks += blocks
        for entry in entries:
            number, offset, length = RECORD.unpack(entry[index.ID :])
            self._entries.append(entry[: index.ID] + RECORD.pack(base + number, offset, length))

    def build(self) -> bytearray:
        """The bytes of the index."""
        return index.build(self.packs, self._blocks, self._entries)
