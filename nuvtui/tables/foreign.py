"""Files of other programs as Parquet: workbooks, Stata, SPSS, SAS, R, Arrow, SQLite.

Each reader is a well-kept library of the extra `formats`, loaded when a file of its kind is met. Labels of columns and
of their values become descriptions; what a table has no place for is told.
"""

import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import Doubt, ImportOptions
from nuvtui.reporter import Reporter
from nuvtui.tables.dialect import unique

if TYPE_CHECKING:
    import pyarrow

ENDINGS = {
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".xlsb": "xlsb",
    ".ods": "ods",
    ".dta": "stata",
    ".sav": "spss",
    ".zsav": "spss",
    ".por": "spss-portable",
    ".sas7bdat": "sas",
    ".xpt": "sas-transport",
    ".rds": "r",
    ".feather": "arrow",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
WITH_SHEETS = frozenset(("xlsx", "xls", "xlsb", "ods", "sqlite"))
"""Formats of which a file holds several tables."""
_MARKS = (
    (b"SQLite format 3\x00", "sqlite"),
    (b"ARROW1", "arrow"),
    (b"<stata_dta>", "stata"),
    (b"$FL2", "spss"),
    (b"$FL3", "spss"),
)
_EXACT = 2**53
"""Beyond it a floating-point number no longer holds every whole one."""


@dataclass
class Taken:
    """What was read: a Parquet file, and what to tell and to keep besides."""

    file: Path
    description: str | None = None
    descriptions: dict[str, str] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recognised(head: bytes) -> str | None:
    """The format of a file by its first bytes, where they tell it."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def take(path: Path, folder: Path, kind: str, title: str, asked: ImportOptions, reporter: Reporter) -> Taken:
    """Read the file at `path`, of the format `kind`, into a Parquet file in `folder`.

    Raises NuvError under `title`: where the library is not installed, the file is damaged, or a sheet not there.
    """
    reader = _READERS[kind]
    taken = Taken(folder / "taken.parquet")
    try:
        import pyarrow.parquet

        table = reader(path, kind, title, asked, taken)
        reporter.check()
        pyarrow.parquet.write_table(table, taken.file)
    except ImportError as error:
        raise NuvError(
            title,
            f"reading {kind} needs the package {(error.name or str(error)).partition('.')[0]}",
            "Install nuvtui with the readers of more formats: pip install 'nuvtui[formats]'.",
        ) from error
    except NuvError:
        raise
    except Exception as error:
        # Each library has errors of its own for a damaged file; all of them are the file's fault.
        raise NuvError(
            title, f"it cannot be read as {kind}: {error}", "Is the file whole, and of this format?"
        ) from error
    return taken


# Cells of no declared type


def _column(name: str, values: Sequence[Any], place: Callable[[int], str], taken: Taken) -> "pyarrow.Array":
    """An Arrow array of Python values: of one type where all are of one, else text, which is told."""
    import pyarrow

    kinds = Counter(type(value) for value in values if value is not None)
    if not kinds:
        return pyarrow.array(values, pyarrow.string())
    if set(kinds) <= {int, float}:
        whole = all(value is None or (float(value).is_integer() and abs(value) < _EXACT) for value in values)
        if whole:
            return pyarrow.array([None if v is None else int(v) for v in values], pyarrow.int64())
        if set(kinds) == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
            return pyarrow.array(values, pyarrow.int64())
        if all(value is None or float(value) == value for value in values):
            for at, value in enumerate(values):
                if value is not None and abs(value) >= _EXACT and float(value).is_integer():
                    taken.doubts.append(
                        Doubt(
                            kind="too many digits",
                            column=name,
                            value=repr(value),
                            message=f"column {name!r}: {value!r} in {place(at)} has more digits than the file keeps: "
                            "an identifier that was stored as a number has lost its last digits there",
                        )
                    )
                    break
            return pyarrow.array([None if v is None else float(v) for v in values], pyarrow.float64())
    if set(kinds) <= {datetime.date, datetime.datetime}:
        stamps = [_stamp(value) for value in values]
        if all(stamp is None or stamp.time() == datetime.time() for stamp in stamps):
            return pyarrow.array([None if s is None else s.date() for s in stamps], pyarrow.date32())
        return pyarrow.array(stamps, pyarrow.timestamp("us"))
    if len(kinds) == 1:
        (only,) = kinds
        known = {bool: pyarrow.bool_(), str: pyarrow.string(), bytes: pyarrow.binary()}
        if only is datetime.time:
            return pyarrow.array(values, pyarrow.time64("us"))
        if only in known:
            return pyarrow.array(values, known[only])
    if len(kinds) > 1:
        most = kinds.most_common(1)[0][0]
        at = next(i for i, value in enumerate(values) if value is not None and type(value) is not most)
        listed = ", ".join(
            f"{count:,} {_WORDS.get(kind, kind.__name__)}" for kind, count in kinds.most_common()
        )
        taken.doubts.append(
            Doubt(
                kind="other values",
                column=name,
                value=_text(values[at]) or "",
                message=f"column {name!r} holds values of several types ({listed}): it is text; "
                f"{_text(values[at])!r} in {place(at)} is the first that is not like most",
            )
        )
    return pyarrow.array([_text(value) for value in values], pyarrow.string())


_WORDS = {
    int: "whole numbers",
    float: "numbers",
    str: "texts",
    bool: "truth values",
    datetime.date: "dates",
    datetime.datetime: "times",
    bytes: "binary values",
}


def _stamp(value: Any) -> datetime.datetime | None:
    if value is None or isinstance(value, datetime.datetime):
        return value
    return datetime.datetime.combine(value, datetime.time())


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < _EXACT:
            return str(int(value))
        case bytes():
            return value.hex()
    return str(value)


def _table(names: Sequence[str], columns: Iterable["pyarrow.Array"]) -> "pyarrow.Table":
    import pyarrow

    return pyarrow.Table.from_arrays(list(columns), names=list(names))


# Workbooks


def _workbook(path: Path, kind: str, title: str, asked: ImportOptions, taken: Taken) -> "pyarrow.Table":
    sheets = _openpyxl_sheets if kind == "xlsx" else _calamine_sheets
    rows, top, left = sheets(path, title, asked, taken)
    rows, top, left = _cut(rows, top, left, asked.range, title)
    while rows and all(value is None for value in rows[-1]):
        rows.pop()
    while rows and all(value is None for value in rows[0]):
        rows.pop(0)
        top += 1
    if not rows:
        raise NuvError(title, "there is nothing in the sheet", "Name another one with --sheet.", Exit.USAGE)
    width = max(len(row) for row in rows)
    rows = [[*row, *[None] * (width - len(row))] for row in rows]
    if asked.range is None and asked.header is None and len(rows) > 2 and width > 1:
        while len(rows) > 2 and sum(value is not None for value in rows[0]) == 1:
            taken.doubts.append(
                Doubt(
                    kind="title",
                    line=top + 1,
                    value=next(str(value) for value in rows[0] if value is not None)[:80],
                    message=f"row {top + 1} has one cell only: it was taken for a title and left out",
                    option="--range",
                )
            )
            rows.pop(0)
            top += 1
            while all(value is None for value in rows[0]):
                rows.pop(0)
                top += 1
    header = asked.header
    if header is None:
        header = all(value is None or isinstance(value, str) for value in rows[0])
        if not header:
            taken.doubts.append(
                Doubt(
                    kind="header",
                    line=top + 1,
                    message=f"row {top + 1} holds values: it was read as a row, and columns are called column0, …",
                    option="--header",
                )
            )
    if header:
        names = unique([_text(value) or "" for value in rows.pop(0)], taken.notes)
        top += 1
    else:
        names = [f"column{at}" for at in range(width)]

    def place(column: int) -> Callable[[int], str]:
        return lambda at: f"cell {_letters(left + column)}{top + at + 1}"

    columns = [_column(name, [row[at] for row in rows], place(at), taken) for at, name in enumerate(names)]
    return _table(names, columns)


_Cells = tuple[list[list[Any]], int, int]
"""Rows of a sheet, and where its first cell is (row, column; from 0)."""


def _openpyxl_sheets(path: Path, title: str, asked: ImportOptions, taken: Taken) -> _Cells:
    import openpyxl

    with open(path, "rb") as file:
        book = openpyxl.load_workbook(file, data_only=True)
        sheet = book[_named(book.sheetnames, asked.sheet, title, taken)]
        if not hasattr(sheet, "iter_rows"):
            raise NuvError(title, f"{sheet.title!r} is a chart, not a sheet of cells", "", Exit.USAGE)
        if merged := [str(area) for area in sheet.merged_cells.ranges]:
            taken.notes.append(
                f"merged cells ({', '.join(merged[:3])}{', …' if len(merged) > 3 else ''}) have their value in the "
                "first cell only; the others are NULL"
            )
        errors: list[str] = []
        rows = []
        for row in sheet.iter_rows():
            values = []
            for cell in row:
                value = cell.value
                if cell.data_type == "e":
                    errors.append(f"{cell.coordinate} {value}")
                    value = None
                values.append(value)
            rows.append(values)
    if errors:
        taken.notes.append(
            f"{len(errors):,} cells hold an error of the workbook and are NULL, the first: {errors[0]}"
        )
    return rows, sheet.min_row - 1, sheet.min_column - 1


def _calamine_sheets(path: Path, title: str, asked: ImportOptions, taken: Taken) -> _Cells:
    import python_calamine

    with open(path, "rb") as file:
        book = python_calamine.load_workbook(file)
        sheet = book.get_sheet_by_name(_named(book.sheet_names, asked.sheet, title, taken))
        rows = [
            [None if value == "" else value for value in row]
            for row in sheet.to_python(skip_empty_area=False)
        ]
    taken.notes.append("a cell with an error of the workbook (#N/A, #DIV/0!) is NULL")
    return rows, 0, 0


def _named(names: Sequence[str], asked: str | None, title: str, taken: Taken) -> str:
    """The sheet (or table) to read. Raises NuvError (USAGE) where there is none of the name."""
    if asked is not None:
        if asked not in names:
            raise NuvError(title, f"there is no {asked!r}", f"There is: {', '.join(names)}.", Exit.USAGE)
        return asked
    if not names:
        raise NuvError(title, "there is no table in it", "", Exit.USAGE)
    if len(names) > 1:
        taken.notes.append(
            f"{names[0]!r} was read, the first of {len(names)}; --sheet reads another: {', '.join(names[1:10])}"
        )
    return names[0]


def _cut(rows: list[list[Any]], top: int, left: int, asked: str | None, title: str) -> _Cells:
    if asked is None:
        return rows, top, left
    match = re.fullmatch(r"([A-Z]{1,3})([1-9]\d*):([A-Z]{1,3})([1-9]\d*)", asked.upper().replace("$", ""))
    if match is None:
        raise NuvError(title, f"{asked!r} is no range of cells", "Say it as --range B3:F20.", Exit.USAGE)
    first, last = int(match[2]) - 1, int(match[4])
    begin, end = _number(match[1]), _number(match[3]) + 1
    if first >= last or begin >= end:
        raise NuvError(title, f"the range {asked!r} holds no cell", "Say it as --range B3:F20.", Exit.USAGE)
    cut = [
        [row[at - left] if 0 <= at - left < len(row) else None for at in range(begin, end)]
        for row in rows[max(0, first - top) : max(0, last - top)]
    ]
    return cut, max(first, top), begin


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


# Statistics packages


def _statistics(path: Path, kind: str, title: str, asked: ImportOptions, taken: Taken) -> "pyarrow.Table":
    import pyarrow
    import pyreadstat

    readers: dict[str, Callable[..., Any]] = {
        "stata": pyreadstat.read_dta,
        "spss": pyreadstat.read_sav,
        "spss-portable": pyreadstat.read_por,
        "sas": pyreadstat.read_sas7bdat,
        "sas-transport": pyreadstat.read_xport,
    }
    options: dict[str, Any] = {"output_format": "dict"}
    if asked.encoding:
        options["encoding"] = asked.encoding
    if kind in ("stata", "spss", "sas"):
        options["user_missing"] = True
    found, meta = readers[kind](str(path), **options)
    notes = " ".join(note for note in (meta.notes or []) if note)
    taken.description = " ".join(part for part in (meta.file_label, notes) if part) or None
    columns = []
    names = unique(list(found), taken.notes)
    for name, own in zip(names, found, strict=True):
        values, missing = _without_missing(list(found[own]), meta, own)
        if missing:
            listed = ", ".join(f"{count:,} of {code}" for code, count in sorted(missing.items()))
            taken.notes.append(f"column {name!r}: values that the file declares missing are NULL ({listed})")
        if text := _described(meta, own, missing):
            taken.descriptions[name] = text
        storage = meta.readstat_variable_types.get(own, "")
        if storage == "float":
            columns.append(pyarrow.array(values, pyarrow.float64()).cast(pyarrow.float32()))
        else:
            columns.append(_column(name, values, lambda at: f"row {at + 1}", taken))
    return _table(names, columns)


def _without_missing(values: list[Any], meta: Any, name: str) -> tuple[list[Any], Counter[str]]:
    """Values with NULL for those that are declared missing, and how many there were of each."""
    missing: Counter[str] = Counter()
    numeric = meta.readstat_variable_types.get(name, "") != "string"
    ranges = (meta.missing_ranges or {}).get(name, [])
    made = []
    for value in values:
        if isinstance(value, float) and value != value:
            value = None
        elif numeric and isinstance(value, str):
            missing[f".{value}"] += 1
            value = None
        elif value is not None and any(_within(value, area) for area in ranges):
            missing[_text(value) or ""] += 1
            value = None
        made.append(value)
    return made, missing


def _within(value: Any, area: Any) -> bool:
    if not isinstance(area, dict):
        return bool(value == area)
    try:
        return bool(area["lo"] <= value <= area["hi"])
    except TypeError:
        return False


def _described(meta: Any, name: str, missing: Counter[str]) -> str:
    parts = [meta.column_names_to_labels.get(name) or ""]
    labels = (meta.variable_value_labels or {}).get(name) or {}
    if labels:
        parts.append("Values: " + "; ".join(f"{_text(code)} = {label}" for code, label in labels.items()))
    if missing:
        parts.append(f"Declared missing: {', '.join(sorted(missing))}")
    return "\n".join(part for part in parts if part)


def _r(path: Path, kind: str, title: str, asked: ImportOptions, taken: Taken) -> "pyarrow.Table":
    import pandas
    import rdata

    def days(values: Any, attributes: Any) -> Any:
        return [
            None if v != v else datetime.date(1970, 1, 1) + datetime.timedelta(days=int(v)) for v in values
        ]

    def moments(values: Any, attributes: Any) -> Any:
        zone = ((attributes or {}).get("tzone") or [""])[0]
        if zone not in ("", "UTC", "GMT"):
            taken.notes.append(f"times of zone {zone} are given in UTC")
        begin = datetime.datetime(1970, 1, 1)
        return [None if v != v else begin + datetime.timedelta(seconds=float(v)) for v in values]

    classes = {**rdata.conversion.DEFAULT_CLASS_MAP, "Date": days, "POSIXct": moments}
    frame = rdata.conversion.convert(rdata.parser.parse_file(path), constructor_dict=classes)
    if not isinstance(frame, pandas.DataFrame):
        raise NuvError(title, f"it holds no data frame ({type(frame).__name__})", "Save one with saveRDS().")
    columns: dict[str, list[Any]] = {}
    if not (len(frame.index) == 0 or all(isinstance(at, int) or hasattr(at, "item") for at in frame.index)):
        columns["row_names"] = list(map(str, frame.index))
        taken.notes.append("the data frame has row names: they are the column 'row_names'")
    for at, name in enumerate(frame.columns):
        series = frame.iloc[:, at]
        columns[str(name)] = [
            None if pandas.isna(value) else value.item() if hasattr(value, "item") else value
            for value in series.tolist()
        ]
    names = unique(list(columns), taken.notes)
    return _table(
        names,
        [
            _column(name, values, lambda at: f"row {at + 1}", taken)
            for name, values in zip(names, columns.values(), strict=True)
        ],
    )


def _arrow(path: Path, kind: str, title: str, asked: ImportOptions, taken: Taken) -> "pyarrow.Table":
    import pyarrow.feather

    with open(path, "rb") as file:
        table = pyarrow.feather.read_table(file, memory_map=False)
    for each in table.schema:
        if text := (each.metadata or {}).get(b"description"):
            taken.descriptions[each.name] = text.decode("utf-8", "replace")
    if text := (table.schema.metadata or {}).get(b"description"):
        taken.description = text.decode("utf-8", "replace")
    return table


def _sqlite(path: Path, kind: str, title: str, asked: ImportOptions, taken: Taken) -> "pyarrow.Table":
    import sqlite3
    from urllib.parse import quote

    with sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True) as database:
        tables = [
            row[0]
            for row in database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
                "ORDER BY rowid"
            )
        ]
        chosen = _named(tables, asked.sheet, title, taken)
        quoted = '"' + chosen.replace('"', '""') + '"'
        cursor = database.execute(f"SELECT * FROM {quoted}")
        own = [item[0] for item in cursor.description]
        rows = cursor.fetchall()
    database.close()
    names = unique(own, taken.notes)
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return _table(
        names,
        [
            _column(name, values, lambda at: f"row {at + 1}", taken)
            for name, values in zip(names, columns, strict=True)
        ],
    )


_Reader = Callable[[Path, str, str, ImportOptions, Taken], "pyarrow.Table"]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(("xlsx", "xls", "xlsb", "ods"), _workbook),
    **dict.fromkeys(("stata", "spss", "spss-portable", "sas", "sas-transport"), _statistics),
    "r": _r,
    "arrow": _arrow,
    "sqlite": _sqlite,
}
