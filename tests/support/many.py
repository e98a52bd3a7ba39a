"""A state with many snapshots, made at once: what a store looks like after years of work."""

import datetime
import getpass
from pathlib import Path

from nuvtui.catalog.catalog import Catalog
from nuvtui.model.names import path_to_text
from nuvtui.model.roles import Role
from nuvtui.model.snapshot import Changes, FilesSummary, SnapshotRecord, TableSummary
from nuvtui.model.space import DISTRIBUTED, MASTER, Instance, Member, Space
from nuvtui.paths import DOT, Home

START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def make_state(home: Home, workspace: Path, snapshots: int) -> None:
    """A space `Study` whose Master is `workspace`, with `snapshots` records (and no manifests)."""
    (workspace / DOT / "apps").mkdir(parents=True)
    (workspace / "README.md").write_text("# Study\n")
    state = Catalog(home)
    state.create()
    created = START.isoformat(timespec="microseconds")
    with state.transaction() as transaction:
        transaction.spaces.put(Space("5" * 16, "Study", created))
        transaction.instances.put(
            Instance("a" * 16, "5" * 16, MASTER, path_to_text(str(workspace.resolve())), created)
        )
        transaction.instances.put(Instance("b" * 16, "5" * 16, DISTRIBUTED, "", created))
        transaction.members.put(Member("5" * 16, getpass.getuser(), Role.ADMINISTRATOR))
    add_snapshots(home, snapshots)


def add_snapshots(home: Home, snapshots: int) -> None:
    """Put `snapshots` records of the years from 2020 on into the state that `make_state` made."""
    with Catalog(home).transaction() as transaction:
        transaction.snapshots.put(
            *(
                SnapshotRecord(
                    id=f"{number:016x}",
                    space="5" * 16,
                    instance="a" * 16,
                    name=f"vintage {number}: prices revised",
                    kind=("named", "quick", "automatic")[number % 3],
                    created=(START + datetime.timedelta(hours=5 * number)).isoformat(timespec="microseconds"),
                    author="ada",
                    description="Prices as the office published them, outliers kept.",
                    next_phase="",
                    parent=f"{number - 1:016x}" if number else None,
                    files=FilesSummary(1200 + number, 80_000_000),
                    tables=[TableSummary("prices", 10_000 + number), TableSummary("firms", 300)],
                    applications=["analysis", "notebook"],
                    changes=Changes(files=(1, 2, 0)),
                    warnings=0,
                    stored_bytes=40_000,
                )
                for number in range(snapshots)
            )
        )
