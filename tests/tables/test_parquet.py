"""Captured tables: shown, queried, compared and exported as the live ones are."""

import os
from pathlib import Path

import pytest

from nuvtui.errors import NuvError, StoreError
from nuvtui.model.snapshot import Column, TablePart
from nuvtui.paths import Home, Workspace
from nuvtui.store.store import Store
from nuvtui.tables import capture, compare, parquet, scratch
from nuvtui.tables.compare import Side
from nuvtui.tables.database import Tables
from nuvtui.tables.parquet import Captured
from tests.tables.helpers import make, take
from tests.tables.test_capture import EXOTIC


@pytest.fixture
def cache(home: Home) -> Path:
    return home.cache / "tables"


def test_a_captured_table_looks_like_the_live_one(
    workspace: Workspace, store: Store, home: Home, cache: Path, tmp_path: Path
) -> None:
    tables = make(workspace, *EXOTIC, "CREATE TABLE many AS SELECT i, i / 7 AS x FROM range(5000) r(i)")
    for part in take(tables, store, home):
        captured = Captured(store, part, cache)
        assert captured.preview() == tables.preview(part.name)
        assert captured.preview(4990, 20) == tables.preview(part.name, 4990, 20)
        assert captured.columns() == tables.columns(part.name)
        tables.export(part.name, tmp_path / "live.csv")
        captured.export(tmp_path / "captured.csv")
        assert (tmp_path / "captured.csv").read_bytes() == (tmp_path / "live.csv").read_bytes()
        captured.export(tmp_path / "captured.parquet")
    again = tables.import_file(tmp_path / "captured.parquet", "again")
    assert again.rows == 5000
    assert sorted(path.name for path in cache.iterdir() if not path.name.endswith(".parquet")) == []


def test_laid_out_files_are_made_once_and_again_where_damaged(
    workspace: Workspace, store: Store, home: Home, cache: Path
) -> None:
    (part,) = take(make(workspace, "CREATE TABLE t AS SELECT 1 AS a"), store, home)
    captured = Captured(store, part, cache)
    with captured.laid_out() as file:
        inode = file.stat().st_ino
    with captured.laid_out() as again:
        assert (again, again.stat().st_ino) == (file, inode)
    file.write_bytes(b"cut")
    assert captured.preview().rows == [[1]]


