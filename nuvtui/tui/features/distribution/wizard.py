"""The distribution of the stage, step by step: targets, strategies, dry run, message, go."""

from collections.abc import Mapping, Sequence

from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input

from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import ObjectType, Strategies, Strategy, TargetPlan
from nuvtui.model.names import text_to_path
from nuvtui.model.operations import Distribute
from nuvtui.model.queries import DryRun
from nuvtui.model.space import Space
from nuvtui.model.task import TaskView
from nuvtui.tui.common import staged as stage
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.staged import Staged
from nuvtui.tui.features.distribution.plan import OUTCOMES, Outcome, PlanSource, filters, summary, totals
from nuvtui.tui.features.distribution.steps import STEPS, StepBar, Steps
from nuvtui.tui.features.distribution.strategies import EXPLAINED, LABELS, of_all, of_one
from nuvtui.tui.features.distribution.targets import Target, TargetList
from nuvtui.tui.features.distribution.targets import read as read_targets
from nuvtui.tui.features.distribution.targets import shown as target_line
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.pick import Option
from nuvtui.tui.toolkit.form_list import FormField, FormList
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Piece, line
from nuvtui.tui.toolkit.moments import took
from nuvtui.worker.queries import Queries

ROUND = 5
"""Cells around a text of this screen: border, padding, bar."""
NAMED = 5000
"""Removals that the dialog lists for each target."""


