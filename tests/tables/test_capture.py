"""Tables into the store and back: exact, unchanged ones not written again, all or nothing."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import msgspec
import pytest

from nuvtui.errors import Cancelled, Exit, NuvError, StoreError
from nuvtui.model.snapshot import Column, TableConstraint, TablePart
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from nuvtui.tables import capture, memory
from nuvtui.tables.database import Tables
from nuvtui.tables.types import identifier, literal
from tests.tables.helpers import checksum, dump, make, take, take_with_warnings

EXOTIC = (
    "CREATE TYPE mood AS ENUM ('sad', 'it''s')",
    """CREATE TABLE exotic(
        e mood, h HUGEINT, u UUID, i INTERVAL, t TIME, z TIMETZ, b BIT, j JSON, d DECIMAL(38, 10), blob BLOB,
        l INTERVAL[], a HUGEINT[2], s STRUCT("x ""y" mood, n STRUCT(deep TIMETZ)), m MAP(HUGEINT, mood),
        o UNION(num HUGEINT, str VARCHAR), ns TIMESTAMP_NS, sec TIMESTAMP_S, f FLOAT, big BIGNUM, tz TIMESTAMPTZ)""",
    """INSERT INTO exotic VALUES
        ('sad', -170141183460469231731687303715884105728, 'aaaaaaaa-0000-1111-2222-333333333333',
         INTERVAL '14 months -3 days 25:00:00.000001', '24:00:00', '12:34:56.000001+15:59:59', '0101',
         '{"a":  1}', 1.5, '\\x00\\xff'::BLOB, [INTERVAL 1 MONTH, NULL, INTERVAL 30 DAY], [1, NULL],
         {'x "y': 'it''s', 'n': {'deep': '10:00:00+01'::TIMETZ}}, MAP {7::HUGEINT: 'sad'},
         union_value(str := '5'), '2020-01-01 00:00:00.123456789', '2020-01-01', '-0.0',
         '123456789012345678901234567890123456789012345678901', '2020-01-01 00:00:00+02')""",
    "INSERT INTO exotic DEFAULT VALUES",
    "INSERT INTO exotic(o, i) VALUES (union_value(num := NULL::HUGEINT), INTERVAL 30 DAY)",
)


def test_every_type_comes_back(workspace: Workspace, other: Tables, store: Store, home: Home) -> None:
    tables = make(workspace, *EXOTIC)
    parts = take(tables, store, home)
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert dump(other.path) == dump(tables.path)
    assert capture.describe(other, parts) == parts
    assert list(home.tmp.iterdir()) == []


def test_manifest_round_trip(workspace: Workspace, store: Store, home: Home) -> None:
    parts = take(make(workspace, *EXOTIC), store, home)
    assert msgspec.json.decode(msgspec.json.encode(parts), type=list[TablePart]) == parts


def test_hostile_names(workspace: Workspace, other: Tables, store: Store, home: Home) -> None:
    names = ['x"; DROP TABLE keep; --', "it's", "a.b", "new\nline", "\x1b[31m", "select", "ünï", " "]
    tables = make(
        workspace,
        "CREATE TABLE keep(a INTEGER)",
        *(
            f'CREATE TABLE {identifier(name)} AS SELECT 1 AS "c1", 2 AS {identifier(name)}, 3 AS c0'
            for name in names
        ),
    )
    parts = take(tables, store, home)
    assert {part.name for part in parts} == {*names, "keep"}
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert dump(other.path) == dump(tables.path)
    capture.replace(other, [], names, store, home.tmp, Silent())
    assert [table.name for table in other.list()] == ["keep"]


def test_row_order_and_order_sensitive_fingerprints(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT hash(i) AS h, i FROM range(200000) r(i) ORDER BY h",
        "DELETE FROM t WHERE i % 3 = 0",
        "CREATE TABLE other_order AS FROM t ORDER BY i",
        "CREATE TABLE same AS FROM t",
    )
    parts = {part.name: part for part in take(tables, store, home)}
    assert parts["t"].fingerprint == parts["same"].fingerprint
    assert parts["t"].fingerprint != parts["other_order"].fingerprint
    capture.replace(other, list(parts.values()), [], store, home.tmp, Silent())
    assert dump(other.path) == dump(tables.path)


@pytest.mark.parametrize(
    "change",
    [
        # Not by UPDATE: DuckDB takes old and new for equal and keeps the old one.
        "CREATE OR REPLACE TABLE t AS SELECT * REPLACE ('-0.0'::DOUBLE AS x) FROM t",
        "CREATE OR REPLACE TABLE t AS SELECT * REPLACE (['-0.0'::DOUBLE] AS l) FROM t",
        "CREATE OR REPLACE TABLE t AS SELECT * REPLACE (INTERVAL 30 DAY AS v) FROM t",
        "UPDATE t SET s = NULL WHERE i = 2",
        "UPDATE t SET s = '' WHERE i = 3",
        "UPDATE t SET i = CASE i WHEN 5 THEN 6 WHEN 6 THEN 5 ELSE i END",
        "DELETE FROM t WHERE i = 9",
        "INSERT INTO t SELECT * FROM t WHERE i = 9",
        "ALTER TABLE t RENAME s TO s2",
        "ALTER TABLE t ALTER i TYPE INTEGER",
        "ALTER TABLE t ADD COLUMN n INTEGER",
        "ALTER TABLE t ALTER s SET NOT NULL",
        "UPDATE t SET s = x::VARCHAR, x = 8 WHERE i = 8",
        "COMMENT ON TABLE t IS 'Measured at noon'",
        "COMMENT ON COLUMN t.s IS 'Where'",
        "COMMENT ON COLUMN t.x IS 'Where'",
    ],
)
def test_every_change_changes_the_fingerprint(workspace: Workspace, change: str) -> None:
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT i, 0.0::DOUBLE AS x, [0.0::DOUBLE] AS l, INTERVAL 1 MONTH AS v, 's' || i AS s "
        "FROM range(10) r(i)",
    )
    before = capture.describe(tables)
    assert capture.describe(tables) == before
    make(workspace, "CREATE OR REPLACE TABLE t AS SELECT * FROM t")
    assert capture.describe(tables) == before
    make(workspace, change)
    assert capture.describe(tables)[0].fingerprint != before[0].fingerprint


def test_an_unchanged_table_is_not_written_again(workspace: Workspace, store: Store, home: Home) -> None:
    tables = make(
        workspace,
        "CREATE TABLE big AS SELECT i, random() AS x FROM range(100000) r(i)",
        "CREATE TABLE small AS SELECT 1 AS a",
    )
    first = take(tables, store, home)
    make(workspace, "INSERT INTO small VALUES (2)", "ALTER TABLE big RENAME TO renamed")
    with writing(store) as writer:
        parts, _ = capture.capture(tables, first, writer, home.tmp, Silent(), home.cache / "memory")
        writer.commit()
        assert writer.stored_bytes < 10_000
    assert [part.name for part in parts] == ["renamed", "small"]
    assert parts[0].content == first[0].content
    assert parts[1].content != first[1].content


def test_the_same_rows_give_the_same_bytes(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s FROM range(400000) r(i)")
    first = take(tables, store, home)
    capture.replace(other, first, [], store, home.tmp, Silent())
    assert take(other, store, home) == first
    # Appended rows share the blocks before them.
    make(workspace, "INSERT INTO t SELECT i, 'x' FROM range(1000) r(i)")
    second = take(tables, store, home, first)
    assert len(set(first[0].content) & set(second[0].content)) > len(first[0].content) / 2


def test_keys_are_kept_and_work(workspace: Workspace, other: Tables, store: Store, home: Home) -> None:
    tables = make(
        workspace,
        'CREATE TABLE t("the id" INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER, c INTEGER UNIQUE, UNIQUE(a, b))',
        "INSERT INTO t VALUES (1, 1, NULL, NULL), (2, 1, 2, 3)",
    )
    parts, warnings = take_with_warnings(tables, store, home)
    assert warnings == []
    assert TableConstraint("primary key", ["the id"]) in parts[0].constraints
    for _ in range(2):  # the second time over itself
        capture.replace(other, parts, [], store, home.tmp, Silent())
        assert dump(other.path) == dump(tables.path)
    assert capture.describe(other, parts) == parts
    with duckdb.connect(str(other.path)) as connection:
        for bad in ("(2, 9, 9, 9)", "(3, NULL, 9, 9)", "(3, 1, 2, 9)", "(3, 9, 9, 3)"):
            with pytest.raises(duckdb.ConstraintException):
                connection.execute(f"INSERT INTO t VALUES {bad}")


def test_descriptions_are_kept(workspace: Workspace, other: Tables, store: Store, home: Home) -> None:
    hard = 'it\'s "q"; DROP TABLE t; --\n\x1b[31m ü'
    tables = make(
        workspace,
        'CREATE TABLE "t t"("a b" INTEGER, c INTEGER)',
        f'COMMENT ON TABLE "t t" IS {literal(hard)}',
        f'COMMENT ON COLUMN "t t"."a b" IS {literal(hard)}',
        "CREATE TABLE plain(a INTEGER)",
    )
    parts = take(tables, store, home)
    assert [(part.description, [c.description for c in part.columns]) for part in parts] == [
        ("", [""]),
        (hard, [hard, ""]),
    ]
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert capture.describe(other, parts) == parts


def test_what_is_not_kept_is_named(workspace: Workspace, other: Tables, store: Store, home: Home) -> None:
    tables = make(
        workspace,
        "CREATE SEQUENCE counter",
        "CREATE TABLE p(id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0), d INTEGER DEFAULT 5, g INTEGER AS (n * 2))",
        "CREATE TABLE f(p INTEGER REFERENCES p(id))",
        "INSERT INTO p(id, n) VALUES (1, 2)",
        "CREATE INDEX by_n ON p(n)",
        "CREATE VIEW view_of_p AS SELECT * FROM p",
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.hidden(a INTEGER)",
        "CREATE VIEW elsewhere.far AS SELECT 1 AS a",
        "CREATE MACRO one_more(a) AS a + 1",
        "CREATE MACRO rows_of(a) AS TABLE SELECT a",
        "CREATE TYPE mood AS ENUM ('sad')",
        "CREATE TABLE sorted(name VARCHAR COLLATE nocase)",
        "CREATE SCHEMA empty_one",
    )
    parts, warnings = take_with_warnings(tables, store, home)
    assert [part.name for part in parts] == ["f", "p", "sorted"]
    assert {warning.path for warning in warnings} == {".nuvtui/tables.duckdb"}
    said = "\n".join(warning.reason for warning in warnings)
    for name in (
        *(
            "sequence 'counter'",
            "CHECK",
            "FOREIGN KEY",
            "'d'",
            "'g'",
            "by_n",
            "view_of_p",
            "hidden",
            "'elsewhere'",
        ),
        *(
            "view 'far' of schema 'elsewhere'",
            "macro 'one_more'",
            "'rows_of'",
            "'mood'",
            "'sorted'",
            "'empty_one'",
        ),
    ):
        assert name in said
    assert len(warnings) == 15
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert other.preview("p").rows == [[1, 2, 5, 4]]


def test_what_cannot_be_kept_exactly_is_refused(workspace: Workspace, store: Store, home: Home) -> None:
    tables = make(workspace, "CREATE TABLE fine AS SELECT 1 AS a")
    tables.path.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{tables.path}' AS db (STORAGE_VERSION 'latest')")
        connection.execute("CREATE TABLE db.odd AS SELECT {'a': INTERVAL 1 MONTH}::VARIANT AS v")
    with pytest.raises(NuvError) as caught:
        take(tables, store, home)
    assert caught.value.exit_code == Exit.REFUSED
    assert "odd" in caught.value.title
    assert list(home.tmp.iterdir()) == []
    # Both ways of its hint work.
    make(
        workspace,
        "CREATE SCHEMA aside",
        "CREATE TABLE aside.odd AS FROM main.odd",
        "ALTER TABLE main.odd ALTER v TYPE VARCHAR",
    )
    (part,) = take(tables, store, home)
    assert part.columns == [Column("v", "VARCHAR")]
    make(workspace, "DROP TABLE main.odd")
    assert take(tables, store, home) == []


def test_a_variant_that_parquet_holds_comes_back(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{workspace.tables}' AS db (STORAGE_VERSION 'latest')")
        connection.execute("CREATE TABLE db.v AS SELECT [1, 2]::VARIANT AS v, row(1, 'x') AS t")
    parts = take(Tables(workspace), store, home)
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert dump(other.path) == dump(workspace.tables)
    # An older file cannot hold it: said, and nothing changed.
    other.path.unlink()
    make(other.workspace, "CREATE TABLE v AS SELECT 1 AS a")
    other.path.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{other.path}' AS db (STORAGE_VERSION 'v1.0.0')")
        connection.execute("CREATE TABLE db.v AS SELECT 1 AS a")
    with pytest.raises(NuvError) as caught:
        capture.replace(other, parts, [], store, home.tmp, Silent())
    assert caught.value.exit_code == Exit.REFUSED
    assert other.preview("v").rows == [[1]]
    # Its hint works.
    newer = other.path.with_name("newer")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{other.path}' AS old")
        connection.execute(f"ATTACH '{newer}' AS new (STORAGE_VERSION 'latest')")
        connection.execute("COPY FROM DATABASE old TO new")
    newer.replace(other.path)
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert dump(other.path) == dump(workspace.tables)


def test_replace_puts_removes_and_keeps(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    parts = take(
        make(workspace, "CREATE TABLE a AS SELECT 1 AS x", "CREATE TABLE b AS SELECT 2 AS x"), store, home
    )
    make(
        other.workspace,
        "CREATE TABLE a AS SELECT 'old' AS y",
        "CREATE TABLE gone AS SELECT 1 AS x",
        "CREATE TABLE kept AS SELECT 3 AS x",
    )
    capture.replace(other, parts, ["gone", "never there"], store, home.tmp, Silent())
    assert {name: held[1][0][0] for name, held in dump(other.path).items()} == {
        "a": "1",
        "b": "2",
        "kept": "3",
    }
    capture.replace(other, [], ["a", "b", "kept"], store, home.tmp, Silent())
    assert other.list() == []
    assert other.exists()


def test_nothing_to_do_makes_no_database(other: Tables, store: Store, home: Home) -> None:
    capture.replace(other, [], [], store, home.tmp, Silent())
    capture.replace(other, [], ["t"], store, home.tmp, Silent())
    assert list(other.workspace.dot.iterdir()) == []
    assert take(other, store, home) == []


def test_foreign_keys_in_the_target(workspace: Workspace, other: Tables, store: Store, home: Home) -> None:
    parts = take(
        make(workspace, "CREATE TABLE p AS SELECT 1 AS id", "CREATE TABLE f AS SELECT 1 AS p"), store, home
    )
    make(
        other.workspace,
        "CREATE TABLE p(id INTEGER PRIMARY KEY)",
        "CREATE TABLE f(p INTEGER REFERENCES p(id))",
        "INSERT INTO p VALUES (7)",
        "INSERT INTO f VALUES (7)",
    )
    before = dump(other.path)
    with pytest.raises(NuvError) as caught:
        capture.replace(other, [parts[1]], [], store, home.tmp, Silent())
    assert caught.value.exit_code == Exit.CONFLICT
    assert "'f'" in caught.value.message
    assert dump(other.path) == before
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert other.preview("f").rows == [[1]]


def test_names_that_differ_only_in_case(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    parts = take(make(workspace, "CREATE TABLE Data AS SELECT 1 AS x"), store, home)
    make(other.workspace, "CREATE TABLE data AS SELECT 'old' AS x")
    with pytest.raises(NuvError) as caught:
        capture.replace(other, parts, [], store, home.tmp, Silent())
    assert caught.value.exit_code == Exit.CONFLICT
    assert other.preview("data").rows == [["old"]]
    assert "nuvtui tables rename data NAME" in caught.value.hint
    other.rename("data", "data_of_before")
    capture.replace(other, parts, [], store, home.tmp, Silent())
    assert {table.name for table in other.list()} == {"Data", "data_of_before"}
    capture.replace(other, [], ["Data"], store, home.tmp, Silent())
    other.rename("data_of_before", "data")
    capture.replace(other, parts, ["data"], store, home.tmp, Silent())
    assert [table.name for table in other.list()] == ["Data"]


@pytest.mark.parametrize(
    "columns",
    [
        [Column("a", "INTEGER); DROP TABLE keep; --")],
        [Column("a", "INTEGER"), Column("a", "INTEGER")],
        [Column("a", "VARCHAR")],
        [],
    ],
)
def test_a_manifest_that_lies_changes_nothing(
    workspace: Workspace, other: Tables, store: Store, home: Home, columns: list[Column]
) -> None:
    (part,) = take(make(workspace, "CREATE TABLE t AS SELECT 1::INTEGER AS a"), store, home)
    make(other.workspace, "CREATE TABLE keep AS SELECT 1 AS a", "CREATE TABLE t AS SELECT 'old' AS a")
    before = dump(other.path)
    lie = msgspec.structs.replace(part, columns=columns)
    with pytest.raises(NuvError):
        capture.replace(other, [lie], [], store, home.tmp, Silent())
    assert dump(other.path) == before


def test_damage_in_the_store_changes_nothing(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    parts = take(make(workspace, "CREATE TABLE t AS SELECT i, random() FROM range(1000) r(i)"), store, home)
    make(other.workspace, "CREATE TABLE t AS SELECT 'old' AS a")
    before = checksum(other.path)
    for pack in home.packs.iterdir():
        os.chmod(pack, 0o600)
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 0xFF
        pack.write_bytes(data)
    with pytest.raises(StoreError):
        capture.replace(other, parts, [], Store(home), home.tmp, Silent())
    assert checksum(other.path) == before
    assert list(home.tmp.iterdir()) == []


def test_cancel_while_capturing_and_replacing(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT i FROM range(10) r(i)")
    parts = take(tables, store, home)
    make(other.workspace, "CREATE TABLE t AS SELECT 'old' AS a")

    class Cancelling(Silent):
        def __init__(self, after: int) -> None:
            self.left = after

        def check(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise Cancelled

    for after in range(4):
        with pytest.raises(Cancelled):
            capture.replace(other, parts, [], store, home.tmp, Cancelling(after if after < 3 else 0))
        assert other.preview("t").rows == [["old"]]
    with writing(store) as writer, pytest.raises(Cancelled):
        capture.capture(tables, [], writer, home.tmp, Cancelling(0), home.cache / "memory")
    assert list(home.tmp.iterdir()) == []


def test_an_unchanged_database_is_not_opened_again(
    workspace: Workspace, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT 1 AS a", "CREATE VIEW v AS SELECT 2")
    # Just written: another change in the same tick would leave no trace, so it is not remembered.
    assert take_with_warnings(tables, store, home)[0][0].rows == 1
    assert not (home.cache / "memory").exists()
    monkeypatch.setattr(memory, "MARGIN", -3_600_000_000_000)
    first = take_with_warnings(tables, store, home)
    with monkeypatch.context() as patch:
        patch.setattr(Tables, "reading", forbidden)
        assert take_with_warnings(tables, store, home) == first
        assert capture.describe(tables, first[0], home.cache / "memory") == first[0]
        assert [part.content for part in capture.describe(tables, [], home.cache / "memory")] == [[]]
    before = tables.path.stat()
    with duckdb.connect(str(tables.path)) as connection:
        connection.execute("UPDATE t SET a = 5")
    os.utime(tables.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert take(tables, store, home)[0].fingerprint != first[0][0].fingerprint
    # Objects that the store has lost are written again.
    other = Store(Home(home.root / "other"))
    other.create()
    with writing(other) as writer:
        parts, _ = capture.capture(tables, [], writer, home.tmp, Silent(), home.cache / "memory")
        writer.commit()
        assert all(writer.has(bytes.fromhex(chunk)) for chunk in parts[0].content)
    whole = (home.cache / "memory").read_bytes()
    for damaged in (
        b"",
        b"{",
        whole[:-1],
        whole.replace(b'"rows":1', b'"rows":7'),
        whole[:40] + b"\xff" + whole[41:],
    ):
        (home.cache / "memory").write_bytes(damaged)
        assert take(tables, store, home)[0].rows == 1
        assert capture.describe(tables, [], home.cache / "memory")[0].rows == 1


def forbidden(*_: object) -> None:
    raise AssertionError("the database was opened")


def test_capture_while_another_program_writes_is_refused(
    workspace: Workspace, store: Store, home: Home
) -> None:
    make(workspace, "CREATE TABLE t AS SELECT 1 AS a")
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(workspace.tables)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(NuvError) as caught:
            take(Tables(workspace), store, home)
        assert caught.value.exit_code == Exit.CONFLICT
        assert str(process.pid) in caught.value.message
    finally:
        process.communicate(b"", timeout=120)


# Killed, or out of space, at any point: the old tables or the new ones, never a mixture.

_CHILD = """
import os, resource, signal, sys
import msgspec
from pathlib import Path
from nuvtui.model.snapshot import TablePart
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.tables import capture, connection
from nuvtui.tables.database import Tables
from nuvtui.tables.types import identifier

