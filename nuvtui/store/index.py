"""Indexes: which block of which pack holds an object.

Format, version 1. All numbers are big-endian and unsigned. `objects/index/<32 hex digits>.idx`:

    head        8 bytes  "NUVINDX" and the version (0x01)
                4 bytes  number of packs, P
                4 bytes  number of blocks, B
                4 bytes  number of objects, N
                4 bytes  bits of the fan-out, F
    packs   P x 24 bytes  id of the pack (16), size of its file (8)
    blocks  B x 24 bytes  number of its pack (4), offset of the payload (8), stored length (4), length after
                          decompression (4), codec (1), zero (3)
    fan-out 2^F x 4 bytes  how many objects have an id whose first F bits are at most this entry's number
    ids     N x 32 bytes  sorted
    records N x 12 bytes  in the order of the ids: number of the block, offset in it, length
    check       32 bytes  BLAKE3 of everything before

An index is written after its packs are durable, one a writer session; it can always be made again from the
packs. Indexes of like size are merged as they gather, so that a store with many snapshots has few. A lookup
maps the file and searches about sixteen ids in it: memory and time do not grow with the store.
"""

import mmap
import os
import struct
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from nuvtui import atomic
from nuvtui.errors import StoreError
from nuvtui.store import failure
from nuvtui.store.packs import RECORD, Block

MAGIC = b"NUVINDX\x01"
HEAD = struct.Struct(">8sIIII")
PACK_ENTRY = struct.Struct(">16sQ")
BLOCK_ENTRY = struct.Struct(">IQIIB3x")
ID = 32
CHECK = 32
SUFFIX = ".idx"
TIER = 8
"""So many indexes of like size are merged into one; sizes are alike within a factor of TIER."""
LARGE = 1 << 17
"""Indexes of more objects than this stay as they are: a merge takes neither long nor much memory."""
PIECE = 1 << 16


class ObjectLocation(NamedTuple):
    """Place of an object: the block that holds it, its offset and length in the decompressed block."""

    block: Block
    offset: int
    """In the block after decompression."""
    length: int


