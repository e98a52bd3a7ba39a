"""A task's own screen: its steps with times, its live log, and how it ended.

It only reads the task's files, so leaving it, or the program, changes nothing; opening it again shows the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

import nuvtui.tui.common.task_commands  # noqa: F401  (registers)
from nuvtui.errors import NuvError
from nuvtui.model.export import ExportRecord
from nuvtui.model.operations import Restore, result_of
from nuvtui.model.snapshot import SnapshotRecord, summarise
from nuvtui.model.task import StepView, TaskStatus, TaskView
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.outcome import (
    WORDS,
    Back,
    brought,
    reason,
    sign,
    warnings,
    way_out,
    ways_back,
)
from nuvtui.tui.common.shell import Shell, ShellTarget
from nuvtui.tui.common.state_actions import ask_restore
from nuvtui.tui.common.task_feed import Feed
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.detail_list import DetailList, Field, say, sentence
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, line
from nuvtui.tui.toolkit.log_view import LogView
from nuvtui.tui.toolkit.moments import moment, took
from nuvtui.tui.toolkit.progress_bar import ProgressBar
from nuvtui.tui.toolkit.sparkline import Sparkline

if TYPE_CHECKING:
    pass

LOOK = 0.25
"""Seconds between looks at the events of a running task."""
LOGGED = frozenset({"export", "push", "archive"})
"""Kinds of tasks whose programs write a build log."""


class TaskScreen(BaseScreen):
    """What came out of a task, or its steps while it runs; its log beneath, or beside where it is wide."""

    SCOPES: ClassVar[tuple[str, ...]] = ("run",)
    BINDINGS = bindings("run")
    HELP = (
        "A task works in a process of its own: Esc, q or a lost connection leave it running. "
        "c cancels it. The log is followed until you scroll up; f follows again. When it has ended, `y` copies the "
        "value under the cursor, Tab goes to the log, s shows the steps."
    )

    FIRST = ""
    """The fact that the cursor begins at."""

    def __init__(self, task: TaskView) -> None:
        """`task`: as far as it is known."""
        super().__init__()
        self.seen = task
        self._feed: Feed | None = None
        self._timer: Timer | None = None
        self._looking = False
        self._stamps: Sequence[tuple[int, str]] = ()
        self._steps: bool | None = None
        """Whether steps are shown; None: as it suits."""
        self._forgotten: list[Field] = []
        """What is said where the task itself is gone."""
        self._beat = 0.0
        self._lines: int | None = None
        """Lines of the log at the last beat; None: what was there when it was opened is not read yet."""
        self._there = 0

    def body(self) -> list[Widget]:
        """DetailList, steps, progress; log."""
        return [_Body()]

    @property
    def task_shown(self) -> str:
        """Id of the task: what is to be said of it stands here already."""
        return self.seen.id

    def steps(self) -> LineList:
        """The list of steps."""
        return self.query_one("#run-steps", LineList)

    def details(self) -> DetailList:
        """What came out."""
        return self.query_one("#run-details", DetailList)

    def log_view(self) -> LogView:
        """The log."""
        return self.query_one("#run-log", LogView)

    def on_mount(self) -> None:
        """Begin to look."""
        self._feed = Feed(self.nuv.home, self.seen.id)
        self.set_class(self.seen.kind not in LOGGED, "-no-log")
        if self.seen.kind in LOGGED:
            self._show_log(self.seen.status.ended)
        self._show()
        self._focus_first()
        self._timer = self.set_interval(LOOK, self._look)
        self._look()

    def _show_log(self, ended: bool) -> None:
        self.log_view().show_file(
            self.nuv.home.task(self.seen.id) / "build.log", growing=not ended, at_end=True
        )

    def _focus_first(self) -> None:
        """The log while it runs and where it failed; the details of what came out."""
        no_log = self.has_class("-no-log")
        if self.seen.status is TaskStatus.COMPLETED or (no_log and self.seen.status.ended):
            self.details().focus()
        elif no_log:
            self.steps().focus()
        else:
            self.log_view().focus()

    # looking

    def _look(self) -> None:
        if self._looking or self._feed is None:
            return
        self._looking = True
        self.load(self._feed.look, self._looked, group="look", failed=self._gone)

    def _gone(self, error: NuvError) -> None:
        self._looking = False
        self._stop()
        days = self.nuv.settings.task_days
        self._forgotten = [
            say((error.title, "warn")),
            say(f"Its steps and its log are gone: ended tasks are forgotten after {days} days."),
        ]
        self.add_class("-no-log")
        self._show()
        self.details().focus()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _looked(self, answer: tuple[TaskView, list[tuple[int, str]], int]) -> None:
        self._looking = False
        task, stamps, written = answer
        if written and self.has_class("-no-log"):
            self.remove_class("-no-log")
            self._show_log(task.status.ended)
        if len(stamps) != len(self._stamps):
            self._stamps = stamps
            self.log_view().set_times(stamps)
        ended = task.status.ended
        changed = task != self.seen
        self.seen = task
        second = self._second(written)
        if changed or (second and not ended):
            self._show()
        if ended:
            self._stop()
            log = self.log_view()
            reading = log.has_focus and not log.following
            log.set_growing(False)
            if not written:
                self.add_class("-no-log")
            self._show()
            if not reading:
                self._focus_first()
            self.ended()

    def _second(self, written: int) -> bool:
        """True once a second; the curve of the log goes on then. `written`: bytes of the log."""
        now = time.monotonic()
        if not self._beat:
            self._beat, self._there = now, written
            return True
        passed = now - self._beat
        if passed < 1:
            return False
        index = self.log_view().index
        if self._lines is not None:
            self.query_one(Sparkline).add((index.complete - self._lines) / passed)
        if index.indexed >= self._there:
            self._lines = index.complete
        self._beat = now
        return True

    def ended(self) -> None:
        """The task has ended: called once."""

    # showing

    def _show(self) -> None:
        task = self.seen
        ended = task.status.ended or bool(self._forgotten)
        self.set_class(ended, "-ended")
        box = self.query_one(_Body)
        from textual.content import Content

        from nuvtui import sanitise

        mark, _ = sign(task.status, self.nuv.glyphs)
        word = "forgotten" if self._forgotten else f"{mark} {WORDS[task.status]}"
        box.border_title = Content(sanitise.line(f"{task.title or task.kind} {self.nuv.glyphs.dot} {word}"))
        started = moment(task.started or task.created)
        box.border_subtitle = Content(
            sanitise.line(f"task {task.id[:8]}, {started}" if started else f"task {task.id[:8]}")
        )
        steps = self.steps()
        at_end = steps.cursor >= steps.count - 1
        steps.set_source(Items(list(task.steps), self._step_line, key=lambda step: step.name))
        if at_end and not steps.has_focus:
            steps.move_to(steps.count - 1)
        self.query_one("#run-progress", ProgressBar).set(task.done, task.total, task.unit, task.what)
        self.details().show(self._fields(), at=self.FIRST)
        todo = [] if self._forgotten else way_out(task, self.nuv.glyphs)
        self.query_one("#run-todo", DetailPane).show(todo)
        self.set_class(bool(todo), "-todo")
        self._arrange()
        self.refresh_bindings()

    def _arrange(self) -> None:
        """Share the room: what came out or the steps, and the log."""
        task, wide, no_log = self.seen, self.has_class("-wide"), self.has_class("-no-log")
        ended = self.has_class("-ended")
        steps, details = self.steps(), self.details()
        shown = (wide or not ended) if self._steps is None else self._steps
        steps.display = shown and bool(steps.count or not ended)
        details.display = bool(details.fields) and not (steps.display and ended and not wide and not no_log)
        room = max(8, self.query_one(_Body).content_size.height or self.size.height - 4)
        failed = ended and task.status is not TaskStatus.COMPLETED
        if wide or no_log:
            fill = details.display and ended
            details.styles.height = "1fr" if fill else min(details.rows, room // 3)
            self.set_class(fill and steps.display, "-both")
            if fill:
                steps.styles.height = 1 + max(1, min(steps.count, room // 3))
            else:  # progress and rate follow right beneath
                steps.styles.height = max(1, min(steps.count, room * 3 // 5))
        else:
            self.remove_class("-both")
            share = room // 2 if failed else room * 3 // 5
            details.styles.height = max(1, min(details.rows, share if ended else 2))
            steps.styles.height = max(1, min(steps.count, room * 2 // 5))
        self.query_one("#run-left").styles.height = "1fr" if no_log else "100%" if wide else "auto"

    def on_resize(self, _event: events.Resize) -> None:
        """Share the room anew."""
        self.call_after_refresh(self._arrange)

    def _fields(self) -> list[Field]:
        if self._forgotten:
            return [*self._forgotten, *self.more()]
        if not self.seen.status.ended:
            if not self.seen.steps:
                return [say(("Waiting to start", "muted"))]
            return warnings(self.seen, self.nuv.glyphs)
        why = [sentence(each) for each in reason(self.seen, self.nuv.glyphs)]
        return [*why, *self.result()]

    def result(self) -> list[Field]:
        """What it brought."""
        return brought(self.seen, self.nuv.glyphs)

    def more(self) -> list[Field]:
        """What is known besides, where the task itself is forgotten."""
        return []

    def _step_line(self, step: StepView, _width: int) -> Line:
        glyphs = self.nuv.glyphs
        mark: Piece = (glyphs.running, "accent")
        if step.failed:
            mark = (glyphs.failed, "warn" if self.seen.status is TaskStatus.CANCELLED else "bad")
        elif step.finished is not None:
            mark = (glyphs.done, "good")
        tone: Tone = "strong" if step.finished is None or step.failed else ""
        time = took(step.started, step.finished)
        return line(
            mark, " ", (step.title, tone), right=[(f"{moment(step.started)[11:]} {time:>7}", "muted")]
        )

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """To the part of the log that the step wrote."""
        message.stop()
        at = message.list.current
        if at is not None and at < len(self.seen.steps) and not self.has_class("-no-log"):
            self.log_view().go_to(self.seen.steps[at].log_start)
            self.log_view().focus()

    def hints(self) -> Sequence[tuple[str, str]]:
        """What the keys do on the details."""
        if not isinstance(self.focused, DetailList):
            return ()
        return [("y", "copy"), *([] if self.has_class("-no-log") else [("Tab", "log")])]

    # commands

    @property
    def may_cancel(self) -> bool:
        """True while it runs."""
        return not self.seen.status.ended and not self._forgotten

    def backs(self) -> list[Back]:
        """The automatic snapshots that bring back what was there."""
        return ways_back(self.seen)

    @property
    def may_undo(self) -> bool:
        """True where an automatic snapshot brings back what was there."""
        return bool(self.backs())

    def action_cancel(self) -> None:
        """Ask, then cancel."""
        ask_to_cancel(self, self.seen)

    def action_steps(self) -> None:
        """Show or hide the steps."""
        self._steps = not self.steps().display
        self._arrange()
        if self._steps:
            self.steps().focus()
        else:
            self._focus_first()

    def action_undo(self) -> None:
        """The way back."""
        ask_way_back(self, self.backs(), self.seen.space)

    @property
    def may_look_again(self) -> bool:
        """True for a restore that was refused because its target changed."""
        return self.seen.kind == "restore" and self.seen.error is not None and self.seen.error.plan_changed

    def action_again(self) -> None:
        """Show what the restore would do now."""
        nuv, task = self.nuv, self.seen

        def found(record: SnapshotRecord) -> None:
            ask_restore(self, record, task.instance)

        self.load(lambda: summarise(nuv.services.snapshots.manifest(task.subject)), found, group="again")

    def action_attach(self) -> None:
        """Look at once: it is followed already."""
        self._look()

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The task, and the snapshot that is the way back."""
        backs = self.backs()
        values: dict[str, str | Sequence[str]] = {
            "task": self.seen.id[:8],
            "snapshot": [self.seen.subject[:8], "-i", self.seen.instance[:8]],
        }
        if backs:
            name = backs[0].name.rpartition("/")[2]
            values["backup"] = [backs[0].snapshot[:8], *(["-i", name] if name else [])]
        return values

    def copied(self) -> Copy | None:
        """The id."""
        return Copy(self.seen.id, "the id of the task")


