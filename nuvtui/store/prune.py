"""Garbage collection: free the space of what no snapshot needs any more.

It holds the store's lock alone (no snapshot is under way), works out anew what the manifests reach, and stops at the
first thing that it cannot read. It first writes what is still needed of half-empty and of many small packs into new
ones, with an index that lists all that stays, and only then removes old indexes and old packs. A crash at any point
leaves every snapshot readable.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nuvtui import atomic
from nuvtui.errors import StoreError
from nuvtui.model.maintenance import PruneReport
from nuvtui.reporter import Reporter
from nuvtui.store import failure, index, reach, temporaries
from nuvtui.store.packs import (
    RECORD,
    Block,
    PackDamagedError,
    PackFile,
    PackWriter,
    pack_path,
    read_blocks,
    rewrite,
)
from nuvtui.store.store import Store

WASTE = 0.25
"""A pack of which a larger part than this is no longer needed is written anew."""
SMALL, MANY = 1 << 20, 64
"""Packs of less than SMALL bytes are put together where there are MANY: every snapshot leaves at least one."""


def prune(store: Store, dry_run: bool, grace_seconds: float, reporter: Reporter) -> PruneReport:
    """Free what no snapshot needs. Packs younger than `grace_seconds` stay.

    Raises NuvError (conflict) while snapshots are being taken, StoreError where anything cannot be listed or
    read: then nothing has been removed.
    """
    with store.alone(), atomic.locked(store.commit_lock):
        store.forget()
        reporter.step("reach", "What the snapshots need")
        needed = reach.needed(store, reporter)
        reporter.step("packs", "What the packs hold")
        plan = _plan(store, needed, grace_seconds, reporter)
        if dry_run:
            return plan.report(dry_run=True)
        store.settle()
        temporaries.sweep(store)
        reporter.step("free", "Freeing space")
        return _carry_out(store, plan, needed, reporter)


@dataclass
class _Plan:
    """What gc is going to do."""

    orphans: dict[bytes, int]
    """Packs that no index lists, with their sizes: nobody can refer to what is in them."""
    empty: dict[bytes, int]
    """Packs that no snapshot needs anything of."""
    sparse: dict[bytes, tuple[int, int]]
    """Packs to be written anew, half empty or small: size, and bytes of them that are needed, about."""
    kept: dict[bytes, int]
    waiting: int

    def report(self, *, dry_run: bool) -> PruneReport:
        freed = sum(self.orphans.values()) + sum(self.empty.values())
        freed += sum(size - needed for size, needed in self.sparse.values())
        return PruneReport(
            freed,
            len(self.orphans) + len(self.empty),
            len(self.sparse),
            len(self.kept),
            self.waiting,
            dry_run,
        )


def _plan(store: Store, needed: set[bytes], grace_seconds: float, reporter: Reporter) -> _Plan:
    present = store.present_packs()
    listed: dict[bytes, float] = {}
    """Bytes that are needed, by pack."""
    held: dict[bytes, float] = {}
    """Bytes of all objects, by pack."""
    lost = set(needed)
    for file in store.index.files:
        reporter.check()
        blocks = file.blocks()
        for pack, _ in file.packs:
            listed.setdefault(pack, 0.0)
        for item, number, _, length in file.entries():
            block = blocks[number]
            share = length * block.stored / max(1, block.raw)
            held[block.pack] = held.get(block.pack, 0.0) + share
            if item in needed:
                listed[block.pack] += share
                if block.offset + block.stored <= present.get(block.pack, 0):
                    lost.discard(item)
    if lost:
        raise StoreError(
            "The store is damaged",
            f"{len(lost)} objects that snapshots need are missing; nothing was removed",
            f"{failure.CHECK_HINT} What is lost for good holds gc up until the affected snapshots are deleted: "
            "`nuvtui snapshots delete SNAPSHOT`.",
        )
    plan = _Plan({}, {}, {}, {}, 0)
    now = time.time()
    small: list[bytes] = []
    for pack, size in present.items():
        used = listed.get(pack, 0.0)
        well_used = used and used >= held[pack] * (1 - WASTE)
        if well_used and size >= SMALL:
            plan.kept[pack] = size
            continue
        with failure.store_errors("Looking at a pack"):
            # The clock may have been wrong when the pack was written: one dated far ahead is not young for ever.
            young = abs(now - os.stat(pack_path(store.home.packs, pack)).st_mtime) < grace_seconds
        if well_used:
            plan.kept[pack] = size
            if not young:
                small.append(pack)
        elif young:
            plan.waiting += not used
            if pack in listed:
                plan.kept[pack] = size
        elif pack not in listed:
            plan.orphans[pack] = size
        elif not used:
            plan.empty[pack] = size
        else:
            plan.sparse[pack] = (size, round(used))
    room = os.statvfs(store.home.packs)
    # Putting them together frees next to nothing: it must not be what a full disk has no space for.
    if len(small) >= MANY and 4 * sum(plan.kept[pack] for pack in small) < room.f_bavail * room.f_frsize:
        for pack in small:
            plan.sparse[pack] = (plan.kept.pop(pack), round(listed[pack]))
    return plan


def _carry_out(store: Store, plan: _Plan, needed: set[bytes], reporter: Reporter) -> PruneReport:
    _unlink_packs(store, plan.orphans)  # first: it needs no space, which may be what is lacking
    if not plan.empty and not plan.sparse:
        return plan.report(dry_run=False)
    out = PackWriter(store.home.packs, store.object_mode)
    if plan.empty and plan.sparse:  # the same holds for these: first what only frees
        _switch(store, {**plan.kept, **{pack: size for pack, (size, _) in plan.sparse.items()}}, out)
        _unlink_packs(store, plan.empty)
    try:
        written: set[bytes] = set()

        def keep(item: bytes) -> bool:
            if item not in needed or item in written:
                return False
            if any(file.pack_of(position) in plan.kept for file, position in store.index.places(item)):
                return False
            written.add(item)
            return True

        for pack in plan.sparse:
            reporter.check()
            file = PackFile(store.home.packs, pack)
            try:
                views = list(read_blocks(file.descriptor, pack))
            except PackDamagedError as error:
                raise StoreError(
                    f"Pack {pack.hex()[:16]} is damaged", str(error), failure.REPAIR_HINT
                ) from error
            rewrite([(view.block, view.objects) for view in views], keep, file.payload, out)
        out.finish()
        out.publish()
        _switch(store, plan.kept, out)
    finally:
        out.discard()
    _unlink_packs(store, plan.sparse if plan.sparse else plan.empty)
    store.forget()
    return plan.report(dry_run=False)


def _switch(store: Store, kept: dict[bytes, int], out: PackWriter) -> None:
    """Put one index of the packs `kept` (with their sizes) and of what `out` wrote in place of all that are there."""
    old = list(store.index.files)
    data = _index_of(list(kept.items()), old, lambda block: block.pack in kept, out)
    with store.taking_out():
        index.write(store.home.index, data, store.object_mode)
        with failure.store_errors("Removing old indexes"):
            for file in old:
                os.unlink(store.home.index / file.name)
            atomic.fsync_folder(store.home.index)
    store.index.refresh()


def _index_of(
    packs: list[tuple[bytes, int]],
    files: Iterable[index.IndexFile],
    wanted: Callable[[Block], bool],
    out: PackWriter,
) -> bytearray:
    """An index of the blocks of `files` that are `wanted` and of what `out` wrote."""
    blocks: list[Block] = []
    numbers: dict[Block, int] = {}
    entries: dict[bytes, bytes] = {}
    for file in files:
        listed = file.blocks()
        for block in listed:
            if wanted(block) and block not in numbers:
                numbers[block] = len(blocks)
                blocks.append(block)
        for item, number, offset, length in file.entries():
            block = listed[number]
            if block in numbers and item not in entries:
                entries[item] = RECORD.pack(numbers[block], offset, length)
    first = len(blocks)
    blocks += out.blocks
    for entry in out.entries:
        number, offset, length = RECORD.unpack(entry[index.ID :])
        entries.setdefault(entry[: index.ID], RECORD.pack(first + number, offset, length))
    return index.build([*packs, *out.packs], blocks, [item + record for item, record in entries.items()])


def _unlink_packs(store: Store, packs: Iterable[bytes]) -> None:
    with failure.store_errors("Removing a pack"):
        for pack in packs:
            os.unlink(pack_path(store.home.packs, pack))
        atomic.fsync_folder(store.home.packs)
