"""Captured tables: read, compared, queried and exported, without touching any Current State.

A captured table is laid out as a file in the store's cache folder the first time it is looked at; the file is
verified by the store while it is written, and put in place whole. What has not been used for long makes room.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from nuvtui import atomic
from nuvtui.model.diff import TableChange
from nuvtui.model.snapshot import Column, TablePart
from nuvtui.reporter import Reporter, Silent
from nuvtui.store.failure import store_errors
from nuvtui.store.store import Store
from nuvtui.tables import capture, distribution, output, types
from nuvtui.tables import connection as access
from nuvtui.tables.types import Type, identifier, literal
from nuvtui.tables.values import ColumnInfo, Distribution, Rows

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

__all__ = ["Captured", "Column", "ColumnInfo", "Rows", "compare", "compare_files", "diff_tables", "query"]

CACHE_BYTES = 2 << 30
"""Laid out files may take so much together."""
IN_USE = 600.0
"""Seconds after its last use in which a laid out file is not removed."""


class Captured:
    """One table of a snapshot."""

    def __init__(self, store: Store, part: TablePart, cache: Path) -> None:
        self.part = part
        self._store = store
        self._cache = cache

    def file(self) -> Path:
        """The table's Parquet file in the cache (columns c0, c1, … encoded). Raises StoreError."""
        file = self._cache / f"{blake3(' '.join(self.part.content).encode()).hexdigest(length=20)}.parquet"
        with store_errors(f"laying out table {self.part.name!r}"):
            try:
                if file.stat().st_size == self.part.bytes:
                    os.utime(file)
                    return file
            except FileNotFoundError:
                pass
            atomic.make_folder(self._cache)
            _make_room(self._cache, self.part.bytes)
            temporary = atomic.temporary_name(file)
            try:
                with open(temporary, "xb") as out:
                    for piece in self._store.stream([bytes.fromhex(chunk) for chunk in self.part.content]):
                        out.write(piece)
                temporary.replace(file)
            finally:
                temporary.unlink(missing_ok=True)
        return file

    @contextlib.contextmanager
    def _opened(
        self, allow: Sequence[Path] = ()
    ) -> Iterator[tuple["Connection", str, list[Type], list[str]]]:
        file = self.file()
        kinds, values = capture.decoded(self.part)
        with access.scratch([file, *allow], self._cache / "spill") as connection:
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

    def distributions(self) -> list[Distribution]:
        """The table's columns with how their values are spread."""
        with self._opened() as (connection, source, kinds, values):
            return distribution.distributions(connection, source, self.part.columns, kinds, values)

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
    files = [Captured(store, part, cache).file() for part in used]
    with access.scratch(files, cache / "spill") as connection:
        for part, file in zip(used, files, strict=True):
            _kinds, values = capture.decoded(part)
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
    return compare_files(
        old,
        new,
        Captured(store, old, cache).file() if old and new else None,
        Captured(store, new, cache).file() if old and new else None,
    )


def compare_files(
    old: TablePart | None, new: TablePart | None, old_file: Path | None, new_file: Path | None
) -> TableChange:
    """How a table differs; the files are the Parquet files of the two parts (see `Captured.file`).

    Without files no rows are compared. Both parts None is a ValueError.
    """
    if new is None:
        if old is None:
            raise ValueError("nothing to compare")
        return TableChange(old.name, "removed", old_rows=old.rows, columns_removed=list(old.columns))
    if old is None:
        return TableChange(new.name, "added", new_rows=new.rows, columns_added=list(new.columns))
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    common = [name for name in after if name in before and after[name].type == before[name].type]
    added = removed = None
    if common and old_file is not None and new_file is not None:
        added, removed = diff_tables(
            old_file,
            new_file,
            [list(before).index(name) for name in common],
            [list(after).index(name) for name in common],
            [before[name].type for name in common],
        )
    return TableChange(
        new.name,
        "changed",
        old.rows,
        new.rows,
        [column for name, column in after.items() if name not in before],
        [column for name, column in before.items() if name not in after],
        [
            (before[name], after[name])
            for name in after
            if name in before and before[name].type != after[name].type
        ],
        added,
        removed,
    )


def diff_tables(
    old: Path, new: Path, old_columns: Sequence[int], new_columns: Sequence[int], kinds: Sequence[str]
) -> tuple[int, int]:
    """Rows of the Parquet file `new` that `old` lacks, and the other way round (as multisets).

    `old_columns` and `new_columns`: positions of the columns to compare, pair by pair; `kinds` their types.
    Rows are compared by a 128-bit hash.
    """

    def hashes(file: Path, positions: Sequence[int], sign: int) -> str:
        values = []
        for position, text in zip(positions, kinds, strict=True):
            values.append(f"c{position}")
            kind = types.parse(text)
            if types.holds_float(kind):
                values.append(f"CAST(c{position} AS VARCHAR)" if kind.nested else f"signbit(c{position})")
        listed = ", ".join(values)
        return (
            f"SELECT hash({listed}, 0) AS h, hash('nuvtui', {listed}) AS g, {sign} AS n "
            f"FROM read_parquet({literal(str(file))})"
        )

    with access.scratch([old, new], new.parent / "spill") as connection:
        access.seal(connection)
        with access.explained("The tables cannot be compared"):
            added, removed = connection.execute(
                "SELECT coalesce(sum(greatest(n, 0)), 0), coalesce(sum(greatest(-n, 0)), 0) FROM ("
                "SELECT sum(n) AS n FROM ("
                f"{hashes(new, new_columns, 1)} UNION ALL {hashes(old, old_columns, -1)}) GROUP BY h, g)"
            ).fetchall()[0]
    return int(added), int(removed)


def _make_room(cache: Path, needed: int) -> None:
    """Remove the files used least recently until `needed` bytes fit in; none that was used just now."""
    files = []
    for entry in os.scandir(cache):
        with contextlib.suppress(FileNotFoundError):
            if entry.name.endswith(".parquet") and entry.is_file(follow_symlinks=False):
                files.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    total = sum(size for _, size, _ in files) + needed
    for used, size, path in sorted(files):
        if total <= CACHE_BYTES or time.time() - used < IN_USE:
            return
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        total -= size
