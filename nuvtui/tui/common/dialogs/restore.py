"""Restoring a snapshot: to which instance, what it replaces there, and how to come back."""

from collections.abc import Iterable, Sequence

from textual import on
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.names import short
from nuvtui.model.queries import PlanRestore, RestorePlan
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import DISTRIBUTED, Instance
from nuvtui.tui.common import describe
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Choice, Choices, Dialog
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.worker.queries import Queries

LISTED = 5_000
"""Changes that are named one by one."""


class RestoreDialog(Dialog[tuple[str, str]], ShellTarget):
    """The callback gets the id of the target instance and the digest of the plan that was shown, or None."""

    DESTRUCTIVE = True
    SCROLLED = "#advice"

    def __init__(self, record: SnapshotRecord, space: str, instances: Sequence[Instance], here: str) -> None:
        first = [each for each in instances if each.id == here]
        self._instances = first + [each for each in instances if each.id != here and each.name != DISTRIBUTED]
        self._record = record
        self._space = space
        self._queries = Queries()
        self._plan = ""
        text: list[Line | str] = [
            line(
                (f"Restores snapshot {short(record.id)}: ", "muted"),
                (describe.title(record), "strong"),
            ),
            f"{describe.holds(record)}; taken {describe.ago(record.created)} by {record.author}.",
            "",
            line(
                ("Replaces the whole Current State of", "strong"),
                (" (Tab: choose)", "muted"),
            ),
        ]
        super().__init__("Restore", text, [Choice(None, "Cancel"), Choice(True, "Restore", True)])

    def fields(self) -> Iterable[Widget]:
        """Where to; what changes."""
        targets = Items(
            self._instances,
            lambda each, _width: line(f"{self._space} / {each.name}"),
            key=lambda each: each.id,
        )
        chooser = LineList(targets, id="targets", openable=False, filterable=False)
        chooser.styles.height = min(4, len(self._instances))
        yield chooser
        yield DetailPane([""], id="advice", can_focus=False)
        cause = f"before restore of snapshot {short(self._record.id)}"
        yield DetailPane(
            [
                line(
                    ("An automatic snapshot is taken first", "strong"),
                    f" (“{cause}”); u on the Timeline brings it back.",
                )
            ],
            id="backup",
            can_focus=False,
        )

    def hints(self) -> Sequence[tuple[str, str]]:
        """The list of changes scrolls."""
        scrolls = [("Up/Down", "scroll")] if isinstance(self.focused, Choices) else []
        return [*super().hints(), *scrolls]

    def first_focus(self) -> Widget | None:
        """Cancel."""
        return self.query_one(Choices)

    @property
    def target(self) -> Instance:
        """The instance under the cursor."""
        return self._instances[self.query_one("#targets", LineList).current or 0]

    def on_mount(self) -> None:
        """Work out what changes."""
        self._look()

    def on_unmount(self) -> None:
        """Nobody waits for the comparison any more."""
        self._queries.stop()

    @on(LineList.Highlighted, "#targets")
    def _look(self) -> None:
        target, self._plan = self.target, ""
        pending = self._queries.begin()
        self._say([line(("Working out what changes there", "muted"))])
        self.load(
            lambda: pending.ask(self.nuv.services, PlanRestore(self._record.id, target.id)),
            self._show,
            group="changes",
            failed=lambda error: self._failed(error),
        )

    def _show(self, found: RestorePlan) -> None:
        self._plan, diff = found.plan, found.changes
        if diff.empty:
            self._say([f"Nothing: {self.target.name} is as in the snapshot already."])
            return
        counts = describe.counted(diff)
        total = describe.total(counts)
        lines: list[Line | str] = [
            describe.changes_line(counts, "There: "),
            line((f"come back: {total[0]}, replaced: {total[1]}, removed: {total[2]}", "muted")),
        ]
        changes = describe.changes_of(diff)
        changes.sort(key=lambda change: ("removed", "changed", "added").index(change.change))
        lines += [describe.change_line(change) for change in changes[:LISTED]]
        if len(changes) > LISTED:
            lines.append(line((f"and {len(changes) - LISTED:,} more", "muted")))
        self._say(lines)

    def _failed(self, error: NuvError) -> None:
        self._say([line((f"What changes is not known: {error.title}", "warn")), error.message])

    def _say(self, lines: Iterable[Line | str]) -> None:
        self.query_one("#advice", DetailPane).show(lines)

    def chosen(self, value: object) -> None:
        """Leave with the instance."""
        self.dismiss((self.target.id, self._plan) if value else None)
