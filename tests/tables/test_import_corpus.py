"""A corpus of the field: files as loggers, spreadsheets, R, Python and registries write them, and what each becomes.

The rule: a value is typed only where it is written back as it stood, or the difference is told; else it is text, and
told with its line. Nothing is left out without a word.
"""

import bz2
import gzip
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from nuvtui.errors import NuvError
from nuvtui.model.table_import import ImportOptions
from nuvtui.tables.database import Tables


@dataclass(frozen=True)
class Case:
    id: str
    content: str | bytes
    types: str
    rows: list[list[Any]]
    doubts: Sequence[tuple[str, int | None]] = ()
    """Kind and line."""
    rewritten: Sequence[tuple[str, int, int, str, str | None]] = ()
    """Column, count, line, as in the file, as written."""
    notes: int = 0
    name: str = "t.csv"
    options: Mapping[str, Any] = field(default_factory=dict)


B, D, V = "BIGINT", "DOUBLE", "VARCHAR"
HEAD = ("header", 1)
CASES = [
    # identifiers
    Case("ids with E", "well,n\n0451E7,1\n88E12,2\n", f"{V} {B}", [["0451E7", 1], ["88E12", 2]], [("exponent", 2)]),
    Case("beyond double", "p\n9E999\n1\n", V, [["9E999"], ["1"]], [("exponent", 2)]),
    Case("leading zeros", "zip,n\n08001,1\n8002,2\n", f"{V} {B}", [["08001", 1], ["8002", 2]], [("leading zero", 2)]),
    Case("plus", "d,n\n+3,1\n-2,2\n", f"{V} {B}", [["+3", 1], ["-2", 2]], [("plus sign", 2)]),
    Case("twenty digits", "i\n1\n12345678901234567890\n", V, [["1"], ["12345678901234567890"]],
         [("too many digits", 3)]),
    Case("largest integer", "i\n9223372036854775807\n-9223372036854775808\n", B,
         [[2**63 - 1], [-(2**63)]]),
    Case("hexadecimal", "i,n\n0xFF,1\n0x1e3,2\n", f"{V} {B}", [["0xFF", 1], ["0x1e3", 2]], [("no finite number", 2)]),
    # numbers
    Case("versions", "tool,v\nbwa,0.7\nmap,0.10\n", f"{V} {V}", [["bwa", "0.7"], ["map", "0.10"]],
         [("trailing zero", 3)]),
    Case("prices", "i,p\n1,9.90\n2,12.00\n", f"{B} DECIMAL(18,2)", [[1, "9.90"], [2, "12.00"]]),
    Case("one decimal", "t\n20.0\n21.5\n", D, [[20.0], [21.5]]),
    Case("whole among decimals", "t\n20\n21.5\n22\n", D, [[20.0], [21.5], [22.0]],
         rewritten=[("column t", 2, 2, "20", "20.0")]),
    Case("p values", "p\n1e-05\n2.5e-8\n0.5\n", D, [[1e-05], [2.5e-8], [0.5]],
         rewritten=[("column p", 1, 3, "2.5e-8", "2.5e-08")]),
    Case("point first", "x\n.25\n1.5\n", D, [[0.25], [1.5]], rewritten=[("column x", 1, 2, ".25", "0.25")]),
    Case("shortest doubles", "x\n0.30000000000000004\n5e-324\n", D, [[0.30000000000000004], [5e-324]]),
    Case("too fine", "x\n0.12345678901234567891\n1.5\n", V, [["0.12345678901234567891"], ["1.5"]],
         [("too many digits", 2)]),
    Case("whole number too long for a double", "x\n9007199254740993\n1.5\n", V, [["9007199254740993"], ["1.5"]],
         [("too many digits", 2)]),
    Case("single quotes said", "a;b\n1;'x;y'\n", f"{B} {V}", [[1, "x;y"]], options={"quote": "'"}),
    Case("spaces before quotes", 'a,b\n1, "x, y"\n', f"{B} {V}", [[1, "x, y"]]),
    Case("thousands", 'n,m\n"1,250",1\n"12,000",2\n', f"{V} {B}", [["1,250", 1], ["12,000", 2]],
         [("thousands separator", 2)]),
    Case("infinity", "x,n\n1.5,1\n-inf,2\n", f"{V} {B}", [["1.5", 1], ["-inf", 2]], [("no finite number", 3)]),
    Case("minus zero", "x,y\n-0,-0.0\n1,2.5\n", f"{D} {D}", [[-0.0, -0.0], [1.0, 2.5]],
         rewritten=[("column x", 2, 2, "-0", "-0.0")]),
    Case("other digits", "x,n\n\u0665,1\n\u0666,2\n", f"{V} {B}", [["\u0665", 1], ["\u0666", 2]],
         [("other digits", 2)]),
    Case("padding", "x,n\n 7,1\n8,2\n", f"{V} {B}", [[" 7", 1], ["8", 2]], [("spaces", 2)]),
    Case("sentinel", "x\n-999\n3\n", B, [[-999], [3]]),
    Case("sentinel said", "x\n-999\n3\n", B, [[None], [3]], options={"null": ["-999"]}),
    # missing
    Case("NA among numbers", "x,n\nNA,1\n4,2\n", f"{V} {B}", [["NA", 1], ["4", 2]], [("missing word", 2)]),
    Case("Namibia", "c,n\nNA,1\nZA,2\n", f"{V} {B}", [["NA", 1], ["ZA", 2]]),
    Case("quoted NA is no missing one", 'c,n\n"NA",1\nNA,2\n', f"{V} {B}", [["NA", 1], [None, 2]],
         options={"null": ["NA"]}),
    Case("empty and quoted empty", 'a,b\n1,""\n2,\n', f"{B} {V}", [[1, ""], [2, None]]),
    Case("quoted empty number", 'a,b\n"",1\n5,2\n', f"{B} {B}", [[None, 1], [5, 2]],
         rewritten=[("column a", 1, 2, "", None)]),
    # truth
    Case("alleles", "rs,a,n\nr1,T,1\nr2,F,2\n", f"{V} {V} {B}", [["r1", "T", 1], ["r2", "F", 2]], [("truth value", 2)]),
    Case("R's logicals", "a,n\nTRUE,1\nFALSE,2\n", f"{V} {B}", [["TRUE", 1], ["FALSE", 2]], [("truth value", 2)]),
    Case("true and false", "a\ntrue\nfalse\n", "BOOLEAN", [[True], [False]]),
    # times
    Case("days", "d\n2020-02-29\n0001-01-01\n", "DATE", [["2020-02-29"], ["0001-01-01"]]),
    Case("no such day", "d,n\n2021-02-29,1\n2021-03-01,2\n", f"{V} {B}", [["2021-02-29", 1], ["2021-03-01", 2]],
         [("no such day", 2)]),
    Case("two-digit years", "d;n\n03/09/21;1\n04/09/21;2\n", f"{V} {B}", [["03/09/21", 1], ["04/09/21", 2]],
         [("two-digit year", 2)]),
    Case("day or month", "d,n\n03/09/2021,1\n14/09/2021,2\n", f"{V} {B}", [["03/09/2021", 1], ["14/09/2021", 2]],
         [("day or month first", 2)]),
    Case("day first, said", "d,n\n3/9/2021,1\n14/09/2021,2\n", f"DATE {B}", [["2021-09-03", 1], ["2021-09-14", 2]],
         rewritten=[("column d", 1, 2, "3/9/2021", "2021-09-03")], options={"dates": ["%d/%m/%Y"]}),
    Case("minutes", "t\n2021-05-01 10:00\n2021-05-01 10:10\n", "TIMESTAMP",
         [["2021-05-01 10:00:00"], ["2021-05-01 10:10:00"]],
         rewritten=[("column t", 2, 2, "2021-05-01 10:00", "2021-05-01 10:00:00")]),
    Case("ISO with T and Z", "t\n2021-05-01T10:00:00Z\n", "TIMESTAMP WITH TIME ZONE", [["2021-05-01 10:00:00+00"]],
         rewritten=[("column t", 1, 2, "2021-05-01T10:00:00Z", "2021-05-01 10:00:00+00")]),
    Case("offsets", "t,n\n2021-05-01 10:00:00+02:00,1\n", f"{V} {B}", [["2021-05-01 10:00:00+02:00", 1]],
         [("time zone", 2)]),
    Case("nanoseconds", "t\n2021-05-01 10:00:00.123456789\n2021-05-01 10:00:00.000000001\n", "TIMESTAMP_NS",
         [["2021-05-01 10:00:00.123456789"], ["2021-05-01 10:00:00.000000001"]]),
    Case("twenty-four", "t,n\n2021-05-01 24:00:00,1\n", f"{V} {B}", [["2021-05-01 24:00:00", 1]], [("time of day", 2)]),
    Case("leap second", "t,n\n23:59:60,1\n", f"{V} {B}", [["23:59:60", 1]], [("time of day", 2)]),
    Case("clock", "t\n23:59:59\n00:00:00\n", "TIME", [["23:59:59"], ["00:00:00"]]),
    # dialects
    Case("semicolon, decimal comma", "a;b\n1,5;x\n2,25;y\n", f"{D} {V}", [[1.5, "x"], [2.25, "y"]], notes=1,
         rewritten=[("column a", 2, 2, "1,5", "1.5")]),
    Case("comma of thousands?", "a;b\n1,500;x\n", f"{V} {V}", [["1,500", "x"]], [("thousands separator", 2)]),
    Case("tab", "a\tb\n1\tx y\n", f"{B} {V}", [[1, "x y"]]),
    Case("commas in a .tsv", "a,b\n1,x\n", f"{B} {V}", [[1, "x"]], name="t.tsv"),
    Case("a delimiter that is not there", "a,b\n1,x\n", V, [["1,x"]], [HEAD], notes=1,
         options={"delimiter": ";"}),
    Case("bar", "a|b\n1|2\n", f"{B} {B}", [[1, 2]]),
    Case("several characters", "a||b\n1||x|y\n", f"{B} {V}", [[1, "x|y"]], options={"delimiter": "||"}),
    Case("Excel's line", "sep=;\na;b\n1;2\n", f"{B} {B}", [[1, 2]], notes=1),
    Case("logger", "# unit 7\n# site, A\nt,v\n2021-05-01,1.5\n", f"DATE {D}", [["2021-05-01", 1.5]], notes=1),
    Case("logger with %", "% unit 7\n\nt;v\n1;2\n", f"{B} {B}", [[1, 2]], notes=1),
    Case("marked header", "#chrom\tpos\n1\t5\n2\t6\n", f"{B} {B}", [[1, 5], [2, 6]]),
    Case("comments said", "a,b\n1,x#y\n#c,d\n2,z\n", f"{B} {V}", [[1, "x#y"], [2, "z"]], options={"comment": "#"}),
    Case("title", "Results 2021\n\na,b\n1,2\n3,4\n", f"{B} {B}", [[1, 2], [3, 4]], [("title", 1)]),
    Case("no header", "4,x\n5,y\n", f"{B} {V}", [[4, "x"], [5, "y"]], [HEAD]),
    Case("perhaps a header", "Bern,BE\nChur,GR\n", f"{V} {V}", [["Chur", "GR"]], [HEAD]),
    Case("years as names", "c,2019,2020\nCH,1,2\nDE,3,4\n", f"{V} {B} {B}", [["CH", 1, 2], ["DE", 3, 4]], [HEAD]),
    Case("write.table", '"m" "s"\n"1" 1.5 "a b"\n"2" 2.5 "c"\n', f"{B} {D} {V}", [[1, 1.5, "a b"], [2, 2.5, "c"]],
         notes=1, name="t.txt"),
    Case("write.csv", '"","m"\n"1",5\n"2",6\n', f"{B} {B}", [[1, 5], [2, 6]], notes=1),
    Case("backslash", 'a,b\n1,"say \\"x\\""\n', f"{B} {V}", [[1, 'say "x"']]),
    Case("inches", 'a,b\n1,5" disk\n', f"{B} {V}", [[1, '5" disk']]),
    Case("open quotes in a table of tabs", 'a\tb\n1\t"x\n2\ty\n', f"{B} {V}", [[1, '"x'], [2, "y"]], notes=1, name="t.tsv"),
    Case("comments in one column", "v\n1\n#x\n2\n3\n4\ny\n", V, [["1"], ["2"], ["3"], ["4"], ["y"]],
         [("other values", 7)],
         options={"comment": "#"}),
    Case("title whose quote does not close", '"Results\n\na,b\n1,2\n3,4\n', f"{B} {B}", [[1, 2], [3, 4]],
         [("title", 1)], notes=1),
    Case("line breaks", 'a,b\r\n1,"x\r\ny"\r\n', f"{B} {V}", [[1, "x\r\ny"]]),
    Case("mixed ends of lines", "a,b\n1,x\r\n2,y\r3,z", f"{B} {V}", [[1, "x"], [2, "y"], [3, "z"]]),
    Case("ends of lines of old", "a,b\r1,x\r", f"{B} {V}", [[1, "x"]]),
    Case("NUL", "a,b\n1,x\0y\n", f"{B} {V}", [[1, "x\0y"]]),
    Case("same names", "a,A,\n1,2,3\n", f"{B} {B} {B}", [[1, 2, 3]], notes=2),
    Case("one column with commas", "text\nhello, you\nbye\n", V, [["hello, you"], ["bye"]], [HEAD]),
    Case("names of people", "name\nAda Byron\nAlan Turing\n", V, [["Ada Byron"], ["Alan Turing"]], [HEAD]),
    Case("empty rows of one column", "a\n1\n\n2\n", B, [[1], [None], [2]]),
    # encodings
    Case("mark", "\ufeffa,b\n1,2\n", f"{B} {B}", [[1, 2]]),
    Case("Windows-1252", "a,b\n1,5 € “net”\n".encode("cp1252"), f"{B} {V}", [[1, "5 € “net”"]], [("encoding", 2)]),
    Case("Latin-1", "a,b\n1,Zürich\n".encode("latin-1"), f"{B} {V}", [[1, "Zürich"]], [("encoding", 2)]),
    Case("Cyrillic, said", "a,b\n1,Омск\n".encode("cp1251"), f"{B} {V}", [[1, "Омск"]], options={"encoding": "cp1251"}),
    Case("UTF-16", "a\tb\n1\tЖ\n".encode("utf-16"), f"{B} {V}", [[1, "Ж"]], notes=1, name="t.txt"),
    Case("UTF-16 without a mark", "a,b\n1,é\n2,x\n".encode("utf-16-be"), f"{B} {V}", [[1, "é"], [2, "x"]], notes=1),
    Case("gzip", gzip.compress(b"a,b\n1,x\n"), f"{B} {V}", [[1, "x"]], name="t.csv.gz"),
    Case("zstd", zstandard.compress(b"a,b\n1,x\n"), f"{B} {V}", [[1, "x"]], name="t.csv.zst"),
    Case("bzip2", bz2.compress(b"a,b\n1,x\n"), f"{B} {V}", [[1, "x"]], name="t.csv.bz2"),
    Case("xz", lzma.compress(b"a,b\n1,x\n"), f"{B} {V}", [[1, "x"]], name="t.csv.xz"),
    # what later rows tell
    Case("late text", "a\n" + "1\n" * 3000 + "x\n", V, [["1"]] * 3000 + [["x"]], [("other values", 3002)]),
    Case("late decimal", "a\n" + "1\n" * 3000 + "1.5\n", D, [[1.0]] * 3000 + [[1.5]],
         rewritten=[("column a", 3000, 2, "1", "1.0")]),
    Case("late trailing zero", "a\n" + "1.5\n" * 3000 + "1.50\n", V, [["1.5"]] * 3000 + [["1.50"]],
         [("trailing zero", 3002)]),
    Case("late finer time", "t\n" + "2021-05-01 10:00:00.5\n" * 3000 + "2021-05-01 10:00:00.123456789\n",
         "TIMESTAMP_NS", [["2021-05-01 10:00:00.5"]] * 3000 + [["2021-05-01 10:00:00.123456789"]]),
    Case("late line after breaks in quotes", 'a,b\n1,"x\ny"\n' * 1 + "2,z\n" * 3000 + "x,z\n", f"{V} {V}",
         [["1", "x\ny"]] + [["2", "z"]] * 3000 + [["x", "z"]], [("other values", 3004)]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_corpus(tables: Tables, tmp_path: Path, case: Case) -> None:
    file = tmp_path / case.name
    file.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    report = tables.import_file(file, options=ImportOptions(**case.options))
    assert " ".join(column.type for column in report.columns) == case.types
    found = tables.preview("t", limit=10_000).rows
    assert found == case.rows
    assert [list(map(repr, row)) for row in found] == [list(map(repr, row)) for row in case.rows]
    assert [(doubt.kind, doubt.line) for doubt in report.doubts] == list(case.doubts)
    assert [(f"column {r.column}", r.count, r.line, r.value, r.written) for r in report.rewritten] == list(
        case.rewritten
    )
    assert len(report.notes) == case.notes, report.notes


REFUSED = [
    ("ragged", "a,b\n1,2\n1,2,3\n", {}, "line 3 differs in its number of fields: expected 2, found 3"),
    ("ragged late", "a,b\n" + "1,2\n" * 9000 + "3\n", {}, "line 9002 differs"),
    ("open quote", 'a,b\n1,2\n"x,2\n' + "5,6\n" * 3, {"quote": '"'}, "line 3"),
    ("text after a quote, late", 'a,b\n1,"x"\n' * 1 + "5,6\n" * 3000 + '1,"x"y\n', {}, "line 3003"),
    ("fixed width", "id   name   n\n1    ada    3\n22   alan   4\n", {}, "aligned with runs of spaces"),
    ("comment between rows", "a,b\n1,2\n# note\n3,4\n", {}, "line 3 differs"),
    ("two encodings", "a,b\n1,é\n".encode() + b"2,\xe9\n", {}, "line 3, byte 3 is not UTF-8"),
    (
        "no encoding known",
        b"a,b\n1,\x81\n",
        {},
        "line 2, byte 3 is not UTF-8 (81 0a), and the file is not Windows-1252",
    ),
    (
        "another encoding said",
        b"a,b\n1,x\n2,\xe9\n",
        {"encoding": "utf-8"},
        "line 3, character 3 is not utf-8",
    ),
    ("type that is none", "a\n1\n", {"types": {"a": "NUMBERS"}}, "no type is called 'NUMBERS'"),
    (
        "type that does not fit",
        "a,b\n1,2\nx,3\n",
        {"types": {"a": "BIGINT"}},
        "line 3, column 'a': 'x' is no BIGINT",
    ),
    ("column that is none", "a\n1\n", {"types": {"b": "BIGINT"}}, "no column is called 'b'"),
    ("nothing", "\n\n", {}, "nothing in it"),
]


@pytest.mark.parametrize(
    ("content", "options", "said"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_refused_for_its_real_reason(
    tables: Tables, tmp_path: Path, content: str | bytes, options: dict[str, Any], said: str
) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NuvError) as caught:
        tables.import_file(file, options=ImportOptions(**options))
    assert said in caught.value.message
    assert not tables.path.exists() or tables.list() == []


def test_a_field_of_megabytes(tables: Tables, tmp_path: Path) -> None:
    long = ", ".join(f"{i} {i}" for i in range(300_000))
    (tmp_path / "geo.csv").write_text(f'id,wkt\n1,"LINESTRING({long})"\n2,"POINT(1 2)"\n')
    tables.import_file(tmp_path / "geo.csv")
    assert tables.query("SELECT id, length(wkt) FROM geo").rows == [[1, len(long) + 12], [2, 10]]


def test_thousands_of_columns(tables: Tables, tmp_path: Path) -> None:
    names = [f"v{at}" for at in range(2000)]
    (tmp_path / "wide.csv").write_text(f"{','.join(names)}\n" + f"{','.join(map(str, range(2000)))}\n" * 3)
    report = tables.import_file(tmp_path / "wide.csv")
    assert [column.name for column in report.columns] == names
    assert tables.preview("wide").rows == [list(range(2000))] * 3


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("c\n1\nNA\n", "missing word"),
        ("d,n\n03/09/2021,1\n", "day or month first"),
        ("d,n\n3.9.21 10:15,1\n", "two-digit year"),
        ("v\n1.5\n1.50\n", "trailing zero"),
        ("v\n007\n1\n", "leading zero"),
        ("v,n\nTRUE,1\nFALSE,1\n", "truth value"),
        ("v,n\n2021-05-01 10:00:00+02:00,1\n", "time zone"),
        ("v;w\n1,5;x\n2,5;y\n1,5;1.5\n", "decimal comma"),
        ("v\n12E5\n1\n", "exponent"),
        ("v\n+1\n1\n", "plus sign"),
    ],
)
def test_the_option_that_a_doubt_names_works(tables: Tables, tmp_path: Path, content: str, kind: str) -> None:
    import shlex

    file = tmp_path / "t.csv"
    file.write_text(content)
    (doubt,) = [doubt for doubt in tables.import_file(file).doubts if doubt.kind == kind]
    words = shlex.split(doubt.option.split(" or ")[0])
    key = words[0].removeprefix("--")
    value: Any = words[1]
    if key == "types":
        value = dict([value.split("=")])
    options = ImportOptions(**{key: [value] if key in ("null", "dates") else value})
    report = tables.import_file(file, replace=True, options=options)
    assert {column.name: column.type for column in report.columns}[doubt.column] != "VARCHAR"
