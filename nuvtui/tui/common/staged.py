"""What the stage holds, as the Stage shows it and a distribution takes it over."""

from collections.abc import Sequence
from typing import NamedTuple

from nuvtui.model.distribution import ObjectType
from nuvtui.model.stage import Stage
from nuvtui.services.sharing.staging import StagedItem
from nuvtui.tui.toolkit.amounts import amount, size
from nuvtui.tui.toolkit.lines import Line, line


class Staged(NamedTuple):
    """The stage as it is shown."""

    stage: Stage | None
    label: str
    """What the source state is called."""
    items: list[StagedItem]


def totals(items: Sequence[StagedItem]) -> list[Line]:
    """Sums per type in one line, and what is missing."""
    parts = []
    files = [item for item in items if item.type is ObjectType.FILES]
    if files:
        everything = any(item.name == "." for item in files)
        count, total = sum(item.count for item in files), sum(item.size for item in files)
        what = "all files" if everything else amount(count, "files")
        parts.append(what + (f", {size(total)}" if total else ""))
    tables = [item for item in items if item.type is ObjectType.TABLES]
    if tables:
        parts.append(f"{amount(len(tables), 'tables')}, {amount(sum(item.size for item in tables), 'rows')}")
    applications = sum(item.type is ObjectType.APPLICATIONS for item in items)
    if applications:
        parts.append(amount(applications, "applications"))
    missing = sum(item.missing for item in items)
    found = [line(("; ".join(parts), "muted"))] if parts else [line()]
    if missing:
        found.append(line((f"{missing} missing in the source state: x takes them out", "warn")))
    return found