class Wizard(BaseScreen):
    """Four steps over one stage. Esc goes a step back; what was answered stays, also after leaving."""

    SCOPES = ("wizard",)
    BINDINGS = bindings("wizard")
    HELP = (
        "A distribution pushes what is staged to the Current State of one or more instances. Nothing happens before "
        "the last step, and a snapshot of each target is taken first."
    )

    def __init__(self, space: Space, staged: Staged, answers: dict[str, object]) -> None:
        """`answers` is read and written: it belongs to whoever opens the wizard."""
        super().__init__()
        self.space = space
        self.staged = staged
        self.answers = answers
        self.step = STEPS[0]
        self.targets: list[Target] = []
        self.plans: list[TargetPlan] = []
        self._planned_for: object = None
        self._planning = self._planning_took = ""
        self._planning_clock: Timer | None = None
        """Runs while the dry run is computed."""
        self._only: Outcome | None = None
        self._target: str | None = None
        """Of which target alone the dry run is shown."""
        self._queries = Queries()

    def on_unmount(self) -> None:
        """Nobody waits for a dry run any more."""
        self._queries.stop()

    def body(self) -> list[Widget]:
        """The steps."""
        return [Steps()]

    def on_mount(self) -> None:
        """Read the instances."""
        self._set_form()
        self.query_one("#wizard-message", Input).value = str(self.answers.get("message", ""))
        self._show()
        self.load(self._read_targets, self._targets_read, group="targets")

    # answers

    @property
    def chosen(self) -> list[str]:
        """Ids of the targets, in the order of the list."""
        marked = self.query_one("#wizard-targets", LineList).marked
        return [target.instance.id for target in self.targets if target.instance.id in marked]

    @property
    def strategies(self) -> Strategies:
        """One per type."""
        values = self.query_one("#wizard-form", FormList).values
        return Strategies(*(Strategy(values[kind.value]) for kind in ObjectType))

    @property
    def message(self) -> str:
        """What goes along."""
        return self.query_one("#wizard-message", Input).value.strip()

    @property
    def names(self) -> dict[str, str]:
        """What instances are called."""
        return {target.instance.id: target.name for target in self.targets}

    def _staged_types(self) -> set[ObjectType]:
        return {item.type for item in self.staged.items}

    # targets

    def _read_targets(self) -> list[Target]:
        services = self.nuv.services
        stage = services.staging.get(self.space.id)
        return read_targets(services, self.space.id, stage.source if stage is not None else None)

    def _targets_read(self, targets: list[Target]) -> None:
        self.targets = targets
        shown = self.query_one("#wizard-targets", TargetList)
        shown.empty = "This space has no other instance yet: nuvtui instances create NAME --path DIR"
        shown.others = frozenset(
            target.instance.id
            for target in targets
            if not target.problem and not target.source and target.instance.space == self.space.id
        )
        shown.set_source(Items(targets, target_line, key=lambda target: target.instance.id))
        kept = self.answers.get("targets")
        if isinstance(kept, list):
            shown.set_marked(
                {
                    target.instance.id
                    for target in targets
                    if target.instance.id in kept and not target.problem
                }
            )
        self._explain()

    def on_line_list_marked(self, message: LineList.Marked) -> None:
        """What cannot be a target is not marked."""
        impossible = {target.instance.id for target in self.targets if target.problem}
        if message.list.marked & impossible:
            message.list.set_marked(message.list.marked - impossible)
            return
        self.answers["targets"] = self.chosen
        self._explain()

    # strategies

    def _set_form(self) -> None:
        kept = self.answers.get("strategies")
        values = kept if isinstance(kept, dict) else {}
        options = tuple(Option(strategy.value, EXPLAINED[strategy].name) for strategy in Strategy)
        staged = self._staged_types()
        fields = []
        for kind in ObjectType:
            there = kind in staged
            fields.append(
                FormField(
                    kind.value,
                    LABELS[kind],
                    "choice",
                    values.get(kind.value, Strategy.OVERWRITE.value) if there else Strategy.SKIP.value,
                    options,
                    "" if there else "none staged",
                    locked=not there,
                )
            )
        fields.append(FormField("go", "Dry run", "go", note="n"))
        self.query_one("#wizard-form", FormList).set_form(fields)

    def on_form_list_changed(self, message: FormList.Changed) -> None:
        """Explain the new one."""
        self.answers["strategies"] = dict(message.list.values)  # type: ignore[attr-defined]
        self._explain()

    def on_form_list_going(self) -> None:
        """On to the dry run."""
        self.action_next()

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """Explain the field under the cursor."""
        if isinstance(message.list, FormList):
            self._explain()

    def _explain(self) -> None:
        form = self.query_one("#wizard-form", FormList)
        lines: list[Line | str] = []
        field = form.field
        glyphs = self.nuv.glyphs
        room = self.size.width - ROUND
        if field is not None and field.kind == "choice":
            lines += of_one(ObjectType(field.id), Strategy(field.value), glyphs, room)
        elif field is not None:
            staged = self._staged_types()
            lines += of_all((kind for kind in ObjectType if kind in staged), self.strategies, glyphs, room)
            lines += [
                "",
                line(("Enter computes what would happen; nothing is changed by it.", "strong")),
                line(("Up leads to the strategies, Left and Right change one.", "muted")),
            ]
        self.query_one("#wizard-explain", DetailPane).show(lines)
        chosen = self.chosen
        say = self.query_one("#wizard-say", DetailPane)
        if chosen:
            say.show(
                [
                    line(
                        (f"{len(chosen)} of {len(self.targets)} marked. ", "strong"),
                        ("Enter or n goes on.", "muted"),
                    )
                ]
            )
        else:
            say.show(
                [
                    line(
                        (
                            "Space marks, * all others or none, / searches. Each gets a snapshot first.",
                            "muted",
                        )
                    )
                ]
            )

    # dry run

    def _plan(self) -> None:
        targets, strategies = self.chosen, self.strategies
        wanted = (tuple(targets), strategies, self.staged.stage)
        if self._planned_for == wanted:
            self._show_plan()
            return
        self.plans, self._planned_for, self._target = [], None, None
        self._wait_no_more()
        shown = self.query_one("#wizard-plan", LineList)
        shown.empty = "Computing what would happen; nothing is changed."
        from nuvtui import clock

        self._planning = clock.now()
        self._show_plan()

        self._planning_clock = self.set_interval(1, self._still_planning)

        def done(plans: list[TargetPlan]) -> None:
            self._wait_no_more()
            self._planning_took = took(self._planning, clock.now())
            self.plans, self._planned_for = plans, wanted
            shown.empty = "Nothing would change: the targets have all of it already."
            self._show_plan()

        def failed(error: NuvError) -> None:
            self._wait_no_more()
            shown.empty = "No dry run. Esc goes back."
            shown.refresh()
            self.nuv.show_error(error)

        space = self.space.id
        pending = self._queries.begin()
        self.load(
            lambda: pending.ask(self.nuv.services, DryRun(space, targets, strategies)),
            done,
            group="plan",
            failed=failed,
        )

    def _waiting(self) -> Line:
        """What is waited for, and since when."""
        return line((f"Computing, {took(self._planning, None)} so far; Esc goes back", "muted"))

    def _still_planning(self) -> None:
        self.query_one("#wizard-summary", DetailPane).show([self._waiting()])

    def _wait_no_more(self) -> None:
        if self._planning_clock is not None:
            self._planning_clock.stop()
            self._planning_clock = None

    def _show_plan(self) -> None:
        shown = self.query_one("#wizard-plan", LineList)
        plans = [plan for plan in self.plans if self._target in (None, plan.instance)]
        shown.source, shown.cursor = PlanSource(plans, self.names, self.nuv.glyphs, self._only), 0
        shown.reread()
        head = self.query_one("#wizard-summary", DetailPane)
        if self._planned_for is None:
            head.show([self._waiting()])
            return
        several = len(self.plans) > 1
        where = (
            f"all {len(self.plans)}" if several and self._target is None else self.names[plans[0].instance]
        )
        keys = "o + ~ - =: one outcome" + (", t: one target" if several else "")
        pieces: list[Piece] = [
            (f"only {self._only}, " if self._only else "all, ", "accent"),
            (f"to {where}", "strong"),
            (f"  computed in {self._planning_took}", "muted"),
        ]
        lines: list[Line | str] = [
            filters(plans, self._only, self.nuv.glyphs),
            line(*pieces, right=[(keys, "muted")]),
        ]
        gone = totals(plans)["removed"]
        if gone:
            why = "removed by Mirror or because a file stands where a folder was."
            lines.append(line((f"{gone:,} {why}", "bad")))
        head.show(lines)
        self.refresh_bindings()

    def action_show(self) -> None:
        """All outcomes, or only one."""
        order: list[Outcome | None] = [None, *OUTCOMES]
        self._only = order[(order.index(self._only) + 1) % len(order)]
        self._show_plan()

    def action_only(self, outcome: Outcome) -> None:
        """Only this outcome, or all again."""
        self._only = None if self._only == outcome else outcome
        self._show_plan()

    def action_target(self) -> None:
        """The dry run of one target alone, of the next one, of all."""
        order = [None, *(plan.instance for plan in self.plans)]
        self._target = order[(order.index(self._target) + 1) % len(order)]
        self._show_plan()

    @property
    def several(self) -> bool:
        """True where the dry run is that of more than one target."""
        return self.step == "plan" and len(self.plans) > 1

    # steps

    def _show(self) -> None:
        self.query_one(StepBar).show(self.step)
        self.query_one(ContentSwitcher).current = f"step-{self.step}"
        focus = {
            "targets": "#wizard-targets",
            "strategies": "#wizard-form",
            "plan": "#wizard-plan",
            "message": "#wizard-message",
        }[self.step]
        self.query_one(focus).focus()
        self._explain()
        self.refresh_bindings()

    def action_next(self) -> None:
        """The next step, where this one is answered."""
        if self.step == "targets" and not self.chosen:
            self.nuv.notify("Mark at least one instance: Space, or * for all.", severity="warning")
            return
        if self.step == "plan" and self._planned_for is None:
            self.nuv.notify("The dry run is not done yet.", severity="warning")
            return
        if self.step == "message":
            return
        self.step = STEPS[STEPS.index(self.step) + 1]
        if self.step == "strategies":  # the usual ones are set: Enter goes on
            self.query_one("#wizard-form", FormList).move_to_key("go")
        self._show()
        if self.step == "plan":
            self._plan()
        elif self.step == "message":
            self._show_last()

    def hints(self) -> Sequence[tuple[str, str]]:
        """The keys of the message's field."""
        if isinstance(self.focused, Input):
            return [("Enter", "distribute (asks first)"), ("Esc", "back to the dry run")]
        return ()

    def go_back(self) -> bool:
        """A step back; False at the first."""
        at = STEPS.index(self.step)
        if at == 0:
            return False
        self.step = STEPS[at - 1]
        self._show()
        return True

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter goes on."""
        message.stop()
        if message.list.id == "wizard-targets" and not self.chosen and message.list.current is not None:
            target = self.targets[message.list.current]
            if not target.problem:
                message.list.set_marked({target.instance.id})
        self.action_next()

    # message and go

    def _show_last(self) -> None:
        targets = ", ".join(self.names.get(target, target) for target in self.chosen)
        lines: list[Line | str] = [
            line(("Distributes  ", "muted"), *stage.totals(self.staged.items)[0].text.splitlines()[:1]),
            line(("from         ", "muted"), self.staged.label),
            line(("to           ", "muted"), (targets, "strong")),
            line(("which gives  ", "muted"), summary(self.plans)),
            "",
            line(("Enter asks once more and then begins; Esc goes back.", "strong")),
            line(("A snapshot of each target is taken first; u on the result is the way back.", "muted")),
        ]
        self.query_one("#wizard-last", DetailPane).show(lines)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the message."""
        event.stop()
        self.answers["message"] = self.message
        self.action_go()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what is typed."""
        event.stop()
        self.answers["message"] = event.value

    def action_go(self) -> None:
        """Ask, then distribute."""
        if self.step != "message" or self._planned_for is None:
            return
        counts = totals(self.plans)
        changes: list[Line | str] = []
        for plan in self.plans:
            changes.append(
                line((self.names.get(plan.instance, plan.instance), "strong"), f": {summary([plan])}")
            )
            gone = [text_to_path(name) for name in plan.files.removed]
            gone += [f"table {name}" for name in plan.tables.removed]
            gone += [f"application {name}" for name in plan.applications.removed]
            changes += [line((f"  {self.nuv.glyphs.removed} {name}", "bad")) for name in gone[:NAMED]]
            if len(gone) > NAMED:
                changes.append(line((f"  and {len(gone) - NAMED:,} more, listed in the dry run", "bad")))
        backup = "An automatic snapshot of each target is taken first. u on the result brings one back."
        if counts["removed"]:
            from nuvtui.tui.toolkit.dialogs.typed import TypedDialog

            self.nuv.push_screen(
                TypedDialog("Distribute and remove", changes, "remove", "Distribute", backup=backup), self._go
            )
        else:
            from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

            self.nuv.push_screen(ConfirmDialog("Distribute", changes, "Distribute", backup=backup), self._go)

    def _go(self, yes: object) -> None:
        if not yes:
            return
        from nuvtui.tui.common.submit import submit

        space, staged = self.space.id, self.staged.stage

        def unchanged() -> None:
            if self.nuv.services.staging.get(space) != staged:
                raise NuvError(
                    "The stage was changed meanwhile",
                    "the dry run was made for what was staged before",
                    "Look at the stage and begin the distribution again.",
                    Exit.CONFLICT,
                )

        targets = self.chosen
        if len(targets) == 1:
            title = f"Distribute to {self.names[targets[0]]}"
        else:
            title = f"Distribute to {len(targets)} instances"
        operation = Distribute(
            space, targets, self.strategies, self.message, plans=[plan.plan for plan in self.plans]
        )
        source = staged.source.instance if staged is not None else ""

        def submitted(task: str) -> None:
            from nuvtui.tui.features.distribution.run import DistributionRun

            self.answers.clear()
            if self.nuv.screen is self:  # else the user went on meanwhile
                self.nuv.switch_screen(
                    DistributionRun(TaskView(task, kind="distribute", title=title, space=space))
                )

        submit(self, operation, title, submitted, space=space, instance=source, before=unchanged)

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """All answers as options."""
        chosen = self.chosen
        everybody = len(chosen) > 1 and set(chosen) == self.query_one("#wizard-targets", TargetList).others
        words = [
            "--targets",
            "all" if everybody else ",".join(self.names[target] for target in chosen) or "INSTANCE",
        ]
        strategies = self.strategies
        staged = self._staged_types()
        for kind, option in zip(ObjectType, ("files", "tables", "apps"), strict=True):
            if kind in staged and strategies.of(kind) is not Strategy.OVERWRITE:
                words += [f"--{option}-strategy", strategies.of(kind).value]
        if self.message:
            words += ["--message", self.message]
        return {"options": words}
