"""Two different values, two different fingerprints; the same values, the same one, however they came to be there."""

from collections.abc import Iterator

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuvtui.model.snapshot import Column, TablePart, same_table
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from nuvtui.tables import capture, fingerprint
from nuvtui.tables.database import Tables
from nuvtui.tables.schema import Schema
from tests.tables.helpers import dump, make, take

# Values are drawn as SQL of one type, with a key that is equal exactly where the values are the same.
Value = tuple[str, object]
Typed = tuple[str, list[Value]]

_int64 = st.integers(-(2**63), 2**63 - 1)
_halves = st.sampled_from([0, 1, 2**64, 2**64 + 1, 2**63, 2**127 - 1, -1, -(2**127) + 1])
_text = st.text(st.characters(codec="utf-8"), max_size=14) | st.sampled_from(
    ["", "NULL", "[]", "a, b", "'", "\0", "a\0", "{'a': NULL}", "0", "-0", "nan", "[NULL]"]
)


def _quoted(text: str) -> str:
    parts = text.split("\0")
    return "(" + " || chr(0) || ".join("'" + part.replace("'", "''") + "'" for part in parts) + ")"


def _plain(kind: str, values: st.SearchStrategy[object]) -> tuple[str, st.SearchStrategy[Value]]:
    return kind, values.map(lambda value: (f"'{value}'::{kind}", (kind, str(value))))


