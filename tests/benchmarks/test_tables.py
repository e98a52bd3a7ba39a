"""What tables cost beside DuckDB itself, in the same run on the same ten million rows.

Nothing is asserted about time: the figures are printed with what they are to be compared with, and written as JSON
to `.cache/bench/tables.json`. `NUVTUI_BENCH_ROWS` makes it smaller.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from tests.benchmarks.peers import rest, write_figures
from tests.support.cli import NUVTUI
from tests.support.environment import machine

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

ROWS = int(machine.get("NUVTUI_BENCH_ROWS", "10000000"))
RUNS = int(machine.get("NUVTUI_BENCH_RUNS", "3"))
TABLE = f"""CREATE TABLE t AS SELECT i AS id, (i * 2654435761) % 1000003 AS k, round(sin(i) * 1000, 6)::DOUBLE AS x,
    md5(i::VARCHAR) AS s, DATE '2000-01-01' + (i % 9000)::INTEGER AS d,
    CASE WHEN i % 7 = 0 THEN NULL ELSE 'group ' || (i % 500) END AS g FROM range({ROWS}) r(i)"""
PARQUET = "FORMAT parquet, COMPRESSION zstd"

# Children measure themselves, without the time that Python and DuckDB take to start.
COPY = f"""
import duckdb, sys, time
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
connection.execute(f"ATTACH '{{sys.argv[1]}}' AS db (READ_ONLY)")
began = time.perf_counter()
connection.execute(f"COPY db.t TO '{{sys.argv[2]}}' ({PARQUET})")
print(time.perf_counter() - began)
"""
CHANGE = """
import duckdb, sys
connection = duckdb.connect()
connection.execute(f"ATTACH '{sys.argv[1]}' AS db (STORAGE_VERSION 'v1.0.0')")
connection.execute("USE db")
connection.execute("SET enable_progress_bar = false")
connection.execute(sys.argv[2])
"""
CAPTURE = """
import sys, time
from pathlib import Path
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from nuvtui.tables import capture
from nuvtui.tables.database import Tables
import duckdb
home = Home(Path(sys.argv[2]))
store = Store(home)
store.create()
tables = Tables(Workspace(Path(sys.argv[1])))
began = time.perf_counter()
with writing(store) as writer:
    capture.capture(tables, [], writer, home.tmp, Silent(), home.cache / "memory")
    writer.commit()
print(time.perf_counter() - began)
"""


@dataclass
class Cost:
    """What a command needed."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds of processor time: these hold on a busy machine, too."""
    memory: float
    """MB at most."""
    said: str


def measured(*command: str | Path, folder: Path) -> Cost:
    """Run a command."""
    began = time.perf_counter()
    with open(folder / "out", "w+") as out:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        out.seek(0)
        wall = time.perf_counter() - began
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, out.read())


def test_tables_beside_duckdb(tmp_path: Path) -> None:
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir()
    figures: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        figures.setdefault(what, []).append(value)

    def cost(what: str, found: Cost, wall: float | None = None) -> str:
        note(f"{what}, s", found.wall if wall is None else wall)
        note(f"{what}, s of processor", found.processor)
        note(f"{what}, MB of memory", found.memory)
        return found.said

    def nuvtui(*words: str) -> Cost:
        return measured(NUVTUI, "--home", home, *words, folder=workspace)

    def change(sql: str) -> None:
        # In a child: the memory that this process has had would count for those it starts.
        measured(sys.executable, "-c", CHANGE, database, sql, folder=tmp_path)
        rest()

    nuvtui("init", "--space", "bench")
    database = workspace / ".nuvtui" / "tables.duckdb"
    change(TABLE)
    for run in range(RUNS):
        rest()
        found = measured(sys.executable, "-c", COPY, database, tmp_path / f"{run}.parquet", folder=tmp_path)
        cost("COPY to Parquet", found, float(found.said))
        rest()
        found = measured(sys.executable, "-c", CAPTURE, workspace, tmp_path / f"home{run}", folder=tmp_path)
        cost("capture", found, float(found.said))
        note("Parquet, MB", (tmp_path / f"{run}.parquet").stat().st_size / 1e6)
        packs = (tmp_path / f"home{run}" / "objects" / "packs").iterdir()
        note("stored, MB", sum(pack.stat().st_size for pack in packs) / 1e6)
    first = json.loads(nuvtui("snapshots", "create", "-n", "before", "-f", "json").said)
    cost("nothing changed: status", nuvtui("status", "-f", "json"))
    change(f"UPDATE t SET x = 0.5 WHERE id = {ROWS // 2}")
    (table,) = json.loads(cost("one row changed: status", nuvtui("status", "-f", "json")))["tables"]
    assert (table["rows_added"], table["rows_removed"]) == (1, 1)
    second = json.loads(nuvtui("snapshots", "create", "-n", "after", "-f", "json").said)
    note("one row changed: stored, % of all", 100 * second["stored_bytes"] / first["stored_bytes"])
    for what, sql, counts in (
        ("one row of two snapshots", "", (1, 1)),
        ("a row deleted", f"DELETE FROM t WHERE id = {ROWS // 3}", (0, 1)),
        ("every row changed", "UPDATE t SET k = k + 1", (ROWS - 1, ROWS)),
    ):
        if sql:
            change(sql)
            nuvtui("snapshots", "create", "-n", what)
        pair = ("after", what) if sql else ("before", "after")
        (table,) = json.loads(cost(f"{what}: diff", nuvtui("snapshots", "diff", *pair, "-f", "json")))[
            "tables"
        ]
        assert (table["rows_added"], table["rows_removed"]) == counts
    medians = {what: statistics.median(values) for what, values in figures.items()}
    for kind in ("s", "s of processor"):
        medians[f"capture / COPY, {kind}"] = medians[f"capture, {kind}"] / medians[f"COPY to Parquet, {kind}"]
    write_figures(
        "tables",
        {
            "rows": ROWS,
            "cores": os.cpu_count(),
            "duckdb": duckdb.__version__,
            "medians": medians,
            "all": figures,
        },
    )
    print(f"\n\nTables, {ROWS:,} rows of 6 columns, {database.stat().st_size / 1e6:,.0f} MB")
    for what, value in medians.items():
        print(f"{what:<44}{value:>12,.2f}")
