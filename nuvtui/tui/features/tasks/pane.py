"""Tasks: all that run and all that have ended, newest first."""

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.timer import Timer
from textual.widget import Widget

from nuvtui.model.task import TaskView
from nuvtui.tui.common.outcome import WORDS, sign
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.toolkit.amounts import amount
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, Tone, row
from nuvtui.tui.toolkit.moments import ago, took

WIDE = 100
"""Cells from which there is room for bars and names."""
NARROW = 66
"""Cells below which there is no room for the progress."""


class Tasks(Pane):
    """The list of tasks; Enter opens one."""

    SCOPES = ("tasks",)
    BINDINGS = bindings("tasks")
    TITLE = "Tasks"
    HELP = (
        "Snapshots, restores, distributions, exports run as tasks: processes of their own, which go on when you "
        "leave or the connection ends. Enter shows the steps and the log of one."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._list = LineList(
            id="task-list",
            empty="No task yet. Snapshots, restores, distributions and exports run as tasks.",
            heading=_heading,
        )
        self._clock: Timer | None = None
        """Runs while a task does: its time goes on."""

    def compose(self) -> ComposeResult:
        """The list."""
        yield self._list

    def first_focus(self) -> Widget | None:
        """The list."""
        return self._list

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Show them; the cursor stays on its task."""
        shown = self._list
        ordered = sorted(tasks, key=lambda task: task.status.ended)  # stable: newest first stays
        shown.set_source(Items(ordered, self._line, key=lambda task: task.id, text=_text))
        running = sum(not task.status.ended for task in tasks)
        away = sum(task.id in self.nuv.ended_away for task in tasks)
        note = f"{running} running, {len(tasks)} in all" if tasks else ""
        self.set_title(self.TITLE, f"{note}, {away} ended while you were away" if away else note)
        if running and self._clock is None:
            self._clock = self.set_interval(1, self._tick)
        elif not running and self._clock is not None:
            self._clock.stop()
            self._clock = None

    @property
    def chosen(self) -> TaskView | None:
        """The task under the cursor."""
        shown = self._list
        if shown.current is None or not isinstance(shown.source, Items):
            return None
        task: TaskView = shown.source.items[shown.current]
        return task

    @property
    def may_cancel(self) -> bool:
        """True where the task under the cursor has not ended."""
        return self.chosen is not None and not self.chosen.status.ended

    def _line(self, task: TaskView, width: int) -> Line:
        mark, tone = sign(task.status, self.nuv.glyphs)
        return row(
            width,
            *_cells(
                width,
                (f"{mark} {WORDS[task.status]}", tone),
                task.title or task.kind,
                self._progress(task, width),
                took(task.started or task.created, task.finished),
                ago(task.finished or task.created),
                task.user,
                "new" if task.id in self.nuv.ended_away else "",
            ),
        )

    def _progress(self, task: TaskView, width: int) -> str:
        """How far it is, or where it failed."""
        if task.status.ended:
            failed = next((step for step in reversed(task.steps) if step.failed), None)
            return f"at {failed.name}" if failed is not None else ""
        if task.total:
            done = min(100, 100 * task.done // task.total)
            glyphs = self.nuv.glyphs
            bar = (
                glyphs.bar_full * (done // 10) + glyphs.bar_empty * (10 - done // 10) if width >= WIDE else ""
            )
            return f"{bar} {done} %".strip()
        return amount(task.done, task.unit) if task.done else task.steps[-1].name if task.steps else ""

    def _tick(self) -> None:
        """Another second of what runs."""
        if self.on_screen:
            self._list.refresh_changed()

    def on_line_list_highlighted(self) -> None:
        """Other keys may be of use now."""
        self.refresh_bindings()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Its own screen."""
        message.stop()
        self.action_attach()

    def action_attach(self) -> None:
        """Steps and log of the task under the cursor."""
        if self.chosen is not None:
            from nuvtui.tui.common.task_screen import open_task

            if self.chosen.id in self.nuv.ended_away:
                self.nuv.ended_away.discard(self.chosen.id)
                self.tasks_changed(self.nuv.tasks)
            open_task(self.nuv, self.chosen)

    def action_cancel(self) -> None:
        """Ask, then cancel the task under the cursor."""
        if self.chosen is not None:
            from nuvtui.tui.common.task_screen import ask_to_cancel

            ask_to_cancel(self, self.chosen)

    def command_values(self) -> Mapping[str, str]:
        """The task under the cursor."""
        return {"task": self.chosen.id[:8]} if self.chosen else {}

    def copied(self) -> Copy | None:
        """Its id."""
        return Copy(self.chosen.id, "the id of the task") if self.chosen else None


def _text(task: TaskView) -> str:
    return f"{WORDS[task.status]} {task.title} {task.kind} {task.user} {task.id}"


def _cells(
    width: int,
    status: tuple[str, Tone],
    title: str,
    progress: str,
    time: str,
    age: str,
    user: str,
    new: str,
) -> list[Cell]:
    wide = width >= WIDE
    return [
        Cell(status[0], 11, status[1]),
        Cell(title),
        *([Cell(progress, 22 if wide else 10, "muted", "right")] if width >= NARROW else []),
        Cell(time, 7, "muted", "right"),
        Cell(age, 11, "muted", "right"),
        *([Cell(user, 10, "muted")] if wide else []),
        Cell(new, 3, "accent"),
    ]


def _heading(width: int) -> Line:
    return row(width, *_cells(width, ("status", ""), "task", "progress", "took", "age", "by", ""))
