"""Records for the tests of the state."""

from nuvtui.model.snapshot import Changes, FilesSummary, SnapshotRecord, TableSummary
from nuvtui.model.space import Space

CREATED = "2026-01-01T00:00:00.000000+00:00"


def space(identifier: str, name: str = "study") -> Space:
    return Space(identifier, name, CREATED)


def snapshot(number: int) -> SnapshotRecord:
    return SnapshotRecord(
        id=f"{number:016x}",
        space="a" * 16,
        instance="b" * 16,
        name=f"paper-revision-{number}",
        kind="named",
        created=CREATED,
        author="alice",
        description="Raw data cleaned, the model fitted again, figures 2 and 3 redrawn.",
        next_phase="Write the discussion.",
        parent=f"{number - 1:016x}" if number else None,
        files=FilesSummary(1000 + number, 123456789),
        tables=[TableSummary("penguins", 344), TableSummary("islands", 3)],
        applications=["analysis", "notebook"],
        changes=Changes((1, 2, 3)),
        warnings=0,
        stored_bytes=12345,
    )