root, home, parts, how, number = sys.argv[1:]
number = int(number)
class Deadly(Silent):
    left = number
    def say(self, *anything):
        Deadly.left -= 1
        if how == "call" and Deadly.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    check = progress = say
real = capture.access.transaction
class Around:
    def __init__(self, con): self.inner = real(con)
    def __enter__(self): return self.inner.__enter__()
    def __exit__(self, *error):
        if how == "before commit": os.kill(os.getpid(), signal.SIGKILL)
        result = self.inner.__exit__(*error)
        if how == "after commit": os.kill(os.getpid(), signal.SIGKILL)
        return result
capture.access.transaction = Around
if how == "space":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
home = Home(Path(home))
store = Store(home)
parts = msgspec.json.decode(parts, type=list[TablePart])
tables = Tables(Workspace(Path(root)))
if how == "space":
    # The Parquet files are smaller than the limit; the database is not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))
try:
    capture.replace(tables, parts, ["gone"], store, home.tmp, Deadly())
except Exception as error:
    print(type(error).__name__, error)
    sys.exit(3)
"""


def _child(tables: Tables, home: Home, parts: list[TablePart], how: str, number: int = 0) -> int:
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            _CHILD,
            str(tables.workspace.root),
            str(home.root),
            msgspec.json.encode(parts).decode(),
            how,
            str(number),
        ],
        capture_output=True,
        timeout=120,
        check=False,
    )
    return process.returncode


@pytest.fixture
def swap(
    workspace: Workspace, other: Tables, store: Store, home: Home
) -> tuple[list[TablePart], dict[str, object], dict[str, object]]:
    """Parts to put into `other`; what it holds before and what it is to hold afterwards."""
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s FROM range(200000) r(i)",
        "CREATE TABLE keyed(id INTEGER PRIMARY KEY)",
        "INSERT INTO keyed SELECT i FROM range(5000) r(i)",
        *EXOTIC,
    )
    parts = take(tables, store, home)
    make(
        other.workspace,
        "CREATE TABLE t AS SELECT 'old' AS s",
        "CREATE TABLE keyed(id INTEGER PRIMARY KEY)",
        "INSERT INTO keyed VALUES (-1)",
        "CREATE TABLE gone AS SELECT 1 AS a",
    )
    return parts, dump(other.path), dump(tables.path)


def _held(tables: Tables) -> dict[str, object]:
    tables.list()  # as nuvtui next sees it
    return dump(tables.path)


def test_killed_at_any_call(
    swap: tuple[list[TablePart], dict[str, object], dict[str, object]], other: Tables, home: Home
) -> None:
    parts, before, after = swap
    kills = 0
    for number in range(0, 1000, 2):
        code = _child(other, home, parts, "call", number)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
        assert _held(other) == before
    assert kills > 3
    assert _held(other) == after


def test_killed_around_the_commit(
    swap: tuple[list[TablePart], dict[str, object], dict[str, object]], other: Tables, home: Home
) -> None:
    parts, before, after = swap
    assert _child(other, home, parts, "before commit") == -signal.SIGKILL
    assert _held(other) == before
    assert _child(other, home, parts, "after commit") == -signal.SIGKILL
    assert _held(other) == after


def test_killed_while_a_new_database_is_made(
    swap: tuple[list[TablePart], dict[str, object], dict[str, object]], other: Tables, home: Home
) -> None:
    parts, _before, after = swap
    other.path.unlink()
    for how in ("before commit", "after commit"):
        assert _child(other, home, parts, how) == -signal.SIGKILL
        assert not other.exists()
        assert other.list() == []
    assert len(list(other.workspace.dot.iterdir())) > 0
    assert _child(other, home, parts, "none") == 0
    assert _held(other) == after
    assert [path.name for path in other.workspace.dot.iterdir()] == ["tables.duckdb"]


def test_no_space_in_the_workspace(
    swap: tuple[list[TablePart], dict[str, object], dict[str, object]], other: Tables, home: Home
) -> None:
    parts, before, after = swap
    largest = max(part.bytes for part in parts)
    needed = Path(other.path).stat().st_size
    failures = 0
    for limit in (needed + 4096, largest + 65536, largest + (1 << 20), 2 * largest, 1 << 30):
        code = _child(other, home, parts, "space", limit)
        held = _held(other)
        failures += code != 0
        before = after if code == 0 else before
        assert held == before
    assert failures
    assert held == after
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
