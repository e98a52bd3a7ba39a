"""How a table differs between two states, row by row, whatever its size, in little memory.

Each side is a captured table (a Parquet file) or a live one (in its database). Blocks of rows that are known to be
equal are not read (`TablePart.blocks`). The rows of the others are counted by their hashes: first in buckets, so that
only rows of buckets that differ are grouped one by one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui.model.diff import TableChange
from nuvtui.model.snapshot import TablePart
from nuvtui.reporter import Reporter, Silent
from nuvtui.tables import captured, fingerprint, schema
from nuvtui.tables import connection as access
from nuvtui.tables.database import Tables
from nuvtui.tables.types import Type, identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

MEMORY = "256MB"
"""What DuckDB may take; what does not fit in is put on disk."""
_BUCKETS = 1 << 16
_FEW = 4 * fingerprint.BLOCK
"""Rows that are grouped at once, without buckets."""


@dataclass(frozen=True)
class Side:
    """A table of one of the states. One of `file` and `live` is given, unless rows are not to be compared."""

    part: TablePart
    file: Path | None = None
    """The table's Parquet file."""
    live: Tables | None = None

    def columns(self) -> tuple[str, list[str]]:
        """Where SQL finds the table, and each of its columns there."""
        if self.file is not None:
            return f"read_parquet({literal(str(self.file))})", captured.decoded(self.part)[1]
        return f"{captured.shape(self.part).sql_name} AS source", [
            f"source.{identifier(column.name)}" for column in self.part.columns
        ]


def change(
    old: Side | None, new: Side | None, spill: Path | None = None, reporter: Reporter | None = None
) -> TableChange:
    """How a table differs; None: it is not there. Both None is a ValueError.

    At most one of the sides is live. `spill`: folder for what does not fit into memory.
    """
    if new is None:
        if old is None:
            raise ValueError("nothing to compare")
        part = old.part
        return TableChange(part.name, "removed", old_rows=part.rows, columns_removed=list(part.columns))
    if old is None:
        part = new.part
        return TableChange(part.name, "added", new_rows=part.rows, columns_added=list(part.columns))
    before = {column.name: column for column in old.part.columns}
    after = {column.name: column for column in new.part.columns}
    common = [name for name in after if name in before and after[name].type == before[name].type]
    added = removed = None
    if common and _readable(old) and _readable(new):
        added, removed = _rows(old, new, common, spill, reporter or Silent())
    both = [name for name in after if name in before]
    return TableChange(
        new.part.name,
        "changed",
        old.part.rows,
        new.part.rows,
        [column for name, column in after.items() if name not in before],
        [column for name, column in before.items() if name not in after],
        [(before[name], after[name]) for name in both if before[name].type != after[name].type],
        added,
        removed,
        [name for name in both if before[name].description != after[name].description],
        old.part.description != new.part.description,
        old.part.constraints != new.part.constraints,
    )


def reprinted(side: Side, reporter: Reporter) -> Side:
    """`side` with the print that is made of a captured table now; a live one has that already."""
    if side.file is None:
        return side
    with access.scratch([side.file], None, MEMORY) as connection:
        access.seal(connection)
        with access.explained(f"Table {side.part.name!r} cannot be read"):
            found = captured.print_of(connection, side.part, side.file, reporter)
    part = msgspec.structs.replace(side.part, fingerprint=found.fingerprint, blocks=found.blocks)
    return Side(part, side.file)


def _readable(side: Side) -> bool:
    return side.file is not None or side.live is not None


