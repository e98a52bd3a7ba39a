"""A damaged database is told from any other trouble, set aside whole, and makes room for a restore."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import NuvError
from nuvtui.model.snapshot import TablePart
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.tables import capture
from nuvtui.tables.connection import DamagedDatabaseError
from nuvtui.tables.database import Tables
from tests.tables.helpers import dump, log_of_another, make, take


def _flipped(start: int) -> Callable[[bytes], bytes]:
    return lambda data: (
        data[:start] + bytes(byte ^ 0xFF for byte in data[start : start + 8]) + data[start + 8 :]
    )


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda _: b"not a database\n" * 1000,
    "another database": lambda _: b"SQLite format 3\0" + bytes(8192),
    "a few bytes": lambda data: data[:50],
    "no blocks": lambda data: data[:12288],
    "half": lambda data: data[: len(data) // 2],
    "one byte less": lambda data: data[:-1],
    "zeros at the beginning": lambda data: bytes(4096) + data[4096:],
    "zeros": lambda data: bytes(len(data)),
    "both headers": lambda data: _flipped(8232)(_flipped(4136)(data)),
    "the middle": lambda data: _flipped(len(data) // 2)(data),
    "rows": lambda data: _flipped(12288 + 2000)(data),
}


@pytest.fixture
def parts(workspace: Workspace, store: Store, home: Home) -> list[TablePart]:
    tables = make(
        workspace, "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s FROM range(40000) r(i)", "CHECKPOINT"
    )
    return take(tables, store, home)


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_and_set_aside_whole(
    workspace: Workspace, parts: list[TablePart], store: Store, home: Home, name: str
) -> None:
    tables = Tables(workspace)
    held = dump(tables.path)
    damaged = DAMAGE[name](tables.path.read_bytes())
    tables.path.write_bytes(damaged)
    for action in (
        lambda: take(tables, store, home),
        lambda: capture.describe(tables),
        lambda: capture.replace(tables, parts, ["u"], store, home.tmp, Silent(), {"t": parts[0]}),
    ):
        with pytest.raises(DamagedDatabaseError) as caught:
            action()
        assert str(tables.path) in caught.value.message
        assert "nuvtui snapshots restore" in caught.value.hint
    assert tables.path.read_bytes() == damaged
    folder = tables.set_aside()
    assert folder is not None
    assert folder.parent == workspace.dot / "kept"
    assert folder.name.endswith("Z-tables")
    assert (folder / "tables.duckdb").read_bytes() == damaged
    assert not tables.exists()
    assert (tables.list(), tables.set_aside()) == ([], None)
    # What its hint asks for.
    capture.replace(tables, parts, [], store, home.tmp, Silent(), {})
    assert dump(tables.path) == held


def test_any_damage_is_told(workspace: Workspace, parts: list[TablePart], store: Store, home: Home) -> None:
    """Whatever byte differs: what is read is right, or it is said to be damaged; never anything else."""
    tables = Tables(workspace)
    whole = tables.path.read_bytes()
    chosen = random.Random(5)
    told = 0
    for _ in range(25):
        tables.path.write_bytes(_flipped(chosen.randrange(len(whole)))(whole))
        try:
            assert capture.describe(tables, parts) == parts
        except DamagedDatabaseError:
            told += 1
    assert told > 5


def test_a_damaged_log_is_set_aside_with_its_database(
    workspace: Workspace, parts: list[TablePart], tmp_path: Path
) -> None:
    tables = Tables(workspace)
    log = tables.path.with_name("tables.duckdb.wal")
    log.write_bytes(_flipped(60)(log_of_another(tmp_path)))
    with pytest.raises(DamagedDatabaseError, match="WAL"):
        tables.list()
    folder = tables.set_aside()
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == ["tables.duckdb", "tables.duckdb.wal"]
    other = tables.set_aside()
    assert other is None


def test_two_in_one_second_have_two_folders(tables: Tables) -> None:
    folders = []
    for text in ("one", "two"):
        tables.path.write_text(text)
        folders.append(tables.set_aside())
    assert len(set(folders)) == 2
    assert [folder and (folder / "tables.duckdb").read_text() for folder in folders] == ["one", "two"]


def test_other_trouble_is_not_damage(workspace: Workspace) -> None:
    tables = make(workspace, "CREATE TABLE t AS SELECT 1 AS a")
    for sql in ("SELECT error('Corrupt')", "SELECT nope FROM t", "SELECT 'x'::INTEGER"):
        with pytest.raises(NuvError) as caught:
            tables.query(sql)
        assert not isinstance(caught.value, DamagedDatabaseError)
