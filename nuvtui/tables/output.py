"""Getting rows out of DuckDB: pages for people, files for other programs.

An export is written under a temporary name in the folder of the target and put in place by rename.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import Column
from nuvtui.model.table import ColumnInfo, Rows
from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables import types
from nuvtui.tables.types import Type, identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

CLIP = 4096
"""Longest cell of a page, in characters."""
MOST_TEXT = 32 << 20
"""Characters of text in a page whose cells are cut."""
_FORMATS = {
    ".csv": "FORMAT csv, HEADER true",
    ".tsv": "FORMAT csv, HEADER true, DELIMITER '\t'",
    ".tab": "FORMAT csv, HEADER true, DELIMITER '\t'",
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
}


def page(
    connection: "Connection",
    source: str,
    columns: Sequence[Column],
    values: Sequence[str],
    offset: int,
    limit: int,
    total: int | None,
    clip: int | None = CLIP,
) -> Rows:
    """Rows `offset` to `offset + limit` of `source` (SQL), each cell an expression of `values`."""
    shown = [
        f"{types.display(_lenient(column.type), value, clip)} AS d{position}"
        for position, (column, value) in enumerate(zip(columns, values, strict=True))
    ]
    limit = max(limit, 0)
    cursor = connection.execute(
        f"SELECT {', '.join(shown)} FROM {source} LIMIT {limit + 1} OFFSET {max(offset, 0)}"
    )
    cells: list[list[Any]] = []
    held = 0
    while len(cells) <= limit and (clip is None or held < MOST_TEXT) and (rows := cursor.fetchmany(500)):
        for row in rows:
            cells.append([finite(value) for value in row])
            held += sum(len(value) for value in row if isinstance(value, str))
    truncated = len(cells) > limit or (clip is not None and held >= MOST_TEXT)
    return Rows(list(columns), cells[:limit], total, truncated)


def query(connection: "Connection", sql: str, limit: int, clip: int | None = None) -> Rows:
    """The result of one SELECT (or DESCRIBE, SHOW, SUMMARIZE, EXPLAIN) of the user."""
    statement, wrapped = _statement(sql)
    with access.explained("The query failed"):
        if not wrapped:
            cursor = connection.execute(statement)
            names = [str(item[0]) for item in cursor.description or []]
            cells = [
                [None if cell is None else str(cell) for cell in row] for row in cursor.fetchmany(limit + 1)
            ]
            return Rows([Column(name, "VARCHAR") for name in names], cells[:limit], None, len(cells) > limit)
        described = connection.execute(f"DESCRIBE {statement}").fetchall()
        columns = [Column(str(row[0]), str(row[1])) for row in described]
        aliases = [f"q{position}" for position in range(len(columns))]
        source = f"(\n{statement}\n) AS q({', '.join(aliases)})"
        return page(connection, source, columns, [f"q.{alias}" for alias in aliases], 0, limit, None, clip)


def _statement(sql: str) -> tuple[str, bool]:
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise access.translate(error, "The query cannot be parsed") from error
    refused = NuvError(
        "The query was refused",
        "only one statement that reads (SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN) is allowed",
        "Change tables with `nuvtui tables import FILE`, with `rename` and `delete`, or with any DuckDB client.",
        Exit.USAGE,
    )
    if len(statements) != 1:
        raise refused
    text = statements[0].query.rstrip().rstrip(";").rstrip()
    if statements[0].type == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains; the database is attached read-only all the same.
        return text, False
    if statements[0].type != duckdb.StatementType.SELECT:
        raise refused
    first = text.split(None, 1)[0].lower() if text.split() else ""
    return text, first not in ("describe", "desc", "show", "summarize")


def _lenient(text: str) -> Type:
    """The type of a query's column; one that nuvtui does not know is shown as text."""
    try:
        return types.parse(text)
    except types.UnsupportedTypeError:
        return Type("scalar", "UNKNOWN")