def build(packs: Sequence[tuple[bytes, int]], blocks: Sequence[Block], entries: list[bytes]) -> bytearray:
    """The bytes of an index. `entries` (44 bytes each: id and record) are sorted in place."""
    entries.sort()
    bits = max(0, min(20, (len(entries) // 16).bit_length()))
    numbers = {pack: number for number, (pack, _) in enumerate(packs)}
    counts = [0] * (1 << bits)
    shift = 32 - bits
    for entry in entries:
        counts[int.from_bytes(entry[:4], "big") >> shift] += 1
    total, sums = 0, []
    for count in counts:
        total += count
        sums.append(total)
    body = bytearray(HEAD.pack(MAGIC, len(packs), len(blocks), len(entries), bits))
    body += b"".join([PACK_ENTRY.pack(*pack) for pack in packs])
    body += b"".join([BLOCK_ENTRY.pack(numbers[b.pack], b.offset, b.stored, b.raw, b.codec) for b in blocks])
    body += struct.pack(f">{len(sums)}I", *sums)
    for part in (slice(0, ID), slice(ID, None)):
        # Piece by piece: a million of them are not doubled in memory.
        for start in range(0, len(entries), PIECE):
            body += b"".join([entry[part] for entry in entries[start : start + PIECE]])
    body += blake3(body).digest()
    return body


def write(folder: Path, data: bytes | bytearray, mode: int) -> str:
    """Put an index in place, durably; its file name. Raises StoreError."""
    name = os.urandom(16).hex() + SUFFIX
    with failure.store_errors("Writing an index"):
        atomic.write_file(folder / name, data, mode)
    return name


class IndexFile:
    """One index, mapped into memory. Raises StoreError where it is damaged, OSError where it is not there."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            descriptor = atomic.open_file(path)
        except atomic.NotAFileError as error:
            raise self._damaged(error.strerror or "") from error
        try:
            size = os.fstat(descriptor).st_size
            if size < HEAD.size + CHECK:
                raise self._damaged("it is too short")
            self._map = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        with memoryview(self._map) as view:
            if blake3(view[:-CHECK]).digest() != view[-CHECK:]:
                raise self._damaged("its checksum does not hold")
        magic, packs, self._blocks, self.count, self._bits = HEAD.unpack_from(self._map)
        if magic != MAGIC:
            raise self._damaged("it has another format or version")
        self._block_base = HEAD.size + packs * PACK_ENTRY.size
        self._fan_base = self._block_base + self._blocks * BLOCK_ENTRY.size
        self._id_base = self._fan_base + (4 << self._bits)
        self._record_base = self._id_base + self.count * ID
        if size != self._record_base + self.count * RECORD.size + CHECK:
            raise self._damaged("its length is wrong")
        self.packs: list[tuple[bytes, int]] = [
            PACK_ENTRY.unpack_from(self._map, HEAD.size + number * PACK_ENTRY.size) for number in range(packs)
        ]
        self._shift = 32 - self._bits

    def _damaged(self, detail: str) -> StoreError:
        return StoreError(f"Index {self.name[:16]} is damaged", detail, failure.REPAIR_HINT)

    def find(self, item: bytes) -> int:
        """Position of an id; -1 where it is not here."""
        position: int
        bucket = int.from_bytes(item[:4], "big") >> self._shift
        fan = self._fan_base + bucket * 4
        low = int.from_bytes(self._map[fan - 4 : fan], "big") if bucket else 0
        high = int.from_bytes(self._map[fan : fan + 4], "big")
        start, end = self._id_base + low * ID, self._id_base + high * ID
        while (at := self._map.find(item, start, end)) >= 0:
            position, rest = divmod(at - self._id_base, ID)
            if not rest:
                return position
            start = at + 1
        return -1

    def block(self, number: int) -> Block:
        """The block that entries refer to by `number`."""
        entry = BLOCK_ENTRY.unpack_from(self._map, self._block_base + number * BLOCK_ENTRY.size)
        return Block(self.packs[entry[0]][0], *entry[1:])

    def location(self, position: int) -> ObjectLocation:
        """Where the object at `position` lies."""
        number, offset, length = RECORD.unpack_from(self._map, self._record_base + position * RECORD.size)
        return ObjectLocation(self.block(number), offset, length)

    def pack_of(self, position: int) -> bytes:
        """The pack that holds the object at `position`."""
        at = self._record_base + position * RECORD.size
        number = int.from_bytes(self._map[at : at + 4], "big")
        return self.block(number).pack

    def blocks(self) -> list[Block]:
        """All blocks, in order of their numbers."""
        return [self.block(number) for number in range(self._blocks)]

    def entries(self) -> Iterator[tuple[bytes, int, int, int]]:
        """Of every object: id, number of its block, offset in it, length; in order of the ids."""
        for position in range(self.count):
            at = self._id_base + position * ID
            yield (
                self._map[at : at + ID],
                *RECORD.unpack_from(self._map, self._record_base + position * RECORD.size),
            )


def packs_in(data: bytes) -> list[tuple[bytes, int]]:
    """Id and size of every pack that the bytes of an index list. Raises ValueError where they are damaged."""
    if len(data) < HEAD.size + CHECK or blake3(data[:-CHECK]).digest() != data[-CHECK:]:
        raise ValueError("its checksum does not hold")
    magic, packs, _, _, _ = HEAD.unpack_from(data)
    end = HEAD.size + packs * PACK_ENTRY.size
    if magic != MAGIC or end > len(data):
        raise ValueError("it has another format or version")
    return list(PACK_ENTRY.iter_unpack(data[HEAD.size : end]))


def names(folder: Path) -> set[str]:
    """File names of the indexes that are there. Raises OSError."""
    return {name for name in os.listdir(folder) if name.endswith(SUFFIX) and not name.startswith(".")}


class IndexSet:
    """All indexes of a store, as they were at the last `refresh`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: list[IndexFile] = []
        self._names: set[str] | None = None

    @property
    def seen(self) -> bool:
        """True where `refresh` has looked at least once."""
        return self._names is not None

    def refresh(self) -> bool:
        """Look again which indexes are there; True where that changed. Raises StoreError."""
        with failure.store_errors("Reading the index"):
            while True:
                now = names(self._folder)
                if now == self._names:
                    return False
                known = {file.name: file for file in self.files}
                try:
                    files = [known.get(name) or IndexFile(self._folder / name) for name in now]
                except FileNotFoundError:
                    continue  # merged by somebody between listing and opening
                files.sort(key=lambda file: file.count, reverse=True)
                self.files, self._names = files, now
                return True

    def find(self, item: bytes) -> tuple[IndexFile, int] | None:
        """The index that lists an object, and the position in it."""
        for file in self.files:
            position = file.find(item)
            if position >= 0:
                return file, position
        return None

    def places(self, item: bytes) -> Iterator[tuple[IndexFile, int]]:
        """All indexes that list an object: more than one where a lost or damaged copy was stored again."""
        for file in self.files:
            position = file.find(item)
            if position >= 0:
                yield file, position

    def locate(self, item: bytes) -> ObjectLocation | None:
        """Where an object lies; None where no index lists it."""
        found = self.find(item)
        return found[0].location(found[1]) if found else None


def merge(
    files: Iterable[IndexFile], gone: Container[bytes] = (), dropped: Container[bytes] = ()
) -> bytearray:
    """The bytes of one index that lists what `files` list, each object once.

    A copy in a pack that is `gone` is listed only where there is no other, one in a pack that is `dropped` not at all.
    """
    packs: dict[bytes, int] = {}
    blocks: list[Block] = []
    known: dict[Block, int] = {}
    entries: list[bytes] = []
    for file in files:
        packs.update(pack for pack in file.packs if pack[0] not in dropped)
        numbers = []
        for block in file.blocks():
            if block.pack in dropped:
                numbers.append(-1)
                continue
            if block not in known:
                known[block] = len(blocks)
                blocks.append(block)
            numbers.append(known[block])
        entries += [
            item + RECORD.pack(numbers[number], offset, length)
            for item, number, offset, length in file.entries()
            if numbers[number] >= 0
        ]
    entries.sort()
    lost = [block.pack in gone for block in blocks]
    once: list[bytes] = []
    for entry in entries:
        if not once or once[-1][:ID] != entry[:ID]:
            once.append(entry)
        elif lost[RECORD.unpack(once[-1][ID:])[0]]:
            once[-1] = entry
    return build(list(packs.items()), blocks, once)


def crowded(files: Iterable[IndexFile]) -> list[IndexFile]:
    """Indexes of like size that are to be merged now; empty where none are."""
    tiers: dict[int, list[IndexFile]] = {}
    for file in files:
        if file.count > LARGE:
            continue
        tier = (file.count.bit_length() + 2) // 3
        tiers.setdefault(tier, []).append(file)
    for tier in sorted(tiers):
        if len(tiers[tier]) >= TIER:
            return tiers[tier]
    return []
