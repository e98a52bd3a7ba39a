"""The proof that reading a text as a type lost nothing: each value is written back and compared with its text.

It is made while the table is, in one of two ways. `prove_at_once` ends at the first text that its value does not
give back: nothing is kept for that case, so files without such a text, nearly all, are read fastest. For others
`prove` follows, from the beginning of the file; with such a text in the last row all of the first pass was in vain,
and the import takes up to twice as long as with `prove` alone.

In `prove` beside each row stands its *residue*, the list of those texts that their values do not give back. Of value
and residue every text of the file can be had again: a column whose type does not hold becomes another one without
reading the file once more. At the end the residue is dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables import forms
from nuvtui.tables.forms import TEXT, TypeChoice
from nuvtui.tables.types import identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

_ROUNDS = 4
"""So often another type is tried before all that does not hold is text."""
_LOOKED_AT = 2000
"""Texts that another type is chosen by."""


_AT_ONCE = 50
"""Columns that are looked at in one query."""


@dataclass(frozen=True)
class Mismatch:
    """Values of a column that are not written as their texts are."""

    count: int
    row: int
    """Of the first one, from 0."""
    text: str
    written: str | None


@dataclass
class Proven:
    """A column of the table that was made."""

    name: str
    choice: TypeChoice
    rewritten: Mismatch | None = None
    refuted: Mismatch | None = None
    """Why the type that the first rows have was given up; for a type that was asked for: what is not of it."""


class DoubtError(Exception):
    """Some text is not what its value is written as."""


def prove_at_once(
    connection: "Connection",
    table: str,
    source: str,
    columns: Sequence[tuple[str, TypeChoice]],
    reporter: Reporter,
    tell: Callable[[float], None] | None = None,
) -> list[Proven]:
    """Make `table` as `prove` does if every value gives its text back. Raises DoubtError as soon as one does not.

    To be called in a transaction, which that error ends.
    """
    import duckdb

    proven = [Proven(name, choice) for name, choice in columns]
    target = f"main.{identifier(table)}"
    made = _Columns(proven, {column.name: identifier(column.name) for column in proven})
    # With TRY_CAST everywhere, nothing but this has a conversion fail.
    checked = f" WHERE CASE WHEN {made.suspicious} THEN CAST('doubt' AS BOOLEAN) ELSE true END"
    sql = f"CREATE TABLE {target} AS SELECT {made.values} FROM {made.read(source)}"
    try:
        access.run(connection, sql + (checked if made.suspicious else ""), reporter, tell)
    except duckdb.ConversionException as error:
        raise DoubtError from error
    for column in proven:
        if _respells(column.choice):
            column.rewritten = _respelt(connection, target, column, "CAST(NULL AS VARCHAR)")
    return proven


def prove(
    connection: "Connection",
    table: str,
    source: str,
    columns: Sequence[tuple[str, TypeChoice]],
    words: Sequence[str],
    choose: Callable[[list[str]], TypeChoice],
    reporter: Reporter,
    tell: Callable[[float], None] | None = None,
) -> list[Proven]:
    """Make `table` (a name in main) of `source`, SQL that gives the columns as text, under their names.

    `words`: texts that mean NULL in columns that are not text. `choose` gives the type for some texts. A column
    with a choice that was asked for keeps it: look at its `refuted`. To be called in a transaction.
    """
    proven = [Proven(name, choice) for name, choice in columns]
    residue = _unused([name for name, _ in columns])
    texts = {column.name: identifier(column.name) for column in proven}
    target = f"main.{identifier(table)}"
    _make(connection, target, source, proven, texts, residue, reporter, tell)
    for remaining in reversed(range(_ROUNDS)):
        given_up = _judge(connection, target, proven, words, residue)
        if not given_up:
            break
        source, texts = _again(target, proven, residue)
        wanted = ", ".join(texts[column.name] for column, _ in given_up)
        first = connection.execute(f"SELECT {wanted} FROM {source} LIMIT {_LOOKED_AT}").fetchall()
        held = connection.execute(
            f"SELECT {identifier(residue)} FROM {target} WHERE {identifier(residue)} IS NOT NULL LIMIT {_LOOKED_AT}"
        ).fetchall()
        for at, (column, place) in enumerate(given_up):
            assert column.refuted is not None
            seen = {row[at] for row in first} | {row[0][place - 1] for row in held} | {column.refuted.text}
            column.choice = choose([text for text in seen if text]) if remaining else TEXT
        spare = f"main.{identifier(_unused([table]))}"
        _make(connection, spare, source, proven, texts, residue, reporter, None)
        connection.execute(f"DROP TABLE {target}")
        connection.execute(f"ALTER TABLE {spare} RENAME TO {identifier(table)}")
    if any(column.choice != TEXT for column in proven):
        connection.execute(f"ALTER TABLE {target} DROP COLUMN {identifier(residue)}")
    return proven


def _unused(names: Sequence[str]) -> str:
    name = "nuvtui residue"
    while name.lower() in {known.lower() for known in names}:
        name += "_"
    return name


class _Columns:
    """SQL for columns whose texts are the SQL `texts`, by name."""

    def __init__(self, proven: Sequence[Proven], texts: Mapping[str, str]) -> None:
        read, values, suspicious, kept = [], [], [], []
        for position, column in enumerate(proven):
            text = texts[column.name]
            if column.choice == TEXT:
                values.append(f"{text} AS {identifier(column.name)}")
                continue
            value = f'"nuvtui v{position}"'
            read.append(f"{_read(column.choice, text)} AS {value}")
            values.append(f"{value} AS {identifier(column.name)}")
            suspicious.append(_suspicious(column.choice, value, text))
            written = _written(column.choice, value)
            kept.append(f"CASE WHEN {written} IS DISTINCT FROM {text} THEN {text} END")
        self._read = read
        self.values = ", ".join(values)
        """The table's columns."""
        self.suspicious = " OR ".join(suspicious)
        """True wherever a value does not give its text back, and perhaps elsewhere. Empty: there is only text."""
        self.residue = f"CASE WHEN {self.suspicious} THEN [{', '.join(kept)}] END"

    def read(self, source: str) -> str:
        """`source` with what the other expressions need."""
        return f"(SELECT *, {', '.join(self._read)} FROM {source})" if self._read else source


