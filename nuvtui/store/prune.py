"""Care of the store: collect garbage, repair, and tell what it holds.

Garbage collection holds the store's lock alone (no snapshot is under way), works out anew what the manifests
reach, and stops at the first thing that it cannot read: nothing is ever taken for absent because it could not be
listed. It first writes what is still needed of half-empty and of many small packs into new ones, with an index that
lists all that stays, and only then removes old indexes and old packs. A crash at any point leaves every snapshot
readable.

Repair makes the indexes again from the packs. What is damaged moves to `objects/quarantine`, after its sound
objects were copied; nothing but unfinished temporaries is deleted.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from nuvtui import atomic
from nuvtui.errors import NuvError, StoreError
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Reporter
from nuvtui.store import failure, index, trees
from nuvtui.store.index import IndexSet
from nuvtui.store.packs import (
    OBJECT,
    RECORD,
    Block,
    BlockView,
    PackDamagedError,
    PackFile,
    PackWriter,
    decompress,
    pack_path,
    read_blocks,
    rewrite,
)
from nuvtui.store.store import Store

WASTE = 0.25
"""A pack of which a larger part than this is no longer needed is written anew."""
SMALL, MANY = 1 << 20, 64
"""Packs of less than SMALL bytes are put together where there are MANY: every snapshot leaves at least one."""


@dataclass(frozen=True)
class PruneReport:
    """What garbage collection did, or would do."""

    freed_bytes: int
    removed_packs: int
    rewritten_packs: int
    kept_packs: int
    waiting_packs: int
    """Packs that nothing refers to, younger than the grace period."""
    dry_run: bool


@dataclass
class RepairReport:
    """What repair did, or would do."""

    dry_run: bool
    packs: int = 0
    """Sound packs that the new index lists."""
    objects: int = 0
    damaged_packs: list[str] = field(default_factory=list)
    """Moved to the quarantine."""
    rescued_objects: int = 0
    """Sound objects that were copied out of damaged packs."""
    lost_objects: int = 0
    damaged_snapshots: list[str] = field(default_factory=list)
    """Manifests that were moved to the quarantine."""
    removed_temporaries: int = 0


@dataclass(frozen=True)
class StoreInfo:
    """What a store holds."""

    packs: int
    objects: int
    stored_bytes: int
    """Bytes of the packs and indexes."""
    logical_bytes: int
    """Bytes that all snapshots together would take as plain copies: files and tables."""
    deduplicated_bytes: int
    """How much less is stored than that: by equal content, kept once, and by compression."""
    snapshots: int
    unique_bytes: dict[str, int]
    """Of every snapshot what it alone needs: what deleting it and nothing else would free, closely."""
    damaged: list[str]
    """Ids of the snapshots that cannot be read, and are left out of the sums."""
    tmp_bytes: int
    """Bytes of unfinished work, that of killed processes included, which gc clears."""
    cache_bytes: int
    """Bytes of what can be thrown away at any time."""


# -- what manifests reach


@contextlib.contextmanager
def _unless_deleted(store: Store, snapshot_id: str) -> Iterator[None]:
    """Whatever fails inside because the snapshot was deleted meanwhile is no error: it counts as never there."""
    try:
        yield
    except NuvError:
        if store.has_manifest(snapshot_id):
            raise


def _each(store: Store, look: Callable[[Snapshot], None]) -> None:
    """Give every snapshot to `look`. Raises NuvError at the first that is there and cannot be read, as `look` does."""
    for snapshot_id in store.manifest_ids():
        with _unless_deleted(store, snapshot_id):
            look(store.read_manifest(snapshot_id))


def _content(store: Store, reporter: Reporter) -> set[bytes]:
    """Ids of every object that the snapshots need. Raises StoreError at the first that cannot be read."""
    reached: set[bytes] = set()
    seen: set[bytes] = set()

    def look(snapshot: Snapshot) -> None:
        reporter.check()
        reached.update(_objects(store, snapshot, seen))

    _each(store, look)
    return reached


def _objects(store: Store, snapshot: Snapshot, seen: set[bytes]) -> Iterator[bytes]:
    """Ids of the objects that `snapshot` needs, but for trees in `seen` and what is below; its trees are added there."""
    for table in snapshot.tables:
        yield from (bytes.fromhex(text) for text in table.content)
    stack = [bytes.fromhex(snapshot.files.root)]
    while stack:
        tree_id = stack.pop()
        if tree_id in seen:
            continue
        seen.add(tree_id)
        yield tree_id
        for entry in store.tree(tree_id):
            if entry.kind == FOLDER:
                stack += entry.content
            else:
                yield from entry.content


def info(store: Store) -> StoreInfo:
    """What `store` holds. Raises StoreError."""
    indexes = IndexSet(store.home.index)
    indexes.refresh()
    packs = store.present_packs()
    with failure.store_errors("Listing the indexes"):
        sizes = sum(os.stat(store.home.index / name).st_size for name in index.names(store.home.index))
    stored = sum(packs.values()) + sizes
    owners: dict[bytes, str | None] = {}
    logical: dict[str, int] = {}

    damaged: list[str] = []
    for snapshot_id in store.manifest_ids():
        try:
            snapshot = store.read_manifest(snapshot_id)
            _own(store, snapshot, owners)
            logical[snapshot_id] = snapshot.files.bytes + sum(table.bytes for table in snapshot.tables)
        except NuvError:
            if store.has_manifest(snapshot_id):  # else it was deleted meanwhile
                damaged.append(snapshot_id)
    unique = dict.fromkeys(logical, 0)
    for item, owner in owners.items():
        if owner in unique:
            unique[owner] += round(_stored(store, item))
    return StoreInfo(
        len(packs),
        sum(file.count for file in indexes.files),
        stored,
        sum(logical.values()),
        max(0, sum(logical.values()) - stored),
        len(unique) + len(damaged),
        unique,
        damaged,
        _bytes_below(store.home.tmp),
        _bytes_below(store.home.cache),
    )


def _bytes_below(folder: Path) -> int:
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                total += os.lstat(os.path.join(above, name)).st_size
    return total


def _own(store: Store, snapshot: Snapshot, owners: dict[bytes, str | None]) -> None:
    """Enter what `snapshot` needs: as its own, or as nobody's (None) where an earlier one needs it as well.

    However many snapshots there are, every folder is looked into at most twice.
    """
    stack = [(bytes.fromhex(snapshot.files.root), True)]
    stack += [(bytes.fromhex(text), False) for table in snapshot.tables for text in table.content]
    while stack:
        item, is_tree = stack.pop()
        owner = owners.get(item, "")
        if owner is None or owner == snapshot.id:
            continue
        owners[item] = None if owner else snapshot.id
        if is_tree:
            for entry in store.tree(item):
                stack += [(below, entry.kind == FOLDER) for below in entry.content]


def _stored(store: Store, item: bytes) -> float:
    """An object's share of its block and its line in the block's table, in bytes of the pack; 0: taken out meanwhile."""
    try:
        found = store.locate(item)
    except StoreError:
        return 0
    return found.length * found.block.stored / max(1, found.block.raw) + OBJECT.size


def unique_bytes(store: Store, snapshots: Iterable[str]) -> int:
    """Bytes in the packs that only these snapshots need: what deleting them (and gc) would free, closely.

    Costs what differs from the snapshots beside them and, where anything does, a look at every folder of the others,
    once; the memory is that of what differs.
    """
    ids = set(snapshots)
    rest: list[Snapshot] = []
    asked: list[Snapshot] = []
    _each(store, lambda snapshot: (asked if snapshot.id in ids else rest).append(snapshot))
    alone: set[bytes] = set()
    for snapshot in asked:
        with _unless_deleted(store, snapshot.id):
            alone |= _not_in(store, snapshot, _beside(snapshot, rest))
    seen: set[bytes] = set()
    for snapshot in rest:
        if not alone:
            break
        with _unless_deleted(store, snapshot.id):
            alone.difference_update(_objects(store, snapshot, seen))
    return round(sum(_stored(store, item) for item in alone))


def _beside(snapshot: Snapshot, others: Iterable[Snapshot]) -> Snapshot | None:
    """The snapshot of the same instance that is likely to share most: its parent, else the one nearest to it."""

    def place(each: Snapshot) -> tuple[int, str]:
        return each.number, each.created

    mine = [other for other in others if other.instance.id == snapshot.instance.id]
    before = [other for other in mine if other.id == snapshot.parent] or [
        other for other in mine if place(other) <= place(snapshot)
    ]
    return max(before, key=place) if before else min(mine, key=place, default=None)


def _not_in(store: Store, snapshot: Snapshot, beside: Snapshot | None) -> set[bytes]:
    """Ids of the objects of `snapshot` that may not be in `beside`: equal folders are not opened."""
    if beside is None:
        return set(_objects(store, snapshot, set()))
    found = {bytes.fromhex(text) for table in snapshot.tables for text in table.content}
    found.add(bytes.fromhex(snapshot.files.root))
    for _, old, new in trees.differences(
        store.tree, bytes.fromhex(beside.files.root), store.tree, bytes.fromhex(snapshot.files.root)
    ):
        if new is not None:
            found.update(set(new.content).difference(old.content if old is not None else ()))
    return found


# -- temporaries


def _temporaries(store: Store) -> list[Path]:
    """Unfinished files of writers. Only to be called with the store's lock held alone: then all are stale."""
    found = []
    with failure.store_errors("Looking for temporaries"):
        for folder in (store.home.packs, store.home.index, store.home.snapshots, store.objects):
            with os.scandir(folder) as listing:
                found += [
                    folder / item.name
                    for item in listing
                    if item.name.startswith(atomic.TEMPORARY) and item.is_file(follow_symlinks=False)
                ]
    return found


