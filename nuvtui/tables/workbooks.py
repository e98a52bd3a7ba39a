"""Sheets of workbooks (Excel, OpenDocument) as Arrow tables."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import Doubt
from nuvtui.tables.cells import ForeignFile, arrow_table, column, named, text_of
from nuvtui.tables.dialect import unique

if TYPE_CHECKING:
    import pyarrow


def read(source: ForeignFile) -> "pyarrow.Table":
    """The table in one sheet. Raises NuvError (USAGE) where there is none."""
    sheets = _openpyxl_sheets if source.kind == "xlsx" else _calamine_sheets
    rows, top, left = sheets(source)
    rows, top, left = _cut(rows, top, left, source)
    while rows and all(value is None for value in rows[-1]):
        rows.pop()
    while rows and all(value is None for value in rows[0]):
        rows.pop(0)
        top += 1
    if not rows:
        raise NuvError(
            source.title, "there is nothing in the sheet", "Name another one with --sheet.", Exit.USAGE
        )
    width = max(len(row) for row in rows)
    rows = [[*row, *[None] * (width - len(row))] for row in rows]
    if source.asked.range is None and source.asked.header is None and len(rows) > 2 and width > 1:
        while len(rows) > 2 and sum(value is not None for value in rows[0]) == 1:
            source.doubts.append(
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
    header = source.asked.header
    if header is None:
        header = all(value is None or isinstance(value, str) for value in rows[0])
        if not header:
            source.doubts.append(
                Doubt(
                    kind="header",
                    line=top + 1,
                    message=f"row {top + 1} holds values: it was read as a row, and columns are called column0, …",
                    option="--header",
                )
            )
    if header:
        names = unique([text_of(value) or "" for value in rows.pop(0)], source.notes)
        top += 1
    else:
        names = [f"column{at}" for at in range(width)]

    def place(column: int) -> Callable[[int], str]:
        return lambda at: f"cell {_letters(left + column)}{top + at + 1}"

    columns = [column(name, [row[at] for row in rows], place(at), source) for at, name in enumerate(names)]
    return arrow_table(names, columns)


_Cells = tuple[list[list[Any]], int, int]
"""Rows of a sheet, and where its first cell is (row, column; from 0)."""


def _openpyxl_sheets(source: ForeignFile) -> _Cells:
    import openpyxl

    with open(source.path, "rb") as file:
        book = openpyxl.load_workbook(file, data_only=True)
        sheet = book[named(book.sheetnames, source)]
        if not hasattr(sheet, "iter_rows"):
            raise NuvError(source.title, f"{sheet.title!r} is a chart, not a sheet of cells", "", Exit.USAGE)
        if merged := [str(area) for area in sheet.merged_cells.ranges]:
            source.notes.append(
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
        source.notes.append(
            f"{len(errors):,} cells hold an error of the workbook and are NULL, the first: {errors[0]}"
        )
    return rows, sheet.min_row - 1, sheet.min_column - 1


def _calamine_sheets(source: ForeignFile) -> _Cells:
    import python_calamine

    with open(source.path, "rb") as file:
        book = python_calamine.load_workbook(file)
        sheet = book.get_sheet_by_name(named(book.sheet_names, source))
        rows = [
            [None if value == "" else value for value in row]
            for row in sheet.to_python(skip_empty_area=False)
        ]
    source.notes.append("a cell with an error of the workbook (#N/A, #DIV/0!) is NULL")
    return rows, 0, 0


def _cut(rows: list[list[Any]], top: int, left: int, source: ForeignFile) -> _Cells:
    asked = source.asked.range
    if asked is None:
        return rows, top, left
    match = re.fullmatch(r"([A-Z]{1,3})([1-9]\d*):([A-Z]{1,3})([1-9]\d*)", asked.upper().replace("$", ""))
    if match is None:
        raise NuvError(
            source.title, f"{asked!r} is no range of cells", "Say it as --range B3:F20.", Exit.USAGE
        )
    first, last = int(match[2]) - 1, int(match[4])
    begin, end = _number(match[1]), _number(match[3]) + 1
    if first >= last or begin >= end:
        raise NuvError(
            source.title, f"the range {asked!r} holds no cell", "Say it as --range B3:F20.", Exit.USAGE
        )
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