class _Body(Vertical):
    """All of a task's screen."""

    def __init__(self) -> None:
        super().__init__(id="run-body", classes="pane")

    def compose(self) -> ComposeResult:
        """DetailList, steps, progress; log and what to do."""
        with Vertical(id="run-left"):
            yield DetailList(id="run-details")
            yield LineList(id="run-steps", empty="No step yet.", filterable=False)
            yield ProgressBar(id="run-progress")
            yield Sparkline("lines/s", id="run-sparkline")
        with Vertical(id="run-right"):
            yield LogView(id="run-log", empty="No output yet.")
            yield DetailPane(id="run-todo")


def open_task(nuv: Shell, task: TaskView) -> None:
    """Open the screen of a task; that of an export where it made one."""
    made = result_of(task)
    export = task.subject or (made.id if isinstance(made, ExportRecord) else "")
    if task.kind == "export" and export:
        nuv.open("exports.run", task, export)
        return
    if task.kind in ("distribute", "recall"):
        nuv.open("distribution.run", task)
        return
    nuv.push_screen(TaskScreen(task))


def ask_to_cancel(node: ShellTarget, task: TaskView) -> None:
    """Ask, then cancel `task` in a thread."""
    from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

    nuv = node.nuv

    def cancel(yes: object) -> None:
        if not yes:
            return
        from nuvtui.worker.lifecycle import cancel as cancel_task

        nuv.notify(f"Cancelling: {task.title or task.kind}", timeout=4)
        nuv.load(lambda: cancel_task(nuv.home, task.id), lambda _: None, group=f"cancel {task.id}")

    nuv.push_screen(
        ConfirmDialog(
            "Cancel the task",
            [
                line((task.title or task.kind, "strong")),
                "",
                "It stops; what it had begun is undone or stays invisible.",
            ],
            "Cancel the task",
            destructive=True,
        ),
        cancel,
    )


