"""The policies of instances: set, shown, installed, run."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from nuvtui import clock
from nuvtui.catalog.view import View
from nuvtui.errors import Exit, NuvError
from nuvtui.model import policy as rules
from nuvtui.model.policy import MissedRun, Policy, PolicyPlan, PolicyRun
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Changes, FilesSummary, SnapshotRecord
from nuvtui.model.space import Instance
from nuvtui.reporter import Reporter
from nuvtui.services.context import Context
from nuvtui.services.policies import hooks
from nuvtui.services.policies.missed import missed_runs
from nuvtui.services.snapshots.service import SCHEDULED, SnapshotsService, deletion
from nuvtui.services.states.changes import ChangesService

if TYPE_CHECKING:
    from nuvtui.services.policies.installing import Plan, Where
    from nuvtui.services.remotes.service import RemotesService

SECONDS = 600
"""How long a hook may take where nobody says it."""


class PoliciesService:
    """Policies."""

    def __init__(
        self,
        context: Context,
        snapshots: SnapshotsService,
        changes: ChangesService,
        remotes: "Callable[[], RemotesService]",
    ) -> None:
        self._context = context
        self._snapshots = snapshots
        self._changes = changes
        self._remotes = remotes

    # -- what it says

    def get(self, instance_id: str) -> Policy:
        """The policy of an instance. Needs the viewer role (4). Raises NuvError (3) where it has none."""
        view, instance = self._allowed(instance_id, Action.VIEW)
        found = view.policies.get(instance_id)
        if found is None:
            raise self._none(view, instance)
        return found

    def set(self, instance_id: str, **fields: Any) -> Policy:
        """Change `fields` of the policy of an instance, or give it one. Needs the editor role (4).

        Raises NuvError where a remote to push to is not known (3). Hooks that are set run for this account.
        """
        _view, instance = self._allowed(instance_id, Action.MODIFY)
        if "push" in fields:
            fields["push"] = list(dict.fromkeys(self._remotes().find(name).id for name in fields["push"]))
        with self._context.state.transaction() as tx:
            old = tx.policies.get(instance_id) or Policy(id=instance_id, space=instance.space)
            new = msgspec.structs.replace(old, **fields, author=self._context.user, changed=clock.now())
            if "before" in fields or "after" in fields:
                # Only what is said now: a hook of another author is not approved along with it.
                hooks.approve(
                    msgspec.structs.replace(new, before=fields.get("before"), after=fields.get("after"))
                )
            tx.policies.put(new)
        return new

    def remove(self, instance_id: str, *, schedule_only: bool = False, elsewhere: bool = False) -> None:
        """Remove the policy of an instance and its schedule, or only what `install` wrote. Needs the editor role (4).

        Raises NuvError where the schedule cannot be removed; then the policy stays. `elsewhere`: one that is installed
        on another machine, or by another user, stays there.
        """
        from nuvtui.services.policies import installing

        self._allowed(instance_id, Action.MODIFY)
        found = self.get(instance_id)
        if found.installed is not None and (installing.is_ours(found.installed) or not elsewhere):
            installing.remove(found.installed)
        with self._changing(instance_id) as put:
            put(lambda old: msgspec.structs.replace(old, installed=None) if schedule_only else None)

    # -- where it is installed

    def installation(self, instance_id: str, where: "Where | None" = None) -> "Plan":
        """What installing the schedule would write; `where` None: the best there is.

        Needs the editor role (4). Raises NuvError: no schedule (2), nothing that runs one (6), installed elsewhere (6).
        """
        from nuvtui.services.policies import installing

        view, instance = self._allowed(instance_id, Action.MODIFY)
        found = self.get(instance_id)
        if found.schedule is None:
            raise NuvError(
                f"The policy of {instance.name} has no schedule",
                "there is nothing to install",
                "Give it one: `nuvtui policy set --schedule 'daily 02:00'`.",
                Exit.USAGE,
            )
        called = f"{self._context.space(view, instance.space).name}/{instance.name}"
        return installing.plan(self._context.home, found, called, where)

    def install(self, instance_id: str, planned: "Plan") -> Policy:
        """Install what `installation` said, in place of what was installed before."""
        from nuvtui.services.policies import installing

        before = self.get(instance_id).installed
        if before is not None and before.where != planned.installed.where:
            installing.remove(before)
        installing.install(planned)
        with self._changing(instance_id) as put:
            put(lambda old: msgspec.structs.replace(old, installed=planned.installed))
        return self.get(instance_id)

    # -- what it does

    def plan(self, instance_id: str, *, look: bool) -> PolicyPlan:
        """What a run would do now; `look`: whether it would take a snapshot too. Needs the viewer role (4)."""
        view, _instance = self._allowed(instance_id, Action.VIEW)
        policy = self.get(instance_id)
        takes = self.changed(instance_id) if look else None
        records = [record for record in view.snapshots.all() if record.instance == instance_id]
        coming = _coming(policy, view.next_number(instance_id)) if takes else None
        now = clock.parse(clock.now())
        verdicts = [
            verdict
            for verdict in rules.kept([*records, coming] if coming else records, policy, now, _used(view))
            if verdict.snapshot is not coming
        ]
        going = [verdict.snapshot for verdict in verdicts if not verdict.kept_by]
        freed = self._snapshots.freed_by([record.id for record in going]) if going else 0
        return PolicyPlan(takes, policy.push, verdicts, freed, deletion(going))

    def changed(self, instance_id: str, reporter: Reporter | None = None) -> bool:
        """Whether a snapshot would differ from the newest; what cannot be compared counts as changed."""
        if self._context.view().newest(instance_id) is None:
            return True
        try:
            return not self._changes.status(instance_id, reporter).empty
        except NuvError as error:
            if error.exit_code in (Exit.ROLE, Exit.CANCELLED):
                raise
            return True  # taking a snapshot tells what is wrong

    def check_run(self, instance_id: str) -> tuple[Policy, Instance]:
        """Policy and instance of a run. Raises NuvError: role (4), no policy (3), hooks that nobody approved (6)."""
        _view, instance = self._allowed(instance_id, Action.MODIFY)
        policy = self.get(instance_id)
        hooks.check_approved(policy)
        return policy, instance

    def run(self, instance_id: str, reporter: Reporter, plan: str = "") -> PolicyRun:
        """Do what the policy says; `plan`: digest of the dry run that was approved.

        Raises NuvError where anything went wrong, with all that did; what was done meanwhile is in `last` of the
        policy. Nothing is deleted in a run in which something went wrong before.
        """
        from nuvtui.services.policies.running import Running

        policy, instance = self.check_run(instance_id)
        what = f"A run of the policy of {instance.name}"
        with self._context.exclusive(f"policy-{instance_id}", what, reporter=reporter):
            return Running(
                self._context, self, self._snapshots, self._remotes, policy, instance, reporter
            ).run(plan)

    def running(self, instance_id: str) -> bool:
        """True while a run of the policy is under way: a last run without an end was interrupted, else."""
        return self._context.busy(f"policy-{instance_id}")

    def remember(self, run: PolicyRun) -> None:
        """Keep what a run did as the policy's last; a policy that is gone meanwhile stays so."""
        with self._changing(run.instance) as put:
            put(lambda old: msgspec.structs.replace(old, last=run))

    def missed(self) -> list[MissedRun]:
        """The runs that the acting user's schedules on this machine missed."""
        return missed_runs(self._context.view(), self._context.user)

    # -- helpers

    @contextlib.contextmanager
    def _changing(self, instance_id: str) -> Iterator[Callable[[Callable[[Policy], Policy | None]], None]]:
        with self._context.state.transaction() as tx:

            def put(change: Callable[[Policy], Policy | None]) -> None:
                old = tx.policies.get(instance_id)
                new = change(old) if old is not None else None
                if new is not None:
                    tx.policies.put(new)
                else:
                    tx.policies.delete(instance_id)

            yield put

    def _allowed(self, instance_id: str, action: Action) -> tuple[View, Instance]:
        view = self._context.view()
        instance = self._context.instance(view, instance_id)
        self._context.require(view, action, instance.space, instance.id)
        return view, instance

    def _none(self, view: View, instance: Instance) -> NuvError:
        space = self._context.space(view, instance.space)
        return NuvError(
            f"{space.name}/{instance.name} has no policy",
            "",
            "Give it one: `nuvtui policy set --schedule 'daily 02:00' --keep-daily 7 --keep-weekly 8`.",
            Exit.NOT_FOUND,
        )


def _used(view: View) -> set[str]:
    """Snapshots that something refers to: an export, a distribution under way, a stage."""
    return {
        *(
            each.snapshot
            for each in view.exports.all()
            if each.status in ("running", "completed") and each.snapshot
        ),
        *(
            each.source.snapshot
            for each in view.distributions.all()
            if each.status == "running" and each.source.snapshot
        ),
        *(each.source.snapshot for each in view.stages.all() if each.source.snapshot),
    }


def _coming(policy: Policy, number: int) -> SnapshotRecord:
    """The snapshot that a run would take, as far as keep rules look at it."""
    return SnapshotRecord(
        id="", space=policy.space, instance=policy.id, name="", kind="automatic", created=clock.now(), author="",
        description="", next_phase="", parent=None, files=FilesSummary(0, 0), tables=[], applications=[],
        changes=Changes(), warnings=0, stored_bytes=0, number=number, sentence=SCHEDULED,
    )  # fmt: skip
