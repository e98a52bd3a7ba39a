"""What is read of tables: plain values, safe to put into JSON; no duckdb needed to read them."""

from typing import Any

import msgspec

from nuvtui.model.snapshot import Column


class TableInfo(msgspec.Struct, frozen=True):
    """A table of the Current State."""

    name: str
    rows: int
    columns: list[Column]
    description: str = ""


class ColumnInfo(msgspec.Struct, frozen=True):
    """A column with what can be said of its values."""

    name: str
    type: str
    nulls: int
    distinct: int | None
    """Approximate (a few per cent); None for nested types."""
    min: str | None
    max: str | None
    """Smallest and largest value as text; None for nested types and where all values are NULL."""
    description: str = ""


class Rows(msgspec.Struct, frozen=True):
    """Rows of a table or a query.

    Cells are None, bool, int (64 bits), float (finite) or str: whatever JSON cannot carry exactly is text as
    DuckDB writes it (dates, decimals, big integers, nested values; times with time zone in UTC).
    """

    columns: list[Column]
    rows: list[list[Any]]
    total: int | None = None
    """Rows there are in all; None where that is not known (queries)."""
    truncated: bool = False
    """True where more rows follow the ones given."""


class ColumnStats(msgspec.Struct, frozen=True):
    """A column with how its values are spread. Counts are exact but for `distinct` and `top` (a few per cent)."""

    name: str
    type: str
    rows: int
    nulls: int
    distinct: int | None = None
    """None for nested types."""
    min: str | None = None
    max: str | None = None
    bins: list[int] = []
    """Of numbers and times: rows in `BINS` equal steps from the smallest to the largest value."""
    top: list[tuple[str, int]] = []
    """Of anything else: the most frequent values with their rows, most frequent first."""