def _sweep(store: Store) -> int:
    swept = 0
    for path in _temporaries(store):
        with contextlib.suppress(FileNotFoundError), failure.store_errors("Removing a temporary"):
            os.unlink(path)
            swept += 1
    return swept


# -- garbage collection


def prune(store: Store, dry_run: bool, grace_seconds: float, reporter: Reporter) -> PruneReport:
    """Free what no snapshot needs. Packs younger than `grace_seconds` stay.

    Raises NuvError (conflict) while snapshots are being taken, StoreError where anything cannot be listed or
    read: then nothing has been removed.
    """
    with store.alone(), atomic.locked(store.commit_lock):
        store.forget()
        reporter.step("reach", "What the snapshots need")
        needed = _content(store, reporter)
        reporter.step("packs", "What the packs hold")
        plan = _plan(store, needed, grace_seconds, reporter)
        if dry_run:
            return plan.report(dry_run=True)
        store.settle()
        _sweep(store)
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


# -- repair


def repair(store: Store, dry_run: bool, reporter: Reporter) -> RepairReport:
    """Read every pack, make the index again, move what is damaged to the quarantine.

    Raises NuvError (conflict) while snapshots are being taken, StoreError where the store cannot be read or
    written; run again, it goes on where it was.
    """
    store.create()
    with store.alone(), atomic.locked(store.commit_lock):
        report = RepairReport(dry_run)
        reporter.step("packs", "Reading the packs")
        sound, damaged = _survey(store, report, reporter)
        bad_manifests = []
        for snapshot_id in store.manifest_ids():
            try:
                store.read_manifest(snapshot_id)
            except NuvError:
                bad_manifests.append(snapshot_id)
        report.damaged_snapshots = bad_manifests
        report.removed_temporaries = len(_temporaries(store))
        if not dry_run:
            reporter.step("repair", "Writing the index")
            _mend(store, sound, damaged, bad_manifests)
        store.forget()
        return report


