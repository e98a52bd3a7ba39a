"""What table work lays out is bounded, counted, held while it is used, and gone once its process is."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuvtui.paths import Home
from nuvtui.tables import scratch

WORKER = """
import sys
from pathlib import Path
from nuvtui.tables import scratch
tmp, cache = map(Path, sys.argv[1:3])
def write(out):
    out.write(b"x" * 1000)
    out.flush()
    if sys.argv[3] == "writing":
        print("there", flush=True)
        sys.stdin.read()
with scratch.folder(tmp) as one, scratch.folder(cache / "tables") as two:
    (one / "a").write_bytes(b"x" * 1000)
    (two / "b").write_bytes(b"x" * 1000)
    with scratch.laid_out(cache / "tables", "t.parquet", 1000, write):
        print("there", flush=True)
        sys.stdin.read()
assert "duckdb" not in sys.modules
"""


def put(out: BinaryIO) -> None:
    out.write(b"y" * 1000)


@pytest.mark.parametrize("when", ["writing", "using"])
def test_what_the_killed_leave_goes_and_what_the_living_have_stays(home: Home, when: str) -> None:
    tmp, cache = home.tmp, home.cache
    (tmp / "exports-of-somebody").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp), str(cache), when],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    assert scratch.used(tmp, cache) == 3000
    assert scratch.sweep(tmp, cache) == 0
    assert scratch.used(tmp, cache) == 3000
    process.kill()
    process.wait()
    process.stdout.close()
    whole = 1000 if when == "using" else 0
    assert scratch.sweep(tmp, cache) == 3000 - whole
    assert scratch.used(tmp, cache) == whole
    assert [path.name for path in tmp.iterdir()] == ["exports-of-somebody"]
    assert [path.name for path in (cache / "tables").iterdir()] == (["t.parquet"] if whole else [])


def test_the_next_table_work_sweeps_as_well(home: Home) -> None:
    process = subprocess.run(
        [sys.executable, "-c", WORKER.replace("sys.stdin.read()", "import os; os._exit(9)"),
         str(home.tmp), str(home.cache), "using"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.returncode == 9
    assert scratch.used(home.tmp, home.cache) == 3000
    with scratch.folder(home.tmp):
        assert len(list(home.tmp.iterdir())) == 1
    with scratch.laid_out(home.cache / "tables", "other.parquet", 1000, put):
        assert scratch.used(home.tmp, home.cache) == 2000


def test_folders_of_earlier_versions_go_when_they_are_old(home: Home) -> None:
    for name, age in (("tables-old", 90_000), ("tables-new", 0)):
        (home.tmp / name).mkdir(parents=True)
        (home.tmp / name / "t.parquet").write_bytes(b"x" * 10)
        os.utime(home.tmp / name, (time.time() - age, time.time() - age))
    assert scratch.sweep(home.tmp, home.cache) == 10
    assert [path.name for path in home.tmp.iterdir()] == ["tables-new"]


def test_a_home_without_anything(home: Home) -> None:
    assert (scratch.sweep(home.tmp, home.cache), scratch.used(home.tmp, home.cache)) == (0, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    uses=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 50)), max_size=12), bound=st.integers(1, 120)
)
def test_laid_out_tables_never_take_more_than_the_bound_and_the_one_in_use(
    tmp_path_factory: pytest.TempPathFactory, uses: list[tuple[int, int]], bound: int
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "CACHE_BYTES", bound)
        for number, size in uses:

            def write(out: BinaryIO, size: int = size) -> None:
                out.write(b"z" * size)

            with scratch.laid_out(cache / "tables", f"{number}.parquet", size, write) as file:
                assert file.read_bytes() == b"z" * size
                assert scratch.used(cache, cache) <= max(bound, size)
        scratch.sweep(cache, cache)
        assert scratch.used(cache, cache) <= bound
        left = [int(path.stem) for path in (cache / "tables").glob("*")] if uses else []
        recent = list(dict.fromkeys(number for number, _ in reversed(uses)))
        assert sorted(left) == sorted(recent[: len(left)])


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: BinaryIO) -> None:
        out.write(b"half")
        raise OSError("no")

    with pytest.raises(OSError, match="no"), scratch.laid_out(tmp_path, "t.parquet", 10, fail):
        pass
    assert list(tmp_path.iterdir()) == []
