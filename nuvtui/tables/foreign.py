"""Files of other programs as Parquet: workbooks, Stata, SPSS, SAS, R, Arrow, SQLite.

Each reader is a well-kept library of the extra `formats`, loaded when a file of its kind is met. Labels of columns and
of their values become descriptions; what a table has no place for is told.
"""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuvtui.errors import NuvError
from nuvtui.model.table_import import ImportOptions
from nuvtui.reporter import Reporter
from nuvtui.tables import statistics_files, workbooks
from nuvtui.tables.cells import ForeignFile, arrow_table, column, named
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


def recognised(head: bytes) -> str | None:
    """The format of a file by its first bytes, where they tell it."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def convert(
    path: Path, folder: Path, kind: str, title: str, asked: ImportOptions, reporter: Reporter
) -> ForeignFile:
    """Read the file at `path`, of the format `kind`, into a Parquet file in `folder`.

    Raises NuvError under `title`: where the library is not installed, the file is damaged, or a sheet not there.
    """
    source = ForeignFile(path, kind, title, asked, folder / "foreign.parquet")
    try:
        import pyarrow.parquet

        table = _READERS[kind](source)
        reporter.check()
        pyarrow.parquet.write_table(table, source.file)
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
    return source


def _r(source: ForeignFile) -> "pyarrow.Table":
    import pandas
    import rdata

    def days(values: Any, _attributes: Any) -> Any:
        return [
            None if v != v else datetime.date(1970, 1, 1) + datetime.timedelta(days=int(v)) for v in values
        ]

    def moments(values: Any, attributes: Any) -> Any:
        zone = ((attributes or {}).get("tzone") or [""])[0]
        if zone not in ("", "UTC", "GMT"):
            source.notes.append(f"times of zone {zone} are given in UTC")
        begin = datetime.datetime(1970, 1, 1)
        return [None if v != v else begin + datetime.timedelta(seconds=float(v)) for v in values]

    classes = {**rdata.conversion.DEFAULT_CLASS_MAP, "Date": days, "POSIXct": moments}
    frame = rdata.conversion.convert(rdata.parser.parse_file(source.path), constructor_dict=classes)
    if not isinstance(frame, pandas.DataFrame):
        raise NuvError(
            source.title, f"it holds no data frame ({type(frame).__name__})", "Save one with saveRDS()."
        )
    columns: dict[str, list[Any]] = {}
    if not (len(frame.index) == 0 or all(isinstance(at, int) or hasattr(at, "item") for at in frame.index)):
        columns["row_names"] = list(map(str, frame.index))
        source.notes.append("the data frame has row names: they are the column 'row_names'")
    for at, name in enumerate(frame.columns):
        series = frame.iloc[:, at]
        columns[str(name)] = [
            None if pandas.isna(value) else value.item() if hasattr(value, "item") else value
            for value in series.tolist()
        ]
    names = unique(list(columns), source.notes)
    return arrow_table(
        names,
        [
            column(name, values, lambda at: f"row {at + 1}", source)
            for name, values in zip(names, columns.values(), strict=True)
        ],
    )


def _arrow(source: ForeignFile) -> "pyarrow.Table":
    import pyarrow.feather

    with open(source.path, "rb") as file:
        table = pyarrow.feather.read_table(file, memory_map=False)
    for each in table.schema:
        if text := (each.metadata or {}).get(b"description"):
            source.descriptions[each.name] = text.decode("utf-8", "replace")
    if text := (table.schema.metadata or {}).get(b"description"):
        source.description = text.decode("utf-8", "replace")
    return table


def _sqlite(source: ForeignFile) -> "pyarrow.Table":
    import sqlite3
    from urllib.parse import quote

    with sqlite3.connect(
        f"file:{quote(str(source.path.resolve()))}?mode=ro&immutable=1", uri=True
    ) as database:
        tables = [
            row[0]
            for row in database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
                "ORDER BY rowid"
            )
        ]
        chosen = named(tables, source)
        quoted = '"' + chosen.replace('"', '""') + '"'
        cursor = database.execute(f"SELECT * FROM {quoted}")
        own = [item[0] for item in cursor.description]
        rows = cursor.fetchall()
    database.close()
    names = unique(own, source.notes)
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return arrow_table(
        names,
        [
            column(name, values, lambda at: f"row {at + 1}", source)
            for name, values in zip(names, columns, strict=True)
        ],
    )


_READERS: dict[str, Callable[[ForeignFile], "pyarrow.Table"]] = {
    **dict.fromkeys(("xlsx", "xls", "xlsb", "ods"), workbooks.read),
    **dict.fromkeys(("stata", "spss", "spss-portable", "sas", "sas-transport"), statistics_files.read),
    "r": _r,
    "arrow": _arrow,
    "sqlite": _sqlite,
}
