"""What a table is made of, and what of a database a snapshot does not keep.

Kept of a table: rows in their order, columns with exact types, NOT NULL, PRIMARY KEY and UNIQUE, and its description
and those of its columns (DuckDB's comments). Not kept, and named in a snapshot's warnings: CHECK and FOREIGN KEY
constraints, defaults, formulas of generated columns (kept as plain ones), collations, indexes, names of user-defined
types (kept as what they stand for), views, macros, sequences, and other schemas than `main` with their tables. What
of this the database's own table has stays where a restore puts rows of the same columns in its place (`replace`).
"""

from typing import TYPE_CHECKING, Any

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.snapshot import Column, TableConstraint
from nuvtui.tables import types
from nuvtui.tables.types import Type, UnsupportedTypeError, identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection


class Schema(msgspec.Struct, frozen=True):
    """A table's name, columns, constraints and description."""

    name: str
    columns: list[Column]
    constraints: list[TableConstraint] = []
    description: str = ""

    @property
    def sql_name(self) -> str:
        """Name of the table as SQL takes it, quoted and with its schema."""
        return f"main.{identifier(self.name)}"

    def types(self) -> list[Type]:
        """The parsed column types. Raises NuvError naming table and column."""
        return column_types(self.name, self.columns)


def column_types(table: str, columns: list[Column]) -> list[Type]:
    """The parsed types of `columns`. Raises NuvError naming table and column."""
    parsed = []
    for column in columns:
        try:
            parsed.append(types.parse(column.type))
        except UnsupportedTypeError as error:
            raise NuvError(
                f"Table {table!r} cannot be captured",
                f"column {column.name!r} has a type that nuvtui does not know: {column.type}",
                "Change the column's type, or move the table to another schema than main.",
                Exit.REFUSED,
            ) from error
    return parsed


def read(connection: "Connection") -> list[Schema]:
    """The tables of schema main in the attached database, sorted by name."""
    columns: dict[str, list[Column]] = {}
    descriptions: dict[str, str] = {}
    for table, said, name, kind, said_of_column in connection.execute(
        "SELECT c.table_name, coalesce(t.comment, ''), c.column_name, c.data_type, coalesce(c.comment, '') "
        "FROM duckdb_columns() c JOIN duckdb_tables() t "
        "ON c.table_oid = t.table_oid AND c.database_oid = t.database_oid AND c.schema_oid = t.schema_oid "
        "WHERE c.database_name = current_database() AND c.schema_name = 'main' AND NOT t.internal "
        "ORDER BY c.table_name, c.column_index"
    ).fetchall():
        columns.setdefault(table, []).append(Column(name, kind, said_of_column))
        descriptions[table] = said
    constraints: dict[str, list[TableConstraint]] = {}
    for table, kind, names in connection.execute(
        "SELECT table_name, constraint_type, constraint_column_names FROM duckdb_constraints() "
        "WHERE database_name = current_database() AND schema_name = 'main' "
        "AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'NOT NULL')"
    ).fetchall():
        constraints.setdefault(table, []).append(TableConstraint(kind.lower(), list(names)))
    return [
        Schema(
            name,
            columns[name],
            sorted(constraints.get(name, []), key=lambda c: (c.kind, c.columns)),
            descriptions[name],
        )
        for name in sorted(columns)
    ]


def find(connection: "Connection", name: str) -> Schema:
    """The table called `name`, letter for letter or else whatever the case. Raises NuvError (NOT_FOUND)."""
    schemas = read(connection)
    exact = [schema for schema in schemas if schema.name == name]
    alike = [schema for schema in schemas if schema.name.lower() == name.lower()]
    if found := exact or alike:
        return found[0]
    raise missing(name, [schema.name for schema in schemas])


def missing(name: str, known: list[str]) -> NuvError:
    """The error for a table that is not there (name empty: for any)."""
    listed = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return NuvError(
        f"No table {name!r}" if name else "There are no tables",
        "",
        f"There is: {listed}." if known else "There are no tables; `nuvtui tables import FILE` makes one.",
        Exit.NOT_FOUND,
    )


