"""Column types: parsed from DuckDB's own text, and carried through Parquet exactly.

Parquet cannot hold every DuckDB type as it is: HUGEINT becomes a floating-point number, INTERVAL is cut to
milliseconds, ENUM, BIT and BIGNUM become text, UNION and fixed-size ARRAY lose their shape, TIME WITH TIME
ZONE its offset (tried with DuckDB 2.0). For those a column is *encoded*: an SQL expression gives a value of
a type that does survive, and another one restores it. Nested types are encoded from the inside out.

Types come back from manifests, which are not trusted: nothing of a type's text reaches SQL but through
`parse` and `render`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")

NATIVE = frozenset(
    {
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "DATE",
        "TIME",
        "TIME_NS",
        "TIMESTAMP",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        "UUID",
        "VARCHAR",
        "BLOB",
        "JSON",
    }
)
"""Types that Parquet, as DuckDB writes and reads it, restores exactly."""

_AS_TEXT = frozenset(
    {"HUGEINT", "UHUGEINT", "INTERVAL", "BIT", "BIGNUM", "TIME WITH TIME ZONE", "TIMESTAMPTZ_NS"}
)
_AS_TIMESTAMP = frozenset({"TIMESTAMP_S", "TIMESTAMP_MS"})
_DIRECT = frozenset(
    {
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "DOUBLE",
    }
)
_HASHED = NATIVE - {"UUID"} | _AS_TIMESTAMP
"""Scalars that DuckDB's `hash` tells apart as they are (FLOAT, DOUBLE, DECIMAL: see `digest`)."""
_SIMPLE = re.compile(r"[A-Z][A-Z0-9_]*")
_TOKEN = re.compile(
    r"\s*(?:(\"(?:[^\"]|\"\")*\")|('(?:[^']|'')*')|([A-Za-z_][A-Za-z0-9_]*|\d+)|(.))", re.DOTALL
)


class UnsupportedTypeError(ValueError):
    """A type that nuvtui does not know how to carry."""


@dataclass(frozen=True)
class Type:
    """A type of DuckDB, parsed: its name, parameters and the types inside it."""

    kind: str
    """`scalar`, `list`, `array`, `struct`, `tuple`, `map`, `union` or `enum`."""
    name: str = ""
    """Of a scalar: its name, in capitals."""
    arguments: tuple[str, ...] = ()
    """Of a scalar: what its parentheses hold (width and scale, coordinate system); of an enum its values."""
    size: int = 0
    """Of an array."""
    fields: tuple[tuple[str, "Type"], ...] = ()
    """Fields of a struct or tuple, members of a union, key and value of a map, element of a list or array."""

    @property
    def element(self) -> "Type":
        """The type of a list's or array's elements."""
        return self.fields[0][1]

    @property
    def nested(self) -> bool:
        """True for types made of other types."""
        return self.kind not in ("scalar", "enum")


def identifier(name: str) -> str:
    """`name` quoted for SQL, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string, whatever it contains."""
    return "'" + text.replace("'", "''") + "'"


