"""The tables of an instance's Current State: `.nuvtui/tables.duckdb`.

Only tables of the schema `main` count as the instance's tables. A table's name is compared as DuckDB does it,
whatever the case.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.snapshot import Column
from nuvtui.model.table import ColumnInfo, ColumnStats, Rows, TableInfo
from nuvtui.model.table_import import ImportOptions, ImportReport
from nuvtui.paths import Workspace
from nuvtui.reporter import Reporter, Silent
from nuvtui.tables import column_stats, descriptions, intake, output, schema
from nuvtui.tables import connection as access
from nuvtui.tables.connection import DamagedDatabaseError
from nuvtui.tables.schema import Schema
from nuvtui.tables.types import identifier

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

SHOWN = 10
"""Rows that a rehearsal shows."""

__all__ = ["Column", "ColumnInfo", "DamagedDatabaseError", "Rows", "TableInfo", "Tables", "rehearse"]


class Tables:
    """The tables of the workspace's instance. Every method opens and closes the database: nothing is held.

    Raises NuvError from every method: CONFLICT where another program holds the database (waits `PATIENCE`
    seconds first), NOT_FOUND for a table that is not there.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.path = workspace.tables

    def exists(self) -> bool:
        """True where there is a database (it may hold no table)."""
        return access.present(self.path)

    def stamp(self) -> tuple[int, ...]:
        """A value that is different whenever the database may have changed; cheap. Two changes may share a tick."""
        stamp: list[int] = []
        for info in self._looks():
            stamp += [0] if info is None else [info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns]
        return tuple(stamp)

    def changed_ns(self) -> int:
        """When the database last changed, in nanoseconds since the epoch; 0 where there is none."""
        return max(max(info.st_mtime_ns, info.st_ctime_ns) if info else 0 for info in self._looks())

    def log_is_older(self) -> bool:
        """True where a write-ahead log lies there that was last written before the database was.

        DuckDB replays it all the same. So it is where a database was put in another one's place, and (seldom) where
        a change was undone after the last commit.
        """
        database, log = self._looks()
        return database is not None and log is not None and log.st_mtime_ns < database.st_mtime_ns

    def _looks(self) -> list[os.stat_result | None]:
        """Of the database and of its write-ahead log; None where it is not there."""
        found: list[os.stat_result | None] = []
        for path in (self.path, access.log_of(self.path)):
            try:
                found.append(path.stat())
            except FileNotFoundError:
                found.append(None)
        return found

    def set_aside(self) -> Path | None:
        """Move a database that cannot be read, with its log, to `.nuvtui/kept`; the folder there, None: there is none."""
        return access.set_aside(self.path)

    @contextlib.contextmanager
    def reading(
        self, allow: Sequence[Path] = (), memory: str = "", spill: Path | None = None
    ) -> Iterator["Connection"]:
        """A read-only connection; arguments as in `connection.reading`."""
        if not self.exists():
            raise schema.missing("", [])
        with access.reading(self.path, allow, memory, spill) as connection:
            yield connection

    @contextlib.contextmanager
    def _table(self, name: str, allow: Sequence[Path] = ()) -> Iterator[tuple["Connection", Schema]]:
        if not self.exists():
            raise schema.missing(name, [])
        with access.reading(self.path, allow) as connection:
            with access.explained("The tables cannot be read"):
                found = schema.find(connection, name)
            yield connection, found

    def columns(self, name: str) -> list[ColumnInfo]:
        """The columns of a table with facts on their values."""
        with self._table(name) as (connection, table), access.explained(f"Table {name!r} cannot be read"):
            values = [f"source.{identifier(column.name)}" for column in table.columns]
            kinds = table.types()
            return output.column_infos(
                connection, f"{table.sql_name} AS source", table.columns, kinds, values
            )

    def column_stats(self, name: str) -> list[ColumnStats]:
        """The columns of a table with how their values are spread."""
        with self._table(name) as (connection, table), access.explained(f"Table {name!r} cannot be read"):
            values = [f"source.{identifier(column.name)}" for column in table.columns]
            return column_stats.column_stats(
                connection, f"{table.sql_name} AS source", table.columns, table.types(), values
            )

    def preview(self, name: str, offset: int = 0, limit: int = 100) -> Rows:
        """Rows of a table, in their order; long cells are cut."""
        with self._table(name) as (connection, table), access.explained(f"Table {name!r} cannot be read"):
            values = [f"source.{identifier(column.name)}" for column in table.columns]
            total = _count(connection, table)
            return output.page(
                connection, f"{table.sql_name} AS source", table.columns, values, offset, limit, total
            )

    def query(self, sql: str, limit: int = 1000, clip: int | None = None) -> Rows:
        """The result of one statement that reads: no changes, no files, no extensions, no settings.

        `clip`: longest cell, in characters. Raises NuvError: USAGE where it is no such statement.
        """
        if self.exists():
            with access.reading(self.path) as connection:
                return output.query(connection, sql, limit, clip)
        with access.scratch() as connection:
            access.seal(connection)
            return output.query(connection, sql, limit, clip)

    def import_file(
        self,
        path: Path,
        name: str | None = None,
        replace: bool = False,
        reporter: Reporter | None = None,
        options: ImportOptions | None = None,
    ) -> ImportReport:
        """Make a table of a file, wholly or not at all; what is doubtful in it goes to the reporter as warnings.

        `name` None: the file's name without its ending. Raises NuvError: CONFLICT where there is such a table
        and `replace` is not set, NOT_FOUND where there is no such file, USAGE where an option does not fit the
        file, FAILED naming line and problem where the file cannot be read as what it is.
        """
        reporter = reporter or Silent()
        with intake.opened(path) as source:
            name = intake.checked_name(name) if name is not None else intake.name_of(path)
            if not replace:
                self._refuse_existing(name)
            load = intake.ready(source, options or ImportOptions(), reporter)
            with access.writing(self.path, [source.folder, source.path], tell=reporter.warning) as connection:
                existing = [t for t in schema.read(connection) if t.name.lower() == name.lower()]
                if existing and not replace:
                    raise _existing(existing[0].name)

                def drop() -> None:
                    for table in existing:
                        _drop(connection, table)

                report = _imported(connection, load, source, name, drop)
            reporter.progress(source.size, source.size, "bytes", name)
            for sentence in intake.sentences(report):
                reporter.warning(sentence)
            return report

    def _refuse_existing(self, name: str) -> None:
        """Before a long file is looked at; what counts is asked once more when the database is open."""
        if self.exists():
            with self.reading() as connection:
                for table in schema.read(connection):
                    if table.name.lower() == name.lower():
                        raise _existing(table.name)

    def describe(self, name: str, description: str | None, columns: dict[str, str]) -> None:
        """Describe a table (None: leave its description) and its columns; an empty text removes a description.

        Raises NuvError (NOT_FOUND) for a column that is not there.
        """
        if not self.exists():
            raise schema.missing(name, [])
        with access.writing(self.path) as connection:
            table = schema.find(connection, name)
            own = {column.name.lower(): column.name for column in table.columns}
            for column in columns:
                if column.lower() not in own:
                    raise NuvError(
                        f"Table {table.name!r} has no column {column!r}",
                        "",
                        f"There is: {', '.join(list(own.values())[:30])}.",
                        Exit.NOT_FOUND,
                    )
            with (
                access.explained(f"Table {table.name!r} cannot be described"),
                access.transaction(connection),
            ):
                named = {own[column.lower()]: text for column, text in columns.items()}
                descriptions.write(connection, table.name, description, named)

    def described(self, name: str) -> tuple[str, dict[str, str]]:
        """The description of a table (empty: none), and those of its columns by name."""
        with self._table(name) as (connection, table), access.explained(f"Table {name!r} cannot be read"):
            return descriptions.read(connection, table.name)

    def export(self, name: str, path: Path, reporter: Reporter | None = None) -> None:
        """Write a table to a CSV, TSV or Parquet file, by the file's ending; a file there is replaced.

        The file appears complete or not at all.
        """
        with output.exported(path) as target, self._table(name, [target.folder]) as (connection, table):
            output.copy(
                connection,
                f"{table.sql_name} AS source",
                table.columns,
                table.types(),
                [f"source.{identifier(column.name)}" for column in table.columns],
                target,
                _count(connection, table),
                table.name,
                reporter or Silent(),
            )

    def rename(self, old: str, new: str) -> None:
        """Give a table another name. Raises NuvError: CONFLICT where there is such a table already."""
        new = intake.checked_name(new)
        if not self.exists():
            raise schema.missing(old, [])
        with access.writing(self.path) as connection:
            table = schema.find(connection, old)
            others = [t.name for t in schema.read(connection) if t.name != table.name]
            if new.lower() in {other.lower() for other in others}:
                raise NuvError(f"There is a table {new!r} already", "", "Choose another name.", Exit.CONFLICT)
            with access.explained(f"Table {table.name!r} cannot be renamed"), access.transaction(connection):
                connection.execute(f"ALTER TABLE {table.sql_name} RENAME TO {identifier(new)}")

    def delete(self, name: str) -> None:
        """Drop the table `name` from the database."""
        if not self.exists():
            raise schema.missing(name, [])
        with access.writing(self.path) as connection:
            table = schema.find(connection, name)
            with access.transaction(connection):
                _drop(connection, table)

    # The last one: below it, `list` is no longer the built-in type within the class.
    def list(self) -> list[TableInfo]:
        """Describe every table of the database, sorted by name."""
        if not self.exists():
            return []
        with self.reading() as connection, access.explained("The tables cannot be listed"):
            return [_info(connection, table) for table in schema.read(connection)]


