"""The store's upkeep: check, gc, repair (also of the state, from the manifests), info."""

import contextlib
import os
import shutil
import time
from typing import Any

import msgspec

from nuvtui import atomic, clock
from nuvtui.errors import NuvError
from nuvtui.model import order
from nuvtui.model.maintenance import CheckReport, PruneReport, RepairReport, StateRepair, StoreInfo
from nuvtui.model.names import path_to_text
from nuvtui.model.roles import Role
from nuvtui.model.snapshot import Snapshot, SnapshotRecord, summarise
from nuvtui.model.space import DISTRIBUTED, MASTER, Instance, Member, Space
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Reporter, Silent
from nuvtui.services import identity
from nuvtui.services.context import Context
from nuvtui.services.spaces.service import prepare_workspace

GRACE_SECONDS = 24 * 3600.0
"""What gc leaves alone: packs younger than this may belong to a snapshot that is being taken."""


LEFT_SECONDS = 24 * 3600.0
"""What lies in `tmp` for longer, by whatever clock, was left by a process that is gone."""


def _sweep(home: Home) -> int:
    """Remove from `tmp` and `cache` what no process can be using any more; bytes freed."""
    freed = 0
    now = time.time()
    for folder in (home.tmp, home.cache):
        atomic.remove_abandoned(folder)
    with contextlib.suppress(OSError), os.scandir(home.tmp) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                if abs(now - entry.stat(follow_symlinks=False).st_mtime) < LEFT_SECONDS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    size = entry.stat(follow_symlinks=False).st_size
                    os.unlink(entry.path)
                    freed += size
    return freed


class MaintenanceService:
    """Upkeep of the store home."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def init(self, shared: bool = False) -> bool:
        """Make the store home; `shared`: for a whole group of users. Returns whether it is shared now.

        Without it, the first snapshot makes a store that only its user can read.
        """
        return self._context.establish(shared)

    def info(self) -> StoreInfo:
        """How much the store holds."""
        from nuvtui.store import usage

        return usage.info(self._context.local_store)

    def check(self, read_data: bool = False, reporter: Reporter | None = None) -> CheckReport:
        """Check structure, or (`read_data`) every byte. The report names affected snapshots and paths.

        A snapshot that the state lists and that has no manifest is reported as well.
        """
        from nuvtui.store import check

        store = self._context.local_store
        # A snapshot may be deleted while the check runs: only one that is listed before and after counts.
        listed = {record.id for record in self._context.view().snapshots.all()}
        report = check.check(store, read_data, reporter or Silent(), listed)
        listed_still = {record.id for record in self._context.view().snapshots.all()}
        gone = {f"snapshot {identifier}" for identifier in listed - listed_still}
        report.problems[:] = [problem for problem in report.problems if problem.what not in gone]
        return report

    def gc(
        self, dry_run: bool = False, grace: float | None = None, reporter: Reporter | None = None
    ) -> PruneReport:
        """Free what no snapshot refers to, base images that no export needs, and what killed processes left.

        `grace` in seconds.
        """
        from nuvtui.store import prune
        from nuvtui.tables import scratch

        report = prune.prune(
            self._context.local_store,
            dry_run,
            GRACE_SECONDS if grace is None else grace,
            reporter or Silent(),
        )
        if dry_run:
            return report
        home = self._context.home
        freed = report.freed_bytes + scratch.sweep(home.tmp, home.cache) + _sweep(home)
        if home.images.exists():
            from nuvtui.services.exports.parts import Images

            freed += Images(self._context).layout.sweep(bases=True)
        return msgspec.structs.replace(report, freed_bytes=freed)

    def repair(self, dry_run: bool = False, reporter: Reporter | None = None) -> RepairReport:
        """Rebuild the index from the packs and the state from the manifests. Nothing is ever deleted."""
        from nuvtui.store import repair

        reporter = reporter or Silent()
        reporter.step("store", "Rebuilding the index from the packs")
        store = repair.repair(self._context.local_store, dry_run, reporter)
        reporter.step("state", "Comparing the state with the manifests")
        return RepairReport(dry_run, store, self._repair_state(dry_run, reporter))

    def _repair_state(self, dry_run: bool, reporter: Reporter) -> StateRepair:
        manifests: dict[str, Snapshot] = {}
        present = set(self._context.local_store.manifest_ids())
        for identifier in present:
            try:
                manifests[identifier] = self._context.local_store.read_manifest(identifier)
            except NuvError as error:
                reporter.warning(f"Snapshot {identifier[:8]} cannot be read: {error}")
        spaces: list[str] = []
        instances: list[str] = []
        added: list[str] = []
        seen: set[str] = set()
        state = self._context.state
        if dry_run:
            opened: contextlib.AbstractContextManager[Any] = contextlib.nullcontext(state.look())
        else:
            kept = state.reset()
            if kept is not None:
                reporter.warning(f"The state file could not be read, and is kept as {kept.name}")
            opened = state.transaction()
        with opened as tx:
            new: list[SnapshotRecord] = []
            dropped = [s.id for s in tx.snapshots.all() if s.id not in present]
            # Newest first: an instance is where it was last.
            for record in order.newest_first(map(summarise, manifests.values())):
                manifest = manifests[record.id]
                if tx.spaces.get(manifest.space.id) is None and manifest.space.id not in seen:
                    seen.add(manifest.space.id)
                    spaces.append(manifest.space.name)
                    if not dry_run:
                        tx.spaces.put(Space(manifest.space.id, manifest.space.name, manifest.created))
                        tx.members.put(Member(manifest.space.id, self._context.user, Role.ADMINISTRATOR))
                if tx.instances.get(manifest.instance.id) is None and manifest.instance.id not in seen:
                    seen.add(manifest.instance.id)
                    instances.append(manifest.instance.name)
                    if not dry_run:
                        tx.instances.put(
                            Instance(
                                manifest.instance.id,
                                manifest.space.id,
                                manifest.instance.name,
                                manifest.provenance.workspace,
                                manifest.created,
                            )
                        )
                if tx.snapshots.get(manifest.id) is None:
                    added.append(manifest.id)
                    new.append(record)
            if not dry_run:
                tx.snapshots.put(*new)
                tx.snapshots.delete(*dropped)
                self._complete_spaces(tx, reporter)
        return StateRepair(spaces, instances, added, dropped)

    def _complete_spaces(self, tx: Any, reporter: Reporter) -> None:
        """Every space has a Master and a Distributed: where one had no snapshot, it is made anew."""
        for space in tx.spaces.all():
            mine = [i for i in tx.instances.all() if i.space == space.id]
            names = {i.name for i in mine}
            folder = self._context.home.workspace(space.id)
            text = path_to_text(str(folder))
            if DISTRIBUTED not in names or any(i.workspace == text for i in mine):
                prepare_workspace(Workspace(folder))
            if DISTRIBUTED not in names:
                known = identity.read(Workspace(folder))
                own = known.instance if known is not None else clock.new_id()
                tx.instances.put(Instance(own, space.id, DISTRIBUTED, text, clock.now()))
            if MASTER not in names:
                reporter.warning(f"Space {space.name}: its Master had no snapshot and is not known any more")
