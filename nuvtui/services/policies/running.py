"""One run of a policy: hook, snapshot, pushes, deletion, hook; each step's failure is told, none is passed over."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from nuvtui import clock
from nuvtui.errors import Cancelled, Exit, NuvError, PlanChangedError
from nuvtui.model.names import short, text_to_path
from nuvtui.model.policy import Hook, HookRun, Policy, PolicyPlan, PolicyRun, Pushed
from nuvtui.model.space import Instance
from nuvtui.reporter import Reporter
from nuvtui.services.context import Context
from nuvtui.services.policies import hooks
from nuvtui.services.snapshots.service import SnapshotsService, deletion

if TYPE_CHECKING:
    from nuvtui.services.remotes.service import RemotesService


class Policies(Protocol):
    """What a run asks of the service."""

    def plan(self, instance_id: str, *, look: bool) -> PolicyPlan:
        """What a run would do now."""

    def changed(self, instance_id: str, reporter: Reporter | None = None) -> bool:
        """Whether a snapshot would differ from the newest."""

    def remember(self, run: PolicyRun) -> None:
        """Keep what the run did so far."""


class Running:
    """A run. The caller holds the policy's lock."""

    def __init__(
        self,
        context: Context,
        policies: "Policies",
        snapshots: SnapshotsService,
        remotes: "Callable[[], RemotesService]",
        policy: Policy,
        instance: Instance,
        reporter: Reporter,
    ) -> None:
        self._context = context
        self._policies = policies
        self._snapshots = snapshots
        self._remotes = remotes
        self._policy = policy
        self._instance = instance
        self._reporter = reporter
        self._done = PolicyRun(policy.id, os.environ.get("NUVTUI_TASK", ""), clock.now())
        self._exit = Exit.DONE

    def run(self, plan: str) -> PolicyRun:
        """Do all of it. Raises NuvError with all that went wrong, and the exit code of what went wrong first."""
        if plan and self._policies.plan(self._policy.id, look=True).plan != plan:
            raise PlanChangedError("What would be deleted")
        self._policies.remember(self._done)
        try:
            self._steps(plan)
        except Cancelled as error:
            self._failed("it was cancelled", error)
            raise
        except NuvError as error:
            self._failed(str(error), error)
            raise
        finally:
            self._note(finished=clock.now())
            self._policies.remember(self._done)
        if self._done.problems:
            raise NuvError(
                f"The policy of {self._instance.name} could not be carried out whole",
                "; ".join(self._done.problems),
                "See `nuvtui policy show`.",
                self._exit,
            )
        return self._done

    def _steps(self, plan: str) -> None:
        if self._policy.before is not None and not self._hook("before", self._policy.before):
            return
        if self._snapshot():
            for name in self._policy.push:
                self._push(name)
        if not self._done.problems:
            self._delete(plan)
        if self._policy.after is not None:
            self._hook("after", self._policy.after)

    def _snapshot(self) -> bool:
        """Take a snapshot, where anything changed; whether there is one of the state as it is now."""
        self._reporter.step("compare", "Comparing with the newest snapshot")
        try:
            if self._policies.changed(self._instance.id, self._reporter):
                taken = self._snapshots.create(self._instance.id, reporter=self._reporter, scheduled=True)
                self._note(outcome="taken", snapshot=taken.id)
            else:
                newest = self._context.view().newest(self._instance.id) or ""
                self._note(outcome="unchanged", snapshot=newest)
        except Cancelled:
            raise
        except NuvError as error:
            self._note(outcome="failed")
            self._failed(f"no snapshot was taken: {error}", error)
            return False
        return True

    def _push(self, name: str) -> None:
        """Push the snapshot to a remote. One that a push missed before is pushed with the newest that is unchanged."""
        self._reporter.step("push", f"Pushing to {name}")
        try:
            result = self._remotes().push(name, [self._done.snapshot], self._reporter)
            pushed = Pushed(name, result.snapshots)
        except Cancelled:
            raise
        except NuvError as error:
            pushed = Pushed(name, [], str(error))
            self._failed(f"{short(self._done.snapshot)} was not pushed to {name}: {error}", error)
        self._note(pushed=[*self._done.pushed, pushed])

    def _delete(self, plan: str) -> None:
        """Delete what no rule keeps, as the plan says that is made now, or was approved."""
        self._reporter.step("delete", "Deleting what no rule keeps")
        going = self._policies.plan(self._policy.id, look=False).going
        if not going and not plan:
            return
        try:
            self._snapshots.delete([record.id for record in going], plan or deletion(going))
            self._note(deleted=[record.id for record in going])
        except NuvError as error:
            self._failed(f"nothing was deleted: {error}", error)

    def _hook(self, when: Literal["before", "after"], hook: Hook) -> bool:
        """Run a hook; whether it went well."""
        self._reporter.step(when, f"Running the hook {when}")
        folder = Path(text_to_path(self._instance.workspace))
        result = hooks.run(when, hook, folder, self._variables(), self._reporter)
        self._note(hooks=[*self._done.hooks, result])
        if result.problem:
            self._failed(_told(result))
        return not result.problem

    def _variables(self) -> dict[str, str]:
        """What a hook is told by its environment."""
        return {
            "NUVTUI_HOME": str(self._context.home.root),
            "NUVTUI_SPACE": self._policy.space,
            "NUVTUI_INSTANCE": self._policy.id,
            "NUVTUI_OUTCOME": self._done.outcome,
            "NUVTUI_SNAPSHOT": self._done.snapshot,
            "NUVTUI_PROBLEMS": str(len(self._done.problems)),
        }

    def _failed(self, problem: str, error: NuvError | None = None) -> None:
        self._exit = self._exit or (error.exit_code if error is not None else Exit.FAILED)
        self._reporter.warning(problem)
        self._note(problems=[*self._done.problems, problem])

    def _note(self, **fields: object) -> None:
        self._done = msgspec.structs.replace(self._done, **fields)


def _told(result: HookRun) -> str:
    last = f": {result.output[-1]}" if result.output else ""
    stopped = "; nothing else was done" if result.when == "before" else ""
    return f"the hook {result.when} {result.problem}{last}{stopped}"
