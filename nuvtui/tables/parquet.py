"""Captured tables: read, compared, queried and exported, without touching any Current State.

A captured table is laid out as a file in the store's cache folder the first time it is looked at (`scratch`); the
file is verified by the store while it is written, and put in place whole.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from nuvtui.model.diff import TableChange
from nuvtui.model.snapshot import Column, TablePart
from nuvtui.model.table import ColumnInfo, ColumnStats, Rows
from nuvtui.reporter import Reporter, Silent
from nuvtui.store.failure import store_errors
from nuvtui.store.store import Store
from nuvtui.tables import captured, column_stats, output, scratch
from nuvtui.tables import compare as _compare
from nuvtui.tables import connection as access
from nuvtui.tables.compare import Side
from nuvtui.tables.types import Type, identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

__all__ = ["Captured", "Column", "ColumnInfo", "Rows", "compare", "query"]


@contextlib.contextmanager
def spill(cache: Path) -> Iterator[Path]:
    """A folder for what does not fit into memory."""
    with contextlib.ExitStack() as stack:
        with store_errors("making a folder for unfinished files"):
            folder = stack.enter_context(scratch.folder(cache))
        yield folder


class Captured:
    """A table of a snapshot, read from its captured Parquet files."""

    def __init__(self, store: Store, part: TablePart, cache: Path) -> None:
        self.part = part
        self._store = store
        self._cache = cache

    @contextlib.contextmanager
    def laid_out(self) -> Iterator[Path]:
        """The table's Parquet file in the cache (columns c0, c1, … encoded), held as long as the block runs.

        Raises StoreError.
        """
        name = f"{blake3(' '.join(self.part.content).encode()).hexdigest(length=20)}.parquet"

        def write(out: BinaryIO) -> None:
            for piece in self._store.stream([bytes.fromhex(chunk) for chunk in self.part.content]):
                out.write(piece)

        with contextlib.ExitStack() as stack:
            with store_errors(f"laying out table {self.part.name!r}"):
                file = stack.enter_context(scratch.laid_out(self._cache, name, self.part.bytes, write))
            yield file

    @contextlib.contextmanager
    def _opened(
        self, allow: Sequence[Path] = ()
    ) -> Iterator[tuple["Connection", str, list[Type], list[str]]]:
        kinds, values = captured.decoded(self.part)
        with (
            self.laid_out() as file,
            spill(self._cache) as folder,
            access.scratch([file, *allow], folder) as connection,
        ):
            access.seal(connection)
            with access.explained(f"Table {self.part.name!r} cannot be read"):
                yield connection, f"read_parquet({literal(str(file))})", kinds, values

    def preview(self, offset: int = 0, limit: int = 100) -> Rows:
        """Rows of the table, in their order; long cells are cut."""
        with self._opened() as (connection, source, _kinds, values):
            return output.page(connection, source, self.part.columns, values, offset, limit, self.part.rows)

    def columns(self) -> list[ColumnInfo]:
        """The table's columns with facts on their values."""
        with self._opened() as (connection, source, kinds, values):
            return output.column_infos(connection, source, self.part.columns, kinds, values)

    def column_stats(self) -> list[ColumnStats]:
        """The table's columns with how their values are spread."""
        with self._opened() as (connection, source, kinds, values):
            return column_stats.column_stats(connection, source, self.part.columns, kinds, values)

    def export(self, path: Path, reporter: Reporter | None = None) -> None:
        """Write the table to a CSV, TSV or Parquet file, by the file's ending; a file there is replaced."""
        with (
            output.exported(path) as target,
            self._opened([target.folder]) as (connection, source, kinds, values),
        ):
            output.copy(
                connection,
                source,
                self.part.columns,
                kinds,
                values,
                target,
                self.part.rows,
                self.part.name,
                reporter or Silent(),
            )


def query(
    parts: Sequence[TablePart],
    store: Store,
    cache: Path,
    sql: str,
    limit: int = 1000,
    clip: int | None = None,
) -> Rows:
    """The result of one statement that reads the captured tables `parts`; as `Tables.query`."""
    with access.scratch() as probe:
        access.seal(probe)
        wanted = _mentioned(probe, sql)
    # Only what the query names is laid out; SHOW and the like name nothing and need all names.
    used = [part for part in parts if wanted is None or part.name.lower() in wanted]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(Captured(store, part, cache).laid_out()) for part in used]
        connection = stack.enter_context(access.scratch(files, stack.enter_context(spill(cache))))
        for part, file in zip(used, files, strict=True):
            _kinds, values = captured.decoded(part)
            with access.explained(f"Table {part.name!r} cannot be read"):
                connection.execute(
                    f"CREATE VIEW {identifier(part.name)} AS SELECT {output.selection(part.columns, values)} "
                    f"FROM read_parquet({literal(str(file))})"
                )
        access.seal(connection)
        return output.query(connection, sql, limit, clip)


def _mentioned(connection: "Connection", sql: str) -> set[str] | None:
    """Lower-case names of the tables that `sql` reads; None where that cannot be told."""
    try:
        names = connection.get_table_names(sql)
    except access.database_error():
        return None
    return {name.lower() for name in names} or None


def compare(old: TablePart | None, new: TablePart | None, store: Store, cache: Path) -> TableChange:
    """How a captured table differs from an older one; None: not there. Rows are counted where both are."""
    if old is None or new is None:
        return _compare.change(Side(old) if old else None, Side(new) if new else None)
    with (
        Captured(store, old, cache).laid_out() as before,
        Captured(store, new, cache).laid_out() as after,
        spill(cache) as folder,
    ):
        return _compare.change(Side(old, before), Side(new, after), folder)
