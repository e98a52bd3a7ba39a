"""Pull: what snapshots need and the store lacks comes from a remote, block by block; manifests last."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3

from nuvtui.model.remote import PullResult
from nuvtui.model.snapshot import Ref, Snapshot
from nuvtui.model.tree import FOLDER
from nuvtui.remote import sealing
from nuvtui.remote.packing import pack_key
from nuvtui.remote.parallel import streamed
from nuvtui.remote.repository import Place, Repository
from nuvtui.reporter import Reporter
from nuvtui.store.chunks import ZERO_ID
from nuvtui.store.packs import Block
from nuvtui.store.store import Store
from nuvtui.store.writer import ObjectWriter, writing

AT_ONCE = 4
"""Ranges on their way."""
RANGE = 8 << 20
"""Bytes of a pack that are asked for at once: blocks that lie side by side come together."""
GAP = 64 << 10
"""Bytes between two blocks that are rather read than asked for apart."""


class _Wanted(NamedTuple):
    """A block on the remote, and what of it is wanted."""

    place: Place
    objects: list[tuple[int, int, bytes]]
    """Offset, length and id of each object."""


class _Fetched(NamedTuple):
    """A block that came, its wanted objects checked."""

    wanted: _Wanted
    payload: bytes
    pieces: list[bytes] | None
    """The objects' bytes; None where all of the block is wanted."""


def pull(repository: Repository, store: Store, snapshots: Sequence[str], reporter: Reporter) -> PullResult:
    """Bring `snapshots` into `store`: objects, then manifests. Their records in the state are the caller's.

    Raises RemoteError, StoreError, Cancelled; what came before stays, and the next pull goes on from it.
    """
    began = time.monotonic()
    reporter.step("look", "Looking at what the remote holds")
    repository.refresh()
    new = [repository.manifest(each) for each in snapshots if not store.has_manifest(each)]
    with writing(store) as writer:
        wanted = _needed(repository, writer, new, reporter)
        blocks = _blocks(repository, wanted)
        total = sum(each.place.block.stored for each in blocks)
        reporter.step("fetch", "Fetching")
        done = 0
        for group in streamed(lambda group: _fetch(repository, group), list(_groups(blocks)), AT_ONCE):
            for block in group:
                _add(writer, block)
                done += block.wanted.place.block.stored
            reporter.progress(done, total, "bytes")
            reporter.check()
        writer.commit()
        reporter.step("publish", "Making the snapshots visible")
        for manifest in new:
            store.write_manifest(manifest)
    return PullResult(
        repository.name,
        [Ref(manifest.id, manifest.name) for manifest in new],
        len(wanted),
        done,
        time.monotonic() - began,
    )


def _needed(
    repository: Repository, writer: ObjectWriter, new: Sequence[Snapshot], reporter: Reporter
) -> list[bytes]:
    """Ids of the objects that the snapshots need and the store lacks, each once.

    Trees are read level by level, those of one level several at once. A tree that the store holds is opened all the
    same: what is below may be missing where a snapshot was deleted.
    """
    wanted: dict[bytes, None] = {}
    seen: set[bytes] = set()

    def want(object_id: bytes) -> None:
        if object_id != ZERO_ID and not writer.has(object_id):
            wanted[object_id] = None

    level: list[bytes] = []
    for manifest in new:
        level.append(bytes.fromhex(manifest.files.root))
        for table in manifest.tables:
            for text in table.content:
                want(bytes.fromhex(text))
    while level:
        reporter.check()
        level = [tree for tree in dict.fromkeys(level) if tree not in seen]
        seen.update(level)
        repository.fetch([tree for tree in level if not writer.has(tree)])
        below: list[bytes] = []
        for tree in level:
            want(tree)
            entries = writer.store.tree(tree) if writer.store.has(tree) else repository.tree(tree)
            for entry in entries:
                if entry.kind == FOLDER:
                    below += entry.content
                else:
                    for object_id in entry.content:
                        want(object_id)
        level = below
    return list(wanted)


def _blocks(repository: Repository, wanted: Sequence[bytes]) -> list[_Wanted]:
    """The blocks that hold the objects, as they lie in the packs."""
    found: dict[Block, _Wanted] = {}
    for object_id in wanted:
        place = repository.locate(object_id)
        found.setdefault(place.block, _Wanted(place, [])).objects.append(
            (place.offset, place.length, object_id)
        )
    for each in found.values():
        each.objects.sort()
    return [found[block] for block in sorted(found)]


def _groups(blocks: Sequence[_Wanted]) -> Iterator[list[_Wanted]]:
    """Blocks that are asked for together."""
    group: list[_Wanted] = []
    start = end = 0
    for each in blocks:
        block = each.place.block
        if group and (
            block.pack != group[0].place.block.pack
            or block.offset - end > GAP
            or block.offset + block.stored - start > RANGE
        ):
            yield group
            group = []
        if not group:
            start = block.offset
        group.append(each)
        end = block.offset + block.stored
    if group:
        yield group


def _fetch(repository: Repository, group: Sequence[_Wanted]) -> list[_Fetched]:
    """A group of blocks, every wanted object compared with its id. Raises RemoteError."""
    first, last = group[0].place.block, group[-1].place.block
    data = repository.stored(group[0].place, first.offset, last.offset + last.stored - first.offset)
    found = []
    for wanted in group:
        block = wanted.place.block
        payload = data[block.offset - first.offset :][: block.stored]
        joined = memoryview(repository.unpacked(block, payload))
        for at, length, object_id in wanted.objects:
            if blake3(joined[at : at + length]).digest() != object_id:
                raise sealing.damaged(
                    repository.blobs.url, pack_key(block.pack), f"object {object_id.hex()[:16]} differs"
                )
        whole = sum(length for _, length, _ in wanted.objects) == block.raw
        pieces = None if whole else [bytes(joined[at : at + length]) for at, length, _ in wanted.objects]
        found.append(_Fetched(wanted, payload, pieces))
    return found


def _add(writer: ObjectWriter, fetched: _Fetched) -> None:
    """Add what came to the store: a whole block as it is."""
    block = fetched.wanted.place.block
    if fetched.pieces is None:
        objects = [(object_id, length) for _, length, object_id in fetched.wanted.objects]
        writer.put_block(block.codec, block.raw, fetched.payload, objects)
    else:
        for piece in fetched.pieces:
            writer.put(piece)
