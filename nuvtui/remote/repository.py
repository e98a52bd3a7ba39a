"""One remote, opened: which snapshots and objects it holds, and reading them.

What was read is kept in a cache under the store home, by the remote's repository id. It can be thrown away at any
time. Nothing in it is believed about what the remote holds *now*: that is listed anew by `refresh`.
"""

import contextlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3

from nuvtui import atomic
from nuvtui.errors import StoreError
from nuvtui.model import tree as tree_format
from nuvtui.model.remote import DamagedManifest, Listing
from nuvtui.model.snapshot import Snapshot, summarise
from nuvtui.model.tree import Entry
from nuvtui.remote import memory, sealing
from nuvtui.remote.blobs import Blobs
from nuvtui.remote.config import Config
from nuvtui.remote.failure import AbsentError, DamagedError
from nuvtui.remote.packing import pack_key
from nuvtui.remote.parallel import in_parallel
from nuvtui.remote.sealing import Seal
from nuvtui.store import manifests
from nuvtui.store.chunks import ZERO, ZERO_ID
from nuvtui.store.index import IndexFile
from nuvtui.store.packs import Block, decompress

CACHED_BLOCKS = 48 << 20
"""Decompressed blocks that are kept in memory."""
MANY = 5_000_000
"""So many blobs of a kind a remote may list; more are an endless listing."""


class Place(NamedTuple):
    """Where an object lies on the remote."""

    file: IndexFile
    position: int
    block: Block
    offset: int
    length: int