def ask_way_back(node: ShellTarget, backs: Sequence[Back], space: str) -> None:
    """Ask which instance goes back, then restore its automatic snapshot as a task."""
    from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog

    if not backs:
        return
    if len(backs) == 1:
        _confirm_way_back(node, backs[0], space)
        return
    options = [
        Option(back.instance, back.name or back.instance[:8], f"snapshot {back.snapshot[:8]}")
        for back in backs
    ]

    def picked(instance: object) -> None:
        back = next((back for back in backs if back.instance == instance), None)
        if back is not None:
            _confirm_way_back(node, back, space)

    node.nuv.push_screen(PickDialog("Bring back which instance", options), picked)


def _confirm_way_back(node: ShellTarget, back: Back, space: str) -> None:
    from nuvtui.tui.common.submit import submit
    from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

    nuv = node.nuv
    name = back.name or "the instance"

    def submitted(task: str) -> None:
        nuv.push_screen(TaskScreen(TaskView(task, kind="restore", title=f"Restore {back.snapshot[:8]}")))

    def restore(yes: object) -> None:
        if yes:
            submit(
                node,
                Restore(back.snapshot, back.instance),
                f"Restore {back.snapshot[:8]}",
                submitted,
                space=space,
                instance=back.instance,
            )

    nuv.push_screen(
        ConfirmDialog(
            "The way back",
            [
                line("Replaces the whole Current State of ", (name, "strong")),
                line(
                    "by the automatic snapshot ", (back.snapshot[:8], "accent"), ", taken before the change."
                ),
                "What was changed there since then is replaced too.",
            ],
            "Restore",
            destructive=True,
            backup="An automatic snapshot of what is there now is taken first.",
        ),
        restore,
    )
