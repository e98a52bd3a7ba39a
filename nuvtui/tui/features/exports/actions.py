"""What can be done with an export, from the list as well as from its own screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.model.export import ExportRecord
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.operations import Archive, Push, Verify
from nuvtui.model.task import TaskView
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.features.exports.details import held
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.lines import Line, line

if TYPE_CHECKING:
    from nuvtui.services.exports.service import ExportsService


class ExportActions(ShellTarget):
    """Mixin of the list of exports and of an export's own screen: push, archive, report, delete, run command."""

    @property
    def record(self) -> ExportRecord | None:
        """The export that is meant."""
        raise NotImplementedError

    @property
    def has_image(self) -> bool:
        """True where it has an image."""
        return self.record is not None and self.record.status == "completed"

    @property
    def has_report(self) -> bool:
        """True where it may have a report."""
        return self.record is not None and self.record.status in ("completed", "deleted")

    @property
    def may_delete(self) -> bool:
        """True where there is an image to delete."""
        return self.record is not None and self.record.status in ("completed", "failed", "cancelled")

    @property
    def _exports(self) -> ExportsService:
        return self.nuv.services.exports

    def run_command_copy(self) -> Copy | None:
        """What `y` copies: the run command, else the image, else the id."""
        record = self.record
        if record is None:
            return None
        if record.run_command and record.status == "completed":
            return Copy(record.run_command, "the run command")
        return Copy(
            record.error or record.image or record.id, "the error" if record.error else "the image's name"
        )

    def action_run_command(self) -> None:
        """Copy the run command."""
        copy = self.run_command_copy()
        if copy is not None:
            self.nuv.copy(copy)

    def _submit(self, operation: Archive | Push | Verify, record: ExportRecord, title: str) -> None:
        from nuvtui.tui.common.submit import submit
        from nuvtui.tui.common.task_screen import TaskScreen

        submit(
            self,
            operation,
            title,
            lambda task: self.nuv.push_screen(TaskScreen(TaskView(task, kind=operation.kind, title=title))),
            space=record.space,
            instance=record.instance,
            subject=record.id,
        )

    def _held_back(self, record: ExportRecord, done: str) -> bool:
        """True where the image must not leave: then it is said why it is not `done`."""
        found = held(record.findings)
        if found:
            from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog

            way_out = (
                "n makes a new export: its form lists these findings. x leaves a file out, a accepts a finding with "
                "a reason that goes into the report."
            )
            text: list[Line | str] = [
                *(line((each.subject, "strong"), f"  {each.text}") for each in found),
                "",
                line((f"{self.nuv.glyphs.arrow} ", "accent"), way_out),
            ]
            self.nuv.push_screen(MessageDialog(f"Not {done}: the content guard found", text, bad=True))
        return bool(found)

    def action_push(self) -> None:
        """Push; where the registry is public, only after a word was typed."""
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        record = self.record
        if record is None or not self.has_image:
            return
        if self._held_back(record, "pushed"):
            return

        def asked(public: bool) -> None:
            if public:
                ask_public(self, record.image, push)
            else:
                self.nuv.push_screen(
                    ConfirmDialog(
                        "Push the image",
                        [line((record.image, "strong")), "", "The registry is private."],
                        "Push",
                    ),
                    push,
                )

        def push(yes: object) -> None:
            if yes:
                self._submit(Push(record.id, public_ok=True), record, f"Push {record.image}")

        repository = record.image.rpartition(":")[0]
        self.load(lambda: self._exports.public(repository), asked, group="push")

    def action_verify(self) -> None:
        """Ask how, then run the image and look into it, as a task."""
        from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog

        if self.record is None or not self.has_image:
            return
        text: list[Line | str] = [
            line(
                ("Verify", "strong"),
                " runs the image as strangers will (no network, unknown user) and compares its packages with the lock.",
            ),
            "",
            line(
                ("Rebuild and compare", "strong"),
                " also builds it again from its snapshot and says whether the same comes out. That takes as long as "
                "the export.",
            ),
            "",
        ]
        choices = [
            Choice("verify", "Verify"),
            Choice("rebuild", "Rebuild and compare"),
            Choice(None, "Cancel"),
        ]
        self.nuv.push_screen(Dialog[str]("Verify the image", text, choices), self._verify)

    def action_rebuild(self) -> None:
        """Build the image again and compare, as a task."""
        self._verify("rebuild")

    def _verify(self, how: object) -> None:
        record = self.record
        if how and record is not None and self.has_image:
            again = how == "rebuild"
            title = f"Rebuild and compare {record.name}" if again else f"Verify {record.name}"
            self._submit(Verify(record.id, again), record, title)

    def action_archive(self) -> None:
        """Ask where to, then write the archive."""
        from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField

        record = self.record
        if record is None or not self.has_image or self._held_back(record, "archived"):
            return
        # Not into the workspace: the next snapshot and the next image would hold it.
        proposed = Path.home() / f"{record.name}-{record.id[:8]}.tar"

        def refuse(texts: Mapping[str, str]) -> str | None:
            return None if texts["file"] else "Give the file to write."

        def write(texts: object) -> None:
            if isinstance(texts, Mapping):
                path = Path(texts["file"]).expanduser().absolute()
                self._submit(Archive(record.id, path_to_text(str(path))), record, f"Archive {record.name}")

        self.nuv.push_screen(
            TextDialog(
                "Archive the image",
                [TextField("file", "File to write", str(proposed))],
                "Write it",
                text=["docker load -i FILE reads it again, on a machine without a registry too.", ""],
                refuse=refuse,
            ),
            write,
        )

    def action_report(self) -> None:
        """The report that travels along."""
        record = self.record
        if record is None:
            return

        def show(text: str) -> None:
            if not text:
                self.nuv.notify("This export has no report.", severity="warning")
                return
            from nuvtui.tui.features.exports.report import ReportScreen

            self.nuv.push_screen(ReportScreen(f"Report of {record.name}", text, {"export": record.id[:8]}))

        self.load(lambda: self._exports.report(record.id), show, group="report")

    def action_delete(self) -> None:
        """Ask, then delete the image."""
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog, MessageDialog

        record = self.record
        if record is None or not self.may_delete:
            return
        changes: list[Line | str] = [line("Deletes the image ", (record.image or record.name, "strong"))]
        if record.pushed:
            changes.append("and its tag in the registry, where that allows it.")
        if record.archive:
            changes.append(f"The archive stays: {text_to_path(record.archive)}")

        def deleted(answer: tuple[ExportRecord, list[str]]) -> None:
            if answer[1]:
                self.nuv.push_screen(
                    MessageDialog("Deleted, but", [line(problem) for problem in answer[1]], bad=True)
                )
            else:
                self.nuv.notify(f"Export {record.name} is deleted.", timeout=4)

        def delete(yes: object) -> None:
            if yes:
                seconds = f"{self.nuv.settings.engine_timeout:g} s"
                self.nuv.notify(f"Deleting {record.name}; an engine has {seconds} to answer.", timeout=4)
                self.load(lambda: self._exports.delete(record.id), deleted, group="delete")

        self.nuv.push_screen(
            ConfirmDialog(
                "Delete the export",
                changes,
                "Delete",
                destructive=True,
                backup="There is no way back, but the snapshot stays: it can be exported again.",
            ),
            delete,
        )

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The export."""
        return {"export": self.record.id[:8]} if self.record is not None else {}


def ask_public(node: ShellTarget, image: str, answer: Callable[[object], None]) -> None:
    """Let the user type a word before something becomes public; `answer` is called with True or None."""
    from nuvtui.tui.toolkit.dialogs.typed import TypedDialog

    node.nuv.push_screen(
        TypedDialog(
            "Push to a public registry",
            [
                line((image, "strong")),
                "",
                "This registry counts as public: anyone can pull the image without signing in. What was pulled cannot "
                "be called back.",
                "A registry of yours that is private belongs under private_registries in the settings.",
            ],
            "public",
            "Push",
        ),
        answer,
    )
