"""A task's own screen: its steps with times, its live log, and how it ended.

It only reads the task's files, so leaving it, or the program, changes nothing; opening it again shows the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.task import StepView, TaskStatus, TaskView, advance
from nuvtui.tui.clipboard import Copy
from nuvtui.tui.commands import bindings
from nuvtui.tui.screens import exports_commands, tasks_commands  # noqa: F401  (registers)
from nuvtui.tui.screens.tasks_outcome import WORDS, Back, outcome, sign, ways_back
from nuvtui.tui.widgets.detail import DetailPane
from nuvtui.tui.widgets.frame import Frame
from nuvtui.tui.widgets.line_list import Items, LineList
from nuvtui.tui.widgets.lines import Line, Piece, line
from nuvtui.tui.widgets.log_view import LogView
from nuvtui.tui.widgets.meter import Meter
from nuvtui.tui.widgets.moments import moment, took
from nuvtui.tui.widgets.scoped import Scoped

if TYPE_CHECKING:
    from nuvtui.paths import Home
    from nuvtui.tui.app import NuvApp

LOOK = 0.25
"""Seconds between looks at the events of a running task."""
SETTLE_EVERY = 8
"""Of so many looks, one also asks whether the worker still lives."""
LOGGED = frozenset({"export", "push", "archive"})
"""Kinds of tasks whose programs write a build log."""


class Feed:
    """The events of one task, read bit by bit. For threads, one call at a time."""

    def __init__(self, home: Home, identifier: str) -> None:
        self._home = home
        self._identifier = identifier
        self._view = TaskView(identifier)
        self._stamps: list[tuple[int, str]] = []
        self._looks = 0
        self._tailer: object = None

    def look(self) -> tuple[TaskView, list[tuple[int, str]], bool]:
        """The task now, when which byte of the log was written, and whether there is a log.

        Raises NuvError (exit code 3) where the task is gone.
        """
        from nuvtui.tasks import lifecycle
        from nuvtui.tasks.events import Tailer, log_size

        folder = self._home.task(self._identifier)
        if self._tailer is None:
            lifecycle.view(self._home, self._identifier)
            self._tailer = Tailer(folder)
        assert isinstance(self._tailer, Tailer)
        if not self._view.status.ended and self._looks % SETTLE_EVERY == 0:
            with contextlib.suppress(OSError):
                lifecycle.settle(folder)
        self._looks += 1
        for event in self._tailer.poll():
            self._view = advance(self._view, event)
            if not self._stamps or event.log_offset > self._stamps[-1][0]:
                self._stamps.append((event.log_offset, event.ts))
        return self._view, list(self._stamps), log_size(folder) > 0


class TaskScreen(Frame):
    """Steps at the left and the log at the right; where it is narrow, the log with the current step above it."""

    SCOPES: ClassVar[tuple[str, ...]] = ("run",)
    BINDINGS = bindings("run")
    HELP = (
        "A task works in a process of its own: Esc, q or a lost connection leave it running. "
        "c cancels it. The log is followed until you scroll up; f follows again."
    )

    def __init__(self, task: TaskView) -> None:
        """`task`: as far as it is known."""
        super().__init__()
        self.seen = task
        self._feed: Feed | None = None
        self._timer: Timer | None = None
        self._looking = False
        self._stamps: Sequence[tuple[int, str]] = ()

    def body(self) -> list[Widget]:
        """Steps; progress, outcome and log."""
        return [_Body(self)]

    def steps(self) -> LineList:
        """The list of steps."""
        return self.query_one("#run-steps", LineList)

    def log_view(self) -> LogView:
        """The log."""
        return self.query_one("#run-log", LogView)

    def on_mount(self) -> None:
        """Begin to look."""
        self._feed = Feed(self.nuv.home, self.seen.id)
        self.set_class(self.seen.kind not in LOGGED, "-no-log")
        if self.seen.kind in LOGGED:
            self.log_view().show_file(
                self.nuv.home.task(self.seen.id) / "build.log",
                growing=not self.seen.status.ended,
                at_end=True,
            )
        self._show()
        first = self.log_view() if self.seen.kind in LOGGED else self.query_one("#run-now", DetailPane)
        first.focus()
        self._timer = self.set_interval(LOOK, self._look)
        self._look()

    # looking

    def _look(self) -> None:
        if self._looking or self._feed is None:
            return
        self._looking = True
        self.load(self._feed.look, self._looked, group="look", failed=self._gone)

    def _gone(self, error: NuvError) -> None:
        self._looking = False
        self._stop()
        self.query_one("#run-now", DetailPane).show(
            [
                line((error.title, "warn")),
                f"Its steps and its log are gone: ended tasks are forgotten after {self.nuv.settings.task_days} days.",
                *self.more(),
            ]
        )

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _looked(self, answer: tuple[TaskView, list[tuple[int, str]], bool]) -> None:
        self._looking = False
        task, stamps, logged = answer
        if logged and self.has_class("-no-log"):
            self.remove_class("-no-log")
            self.log_view().show_file(
                self.nuv.home.task(task.id) / "build.log", growing=not task.status.ended, at_end=True
            )
        if len(stamps) != len(self._stamps):
            self._stamps = stamps
            self.log_view().set_times(stamps)
        ended = task.status.ended
        changed = task != self.seen
        self.seen = task
        if changed or not ended:
            self._show()
        if ended:
            self._stop()
            self.log_view().set_growing(False)
            if not logged and not self.has_class("-no-log"):
                self.add_class("-no-log")
                self.query_one("#run-now", DetailPane).focus()
            self.ended()

    def ended(self) -> None:
        """The task has ended: called once."""

    # showing

    def _show(self) -> None:
        task = self.seen
        ended = task.status.ended
        self.set_class(ended, "-ended")
        self.set_class(task.status is TaskStatus.COMPLETED, "-completed")
        box = self.query_one("#run-right", Vertical)
        from textual.content import Content

        from nuvtui import sanitise

        mark, _ = sign(task.status, self.nuv.glyphs)
        box.border_title = Content(
            sanitise.line(f"{task.title or task.kind} {self.nuv.glyphs.dot} {mark} {WORDS[task.status]}")
        )
        started = moment(task.started or task.created)
        box.border_subtitle = Content(
            sanitise.line(f"task {task.id[:8]}, {started}" if started else f"task {task.id[:8]}")
        )
        items = Items(list(task.steps), self._step_line, key=lambda step: step.name)
        steps = self.steps()
        steps.set_source(items)
        self.query_one("#run-meter", Meter).set(task.done, task.total, task.unit, task.what)
        self.query_one("#run-now", DetailPane).show(self._now(), keep=True)
        self.refresh_bindings()

    def _now(self) -> list[Line | str]:
        task = self.seen
        lines: list[Line | str] = []
        if not task.status.ended:
            if task.steps:
                step = task.steps[-1]
                lines.append(self._current(step))
            else:
                lines.append(line(("Waiting to start", "muted")))
            lines += [line((f"{self.nuv.glyphs.warning} {warning}", "warn")) for warning in task.warnings]
            return lines
        return self.result()

    def _current(self, step: StepView) -> Line:
        number = len(self.seen.steps)
        time = took(step.started, step.finished)
        done = step.finished is not None
        mark = (self.nuv.glyphs.done, "good") if done else (self.nuv.glyphs.running, "accent")
        return line(mark, f" step {number}: ", (step.title, "strong"), right=[(time, "muted")])  # type: ignore[arg-type]

    def result(self) -> list[Line | str]:
        """How it ended."""
        return [*outcome(self.seen, self.nuv.glyphs)]

    def more(self) -> list[Line | str]:
        """What is known besides, where the task itself is forgotten."""
        return []

    def _step_line(self, step: StepView, width: int) -> Line:
        glyphs = self.nuv.glyphs
        mark: Piece = (glyphs.running, "accent")
        if step.failed:
            mark = (glyphs.failed, "warn" if self.seen.status is TaskStatus.CANCELLED else "bad")
        elif step.finished is not None:
            mark = (glyphs.done, "good")
        time = took(step.started, step.finished)
        return line(mark, " ", step.title, right=[(f"{moment(step.started)[11:]} {time:>6}", "muted")])

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """To the part of the log that the step wrote."""
        message.stop()
        at = message.list.current
        if at is not None and at < len(self.seen.steps) and not self.has_class("-no-log"):
            self.log_view().go_to(self.seen.steps[at].log_start)
            self.log_view().focus()

    # commands

    @property
    def may_cancel(self) -> bool:
        """True while it runs."""
        return not self.seen.status.ended

    @property
    def may_undo(self) -> bool:
        """True where an automatic snapshot brings back what was there."""
        return bool(ways_back(self.seen))

    def action_cancel(self) -> None:
        """Ask, then cancel."""
        ask_to_cancel(self, self.seen)

    def action_steps(self) -> None:
        """Show or hide the steps."""
        name = "-hide" if self.has_class("-wide") else "-steps"
        self.toggle_class(name)
        if self.steps().display:
            self.steps().focus()
        elif not self.has_class("-no-log"):
            self.log_view().focus()

    def action_undo(self) -> None:
        """The way back."""
        ask_way_back(self, ways_back(self.seen), self.seen.space)

    def action_attach(self) -> None:
        """Look at once: it is followed already."""
        self._look()

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The task, and the snapshot that is the way back."""
        backs = ways_back(self.seen)
        return {"task": self.seen.id[:8], **({"backup": backs[0].snapshot[:8]} if backs else {})}

    def copied(self) -> Copy | None:
        """The id."""
        return Copy(self.seen.id, "the id of the task")


