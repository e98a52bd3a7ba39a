"""Push: what snapshots need and the remote lacks goes there, in packs made for it.

Order: packs, index, the spaces' newest state, manifests. Cut off anywhere, nothing half is visible; packs that no
index lists yet are read by their own headers at the next push, and not sent again.
"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3

from nuvtui.model.remote import PushResult
from nuvtui.model.snapshot import Ref, Snapshot
from nuvtui.remote import leases, memory, orphans, prune
from nuvtui.remote.failure import TransientError
from nuvtui.remote.packing import IndexBuilder, MemoryPack, pack_key
from nuvtui.remote.parallel import streamed
from nuvtui.remote.repository import Repository
from nuvtui.reporter import Reporter
from nuvtui.store import failure, manifests, packs, reach
from nuvtui.store.chunks import ZERO_ID
from nuvtui.store.packs import GROUP, TREE_GROUP, Block
from nuvtui.store.store import Store

AT_ONCE = 4
"""Packs on their way."""
TRIES = 3
"""So often a push begins again that a prune took for one that was left behind."""
INDEX_AFTER = 64
"""Packs after which an index is written: what came so far need not be looked for again after a cut."""
INDEX_AFTER_BLIND = 4
"""The same for a machine that can only write: it cannot read what a pack without index holds, and sends it again."""


class _Wanted(NamedTuple):
    """A block of the store, and what of it the remote lacks."""

    block: Block
    objects: list[tuple[int, int, bytes]]
    """Offset, length and id of each object, in order."""

    @property
    def whole(self) -> bool:
        """True where every object of the block is wanted."""
        return sum(length for _, length, _ in self.objects) == self.block.raw

    @property
    def weight(self) -> int:
        """Bytes that it will have there, about."""
        return max(
            1, self.block.stored * sum(length for _, length, _ in self.objects) // max(1, self.block.raw)
        )


class _Part(NamedTuple):
    """A block on its way into a pack."""

    codec: int
    raw: int
    payload: bytes | memoryview
    objects: list[tuple[bytes, int]]
    weight: int


def push(
    repository: Repository,
    store: Store,
    snapshots: Sequence[str],
    spaces: Sequence[tuple[str, bytes]],
    reporter: Reporter,
) -> PushResult:
    """Send `snapshots`, and what they need, that the remote lacks.

    `spaces`: key and content of the blobs under `spaces/` that tell a clone about the snapshots' spaces.
    A snapshot that is there already is looked at again: what was lost of it is sent.
    Raises RemoteError, StoreError, Cancelled; what is there then is whole, and the next push goes on from it.
    """
    began = time.monotonic()
    with store.using():
        named = [store.read_manifest(each) for each in snapshots]
        sender = _Sender(repository, store, reporter)
        new: dict[str, Ref] = {}
        for number in range(TRIES):
            with leases.held(repository.blobs) as lease:
                new |= _try(sender, lease, named, spaces, disturbed=number > 0)
                if lease.stands():
                    break
            # A prune took this push for one that was left behind: what it counted on may be gone.
        else:
            raise TransientError(
                f"The push to {repository.name} was disturbed",
                "prunes that run at the same time take it for one that was left behind; is a clock wrong?",
                "Push again when no prune runs.",
            )
    return PushResult(
        repository.name, list(new.values()), sender.objects, sender.bytes, time.monotonic() - began
    )


def send_objects(repository: Repository, store: Store, manifest: Snapshot, reporter: Reporter) -> None:
    """Send what a manifest needs that is in no snapshot there yet; the caller sees to it that it is kept.

    Raises RemoteError, StoreError, Cancelled.
    """
    with store.using(), leases.held(repository.blobs) as lease:
        sender = _Sender(repository, store, reporter)
        reporter.step("look", "Looking at what is there")
        repository.refresh()
        sender.adopt()
        sender.send(_needed(repository, store, [manifest], set(), reporter), lease)


def _try(
    sender: "_Sender",
    lease: leases.Lease,
    named: Sequence[Snapshot],
    spaces: Sequence[tuple[str, bytes]],
    *,
    disturbed: bool,
) -> dict[str, Ref]:
    """Send what is missing and make the snapshots visible; those that were not before.

    `disturbed`: the try before may have made a snapshot visible from which a prune took something.
    """
    repository, reporter = sender.repository, sender.reporter
    reporter.step("look", "Looking at what the remote holds")
    marks = prune.read_marks(repository).values()
    repository.without = frozenset(pack for mark in marks for pack in mark.ids)
    repository.refresh()
    there = set(repository.snapshot_ids())
    sender.adopt()
    trusted = set() if disturbed else there
    sender.send(_needed(repository, sender.store, named, trusted, reporter), lease)
    if not lease.stands():
        return {}
    reporter.step("publish", "Making the snapshots visible")
    for key, content in spaces:
        _put(repository, key, content)
    new = [manifest for manifest in named if manifest.id not in there]
    for manifest in new:
        reporter.check()
        _put(repository, f"snapshots/{manifest.id}", manifests.encode(manifest))
    return {manifest.id: Ref(manifest.id, manifest.name) for manifest in new}


def _put(repository: Repository, key: str, content: bytes) -> None:
    repository.blobs.put_if_absent(key, bytes(repository.seal.close(key, content)))


def _needed(
    repository: Repository, store: Store, named: Sequence[Snapshot], whole: set[str], reporter: Reporter
) -> list[bytes]:
    """Ids of the objects that the snapshots need and the remote lacks, each once, in the order of the trees.

    A snapshot that the remote holds `whole` is not looked into, nor are folders that it shares with such a parent,
    unless a pack is lost.
    """
    seen: set[bytes] = set()
    wanted: dict[bytes, None] = {}
    pushed = {} if repository.seal.readable else memory.pushed(repository.cache)

    def held(object_id: bytes) -> bool:
        return repository.has(object_id) or pushed.get(object_id) in repository.packs

    if not repository.seal.readable or any(
        repository.lost(pack, size) for file, _ in repository.indexes for pack, size in file.packs
    ):
        whole = set()
    for manifest in named:
        reporter.check()
        parent = manifest.parent
        if manifest.id in whole:
            continue
        if parent is not None and parent in whole and store.has_manifest(parent):
            found: Iterator[bytes] = iter(reach.not_in(store, manifest, store.read_manifest(parent)))
        else:
            found = reach.objects(store, manifest, seen)
        for object_id in found:
            if object_id != ZERO_ID and object_id not in wanted and not held(object_id):
                wanted[object_id] = None
    return list(wanted)


class _Sender:
    """Sends objects, pack by pack, and lists them."""

    def __init__(self, repository: Repository, store: Store, reporter: Reporter) -> None:
        self.repository = repository
        self.store = store
        self.reporter = reporter
        self._index = IndexBuilder()
        self._sent: list[tuple[bytes, bytes]] = []
        """Id of each object, and its pack, since the last index: for a machine that cannot read what is there."""
        self.objects = 0
        self.bytes = 0

    def adopt(self) -> None:
        """List packs that a push left that was cut off before its index."""
        repository = self.repository
        if not repository.seal.readable:
            return
        listed = {pack for file, _ in repository.indexes for pack, _ in file.packs}
        for pack in sorted(set(repository.packs) - listed):
            found = orphans.read(repository, pack)
            if found is not None:
                self._index.add((pack, found.size), found.blocks, found.entries)
        if self._index.packs:
            self._write_index()
            repository.refresh()

    def send(self, wanted: Sequence[bytes], lease: leases.Lease) -> None:
        """Send the objects `wanted`, and list them."""
        blocks = self._blocks(wanted)
        total = sum(block.weight for block in blocks)
        self.reporter.step("send", "Sending")
        self.reporter.progress(0, total, "bytes")
        done = 0
        for pack, size, weight in streamed(self._upload, self._packs(blocks), AT_ONCE):
            self._index.add((pack.id, size), pack.blocks, pack.entries)
            self.repository.packs[pack.id] = self.repository.seal.size(size)
            self.objects += len(pack.entries)
            self.bytes += self.repository.seal.size(size)
            self._sent += [(object_id, pack.id) for object_id in pack.ids]
            done += weight
            self.reporter.progress(done, total, "bytes")
            self.reporter.check()
            lease.renew()
            if len(self._index.packs) >= (
                INDEX_AFTER if self.repository.seal.readable else INDEX_AFTER_BLIND
            ):
                self._write_index()
        if self._index.packs:
            self._write_index()

    def _write_index(self) -> None:
        key = f"indexes/{os.urandom(16).hex()}"
        data = self.repository.seal.close(key, self._index.build())
        self.repository.blobs.put_if_absent(key, bytes(data))
        self.bytes += len(data)
        self._index = IndexBuilder()
        if not self.repository.seal.readable:
            memory.remember_pushed(self.repository.cache, self._sent)
        self._sent = []

    def _upload(self, pack: MemoryPack) -> tuple[MemoryPack, int, int]:
        key = pack_key(pack.id)
        content = pack.finish()
        size = len(content)
        self.repository.blobs.put_if_absent(key, memoryview(self.repository.seal.close(key, content)))
        pack.data = bytearray()
        return pack, size, pack.weight

    def _blocks(self, wanted: Sequence[bytes]) -> list[_Wanted]:
        """The blocks of the store that hold the objects, in the order in which they lie there."""
        found: dict[Block, list[tuple[int, int, bytes]]] = {}
        for object_id in wanted:
            location = self.store.locate(object_id)
            found.setdefault(location.block, []).append((location.offset, location.length, object_id))
        return [_Wanted(block, sorted(objects)) for block, objects in sorted(found.items())]

    def _packs(self, blocks: Sequence[_Wanted]) -> Iterator[MemoryPack]:
        """Packs that hold what is wanted of `blocks`."""
        name = self.repository.seal.name
        pack = MemoryPack()
        for part in self._parts(blocks):
            self.reporter.check()
            objects = [(name(object_id), length) for object_id, length in part.objects]
            pack.add(part.codec, part.raw, part.payload, objects)
            pack.ids += [object_id for object_id, _ in part.objects]
            pack.weight += part.weight
            if pack.full:
                yield pack
                pack = MemoryPack()
        if pack.blocks:
            yield pack

    def _parts(self, blocks: Sequence[_Wanted]) -> Iterator[_Part]:
        """Whole blocks as they are; pieces of others together, compressed anew."""
        together: list[tuple[bytes, bytes]] = []
        gathered = weight = 0
        for wanted, payload, joined in streamed(self._checked, blocks, 2):
            objects = [(object_id, joined[at : at + length]) for at, length, object_id in wanted.objects]
            if wanted.whole and wanted.block.raw >= TREE_GROUP:
                yield _Part(
                    wanted.block.codec,
                    wanted.block.raw,
                    payload,
                    [(object_id, len(data)) for object_id, data in objects],
                    wanted.weight,
                )
                continue
            together += [(object_id, bytes(data)) for object_id, data in objects]
            gathered += sum(len(data) for _, data in objects)
            weight += wanted.weight
            if gathered >= GROUP:
                yield _together(together, weight)
                together, gathered, weight = [], 0, 0
        if together:
            yield _together(together, weight)

    def _checked(self, wanted: _Wanted) -> tuple[_Wanted, bytes, memoryview]:
        """A block's payload and content, every wanted object compared with its id. Raises StoreError."""
        payload, joined = self.store.read_block(wanted.block)
        view = memoryview(joined)
        for at, length, object_id in wanted.objects:
            if blake3(view[at : at + length]).digest() != object_id:
                raise failure.damaged(object_id, f"in pack {wanted.block.pack.hex()[:16]}")
        return wanted, payload, view


def _together(objects: Sequence[tuple[bytes, bytes]], weight: int) -> _Part:
    raw = b"".join([data for _, data in objects])
    codec, payload = packs.compress(raw)
    return _Part(codec, len(raw), payload, [(object_id, len(data)) for object_id, data in objects], weight)