def test_what_was_not_used_for_long_makes_room(
    workspace: Workspace, store: Store, home: Home, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = make(workspace, *(f"CREATE TABLE t{n} AS SELECT {n} AS a" for n in range(3)))
    first, second, third = (Captured(store, part, cache) for part in take(tables, store, home))
    with first.laid_out() as file:
        old = file
    with second.laid_out() as used:
        os.utime(used, (1, 1))
        monkeypatch.setattr(scratch, "CACHE_BYTES", 1)
        with third.laid_out() as new:
            # What is in use stays, however old it is.
            assert sorted(cache.iterdir()) == sorted([used, new])
            assert not old.exists()
    with first.laid_out() as again:
        assert list(cache.iterdir()) == [again]


def test_a_missing_object_is_an_error_of_the_store(
    workspace: Workspace, store: Store, home: Home, cache: Path
) -> None:
    (part,) = take(make(workspace, "CREATE TABLE t AS SELECT 1 AS a"), store, home)
    for pack in home.packs.iterdir():
        pack.unlink()
    with pytest.raises(StoreError):
        Captured(Store(home), part, cache).preview()
    assert [path for path in cache.iterdir() if path.is_file()] == []


def test_query_over_captured_tables(
    workspace: Workspace, store: Store, home: Home, cache: Path, tmp_path: Path
) -> None:
    tables = make(
        workspace,
        "CREATE TABLE \"a;b\"(id INTEGER, e ENUM ('x', 'y'))",
        "INSERT INTO \"a;b\" VALUES (1, 'y'), (2, 'x')",
        "CREATE TABLE other AS SELECT 2 AS id, INTERVAL 1 MONTH AS i",
    )
    parts = take(tables, store, home)
    result = parquet.query(parts, store, cache, 'SELECT e, i, typeof(e) FROM "a;b" JOIN OTHER USING (id)')
    assert result.rows == [["x", "1 month", "ENUM('x', 'y')"]]
    assert len(list(cache.iterdir())) == 2
    assert parquet.query(parts, store, cache, "SHOW TABLES").rows == [["a;b"], ["other"]]
    assert parquet.query(parts, store, cache, "SELECT 1").rows == [[1]]
    assert parquet.query(parts, store, cache, "SELECT * FROM range(10)", limit=3).truncated
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for bad in (
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        "DROP VIEW other",
        "COPY other TO 'x.csv'",
        "SELECT * FROM nope",
        "SET enable_external_access = true",
        "SELECT * FROM glob('/*')",
    ):
        with pytest.raises(NuvError):
            parquet.query(parts, store, cache, bad)


def _two(old: str, new: str, workspace: Workspace, store: Store, home: Home) -> tuple[TablePart, TablePart]:
    tables = make(workspace, f"CREATE TABLE t AS {old}")
    (before,) = take(tables, store, home)
    make(workspace, f"CREATE OR REPLACE TABLE t AS {new}")
    (after,) = take(tables, store, home)
    return before, after


def test_compare_counts_rows_as_multisets(
    workspace: Workspace, store: Store, home: Home, cache: Path
) -> None:
    old, new = _two(
        "SELECT * FROM (VALUES (1, 'a'), (1, 'a'), (2, 'b'), (NULL, NULL))",
        "SELECT * FROM (VALUES (2, 'b'), (1, 'a'), (3, 'c'), (3, 'c'), (NULL, NULL))",
        workspace,
        store,
        home,
    )
    change = parquet.compare(old, new, store, cache)
    assert (change.change, change.old_rows, change.new_rows) == ("changed", 4, 5)
    assert (change.rows_added, change.rows_removed) == (2, 1)
    back = parquet.compare(new, old, store, cache)
    assert (back.rows_added, back.rows_removed) == (1, 2)


def test_compare_sees_order_and_signed_zero(
    workspace: Workspace, store: Store, home: Home, cache: Path
) -> None:
    old, new = _two(
        "SELECT * FROM (VALUES (1), (2))", "SELECT * FROM (VALUES (2), (1))", workspace, store, home
    )
    assert old.fingerprint != new.fingerprint
    change = parquet.compare(old, new, store, cache)
    assert (change.rows_added, change.rows_removed) == (0, 0)
    make(workspace, "DROP TABLE t")
    old, new = _two("SELECT 0.0::DOUBLE AS x", "SELECT -0.0::DOUBLE AS x", workspace, store, home)
    change = parquet.compare(old, new, store, cache)
    assert (change.rows_added, change.rows_removed) == (1, 1)


def test_compare_columns(workspace: Workspace, store: Store, home: Home, cache: Path) -> None:
    old, new = _two(
        "SELECT i AS id, i AS same, i::INTEGER AS retyped, 'x' AS gone FROM range(10) r(i)",
        "SELECT 'n' AS fresh, i::VARCHAR AS retyped, i AS same, i AS id FROM range(9) r(i)",
        workspace,
        store,
        home,
    )
    change = parquet.compare(old, new, store, cache)
    assert change.columns_added == [Column("fresh", "VARCHAR")]
    assert change.columns_removed == [Column("gone", "VARCHAR")]
    assert change.columns_retyped == [(Column("retyped", "INTEGER"), Column("retyped", "VARCHAR"))]
    assert (change.rows_added, change.rows_removed) == (0, 1)


def test_compare_added_and_removed_tables_and_no_common_column(
    workspace: Workspace, store: Store, home: Home, cache: Path
) -> None:
    old, new = _two("SELECT 1 AS a", "SELECT 1 AS b", workspace, store, home)
    assert parquet.compare(None, new, store, cache).change == "added"
    assert parquet.compare(None, new, store, cache).new_rows == 1
    assert parquet.compare(old, None, store, cache).change == "removed"
    change = parquet.compare(old, new, store, cache)
    assert (change.rows_added, change.rows_removed) == (None, None)
    with pytest.raises(ValueError, match="nothing to compare"):
        parquet.compare(None, None, store, cache)


def test_a_live_table_laid_out_is_what_is_captured(
    workspace: Workspace, store: Store, home: Home, cache: Path, tmp_path: Path
) -> None:
    tables = make(workspace, *EXOTIC)
    (part,) = take(tables, store, home)
    capture.lay_out(tables, "exotic", tmp_path / "live.parquet")
    assert (tmp_path / "live.parquet").read_bytes() == captured_bytes(store, part, cache)
    make(workspace, "INSERT INTO exotic(h) VALUES (5)")
    capture.lay_out(tables, "exotic", tmp_path / "live.parquet")
    (now,) = capture.describe(tables, [part])
    assert now.content == []
    with Captured(store, part, cache).laid_out() as file:
        change = compare.change(Side(part, file), Side(now, tmp_path / "live.parquet"))
        assert compare.change(Side(part, file), Side(now, live=tables)) == change
    assert (change.rows_added, change.rows_removed) == (1, 0)


def captured_bytes(store: Store, part: TablePart, cache: Path) -> bytes:
    with Captured(store, part, cache).laid_out() as file:
        return file.read_bytes()


def test_describe_without_a_database(other: Tables) -> None:
    assert capture.describe(other, []) == []
