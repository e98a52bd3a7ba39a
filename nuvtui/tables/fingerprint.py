"""The fingerprint that tells whether a table changed, and the blocks that tell where.

It is equal wherever and whenever the same values stand in the same order under the same columns, constraints and
descriptions; the table's name is not in it. It is computed inside DuckDB in one streaming pass, ten times faster than
writing the table: every value is turned into what DuckDB's 64-bit `hash` tells apart (`types.digest`), every row is hashed
with its position in two ways, and the hashes are added up for each block of `BLOCK` rows.

A fingerprint reads `SCHEME+PROBE-ROWS-SHAPE`. DuckDB may change its `hash` between versions, so it begins with a
probe of it; and with the scheme that nuvtui computes it by, 2 now (1, which has no digit for it, took some different
values for equal). Fingerprints with different beginnings say nothing about each other: what stands in the store is
then read and computed anew (`comparable`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables import types
from nuvtui.tables.types import Type

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection
    from nuvtui.tables.schema import Schema

SCHEME = "2"
BLOCK = 122_880
"""Rows of a block: those of a row group of DuckDB and of the Parquet files."""
DIGITS = 16
"""Hexadecimal digits of a block in `TablePart.blocks`."""


@dataclass(frozen=True)
class Print:
    """What `of` finds out of a table."""

    fingerprint: str
    rows: int
    blocks: str
    """As `TablePart.blocks`."""


def of(
    connection: "Connection",
    schema: "Schema",
    source: str,
    values: Sequence[str],
    reporter: Reporter,
) -> Print:
    """The print of the rows of `source` (SQL), which has each column of `schema` as an expression of `values`.

    Stops where the reporter is cancelled.
    """
    kinds = schema.types()
    found = access.run(
        connection,
        f"SELECT (p - 1) // {BLOCK} AS block, count(*), {hashes(kinds)} "
        f"FROM (SELECT row_number() OVER () AS p, {named(values)} FROM {source}) GROUP BY block ORDER BY block",
        reporter,
    )
    blocks = "".join(
        blake3(f"{count} {first} {second}".encode()).hexdigest(length=DIGITS // 2)
        for _, count, first, second in found
    )
    rows = sum(int(str(count)) for _, count, _, _ in found)
    content = msgspec.json.encode(
        [[types.render(kind) for kind in kinds], [[str(part) for part in row] for row in found]]
    )
    shape = msgspec.json.encode(
        [
            [(column.name, column.type, column.description) for column in schema.columns],
            schema.constraints,
            schema.description,
        ]
    )
    return Print(
        f"{SCHEME}{_probe(connection)}-{blake3(content).hexdigest(length=16)}"
        f"-{blake3(shape).hexdigest(length=16)}",
        rows,
        blocks if len(blocks) > DIGITS else "",
    )


def of_table(connection: "Connection", table: "Schema", reporter: Reporter) -> Print:
    """The print of a table of the attached database."""
    values = [f"source.{types.identifier(column.name)}" for column in table.columns]
    return of(connection, table, f"{table.sql_name} AS source", values, reporter)


def named(values: Sequence[str]) -> str:
    """The select list that calls `values` c0, c1, …, as `hashes` wants them."""
    return ", ".join(f"{value} AS c{position}" for position, value in enumerate(values))


def row_hashes(kinds: Sequence[Type], position: str = "") -> tuple[str, str]:
    """Two hashes (SQL) of a row of columns c0, c1, …, and of `position`, an expression, where it is given."""
    listed = ", ".join(part for number, kind in enumerate(kinds) for part in types.digest(kind, f"c{number}"))
    before, after = (f"{position}, ", f", {position}") if position else ("", "")
    return f"hash(hash({before}{listed}))", f"hash(hash('nuvtui', {listed}{after}))"


def hashes(kinds: Sequence[Type]) -> str:
    """The two sums (SQL) over rows of columns p (the position), c0, c1, …"""
    first, second = row_hashes(kinds, "p")
    return f"sum({first}), sum({second})"


def comparable(one: str, other: str) -> bool:
    """True where two fingerprints were made with the same hash function and scheme."""
    return one.partition("-")[0] == other.partition("-")[0]


def content(fingerprint: str) -> str:
    """The part of a fingerprint that two tables with the same types and values share, whatever they are called.

    Of one of scheme 1 all of it.
    """
    return fingerprint.rpartition("-")[0] if fingerprint.count("-") > 1 else fingerprint


def _probe(connection: "Connection") -> str:
    (value,) = connection.execute(
        "SELECT hash(hash(1::BIGINT, 'nuvtui', 2.5::DOUBLE, NULL::VARCHAR, DATE '2020-02-29', true, "
        "'bcdefghijklmnopqrst', '\\x00'::BLOB, 1.25::DECIMAL(18,2), [1::UBIGINT, 2, NULL]))"
    ).fetchall()[0]
    return f"{value & 0xFFFFFFFF:08x}"
