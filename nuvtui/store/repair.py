"""Repair: make the indexes again from the packs.

What is damaged moves to `objects/quarantine`, after its sound objects were copied; nothing but unfinished
temporaries is deleted.
"""

import contextlib
import os
import time
from pathlib import Path

from blake3 import blake3

from nuvtui import atomic
from nuvtui.errors import NuvError, StoreError
from nuvtui.model.maintenance import IndexRepair
from nuvtui.reporter import Reporter
from nuvtui.store import failure, index, temporaries
from nuvtui.store.packs import (
    RECORD,
    Block,
    BlockView,
    PackDamagedError,
    PackFile,
    PackWriter,
    decompress,
    pack_path,
    read_blocks,
)
from nuvtui.store.store import Store


def repair(store: Store, dry_run: bool, reporter: Reporter) -> IndexRepair:
    """Read every pack, make the index again, move what is damaged to the quarantine.

    Raises NuvError (conflict) while snapshots are being taken, StoreError where the store cannot be read or
    written; run again, it goes on where it was.
    """
    store.create()
    with store.alone(), atomic.locked(store.commit_lock):
        report = IndexRepair(dry_run)
        reporter.step("packs", "Reading the packs")
        sound, damaged = _survey(store, report, reporter)
        bad_manifests = []
        for snapshot_id in store.manifest_ids():
            try:
                store.read_manifest(snapshot_id)
            except NuvError:
                bad_manifests.append(snapshot_id)
        report.damaged_snapshots = bad_manifests
        report.removed_temporaries = len(temporaries.find(store))
        if not dry_run:
            reporter.step("repair", "Writing the index")
            _mend(store, sound, damaged, bad_manifests)
        store.forget()
        return report


_Views = list[tuple[BlockView, list[bool]]]
"""Blocks of a pack, and of each object whether its bytes are right."""


def _survey(
    store: Store, report: IndexRepair, reporter: Reporter
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
    temporaries.sweep(store)


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
