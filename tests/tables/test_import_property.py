"""Text in is text out: whatever is in a file, each value of the table is written as it stood, or the difference is told.

Told means: a column's `rewritten` counts exactly the values that are written otherwise, and names the first of them.
"""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuvtui.errors import NuvError
from nuvtui.model.table_import import ImportOptions, ImportReport
from nuvtui.paths import DOT, Workspace
from nuvtui.tables.database import Tables
from tests.support.environment import machine

WORDS = (
    "", "", "0", "-0", "1", "007", "+1", "1.5", "1.10", "1.50", "-2.25", ".5", "5.", "1e5", "1e-5", "2.50e-08", "1E400",
    "9999999999999999", "99999999999999999999", "0.1234567890123456789", "1,5", "1.234,5", "1,234", "NA", "NULL", "nan",
    "inf", "-Infinity", "0x1F", "1_000", "\u0663", " 1", "1 ", "true", "false", "TRUE", "T", "yes", "2020-01-01",
    "2020-02-30", "0000-01-01", "2020-1-1", "20200101", "04/07/20", "04/07/2020", "2020-01-01 10:00",
    "2020-01-01T10:00:00", "2020-01-01T10:00:00Z", "2020-01-01 10:00:00.120", "2020-01-01 10:00:00.123456789",
    "2020-01-01 24:00:00", "2020-01-01 10:00:60", "10:00", "10:00:00", "24:00:00", "10:00:00.50", "#x", "sep=;",
    'say "x"', "a;b", "a,b", "a\tb", "a|b", "two\nlines", "two\r\nlines", "\\", "'", "\u20ac", "\U0001f600",
)  # fmt: skip
NUMBERS = (
    st.integers(-(2**65), 2**65).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.decimals(-1000, 1000, places=2).map(str)
    | st.floats(-1e6, 1e6).map(lambda value: f"{value:.6g}")
)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
CELLS = st.sampled_from(
    [
        st.sampled_from(WORDS),
        NUMBERS,
        st.integers(-99, 99).map(str),
        st.integers(-999, 999).map(lambda value: f"{value / 4:g}"),
        st.integers(0, 999).map(lambda value: f"{value / 100:.2f}"),
        st.dates().map(str),
        st.datetimes().map(str),
        st.datetimes().map(lambda value: value.isoformat("T", "seconds")),
        st.booleans().map(lambda value: str(value).lower()),
        TEXT,
    ]
)


@st.composite
def columns(draw: st.DrawFn) -> list[list[str]]:
    """Columns of texts, mostly of one kind each, some with others among them."""
    rows = draw(st.integers(1, 6))
    made = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(CELLS)
        made.append([draw(kind | st.sampled_from(("", "NA"))) for _ in range(rows)])
    return made


def written(held: list[list[str]], delimiter: str, newline: str, quoting: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    writer.writerow([f"name{at}" for at in range(len(held))])
    writer.writerows(zip(*held, strict=True))
    return text.getvalue()


def imported(content: bytes, options: ImportOptions) -> tuple[ImportReport, list[list[str | None]]]:
    """The report, and the columns as the table writes them."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        (workspace.root / DOT).mkdir()
        file = Path(folder) / "t.csv"
        file.write_bytes(content)
        report = Tables(workspace).import_file(file, options=options)
        with duckdb.connect(str(workspace.tables), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = connection.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM t").fetchall()
        return report, [list(column) for column in zip(*rows, strict=True)]


def check(held: list[list[str]], quoted: bool, report: ImportReport, found: list[list[str | None]]) -> None:
    rewritten = {each.column: each for each in report.rewritten}
    assert len(found) == len(held)
    for column, texts, values in zip(report.columns, held, found, strict=True):
        assert len(values) == len(texts)
        stood = [text if text or quoted else None for text in texts]
        differing = [(text, value) for text, value in zip(stood, values, strict=True) if text != value]
        told = rewritten.get(column.name)
        assert (told.count if told else 0) == len(differing), (column, differing, told)
        if told:
            assert (told.value, told.written) == differing[0]


BOUNDS = settings(
    max_examples=int(machine.get("NUVTUI_EXAMPLES", "15")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@BOUNDS
@given(
    columns(),
    st.sampled_from(",;\t|"),
    st.sampled_from(("\n", "\r\n")),
    st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-16-be")),
)
def test_text_in_is_text_out(
    held: list[list[str]], delimiter: str, newline: str, quoting: Any, encoding: str
) -> None:
    content = written(held, delimiter, newline, quoting).encode(encoding)
    options = ImportOptions(
        delimiter=delimiter, quote='"', header=True, skip=0, encoding=encoding, decimal="."
    )
    # Python quotes an empty field that is alone in its row.
    quoted = quoting == csv.QUOTE_ALL or len(held) == 1
    check(held, quoted, *imported(content, options))


@BOUNDS
@given(columns(), st.sampled_from(",;\t|"), st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
def test_what_is_recognised_is_as_true(held: list[list[str]], delimiter: str, quoting: Any) -> None:
    """Without a word of the user: the same, or it is told how the file was read, or it is refused."""
    content = written(held, delimiter, "\n", quoting).encode()
    try:
        report, found = imported(content, ImportOptions())
    except NuvError:
        return
    read_otherwise = {"header", "title", "encoding"} & {doubt.kind for doubt in report.doubts}
    if read_otherwise or report.notes:
        return
    check(held, quoting == csv.QUOTE_ALL or len(held) == 1, report, found)


@BOUNDS
@given(st.binary(max_size=200) | TEXT.map(str.encode))
def test_no_file_gives_a_traceback(content: bytes) -> None:
    try:
        report, found = imported(content, ImportOptions())
    except NuvError:
        return
    assert report.rows == (len(found[0]) if found else 0)
