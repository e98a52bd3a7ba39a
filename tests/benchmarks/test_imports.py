"""What an import with its proof costs beside DuckDB's own `CREATE TABLE AS SELECT * FROM read_csv`, in turn in one run.

Nothing is asserted about time: the table with ratios is printed, and written as JSON to `.cache/bench/imports.json`.
The same rows are also given with a decimal in the last row of a column of whole numbers: the worst case, a type that
turns out wrong at the very end.
"""

import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.peers import rest, write_figures
from tests.support.environment import machine

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

ROWS = int(machine.get("NUVTUI_BENCH_ROWS", "10000000"))
RUNS = 3
MAKE = """
import duckdb, sys
duckdb.sql('SET enable_progress_bar = false')
duckdb.sql(f"COPY (SELECT i AS id, DATE '2000-01-01' + (i % 9000)::INTEGER AS day, "
    f"TIMESTAMP '2020-01-01' + to_seconds(i * 7) AS at, round(hash(i) % 10000000 / 10000, 4) AS value, "
    f"['Adelie', 'Gentoo', 'Chinstrap'][1 + i % 3] AS species, md5(i::VARCHAR)[:20] AS note "
    f"FROM range({sys.argv[2]}) AS t(i)) TO '{sys.argv[1]}' (FORMAT csv, HEADER)")
"""
PEER = """
import duckdb, sys
with duckdb.connect(sys.argv[2]) as connection:
    connection.execute('SET enable_progress_bar = false')
    connection.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{sys.argv[1]}')")
"""
OURS = """
import sys
from pathlib import Path
from nuvtui.paths import Workspace
from nuvtui.tables.database import Tables
Tables(Workspace(Path(sys.argv[2]))).import_file(Path(sys.argv[1]), "t")
"""


def measured(program: str, *arguments: str | Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of the processor, and MB of memory that `program` took."""
    watched = (
        "import os, resource, subprocess, sys, time\n"
        "begin = time.perf_counter()\n"
        "subprocess.run([sys.executable, '-c', *sys.argv[1:]], check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched, program, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    clock, processor, memory = map(float, done.stdout.split())
    return clock, processor, memory


def test_imports_beside_duckdb(tmp_path: Path) -> None:
    plain, late = tmp_path / "plain.csv", tmp_path / "late.csv"
    subprocess.run([sys.executable, "-c", MAKE, plain, str(ROWS)], check=True)
    subprocess.run(["cp", plain, late], check=True)
    with open(late, "a") as file:
        file.write(f"{ROWS}.5,2020-01-01,2020-01-01 00:00:00,1.5,Adelie,last\n")
    figures: dict[str, dict[str, list[float]]] = {}
    for run in range(RUNS):
        for file in (plain, late):
            for name, program in (("duckdb", PEER), ("nuvtui", OURS)):
                target = tmp_path / f"{name}-{file.stem}-{run}"
                if name == "nuvtui":
                    target.mkdir()
                rest()
                found = measured(program, file, target)
                for what, value in zip(("clock, s", "processor, s", "memory, MB"), found, strict=True):
                    figures.setdefault(f"{file.stem}: {what}", {}).setdefault(name, []).append(value)
                subprocess.run(["rm", "-rf", target], check=True)
    medians = {what: {n: statistics.median(v) for n, v in by.items()} for what, by in figures.items()}
    about = {"rows": ROWS, "bytes": plain.stat().st_size, "runs": RUNS, "python": platform.python_version(),
             "machine": platform.machine(), "cores": os.cpu_count()}  # fmt: skip
    write_figures("imports", {"about": about, "medians": medians, "all": figures})
    print(f"\n\nMedians of {RUNS} runs, {ROWS:,} rows, {plain.stat().st_size / 1e6:,.0f} MB")
    for what, by in medians.items():
        ratio = by["nuvtui"] / by["duckdb"]
        print(
            f"{what:<24}duckdb {by['duckdb']:>10,.2f}    nuvtui {by['nuvtui']:>10,.2f}    ratio {ratio:.2f}"
        )
