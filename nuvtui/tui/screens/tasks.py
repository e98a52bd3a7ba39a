"""Tasks: all that run and all that have ended, newest first."""

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.widget import Widget

from nuvtui.model.task import TaskView
from nuvtui.tui.clipboard import Copy
from nuvtui.tui.commands import bindings
from nuvtui.tui.screens import tasks_commands  # noqa: F401  (registers)
from nuvtui.tui.screens.tasks_outcome import WORDS, sign
from nuvtui.tui.widgets.line_list import Items, LineList
from nuvtui.tui.widgets.lines import Cell, Line, row
from nuvtui.tui.widgets.meter import amount
from nuvtui.tui.widgets.moments import ago, took
from nuvtui.tui.widgets.place import Place


class Tasks(Place):
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
        )

    def compose(self) -> ComposeResult:
        """The list."""
        yield self._list

    def first_focus(self) -> Widget | None:
        """The list."""
        return self._list

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Show them; the cursor stays on its task."""
        shown = self._list
        shown.set_source(Items(list(tasks), self._line, key=lambda task: task.id, text=_text))
        running = sum(not task.status.ended for task in tasks)
        self.set_title(self.TITLE, f"{running} running, {len(tasks)} in all" if tasks else "")

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
        now = ""
        if not task.status.ended:
            now = (
                f"{100 * task.done // task.total} %"
                if task.total
                else amount(task.done, task.unit)
                if task.done
                else ""
            )
            now = now or (task.steps[-1].title if task.steps else "")
        else:
            now = took(task.started or task.created, task.finished)
        return row(
            width,
            Cell(f"{mark} {WORDS[task.status]}", 11, tone),
            Cell(task.title or task.kind),
            Cell(now, 10, "muted", "right"),
            Cell(ago(task.finished or task.created), 12, "muted"),
            Cell(task.user, 8, "muted"),
        )

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """Other keys may be of use now."""
        self.refresh_bindings()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Its own screen."""
        message.stop()
        self.action_attach()

    def action_attach(self) -> None:
        """Steps and log of the task under the cursor."""
        if self.chosen is not None:
            from nuvtui.tui.screens.tasks_run import open_task

            open_task(self.nuv, self.chosen)

    def action_cancel(self) -> None:
        """Ask, then cancel the task under the cursor."""
        if self.chosen is not None:
            from nuvtui.tui.screens.tasks_run import ask_to_cancel

            ask_to_cancel(self, self.chosen)

    def command_values(self) -> Mapping[str, str]:
        """The task under the cursor."""
        return {"task": self.chosen.id[:8]} if self.chosen else {}

    def copied(self) -> Copy | None:
        """Its id."""
        return Copy(self.chosen.id, "the id of the task") if self.chosen else None


def _text(task: TaskView) -> str:
    return f"{WORDS[task.status]} {task.title} {task.kind} {task.user} {task.id}"
