"""Choosing a state of the instance: the Current State or a snapshot."""

from collections.abc import Sequence

from nuvtui.model.names import short
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.toolkit.dialogs.pick import PickDialog
from nuvtui.tui.toolkit.line_list import Items
from nuvtui.tui.toolkit.lines import Cell, Line, line, row

CURRENT = "current"


class ChooseStateDialog(PickDialog):
    """The states, newest first; the callback gets `current`, a snapshot's id, or None."""

    def __init__(self, title: str, records: Sequence[SnapshotRecord], without: str = "") -> None:
        entries: list[SnapshotRecord | None] = [None, *records]
        entries = [entry for entry in entries if (entry.id if entry else CURRENT) != without]
        source = Items(
            entries,
            _draw,
            key=lambda entry: entry.id if entry else CURRENT,
            text=lambda entry: f"{describe.title(entry)} {entry.id}" if entry else "Current State",
        )
        super().__init__(title, source)


def _draw(entry: SnapshotRecord | None, width: int) -> Line:
    if entry is None:
        return line(("Current State", "strong"))
    return row(
        width,
        Cell(describe.title(entry), 0, "" if entry.kind == "named" else "muted"),
        Cell(short(entry.id), 8, "muted"),
        Cell(describe.age(entry.created), 7, "muted", "right"),
    )