def _make(
    connection: "Connection",
    target: str,
    source: str,
    proven: Sequence[Proven],
    texts: Mapping[str, str],
    residue: str,
    reporter: Reporter,
    tell: Callable[[float], None] | None,
) -> None:
    """CREATE TABLE with values and residue of `source`, whose texts are the SQL `texts` by column."""
    made = _Columns(proven, texts)
    values = made.values + (f", {made.residue} AS {identifier(residue)}" if made.suspicious else "")
    access.run(
        connection, f"CREATE TABLE {target} AS SELECT {values} FROM {made.read(source)}", reporter, tell
    )


def _judge(
    connection: "Connection", target: str, proven: Sequence[Proven], words: Sequence[str], residue: str
) -> list[tuple[Proven, int]]:
    """Note what each column's residue says; the columns whose type does not hold, with their place in it."""
    typed = [column for column in proven if column.choice != TEXT]
    if not typed:
        return []
    ((left,),) = connection.execute(f"SELECT count({identifier(residue)}) FROM {target}").fetchall()
    for column in typed:
        column.rewritten = column.refuted = None
    if left:
        listed = ", ".join(f"count({identifier(residue)}[{at + 1}])" for at in range(len(typed)))
        (counts,) = connection.execute(f"SELECT {listed} FROM {target}").fetchall()
    else:
        counts = (0,) * len(typed)
    given_up = []
    places = {column.name: f"{identifier(residue)}[{at + 1}]" for at, column in enumerate(typed)}
    differing = [column for column, count in zip(typed, counts, strict=True) if count]
    for begin in range(0, len(differing), _AT_ONCE):
        _differences(connection, target, differing[begin : begin + _AT_ONCE], places, words)
    for at, column in enumerate(typed):
        if column.refuted and not column.choice.asked:
            given_up.append((column, at + 1))
        elif _respells(column.choice):
            column.rewritten = _respelt(connection, target, column, places[column.name])
    return given_up


