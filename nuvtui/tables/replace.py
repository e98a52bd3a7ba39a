"""Captured tables put back into the Current State, all or nothing.

Everything happens in one transaction of the database: what is there is compared with what the caller knows of it,
goes, and the new tables are loaded and compared with their fingerprints. A table that stays and refers to one that
is replaced by a foreign key is made again with its own definition and rows, since DuckDB drops no table that
another one refers to. A table that is replaced by one of the same columns and keys keeps what a snapshot does not
hold of it (foreign keys, checks, defaults, formulas, indexes, collations), unless the rows do not fit to that.
"""

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model.snapshot import TablePart
from nuvtui.reporter import Reporter
from nuvtui.store.store import Store
from nuvtui.tables import captured, fingerprint, references, schema, types
from nuvtui.tables import connection as access
from nuvtui.tables.database import Tables
from nuvtui.tables.fingerprint import Print
from nuvtui.tables.schema import Schema
from nuvtui.tables.types import literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection


@dataclass
class Replaced:
    """What `replacing` does, by the tables' names."""

    put: list[str] = field(default_factory=list)
    equal: list[str] = field(default_factory=list)
    """Asked for, and there already."""
    removed: list[str] = field(default_factory=list)
    made_again: list[str] = field(default_factory=list)
    """Tables that stay as they are, made again because they refer to one that was replaced."""
    plain: dict[str, str] = field(default_factory=dict)
    """Tables whose rows did not fit to the checks, foreign keys or formulas that were there, and why: made without."""


