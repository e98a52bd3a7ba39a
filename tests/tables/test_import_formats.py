"""Files of other programs: every value as the program holds it, labels kept as descriptions, the rest told."""

import datetime
import sqlite3
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas
import pyarrow
import pyarrow.feather
import pyreadstat
import pytest
import rdata

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import ImportOptions
from nuvtui.tables import foreign
from nuvtui.tables.database import Tables


def columns(report: Any) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in report.columns)


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_keeps_the_types_of_its_cells(tables: Tables, tmp_path: Path) -> None:
    day, moment = datetime.date(2020, 2, 29), datetime.datetime(2020, 2, 29, 12, 30)
    file = workbook(
        tmp_path / "book.xlsx",
        Data=[
            ["id", "zip", "size", "day", "at", "ok", "clock"],
            [1, "08001", 1.5, day, moment, True, datetime.time(9, 5)],
            [2, "8002", 2, day, moment, False, datetime.time(9, 6)],
            [3, None, None, None, None, None, None],
        ],
    )
    report = tables.import_file(file)
    assert columns(report) == (
        "id BIGINT, zip VARCHAR, size DOUBLE, day DATE, at TIMESTAMP, ok BOOLEAN, clock TIME"
    )
    assert tables.preview("book").rows == [
        [1, "08001", 1.5, "2020-02-29", "2020-02-29 12:30:00", True, "09:05:00"],
        [2, "8002", 2.0, "2020-02-29", "2020-02-29 12:30:00", False, "09:06:00"],
        [3, None, None, None, None, None, None],
    ]
    assert (report.doubts, report.notes) == ([], [])


def test_what_a_sheet_hides_is_told(tables: Tables, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["id", None, "mix", "err"], [1234567890123456789, "x", 5, "#DIV/0!"], [2, "y", "n/a", 1]):
        sheet.append(row)
    sheet.merge_cells("A4:B4")
    sheet["A4"] = 7
    book.save(tmp_path / "b.xlsx")
    report = tables.import_file(tmp_path / "b.xlsx")
    assert tables.preview("b").rows[1:] == [[2, "y", "n/a", 1], [7, None, None, None]]
    told = " ".join([*report.notes, *(doubt.message for doubt in report.doubts)])
    assert "D2 #DIV/0!" in told
    assert "A4:B4" in told
    assert "column 2 has no name" in told
    assert ("other values", "mix") in [(doubt.kind, doubt.column) for doubt in report.doubts]
    assert "cell C3" in told


def test_sheet_and_range(tables: Tables, tmp_path: Path) -> None:
    file = workbook(
        tmp_path / "b.xlsx",
        One=[["a"], [1]],
        Two=[["Report of May"], [], [None, "x", "y"], [None, 1, 2], [None, 3, 4], ["Sum", 4, 6]],
    )
    report = tables.import_file(file)
    assert "Two" in " ".join(report.notes)
    report = tables.import_file(file, replace=True, options=ImportOptions(sheet="Two", range="B3:C5"))
    assert (columns(report), tables.preview("b").rows) == ("x BIGINT, y BIGINT", [[1, 2], [3, 4]])
    with pytest.raises(NuvError, match=r"there is no 'Three'"):
        tables.import_file(file, "c", options=ImportOptions(sheet="Three"))
    with pytest.raises(NuvError, match=r"no range of cells"):
        tables.import_file(file, "c", options=ImportOptions(range="everything"))
    with pytest.raises(NuvError, match=r"--delimiter means nothing for xlsx"):
        tables.import_file(file, "c", options=ImportOptions(delimiter=";"))