def _differences(
    connection: "Connection",
    target: str,
    columns: Sequence[Proven],
    places: Mapping[str, str],
    words: Sequence[str],
) -> None:
    """Note what the residue says of some columns; `places`: SQL of a column's residue, by name."""
    # The names in the subqueries are their own: a user's column may be called `n`.
    inner, middle, outer = [], [], []
    for at, column in enumerate(columns):
        text, value, fine = f"t{at}", f"v{at}", f"f{at}"
        inner.append(f"{places[column.name]} AS {text}, {identifier(column.name)} AS {value}")
        asked = f"NULL WHEN {text} IN ({', '.join(map(literal, words))}) THEN NULL" if words else "NULL"
        tolerable = _tolerable(column.choice, text, value, _written(column.choice, value))
        middle.append(
            f"CASE WHEN {text} IS NULL THEN {asked} ELSE coalesce({tolerable}, false) END AS {fine}"
        )
        middle.append(f"{text}, CAST({value} AS VARCHAR) AS w{at}")
        outer += [
            f"count(*) FILTER ({which}), min(n) FILTER ({which}), arg_min({text}, n) FILTER ({which}), "
            f"(arg_min([w{at}], n) FILTER ({which}))[1]"
            for which in (fine, f"NOT {fine}")
        ]
    # Materialized: else DuckDB judges each text anew for each of the aggregates.
    (found,) = connection.execute(
        f"WITH judged AS MATERIALIZED (SELECT n, {', '.join(middle)} FROM "
        f"(SELECT row_number() OVER () - 1 AS n, {', '.join(inner)} FROM {target}) "
        f"WHERE {' OR '.join(f't{at} IS NOT NULL' for at in range(len(columns)))}) "
        f"SELECT {', '.join(outer)} FROM judged"
    ).fetchall()
    for at, column in enumerate(columns):
        tolerated, wrong = found[8 * at : 8 * at + 4], found[8 * at + 4 : 8 * at + 8]
        column.rewritten = Mismatch(*tolerated) if tolerated[0] else None
        column.refuted = Mismatch(*wrong) if wrong[0] else None


def _respells(choice: TypeChoice) -> bool:
    """True where DuckDB may write a value otherwise than the file that it gives back."""
    return bool(choice.spelling) and "%" not in choice.spelling


def _respelt(connection: "Connection", target: str, column: Proven, text: str) -> Mismatch | None:
    """What of a column that the file spells otherwise than DuckDB does, is written otherwise."""
    value = identifier(column.name)
    differs = f"{_whole('v')}" if column.choice.spelling == "g" else "v IS NOT NULL"
    ((count, row),) = connection.execute(
        f"SELECT count(*), min(n) FROM (SELECT row_number() OVER () - 1 AS n, {value} AS v, {text} AS t "
        f"FROM {target}) WHERE CASE WHEN t IS NULL THEN {differs} ELSE t IS DISTINCT FROM CAST(v AS VARCHAR) END"
    ).fetchall()
    if not count:
        return None
    ((first, back),) = connection.execute(
        f"SELECT coalesce({text}, {_written(column.choice, value)}), CAST({value} AS VARCHAR) "
        f"FROM {target} LIMIT 1 OFFSET {row}"
    ).fetchall()
    return Mismatch(count, row, first, back)


def _again(target: str, proven: Sequence[Proven], residue: str) -> tuple[str, dict[str, str]]:
    """The table as a source of all the texts that were in the file; and the texts by column."""
    texts, inner = {}, []
    place = 0
    for position, column in enumerate(proven):
        name = identifier(column.name)
        texts[column.name] = f'"nuvtui t{position}"'
        if column.choice == TEXT:
            inner.append(f"{name} AS {texts[column.name]}")
            continue
        place += 1
        written = _written(column.choice, name)
        inner.append(f"coalesce({identifier(residue)}[{place}], {written}) AS {texts[column.name]}")
    return f"(SELECT {', '.join(inner)} FROM {target})", texts


# How a choice reads and writes

_WHOLE = "1e15"
"""Below it DuckDB writes whole floating-point numbers without an exponent."""


def _read(choice: TypeChoice, text: str) -> str:
    """SQL: the value of `text`, NULL where it is none."""
    if "%" in choice.spelling:
        return f"CAST(try_strptime({text}, {literal(choice.spelling)}) AS {choice.type})"
    if "," in choice.spelling:
        text = f"replace({text}, ',', '.')"
    return f"TRY_CAST({text} AS {choice.type})"


