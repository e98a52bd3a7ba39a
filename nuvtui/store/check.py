"""Verify the store: structure always, every byte where asked for; name the snapshots and paths that suffer."""

from collections.abc import Iterable

from blake3 import blake3

from nuvtui.errors import NuvError, StoreError
from nuvtui.model import tree as tree_format
from nuvtui.model.maintenance import CheckReport, Problem
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Reporter
from nuvtui.store import failure
from nuvtui.store.index import IndexFile, names
from nuvtui.store.packs import (
    BlockView,
    PackDamagedError,
    PackFile,
    decompress,
    read_blocks,
)
from nuvtui.store.store import Store


def check(store: Store, read_data: bool, reporter: Reporter, expected: Iterable[str] = ()) -> CheckReport:
    """Verify indexes, packs, manifests and trees of `store`; with `read_data` every object as well.

    `expected` are ids of snapshots that somebody else (the state) knows of: one without a manifest is a problem.
    Raises StoreError where the store cannot be listed at all; whatever else is wrong is in the report.
    """
    with store.using():
        return _Check(store, reporter).run(read_data, expected)


class _Check:
    def __init__(self, store: Store, reporter: Reporter) -> None:
        self.store = store
        self.reporter = reporter
        self.problems: dict[str, Problem] = {}
        self.objects: dict[bytes, tuple[bytes, int]] = {}
        """Of every object a place: its pack, and the offset of its block in it."""
        self.others: dict[bytes, list[tuple[bytes, int]]] = {}
        """Further places of objects that were stored again after a copy was lost."""
        self.broken: dict[tuple[bytes, bytes, int], str] = {}
        """Copies of objects (id, pack, offset) that are damaged or lost: key of the problem that names them."""
        self.bad: dict[bytes, str] = {}
        """Objects of which no sound copy is left, so far as looked at: key of the problem that names them."""
        self.trees: dict[bytes, list[tuple[str, str]]] = {}
        self.read = 0

    def problem(self, key: str, detail: str) -> None:
        known = self.problems.get(key)
        if known is None:
            self.problems[key] = Problem(key, detail)
        elif detail not in known.detail:
            known.detail += f"; {detail}"

    def run(self, read_data: bool, expected: Iterable[str]) -> CheckReport:
        store = self.store
        self.reporter.step("index", "Indexes")
        indexed = self._indexes()
        self.reporter.step("packs", "Packs")
        present = store.present_packs()
        self._packs(indexed, present, read_data)
        self.reporter.step("snapshots", "Snapshots")
        ids = store.manifest_ids()
        for number, snapshot_id in enumerate(ids):
            self.reporter.check()
            self.reporter.progress(number, len(ids), "steps", snapshot_id)
            try:
                snapshot = store.read_manifest(snapshot_id)
            except NuvError as error:
                if not store.has_manifest(snapshot_id):
                    continue  # deleted since they were listed
                key = f"snapshot {snapshot_id}"
                self.problem(key, error.message)
                self.problems[key].snapshots = [snapshot_id]
                continue
            self._snapshot(snapshot)
        for snapshot_id in sorted(set(expected) - set(ids)):
            key = f"snapshot {snapshot_id}"
            self.problem(key, "its manifest is gone")
            self.problems[key].snapshots = [snapshot_id]
        for problem in self.problems.values():
            problem.snapshots = sorted(set(problem.snapshots))
            problem.paths = sorted(set(problem.paths))
        return CheckReport(
            list(self.problems.values()),
            len(self.objects),
            len(present),
            sum(present.values()),
            len(ids),
            self.read,
        )

    # -- indexes and packs

    def _indexes(self) -> list[IndexFile]:
        """Open every index; a damaged one becomes a problem and is left out."""
        store = self.store
        with failure.store_errors("Listing the indexes"):
            found = sorted(names(store.home.index))
        sound = []
        for name in found:
            try:
                with failure.store_errors("Reading an index"):
                    sound.append(IndexFile(store.home.index / name))
            except StoreError as error:
                self.problem(f"index {name[:16]}", f"{error.message}; `nuvtui store repair` makes it again")
        for file in sound:
            blocks = file.blocks()
            for item, number, _, _ in file.entries():
                place = (blocks[number].pack, blocks[number].offset)
                if self.objects.setdefault(item, place) != place:
                    self.others.setdefault(item, []).append(place)
        return sound

    def _packs(self, indexed: list[IndexFile], present: dict[bytes, int], read_data: bool) -> None:
        listed = {pack: size for file in indexed for pack, size in file.packs}
        by_pack: dict[bytes, dict[bytes, int]] = {}
        for item, (pack, offset) in self.objects.items():
            by_pack.setdefault(pack, {})[item] = offset
        for item, places in self.others.items():
            for pack, offset in places:
                by_pack.setdefault(pack, {})[item] = offset
        for number, pack in enumerate(sorted({*listed, *present})):
            self.reporter.check()
            self.reporter.progress(number, len(listed), "steps", pack.hex()[:16])
            key = f"pack {pack.hex()[:16]}"
            wanted = by_pack.get(pack, {})
            if pack not in present:
                self.problem(key, "is missing")
                self._break(pack, wanted, key)
                continue
            if pack in listed and present[pack] != listed[pack]:
                self.problem(key, f"has {present[pack]} bytes instead of {listed[pack]}")
            self._pack(pack, key, wanted, read_data)

    def _pack(self, pack: bytes, key: str, wanted: dict[bytes, int], read_data: bool) -> None:
        seen: dict[bytes, int] = {}
        try:
            file = PackFile(self.store.home.packs, pack)
            try:
                for view in read_blocks(file.descriptor, pack):
                    seen.update(dict.fromkeys((item for item, _ in view.objects), view.block.offset))
                    if read_data:
                        self._read(file, view, key)
            except PackDamagedError as error:
                self.problem(key, str(error))
                if read_data:
                    self._read_indexed(pack, key, wanted, seen)
                    return
        except OSError as error:
            self.problem(key, f"cannot be read: {error.strerror}")
            self._break(pack, wanted, key)
            return
        lost = {item: offset for item, offset in wanted.items() if seen.get(item) != offset}
        if lost:
            self.problem(key, f"{len(lost)} of its objects cannot be found in it")
            self._break(pack, lost, key)

    def _read(self, file: PackFile, view: BlockView, key: str) -> None:
        """Verify every object of a block."""
        try:
            joined = decompress(view.block, file.payload(view.block))
        except ValueError as error:
            self.problem(key, f"the block at byte {view.start} is damaged ({error})")
            self._break(view.block.pack, {item: view.block.offset for item, _ in view.objects}, key)
            return
        at = 0
        for item, length in view.objects:
            if blake3(joined[at : at + length]).digest() != item:
                self.problem(key, f"the block at byte {view.start} holds wrong bytes")
                self._break(view.block.pack, {item: view.block.offset}, key)
            at += length
        self.read += len(joined)

    def _read_indexed(self, pack: bytes, key: str, wanted: dict[bytes, int], seen: dict[bytes, int]) -> None:
        """Where a pack's headers cannot be followed to the end: read the rest the way that the index tells."""
        for item in wanted:
            if item in seen:
                continue
            try:
                self.store.read(item)
            except StoreError:
                self._break(pack, {item: wanted[item]}, key)

    def _break(self, pack: bytes, items: dict[bytes, int], key: str) -> None:
        """Note that these copies (by offset of their blocks in `pack`) cannot be read."""
        for item, offset in items.items():
            self.broken[item, pack, offset] = key

    # -- snapshots

    def _snapshot(self, snapshot: Snapshot) -> None:
        def suffer(key: str, path: str) -> None:
            problem = self.problems[key]
            problem.snapshots.append(snapshot.id)
            problem.paths.append(f"{snapshot.id}: {path}")

        for path, key in self._tree(bytes.fromhex(snapshot.files.root)):
            suffer(key, path_to_text(path) or "all files")
        for table in snapshot.tables:
            for text in table.content:
                found = self._object(bytes.fromhex(text))
                if found is not None:
                    suffer(found, f"table {table.name}")

    def _object(self, item: bytes) -> str | None:
        """The key of the problem with an object; None where it is sound."""
        if item in self.bad:
            return self.bad[item]
        first = self.objects.get(item)
        if first is None:
            key = f"object {item.hex()[:16]}"
            self.problem(key, "is missing: no index lists it")
        else:
            found = self.broken.get((item, *first))
            if found is None:
                return None
            if any((item, *place) not in self.broken for place in self.others.get(item, ())):
                return None
            key = found
        self.bad[item] = key
        return key

    def _tree(self, root: bytes) -> list[tuple[str, str]]:
        """What suffers in and below a tree: path (empty: the tree itself) and key of the problem."""
        stack: list[bytes] = [root]
        while stack:
            tree_id = stack[-1]
            if tree_id in self.trees:
                stack.pop()
                continue
            if (key := self._object(tree_id)) is not None:
                self.trees[tree_id] = [("", key)]
                continue
            try:
                listed = tree_format.decode(self.store.read(tree_id))
            except (StoreError, ValueError) as error:
                pack = self.objects[tree_id][0]
                key = f"pack {pack.hex()[:16]}"
                self.problem(key, error.message if isinstance(error, StoreError) else str(error))
                self.bad[tree_id] = key
                continue
            below = [entry.content[0] for entry in listed if entry.kind == FOLDER]
            missing = [item for item in below if item not in self.trees]
            if missing:
                stack += missing
                continue
            found: list[tuple[str, str]] = []
            for entry in listed:
                name = entry.name.decode("utf-8", "surrogateescape")
                if entry.kind == FOLDER:
                    for path, key in self.trees[entry.content[0]]:
                        found.append((f"{name}/{path}" if path else f"{name}/", key))
                else:
                    for item in entry.content:
                        if (key := self._object(item)) is not None:
                            found.append((name, key))
            self.trees[tree_id] = found
        return self.trees[root]
