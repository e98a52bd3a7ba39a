"""Deleting snapshots: which ones, what comes free, and that it is understood."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.names import short
from nuvtui.model.queries import Freed
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.common.remote_actions import held
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Choice, Choices, Dialog
from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.worker.queries import Queries

LISTED = 12
"""Snapshots that are named one by one."""


class DeleteDialog(Dialog[bool], ShellTarget):
    """Lists the snapshots; which remotes hold them and what comes free is looked up meanwhile.

    The callback gets True or None.
    """

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
        yield DetailPane([""], id="remotes", can_focus=False)
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

        self.load(lambda: held(self.nuv.services), self._show_remotes, group="held")

    def on_unmount(self) -> None:
        """Nobody waits for the figure any more."""
        self._queries.stop()

    def _show_remotes(self, held: Mapping[str, Sequence[str]] | None) -> None:
        """Which remotes hold the snapshots, where there are any."""
        if held is None:
            return
        count = len(self._records)
        counts = Counter(name for record in self._records for name in held.get(record.id, ()))
        if not counts:
            said = line((f"No remote holds {'it' if count == 1 else 'any of them'}, as last seen.", "warn"))
        else:
            names = [f"{name} still holds {_part(here, count)}" for name, here in sorted(counts.items())]
            said = line(f"Remotes: {'; '.join(names)}, as last seen; L pulls from there.")
        self.query_one("#remotes", DetailPane).show([said])

    def _show(self, freed: int) -> None:
        text = f"Storage: {size(freed)} come free at the next `nuvtui store gc`"
        rest = (
            "; the rest is shared with other states." if freed else ": all of it is shared with other states."
        )
        self.query_one("#advice", DetailPane).show([text + rest])

    def _failed(self, error: NuvError) -> None:
        self.query_one("#advice", DetailPane).show([line((f"Storage: not known. {error.title}", "warn"))])


def _part(held: int, count: int) -> str:
    if held < count:
        return f"{held:,} of {count:,}"
    return "it" if count == 1 else "all of them"