def parse(text: str) -> Type:
    """The type that DuckDB writes as `text`. Raises UnsupportedTypeError."""
    parser = _Parser(text)
    parsed = parser.type()
    if parser.peek():
        raise UnsupportedTypeError(f"not a column type: {text!r}")
    return parsed


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [match.group().strip() for match in _TOKEN.finditer(text.strip())]
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise UnsupportedTypeError(f"not a column type: {self.text!r}")
        self.at += 1
        return token

    def type(self) -> Type:
        result = self.base()
        while self.peek() == "[":
            self.take()
            if self.peek() == "]":
                result = Type("list", fields=(("", result),))
            else:
                result = Type("array", size=self.number(), fields=(("", result),))
            self.take("]")
        return result

    def base(self) -> Type:
        name = self.take().upper()
        if not _SIMPLE.fullmatch(name):
            raise UnsupportedTypeError(f"not a column type: {self.text!r}")
        if name in ("TIME", "TIMESTAMP") and self.peek().upper() == "WITH":
            for word in ("WITH", "TIME", "ZONE"):
                if self.take().upper() != word:
                    raise UnsupportedTypeError(f"not a column type: {self.text!r}")
            return Type("scalar", f"{name} WITH TIME ZONE")
        if self.peek() != "(":
            return Type("scalar", name)
        self.take("(")
        match name:
            case "STRUCT" | "UNION":
                result = Type(name.lower(), fields=self.several(self.field))
            case "TUPLE":
                result = Type("tuple", fields=self.several(lambda: ("", self.type())))
            case "MAP":
                result = Type("map", fields=self.several(lambda: ("", self.type())))
                if len(result.fields) != 2:
                    raise UnsupportedTypeError(f"not a column type: {self.text!r}")
            case "ENUM":
                result = Type("enum", arguments=self.several(self.string))
            case "DECIMAL":
                result = Type("scalar", name, tuple(str(n) for n in self.several(self.number)))
            case "GEOMETRY":
                result = Type("scalar", name, self.several(self.string))
            case _:
                raise UnsupportedTypeError(f"not a column type: {self.text!r}")
        self.take(")")
        return result

    def several(self, one: "Callable[[], _T]") -> "tuple[_T, ...]":
        items = [one()]
        while self.peek() == ",":
            self.take()
            items.append(one())
        return tuple(items)

    def field(self) -> tuple[str, Type]:
        name = self.take()
        if name.startswith('"') and len(name) > 2:
            name = name[1:-1].replace('""', '"')
        elif not (name[0].isalpha() or name[0] == "_"):
            raise UnsupportedTypeError(f"not a column type: {self.text!r}")
        return name, self.type()

    def string(self) -> str:
        token = self.take()
        if not token.startswith("'") or len(token) < 2:
            raise UnsupportedTypeError(f"not a column type: {self.text!r}")
        return token[1:-1].replace("''", "'")

    def number(self) -> int:
        token = self.take()
        if not token.isdigit():
            raise UnsupportedTypeError(f"not a column type: {self.text!r}")
        return int(token)


def render(kind: Type) -> str:
    """`kind` as SQL; safe whatever names and values are in it."""
    match kind.kind:
        case "list":
            return f"{render(kind.element)}[]"
        case "array":
            return f"{render(kind.element)}[{kind.size}]"
        case "struct" | "union":
            fields = ", ".join(f"{identifier(name)} {render(part)}" for name, part in kind.fields)
            return f"{kind.kind.upper()}({fields})"
        case "tuple" | "map":
            return f"{kind.kind.upper()}({', '.join(render(part) for _, part in kind.fields)})"
        case "enum":
            return f"ENUM({', '.join(literal(value) for value in kind.arguments)})"
    if kind.name == "DECIMAL" and kind.arguments:
        return f"DECIMAL({', '.join(kind.arguments)})"
    if kind.name == "GEOMETRY" and kind.arguments:
        return f"GEOMETRY({', '.join(literal(value) for value in kind.arguments)})"
    return kind.name


def is_native(kind: Type) -> bool:
    """True where Parquet restores `kind` exactly without encoding."""
    if kind.kind == "scalar":
        return kind.name in NATIVE
    return kind.kind in ("list", "struct", "map") and all(is_native(part) for _, part in kind.fields)


def is_known(kind: Type) -> bool:
    """True where `encode` and `decode` are known to be exact; others are compared after writing."""
    if kind.kind == "scalar":
        return kind.name in NATIVE | _AS_TEXT | _AS_TIMESTAMP | {"GEOMETRY"}
    return all(is_known(part) for _, part in kind.fields)


def is_recent(kind: Type) -> bool:
    """True where only files in a recent storage format can hold a column of `kind`."""
    return kind.kind == "tuple" or kind.name == "VARIANT" or any(is_recent(part) for _, part in kind.fields)


