"""Foreign keys of the Current State's database: who refers to whom, and tables that are made again for that.

DuckDB drops no table that another one refers to, and changes no foreign key of a table that is there. So a table
that stays, but refers to one that is replaced (or to one that is made again itself), is kept aside in the same
transaction, dropped, and made again with DuckDB's own text of it: keys, defaults, checks, generated columns,
indexes, comments and all rows in their order.
"""

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nuvtui.errors import Exit, NuvError
from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables import fingerprint, schema
from nuvtui.tables.fingerprint import Print
from nuvtui.tables.schema import Schema
from nuvtui.tables.types import identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

_HERE = "database_name = current_database() AND schema_name = 'main'"


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key: the columns of a table that refer to columns of another one."""

    table: str
    columns: tuple[str, ...]
    referred: str
    referred_columns: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Table:
    """A table that is made again."""

    name: str
    definition: str
    """CREATE TABLE, as DuckDB writes it."""
    indexes: tuple[tuple[str, str, str], ...]
    """Name, CREATE INDEX, comment."""
    columns: tuple[str, ...]
    """Those that are not generated."""
    references: tuple[ForeignKey, ...]

    @property
    def refers_to_itself(self) -> bool:
        """True where its rows refer to its own rows."""
        return any(reference.referred == self.name for reference in self.references)

    def keep(
        self, connection: "Connection", kept: str, source: str, values: Sequence[str], reporter: Reporter
    ) -> None:
        """Keep the rows of `source` (SQL), of which `values` are the `columns`, in the temporary table `kept`."""
        access.run(
            connection,
            f"CREATE TEMP TABLE {kept} AS SELECT row_number() OVER () - 1 AS n, {fingerprint.named(values)} "
            f"FROM {source}",
            reporter,
        )

    def make(
        self, connection: "Connection", source: str, values: Sequence[str], shown: Schema, reporter: Reporter
    ) -> Print:
        """Make the table with the rows of `source` (as in `keep`) and the descriptions of `shown`; its print."""
        connection.execute(self.definition)
        self._fill(connection, f"SELECT {', '.join(values)} FROM {source}", reporter)
        return self._finish(connection, shown, reporter)

    def make_of_kept(self, connection: "Connection", kept: str, shown: Schema, reporter: Reporter) -> Print:
        """As `make`, of rows that were kept; those that rows of the table itself refer to are inserted before them."""
        connection.execute(self.definition)
        listed = ", ".join(f"c{at}" for at in range(len(self.columns)))
        for first, last in _batches(connection, kept, self):
            self._fill(
                connection, f"SELECT {listed} FROM temp.{kept} WHERE n BETWEEN {first} AND {last}", reporter
            )
        connection.execute(f"DROP TABLE temp.{kept}")
        return self._finish(connection, shown, reporter)

    def _fill(self, connection: "Connection", rows: str, reporter: Reporter) -> None:
        into = ", ".join(identifier(name) for name in self.columns)
        access.run(connection, f"INSERT INTO main.{identifier(self.name)} ({into}) {rows}", reporter)

    def _finish(self, connection: "Connection", shown: Schema, reporter: Reporter) -> Print:
        for name, sql, comment in self.indexes:
            connection.execute(sql)
            if comment:
                connection.execute(f"COMMENT ON INDEX main.{identifier(name)} IS {literal(comment)}")
        for statement in schema.comment_sql(shown):
            connection.execute(statement)
        return fingerprint.of_table(connection, shown, reporter)


class Staying:
    """Tables that stay and are made again."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        self._kept = {table.name: f"kept_{number}" for number, table in enumerate(tables)}
        self._prints: dict[str, str] = {}

    def keep(self, connection: "Connection", present: Mapping[str, Schema], reporter: Reporter) -> None:
        """Keep the rows aside, before the tables are dropped."""
        for name, table in self.tables.items():
            with access.explained(f"Table {name!r} cannot be read"):
                self._prints[name] = fingerprint.of_table(connection, present[name], reporter).fingerprint
                values = [identifier(column) for column in table.columns]
                table.keep(connection, self._kept[name], present[name].sql_name, values, reporter)

    def make_again(
        self, connection: "Connection", name: str, shown: Schema, removed: Sequence[str], reporter: Reporter
    ) -> None:
        """Make a table again. Raises NuvError (CONFLICT) where what it refers to is not there any more."""
        table = self.tables[name]
        for reference in table.references:
            _refuse_missing(connection, self._kept[name], table, reference, removed)
        with _explained(table):
            found = table.make_of_kept(connection, self._kept[name], shown, reporter).fingerprint
        if found != self._prints[name]:
            raise NuvError(
                f"Table {name!r}, which refers to one that is replaced, cannot be kept",
                "made again, it was not as before. Nothing was changed",
                _hint(table),
            )


@contextlib.contextmanager
def _explained(table: Table) -> Iterator[None]:
    try:
        yield
    except access.database_error() as error:
        failure = access.translate(
            error, f"Table {table.name!r}, which refers to one that is replaced, cannot be kept"
        )
        failure.message += ". Nothing was changed"
        failure.hint = failure.hint or _hint(table)
        failure.exit_code = Exit.CONFLICT
        raise failure from error


def all_of(connection: "Connection") -> list[ForeignKey]:
    """The foreign keys of the tables of schema main."""
    found = connection.execute(
        "SELECT table_name, constraint_column_names, referenced_table, referenced_column_names, constraint_text "
        f"FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' AND {_HERE} ORDER BY ALL"
    ).fetchall()
    return [
        ForeignKey(table, tuple(columns), referred, tuple(referred_columns), text)
        for table, columns, referred, referred_columns, text in found
    ]


