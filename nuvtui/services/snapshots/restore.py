"""Restore: bring a whole Current State back to a snapshot, with an automatic snapshot first."""

from nuvtui.errors import PlanChangedError
from nuvtui.model.cause import Cause
from nuvtui.model.operations import RestoreResult
from nuvtui.model.plan_digest import plan_digest
from nuvtui.model.queries import RestorePlan
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.space import Instance
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.snapshots import changeset
from nuvtui.services.snapshots.objects import objects_of
from nuvtui.services.states.changes import ChangesService
from nuvtui.services.states.service import StatesService


class RestoreService:
    """Restores snapshots."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def check(self, snapshot: str, instance_id: str | None = None) -> tuple[Snapshot, Instance]:
        """The snapshot, and the instance that it would replace. Raises NuvError: none such (3), role (4)."""
        view = self._context.view()
        manifest = self._context.store.read_manifest(snapshot)
        target = self._context.instance(view, instance_id or manifest.instance.id)
        self._context.require(view, Action.MODIFY, target.space, target.id)
        self._context.require(view, Action.VIEW, manifest.space.id, manifest.instance.id)
        return manifest, target

    def dry_run(self, snapshot: str, instance_id: str | None = None) -> RestorePlan:
        """What a restore would do, with a digest by which `restore` tells whether it would still do the same."""
        manifest, target = self.check(snapshot, instance_id)
        now = StateRef(target.id)
        plan = self._digest(manifest, now)  # first: what changes in between is refused, not approved unseen
        changes = ChangesService(self._context, StatesService(self._context))
        return RestorePlan(plan, changes.diff(now, StateRef(manifest.instance.id, manifest.id)))

    def _digest(self, manifest: Snapshot, ref: StateRef) -> str:
        return plan_digest("restore", manifest.id, ref.instance, objects_of(self._context, ref).digest)

    def restore(
        self,
        snapshot: str,
        instance_id: str | None = None,
        reporter: Reporter | None = None,
        plan: str = "",
    ) -> RestoreResult:
        """Replace the Current State of an instance (None: the snapshot's own) by the snapshot.

        Needs the viewer role where the snapshot is and the editor role on the target (4). A failure leaves the
        target as it was, or the error names the automatic snapshot that brings it back. `plan`: digest of the dry run
        that was approved; a target that changed since is refused (5).
        """
        manifest, target = self.check(snapshot, instance_id)

        def make(backup: Snapshot) -> changeset.Transition:
            if plan and self._digest(manifest, StateRef(target.id, backup.id)) != plan:
                raise PlanChangedError(target.name)
            return changeset.between(self._context, backup, manifest)

        with self._context.exclusive(f"instance-{target.id}", f"Instance {target.name}", reporter=reporter):
            outcome = changeset.run(
                self._context,
                target,
                Cause("restore", manifest.id, manifest.name, "" if manifest.name else manifest.kind),
                make,
                reporter or Silent(),
                over_damage=True,
            )
        done = outcome.done
        return RestoreResult(
            snapshot=manifest.id,
            instance=target.id,
            backup=outcome.backup.id,
            files=len(done.files),
            files_removed=len(done.files_removed),
            tables=len(done.tables),
            tables_removed=len(done.tables_removed),
            applications=len(done.applications),
            applications_removed=len(done.applications_removed),
            kept=outcome.kept,
            skipped=[path for path, _reason in outcome.skipped],
        )