def digest(kind: Type, value: str, depth: int = 0) -> list[str]:
    """SQL whose values, all of them hashed, tell any two values of `kind` apart.

    DuckDB's `hash` alone does not: it gives one number for NULL, [], [NULL] and a struct of NULLs, for [[1], [2]] and
    [[1, 2]], for 0.0 and -0.0, for a month and 30 days, and for the many values of 128 bits whose halves are equal.
    So it is only given what it tells apart (64 bits or text), with NULL, tags and lengths beside it.
    """
    match kind.kind:
        case "list" | "array" | "map":
            item = f"item{depth}"
            if kind.kind == "map":
                listed = f"map_entries({value})"
                parts = digest(kind.fields[0][1], f"{item}.key", depth + 1)
                parts += digest(kind.fields[1][1], f"{item}.value", depth + 1)
            else:
                listed = value if kind.kind == "list" else f"CAST({value} AS {render(kind.element)}[])"
                parts = digest(kind.element, item, depth + 1)
            hashed = f"list_transform({listed}, lambda {item}: hash({', '.join(parts)}))"
            return [f"{value} IS NULL", f"len({listed})", f"hash({hashed})"]
        case "struct" | "tuple":
            parts = [f"{value} IS NULL"]
            for position, (name, part) in enumerate(kind.fields, 1):
                parts += digest(
                    part, f"struct_extract({value}, {literal(name) if name else position})", depth
                )
            return parts
        case "union":
            parts = [f"union_tag({value}) IS NULL", f"CAST(union_tag({value}) AS VARCHAR)"]
            for name, part in kind.fields:
                parts += digest(part, f"union_extract({value}, {literal(name)})", depth)
            return parts
        case "enum":
            return [f"{value} IS NULL", value]
    if kind.name in ("FLOAT", "DOUBLE"):
        return [f"{value} IS NULL", value, f"signbit({value})"]
    if kind.name == "DECIMAL":
        width = int(kind.arguments[0]) if kind.arguments else 18
        return [f"{value} IS NULL", value if width <= 18 else f"CAST({value} AS VARCHAR)"]
    if kind.name == "GEOMETRY":
        return [f"{value} IS NULL", f"CAST({value} AS BLOB)"]
    if kind.name == "VARIANT":
        # Its hash is of the value, whatever its width; its text does not tell '1' from 1.
        return [f"{value} IS NULL", value, f"CAST({value} AS VARCHAR)", f"variant_typeof({value})"]
    return [f"{value} IS NULL", value if kind.name in _HASHED else f"CAST({value} AS VARCHAR)"]


def encode(kind: Type, value: str, depth: int = 0) -> str:
    """SQL that turns `value` (SQL of type `kind`) into what Parquet restores exactly."""
    if is_native(kind):
        return value
    match kind.kind:
        case "enum":
            return f"CAST({value} AS VARCHAR)"
        case "list" | "array":
            listed = value if kind.kind == "list" else f"CAST({value} AS {render(kind.element)}[])"
            if is_native(kind.element):
                return listed
            item = f"item{depth}"
            return f"list_transform({listed}, lambda {item}: {encode(kind.element, item, depth + 1)})"
        case "struct" | "tuple":
            parts = _fields(
                encode(part, f"struct_extract({value}, {literal(name) if name else position})", depth)
                for position, (name, part) in enumerate(kind.fields, 1)
            )
            return f"CASE WHEN {value} IS NULL THEN NULL ELSE {parts} END"
        case "map":
            item = f"item{depth}"
            parts = _fields(
                encode(part, f"{item}.{side}", depth + 1)
                for side, (_, part) in zip(("key", "value"), kind.fields, strict=True)
            )
            entries = f"list_transform(map_entries({value}), lambda {item}: {parts})"
            return f"CASE WHEN {value} IS NULL THEN NULL ELSE {entries} END"
        case "union":
            members = [
                encode(part, f"union_extract({value}, {literal(name)})", depth) for name, part in kind.fields
            ]
            parts = _fields([f"CAST(union_tag({value}) AS VARCHAR)", *members])
            return f"CASE WHEN union_tag({value}) IS NULL THEN NULL ELSE {parts} END"
    if kind.name in _AS_TEXT:
        return f"CAST({value} AS VARCHAR)"
    if kind.name in _AS_TIMESTAMP:
        return f"CAST({value} AS TIMESTAMP)"
    if kind.name == "GEOMETRY":
        return f"CAST({value} AS BLOB)"
    return value


