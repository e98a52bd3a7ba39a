"""Tables from the Current State into the store, as Parquet; `replace` puts them back.

A captured table is one Parquet file whose columns are called c0, c1, … in the table's order (names are in the
manifest, so renaming a column stores nothing again), encoded as `types` says, in the table's row order. The
file is the same for the same rows however many threads write it, so equal tables of two instances share their
chunks.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model.snapshot import TablePart, Warning
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter, Silent
from nuvtui.store.failure import store_errors
from nuvtui.store.store import Store
from nuvtui.store.writer import ObjectWriter
from nuvtui.tables import captured, fingerprint, schema, types
from nuvtui.tables import connection as access
from nuvtui.tables.database import Tables
from nuvtui.tables.memory import CachedLook, recall
from nuvtui.tables.replace import Replaced, replace, replacing
from nuvtui.tables.schema import Schema
from nuvtui.tables.types import Type, identifier, literal

if TYPE_CHECKING:
    import duckdb

    from nuvtui.tables.connection import Connection

__all__ = ["Replaced", "capture", "describe", "lay_out", "replace", "replacing"]

_OPTIONS = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {fingerprint.BLOCK}"
"""Level 1: files as small as with DuckDB's own level 3, in half the time."""


def capture(
    tables: Tables,
    previous: Sequence[TablePart],
    writer: ObjectWriter,
    tmp: Path,
    reporter: Reporter,
    memory: Path,
) -> tuple[list[TablePart], list[Warning]]:
    """Capture every table in one consistent read; returns the parts sorted by name, and what is not kept.

    A table whose fingerprint is one of `previous` is not written again. `tmp`: folder for unfinished files,
    on the store's disk. `memory`: file of `tables.memory`: an unchanged database is not opened. Raises NuvError
    where the database is held by another program or cannot be read, StoreError where the store's disk fails;
    whatever was added to `writer` by then is to be dropped.
    """
    if not tables.exists():
        return [], []
    file_name = f"{DOT}/{tables.path.name}"
    recalled = recall(memory, tables)
    if recalled is not None and all(_held(part, writer) for part in recalled.parts):
        return recalled.parts, [Warning(file_name, sentence) for sentence in recalled.lost]
    look = CachedLook(memory, tables)
    held = [part for part in previous if _held(part, writer)]
    known = {fingerprint.content(part.fingerprint): part for part in held}
    parts = []
    with captured.unfinished(tmp) as folder, tables.reading([folder]) as connection, _one_read(connection):
        schemas = schema.read(connection)
        lost = schema.not_kept(connection)
        if tables.log_is_older():
            lost.append(
                f"the write-ahead log {access.log_of(tables.path).name} is older than the database; if another database "
                "was put in its place, rows of the earlier one are among the tables now"
            )
        for number, table in enumerate(schemas):
            reporter.check()
            reporter.progress(number, len(schemas), "steps", table.name)
            part = _described(connection, table, reporter)
            file = folder / "table.parquet"
            same = known.get(fingerprint.content(part.fingerprint)) or _same_of_old(
                connection, part, held, writer.store, file, reporter
            )
            if same is None:
                _write(connection, table, file, reporter)
                with store_errors(f"capturing table {table.name!r}"), open(file, "rb", buffering=0) as stream:
                    chunks, size = writer.put_stream(stream.readinto)
                with contextlib.suppress(OSError):
                    file.unlink()
                content = [chunk.hex() for chunk in chunks]
            else:
                content, size = same.content, same.bytes
            parts.append(_filled(part, content, size))
        reporter.progress(len(schemas), len(schemas), "steps")
    # Once the objects are durable: what is remembered is taken for held.
    writer.after_commit(lambda: look.keep(parts, lost))
    return parts, [Warning(file_name, sentence) for sentence in lost]


def _held(part: TablePart, writer: ObjectWriter) -> bool:
    return bool(part.content) and all(writer.has(bytes.fromhex(chunk)) for chunk in part.content)


def _same_of_old(
    connection: "Connection",
    part: TablePart,
    held: Sequence[TablePart],
    store: Store,
    file: Path,
    reporter: Reporter,
) -> TablePart | None:
    """The part of `held` that has the rows of `part`, where its fingerprint cannot tell (see `fingerprint`)."""
    for old in held:
        if (
            old.name == part.name
            and old.rows == part.rows
            and [column.type for column in old.columns] == [column.type for column in part.columns]
            and not fingerprint.comparable(old.fingerprint, part.fingerprint)
        ):
            captured.lay_out(old, store, file, reporter)
            found = captured.print_of(connection, old, file, reporter).fingerprint
            return old if fingerprint.content(found) == fingerprint.content(part.fingerprint) else None
    return None


