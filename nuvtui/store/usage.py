"""What a store holds and how much space it takes, in all and snapshot by snapshot."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from nuvtui.errors import NuvError, StoreError
from nuvtui.model.maintenance import StoreInfo
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.tree import FOLDER
from nuvtui.store import failure, index, reach
from nuvtui.store.index import IndexSet
from nuvtui.store.packs import OBJECT
from nuvtui.store.store import Store


def info(store: Store) -> StoreInfo:
    """Count and measure everything in `store`. Raises StoreError."""
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
    reach.each_snapshot(store, lambda snapshot: (asked if snapshot.id in ids else rest).append(snapshot))
    alone: set[bytes] = set()
    for snapshot in asked:
        with reach.unless_deleted(store, snapshot.id):
            alone |= reach.not_in(store, snapshot, _beside(snapshot, rest))
    seen: set[bytes] = set()
    for snapshot in rest:
        if not alone:
            break
        with reach.unless_deleted(store, snapshot.id):
            alone.difference_update(reach.objects(store, snapshot, seen))
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