def not_kept(connection: "Connection") -> list[str]:
    """Sentences on what of the database a snapshot does not hold, each thing by its name."""
    here = "database_name = current_database()"
    main = f"{here} AND schema_name = 'main'"
    sentences = []

    def rows(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(f"{sql} ORDER BY ALL").fetchall()

    def of(schema: str) -> str:
        return "" if schema == "main" else f" of schema {schema!r}"

    for schema, name in rows(
        f"SELECT schema_name, table_name FROM duckdb_tables() WHERE {here} AND schema_name <> 'main' AND NOT internal"
    ):
        sentences.append(f"table {name!r} is not captured: it lies in schema {schema!r}, not in main")
    for kind, sql in (
        ("view", f"SELECT schema_name, view_name FROM duckdb_views() WHERE {here} AND NOT internal"),
        (
            "macro",
            f"SELECT DISTINCT schema_name, function_name FROM duckdb_functions() WHERE {here} AND NOT internal",
        ),
        ("sequence", f"SELECT schema_name, sequence_name FROM duckdb_sequences() WHERE {here}"),
    ):
        for schema, name in rows(sql):
            sentences.append(f"{kind} {name!r}{of(schema)} is not captured: only tables are")
    for schema, name in rows(
        f"SELECT schema_name, type_name FROM duckdb_types() WHERE {here} AND NOT internal"
    ):
        sentences.append(f"the name of type {name!r}{of(schema)} is not captured: what it stands for is")
    for (schema,) in rows(
        f"SELECT schema_name FROM duckdb_schemas() WHERE {here} AND NOT internal AND schema_name <> 'main'"
    ):
        sentences.append(f"schema {schema!r} is not captured: only tables of main are")
    for table, name in rows(f"SELECT table_name, index_name FROM duckdb_indexes() WHERE {main}"):
        sentences.append(
            f"index {name!r} of table {table!r} is not captured: a restore keeps it only where it is still there"
        )
    for table, text in rows(
        "SELECT table_name, constraint_text FROM duckdb_constraints() "
        f"WHERE {main} AND constraint_type NOT IN ('PRIMARY KEY', 'UNIQUE', 'NOT NULL')"
    ):
        sentences.append(
            f"constraint {text} of table {table!r} is not captured: a restore keeps it only where it is still there"
        )
    for table, name, generated in rows(
        "SELECT table_name, column_name, is_generated FROM duckdb_columns() "
        f"WHERE {main} AND NOT internal AND column_default IS NOT NULL"
    ):
        what = "the formula" if generated else "the default"
        sentences.append(f"{what} of column {name!r} of table {table!r} is not captured: its values are")
    for (table,) in rows(
        f"SELECT table_name FROM duckdb_tables() WHERE {main} AND NOT internal AND contains(sql, ' COLLATE ')"
    ):
        sentences.append(f"the collations of table {table!r} are not captured: its values are")
    return sentences


def create_sql(schema: Schema) -> str:
    """CREATE TABLE for `schema`; safe whatever is in its names and types."""
    kinds = schema.types()
    lines = [
        f"{identifier(column.name)} {types.render(kind)}"
        for column, kind in zip(schema.columns, kinds, strict=True)
    ]
    for constraint in schema.constraints:
        columns = ", ".join(identifier(name) for name in constraint.columns)
        match constraint.kind:
            case "primary key":
                lines.append(f"PRIMARY KEY ({columns})")
            case "unique":
                lines.append(f"UNIQUE ({columns})")
            case "not null":
                position = [column.name for column in schema.columns].index(constraint.columns[0])
                lines[position] += " NOT NULL"
    return f"CREATE TABLE {schema.sql_name} ({', '.join(lines)})"


def comment_sql(schema: Schema) -> list[str]:
    """The statements that give the table `schema`, just made, its descriptions."""
    statements = []
    if schema.description:
        statements.append(f"COMMENT ON TABLE {schema.sql_name} IS {literal(schema.description)}")
    statements += [
        f"COMMENT ON COLUMN {schema.sql_name}.{identifier(column.name)} IS {literal(column.description)}"
        for column in schema.columns
        if column.description
    ]
    return statements