class _Body(Vertical):
    """Left and right of a task's screen."""

    def __init__(self, screen: TaskScreen) -> None:
        super().__init__(id="run-body")
        self._owner = screen

    def compose(self) -> ComposeResult:
        """Steps; the rest in a box."""
        yield LineList(id="run-steps", classes="pane", title="Steps", empty="No step yet.", filterable=False)
        with Vertical(id="run-right", classes="pane"):
            yield DetailPane(id="run-now")
            yield Meter(id="run-meter")
            yield LogView(id="run-log", empty="No output yet.")


def open_task(nuv: NuvApp, task: TaskView) -> None:
    """Open the screen of a task; that of an export where it made one."""
    if task.kind == "export" and task.subject:
        from nuvtui.tui.screens.export_run import ExportRun

        nuv.push_screen(ExportRun(task, task.subject))
        return
    nuv.push_screen(TaskScreen(task))


def ask_to_cancel(node: Scoped, task: TaskView) -> None:
    """Ask, then cancel `task` in a thread."""
    from nuvtui.tui.dialogs.confirm import ConfirmDialog

    nuv = node.nuv

    def cancel(yes: object) -> None:
        if not yes:
            return
        from nuvtui.tasks.lifecycle import cancel as cancel_task

        nuv.notify(f"Cancelling: {task.title or task.kind}", timeout=4)
        nuv.jobs.start(nuv, lambda: cancel_task(nuv.home, task.id), lambda _: None, group=f"cancel {task.id}")

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


def ask_way_back(node: Scoped, backs: Sequence[Back], space: str) -> None:
    """Ask which instance goes back, then restore its automatic snapshot as a task."""
    from nuvtui.tui.dialogs.pick import Option, PickDialog

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


def _confirm_way_back(node: Scoped, back: Back, space: str) -> None:
    from nuvtui.tui.dialogs.confirm import ConfirmDialog
    from nuvtui.tui.screens.tasks_submit import submit

    nuv = node.nuv
    name = back.name or "the instance"

    def submitted(task: str) -> None:
        nuv.push_screen(TaskScreen(TaskView(task, kind="restore", title=f"Restore {back.snapshot[:8]}")))

    def restore(yes: object) -> None:
        if yes:
            submit(
                node,
                "restore",
                {"snapshot": back.snapshot, "instance": back.instance},
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