def _written(choice: TypeChoice, value: str) -> str:
    """SQL: the text that `value` is expected to come from."""
    spelling = choice.spelling
    if "%" in spelling:
        return f"strftime({value}, {literal(spelling)})"
    text = f"CAST({value} AS VARCHAR)"
    if "g" in spelling:
        text = f"CASE WHEN {_whole(value)} THEN {_integer(value)} ELSE {text} END"
    if "," in spelling:
        text = f"replace({text}, '.', ',')"
    if "M" in spelling:
        text = f"left({text}, 16)"
    if "T" in spelling:
        text = f"replace({text}, ' ', 'T')"
    if "Z" in spelling:
        text = f"{text} || 'Z'" if "M" in spelling else f"replace({text}, '+00', 'Z')"
    return text


def _whole(value: str) -> str:
    return f"{value} = trunc({value}) AND abs({value}) < {_WHOLE}"


def _integer(value: str) -> str:
    return f"CAST(CAST({value} AS BIGINT) AS VARCHAR)"


def _suspicious(choice: TypeChoice, value: str, text: str) -> str:
    """SQL: true wherever `value` is not written as `text`, and perhaps elsewhere; quick."""
    if choice.asked or "%" in choice.spelling:
        return f"{_written(choice, value)} IS DISTINCT FROM {text}"
    # Of the other types no value is written as NULL: so this says the same, and is quicker.
    lost = f"({value} IS NULL AND {text} IS NOT NULL)"
    if choice.type != "DOUBLE" or choice.spelling not in ("", "g"):
        return f"({_written(choice, value)} <> {text} OR {lost})"
    # In this range JSON's writing is the same, and thrice as fast to make.
    quick = f"CAST(to_json({value}) AS VARCHAR)"
    if choice.spelling:
        quick = f"CASE WHEN {_whole(value)} THEN {_integer(value)} ELSE {quick} END"
    return (
        f"({quick} <> {text} OR {lost} OR abs({value}) >= {_WHOLE} OR (abs({value}) < 1e-4 AND {value} <> 0))"
    )


def _tolerable(choice: TypeChoice, text: str, value: str, written: str) -> str:
    """SQL: true where `text` is `value`, only written in another way, and nobody can have meant anything else."""
    empty = f"{text} = ''"
    if choice.asked:
        return f"{value} IS NOT NULL OR {empty}"
    if "%" in choice.spelling:
        bare = [rf"regexp_replace({side}, '(^|[^0-9])0+([0-9])', '\1\2', 'g')" for side in (text, written)]
        return f"{bare[0]} = {bare[1]} OR {empty}"
    if choice.type == "DOUBLE":
        number = f"replace({text}, ',', '.')" if "," in choice.spelling else text
        digits = rf"regexp_replace(regexp_replace({number}, '[eE].*', ''), '^-?0*[.]?0*|[.]', '', 'g')"
        plain = rf"regexp_full_match({number}, '-?(0|[1-9]\d*)(\.\d*[1-9])?')"
        return (
            f"(length({text}) <= {forms.DIGITS} AND {plain}) OR {empty} OR (isfinite({value}) "
            rf"AND regexp_full_match({number}, '-?(0|[1-9]\d*)?(\.\d+)?([eE][+-]\d{{1,3}})?') "
            rf"AND NOT regexp_full_match({number}, '-?\d*\.\d+0') "
            f"AND length({digits}) <= {forms.DIGITS} AND ({value} <> 0 OR {digits} = ''))"
        )
    if choice.type.startswith("TIMESTAMP"):
        # Seconds left out, or zeros at the end of their fraction.
        full = rf"regexp_replace(regexp_replace({text}, '(:\d\d\.\d*?)0+(Z?)$', '\1\2'), '\.(Z?)$', '\1')"
        full = rf"regexp_replace({full}, '([ T]\d\d:\d\d)(Z?)$', '\1:00\2')"
        return f"{full} = {written} OR {empty}"
    if choice.type == "TIME":
        return rf"rtrim(rtrim({text}, '0'), '.') = {written} AND contains({text}, '.') OR {empty}"
    return empty