def finite(value: Any) -> Any:
    """`value` as JSON can hold it: NaN and the infinities as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def column_infos(
    connection: "Connection",
    source: str,
    columns: Sequence[Column],
    kinds: Sequence[Type],
    values: Sequence[str],
) -> list[ColumnInfo]:
    """Facts on the columns of `source` (SQL), each column an expression of `values`."""
    asked = []
    for kind, value in zip(kinds, values, strict=True):
        asked.append(f"count(*) - count({value})")
        if kind.nested or kind.name in ("JSON", "VARIANT", "GEOMETRY"):
            asked += ["NULL", "NULL", "NULL"]
        else:
            asked.append(f"approx_count_distinct({value})")
            asked += [f"left(CAST({side}({value}) AS VARCHAR), {CLIP})" for side in ("min", "max")]
    row = connection.execute(f"SELECT {', '.join(asked)} FROM {source}").fetchall()[0]
    infos = []
    for position, column in enumerate(columns):
        nulls, distinct, low, high = row[4 * position : 4 * position + 4]
        infos.append(ColumnInfo(column.name, column.type, nulls, distinct, low, high, column.description))
    return infos


@dataclass(frozen=True)
class OutputFile:
    """Where and how SQL writes an export."""

    folder: Path
    """The one folder that SQL may write in."""
    file: Path
    options: str
    """For COPY."""
    parquet: bool


@contextlib.contextmanager
def exported(path: Path) -> Iterator[OutputFile]:
    """Where and how to write an export to `path`.

    The file is put in place when the block ends well. Raises NuvError: USAGE for an unknown ending, NOT_FOUND
    for a missing folder, REFUSED where `path` is no plain file.
    """
    options = _FORMATS.get(path.suffix.lower())
    shown = path_to_text(str(path))
    if options is None:
        raise NuvError(
            f"Cannot export to {shown}",
            f"expected a file that ends in {', '.join(sorted(_FORMATS))}; found {path.suffix or 'no ending'}",
            "Name the file after the format you want.",
            Exit.USAGE,
        )
    if not path.parent.is_dir():
        raise NuvError(
            f"Cannot export to {shown}",
            "its folder does not exist",
            "Make the folder, then try again.",
            Exit.NOT_FOUND,
        )
    if path.exists() and not path.is_file():
        raise NuvError(f"Cannot export to {shown}", "there is something that is no file", "", Exit.REFUSED)
    try:
        # A folder with a plain name: DuckDB then never sees what the target is called.
        folder = atomic.temporary_name(path)
        folder.mkdir(0o700)
    except OSError as error:
        raise NuvError(f"Cannot export to {shown}", error.strerror or str(error)) from error
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    file = folder / "table"
    try:
        through = Path(f"/proc/self/fd/{descriptor}")
        yield OutputFile(through, through / "table", options, "parquet" in options)
        mode = _mode(path)
        written = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(written, mode)
            os.fsync(written)
        finally:
            os.close(written)
        file.replace(path)
        atomic.fsync_folder(path.parent)
    except OSError as error:
        raise NuvError(f"Cannot export to {shown}", error.strerror or str(error)) from error
    finally:
        os.close(descriptor)
        for leftover in folder.iterdir():
            leftover.unlink()
        folder.rmdir()


def _mode(path: Path) -> int:
    """Permissions for the file at `path`: those it has, else what the umask leaves."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def copy(
    connection: "Connection",
    source: str,
    columns: Sequence[Column],
    kinds: Sequence[Type],
    values: Sequence[str],
    target: "OutputFile",
    rows: int,
    name: str,
    reporter: Reporter,
) -> None:
    """Write `source` (SQL), each column an expression of `values`, to `target`, telling `reporter`."""
    if target.parquet:
        values = [types.portable(kind, value) for kind, value in zip(kinds, values, strict=True)]
    with access.explained(f"Table {name!r} cannot be exported"):
        access.run(
            connection,
            f"COPY (SELECT {selection(columns, values)} FROM {source}) "
            f"TO {literal(str(target.file))} ({target.options})",
            reporter,
            lambda done: reporter.progress(int(done * rows), rows, "rows", name),
        )
    reporter.progress(rows, rows, "rows", name)


def selection(columns: Sequence[Column], values: Sequence[str]) -> str:
    """The select list that names each of `values` as its column is called."""
    return ", ".join(
        f"{value} AS {identifier(column.name)}" for column, value in zip(columns, values, strict=True)
    )
