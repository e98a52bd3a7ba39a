"""One export: its steps and live log while it runs, afterwards the image and what to do with it."""

from collections.abc import Mapping, Sequence

from nuvtui.errors import NuvError
from nuvtui.model.export import ExportRecord
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.common.task_screen import TaskScreen
from nuvtui.tui.features.exports.actions import ExportActions
from nuvtui.tui.features.exports.details import fields, head
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail_list import Field
from nuvtui.tui.toolkit.lines import line


class ExportRun(TaskScreen, ExportActions):
    """The screen of an export's task, with the export's own commands."""

    SCOPES = ("run", "export")
    BINDINGS = [*bindings("run"), *bindings("export")]
    FIRST = "Run it"

    def __init__(self, task: TaskView, export: str, record: ExportRecord | None = None) -> None:
        """`export`: its id; the record may not be there yet when the task has just begun."""
        super().__init__(task)
        self._export = export
        self._record = record

    @property
    def record(self) -> ExportRecord | None:
        """The record as it was read last."""
        return self._record

    def on_mount(self) -> None:
        """Read the record."""
        self._read_record()

    def on_screen_resume(self) -> None:
        """A push, an archive or a check may have changed the record meanwhile."""
        if self._record is not None:
            self._read_record()

    def ended(self) -> None:
        """Read the record, which now tells how it ended."""
        self._read_record()

    def _read_record(self) -> None:
        self.load(
            lambda: self.nuv.services.exports.get(self._export),
            self._record_read,
            group="record",
            failed=_not_yet,
        )

    def _record_read(self, record: ExportRecord) -> None:
        self._record = record
        self._show()

    def result(self) -> list[Field]:
        """An image is told in full."""
        if self._record is None or self.seen.status is not TaskStatus.COMPLETED:
            return TaskScreen.result(self)
        return fields(self._record, self.nuv.glyphs)

    def more(self) -> list[Field]:
        """The record outlives its task."""
        if self._record is None:
            return []
        return [Field(line()), *head(self._record, self.nuv.glyphs), *fields(self._record, self.nuv.glyphs)]

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """Task and export."""
        return {**TaskScreen.command_values(self), "export": self._export[:8]}

    def copied(self) -> Copy | None:
        """The run command."""
        return self.run_command_copy()


def _not_yet(error: NuvError) -> None:
    """The record comes with the first step of the task."""
