"""What goes is what was recorded, or nothing goes; until the block ends well, nothing is changed."""

import os
from pathlib import Path

import duckdb
import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.snapshot import TablePart
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.tables import capture
from nuvtui.tables.database import Tables
from tests.tables.helpers import Recorder, dump, log_of_another, make, take, take_with_warnings

Parts = dict[str, TablePart]


@pytest.fixture
def parts(workspace: Workspace, store: Store, home: Home) -> Parts:
    """What is to be put."""
    tables = make(
        workspace,
        "CREATE TABLE a AS SELECT i FROM range(10) r(i)",
        "CREATE TABLE new AS SELECT 1 AS x",
        "CREATE TABLE same AS SELECT 5 AS x",
    )
    return {part.name: part for part in take(tables, store, home)}


@pytest.fixture
def recorded(other: Tables, store: Store, home: Home) -> Parts:
    """What the Current State holds, as its automatic snapshot has it."""
    make(
        other.workspace,
        "CREATE TABLE a AS SELECT 'old' AS s",
        "CREATE TABLE gone AS SELECT 1 AS x",
        "CREATE TABLE same AS SELECT 5 AS x",
        "CREATE TABLE stays AS SELECT 1 AS x",
    )
    return {part.name: part for part in take(other, store, home)}


def test_what_is_as_recorded_is_replaced(
    other: Tables, parts: Parts, recorded: Parts, store: Store, home: Home
) -> None:
    with capture.replacing(
        other, list(parts.values()), ["gone"], store, home.tmp, Silent(), recorded
    ) as replaced:
        pass
    assert (sorted(replaced.put), replaced.equal, replaced.removed) == (["a", "new"], ["same"], ["gone"])
    now = {part.name: part for part in capture.describe(other, [*parts.values(), *recorded.values()])}
    assert now == {**parts, "stays": recorded["stays"]}
    assert list(home.tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("meanwhile", "name", "why"),
    [
        ("INSERT INTO a VALUES ('31337')", "a", "rows or columns"),
        ("UPDATE a SET s = 'other'", "a", "rows or columns"),
        ("ALTER TABLE a ADD COLUMN more INTEGER", "a", "rows or columns"),
        ("COMMENT ON TABLE a IS 'said'", "a", "rows or columns"),
        ("DROP TABLE a", "a", "removed"),
        ("CREATE TABLE new AS SELECT 'mine' AS x", "new", "made since"),
        ("INSERT INTO same VALUES (6)", "same", "rows or columns"),
        ("INSERT INTO gone VALUES (2)", "gone", "rows or columns"),
        ("INSERT INTO stays VALUES (2)", "", ""),
        ("DROP TABLE gone", "", ""),
    ],
)
def test_a_table_changed_since_it_was_recorded_is_a_conflict(
    other: Tables,
    parts: Parts,
    recorded: Parts,
    store: Store,
    home: Home,
    meanwhile: str,
    name: str,
    why: str,
) -> None:
    make(other.workspace, meanwhile)
    before = dump(other.path)
    puts = list(parts.values())
    if not name:
        capture.replace(other, puts, ["gone"], store, home.tmp, Silent(), recorded)
        return
    with pytest.raises(NuvError, match=why) as caught:
        capture.replace(other, puts, ["gone"], store, home.tmp, Silent(), recorded)
    assert caught.value.exit_code == Exit.CONFLICT
    assert f"'{name}'" in caught.value.title
    assert "Nothing was changed" in caught.value.message
    assert dump(other.path) == before
    # As the hint says: with a new record, it goes through.
    now = {part.name: part for part in take(other, store, home)}
    capture.replace(other, puts, ["gone"], store, home.tmp, Silent(), now)
    assert {part.name for part in capture.describe(other)} == {*parts, "stays"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, NuvError])
def test_an_exception_of_the_block_undoes_everything(
    other: Tables, parts: Parts, recorded: Parts, store: Store, home: Home, error: type[BaseException]
) -> None:
    before = dump(other.path)
    with (
        pytest.raises(error),
        capture.replacing(other, list(parts.values()), ["gone"], store, home.tmp, Silent(), recorded),
    ):
        raise error("no")
    assert dump(other.path) == before
    assert list(home.tmp.iterdir()) == []


def test_a_new_database_appears_only_at_the_end(
    other: Tables, parts: Parts, store: Store, home: Home
) -> None:
    def fail() -> None:
        with capture.replacing(other, list(parts.values()), [], store, home.tmp, Silent(), {}):
            assert not other.path.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(other.workspace.dot.iterdir()) == []
    with capture.replacing(other, list(parts.values()), [], store, home.tmp, Silent(), {}):
        assert not other.path.exists()
    assert {part.name: part for part in capture.describe(other, list(parts.values()))} == parts


def test_nobody_writes_between_the_comparison_and_the_commit(
    other: Tables, parts: Parts, recorded: Parts, store: Store, home: Home
) -> None:
    with (
        capture.replacing(other, list(parts.values()), [], store, home.tmp, Silent(), recorded),
        pytest.raises(duckdb.Error),
    ):
        duckdb.connect(str(other.path))
    assert other.preview("a").total == 10


def test_a_log_without_its_database_is_not_replayed_into_a_new_one(
    other: Tables, parts: Parts, store: Store, home: Home, tmp_path: Path
) -> None:
    """DuckDB would: rows of a state that is gone stood in the restored one."""
    log = other.path.with_name(other.path.name + ".wal")
    data = log_of_another(tmp_path)
    log.write_bytes(data)
    recorder = Recorder()
    capture.replace(other, [parts["a"]], [], store, home.tmp, recorder, {})
    assert capture.describe(other, [parts["a"]]) == [parts["a"]]
    (kept,) = (other.workspace.dot / "kept").iterdir()
    assert (kept / log.name).read_bytes() == data
    assert len(recorder.warnings) == 1
    assert kept.name in recorder.warnings[0]
    # An import makes a new database as well.
    other.path.unlink()
    log.write_bytes(data)
    (tmp_path / "a.csv").write_text("i\n1\n")
    other.import_file(tmp_path / "a.csv", reporter=recorder)
    assert other.preview("a").rows == [[1]]
    assert len(list((other.workspace.dot / "kept").iterdir())) == 2


def test_a_log_of_the_database_itself_is_part_of_it(other: Tables, tmp_path: Path) -> None:
    data = log_of_another(tmp_path)
    (tmp_path / "killed.duckdb").rename(other.path)
    other.path.with_name(other.path.name + ".wal").write_bytes(data)
    assert [part.rows for part in capture.describe(other)] == [11]


def test_a_log_older_than_its_database_is_named(
    other: Tables, store: Store, home: Home, tmp_path: Path
) -> None:
    """DuckDB replays the log of a database that another one was copied over."""
    data = log_of_another(tmp_path)
    log = other.path.with_name(other.path.name + ".wal")
    log.write_bytes(data)
    os.utime(log, (1, 1))
    make(Workspace(tmp_path / "third"), "CREATE TABLE a AS SELECT i FROM range(3) r(i)")
    (tmp_path / "third" / ".nuvtui" / "tables.duckdb").rename(other.path)
    parts, warnings = take_with_warnings(other, store, home)
    assert parts[0].rows == 4
    assert [warning.reason for warning in warnings if "write-ahead log" in warning.reason]
    os.utime(log)
    assert take_with_warnings(other, store, home)[1] == []