def _rows(
    old: Side, new: Side, names: Sequence[str], spill: Path | None, reporter: Reporter
) -> tuple[int, int]:
    """Rows of `new` that `old` lacks, and the other way round (as multisets), over the columns `names`."""
    types = {column.name: kind for column, kind in zip(new.part.columns, _kinds(new.part), strict=True)}
    kinds = [types[name] for name in names]
    stretches = _stretches(old.part, new.part)
    rows = sum(min(count, side.part.rows) for count, side in ((_length(stretches, s), s) for s in (old, new)))
    counted = [_counted(side, names, kinds, stretches, sign) for side, sign in ((new, 1), (old, -1))]
    everything = " UNION ALL ".join(counted)
    with _opened(old, new, spill) as connection, access.explained("The tables cannot be compared"):
        chosen = ""
        if rows > _FEW:
            differing = access.run(
                connection,
                f"SELECT h % {_BUCKETS} AS bucket FROM ({everything}) GROUP BY bucket "
                "HAVING sum(n) <> 0 OR sum(g::HUGEINT * n) <> 0",
                reporter,
            )
            if not differing:
                return 0, 0
            if len(differing) < _BUCKETS // 2:
                chosen = f" WHERE h % {_BUCKETS} IN ({', '.join(str(bucket) for (bucket,) in differing)})"
        ((added, removed),) = access.run(
            connection,
            "SELECT coalesce(sum(greatest(n, 0)), 0), coalesce(sum(greatest(-n, 0)), 0) FROM ("
            f"SELECT sum(n) AS n FROM ({everything}){chosen} GROUP BY h, g)",
            reporter,
        )
    return int(str(added)), int(str(removed))


def _kinds(part: TablePart) -> list[Type]:
    return schema.column_types(part.name, part.columns)


def _stretches(old: TablePart, new: TablePart) -> list[tuple[int, int]] | None:
    """Stretches of blocks (first, one after the last) that are not known to be equal; None: all of the table."""
    same_columns = [(c.name, c.type) for c in old.columns] == [(c.name, c.type) for c in new.columns]
    if not (same_columns and fingerprint.comparable(old.fingerprint, new.fingerprint)):
        return None
    step = fingerprint.DIGITS
    blocks = max(-(-part.rows // fingerprint.BLOCK) for part in (old, new))
    differing = [
        at
        for at in range(blocks)
        if (one := old.blocks[at * step : (at + 1) * step]) != new.blocks[at * step : (at + 1) * step]
        or not one
    ]
    stretches: list[tuple[int, int]] = []
    for at in differing:
        if stretches and stretches[-1][1] == at:
            stretches[-1] = stretches[-1][0], at + 1
        else:
            stretches.append((at, at + 1))
    return stretches


def _length(stretches: list[tuple[int, int]] | None, side: Side) -> int:
    if stretches is None:
        return side.part.rows
    return sum(end - first for first, end in stretches) * fingerprint.BLOCK


def _counted(
    side: Side,
    names: Sequence[str],
    kinds: Sequence[Type],
    stretches: list[tuple[int, int]] | None,
    sign: int,
) -> str:
    """SQL for the hashes h and g of each row to compare, with the number `sign` as n."""
    source, values = side.columns()
    of = {column.name: value for column, value in zip(side.part.columns, values, strict=True)}
    listed = fingerprint.named([of[name] for name in names])
    first, second = fingerprint.row_hashes(kinds)
    if stretches is None or len(stretches) > 16:
        pieces = [f"SELECT {listed} FROM {source}"]
    else:
        pieces = [
            f"SELECT {listed} FROM (SELECT * FROM {source} LIMIT {(end - at) * fingerprint.BLOCK} "
            f"OFFSET {at * fingerprint.BLOCK}){' AS source' if side.live else ''}"
            for at, end in stretches
        ] or [f"SELECT {listed} FROM {source} LIMIT 0"]
    return " UNION ALL ".join(
        f"SELECT {first} AS h, {second} AS g, {sign} AS n FROM ({piece})" for piece in pieces
    )


@contextmanager
def _opened(old: Side, new: Side, spill: Path | None) -> Iterator["Connection"]:
    files = [side.file for side in (old, new) if side.file is not None]
    live = [side.live for side in (old, new) if side.file is None and side.live is not None]
    if live:
        with live[0].reading(files, MEMORY, spill) as connection:
            yield connection
        return
    with access.scratch(files, spill, MEMORY) as connection:
        access.seal(connection)
        yield connection
