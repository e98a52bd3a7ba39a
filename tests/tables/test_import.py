"""Importing: formats, dialects, names; nothing lost in silence, nothing half done."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model.snapshot import Column
from nuvtui.model.table_import import ImportOptions
from nuvtui.paths import Workspace
from nuvtui.reporter import Silent
from nuvtui.tables.database import Tables
from tests.tables.helpers import Recorder, checksum, make

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


def test_csv(tables: Tables, write: Write) -> None:
    recorder = Recorder()
    file = write("Palmer penguins (2020).csv", "species,mass,id\nAdelie,3750,007\nGentoo,5000.5,008\n")
    info = tables.import_file(file, reporter=recorder)
    assert info.name == "Palmer_penguins_2020"
    assert info.rows == 2
    assert info.columns == [Column("species", "VARCHAR"), Column("mass", "DOUBLE"), Column("id", "VARCHAR")]
    assert tables.preview(info.name).rows == [["Adelie", 3750.0, "007"], ["Gentoo", 5000.5, "008"]]
    assert recorder.progressed[-1] == (file.stat().st_size, file.stat().st_size, "bytes")
    told = " ".join(recorder.warnings)
    assert "'3750' becomes '3750.0'" in told
    assert "'007' in line 2" in told
    assert len(recorder.warnings) == 2


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.tsv", "a\tb\n1\tx,y\n", [[1, "x,y"]]),
        ("a.csv", "a;b\n1;1,5\n", [[1, 1.5]]),
        ("a.txt", "a|b\n1|2\n", [[1, 2]]),
        ("a.csv", 'a,b\r\n1,"x\ny"\r\n2,"q""q"\r\n', [[1, "x\ny"], [2, 'q"q']]),
        ("a.csv", "\ufeffa,b\n1,2\n", [[1, 2]]),
        ("a.csv", "a,b\n1,2", [[1, 2]]),
        ("a.csv", "x\n1\n2\n", [[1], [2]]),
        ("a.csv", "a,b\n#1,2\n3,4\n", [["#1", 2], ["3", 4]]),
        ("a.csv", "a,b\n", []),
        ("a.json", '[{"a": 1, "b": "x"}, {"a": null, "b": "y"}]', [[1, "x"], [None, "y"]]),
        ("a.jsonl", '{"a": 1}\n{"a": 2}\n', [[1], [2]]),
        ("data", '[{"a": {"x": [1, 2]}}]', [["{'x': [1, 2]}"]]),
    ],
)
def test_formats(tables: Tables, write: Write, name: str, content: str, rows: list[list[object]]) -> None:
    info = tables.import_file(write(name, content))
    assert tables.preview(info.name).rows == rows


def test_gzip_and_parquet(tables: Tables, write: Write, tmp_path: Path) -> None:
    info = tables.import_file(write("a.csv.gz", gzip.compress(b"a,b\n1,2\n")))
    assert (info.name, info.rows) == ("a", 1)
    info = tables.import_file(write("n.json.gz", gzip.compress(b'{"a": 1}')))
    assert (info.name, info.rows) == ("n", 1)
    file = tmp_path / "p.parquet"
    duckdb.execute(f"COPY (SELECT 1 AS a, DATE '2020-02-29' AS d) TO '{file}' (FORMAT parquet)")
    file.rename(tmp_path / "misnamed.csv")
    info = tables.import_file(tmp_path / "misnamed.csv")
    assert info.columns == [Column("a", "INTEGER"), Column("d", "DATE")]


def test_type_of_a_late_row_decides(tables: Tables, write: Write) -> None:
    content = "a\n" + "1\n" * 300_000 + "x\n"
    info = tables.import_file(write("late.csv", content))
    assert (info.rows, info.columns) == (300_001, [Column("a", "VARCHAR")])


def test_na_among_numbers_is_text_until_it_is_said_to_be_missing(tables: Tables, write: Write) -> None:
    recorder = Recorder()
    file = write("p.csv", "sp,mass\nAdelie,3750\nAdelie,NA\n")
    report = tables.import_file(file, reporter=recorder)
    assert tables.preview("p").rows == [["Adelie", "3750"], ["Adelie", "NA"]]
    (doubt,) = report.doubts
    assert (doubt.kind, doubt.column, doubt.line, doubt.option) == ("missing word", "mass", 3, "--null NA")
    assert "--null NA" in recorder.warnings[0]
    tables.import_file(file, replace=True, options=ImportOptions(null=["NA"]))
    assert tables.preview("p").rows == [["Adelie", 3750], ["Adelie", None]]


def test_na_stays_text_among_text(tables: Tables, write: Write) -> None:
    recorder = Recorder()
    tables.import_file(write("c.csv", "country,n\nNA,1\nDE,2\n"), reporter=recorder)
    assert tables.preview("c").rows == [["NA", 1], ["DE", 2]]
    assert recorder.warnings == []


def test_latin1_is_read_and_said(tables: Tables, write: Write) -> None:
    recorder = Recorder()
    tables.import_file(write("l.csv", "a,b\n1,café\n".encode("latin-1")), reporter=recorder)
    assert tables.preview("l").rows == [[1, "café"]]
    assert "Latin-1" in recorder.warnings[0]


def test_utf16(tables: Tables, write: Write) -> None:
    tables.import_file(write("w.csv", "a,b\n1,café\n".encode("utf-16")))
    assert tables.preview("w").rows == [[1, "café"]]


@pytest.mark.parametrize(("name", "line"), [("b.csv.gz", b"1,2\n"), ("b.json.gz", b'{"a": 1}\n')])
def test_broken_gzip(tables: Tables, write: Write, name: str, line: bytes) -> None:
    with pytest.raises(NuvError) as caught:
        tables.import_file(write(name, gzip.compress(line * 9999)[:-20]))
    assert name in caught.value.title
    assert tables.list() == []


def test_title_lines_are_left_out_and_said(tables: Tables, write: Write) -> None:
    recorder = Recorder()
    tables.import_file(write("t.csv", "A title\n\na,b\n1,2\n3,4\n"), reporter=recorder)
    assert tables.preview("t").rows == [[1, 2], [3, 4]]
    assert len(recorder.warnings) == 1


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n1,2,3\n",
        "a,b,c\n1,2,3\n1,2\n4,5,6\n",
        "a,b\n" + "1,2\n" * 30_000 + "1,2,3\n",
        "a,b\n" + "1,2\n" * 300_000 + "1,2,3\n",
    ],
    ids=["short head", "short row", "late row", "very late row"],
)
def test_rows_of_differing_length_are_refused_not_lost(tables: Tables, write: Write, content: str) -> None:
    with pytest.raises(NuvError) as caught:
        tables.import_file(write("r.csv", content))
    assert "r.csv" in caught.value.title
    assert "number of" in caught.value.message.lower()
    assert tables.list() == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("e.csv", "", "empty"),
        ("e.json", "not json", "JSON"),
        ("e.docx", "PK..", "expected a file that ends in"),
        ("e.xlsx", "PK..", "cannot be read as xlsx"),
        ("e", "a,b\n", "no ending"),
        ("e.parquet", "PAR1 but no more", ""),
    ],
)
def test_what_cannot_be_read(tables: Tables, write: Write, name: str, content: str, expected: str) -> None:
    with pytest.raises(NuvError) as caught:
        tables.import_file(write(name, content))
    assert name in caught.value.title
    assert expected in caught.value.message
    assert "nuvtui-import" not in str(caught.value)
    assert not tables.path.exists()


def test_what_is_no_file(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(NuvError) as caught:
        tables.import_file(tmp_path / "nope.csv")
    assert caught.value.exit_code == Exit.NOT_FOUND
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(NuvError, match="not a plain file"):
        tables.import_file(tmp_path / "pipe.csv")
    with pytest.raises(NuvError):
        tables.import_file(tmp_path)


@pytest.mark.parametrize(
    "name", ["a*b.csv", "a[1].csv", "it's {x,y}?.csv", "é\nx.csv", "-.csv", os.fsdecode(b"\xff\xfe.csv")]
)
def test_hostile_file_names(tables: Tables, write: Write, name: str) -> None:
    write("ab.csv", "wrong\nwrong\n")
    info = tables.import_file(write(name, "a\n1\n"))
    assert tables.preview(info.name).rows == [[1]]
    assert info.name.isprintable()


def test_an_existing_table_is_replaced_only_where_asked(workspace: Workspace, write: Write) -> None:
    tables = make(workspace, "CREATE TABLE Data AS SELECT 'old' AS a")
    file = write("data.csv", "a\n1\n")
    before = checksum(tables.path)
    with pytest.raises(NuvError) as caught:
        tables.import_file(file)
    assert caught.value.exit_code == Exit.CONFLICT
    assert checksum(tables.path) == before
    info = tables.import_file(file, replace=True)
    assert [(table.name, table.rows) for table in tables.list()] == [("data", 1)]
    assert info.columns == [Column("a", "BIGINT")]


def test_a_failed_replacement_keeps_the_old_table(workspace: Workspace, write: Write) -> None:
    tables = make(workspace, "CREATE TABLE data AS SELECT 'old' AS a")
    with pytest.raises(NuvError):
        tables.import_file(write("data.csv", "a,b\n" + "1,2\n" * 300_000 + "1,2,3\n"), replace=True)
    assert tables.preview("data").rows == [["old"]]


def test_cancel_stops_a_long_import(workspace: Workspace, write: Write) -> None:
    tables = make(workspace, "CREATE TABLE data AS SELECT 'old' AS a")

    class Cancelling(Silent):
        def check(self) -> None:
            raise Cancelled

    file = write("data.csv", "a,b,c\n" + "".join(f"{i},{i / 7},text {i}\n" for i in range(400_000)))
    with pytest.raises(Cancelled):
        tables.import_file(file, replace=True, reporter=Cancelling())
    assert tables.preview("data").rows == [["old"]]


def test_nested_json_keeps_its_shape(tables: Tables, write: Write) -> None:
    records = [{"id": i, "tags": ["a", "b"][: i % 3], "at": {"x": i / 2}} for i in range(50)]
    info = tables.import_file(write("r.json", json.dumps(records)))
    assert info.columns == [
        Column("id", "BIGINT"),
        Column("tags", "VARCHAR[]"),
        Column("at", "STRUCT(x DOUBLE)"),
    ]


def test_one_bad_line_in_utf8_late_in_the_file(tables: Tables, write: Write) -> None:
    content = b"a,b\n" + b"1,x\n" * 300_000 + b"2,caf\xe9\n"
    recorder = Recorder()
    tables.import_file(write("u.csv", content), reporter=recorder)
    assert tables.query("SELECT b FROM u WHERE a = 2").rows == [["café"]]
    assert "Latin-1" in recorder.warnings[0]
