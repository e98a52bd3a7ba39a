"""The Current State's tables: listed, shown, queried, exported, renamed, deleted; in the hands of other programs."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import msgspec
import pytest

from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model.snapshot import Column
from nuvtui.paths import Workspace
from nuvtui.reporter import Silent
from nuvtui.tables import connection
from nuvtui.tables.database import Tables
from tests.tables.helpers import Recorder, checksum, dump, make

HOSTILE = 'x"; DROP TABLE "keep'


def test_no_database_is_no_error_to_look_at(tables: Tables) -> None:
    assert not tables.exists()
    assert tables.list() == []
    assert tables.stamp() == (0, 0)
    assert tables.query("SELECT 1 AS a").rows == [[1]]
    for action in (
        lambda: tables.columns("t"),
        lambda: tables.preview("t"),
        lambda: tables.rename("t", "u"),
        lambda: tables.delete("t"),
    ):
        with pytest.raises(NuvError) as caught:
            action()
        assert caught.value.exit_code == Exit.NOT_FOUND
    assert not tables.path.exists()


def test_an_empty_file_counts_as_no_database(tables: Tables, tmp_path: Path) -> None:
    tables.path.touch()
    assert tables.list() == []
    (tmp_path / "a.csv").write_text("a\n1\n")
    assert tables.import_file(tmp_path / "a.csv").rows == 1


def test_list_and_columns(workspace: Workspace) -> None:
    tables = make(
        workspace,
        "CREATE TABLE b(n INTEGER, x DOUBLE, s VARCHAR, l INTEGER[])",
        "INSERT INTO b VALUES (1, 0.5, 'one', [1]), (2, NULL, 'two', NULL), (NULL, 'nan', 'two', [])",
        "CREATE TABLE a(n INTEGER)",
        "CREATE VIEW v AS SELECT * FROM b",
        "CREATE SCHEMA s",
        "CREATE TABLE s.hidden(n INTEGER)",
    )
    listed = tables.list()
    assert [(table.name, table.rows) for table in listed] == [("a", 0), ("b", 3)]
    assert listed[1].columns == [
        Column("n", "INTEGER"),
        Column("x", "DOUBLE"),
        Column("s", "VARCHAR"),
        Column("l", "INTEGER[]"),
    ]
    n, x, s, nested = tables.columns("b")
    assert (n.nulls, n.distinct, n.min, n.max) == (1, 2, "1", "2")
    assert (x.nulls, x.min, x.max) == (1, "0.5", "nan")
    assert (s.nulls, s.distinct, s.min, s.max) == (0, 2, "one", "two")
    assert (nested.nulls, nested.distinct, nested.min, nested.max) == (1, None, None, None)
    assert tables.columns("B") == tables.columns("b")


def test_preview_pages_in_order_and_is_safe_for_json(workspace: Workspace) -> None:
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT i, CASE i WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN '-inf' ELSE i / 2 END AS x, "
        "0.1::FLOAT AS f, i::HUGEINT << 70 AS h, DATE '2020-01-01' + i::INTEGER AS d, 'ab'::BLOB AS b, "
        "repeat('é', 10000) AS long, TIMESTAMPTZ '2020-01-01 00:00:00+02' AS z FROM range(250) r(i)",
    )
    page = tables.preview("t", offset=200, limit=100)
    assert (page.total, page.truncated, len(page.rows)) == (250, False, 50)
    assert [row[0] for row in page.rows] == list(range(200, 250))
    first = tables.preview("t", limit=2)
    assert first.truncated
    assert first.rows[0][1:4] == ["nan", 0.1, "0"]
    assert first.rows[1][1] == "-inf"
    assert first.rows[1][3:6] == [str(1 << 70), "2020-01-02", "ab"]
    assert len(first.rows[0][6]) == 4097
    assert first.rows[0][6].endswith("…")
    assert first.rows[0][7] == "2019-12-31 22:00:00+00"
    assert json.loads(msgspec.json.encode(first))["rows"] == first.rows
    assert tables.preview("t", offset=1000).rows == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        "INSERT INTO t VALUES (1)",
        "SELECT 1; DROP TABLE t",
        "CREATE TABLE memory.u(a INTEGER)",
        "SET enable_external_access = true",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "COPY t TO 'out.csv'",
        "EXPORT DATABASE 'out'",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "CHECKPOINT",
        "",
        "not sql at all",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_blob('{secret}')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM sniff_csv('{secret}')",
        "SELECT * FROM query('COPY t TO ''out.csv''')",
        "SELECT nextval('s')",
        "SELECT * FROM tables",
        "SELECT 1) TO 'out.csv'; --",
    ],
)
def test_a_query_can_only_read_the_tables(workspace: Workspace, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    made = make(workspace, "CREATE TABLE t(a INTEGER)", "INSERT INTO t VALUES (7)", "CREATE SEQUENCE s")
    tables = [made]  # a Python variable that DuckDB could take for a table
    before = checksum(made.path)
    os.chdir(tmp_path)
    with pytest.raises(NuvError):
        tables[0].query(sql.replace("{secret}", str(secret)))
    assert checksum(made.path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv", "workspace"]
    assert sorted(path.name for path in workspace.dot.iterdir()) == ["tables.duckdb"]


def test_query_results(workspace: Workspace) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT i AS a FROM range(10) r(i)")
    result = tables.query("SELECT a, a * 2 AS a, NULL AS n FROM t ORDER BY a DESC -- the end", limit=2)
    assert [column.name for column in result.columns] == ["a", "a", "n"]
    assert result.rows == [[9, 18, None], [8, 16, None]]
    assert result.truncated
    assert tables.query("FROM main.t;").rows == [[i] for i in range(10)]
    assert tables.query("SHOW TABLES").rows == [["t"]]
    assert tables.query("DESCRIBE t").rows[0][:2] == ["a", "BIGINT"]
    assert tables.query("EXPLAIN SELECT 1").rows
    assert tables.query("SELECT count(*) FROM t WHERE a > 100").rows == [[0]]
    assert tables.query("SELECT a FROM t WHERE false").columns == [Column("a", "BIGINT")]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_export_and_import_again(workspace: Workspace, tmp_path: Path, ending: str) -> None:
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT i AS n, (i / 4)::DOUBLE AS x, 'Zeile ' || i || E'\\n\"q\", ' AS s FROM range(1000) r(i)",
    )
    file = tmp_path / f"it's *[1].{ending}"
    file.write_text("old")
    recorder = Recorder()
    tables.export("t", file, recorder)
    assert recorder.progressed[-1] == (1000, 1000, "rows")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, "workspace"])
    info = tables.import_file(file, "again")
    assert info.rows == 1000
    held = dump(tables.path)
    assert [row[0::3] for row in held["again"][1]] == [row[0::3] for row in held["t"][1]]


def test_parquet_exports_lose_no_digits(workspace: Workspace, tmp_path: Path) -> None:
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT 170141183460469231731687303715884105727::HUGEINT AS h, INTERVAL '-3 days' AS i, "
        "'b'::ENUM ('a', 'b') AS e, union_value(n := 1) AS u, [1, 2]::INTEGER[2] AS a, 7 AS n, "
        "{'x': 1::HUGEINT} AS s",
    )
    tables.export("t", tmp_path / "t.parquet")
    row = duckdb.execute(f"FROM '{tmp_path}/t.parquet'").fetchone()
    assert row == ("170141183460469231731687303715884105727", "-3 days", "b", "1", [1, 2], 7, "{'x': 1}")


def test_an_export_that_fails_leaves_the_old_file(workspace: Workspace, tmp_path: Path) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT i FROM range(10) r(i)")
    file = tmp_path / "out.csv"
    file.write_text("old")

    class Cancelling(Silent):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(NuvError):
        tables.export("nope", file)
    with pytest.raises(NuvError):
        tables.export("t", tmp_path / "out.xlsx")
    with pytest.raises(NuvError):
        tables.export("t", tmp_path / "no" / "out.csv")
    with pytest.raises(NuvError):
        tables.export("t", file, Cancelling())
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "workspace"]


def test_export_keeps_the_umask_and_existing_permissions(workspace: Workspace, tmp_path: Path) -> None:
    tables = make(workspace, "CREATE TABLE t(a INTEGER)")
    tables.export("t", tmp_path / "new.csv")
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o666 & ~_umask()
    (tmp_path / "new.csv").chmod(0o600)
    tables.export("t", tmp_path / "new.csv")
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o600


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_export_into_a_folder_that_is_not_utf8(workspace: Workspace, tmp_path: Path) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT 1 AS a")
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    tables.export("t", folder / "o.csv")
    assert (folder / "o.csv").read_text() == "a\n1\n"


def test_rename_and_delete(workspace: Workspace) -> None:
    tables = make(workspace, "CREATE TABLE a(n INTEGER)", "CREATE TABLE b(n INTEGER)")
    stamp = tables.stamp()
    tables.rename("a", "A")
    tables.rename("A", HOSTILE)
    assert tables.stamp() != stamp
    assert [table.name for table in tables.list()] == ["b", HOSTILE]
    with pytest.raises(NuvError) as caught:
        tables.rename(HOSTILE, "B")
    assert caught.value.exit_code == Exit.CONFLICT
    for bad in ("", "a\nb", " a", "\x1b[31m", "\udcff", "n" * 300):
        with pytest.raises(NuvError) as caught:
            tables.rename("b", bad)
        assert caught.value.exit_code == Exit.USAGE
    tables.delete(HOSTILE)
    assert [table.name for table in tables.list()] == ["b"]
    with pytest.raises(NuvError, match="There is: b"):
        raise_with_hint(lambda: tables.delete("nope"))


def raise_with_hint(action: object) -> None:
    try:
        action()  # type: ignore[operator]
    except NuvError as error:
        raise NuvError(f"{error} {error.hint}") from error


def test_hostile_names_of_tables_and_columns(workspace: Workspace, tmp_path: Path) -> None:
    quoted = HOSTILE.replace('"', '""')
    tables = make(
        workspace,
        'CREATE TABLE keep("c0" INTEGER, "p" INTEGER, "source" VARCHAR)',
        f'CREATE TABLE "{quoted}"("a""b\n\x1b[31m" INTEGER, "{quoted}" VARCHAR, "d0" INTEGER, "c1" INTEGER)',
        f"INSERT INTO \"{quoted}\" VALUES (1, '\x1b]0;x\x07', 2, 3)",
    )
    assert tables.preview(HOSTILE).rows == [[1, "\x1b]0;x\x07", 2, 3]]
    assert [column.name for column in tables.columns(HOSTILE)][:2] == ['a"b\n\x1b[31m', HOSTILE]
    tables.export(HOSTILE, tmp_path / "x.parquet")
    tables.delete(HOSTILE)
    assert [table.name for table in tables.list()] == ["keep"]


@pytest.fixture
def holder(workspace: Workspace) -> subprocess.Popen[str]:
    make(workspace, "CREATE TABLE t AS SELECT 1 AS a")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()",
            str(workspace.tables),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate("", timeout=120)


def test_held_by_another_program(holder: subprocess.Popen[str], workspace: Workspace, tmp_path: Path) -> None:
    tables = Tables(workspace)
    (tmp_path / "a.csv").write_text("a\n1\n")
    for action in (
        tables.list,
        lambda: tables.query("SELECT 1"),
        lambda: tables.import_file(tmp_path / "a.csv"),
        lambda: tables.delete("t"),
        lambda: tables.export("t", tmp_path / "o.csv"),
    ):
        with pytest.raises(NuvError) as caught:
            action()
        assert caught.value.exit_code == Exit.CONFLICT
        assert f"(PID {holder.pid})" in caught.value.message
        assert "python" in caught.value.message
    holder.communicate("", timeout=120)
    assert [table.name for table in tables.list()] == ["t"]
    assert not (tmp_path / "o.csv").exists()


def test_waits_for_a_program_that_lets_go(
    holder: subprocess.Popen[str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 30.0)
    assert holder.stdin is not None
    holder.stdin.close()
    holder.stdin = None
    assert [table.name for table in Tables(workspace).list()] == ["t"]


def test_many_readers_at_once(workspace: Workspace) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT i FROM range(1000) r(i)")
    script = (
        "import sys; from pathlib import Path; from nuvtui.paths import Workspace; "
        "from nuvtui.tables.database import Tables; t = Tables(Workspace(Path(sys.argv[1])))\n"
        "with t.reading() as c: print('open', flush=True); sys.stdin.read(); print(c.execute('FROM t').fetchall()[-1])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(workspace.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda n: tables.preview("t", n, 1).rows, range(40)))
    assert pages == [[[n]] for n in range(40)]
    # A reader keeps writers out, and its lock is not lost when another one of this process closes.
    with pytest.raises(NuvError) as caught:
        tables.delete("t")
    assert caught.value.exit_code == Exit.CONFLICT
    assert process.communicate("", timeout=120)[0] == "(999,)\n"
    tables.delete("t")


def test_threads_that_write_take_turns(tables: Tables, tmp_path: Path) -> None:
    def load(number: int) -> None:
        file = tmp_path / f"t{number}.csv"
        file.write_text(f"a\n{number}\n")
        tables.import_file(file)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, range(6)))
    assert [table.name for table in tables.list()] == [f"t{number}" for number in range(6)]


def test_processes_that_make_the_database_at_once(tables: Tables, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from nuvtui.paths import Workspace; "
        "from nuvtui.tables import connection; connection.PATIENCE = 60; "
        "from nuvtui.tables.database import Tables; print('ready', flush=True); sys.stdin.readline(); "
        "Tables(Workspace(Path(sys.argv[1]))).import_file(Path(sys.argv[2]))"
    )
    processes = []
    for number in range(3):
        (tmp_path / f"t{number}.csv").write_text(f"a\n{number}\n")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", script, str(tables.workspace.root), str(tmp_path / f"t{number}.csv")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    assert [table.name for table in tables.list()] == ["t0", "t1", "t2"]
    assert [path.name for path in tables.workspace.dot.iterdir()] == ["tables.duckdb"]


def test_not_a_database(tables: Tables) -> None:
    tables.path.write_bytes(b"not a database" * 1000)
    with pytest.raises(NuvError, match="not a DuckDB database"):
        tables.list()
    assert tables.path.read_bytes().startswith(b"not a database")


def test_a_database_left_with_its_log_by_a_killed_program_is_read(workspace: Workspace) -> None:
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('CREATE TABLE t AS SELECT 5 AS a'); os._exit(9)"
    )
    workspace.dot.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", script, str(workspace.tables)], check=False)
    assert workspace.tables.with_name("tables.duckdb.wal").exists()
    assert Tables(workspace).preview("t").rows == [[5]]


def test_new_databases_are_readable_by_older_duckdb(tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    tables.import_file(tmp_path / "a.csv")
    with duckdb.connect(str(tables.path), read_only=True) as plain:
        (tags,) = plain.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal").fetchone() or ({},)
    assert tags == {"storage_version": "v1.0.0+"}