def order(connection: "Connection", names: Iterable[str]) -> list[str]:
    """`names` in an order in which they can be dropped: those first that no other one refers to."""
    referring: dict[str, set[str]] = {}
    for reference in all_of(connection):
        if reference.table != reference.referred:
            referring.setdefault(reference.referred, set()).add(reference.table)
    left = list(names)
    ordered: list[str] = []
    while left:
        # A circle of references cannot be made in DuckDB.
        free = [name for name in left if not referring.get(name, set()) & set(left)] or left[:]
        ordered += free
        left = [name for name in left if name not in free]
    return ordered


def staying(connection: "Connection", going: Sequence[str]) -> Staying:
    """The tables that have to be made again where `going` are dropped."""
    references = all_of(connection)
    names: set[str] = set()
    while more := {
        reference.table
        for reference in references
        if (reference.referred in going or reference.referred in names)
        and reference.table not in going
        and reference.table not in names
    }:
        names |= more
    return Staying([table(connection, name) for name in sorted(names)])


def table(connection: "Connection", name: str) -> Table:
    """How a table of schema main is made again."""
    named = f"{_HERE} AND table_name = {literal(name)}"
    ((definition,),) = connection.execute(f"SELECT sql FROM duckdb_tables() WHERE {named}").fetchall()
    indexes = connection.execute(
        f"SELECT index_name, sql, coalesce(comment, '') FROM duckdb_indexes() WHERE {named} AND sql IS NOT NULL "
        "ORDER BY index_oid"
    ).fetchall()
    columns = connection.execute(
        f"SELECT column_name FROM duckdb_columns() WHERE {named} AND NOT is_generated ORDER BY column_index"
    ).fetchall()
    return Table(
        name,
        definition,
        tuple(indexes),
        tuple(column for (column,) in columns),
        tuple(reference for reference in all_of(connection) if reference.table == name),
    )


def _refuse_missing(
    connection: "Connection", kept: str, table: Table, reference: ForeignKey, removed: Sequence[str]
) -> None:
    """Raises NuvError (CONFLICT) where rows of a table that stays refer to what will not be there."""
    if reference.referred == table.name:
        return
    title = (
        f"Table {reference.referred!r} cannot be {'removed' if reference.referred in removed else 'replaced'}"
    )
    hint = _hint(table)
    if reference.referred in removed:
        raise NuvError(
            title,
            f"table {table.name!r}, which stays, refers to it ({reference.text}). Nothing was changed",
            hint,
            Exit.CONFLICT,
        )
    mine = [f"kept.c{table.columns.index(column)}" for column in reference.columns]
    theirs = [f"other.{identifier(column)}" for column in reference.referred_columns]
    pairs = " AND ".join(f"{one} = {other}" for one, other in zip(mine, theirs, strict=True))
    known = " AND ".join(f"{one} IS NOT NULL" for one in mine)
    try:
        ((missing,),) = connection.execute(
            f"SELECT count(*) FROM temp.{kept} AS kept WHERE {known} AND NOT EXISTS "
            f"(SELECT 1 FROM main.{identifier(reference.referred)} AS other WHERE {pairs})"
        ).fetchall()
    except access.database_error() as error:
        raise NuvError(
            title,
            f"table {table.name!r}, which stays, refers to columns that it would not have ({reference.text}). "
            "Nothing was changed",
            hint,
            Exit.CONFLICT,
        ) from error
    if missing:
        raise NuvError(
            title,
            f"{missing} rows of table {table.name!r}, which stays, refer to rows that it would not have "
            f"({reference.text}). Nothing was changed",
            hint,
            Exit.CONFLICT,
        )
    keys = connection.execute(
        f"SELECT constraint_column_names FROM duckdb_constraints() WHERE {_HERE} "
        f"AND table_name = {literal(reference.referred)} AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')"
    ).fetchall()
    if not any(sorted(columns) == sorted(reference.referred_columns) for (columns,) in keys):
        raise NuvError(
            title,
            f"table {table.name!r}, which stays, refers to columns that would be no key of it any more "
            f"({reference.text}). Nothing was changed",
            hint,
            Exit.CONFLICT,
        )


def _hint(table: Table) -> str:
    return (
        f"Let table {table.name!r} be replaced or removed as well: stage both, or "
        f"`nuvtui tables delete {shlex.quote(table.name)} --yes` (snapshots keep it), then try again."
    )


def _batches(connection: "Connection", kept: str, table: Table) -> list[tuple[int, int]]:
    """Stretches of the kept rows (first and last n) that can be inserted one after the other.

    Usually one. A row that refers to a row of its own table needs that one to be there from an earlier statement.
    """
    ((rows,),) = connection.execute(f"SELECT count(*) FROM temp.{kept}").fetchall()
    within: list[tuple[int, int]] = []
    for reference in table.references:
        if reference.referred != table.name:
            continue
        pairs = " AND ".join(
            f"one.c{table.columns.index(column)} = other.c{table.columns.index(referred)}"
            for column, referred in zip(reference.columns, reference.referred_columns, strict=True)
        )
        within += connection.execute(
            f"SELECT one.n, other.n FROM temp.{kept} AS one JOIN temp.{kept} AS other ON {pairs}"
        ).fetchall()
    starts = [0]
    for here, there in sorted(within):
        if there >= starts[-1]:
            starts.append(here)
    return [(first, end - 1) for first, end in zip(starts, [*starts[1:], rows], strict=True)]
