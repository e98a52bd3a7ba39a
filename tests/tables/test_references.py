"""Foreign keys: a table that stays does not keep the one it refers to from being restored, and is kept itself."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.paths import DOT, Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.tables import capture
from nuvtui.tables.database import Tables
from tests.tables.helpers import Recorder, dump, make, take

FAMILY = (
    "CREATE SEQUENCE numbers START 100",
    "CREATE TABLE p(id INTEGER PRIMARY KEY, v INTEGER, code VARCHAR UNIQUE)",
    """CREATE TABLE c(id INTEGER PRIMARY KEY DEFAULT nextval('numbers'), p INTEGER REFERENCES p(id),
        code VARCHAR REFERENCES p(code), n INTEGER CHECK (n > 0), twice INTEGER AS (n * 2),
        "odd ""name" VARCHAR COLLATE nocase DEFAULT 'x')""",
    "CREATE TABLE g(c INTEGER REFERENCES c(id), p INTEGER REFERENCES p(id))",
    "CREATE TABLE tree(id INTEGER PRIMARY KEY, above INTEGER REFERENCES tree(id), p INTEGER REFERENCES p(id))",
    "CREATE INDEX by_n ON c(n)",
    "COMMENT ON TABLE c IS 'children'",
    "COMMENT ON COLUMN c.n IS 'how many'",
    "COMMENT ON INDEX by_n IS 'fast'",
    "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, NULL)",
    'INSERT INTO c(id, p, code, n, "odd ""name") '
    "VALUES (2, 1, 'a', 5, 'Y'), (1, 3, 'b', 6, NULL), (3, NULL, NULL, 7, 'z')",
    "INSERT INTO g VALUES (1, 2), (2, NULL), (1, 1)",
    *(f"INSERT INTO tree VALUES ({n}, {n // 2 or 'NULL'}, {n % 3 + 1})" for n in range(1, 12)),
)
DEFINITIONS = """SELECT table_name, sql FROM duckdb_tables()
    UNION ALL SELECT index_name, sql || comment FROM duckdb_indexes()
    UNION ALL SELECT column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL ORDER BY ALL"""


def everything(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """All rows in their order, and how DuckDB describes all tables."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return dump(path), connection.execute(DEFINITIONS).fetchall()


@pytest.mark.parametrize("gone", ["p", "p c", "c", "p g", "g", "tree", "p tree c"])
def test_tables_that_stay_are_kept_whatever_is_replaced(
    workspace: Workspace, store: Store, home: Home, gone: str
) -> None:
    tables = make(workspace, *FAMILY)
    parts = {part.name: part for part in take(tables, store, home)}
    rows, definitions = everything(tables.path)
    changes = {
        "p": "INSERT INTO p VALUES (9, 9, 'z')",
        "c": "DELETE FROM c WHERE id = 3",
        "g": "DELETE FROM g WHERE c = 2",
        "tree": "INSERT INTO tree VALUES (12, 6, NULL), (13, NULL, 1)",
    }
    for name in {"p", *gone.split()}:
        make(workspace, changes[name])
    replaced = capture.replace(
        tables, [parts[name] for name in {"p", *gone.split()}], [], store, home.tmp, Silent()
    )
    assert set(replaced.put) == {"p", *gone.split()}
    assert replaced.plain == {}
    assert everything(tables.path) == (rows, definitions)
    assert capture.describe(tables, list(parts.values())) == sorted(parts.values(), key=lambda p: p.name)
    with duckdb.connect(str(tables.path)) as connection:
        for bad in ("(50, 7, NULL, 1)", "(51, NULL, 'no', 1)", "(52, 1, NULL, 0)", "(1, 1, NULL, 1)"):
            with pytest.raises(duckdb.ConstraintException):
                connection.execute(f"INSERT INTO c(id, p, code, n) VALUES {bad}")
        connection.execute("INSERT INTO c(p, n) VALUES (1, 8)")
        assert connection.execute("SELECT id, twice FROM c WHERE n = 8").fetchall() == [(100, 16)]