class _MisfitError(Exception):
    """Rows to be put do not fit to the definition of the table that is there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason


def replace(
    tables: Tables,
    puts: Sequence[TablePart],
    removals: Sequence[str],
    store: Store,
    tmp: Path,
    reporter: Reporter,
    recorded: Mapping[str, TablePart] | None = None,
) -> Replaced:
    """`replacing` with nothing to be done before the commit."""
    with replacing(tables, puts, removals, store, tmp, reporter, recorded) as replaced:
        return replaced


@contextlib.contextmanager
def replacing(
    tables: Tables,
    puts: Sequence[TablePart],
    removals: Sequence[str],
    store: Store,
    tmp: Path,
    reporter: Reporter,
    recorded: Mapping[str, TablePart] | None = None,
) -> Iterator[Replaced]:
    """Put captured tables into the Current State and remove others: when the block ends well, else not at all.

    A table of the same name is replaced; one to be removed that is not there is no error; one that is there as
    it is to be is left alone. `recorded`: what the caller knows of the Current State's tables (those of the
    automatic snapshot), by name; a table that is to go and is not as recorded there is a conflict. In the block the
    database is held, and no other connection of this process may open it.

    Raises NuvError: CONFLICT where the database is held by another program, where a table was changed since it was
    recorded, where rows of a table that stays refer to what goes, or where names differ only in case;
    DamagedDatabaseError where the database cannot be read; StoreError where a captured table cannot be
    read from the store. Then the Current State's tables are as they were, as after any exception of the block.
    """
    if not puts and not (removals and tables.exists()):
        yield Replaced()
        return
    _refuse_alike(puts)
    with captured.unfinished(tmp) as folder:
        files = _stage(puts, store, folder, reporter)
        with (
            access.writing(tables.path, [folder], _storage(puts), reporter.warning) as connection,
            access.transaction(connection),
        ):
            yield _replace(connection, puts, files, removals, recorded, reporter)
            reporter.check()


def _replace(
    connection: "Connection",
    puts: Sequence[TablePart],
    files: Sequence[Path],
    removals: Sequence[str],
    recorded: Mapping[str, TablePart] | None,
    reporter: Reporter,
) -> Replaced:
    plain: dict[str, str] = {}
    while True:
        try:
            replaced = _attempt(connection, puts, files, removals, recorded, plain, reporter)
        except _MisfitError as misfit:
            # An error ends DuckDB's transaction. The database is held all the while: nobody comes in between.
            connection.execute("ROLLBACK")
            connection.execute("BEGIN TRANSACTION")
            plain[misfit.name] = misfit.reason
            continue
        for name, reason in plain.items():
            reporter.warning(
                f"Table {name} was put back without the checks, defaults, formulas, foreign keys and indexes that it "
                f"had: its rows do not fit to them ({reason})"
            )
        return replaced


def _stage(puts: Sequence[TablePart], store: Store, folder: Path, reporter: Reporter) -> list[Path]:
    """The Parquet files of `puts`, in `folder`."""
    files = []
    done, total = 0, sum(part.bytes for part in puts)
    for number, part in enumerate(puts):
        reporter.progress(done, total, "bytes", part.name)
        file = folder / f"{number}.parquet"
        captured.lay_out(part, store, file, reporter)
        files.append(file)
        done += part.bytes
    reporter.progress(done, total, "bytes")
    return files


def _attempt(
    connection: "Connection",
    puts: Sequence[TablePart],
    files: Sequence[Path],
    removals: Sequence[str],
    recorded: Mapping[str, TablePart] | None,
    plain: Mapping[str, str],
    reporter: Reporter,
) -> Replaced:
    with access.explained("The tables cannot be read"):
        present = {table.name: table for table in schema.read(connection)}
    asked = {part.name for part in puts}
    going = [name for name in present if name in asked or name in removals]
    _refuse_other_case(present, puts, removals)
    found = {}
    for name in going:
        with access.explained(f"Table {name!r} cannot be read"):
            # Without a record, a fingerprint is only of use where it may save the loading.
            if recorded is not None or _may_be_equal(connection, present[name], puts):
                found[name] = fingerprint.of_table(connection, present[name], reporter).fingerprint
    if recorded is not None:
        for name in sorted({*asked, *going}):
            _refuse_changed(name, found.get(name), recorded.get(name))
    replaced = Replaced(
        equal=[part.name for part in puts if found.get(part.name) == part.fingerprint],
        removed=[name for name in going if name not in asked],
    )
    gone = [name for name in going if name not in replaced.equal]
    loads = {
        part.name: (part, file)
        for part, file in zip(puts, files, strict=True)
        if part.name not in replaced.equal
    }
    definitions = {
        name: references.table(connection, name)
        for name, (part, _) in loads.items()
        if name in present and name not in plain and _same_shape(part, present[name])
    }
    staying = references.staying(connection, gone)
    staying.keep(connection, present, reporter)
    # Who refers goes first, and comes last.
    order = references.order(connection, [*gone, *staying.tables])
    for name in order:
        with access.explained(f"Table {name!r} cannot be replaced"):
            connection.execute(f"DROP TABLE {present[name].sql_name}")
    for name in [*(name for name in loads if name not in present), *reversed(order)]:
        if name in loads:
            reporter.progress(len(replaced.put), len(loads), "steps", name)
            _restore(connection, *loads[name], definitions.get(name), reporter)
            replaced.put.append(name)
        elif name in staying.tables:
            staying.make_again(connection, name, present[name], replaced.removed, reporter)
            replaced.made_again.append(name)
    replaced.plain = dict(plain)
    return replaced


def _same_shape(part: TablePart, table: Schema) -> bool:
    """True where columns and keys are the same; descriptions may differ."""
    return part.constraints == table.constraints and [(c.name, c.type) for c in part.columns] == [
        (c.name, c.type) for c in table.columns
    ]


def _may_be_equal(connection: "Connection", table: Schema, puts: Sequence[TablePart]) -> bool:
    """True where a put may be what is there: cheap to say, and wrong only in being true."""
    for part in puts:
        if part.name == table.name and captured.shape(part) == table:
            (rows,) = connection.execute(f"SELECT count(*) FROM {table.sql_name}").fetchall()[0]
            return bool(rows == part.rows)
    return False


def _refuse_changed(name: str, found: str | None, recorded: TablePart | None) -> None:
    """Raises NuvError (CONFLICT) where a table is not as it was recorded, before it is replaced or removed."""
    if found == (recorded.fingerprint if recorded else None):
        return
    if recorded is None:
        what = "it was made since the automatic snapshot, which does not hold it"
    elif found is None:
        what = "it was removed since the automatic snapshot"
    else:
        what = "its rows or columns were changed since the automatic snapshot, which does not hold the change"
    raise NuvError(
        f"Table {name!r} was changed meanwhile",
        f"{what}. Nothing was changed",
        "Close whatever writes to .nuvtui/tables.duckdb, then try again.",
        Exit.CONFLICT,
    )


def _storage(puts: Sequence[TablePart]) -> str:
    """The storage format that a new database needs to hold `puts`."""
    kinds = [kind for part in puts for kind in schema.column_types(part.name, part.columns)]
    return "latest" if any(types.is_recent(kind) for kind in kinds) else access.STORAGE_VERSION


def _refuse_alike(puts: Sequence[TablePart]) -> None:
    names: dict[str, str] = {}
    for part in puts:
        other = names.setdefault(part.name.lower(), part.name)
        if other != part.name:
            raise _alike(part.name, other)


def _refuse_other_case(
    present: Mapping[str, Schema], puts: Sequence[TablePart], removals: Sequence[str]
) -> None:
    new = {part.name.lower(): part.name for part in puts}
    for name in present:
        other = new.get(name.lower(), name)
        if other != name and name not in removals:
            raise _alike(other, name)


def _alike(one: str, other: str) -> NuvError:
    return NuvError(
        f"Tables {one!r} and {other!r} cannot be in one instance",
        "DuckDB does not tell names apart that differ only in upper and lower case",
        f"Rename the one that is there: `nuvtui tables rename {shlex.quote(other)} NAME`.",
        Exit.CONFLICT,
    )


def _restore(
    connection: "Connection",
    part: TablePart,
    file: Path,
    definition: references.Table | None,
    reporter: Reporter,
) -> None:
    """Make the table of a part; of `definition`, where one is given. Raises _MisfitError where it does not fit."""
    if definition is not None:
        try:
            print_by = _make_by(connection, part, file, definition, reporter)
        except access.database_error() as error:
            raise _MisfitError(part.name, access.translate(error, "").message) from error
        if not _is(print_by, part):
            raise _MisfitError(part.name, "with its formulas it has other values")
        return
    table = captured.shape(part)
    _kinds, values = captured.decoded(part)
    title = f"Table {part.name!r} cannot be put back"
    with access.explained(title):
        try:
            connection.execute(schema.create_sql(table))
        except access.database_error() as error:
            if "storage version" not in str(error):
                raise
            raise NuvError(
                title,
                "a column has a type that the target's database file, made in an older format, cannot hold",
                "In DuckDB, attach a new file with `(STORAGE_VERSION 'latest')`, `COPY FROM DATABASE` the old one "
                "to it, and put it in its place.",
                Exit.REFUSED,
            ) from error
        access.run(
            connection,
            f"INSERT INTO {table.sql_name} SELECT {', '.join(values)} FROM read_parquet({literal(str(file))})",
            reporter,
        )
        for statement in schema.comment_sql(table):
            connection.execute(statement)
        found = fingerprint.of_table(connection, table, reporter)
    if not _is(found, part):
        raise StoreError(
            title,
            f"expected {part.rows} rows with fingerprint {part.fingerprint}, found {found.rows} with "
            f"{found.fingerprint}",
            "Run `nuvtui store check --read-data`.",
        )


def _is(found: Print, part: TablePart) -> bool:
    """True where what was made is the captured table, as far as its fingerprint can tell."""
    if not fingerprint.comparable(found.fingerprint, part.fingerprint):
        return found.rows == part.rows
    return found.fingerprint == part.fingerprint


def _make_by(
    connection: "Connection", part: TablePart, file: Path, definition: references.Table, reporter: Reporter
) -> Print:
    """Make the table of a part with the definition of the one that was there; its print."""
    values = dict(zip((column.name for column in part.columns), captured.decoded(part)[1], strict=True))
    chosen = [values[name] for name in definition.columns]
    source = f"read_parquet({literal(str(file))})"
    table = captured.shape(part)
    if definition.refers_to_itself:
        definition.keep(connection, "put", source, chosen, reporter)
        return definition.make_of_kept(connection, "put", table, reporter)
    return definition.make(connection, source, chosen, table, reporter)
