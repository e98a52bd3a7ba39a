"""Deleting snapshots: which ones, what comes free, and that it is understood."""

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.names import short
from nuvtui.model.queries import Freed
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Choice, Choices, Dialog
from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.worker.queries import Queries

LISTED = 12
"""Snapshots that are named one by one."""


class DeleteDialog(Dialog[bool], ShellTarget):
    """Lists the snapshots; what comes free is worked out meanwhile. The callback gets True or None."""

    DESTRUCTIVE = True

    def __init__(self, records: Sequence[SnapshotRecord]) -> None:
        one = len(records) == 1
        text: list[Line | str] = [
            line((f"Deletes {describe.plural(len(records), 'snapshot')} for ever:", "strong")),
            *(
                line(
                    f"  {describe.title(record)}",
                    right=[(f"{short(record.id)}  {describe.age(record.created)}", "muted")],
                )
                for record in records[:LISTED]
            ),
        ]
        if len(records) > LISTED:
            text.append(line((f"  and {len(records) - LISTED:,} more", "muted")))
        text += [
            "",
            f"{'It' if one else 'They'} cannot be restored, distributed or exported afterwards. "
            "The Current State and all other snapshots stay as they are.",
        ]
        super().__init__("Delete", text, [Choice(None, "Cancel"), Choice(True, "I understand, delete", True)])
        self._records = list(records)
        self._queries = Queries()

    def fields(self) -> Iterable[Widget]:
        """What comes free."""
        yield DetailPane(
            [line(("Storage: working out what comes free", "muted"))], id="advice", can_focus=False
        )

    def first_focus(self) -> Widget | None:
        """Cancel."""
        return self.query_one(Choices)

    def on_mount(self) -> None:
        """Work out what comes free."""
        identifiers = [record.id for record in self._records]
        pending = self._queries.begin()
        self.load(
            lambda: pending.ask(self.nuv.services, Freed(identifiers)),
            self._show,
            group="freed",
            failed=self._failed,
        )

    def on_unmount(self) -> None:
        """Nobody waits for the figure any more."""
        self._queries.stop()

    def _show(self, freed: int) -> None:
        text = f"Storage: {size(freed)} come free at the next `nuvtui store gc`"
        rest = (
            "; the rest is shared with other states." if freed else ": all of it is shared with other states."
        )
        self.query_one("#advice", DetailPane).show([text + rest])

    def _failed(self, error: NuvError) -> None:
        self.query_one("#advice", DetailPane).show([line((f"Storage: not known. {error.title}", "warn"))])