def test_what_is_there_already_is_left_alone(workspace: Workspace, store: Store, home: Home) -> None:
    tables = make(workspace, *FAMILY)
    parts = take(tables, store, home)
    before = everything(tables.path)
    replaced = capture.replace(tables, parts, [], store, home.tmp, Silent())
    assert (replaced.put, replaced.made_again) == ([], [])
    assert sorted(replaced.equal) == ["c", "g", "p", "tree"]
    assert everything(tables.path) == before


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("CREATE TABLE p AS SELECT 1 AS id, 5 AS v, 'a' AS code", "refer to rows"),
        ("CREATE TABLE p AS SELECT i::INTEGER AS id FROM range(1, 9) r(i)", "no key"),
        ("CREATE TABLE p AS SELECT 1 AS other", "refers to columns"),
        (None, "refers to it"),
    ],
)
def test_what_would_break_a_foreign_key_is_refused_and_the_hint_works(
    workspace: Workspace, other: Tables, store: Store, home: Home, new: str | None, why: str
) -> None:
    tables = make(workspace, *FAMILY[:2], "CREATE TABLE f(p INTEGER REFERENCES p(id))", FAMILY[9])
    make(workspace, "INSERT INTO f VALUES (2), (NULL)")
    puts = take(make(other.workspace, new), store, home) if new else []
    removals = [] if new else ["p"]
    before = everything(tables.path)
    with pytest.raises(NuvError, match=why) as caught:
        capture.replace(tables, puts, removals, store, home.tmp, Silent())
    assert caught.value.exit_code == Exit.CONFLICT
    assert "'f'" in caught.value.message
    assert "Nothing was changed" in caught.value.message
    assert everything(tables.path) == before
    assert "nuvtui tables delete f --yes" in caught.value.hint
    tables.delete("f")
    capture.replace(tables, puts, removals, store, home.tmp, Silent())
    assert [table.name for table in tables.list()] == (["p"] if new else [])


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("a INTEGER CHECK (a > 5), g INTEGER AS (a * 2)", "CHECK"),
        ("a INTEGER, g INTEGER AS (a * 3)", "formulas"),
        ("a INTEGER REFERENCES p(id), g INTEGER AS (a * 2)", "does not exist"),
        ("a INTEGER REFERENCES gone(id), g INTEGER AS (a * 2)", "gone"),
    ],
)
def test_a_definition_that_the_rows_do_not_fit_to_is_left_out_with_a_word(
    workspace: Workspace, other: Tables, store: Store, home: Home, definition: str, why: str
) -> None:
    parts = take(
        make(workspace, "CREATE TABLE t AS SELECT i::INTEGER AS a, (i * 2)::INTEGER AS g FROM range(4) r(i)"),
        store,
        home,
    )
    make(
        other.workspace,
        "CREATE TABLE p(id INTEGER PRIMARY KEY)",
        "CREATE TABLE gone(id INTEGER PRIMARY KEY)",
        f"CREATE TABLE t({definition})",
    )
    recorder = Recorder()
    replaced = capture.replace(other, parts, ["gone"], store, home.tmp, recorder)
    assert list(replaced.plain) == ["t"]
    assert why in replaced.plain["t"]
    (warning,) = recorder.warnings
    assert "Table t was put back without" in warning
    assert capture.describe(other, parts)[1].fingerprint == parts[0].fingerprint
    assert [table.name for table in other.list()] == ["p", "t"]


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    edges=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6),
    changed=st.sets(st.integers(0, 4), min_size=1),
)
def test_any_family_of_tables_is_restored(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[int, int]], changed: set[int]
) -> None:
    """Whatever refers to whatever, and whatever changed: every row and every foreign key of what stays is there."""
    folder = tmp_path_factory.mktemp("family")
    workspace = Workspace(folder / "workspace")
    (workspace.root / DOT).mkdir(parents=True)
    home = Home(folder / "home")
    store = Store(home)
    store.create()
    above = {n: sorted({low for low, high in map(sorted, edges) if high == n}) for n in range(5)}
    tables = make(
        workspace,
        *(
            f"CREATE TABLE t{n}(id INTEGER PRIMARY KEY, v INTEGER"
            + "".join(f", r{m} INTEGER REFERENCES t{m}(id)" for m in above[n])
            + ")"
            for n in range(5)
        ),
    )
    with duckdb.connect(str(tables.path)) as connection:
        for n in range(5):
            for row in (1, 2, 3):
                refs = "".join(f", {row - 1 or 'NULL'}" if m == n else f", {row}" for m in above[n])
                connection.execute(f"INSERT INTO t{n} VALUES ({row}, {row}{refs})")
    parts = take(tables, store, home)
    rows, _ = everything(tables.path)
    make(workspace, *(f"UPDATE t{n} SET v = 77 WHERE id = 3" for n in changed))
    replaced = capture.replace(tables, parts, [], store, home.tmp, Silent())
    assert set(replaced.put) == {f"t{n}" for n in changed}
    assert dump(tables.path) == rows
    with duckdb.connect(str(tables.path)) as connection:
        left = connection.execute(
            "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY'"
        ).fetchall()
    assert left == [(sum(map(len, above.values())),)]
