"""Overview of a state: what a snapshot says of itself, and the README."""

from typing import NamedTuple

from textual.app import ComposeResult

from nuvtui.errors import NuvError
from nuvtui.model.names import text_to_path
from nuvtui.model.roles import Action, allows
from nuvtui.model.snapshot import Snapshot, summarise
from nuvtui.model.stage import StateRef
from nuvtui.tui.common import describe
from nuvtui.tui.features.contents.section import Section
from nuvtui.tui.toolkit import markdown
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.lines import Line, line


class Read(NamedTuple):
    """What was read of the state."""

    readme: str | None
    manifest: Snapshot | None


class Overview(Section):
    """README and, of a snapshot, its record."""

    SCOPES = ("overview",)
    BINDINGS = bindings("overview")
    NAME = "Overview"
    HELP = "The README of the state. A snapshot's own record stands above it."

    def compose(self) -> ComposeResult:
        """One text."""
        yield DetailPane(id="overview", classes="fill outer")

    @property
    def can_stage(self) -> bool:
        """The whole state."""
        return allows(self.nuv.context.role, Action.VIEW)

    def action_stage(self) -> None:
        """Stage the whole state."""
        from nuvtui.tui.common import state_actions

        if self.ref is not None:
            state_actions.stage(self, self.ref, everything=True)

    def clear(self) -> None:
        """Nothing read yet."""
        self._show([line(("Reading", "muted"))])

    def reread(self) -> None:
        """Read README and record."""
        ref = self.ref
        if ref is None:
            return
        self.load(lambda: self._read(ref), self._shown, group="overview", failed=self._failed)

    def _read(self, ref: StateRef) -> Read:
        from nuvtui.services.states.service import readme_of

        services = self.nuv.services
        if ref.snapshot is None:
            return Read(services.states.readme(ref.instance), None)
        return Read(readme_of(services.states.reader(ref)), services.snapshots.manifest(ref.snapshot))

    def _shown(self, read: Read) -> None:
        lines: list[Line | str] = []
        if read.manifest is not None:
            lines += [*describe.snapshot_lines(summarise(read.manifest), read.manifest), "", ""]
        if read.readme is None:
            lines += [
                line(("No README", "muted")),
                "A README.md tells others what this is and how to run it.",
            ]
        else:
            lines += markdown.lines(read.readme)
        context = self.nuv.context
        if not allows(context.role, Action.VIEW):
            lines = [line((f"As {context.role} you see the README only.", "muted")), "", *lines]
        elif read.manifest is None and context.instance is not None and read.readme is None:
            lines += ["", line(("Workspace: ", "muted"), text_to_path(context.instance.workspace))]
        self._show(lines)

    def _failed(self, error: NuvError) -> None:
        self._show([line((error.title, "bad")), error.message, error.hint])

    def _show(self, lines: list[Line | str]) -> None:
        self.query_one(DetailPane).show(lines, keep=True)
