"""What the tests of tables share: a database made by plain DuckDB, and what it holds, value by value."""

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from nuvtui.tables import capture
from nuvtui.tables.database import Tables


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.progressed: list[tuple[int, int | None, str]] = []

    def warning(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def progress(self, done: int, total: int | None, unit: str, what: str = "") -> None:
        self.progressed.append((done, total, unit))


def make(workspace: Workspace, *statements: str) -> Tables:
    """The tables of `workspace` after `statements`, executed by plain DuckDB."""
    workspace.dot.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(workspace.tables)) as connection:
        for statement in statements:
            connection.execute(statement)
    return Tables(workspace)


def dump(path: Path) -> dict[str, Any]:
    """Every table of a database file: described columns, and each value as text with its type, in order."""
    held = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall():
            quoted = '"' + name.replace('"', '""') + '"'
            described = connection.execute(f"DESCRIBE {quoted}").fetchall()
            parts = []
            for column in described:
                cell = '"' + column[0].replace('"', '""') + '"'
                parts += [f"{cell}::VARCHAR", f"typeof({cell})", f"{cell} IS NULL"]
            rows = connection.execute(f"SELECT {', '.join(parts)} FROM {quoted}").fetchall()
            held[name] = (described, rows)
    return held


def take(tables: Tables, store: Store, home: Home, previous: Iterable[Any] = ()) -> list[Any]:
    """Capture into the real store; the parts."""
    return take_with_warnings(tables, store, home, previous)[0]


def take_with_warnings(
    tables: Tables, store: Store, home: Home, previous: Iterable[Any] = ()
) -> tuple[list[Any], list[Any]]:
    with writing(store) as writer:
        parts, warnings = capture.capture(
            tables, list(previous), writer, home.tmp, Silent(), home.cache / "memory"
        )
        writer.commit()
    return parts, warnings


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def log_of_another(tmp_path: Path) -> bytes:
    """A write-ahead log with rows for table a, as a killed program leaves it."""
    path = tmp_path / "killed.duckdb"
    script = (
        "import duckdb, os, sys; c = duckdb.connect();"
        "c.execute(f\"ATTACH '{sys.argv[1]}' AS d (STORAGE_VERSION 'v1.0.0')\");"
        "c.execute('CREATE TABLE d.a AS SELECT i FROM range(10) r(i)'); c.execute('CHECKPOINT d');"
        "c.execute('INSERT INTO d.a VALUES (31337)'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    return path.with_name("killed.duckdb.wal").read_bytes()