_float = st.sampled_from(["0.0", "-0.0", "nan", "inf", "-inf", "1.5", "5e-324", "1e308"])
SCALARS: list[tuple[str, st.SearchStrategy[Value]]] = [
    _plain("BOOLEAN", st.booleans()),
    _plain("TINYINT", st.integers(-128, 127)),
    _plain("BIGINT", _int64 | st.sampled_from([0, -1, -4658895280553007687])),
    _plain("UBIGINT", st.integers(0, 2**64 - 1) | st.just(13787848793156543929)),
    _plain("HUGEINT", st.integers(-(2**127) + 1, 2**127 - 1) | _halves),
    _plain("UHUGEINT", st.integers(0, 2**128 - 1) | _halves.map(abs)),
    _plain("BIGNUM", st.integers(-(2**200), 2**200) | _halves),
    _plain("DECIMAL(38,0)", st.integers(-(10**37), 10**37) | _halves.filter(lambda n: abs(n) < 10**37)),
    _plain("DECIMAL(18,0)", st.integers(-(10**17), 10**17) | st.sampled_from([0, -1])),
    _plain("DOUBLE", _float),
    _plain("FLOAT", _float.filter(lambda text: text not in ("5e-324", "1e308"))),
    _plain("DATE", st.dates() | st.sampled_from(["infinity", "-infinity", "1970-01-01"])),
    _plain("TIME", st.sampled_from(["00:00:00", "24:00:00", "12:34:56.000001"])),
    _plain("TIMETZ", st.sampled_from(["12:00:00+01:00", "11:00:00+00:00", "13:00:00+02:00"])),
    _plain("TIMESTAMP", st.sampled_from(["infinity", "-infinity", "1970-01-01 00:00:00", "2020-01-01 00:00:00.000001"])),
    _plain("TIMESTAMP_NS", st.sampled_from(["infinity", "-infinity", "2020-01-01 00:00:00.000000001"])),
    _plain("TIMESTAMP_S", st.sampled_from(["infinity", "-infinity", "2020-01-01 00:00:00"])),
    _plain("TIMESTAMP_MS", st.sampled_from(["infinity", "-infinity", "2020-01-01 00:00:00.001"])),
    _plain("TIMESTAMPTZ", st.sampled_from(["infinity", "-infinity", "2020-01-01 00:00:00+00"])),
    _plain("UUID", st.uuids() | st.sampled_from([f"{n:032x}" for n in (0, 2**64 + 1, 2**127 + 2**63)]).map(
        lambda h: f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}")),
    _plain("BIT", st.text("01", min_size=1, max_size=12)),
    _plain("ENUM('a', 'b', '')", st.sampled_from(["a", "b", ""])),
    _plain("BLOB", st.binary(max_size=4).map(lambda b: "".join(f"\\x{byte:02x}" for byte in b))),
    _plain("JSON", st.sampled_from(["null", '""', "{}", '{"a": 1}', '{"a":1}', "[]", "[null]"])),
    ("VARCHAR", _text.map(lambda text: (f"{_quoted(text)}::VARCHAR", ("VARCHAR", text)))),
    (
        "INTERVAL",
        st.tuples(*[st.sampled_from([0, 1, 12, 30, -1, -30])] * 2, st.sampled_from([0, 1, -1, 86_400_000_000])).map(
            lambda p: (f"(to_months({p[0]}) + to_days({p[1]}) + to_microseconds({p[2]}))", ("INTERVAL", p))
        ),
    ),
]  # fmt: skip
LEAVES = [(kind, values | st.just((f"NULL::{kind}", None))) for kind, values in SCALARS]


@st.composite
def typed(draw: st.DrawFn, depth: int = 2) -> tuple[str, st.SearchStrategy[Value]]:
    """A type, and a strategy for its values."""
    if not depth or draw(st.booleans()):
        return draw(st.sampled_from(LEAVES))
    kind, values = draw(typed(depth - 1))
    shape = draw(st.sampled_from(["list", "array", "struct", "map", "union"]))
    null: st.SearchStrategy[Value]
    if shape == "list":
        whole = f"{kind}[]"
        made = st.lists(values, max_size=3).map(
            lambda vs: (f"[{', '.join(v[0] for v in vs)}]::{whole}", ("list", tuple(v[1] for v in vs)))
        )
    elif shape == "array":
        whole = f"{kind}[2]"
        made = st.tuples(values, values).map(
            lambda vs: (f"[{vs[0][0]}, {vs[1][0]}]::{whole}", ("array", vs[0][1], vs[1][1]))
        )
    elif shape == "struct":
        other, others = draw(typed(depth - 1))
        whole = f'STRUCT(a {kind}, "b ""c" {other})'
        made = st.tuples(values, others).map(
            lambda vs: (f"{{'a': {vs[0][0]}, 'b \"c': {vs[1][0]}}}::{whole}", ("struct", vs[0][1], vs[1][1]))
        )
    elif shape == "map":
        whole = f"MAP(VARCHAR, {kind})"
        made = st.lists(st.tuples(st.sampled_from(["", "k", "NULL"]), values), max_size=2, unique_by=lambda e: e[0]).map(
            lambda es: (
                f"map_from_entries([{', '.join(f'({k!r}, {v[0]})' for k, v in es)}])::{whole}" if es
                else f"MAP {{}}::{whole}",
                ("map", tuple((k, v[1]) for k, v in es)),
            )
        )  # fmt: skip
    else:
        whole = f"UNION(x {kind}, y {kind})"
        made = st.tuples(st.sampled_from("xy"), values).map(
            lambda p: (f"union_value({p[0]} := {p[1][0]})::{whole}", ("union", p[0], p[1][1]))
        )
    null = st.just((f"NULL::{whole}", None))
    return whole, made | null


@pytest.fixture(scope="module")
def memory() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def prints(connection: duckdb.DuckDBPyConnection, kind: str, rows: list[str]) -> str:
    """The fingerprint of a table of one column that holds `rows`, each SQL."""
    connection.execute("DROP TABLE IF EXISTS t")
    connection.execute(f"CREATE TABLE t(v {kind})")
    for row in rows:
        connection.execute(f"INSERT INTO t SELECT {row}")
    ((text,),) = connection.execute(
        "SELECT data_type FROM duckdb_columns() WHERE table_name = 't'"
    ).fetchall()
    return fingerprint.of_table(connection, Schema("t", [Column("v", text)]), Silent()).fingerprint


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_fingerprints_are_equal_exactly_where_the_values_are(
    memory: duckdb.DuckDBPyConnection, data: st.DataObject
) -> None:
    kind, values = data.draw(typed())
    one = data.draw(st.lists(values, min_size=1, max_size=3))
    other = data.draw(st.lists(values, min_size=len(one), max_size=len(one)) | st.permutations(one))
    first, second = (prints(memory, kind, [value[0] for value in rows]) for rows in (one, other))
    same = [value[1] for value in one] == [value[1] for value in other]
    assert (first == second) is same, (kind, one, other)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("VARCHAR[]", ["NULL", "[]", "[NULL]", "['']", "['NULL']", "[NULL, NULL]"]),
        ("INTEGER[][]", ["NULL", "[]", "[[]]", "[NULL]", "[[NULL]]", "[[1], [2]]", "[[1, 2]]", "[[], [1, 2]]"]),
        ("INTEGER[2]", ["NULL", "[NULL, NULL]", "[1, NULL]", "[NULL, 1]"]),
        ("STRUCT(a INTEGER, b INTEGER)", ["NULL", "{'a': NULL, 'b': NULL}", "{'a': 1, 'b': NULL}", "{'a': NULL, 'b': 1}"]),
        ("STRUCT(a STRUCT(b INTEGER))", ["NULL", "{'a': NULL}", "{'a': {'b': NULL}}"]),
        ("MAP(VARCHAR, INTEGER)", ["NULL", "MAP {}", "MAP {'a': NULL}", "MAP {'': NULL}"]),
        ("DECIMAL(38,2)", ["NULL", "0", "-0.01", "0.01", "(-1)"]),
        ("HUGEINT", ["NULL", "0", "-1", "18446744073709551617", "36893488147419103234"]),
        ("UUID", ["NULL", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0001-0000-000000000001'"]),
        ("INTERVAL", ["NULL", "INTERVAL 1 MONTH", "INTERVAL 30 DAY", "INTERVAL 720 HOUR", "INTERVAL 0 DAY"]),
        # The one number that DuckDB hashes as it hashes NULL.
        ("UBIGINT", ["NULL", "{null}", "0"]),
        ("DOUBLE[]", ["[0.0]", "['-0.0'::DOUBLE]", "['nan'::DOUBLE]", "NULL"]),
        ("TIMETZ", ["'12:00:00+01'", "'11:00:00+00'"]),
        ("UNION(a INTEGER, b INTEGER)", ["NULL", "union_value(a := NULL::INTEGER)", "union_value(b := NULL::INTEGER)",
            "union_value(a := 1)", "union_value(b := 1)"]),
    ],
)  # fmt: skip
def test_values_that_duckdb_hashes_alike_are_told_apart(
    memory: duckdb.DuckDBPyConnection, kind: str, values: list[str]
) -> None:
    values = [value.replace("{null}", str(_hashed_as_null(memory))) for value in values]
    found = [prints(memory, kind, [f"{value}::{kind}"]) for value in values]
    assert len(set(found)) == len(values)


def _hashed_as_null(connection: duckdb.DuckDBPyConnection) -> int:
    """The UBIGINT with the hash of NULL: DuckDB's mixing of a number turned back."""
    ((target,),) = connection.execute("SELECT hash(NULL)").fetchall()
    back = pow(0xD6E8FEB86659FD93, -1, 1 << 64)
    number = int(target)
    number ^= number >> 32
    for _ in range(2):
        number = number * back % (1 << 64)
        number ^= number >> 32
    ((same,),) = connection.execute(f"SELECT hash({number}::UBIGINT) = hash(NULL)").fetchall()
    assert same
    return number


def test_a_variant_is_told_apart() -> None:
    with duckdb.connect() as connection:
        texts = ["[1, 2]", "['1', '2']", "{'a': 1}", "{'a': '1'}", "1", "'1'", "[]::INTEGER[]", "[[1], [2]]", "[[1, 2]]",
                 "NULL", "{'a': NULL}", "INTERVAL 1 MONTH", "INTERVAL 30 DAY", "0::DECIMAL(38)",
                 "-1::DECIMAL(38)"]  # fmt: skip
        found = [prints(connection, "VARIANT", [f"({text})::VARIANT"]) for text in texts]
    assert len(set(found)) == len(texts)


def test_geometry_is_told_apart(memory: duckdb.DuckDBPyConnection) -> None:
    found = [
        prints(memory, "GEOMETRY", [f"{v}::GEOMETRY"]) for v in ("NULL", "'POINT (0 0)'", "'POINT (0 1)'")
    ]
    assert len(set(found)) == 3


def test_it_does_not_depend_on_how_the_rows_came_to_be_there(workspace: Workspace, other: Tables) -> None:
    rows = "SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 's' || i END AS s FROM range(300000) r(i)"
    make(workspace, f"CREATE TABLE t AS {rows}")
    make(
        other.workspace,
        f"CREATE TABLE t AS SELECT * FROM ({rows}) WHERE i < 200000",
        "INSERT INTO t SELECT i, 'x' FROM range(50000) r(i)",
        "DELETE FROM t WHERE s = 'x'",
        f"INSERT INTO t SELECT * FROM ({rows}) WHERE i >= 200000",
        "UPDATE t SET s = 'changed' WHERE i = 5",
        "UPDATE t SET s = 's5' WHERE i = 5",
    )
    one, two = capture.describe(Tables(workspace)), capture.describe(other)
    assert one == two
    assert len(one[0].blocks) == 3 * fingerprint.DIGITS
    make(workspace, "UPDATE t SET s = '' WHERE i = 122880")
    (after,) = capture.describe(Tables(workspace))
    step = fingerprint.DIGITS
    differing = [
        at for at in range(3) if after.blocks[at * step :][:step] != one[0].blocks[at * step :][:step]
    ]
    assert differing == [1]


def test_parts_of_the_first_scheme_are_compared_anew(workspace: Workspace, store: Store, home: Home) -> None:
    tables = make(
        workspace,
        "CREATE TABLE t AS SELECT i, [i] AS l FROM range(1000) r(i)",
        "CREATE TABLE u AS SELECT 1 AS a",
    )
    now = take(tables, store, home)
    old = [msgspec.structs.replace(part, fingerprint="119b2301-" + 40 * "0", blocks="") for part in now]
    make(workspace, "UPDATE u SET a = 2")
    with writing(store) as writer:
        t, u = capture.capture(tables, old, writer, home.tmp, Silent(), home.cache / "memory")[0]
        writer.commit()
    assert t == now[0]  # not written again, and from now on with a fingerprint of this scheme
    assert (same_table(old[0], t), same_table(old[1], u)) == (True, False)
    assert u.content != old[1].content
    # Put back, they are verified by their rows alone.
    capture.replace(tables, old, [], store, home.tmp, Silent())
    assert dump(tables.path)["u"][1][0][0] == "1"
    assert list(home.tmp.iterdir()) == []


def test_a_manifest_of_before_is_read() -> None:
    text = b'{"name":"t","rows":1,"columns":[{"name":"a","type":"INTEGER"}],"fingerprint":"x-y","content":["00"],"bytes":5}'
    part = msgspec.json.decode(text, type=TablePart)
    assert (part.description, part.blocks, part.columns[0].description) == ("", "", "")