class Repository:
    """A remote that was opened. Safe for several threads once `refresh` has run."""

    def __init__(self, name: str, blobs: Blobs, config: Config, seal: Seal, cache: Path) -> None:
        """`cache`: the folder of all remotes' caches; made where it is not there."""
        self.name = name
        self.blobs = blobs
        self.config = config
        self.seal = seal
        self.cache = cache / config.repository
        self.without: frozenset[bytes] = frozenset()
        """Packs that do not count as there: who writes must not rely on what may go."""
        self.packs: dict[bytes, int] = {}
        """Id and size as a blob of every pack that is there, as last listed."""
        self._indexes: list[tuple[IndexFile, bytes]] = []
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._block_bytes = 0
        for folder in (self.cache / "indexes", self.cache / "manifests"):
            folder.mkdir(0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        """Let go of the remote."""
        self.blobs.close()

    # -- what is there

    def refresh(self) -> None:
        """List indexes and packs, and read the indexes that are new. Raises RemoteError."""
        names = self._index_names()
        if self.seal.readable:
            known = {file.name: (file, keyset) for file, keyset in self._indexes}
            while True:
                try:
                    found = in_parallel(
                        self._index, [name for name in names if f"{name}.idx" not in known], 4
                    )
                    break
                except AbsentError:
                    before, names = names, self._index_names()
                    if names == before:
                        raise  # not merged by a prune meanwhile: withheld
            listed = {f"{name}.idx" for name in names}
            kept = [pair for name, pair in known.items() if name in listed]
            self._indexes = sorted([*kept, *found], key=lambda pair: -pair[0].count)
            self._drop_cached(listed)
        packs = {}
        for blob in bounded(self.blobs.url, self.blobs.list("packs/")):
            with contextlib.suppress(ValueError):
                packs[bytes.fromhex(blob.key.rpartition("/")[2])] = blob.size
        self.packs = {pack: size for pack, size in packs.items() if pack not in self.without}

    def _index_names(self) -> list[str]:
        return [blob.key.partition("/")[2] for blob in bounded(self.blobs.url, self.blobs.list("indexes/"))]

    def _index(self, name: str) -> tuple[IndexFile, bytes]:
        """An index, from the cache or the remote. Its keys' id is kept beside it."""
        path, beside = self.cache / "indexes" / f"{name}.idx", self.cache / "indexes" / f"{name}.keys"
        with contextlib.suppress(OSError, DamagedError):
            return _index_file(self.blobs.url, path), bytes.fromhex(atomic.read_file(beside).decode())
        key = f"indexes/{name}"
        data, keyset = self.seal.open(key, self.blobs.read(key))
        atomic.write_file(beside, keyset.hex().encode(), 0o600, durable=False)
        atomic.write_file(path, data, 0o600, durable=False)
        return _index_file(self.blobs.url, path), keyset

    def _drop_cached(self, listed: set[str]) -> None:
        for name in os.listdir(self.cache / "indexes"):
            if f"{name.partition('.')[0]}.idx" not in listed:
                with contextlib.suppress(OSError):
                    (self.cache / "indexes" / name).unlink()

    @property
    def indexes(self) -> Sequence[tuple[IndexFile, bytes]]:
        """Every index, as last listed, with the id of the keys that its names are made with."""
        return self._indexes

    def lost(self, pack: bytes, size: int) -> bool:
        """True where a pack of `size` bytes of content is not there in full length."""
        return self.packs.get(pack) != self.seal.size(size)

    def place(self, object_id: bytes) -> Place | None:
        """Where an object lies; None where no index lists it in a pack that is there."""
        return next(self.places(object_id), None)

    def places(self, object_id: bytes) -> Iterator[Place]:
        """Everywhere an object lies, in packs that are there."""
        names = {keyset: self.seal.name(object_id, keyset) for _, keyset in self._indexes}
        for file, keyset in self._indexes:
            position = file.find(names[keyset])
            if position >= 0:
                block, offset, length = file.location(position)
                if block.pack in self.packs:
                    yield Place(file, position, block, offset, length)

    def has(self, object_id: bytes) -> bool:
        """True where the remote holds the object, as last listed."""
        return self.place(object_id) is not None

    # -- snapshots

    def snapshot_ids(self) -> list[str]:
        """Ids of the snapshots that are there, sorted. Raises RemoteError."""
        keys = [blob.key for blob in bounded(self.blobs.url, self.blobs.list("snapshots/"))]
        names = [key.partition("/")[2] for key in keys]
        return sorted(name for name in names if len(name) == 16 and not name.strip("0123456789abcdef"))

    def snapshots(self) -> Listing:
        """A record of every snapshot that is there, the newest last; those whose manifests are damaged apart.

        Records of snapshots that were seen before come from the cache: a manifest never changes.
        """
        known = {record.id: record for record in memory.records(self.cache)}
        listed = self.snapshot_ids()
        found = in_parallel(self._manifest_or_fault, [each for each in listed if each not in known], 8)
        new = [manifest for manifest in found if isinstance(manifest, Snapshot)]
        damaged = [fault for fault in found if isinstance(fault, DamagedManifest)]
        records = [
            *(known[each] for each in listed if each in known),
            *(summarise(manifest) for manifest in new),
        ]
        memory.replace(self.cache, listed)
        if new or len(records) != len(known):
            atomic.write_file(self.cache / "records", msgspec.msgpack.encode(records), 0o600, durable=False)
        return Listing(
            sorted(records, key=lambda record: (record.number, record.created, record.id)), damaged
        )

    def _manifest_or_fault(self, snapshot: str) -> Snapshot | DamagedManifest | None:
        try:
            return self.manifest_if_there(snapshot)
        except (DamagedError, AbsentError) as error:
            return DamagedManifest(snapshot, str(error))

    def manifest(self, snapshot: str) -> Snapshot:
        """The manifest of a snapshot, checked. Raises AbsentError, DamagedError, StoreError."""
        path = self.cache / "manifests" / snapshot
        with contextlib.suppress(OSError):
            return manifests.decode(atomic.read_file(path), snapshot)
        return self.fresh_manifest(snapshot)

    def manifest_if_there(self, snapshot: str) -> Snapshot | None:
        """The manifest of a snapshot that was listed; None where it was taken away since. Raises as `manifest`."""
        try:
            return self.manifest(snapshot)
        except AbsentError:
            if snapshot in self.snapshot_ids():
                raise  # withheld
            return None

    def fresh_manifest(self, snapshot: str) -> Snapshot:
        """The manifest as it lies on the remote now."""
        data = self.content(f"snapshots/{snapshot}")
        try:
            manifest = manifests.decode(data, snapshot)
        except manifests.NewerManifestError:
            raise
        except StoreError as error:
            raise sealing.damaged(self.blobs.url, f"snapshots/{snapshot}", error.message) from error
        atomic.write_file(self.cache / "manifests" / snapshot, data, 0o600, durable=False)
        return manifest

    def content(self, key: str) -> bytes:
        """The content of a small blob. Raises RemoteError."""
        return self.seal.open(key, self.blobs.read(key))[0]

    # -- objects

    def locate(self, object_id: bytes) -> Place:
        """Where an object lies. Raises DamagedError where it is withheld."""
        found = self.place(object_id)
        if found is None:
            raise withheld(self.blobs.url, object_id)
        return found

    def length(self, object_id: bytes) -> int:
        """Bytes of an object, from the index."""
        return ZERO if object_id == ZERO_ID else self.locate(object_id).length

    def read(self, object_id: bytes) -> bytes:
        """The bytes of an object, checked against its id. Raises RemoteError."""
        place = self.locate(object_id)
        data = self.block(place)[place.offset : place.offset + place.length]
        if blake3(data).digest() != object_id:
            raise sealing.damaged(
                self.blobs.url, pack_key(place.block.pack), f"object {object_id.hex()[:16]} differs"
            )
        return data

    def block(self, place: Place) -> bytes:
        """The decompressed block that holds an object, from memory where it was read a moment ago."""
        block = place.block
        key = (block.pack, block.offset)
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        data = self.unpacked(block, self.stored(place, block.offset, block.stored))
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = data
                self._block_bytes += len(data)
                while self._block_bytes > CACHED_BLOCKS and len(self._blocks) > 1:
                    self._block_bytes -= len(self._blocks.popitem(last=False)[1])
        return data

    def stored(self, place: Place, start: int, length: int) -> bytes:
        """A range of the pack that `place` is in."""
        pack = place.block.pack
        return self.seal.read(self.blobs, pack_key(pack), self.packs[pack], start, length)

    def unpacked(self, block: Block, payload: bytes) -> bytes:
        """A block's content. Raises DamagedError."""
        try:
            return decompress(block, payload)
        except ValueError as error:
            raise sealing.damaged(self.blobs.url, pack_key(block.pack), str(error)) from error

    def fetch(self, object_ids: Sequence[bytes]) -> None:
        """Read the blocks that hold these objects into memory, several at once: for many that are wanted next."""
        blocks = {}
        for object_id in object_ids:
            place = self.locate(object_id)
            key = (place.block.pack, place.block.offset)
            if key not in self._blocks:
                blocks[key] = place
        in_parallel(self.block, list(blocks.values()), 8)

    def stream(self, content: Sequence[bytes], start: int = 0) -> Iterator[bytes]:
        """The bytes of `content` (ids in order) from byte `start` on, piece by piece, each piece checked."""
        for object_id in content:
            if start:
                length = self.length(object_id)
                if start >= length:
                    start -= length
                    continue
            data = bytes(ZERO) if object_id == ZERO_ID else self.read(object_id)
            yield data[start:] if start else data
            start = 0

    def tree(self, object_id: bytes) -> list[Entry]:
        """The entries of a folder. Raises RemoteError."""
        try:
            return tree_format.decode(self.read(object_id))
        except ValueError as error:
            raise DamagedError(
                f"Object {object_id.hex()[:16]} on {self.blobs.url} is damaged",
                str(error),
                sealing.CHECK_HINT,
            ) from error


def versions(repository: Repository, space: str) -> list[str]:
    """Keys under `spaces/` of one space (empty: of all), the newest of each last."""
    prefix = f"spaces/{space}/" if space else "spaces/"
    return sorted(
        blob.key
        for blob in bounded(repository.blobs.url, repository.blobs.list(prefix))
        if re.fullmatch(r"spaces/[0-9a-f]{16}/[0-9a-f]{32}", blob.key)
    )


def bounded(url: str, listing: Iterator) -> Iterator:  # type: ignore[type-arg]
    """`listing`, ended with DamagedError where it has no end."""
    for number, blob in enumerate(listing):
        if number >= MANY:
            raise DamagedError(
                f"The listing of {url} has no end", f"more than {MANY} blobs", "Is it the right place?"
            )
        yield blob


def _index_file(url: str, path: Path) -> IndexFile:
    from nuvtui.errors import StoreError

    try:
        return IndexFile(path)
    except StoreError as error:
        raise sealing.damaged(url, f"indexes/{path.stem}", error.message) from error


def withheld(url: str, object_id: bytes) -> DamagedError:
    """What is said of an object that a snapshot needs and the remote does not give."""
    return DamagedError(
        f"{url} withholds object {object_id.hex()[:16]}",
        "a snapshot needs it, and no index there lists it in a pack that is there",
        sealing.CHECK_HINT,
    )