def rehearse(path: Path, name: str | None = None, options: ImportOptions | None = None) -> ImportReport:
    """What importing a file would make and tell, with its first rows: it is done, in a database of its own.

    Raises NuvError as `Tables.import_file` does.
    """
    with intake.opened(path) as source:
        name = intake.checked_name(name) if name is not None else intake.name_of(path)
        load = intake.ready(source, options or ImportOptions(), Silent())
        with access.writing(source.folder / "rehearsal.duckdb", [source.folder, source.path]) as connection:
            report = _imported(connection, load, source, name, lambda: None)
            values = [f"source.{identifier(column.name)}" for column in report.columns]
            with access.explained(f"Table {name!r} cannot be read"):
                rows = output.page(
                    connection, f"main.{identifier(name)} AS source", report.columns, values, 0, SHOWN, None
                )
            return msgspec.structs.replace(report, dry_run=True, sample=rows.rows)


def _imported(
    connection: "Connection",
    load: intake.Load,
    source: intake.ImportSource,
    name: str,
    prepare: Callable[[], None],
) -> ImportReport:
    told = load(connection, name, prepare)
    with access.explained(f"Table {name!r} cannot be read"):
        table = schema.find(connection, name)
        return ImportReport(
            name=table.name,
            rows=_count(connection, table),
            columns=table.columns,
            file=source.shown,
            format=source.format,
            dialect=told.dialect,
            doubts=told.doubts,
            rewritten=told.rewritten,
            notes=told.notes,
        )


def _existing(name: str) -> NuvError:
    return NuvError(
        f"There is a table {name!r} already",
        "",
        "Give another name (--name), or say that it is to be replaced (--replace).",
        Exit.CONFLICT,
    )


def _drop(connection: "Connection", table: Schema) -> None:
    with access.explained(f"Table {table.name!r} cannot be deleted"):
        connection.execute(f"DROP TABLE {table.sql_name}")


def _count(connection: "Connection", table: Schema) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table.sql_name}").fetchall()[0]
    return int(count)


def _info(connection: "Connection", table: Schema) -> TableInfo:
    return TableInfo(table.name, _count(connection, table), table.columns, table.description)
