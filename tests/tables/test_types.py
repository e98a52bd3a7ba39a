"""Every column type comes back from Parquet exactly; no type text gets into SQL unparsed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.tables import types
from nuvtui.tables.types import Type, UnsupportedTypeError, encode, literal, parse, render

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
SCALARS = [
    *sorted(types.NATIVE - {"DECIMAL"}),
    "HUGEINT",
    "UHUGEINT",
    "INTERVAL",
    "BIT",
    "BIGNUM",
    "TIMESTAMP_S",
]


def _unique(names: list[str]) -> bool:
    return len({name.lower() for name in names}) == len(names)


def _nest(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    fields = st.lists(st.tuples(NAMES, inner), min_size=1, max_size=3, unique_by=lambda f: f[0].lower())
    return st.one_of(
        inner.map(lambda t: Type("list", fields=(("", t),))),
        st.tuples(inner, st.integers(1, 4)).map(lambda p: Type("array", size=p[1], fields=(("", p[0]),))),
        fields.map(lambda f: Type("struct", fields=tuple(f))),
        fields.map(lambda f: Type("union", fields=tuple(f))),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda ts: Type("tuple", fields=tuple(("", t) for t in ts))
        ),
        st.tuples(inner, inner).map(lambda p: Type("map", fields=(("", p[0]), ("", p[1])))),
    )


TYPES = st.recursive(
    st.one_of(
        st.sampled_from(SCALARS).map(lambda name: Type("scalar", name)),
        st.integers(1, 38).flatmap(
            lambda w: st.integers(0, w).map(lambda s: Type("scalar", "DECIMAL", (str(w), str(s))))
        ),
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
            min_size=1,
            max_size=3,
            unique=True,
        ).map(lambda values: Type("enum", arguments=tuple(values))),
    ),
    _nest,
    max_leaves=4,
)


@given(TYPES)
def test_a_type_survives_rendering_and_parsing(kind: Type) -> None:
    assert parse(render(kind)) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INTEGER); DROP TABLE t; --",
        "INTEGER DEFAULT (1)",
        "INTEGER PRIMARY KEY",
        "STRUCT(a INTEGER",
        "STRUCT()",
        "ENUM('a'",
        "ENUM(1)",
        "DECIMAL(x)",
        "VARCHAR COLLATE nocase",
        '"quoted"',
        "INTEGER[",
        "INTEGER[-1]",
        "MAP(INTEGER)",
        "UNION('a' INTEGER)",
        "INTEGER, b INTEGER",
        "TIMESTAMP WITH DROP",
        "FOO(1)",
        "STRUCT(a INTEGER))",
    ],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedTypeError):
        parse(text)


# Values: SQL of a type and of a value of it.

_ints = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UHUGEINT": (0, 2**128 - 1),
    "BIGNUM": (-(2**200), 2**200),
}
_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_clock = st.times().map(lambda t: t.isoformat())
_moment = st.datetimes().map(lambda t: t.isoformat(sep=" ")) | st.sampled_from(["infinity", "-infinity"])
_offset = st.tuples(st.sampled_from("+-"), st.integers(0, 15), st.integers(0, 59)).map(
    lambda o: f"{o[0]}{o[1]:02}:{o[2]:02}"
)
_interval = st.tuples(
    st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63) + 1, 2**63 - 1)
).map(
    lambda p: f"to_months(({p[0]})::INTEGER) + to_days(({p[1]})::INTEGER) + to_microseconds(({p[2]})::BIGINT)"
)


def _of(kind: str, text: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    return text.map(lambda value: (kind, f"{literal(value)}::{kind}"))


VALUES: st.SearchStrategy[tuple[str, str]] = st.one_of(
    st.sampled_from(list(_ints)).flatmap(lambda kind: _of(kind, st.integers(*_ints[kind]).map(str))),
    _of("BOOLEAN", st.sampled_from(["true", "false"])),
    _of("DOUBLE", st.floats().map(repr)),
    _of("FLOAT", st.floats(width=32).map(repr)),
    _of("DECIMAL(38,10)", st.decimals(-(10**20), 10**20, places=10).map(str)),
    _of("VARCHAR", _text),
    _of("BLOB", st.binary(max_size=5).map(lambda b: "".join(f"\\x{byte:02x}" for byte in b))),
    _of("DATE", st.dates().map(str) | st.sampled_from(["infinity", "-infinity", "0044-03-15 (BC)"])),
    _of("TIME", _clock | st.just("24:00:00")),
    _of("TIME WITH TIME ZONE", st.tuples(_clock, _offset).map("".join)),
    _of("TIMESTAMP", _moment),
    _of("TIMESTAMP_S", _moment),
    _of("TIMESTAMP_MS", _moment),
    _of("TIMESTAMP_NS", st.sampled_from(["2020-01-01 00:00:00.123456789", "infinity", "1700-01-01"])),
    _of("TIMESTAMP WITH TIME ZONE", st.datetimes().map(lambda t: f"{t.isoformat(sep=' ')}+05:30")),
    _interval.map(lambda sql: ("INTERVAL", f"({sql})")),
    _of("BIT", st.text("01", min_size=1, max_size=20)),
    _of("UUID", st.uuids().map(str)),
    _of("JSON", st.sampled_from(['{"a":  1}', "[1, null]", '"x"', " 1 "])),
    st.sampled_from(["a", "it's", "ü"]).map(
        lambda v: ("ENUM('a', 'it''s', 'ü')", f"{literal(v)}::ENUM('a', 'it''s', 'ü')")
    ),
)


def _deeper(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    def listed(pair: tuple[str, str]) -> st.SearchStrategy[tuple[str, str]]:
        kind, value = pair
        return st.sampled_from(
            [
                (f"{kind}[]", f"[{value}, NULL]::{kind}[]"),
                (f"{kind}[]", f"[]::{kind}[]"),
                (f"{kind}[2]", f"[{value}, NULL]::{kind}[2]"),
                (
                    f'STRUCT("a ""b" {kind}, "list" INTEGER)',
                    f'struct_pack("a ""b" := {value}, "list" := NULL::INTEGER)',
                ),
                (f"STRUCT(x {kind})", f"struct_pack(x := NULL::{kind})"),
                (f"MAP(HUGEINT, {kind})", f"MAP {{7::HUGEINT: {value}}}"),
                (f"MAP(VARCHAR, {kind})", f"MAP {{'k': NULL::{kind}}}"),
                (f"MAP(VARCHAR, {kind})", f"MAP {{}}::MAP(VARCHAR, {kind})"),
                (
                    f'UNION("o\'n" {kind}, s VARCHAR)',
                    f'union_value("o\'n" := {value})::UNION("o\'n" {kind}, s VARCHAR)',
                ),
                (
                    f"UNION(n {kind}, s VARCHAR)",
                    f"union_value(n := NULL::{kind})::UNION(n {kind}, s VARCHAR)",
                ),
            ]
        )

    return inner.flatmap(listed)


@pytest.fixture(scope="module")
def memory() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection, Path(folder) / "t.parquet"


@settings(max_examples=250)
@given(pair=st.recursive(VALUES, _deeper, max_leaves=3))
def test_every_value_comes_back_from_parquet_exactly(
    memory: tuple[duckdb.DuckDBPyConnection, Path], pair: tuple[str, str]
) -> None:
    connection, file = memory
    kind = parse(pair[0])
    assert types.is_known(kind)
    try:
        connection.execute(f"CREATE OR REPLACE TABLE t(v {pair[0]})")
        connection.execute(f"INSERT INTO t VALUES (NULL), ({pair[1]}), (NULL), ({pair[1]})")
    except duckdb.ConversionException:
        return  # a value out of the type's range: DuckDB does not hold it either
    (text,) = connection.execute(
        "SELECT data_type FROM duckdb_columns() WHERE table_name = 't'"
    ).fetchone() or ("",)
    kind = parse(text)
    assert render(kind) == render(parse(pair[0]))
    connection.execute(f"COPY (SELECT {encode(kind, 'v')} AS c0 FROM t) TO '{file}' (FORMAT parquet)")
    connection.execute(f"CREATE OR REPLACE TABLE back(v {render(kind)})")
    connection.execute(f"INSERT INTO back SELECT {types.decode(kind, 'c0')} FROM '{file}'")
    asked = "SELECT v IS NULL, v::VARCHAR, typeof(v){} FROM {}"
    tag = ", union_tag(v)::VARCHAR" if kind.kind == "union" else ""
    assert (
        connection.execute(asked.format(tag, "back")).fetchall()
        == connection.execute(asked.format(tag, "t")).fetchall()
    )
    (same,) = connection.execute(
        "SELECT bool_and(t.v IS NOT DISTINCT FROM back.v) FROM t POSITIONAL JOIN back"
    ).fetchone() or (None,)
    assert same is True
