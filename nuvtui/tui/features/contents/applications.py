"""Applications of a state: configuration, locked packages, and what a check finds."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult, SuspendNotSupported
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.application import ApplicationKind
from nuvtui.model.names import is_slug, text_to_path
from nuvtui.model.snapshot import ApplicationPart
from nuvtui.paths import Workspace
from nuvtui.tui.common import describe
from nuvtui.tui.features.contents.section import Section
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane, block_lines
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog, MessageDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, Tone, line, row

if TYPE_CHECKING:
    from nuvtui.model.export import Finding


LEVELS: dict[str, Tone] = {"stop": "bad", "warning": "warn", "note": "muted"}
KINDS = (
    ("script", "a command that runs and ends"),
    ("python", "a Python script or module"),
    ("jupyterlab", "JupyterLab"),
    ("rstudio", "RStudio Server"),
    ("vscode", "VS Code in the browser"),
    ("shell", "a shell"),
    ("streamlit", "a Streamlit app"),
    ("stata", "Stata (licensed)"),
    ("matlab", "MATLAB (licensed)"),
    ("custom", "anything else"),
)


class Applications(Section):
    """The list; Enter shows configuration and packages."""

    SCOPES = ("applications",)
    BINDINGS = bindings("applications")
    NAME = "Applications"
    HELP = (
        "The applications of the state: files .nuvtui/apps/<name>.yaml, made to be edited. A snapshot also keeps the exact "
        "packages that were installed. Enter shows one, + makes one from a template, e edits, c checks."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: list[ApplicationPart] = []

    def compose(self) -> ComposeResult:
        """List and detail."""
        yield LineList(id="applications", classes="outer", markable=True, empty="Reading")
        yield DetailPane(id="application", classes="inner fill")

    @property
    def applications(self) -> LineList:
        """The list."""
        return self.query_one("#applications", LineList)

    def first_focus(self) -> Widget | None:
        """The detail where it is shown, else the list."""
        return self.query_one("#application") if self.has_class("-inner") else self.applications

    def clear(self) -> None:
        """Another state has other applications."""
        self.applications.empty = "Reading"
        self.applications.set_marked(set())
        self._show([])

    def reread(self) -> None:
        """Read the files."""
        ref = self.ref
        if ref is not None:
            self.load(lambda: self.nuv.services.applications.list(ref), self._read, group="applications")

    def _read(self, parts: Sequence[ApplicationPart]) -> None:
        self.applications.empty = (
            "No applications. + makes one from a template." if self.is_current else "No applications."
        )
        self._show(parts)

    def _show(self, parts: Sequence[ApplicationPart]) -> None:
        self._parts = list(parts)
        self.applications.set_source(
            Items(
                self._parts, _draw, key=lambda part: part.slug, text=lambda part: f"{part.slug} {part.name}"
            )
        )
        part = self.part
        if part is not None and self.has_class("-inner"):
            self.query_one("#application", DetailPane).show(detail(part), keep=True)

    @property
    def part(self) -> ApplicationPart | None:
        """The application under the cursor."""
        at = self.applications.current if self.is_mounted else None
        return self._parts[at] if at is not None else None

    @property
    def slug(self) -> str | None:
        """Its slug."""
        return self.part.slug if self.part else None

    def command_values(self) -> Mapping[str, str]:
        """The application under the cursor."""
        return {**super().command_values(), "application": self.slug or ""}

    @property
    def can_stage(self) -> bool:
        """Where there is an application."""
        return self.slug is not None

    def staged(self) -> Mapping[str, Sequence[str]]:
        """The marked applications, else that under the cursor."""
        if self.applications.marked and not self.has_class("-inner"):
            return {"applications": sorted(map(str, self.applications.marked))}
        return {"applications": [self.slug] if self.slug else []}

    def done_staging(self) -> None:
        """Unmark."""
        self.applications.set_marked(set())

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: show configuration and packages."""
        message.stop()
        if self.part is not None:
            self.query_one("#application", DetailPane).show(detail(self.part))
            self.show_inner(True, f"application {self.part.slug}")

    def action_check(self) -> None:
        """Look for what is wrong."""
        ref, slug = self.ref, self.slug
        if ref is not None and slug is not None:
            self.load(
                lambda: self.nuv.services.applications.check(ref.instance, slug),
                lambda found: self._checked(slug, found),
                group="check",
            )

    def _checked(self, slug: str, found: "Sequence[Finding]") -> None:
        lines: list[Line | str] = []
        for finding in found:
            lines.append(
                line((f"{finding.level}: ", LEVELS[finding.level]), f"{finding.subject}: {finding.text}")
            )
            if finding.hint:
                lines.append(line((f"  {finding.hint}", "muted")))
        self.nuv.push_screen(MessageDialog(f"Check of {slug}", lines or ["Nothing is wrong with it."]))

    def action_new(self) -> None:
        """Ask for kind and name, then write the template."""
        from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog

        ref = self.ref
        if ref is None:
            return

        def kind_chosen(kind: str | None) -> None:
            if kind is not None:
                self._ask_name(ref.instance, ApplicationKind(kind))

        options = [Option(kind, kind, about) for kind, about in KINDS]
        self.nuv.push_screen(PickDialog("New application from a template", options), kind_chosen)

    def _ask_name(self, instance: str, kind: ApplicationKind) -> None:
        known = {part.slug for part in self._parts}

        def refuse(texts: Mapping[str, str]) -> str | None:
            if not is_slug(texts["slug"]):
                return "Lower-case letters, digits, dots, underscores and hyphens, please."
            return f"There is an application {texts['slug']}." if texts["slug"] in known else None

        def answered(texts: Any) -> None:
            if texts is None:
                return
            slug = texts["slug"]

            def done(_: object) -> None:
                self.nuv.notify(f"Application {slug} is in .nuvtui/apps/{slug}.yaml: e edits it.")
                self.reread()

            self.load(lambda: self.nuv.services.applications.new(instance, slug, kind), done, group="new")

        self.nuv.push_screen(
            TextDialog(
                f"New {kind} application",
                [TextField("slug", "Name of its file", kind.value)],
                "Make it",
                refuse=refuse,
            ),
            answered,
        )

    def action_edit(self) -> None:
        """Open the file in the user's editor, in this terminal."""
        instance, slug = self.nuv.context.instance, self.slug
        if instance is None or slug is None or not self.is_current:
            return
        file = Workspace(Path(text_to_path(instance.workspace))).application(slug)
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            command = [*shlex.split(editor), str(file)]
            with self.app.suspend():
                subprocess.run(command, check=False)
        except SuspendNotSupported:
            self.nuv.notify(f"Edit it with your editor: {file}", severity="warning")
        except (OSError, ValueError) as error:
            self.nuv.show_error(
                NuvError(
                    f"The editor {editor!r} cannot be started",
                    str(error),
                    "Set EDITOR to one that is installed.",
                )
            )
        self.reread()

    def action_delete(self) -> None:
        """Ask, then delete the file."""
        ref, slug = self.ref, self.slug
        if ref is None or slug is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.load(
                    lambda: self.nuv.services.applications.delete(ref.instance, slug), done, group="delete"
                )

        def done(_: object) -> None:
            self.nuv.notify(f"Application {slug} is deleted.")
            self.show_inner(False)
            self.reread()

        self.nuv.push_screen(
            ConfirmDialog(
                "Delete the application",
                [f"Deletes .nuvtui/apps/{slug}.yaml from the Current State."],
                "Delete",
                backup="Snapshots keep theirs; without a snapshot there is no way back.",
                destructive=True,
            ),
            answered,
        )