_Views = list[tuple[BlockView, list[bool]]]
"""Blocks of a pack, and of each object whether its bytes are right."""


def _survey(
    store: Store, report: RepairReport, reporter: Reporter
) -> tuple[dict[bytes, tuple[int, _Views]], dict[bytes, _Views]]:
    present = store.present_packs()
    sound: dict[bytes, tuple[int, _Views]] = {}
    damaged: dict[bytes, _Views] = {}
    for number, (pack, size) in enumerate(sorted(present.items())):
        reporter.check()
        reporter.progress(number, len(present), "steps", pack.hex()[:16])
        views: _Views = []
        well = True
        with failure.store_errors("Opening a pack"):
            try:
                file = PackFile(store.home.packs, pack)
            except atomic.NotAFileError:
                damaged[pack] = []
                continue
        try:
            for view in read_blocks(file.descriptor, pack):
                views.append((view, _verify(file, view)))
        except (PackDamagedError, OSError):
            well = False
            views += _beyond(store, pack, file, {view.block.offset for view, _ in views})
        if well and all(all(right) for _, right in views):
            sound[pack] = (size, views)
        else:
            damaged[pack] = views
    there = {item for _, views in sound.values() for view, _ in views for item, _ in view.objects}
    report.packs = len(sound)
    rescued: set[bytes] = set()
    lost: set[bytes] = set()
    for views in damaged.values():
        for view, right in views:
            for (item, _), fine in zip(view.objects, right, strict=True):
                (rescued if fine else lost).add(item)
    report.damaged_packs = sorted(pack.hex() for pack in damaged)
    report.rescued_objects = len(rescued - there)
    report.lost_objects = len(lost - rescued - there)
    report.objects = len(there | rescued)
    return sound, damaged


