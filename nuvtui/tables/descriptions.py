"""What tables and columns are about, in the words of whoever made them: DuckDB's comments, a codebook."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nuvtui.tables.types import identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection


def write(connection: "Connection", table: str, description: str | None, columns: Mapping[str, str]) -> None:
    """Describe `table` (a name in main; None: leave its description) and `columns`; an empty text removes one."""
    target = f"main.{identifier(table)}"
    if description is not None:
        connection.execute(f"COMMENT ON TABLE {target} IS {literal(description) if description else 'NULL'}")
    for name, text in columns.items():
        connection.execute(
            f"COMMENT ON COLUMN {target}.{identifier(name)} IS {literal(text) if text else 'NULL'}"
        )


def read(connection: "Connection", table: str) -> tuple[str, dict[str, str]]:
    """The description of a table (letter for letter its name; empty: none), and those of its columns."""
    here = f"database_name = current_database() AND schema_name = 'main' AND table_name = {literal(table)}"
    rows = connection.execute(f"SELECT comment FROM duckdb_tables() WHERE {here}").fetchall()
    columns = connection.execute(
        f"SELECT column_name, comment FROM duckdb_columns() WHERE {here} AND comment <> '' ORDER BY column_index"
    ).fetchall()
    return (rows[0][0] or "") if rows else "", dict(columns)
