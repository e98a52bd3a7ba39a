"""What an import is asked for and what it tells: plain values, safe to put into JSON."""

from typing import Any, Literal

import msgspec

from nuvtui.model.snapshot import Column

DoubtKind = Literal[
    "header",
    "title",
    "encoding",
    "missing word",
    "leading zero",
    "plus sign",
    "exponent",
    "thousands separator",
    "decimal comma",
    "trailing zero",
    "too many digits",
    "no finite number",
    "other digits",
    "spaces",
    "day or month first",
    "two-digit year",
    "time zone",
    "time of day",
    "no such day",
    "truth value",
    "other values",
]


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user says of a file; None or empty: to be recognised."""

    delimiter: str | None = None
    quote: str | None = None
    """One character; empty: nothing is quoted."""
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    header: bool | None = None
    skip: int | None = None
    """Lines before the header."""
    comment: str | None = None
    """Lines that begin so are left out."""
    null: list[str] = []
    """Words that stand for a missing value, besides the empty field."""
    types: dict[str, str] = {}
    """DuckDB type by column name."""
    dates: list[str] = []
    """Formats of dates, in the letters of strftime (`%d/%m/%Y`)."""
    sheet: str | None = None
    """Sheet of a workbook, table of an SQLite database."""
    range: str | None = None
    """Cells of a sheet: `B3:F20`."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a text file is written."""

    delimiter: str
    """Empty where there is one column."""
    quote: str
    escape: str
    decimal: Literal[".", ","]
    header: bool
    skipped: int
    """Lines before the header (or the first row)."""
    comment: str
    row_names: bool
    """True where the header names one column fewer than the rows have."""
    encoding: str
    compression: str


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could be meant otherwise: it was left as it is in the file."""

    kind: DoubtKind
    message: str
    column: str = ""
    """Empty where it is about the whole file."""
    line: int | None = None
    """First line of the file where it arises."""
    value: str = ""
    option: str = ""
    """What to say to have it read the other way; empty where there is nothing."""


class Rewritten(msgspec.Struct, frozen=True, kw_only=True):
    """Values of a column that are the same, but are not written as in the file."""

    column: str
    count: int
    line: int | None
    """Of the first one."""
    value: str
    """As in the file."""
    written: str | None
    """As the table writes it; None: NULL."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """A table that was made of a file (or would be: `dry_run`)."""

    name: str
    rows: int
    columns: list[Column]
    file: str
    format: str
    dialect: Dialect | None = None
    """None where it is no text file."""
    doubts: list[Doubt] = []
    rewritten: list[Rewritten] = []
    notes: list[str] = []
    dry_run: bool = False
    sample: list[list[Any]] = []
    """The first ten rows of a dry run."""
