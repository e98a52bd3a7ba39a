"""A distribution or its recall: its steps while it runs, then what became of each target, and the ways back."""

from collections.abc import Mapping, Sequence

from nuvtui.errors import NuvError
from nuvtui.model.distribution import Distribution, TargetPlan, TargetResult
from nuvtui.model.queries import DryRun
from nuvtui.model.roles import Role
from nuvtui.model.task import TaskView
from nuvtui.tui.common.outcome import Back, target_fields, warned
from nuvtui.tui.common.task_screen import TaskScreen
from nuvtui.tui.features.distribution.plan import summary
from nuvtui.tui.features.distribution.recall import ask_to_recall, backs_of, recallable
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail_list import Field, field, say
from nuvtui.tui.toolkit.lines import line
from nuvtui.worker.queries import Queries

ORDER = ("failed", "interrupted", "cancelled")
"""How targets ended that come first: with the reason."""


class DistributionRun(TaskScreen):
    """The screen of a distribution's task. A distribution that did not reach every target says which it did reach."""

    SCOPES = ("run", "delivery")
    BINDINGS = [*bindings("run"), *bindings("delivery")]

    def __init__(self, task: TaskView) -> None:
        super().__init__(task)
        self.distribution: Distribution | None = None
        self._role: Role | None = None
        self._queries = Queries()
        self._now: list[TargetPlan] = []

    def on_mount(self) -> None:
        """A task that was forgotten, or had ended: its record is read at once."""
        self._read()

    def ended(self) -> None:
        """The record tells of every target."""
        self._read()

    def _read(self) -> None:
        task, subject, space = self.seen.id, self.seen.subject, self.seen.space
        if not space:
            return

        def read() -> tuple[Distribution | None, Role | None]:
            services = self.nuv.services
            found = services.distribution.list(space)
            one = next((each for each in found if each.task == task or each.id == subject), None)
            return one, services.members.role(space, None)

        self.load(read, self._record_read, group="record", failed=_untold)

    def _record_read(self, answer: tuple[Distribution | None, Role | None]) -> None:
        self.distribution, self._role = answer
        self._show()
        changed = [each.instance for each in self._targets() if each.changed]
        if changed and not self._now and self.distribution is not None:
            query = DryRun(self.distribution.space, changed, self.distribution.strategies)
            pending = self._queries.begin()
            self.load(
                lambda: pending.ask(self.nuv.services, query), self._planned, group="plan", failed=_untold
            )

    def on_unmount(self) -> None:
        """Nobody waits for the new plan any more."""
        self._queries.stop()

    def _targets(self) -> Sequence[TargetResult]:
        return self.distribution.targets if self.distribution is not None else ()

    def _planned(self, plans: list[TargetPlan]) -> None:
        """What would be done now to the targets that changed since the dry run."""
        self._now = plans
        self._show()

    def result(self) -> list[Field]:
        """What became of each target, those that failed first."""
        if self.distribution is None:
            return TaskScreen.result(self)
        return [*self._told(self.distribution), *(warned(each, self.nuv.glyphs) for each in self._warnings())]

    def _warnings(self) -> Sequence[str]:
        """Warnings that no target's own reason says already."""
        known = [target.error for target in self.distribution.targets] if self.distribution else []
        return [each for each in self.seen.warnings if not any(error and error in each for error in known)]

    def more(self) -> list[Field]:
        """The record outlives its task."""
        return [Field(line()), *self._told(self.distribution)] if self.distribution is not None else []

    def _told(self, distribution: Distribution) -> list[Field]:
        glyphs = self.nuv.glyphs
        found: list[Field] = []
        if self.backs():
            found.append(say(("u", "accent"), " brings a target back to what it was before."))
        if self.may_recall:
            found.append(
                say(("R", "accent"), " recalls: removes what was distributed from all targets again.")
            )
        targets = sorted(distribution.targets, key=lambda target: target.status not in ORDER)
        if len(targets) > 1:
            found.append(_in_all(targets))
        for target in targets:
            found += [Field(line()), *target_fields(target, glyphs)]
            found += [
                say(("  now: ", "muted"), summary([plan]))
                for plan in self._now
                if target.changed and plan.instance == target.instance
            ]
        found += [Field(line()), field("Distribution", distribution.id)]
        if distribution.message:
            found.append(field("Message", distribution.message))
        return found

    def backs(self) -> list[Back]:
        """The automatic snapshots of the targets, also where others could not be reached."""
        return backs_of(self.distribution) if self.distribution is not None else TaskScreen.backs(self)

    @property
    def may_recall(self) -> bool | None:
        """True for administrators, where there is something to recall."""
        return recallable(self.distribution, self._role)

    def action_recall(self) -> None:
        """Ask, then recall."""
        if self.distribution is not None and self.may_recall:
            ask_to_recall(self, self.distribution)

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """Task, way back, distribution."""
        values = dict(TaskScreen.command_values(self))
        if self.distribution is not None:
            values["distribution"] = self.distribution.id[:8]
        return values


def _in_all(targets: Sequence[TargetResult]) -> Field:
    """Sums over all targets."""
    sums = {
        what: sum(
            getattr(getattr(target, kind), what)
            for target in targets
            for kind in ("files", "tables", "applications")
        )
        for what in ("created", "replaced", "removed", "kept")
    }
    text = ", ".join(f"{number:,} {what}" for what, number in sums.items())
    return field("In all", f"{len(targets)} targets: {text}")


def _untold(error: NuvError) -> None:
    """Without the record the task's own words stand."""