def _verify(file: PackFile, view: BlockView) -> list[bool]:
    try:
        joined = decompress(view.block, file.payload(view.block))
    except ValueError:
        return [False] * len(view.objects)
    right, at = [], 0
    for item, length in view.objects:
        right.append(blake3(joined[at : at + length]).digest() == item)
        at += length
    return right


def _beyond(store: Store, pack: bytes, file: PackFile, seen: set[int]) -> _Views:
    """Blocks of a pack that its own headers no longer lead to, but an index still does."""
    found: dict[Block, dict[int, tuple[bytes, int]]] = {}
    for name in index.names(store.home.index):
        try:
            listed = index.IndexFile(store.home.index / name)
        except (StoreError, OSError):
            continue
        blocks = listed.blocks()
        for item, number, offset, length in listed.entries():
            block = blocks[number]
            if block.pack == pack and block.offset not in seen:
                found.setdefault(block, {})[offset] = (item, length)
    views: _Views = []
    for block, by_offset in found.items():
        objects = [by_offset[offset] for offset in sorted(by_offset)]
        if sum(length for _, length in objects) == block.raw:
            view = BlockView(block, block.offset, objects)
            with contextlib.suppress(OSError):
                views.append((view, _verify(file, view)))
    return views


def _mend(
    store: Store,
    sound: dict[bytes, tuple[int, _Views]],
    damaged: dict[bytes, _Views],
    bad_manifests: list[str],
) -> None:
    quarantine = _quarantine(store)  # before anything is changed
    there: set[bytes] = set()
    blocks: list[Block] = []
    entries: list[bytes] = []
    for _, views in sound.values():
        for view, _ in views:
            offset = 0
            for item, length in view.objects:
                if item not in there:
                    there.add(item)
                    entries.append(item + RECORD.pack(len(blocks), offset, length))
                offset += length
            blocks.append(view.block)
    out = PackWriter(store.home.packs, store.object_mode)
    try:
        for pack, views in damaged.items():
            if not views:
                continue
            with failure.store_errors("Opening a pack"):
                file = PackFile(store.home.packs, pack)
            for view, right in views:
                if not any(right):
                    continue
                joined = decompress(view.block, file.payload(view.block))
                at, kept = 0, []
                for (item, length), fine in zip(view.objects, right, strict=True):
                    if fine and item not in there:
                        there.add(item)
                        kept.append((item, joined[at : at + length]))
                    at += length
                if kept:
                    out.add(kept)
        out.finish()
        out.publish()
        first = len(blocks)
        for entry in out.entries:
            number, offset, length = RECORD.unpack(entry[index.ID :])
            entries.append(entry[: index.ID] + RECORD.pack(first + number, offset, length))
        packs = [(pack, size) for pack, (size, _) in sound.items()] + out.packs
        data = index.build(packs, [*blocks, *out.blocks], entries)
        with failure.store_errors("Listing the indexes"):
            old = index.names(store.home.index)
        with store.taking_out():
            index.write(store.home.index, data, store.object_mode)
            with failure.store_errors("Moving to the quarantine"):
                for name in sorted(old):
                    _set_aside(quarantine, store.home.index / name)
                atomic.fsync_folder(store.home.index)
    finally:
        out.discard()
    with failure.store_errors("Moving to the quarantine"):
        for pack in damaged:
            _set_aside(quarantine, Path(pack_path(store.home.packs, pack)))
        for snapshot_id in bad_manifests:
            _set_aside(quarantine, store.home.manifest(snapshot_id))
        for folder in (store.home.packs, store.home.snapshots):
            atomic.fsync_folder(folder)
    _sweep(store)


def _quarantine(store: Store) -> Path:
    """The folder for what is damaged; one of this user's own where another one made the first for himself alone."""
    with failure.store_errors("Making the quarantine"):
        for folder in (
            store.quarantine,
            store.quarantine.with_name(f"{store.quarantine.name}-{os.geteuid()}"),
        ):
            atomic.make_folder(folder)
            if os.access(folder, os.W_OK | os.X_OK):
                break
    return folder


def _set_aside(quarantine: Path, path: Path) -> None:
    place = quarantine / path.name
    if os.path.lexists(place):
        place = quarantine / f"{path.name}-{time.time_ns()}"
    os.rename(path, place)
    atomic.fsync_folder(quarantine)