def decode(kind: Type, value: str, depth: int = 0) -> str:
    """SQL that turns `value`, which `encode` made, back into type `kind`."""
    if is_native(kind):
        return value
    target = render(kind)
    match kind.kind:
        case "list" | "array":
            if not is_native(kind.element):
                item = f"item{depth}"
                value = f"list_transform({value}, lambda {item}: {decode(kind.element, item, depth + 1)})"
            return f"CAST({value} AS {target})"
        case "struct":
            parts = ", ".join(
                f"{identifier(name)} := {decode(part, _extract(value, at), depth)}"
                for at, (name, part) in enumerate(kind.fields)
            )
            return f"CAST(CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({parts}) END AS {target})"
        case "tuple":
            parts = ", ".join(
                decode(part, _extract(value, at), depth) for at, (_, part) in enumerate(kind.fields)
            )
            return f"CAST(CASE WHEN {value} IS NULL THEN NULL ELSE row({parts}) END AS {target})"
        case "map":
            item = f"item{depth}"
            key, part = (
                decode(inner, f"{item}.{_slot(at)}", depth + 1) for at, (_, inner) in enumerate(kind.fields)
            )
            pairs = f"list_transform({value}, lambda {item}: struct_pack(k := {key}, v := {part}))"
            made = f"map_from_entries({pairs})"
            return f"CAST(CASE WHEN {value} IS NULL THEN NULL ELSE {made} END AS {target})"
        case "union":
            tag = _extract(value, 0)
            cases = " ".join(
                f"WHEN {literal(name)} THEN CAST(union_value({identifier(name)} := CAST("
                f"{decode(part, _extract(value, at), depth)} AS {render(part)}))"
                f" AS {target})"
                for at, (name, part) in enumerate(kind.fields, 1)
            )
            return f"CASE {tag} {cases} ELSE NULL END"
    return f"CAST({value} AS {target})"


def portable(kind: Type, value: str) -> str:
    """SQL that turns `value` into what any reader of Parquet understands, as exactly as that can be.

    What Parquet has no type for becomes text: better than the floating-point number that DuckDB makes of HUGEINT.
    """
    if is_native(kind) or kind.name == "GEOMETRY":
        return value
    if kind.kind in ("enum", "scalar"):
        return encode(kind, value)
    if kind.kind == "array" and is_native(kind.element):
        return encode(kind, value)
    return f"CAST({value} AS VARCHAR)"


def display(kind: Type, value: str, clip: int | None = None) -> str:
    """SQL that turns `value` into what `Rows` may hold (floats still to be checked for being finite)."""
    if kind.kind == "scalar":
        if kind.name in _DIRECT:
            return value
        if kind.name == "FLOAT":
            # Through text: 0.1 stays 0.1 instead of 0.10000000149011612.
            return f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
    text = f"CAST({value} AS VARCHAR)"
    if clip is None:
        return text
    return f"CASE WHEN length({text}) > {clip} THEN left({text}, {clip}) || '…' ELSE {text} END"


def _extract(value: str, position: int) -> str:
    return f"struct_extract({value}, '{_slot(position)}')"


def _slot(position: int) -> str:
    return f"f{position}"


def _fields(parts: Iterable[str]) -> str:
    return "{" + ", ".join(f"'{_slot(at)}': {part}" for at, part in enumerate(parts)) + "}"
