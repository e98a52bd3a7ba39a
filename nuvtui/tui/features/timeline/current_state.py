"""What the Timeline says of the Current State: what changed since the newest snapshot."""

from collections.abc import Sequence
from typing import NamedTuple

from nuvtui.errors import NuvError
from nuvtui.model.diff import Diff
from nuvtui.model.names import text_to_path
from nuvtui.model.roles import Action, needed
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.features.timeline import rows
from nuvtui.tui.features.timeline.rows import Columns
from nuvtui.tui.toolkit.lines import Line, Piece
from nuvtui.tui.toolkit.lines import line as text_line

SHOWN = 200
"""Changes of the Current State that the detail lists."""


class CurrentState(NamedTuple):
    """The Current State, compared with the newest snapshot or about to be."""

    read: bool
    """The snapshots were read."""
    problem: NuvError | None
    """Why it could not be compared."""
    diff: Diff | None
    """What differs; None: not known yet."""
    same: SnapshotRecord | None
    """The snapshot that was restored and that it still is like."""
    records: Sequence[SnapshotRecord]
    role: str
    """The role of the user, where it does not allow a snapshot."""

    def line(self, columns: Columns, before: tuple[Piece, ...], ellipsis: str) -> Line:
        """The line of the Current State."""
        name: Piece = ("Current State", "strong")
        said: Piece | None = None
        if self.problem is not None:
            said = (self.problem.title, "bad")
        elif self.diff is None:
            said = ("looking what changed", "muted") if self.read else ("", "")
        elif not self.records:
            said = ("no snapshot yet", "warn")
        elif self.same is not None:
            said = (f"as in {describe.called(self.same)}", "good")
        if said is not None:
            return text_line(*before, name, right=[said])
        assert self.diff is not None
        changes = describe.counted(self.diff)
        changed = (("no change", "muted"),) if self.diff.empty else rows.counts(changes)
        return columns.line(before, name, changed=changed, age="now", ellipsis=ellipsis)

    def lines(self) -> list[Line | str]:
        """What is said of it below the list."""
        if not self.read:
            return []
        if self.problem is not None:
            error = self.problem
            return [text_line((error.title, "bad")), error.message, error.hint, "", "F5 looks again."]
        if self.diff is None:
            return [text_line(("Looking what changed since the newest snapshot.", "muted"))]
        diff = self.diff
        if not self.records:
            return [
                text_line(("No snapshot yet.", "strong")),
                "s takes one at once, S one with a name and a description."
                if not self.role
                else f"Taking one needs the role {needed(Action.MODIFY)}; yours is {self.role}.",
                "",
                describe.changes_line(describe.counted(diff), "It will hold  "),
            ]
        newest = describe.called(self.records[0])
        lines: list[Line | str] = [
            text_line(
                ("Kept ", "warn"),
                f"{describe.plural(kept.files, 'file')} in {text_to_path(kept.path)}: a change would have overwritten "
                f"{'it' if kept.files == 1 else 'them'}.",
            )
            for kept in diff.kept
        ]
        if lines:
            lines.append("")
        if diff.empty:
            return [
                *lines,
                text_line(("Nothing changed ", "strong"), f"since {newest}."),
                "",
                text_line(("F5 looks again.", "muted")),
            ]
        if self.same is not None:
            same = describe.called(self.same)
            lines += [
                text_line(
                    ("Same as ", "strong"),
                    f"{same}, which was restored; the list is against what was there before.",
                ),
                "",
            ]
        lines += [
            text_line(("Changed ", "strong"), f"since {newest}"),
            describe.changes_line(describe.counted(diff), ""),
            "",
        ]
        changes = describe.changes_of(diff)
        lines += [describe.change_line(change) for change in changes[:SHOWN]]
        if len(changes) > SHOWN:
            lines.append(
                text_line((f"and {len(changes) - SHOWN:,} more: Contents (2), Changes (C)", "muted"))
            )
        return lines