def test_an_open_document(tables: Tables, tmp_path: Path) -> None:
    def cell(value: Any) -> str:
        if isinstance(value, str):
            return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'

    rows = "".join(
        f"<table:table-row>{''.join(map(cell, row))}</table:table-row>"
        for row in (["a", "b"], [1, "x"], [2, "y"])
    )
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "manifest")
    )
    with zipfile.ZipFile(tmp_path / "t.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f"<manifest:manifest {names}/>")
        archive.writestr(
            "content.xml",
            f'<office:document-content {names}><office:body><office:spreadsheet><table:table table:name="S">'
            f"{rows}</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    assert columns(tables.import_file(tmp_path / "t.ods")) == "a BIGINT, b VARCHAR"
    assert tables.preview("t").rows == [[1, "x"], [2, "y"]]


@pytest.fixture
def survey() -> pandas.DataFrame:
    return pandas.DataFrame(
        {
            "sex": [1.0, 2.0, 9.0],
            "income": [1500.5, None, 20.0],
            "name": ["Ada", "", "Zoë"],
            "born": [datetime.date(1990, 5, 1), datetime.date(1985, 1, 31), None],
        }
    )


LABELS = {"column_labels": {"sex": "Sex of the respondent"}, "file_label": "Survey 2020"}
VALUES = {"variable_value_labels": {"sex": {1: "male", 2: "female"}}}


def test_stata(tables: Tables, tmp_path: Path, survey: pandas.DataFrame) -> None:
    pyreadstat.write_dta(survey, tmp_path / "s.dta", **LABELS, **VALUES)
    report = tables.import_file(tmp_path / "s.dta")
    assert columns(report) == "sex BIGINT, income DOUBLE, name VARCHAR, born DATE"
    assert tables.preview("s").rows == [
        [1, 1500.5, "Ada", "1990-05-01"],
        [2, None, "", "1985-01-31"],
        [9, 20.0, "Zoë", None],
    ]
    description, said = tables.described("s")
    assert description == "Survey 2020"
    assert said["sex"] == "Sex of the respondent\nValues: 1 = male; 2 = female"


def test_spss_says_what_it_declares_missing(tables: Tables, tmp_path: Path, survey: pandas.DataFrame) -> None:
    pyreadstat.write_sav(survey, tmp_path / "s.sav", missing_ranges={"sex": [9]}, **LABELS, **VALUES)
    report = tables.import_file(tmp_path / "s.sav")
    assert [row[0] for row in tables.preview("s").rows] == [1, 2, None]
    assert "1 of 9" in " ".join(report.notes)
    assert tables.described("s")[1]["sex"].endswith("Declared missing: 9")


def test_sas_transport(tables: Tables, tmp_path: Path) -> None:
    pyreadstat.write_xport(pandas.DataFrame({"A": [1.0, 2.5], "B": ["x", "y"]}), tmp_path / "s.xpt")
    assert columns(tables.import_file(tmp_path / "s.xpt")) == "A DOUBLE, B VARCHAR"
    assert tables.preview("s").rows == [[1.0, "x"], [2.5, "y"]]


def test_r(tables: Tables, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"x": [1.5, None], "f": pandas.Categorical(["u", "v"])})
    rdata.write_rds(tmp_path / "d.rds", frame)
    assert columns(tables.import_file(tmp_path / "d.rds")) == "x DOUBLE, f VARCHAR"
    assert tables.preview("d").rows == [[1.5, "u"], [None, "v"]]
    rdata.write_rds(tmp_path / "n.rds", [1, 2])
    with pytest.raises(NuvError, match=r"no data frame"):
        tables.import_file(tmp_path / "n.rds")


def test_arrow_and_sqlite(tables: Tables, tmp_path: Path) -> None:
    schema = pyarrow.schema([pyarrow.field("a", pyarrow.int32(), metadata={"description": "A number"})])
    pyarrow.feather.write_feather(pyarrow.table({"a": [1, 2]}, schema), tmp_path / "f.feather")
    assert columns(tables.import_file(tmp_path / "f.feather")) == "a INTEGER"
    assert tables.described("f")[1] == {"a": "A number"}
    with sqlite3.connect(tmp_path / "d.sqlite") as database:
        database.execute("CREATE TABLE one (id INTEGER, v, b BLOB)")
        database.executemany("INSERT INTO one VALUES (?, ?, ?)", [(1, "x", b"\0"), (2, 3.5, None)])
    database.close()
    report = tables.import_file(tmp_path / "d.sqlite")
    assert columns(report) == "id BIGINT, v VARCHAR, b BLOB"
    assert [row[:2] for row in tables.preview("d").rows] == [[1, "x"], [2, "3.5"]]
    assert [(doubt.kind, doubt.column) for doubt in report.doubts] == [("other values", "v")]


@pytest.mark.parametrize("ending", sorted(foreign.ENDINGS))
def test_a_damaged_file_is_no_traceback(tables: Tables, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"broken{ending}"
    file.write_bytes(b"this is no such file")
    with pytest.raises(NuvError, match="cannot be"):
        tables.import_file(file)


def test_a_missing_library_is_named(tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = workbook(tmp_path / "b.xlsx", One=[["a"], [1]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(NuvError) as caught:
        tables.import_file(file)
    assert "openpyxl" in caught.value.message
    assert "nuvtui[formats]" in caught.value.hint
    assert caught.value.exit_code == Exit.FAILED
