"""Exports: the images that were made of applications, and the detail of the one under the cursor."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.widget import Widget

from nuvtui.model.export import ExportRecord
from nuvtui.model.names import path_to_text
from nuvtui.model.operations import Load
from nuvtui.model.roles import Action, allows
from nuvtui.model.task import TaskView
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.features.exports.actions import ExportActions
from nuvtui.tui.features.exports.details import fields, head, standing
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail_list import DetailList
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, row
from nuvtui.tui.toolkit.moments import ago

FILTERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("all", ("running", "completed", "failed", "cancelled", "deleted")),
    ("running and with an image", ("running", "completed")),
    ("failed and cancelled", ("failed", "cancelled")),
    ("deleted", ("deleted",)),
)


NOTHING = "No export yet. n makes one: an application, alone or with files, as an image that runs anywhere."

SORTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("failed", ("failed", "cancelled")),
    ("deleted", ("deleted",)),
)
"""What is counted at the lower edge."""


class _List(LineList):
    """The list; `y` copies the run command."""

    def copied(self) -> Copy | None:
        """Left to the place around it, unless lines are marked."""
        return None


class Exports(Pane, ExportActions):
    """List and detail; Enter opens steps and log."""

    SCOPES = ("exports", "export")
    BINDINGS = [*bindings("exports"), *bindings("export")]
    TITLE = "Exports"
    HELP = (
        "An export turns an application into a Docker image that runs anywhere, alone or with the workspace files. "
        "n makes a new one, Enter shows steps and log, y copies the command that runs the image. Tab goes to the card: "
        "there y copies the value under the cursor."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.records: list[ExportRecord] = []
        self._shown: list[ExportRecord] = []
        self._filter = 0
        self._tasks: dict[str, TaskView] = {}
        self._wanted = ""
        self._rest = Debounce(self, self._show_detail)
        self._detailed = ""
        """Id of the export that the details are of."""
        self._list = _List(id="export-list", empty=NOTHING, heading=_heading)

    def compose(self) -> ComposeResult:
        """List and detail."""
        yield self._list
        yield DetailList(id="export-detail")

    def first_focus(self) -> Widget | None:
        """The list."""
        return self._list

    @property
    def record(self) -> ExportRecord | None:
        """The export under the cursor."""
        at = self._list.current
        return self._shown[at] if at is not None and at < len(self._shown) else None

    # reading

    def state_changed(self) -> None:
        """Read the exports."""
        space = self.nuv.context.space
        if space is None:
            self._read([])
        else:
            self.load(lambda: self.nuv.services.exports.list(space.id, all_states=True), self._read)

    def _read(self, records: list[ExportRecord]) -> None:
        self.records = records
        self._show()

    def _show(self) -> None:
        title, states = FILTERS[self._filter]
        self._shown = [record for record in self.records if record.status in states]
        shown = self._list
        shown.empty = NOTHING if not self.records else f"None is {title}. s shows others."
        shown.set_source(Items(self._shown, self._line, key=lambda record: record.id, text=_text))
        if self._wanted and shown.move_to_key(self._wanted):
            self._wanted = ""
        self.set_title(self.TITLE if not self._filter else f"{self.TITLE}: {title}", self._counted())
        self._show_detail()

    def _counted(self) -> str:
        """How many there are of each kind that `s` can show alone."""
        if not self.records:
            return ""
        counts = {
            word: sum(record.status in states for record in self.records)
            for word, states in (("shown", FILTERS[self._filter][1]), *SORTS)
        }
        words = (
            [f"{counts['shown']} of {len(self.records)}"] if self._filter else [f"{len(self.records)} in all"]
        )
        words += [f"{counts[word]} {word}" for word, _ in SORTS if counts[word]]
        return f"{', '.join(words)}; s shows others"

    def select(self, export: str) -> None:
        """Put the cursor on an export as soon as it is listed."""
        self._wanted = export

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Where running exports are."""
        found = {task.id: task for task in tasks if task.kind == "export" and not task.status.ended}
        if found != self._tasks:
            self._tasks = found
            self._list.refresh()

    def _line(self, record: ExportRecord, width: int) -> Line:
        glyphs = self.nuv.glyphs
        mark, word, tone = standing(record, glyphs)
        kind = f"{glyphs.filled} files" if record.with_files else f"{glyphs.package} app"
        return row(
            width,
            Cell(f"{mark} {word}", 11, tone),
            Cell(record.name, 18, "muted" if record.status == "deleted" else ""),
            Cell(kind, 8, "muted"),
            Cell(self._fact(record), 12, "muted", "right"),
            Cell(ago(record.finished or record.created), 11, "muted", "right"),
            Cell("pushed" if record.pushed else "", 6, "good"),
            Cell(record.image, 0, "muted"),
        )

    def _fact(self, record: ExportRecord) -> str:
        """Where it is, where it failed, or how large the image is."""
        task = self._tasks.get(record.task or "")
        if task is not None and task.steps:
            done = f" {100 * task.done // task.total} %" if task.total else ""
            return f"{task.steps[-1].name}{done}"
        if record.failed_stage and record.status != "completed":
            return f"at {record.failed_stage}"
        return size(record.size) if record.size else ""

    def _show_detail(self) -> None:
        record = self.record
        details = self.query_one("#export-detail", DetailList)
        if record is None:
            details.show([])
        else:
            fresh, self._detailed = record.id != self._detailed, record.id
            glyphs = self.nuv.glyphs
            details.show([*head(record, glyphs), *fields(record, glyphs)], fresh=fresh)
        self.refresh_bindings()

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The detail of another one."""
        if message.list is self._list:
            self._rest.ask()
            self.refresh_bindings()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Steps and log."""
        message.stop()
        self.action_log()

    # commands

    @property
    def may_export(self) -> bool | None:
        """True for instance editors."""
        context = self.nuv.context
        if context.space is None:
            return False
        return True if allows(context.role, Action.EXPORT) else None

    @property
    def may_cancel(self) -> bool:
        """True where the export under the cursor runs."""
        return self.record is not None and self.record.status == "running"

    def action_new(self) -> None:
        """The form."""
        context = self.nuv.context
        if context.space is not None and context.instance is not None:
            from nuvtui.tui.features.exports.form import ExportForm

            self.nuv.push_screen(ExportForm(context.space, context.instance, context.state, self.select))

    def action_load(self) -> None:
        """Ask for the archive, then read it back."""
        from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField

        context = self.nuv.context
        space, instance = context.space, context.instance
        if space is None or instance is None:
            return

        def refuse(texts: Mapping[str, str]) -> str | None:
            return None if texts["file"] else "Give the file to read."

        def load(texts: object) -> None:
            if not isinstance(texts, Mapping):
                return
            from nuvtui.tui.common.submit import submit
            from nuvtui.tui.common.task_screen import TaskScreen

            path = Path(texts["file"]).expanduser().absolute()
            title = f"Load {path.name}"
            submit(
                self,
                Load(space.id, path_to_text(str(path))),
                title,
                lambda task: self.nuv.push_screen(TaskScreen(TaskView(task, kind="load", title=title))),
                space=space.id,
                instance=instance.id,
            )

        text = ["It goes into the engine that answers; where none does, into nuvtui's own store.", ""]
        self.nuv.push_screen(
            TextDialog(
                "Load an archive", [TextField("file", "File to read")], "Load it", text=text, refuse=refuse
            ),
            load,
        )

    def action_log(self) -> None:
        """Steps and log of the export under the cursor."""
        record = self.record
        if record is None:
            return
        from nuvtui.tui.features.exports.run import ExportRun

        task = next((task for task in self.nuv.tasks if task.id == record.task), None)
        task = task or TaskView(record.task or "", kind="export", title=f"Export {record.application}")
        self.nuv.push_screen(ExportRun(task, record.id, record))

    def action_status(self) -> None:
        """The next filter."""
        self._filter = (self._filter + 1) % len(FILTERS)
        self._show()

    def action_cancel(self) -> None:
        """Ask, then cancel."""
        record = self.record
        task = next((task for task in self.nuv.tasks if record is not None and task.id == record.task), None)
        if task is not None:
            from nuvtui.tui.common.task_screen import ask_to_cancel

            ask_to_cancel(self, task)

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The export under the cursor."""
        record = self.record
        return {"export": record.id[:8], "app": record.application} if record is not None else {}

    def copied(self) -> Copy | None:
        """The run command."""
        return self.run_command_copy()


def _heading(width: int) -> Line:
    return row(
        width,
        Cell("status", 11),
        Cell("name", 18),
        Cell("holds", 8),
        Cell("size or step", 12, align="right"),
        Cell("age", 11, align="right"),
        Cell("", 6),
        Cell("image", 0),
    )


def _text(record: ExportRecord) -> str:
    return f"{record.id} {record.name} {record.application} {record.status} {record.image} {record.author}"