def _draw(part: ApplicationPart, width: int) -> Line:
    bad = part.kind == "invalid"
    packages = describe.plural(len(part.lock.packages), "package") if part.lock else ""
    return row(
        width,
        Cell(part.slug, 18),
        Cell(part.name if not bad else part.lock_note, 0, "bad" if bad else "muted"),
        Cell(part.kind, 11, "bad" if bad else "muted"),
        Cell(packages, 14, "muted", "right"),
    )


def detail(part: ApplicationPart) -> list[Line | str]:
    """Configuration as it is written, then the packages."""
    lines: list[Line | str] = [line((part.name, "strong"), (f"  {part.slug}.yaml", "muted"))]
    if part.kind == "invalid":
        lines += [line((part.lock_note, "bad"))]
    lines.append("")
    for each in block_lines(part.text.rstrip("\n")):
        text = each.text
        comment = text.lstrip().startswith("#")
        lines.append(line((text, "muted")) if comment else line(text))
    if part.lock is not None:
        lock = part.lock
        lines += [
            "",
            line(("Installed packages", "strong"), (f"  {lock.interpreter}, {lock.manager}", "muted")),
        ]
        for package in lock.packages:
            source = (
                "" if package.source in ("pip", "conda", "cran") else f"{package.source} {package.location}"
            )
            lines.append(line(f"  {package.name} {package.version}  ", (source, "muted")))
    elif part.lock_note and part.kind != "invalid":
        lines += ["", line(("Packages not recorded: ", "warn"), part.lock_note)]
    return lines