def describe(
    tables: Tables, previous: Sequence[TablePart] = (), memory: Path | None = None
) -> list[TablePart]:
    """The tables as `capture` would record them, sorted by name, with nothing written.

    A part that has the rows of one of `previous` has its content, another one has none. `memory` as in `capture`.
    """
    if not tables.exists():
        return []
    known = {fingerprint.content(part.fingerprint): part for part in previous}
    recalled = recall(memory, tables) if memory is not None else None
    if recalled is not None:
        found = recalled.parts
    else:
        with tables.reading() as connection, _one_read(connection):
            found = [_described(connection, table, Silent()) for table in schema.read(connection)]
    parts = []
    for part in found:
        same = known.get(fingerprint.content(part.fingerprint))
        parts.append(_filled(part, same.content, same.bytes) if same else _filled(part, [], 0))
    return parts


def lay_out(tables: Tables, name: str, target: Path, reporter: Reporter | None = None) -> None:
    """Write a table of the Current State as the Parquet file that `capture` would store."""
    with tables.reading([target.parent]) as connection, access.explained(f"Table {name!r} cannot be read"):
        _write(connection, schema.find(connection, name), target, reporter or Silent())


@contextlib.contextmanager
def _one_read(connection: "Connection") -> Iterator[None]:
    with access.explained("The tables cannot be read"):
        connection.execute("BEGIN TRANSACTION READ ONLY")
        yield
        connection.execute("COMMIT")


def _described(connection: "Connection", table: Schema, reporter: Reporter) -> TablePart:
    with access.explained(f"Table {table.name!r} cannot be read"):
        found = fingerprint.of_table(connection, table, reporter)
    return TablePart(
        table.name,
        found.rows,
        table.columns,
        found.fingerprint,
        [],
        0,
        table.constraints,
        table.description,
        found.blocks,
    )


def _filled(part: TablePart, content: list[str], size: int) -> TablePart:
    return msgspec.structs.replace(part, content=content, bytes=size)


def _write(connection: "Connection", table: Schema, file: Path, reporter: Reporter) -> None:
    import duckdb

    kinds = table.types()
    values = ", ".join(
        f"{types.encode(kind, f'source.{identifier(column.name)}')} AS c{position}"
        for position, (column, kind) in enumerate(zip(table.columns, kinds, strict=True))
    )
    try:
        access.run(
            connection,
            f"COPY (SELECT {values} FROM {table.sql_name} AS source) TO {literal(str(file))} ({_OPTIONS})",
            reporter,
        )
    except duckdb.Error as error:
        raise _failed(error, table, file) from error
    doubtful = [
        (column.name, kind)
        for column, kind in zip(table.columns, kinds, strict=True)
        if not types.is_known(kind)
    ]
    if doubtful:
        _verify(connection, table, doubtful, file)


def _failed(error: "duckdb.Error", table: Schema, file: Path) -> NuvError:
    """Whose fault a failed COPY is: the disk of the store's, or the table's."""
    failure = access.translate(error, f"Table {table.name!r} cannot be captured")
    if str(file) in str(error) or "disk is full" in failure.message:
        return StoreError(
            "The store failed", f"writing table {table.name!r}: {failure.message}", failure.hint
        )
    if "VARIANT" in failure.message:
        return _unsupported(table.name, failure.message)
    return failure


def _unsupported(table: str, detail: str) -> NuvError:
    return NuvError(
        f"Table {table!r} cannot be captured",
        detail,
        "Change the column's type (VARCHAR holds anything), or move the table to another schema than main.",
        Exit.REFUSED,
    )


def _verify(connection: "Connection", table: Schema, doubtful: list[tuple[str, Type]], file: Path) -> None:
    """Compare columns of types that nuvtui knows nothing of with what Parquet gives back."""
    positions = {column.name: position for position, column in enumerate(table.columns)}
    for name, kind in doubtful:
        live, stored = f"live.{identifier(name)}", f"stored.c{positions[name]}"
        restored = types.decode(kind, stored)
        try:
            (differing,) = connection.execute(
                f"SELECT count(*) FROM (SELECT * FROM {table.sql_name}) AS live "
                f"POSITIONAL JOIN read_parquet({literal(str(file))}) AS stored "
                f"WHERE hash({', '.join(types.digest(kind, live))}) "
                f"<> hash({', '.join(types.digest(kind, restored))})"
            ).fetchall()[0]
            (found,) = connection.execute(
                f"SELECT typeof({restored}) FROM (SELECT 1) LEFT JOIN read_parquet({literal(str(file))}) "
                "AS stored ON true LIMIT 1"
            ).fetchall()[0]
        except access.database_error() as error:
            raise _unsupported(
                table.name, f"column {name!r}: {access.translate(error, '').message}"
            ) from error
        if differing or types.render(types.parse(str(found))) != types.render(kind):
            raise _unsupported(
                table.name,
                f"column {name!r} of type {types.render(kind)} does not come back from Parquet as it was",
            )
