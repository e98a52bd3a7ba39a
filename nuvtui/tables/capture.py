"""Tables between the Current State and the store: captured as Parquet, put back all or nothing.

A captured table is one Parquet file whose columns are called c0, c1, … in the table's order (names are in the
manifest, so renaming a column stores nothing again), encoded as `types` says, in the table's row order. The
file is the same for the same rows however many threads write it, so equal tables of two instances share their
chunks.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model.snapshot import TablePart, Warning
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter, Silent
from nuvtui.store.failure import store_errors
from nuvtui.store.store import Store
from nuvtui.store.writer import Writer
from nuvtui.tables import connection as access
from nuvtui.tables import schema, types
from nuvtui.tables.database import Tables
from nuvtui.tables.memory import Look, recall
from nuvtui.tables.schema import Schema
from nuvtui.tables.types import Type, identifier, literal

if TYPE_CHECKING:
    import duckdb

    from nuvtui.tables.connection import Connection

_OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"


def capture(
    tables: Tables,
    previous: Sequence[TablePart],
    writer: Writer,
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
    look = Look(memory, tables)
    known = {part.fingerprint: part for part in previous if part.content and _held(part, writer)}
    parts = []
    with _folder(tmp) as folder, tables.reading([folder]) as connection, _one_read(connection):
        schemas = schema.read(connection)
        lost = schema.not_kept(connection)
        for number, table in enumerate(schemas):
            reporter.check()
            reporter.progress(number, len(schemas), "steps", table.name)
            part = _described(connection, table, reporter)
            same = known.get(part.fingerprint)
            if same is None:
                file = folder / "table.parquet"
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


def _held(part: TablePart, writer: Writer) -> bool:
    return bool(part.content) and all(writer.has(bytes.fromhex(chunk)) for chunk in part.content)


def describe(
    tables: Tables, previous: Sequence[TablePart] = (), memory: Path | None = None
) -> list[TablePart]:
    """The tables as `capture` would record them, sorted by name, with nothing written.

    A part whose fingerprint is one of `previous` has its content, another one has none. `memory` as in `capture`.
    """
    if not tables.exists():
        return []
    known = {part.fingerprint: part for part in previous}
    recalled = recall(memory, tables) if memory is not None else None
    if recalled is not None:
        found = recalled.parts
    else:
        with tables.reading() as connection, _one_read(connection):
            found = [_described(connection, table, Silent()) for table in schema.read(connection)]
    parts = []
    for part in found:
        same = known.get(part.fingerprint)
        parts.append(_filled(part, same.content, same.bytes) if same else _filled(part, [], 0))
    return parts


def lay_out(tables: Tables, name: str, target: Path, reporter: Reporter | None = None) -> None:
    """Write a table of the Current State as the Parquet file that `capture` would store."""
    with tables.reading([target.parent]) as connection, access.explained(f"Table {name!r} cannot be read"):
        _write(connection, schema.find(connection, name), target, reporter or Silent())


def replace(
    tables: Tables,
    puts: Sequence[TablePart],
    removals: Sequence[str],
    store: Store,
    tmp: Path,
    reporter: Reporter,
) -> None:
    """Put captured tables into the Current State and remove others, in one transaction: all or nothing.

    A table of the same name is replaced; one to be removed that is not there is no error. Every table is
    compared with its fingerprint before the commit. Raises NuvError: CONFLICT where the database is held by another
    program, where a table that stays refers to one that goes, or where names differ only in case; StoreError
    where a captured table cannot be read from the store. Then the Current State is as it was.
    """
    if not puts and not (removals and tables.exists()):
        return
    with _folder(tmp) as folder:
        total = sum(part.bytes for part in puts)
        done = 0
        files = []
        for number, part in enumerate(puts):
            file = folder / f"{number}.parquet"
            with store_errors(f"reading table {part.name!r}"), open(file, "wb") as out:
                for piece in store.stream([bytes.fromhex(chunk) for chunk in part.content]):
                    reporter.check()
                    out.write(piece)
                    done += len(piece)
                    reporter.progress(done, total, "bytes", part.name)
            files.append(file)
        with access.writing(tables.path, [folder], storage=_storage(puts)) as connection:
            present = schema.read(connection)
            going = _going(connection, present, puts, removals)
            with access.transaction(connection):
                for table in going:
                    with access.explained(f"Table {table.name!r} cannot be replaced"):
                        connection.execute(f"DROP TABLE {table.sql_name}")
                for number, (part, file) in enumerate(zip(puts, files, strict=True)):
                    reporter.progress(number, len(puts), "steps", part.name)
                    _restore(connection, part, file, reporter)
                    with contextlib.suppress(OSError):
                        file.unlink()
                reporter.check()


def decoded(part: TablePart) -> tuple[list[Type], list[str]]:
    """The column types of a captured table, and the SQL that restores each column from its Parquet file."""
    kinds = schema.column_types(part.name, part.columns)
    return kinds, [types.decode(kind, f"c{position}") for position, kind in enumerate(kinds)]


@contextlib.contextmanager
def _folder(tmp: Path) -> Iterator[Path]:
    with store_errors("making a folder for unfinished files"):
        atomic.make_folder(tmp)
        made = tempfile.TemporaryDirectory(prefix="tables-", dir=tmp, ignore_cleanup_errors=True)
    with made as name:
        yield Path(name)


@contextlib.contextmanager
def _one_read(connection: "Connection") -> Iterator[None]:
    with access.explained("The tables cannot be read"):
        connection.execute("BEGIN TRANSACTION READ ONLY")
        yield
        connection.execute("COMMIT")


def _described(connection: "Connection", table: Schema, reporter: Reporter) -> TablePart:
    with access.explained(f"Table {table.name!r} cannot be read"):
        fingerprint, rows = schema.fingerprint(connection, table, reporter)
    return TablePart(
        table.name, rows, table.columns, fingerprint, [], 0, table.constraints, table.description
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
                f"WHERE CAST({live} AS VARCHAR) IS DISTINCT FROM CAST({restored} AS VARCHAR)"
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


def _storage(puts: Sequence[TablePart]) -> str:
    """The storage format that a new database needs to hold `puts`."""
    kinds = [kind for part in puts for kind in schema.column_types(part.name, part.columns)]
    return "latest" if any(types.is_recent(kind) for kind in kinds) else access.STORAGE_VERSION


def _going(
    connection: "Connection", present: Sequence[Schema], puts: Sequence[TablePart], removals: Sequence[str]
) -> list[Schema]:
    """The tables to drop, in an order that foreign keys allow. Raises NuvError (CONFLICT)."""
    asked = {part.name for part in puts} | set(removals)
    names: dict[str, str] = {}
    for part in puts:
        other = names.setdefault(part.name.lower(), part.name)
        if other != part.name:
            raise _alike(part.name, other)
    going = {table.name: table for table in present if table.name in asked}
    for table in present:
        new = names.get(table.name.lower())
        if table.name not in asked and new is not None:
            raise _alike(new, table.name)
    references: dict[str, set[str]] = {}
    for table_name, referred in connection.execute(
        "SELECT table_name, referenced_table FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' "
        "AND database_name = current_database() AND schema_name = 'main'"
    ).fetchall():
        references.setdefault(str(referred), set()).add(str(table_name))
    for name in going:
        staying = sorted(references.get(name, set()) - going.keys())
        if staying:
            raise NuvError(
                f"Table {name!r} cannot be replaced or removed",
                f"the table {staying[0]!r}, which stays, refers to it by a foreign key",
                "Replace or remove both together, or drop the foreign key.",
                Exit.CONFLICT,
            )
    ordered: list[Schema] = []
    left = dict(going)
    while left:
        # Those that no other one left refers to; a circle of references cannot be made in DuckDB.
        free = [name for name in left if not (references.get(name, set()) - {name}) & left.keys()] or list(
            left
        )
        ordered += [left.pop(name) for name in free]
    return ordered


def _alike(one: str, other: str) -> NuvError:
    return NuvError(
        f"Tables {one!r} and {other!r} cannot be in one instance",
        "DuckDB does not tell names apart that differ only in upper and lower case",
        "Rename one of them.",
        Exit.CONFLICT,
    )


def _restore(connection: "Connection", part: TablePart, file: Path, reporter: Reporter) -> None:
    table = Schema(part.name, part.columns, part.constraints, part.description)
    _kinds, values = decoded(part)
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
                "Copy that database into a new file with `ATTACH … (STORAGE_VERSION 'latest')` in DuckDB.",
                Exit.REFUSED,
            ) from error
        access.run(
            connection,
            f"INSERT INTO {table.sql_name} SELECT {', '.join(values)} FROM read_parquet({literal(str(file))})",
            reporter,
        )
        for statement in schema.comment_sql(table):
            connection.execute(statement)
        fingerprint, rows = schema.fingerprint(connection, table, reporter)
    if rows != part.rows or (
        schema.comparable(fingerprint, part.fingerprint) and fingerprint != part.fingerprint
    ):
        raise StoreError(
            title,
            f"expected {part.rows} rows with fingerprint {part.fingerprint}, found {rows} with {fingerprint}",
            "Run `nuvtui store check --read-data`.",
        )
