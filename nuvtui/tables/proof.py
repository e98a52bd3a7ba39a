"""The proof that reading a text as a type lost nothing: each value is written back and compared with its text.

It is made while the table is: beside each row stands its *residue*, the list of those texts that their values do
not give back (NULL nearly everywhere, so it costs next to nothing). Of value and residue every text of the file
can be had again: a column whose type does not hold becomes another one without reading the file once more. At the
end the residue is dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables.forms import TEXT, Choice
from nuvtui.tables.types import identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

_ROUNDS = 4
"""So often another type is tried before all that does not hold is text."""
_LOOKED_AT = 2000
"""Texts that another type is chosen by."""


@dataclass(frozen=True)
class Difference:
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
    choice: Choice
    rewritten: Difference | None = None
    refuted: Difference | None = None
    """Why the type that the first rows have was given up; for a type that was asked for: what is not of it."""


def prove(
    connection: "Connection",
    table: str,
    source: str,
    columns: Sequence[tuple[str, Choice]],
    words: Sequence[str],
    choose: Callable[[list[str]], Choice],
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
        for column, place in given_up:
            held = f"{identifier(residue)}[{place}]"
            seen = _first(connection, target, held) + _first(connection, source, texts[column.name])
            column.choice = choose(seen) if remaining else TEXT
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


def _make(
    connection: "Connection",
    target: str,
    source: str,
    proven: Sequence[Proven],
    texts: dict[str, str],
    residue: str,
    reporter: Reporter,
    tell: Callable[[float], None] | None,
) -> None:
    """CREATE TABLE with values and residue of `source`, whose texts are the SQL `texts` by column."""
    inner, outer, suspicious, kept = [], [], [], []
    for position, column in enumerate(proven):
        text = texts[column.name]
        if column.choice == TEXT:
            outer.append(f"{text} AS {identifier(column.name)}")
            continue
        value = f'"nuvtui v{position}"'
        inner.append(f"{_read(column.choice, text)} AS {value}")
        outer.append(f"{value} AS {identifier(column.name)}")
        suspicious.append(_suspicious(column.choice, value, text))
        written = _written(column.choice, value)
        kept.append(f"CASE WHEN {written} IS DISTINCT FROM {text} THEN {text} END")
    if inner:
        outer.append(
            f"CASE WHEN {' OR '.join(suspicious)} THEN [{', '.join(kept)}] END AS {identifier(residue)}"
        )
        source = f"(SELECT *, {', '.join(inner)} FROM {source})"
    access.run(
        connection, f"CREATE TABLE {target} AS SELECT {', '.join(outer)} FROM {source}", reporter, tell
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
    given_up = []
    # The names of the subquery's columns are its own: a user's column may be called `n`.
    values = ", ".join(f"{identifier(column.name)} AS v{at}" for at, column in enumerate(typed))
    rows = f"(SELECT row_number() OVER () - 1 AS n, {identifier(residue)} AS r, {values} FROM {target})"
    for at, column in enumerate(typed) if left else ():
        text, value = f"r[{at + 1}]", f"v{at}"
        written = _written(column.choice, value)
        tolerable = _tolerable(column.choice, text, value, written, words)
        asked = f"{text} IS NOT NULL"
        if words:
            asked += f" AND {text} NOT IN ({', '.join(map(literal, words))})"
        found = connection.execute(
            f"SELECT coalesce({tolerable}, false) AS t, count(*), min(n), arg_min({text}, n), "
            f"arg_min([{written}], n)[1] FROM {rows} WHERE {asked} GROUP BY t"
        ).fetchall()
        for fine, count, row, first, back in found:
            difference = Difference(count, row, first, back)
            if fine:
                column.rewritten = difference
            else:
                column.refuted = difference
        if column.refuted and not column.choice.asked:
            given_up.append((column, at + 1))
    for column in typed:
        if column.rewritten is None and column.choice.spelling and "%" not in column.choice.spelling:
            column.rewritten = _respelt(connection, target, column)
    return given_up


def _respelt(connection: "Connection", target: str, column: Proven) -> Difference | None:
    """Every value of the column is written otherwise than DuckDB does: the first one."""
    name = identifier(column.name)
    written = _written(column.choice, name)
    ((count, row, text, back),) = connection.execute(
        f"SELECT count(*), min(n), arg_min({written}, n), arg_min(CAST({name} AS VARCHAR), n) "
        f"FROM (SELECT row_number() OVER () - 1 AS n, {name} FROM {target}) "
        f"WHERE {written} <> CAST({name} AS VARCHAR)"
    ).fetchall()
    return Difference(count, row, text, back) if count else None


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


def _first(connection: "Connection", source: str, text: str) -> list[str]:
    """The first texts (SQL `text`) of a column that are there."""
    rows = connection.execute(
        f"SELECT x FROM (SELECT {text} AS x FROM {source}) WHERE x IS NOT NULL LIMIT {_LOOKED_AT}"
    ).fetchall()
    return [row[0] for row in rows]


# How a choice reads and writes


def _read(choice: Choice, text: str) -> str:
    """SQL: the value of `text`, NULL where it is none."""
    match choice.spelling:
        case ",":
            text = f"replace({text}, ',', '.')"
        case form if "%" in form:
            return f"CAST(try_strptime({text}, {literal(form)}) AS {choice.type})"
    return f"TRY_CAST({text} AS {choice.type})"


def _written(choice: Choice, value: str) -> str:
    """SQL: the text that `value` is expected to come from."""
    text = f"CAST({value} AS VARCHAR)"
    match choice.spelling:
        case ",":
            return f"replace({text}, '.', ',')"
        case "T":
            return f"replace({text}, ' ', 'T')"
        case "Z":
            return f"replace({text}, '+00', 'Z')"
        case "TZ":
            return f"replace(replace({text}, '+00', 'Z'), ' ', 'T')"
        case form if "%" in form:
            return f"strftime({value}, {literal(form)})"
    return text


def _suspicious(choice: Choice, value: str, text: str) -> str:
    """SQL: true wherever `value` is not written as `text`, and perhaps elsewhere; quick."""
    if choice.type == "DOUBLE" and not choice.spelling:
        # In this range JSON's writing is the same, and thrice as fast to make.
        return (
            f"(CAST(to_json({value}) AS VARCHAR) IS DISTINCT FROM {text} OR abs({value}) >= 1e15 "
            f"OR (abs({value}) < 1e-4 AND {value} <> 0))"
        )
    return f"{_written(choice, value)} IS DISTINCT FROM {text}"


def _tolerable(choice: Choice, text: str, value: str, written: str, words: Sequence[str]) -> str:
    """SQL: true where `text` is `value`, only written in another way, and nobody can have meant anything else."""
    empty = f"{text} = ''"
    if choice.asked:
        return f"{value} IS NOT NULL OR {empty}"
    if "%" in choice.spelling:
        bare = [rf"regexp_replace({side}, '(^|[^0-9])0+([0-9])', '\1\2', 'g')" for side in (text, written)]
        return f"{bare[0]} = {bare[1]} OR {empty}"
    if choice.type == "DOUBLE":
        number = f"replace({text}, ',', '.')" if choice.spelling == "," else text
        digits = rf"regexp_replace(regexp_replace({number}, '[eE].*', ''), '^-?0*[.]?0*|[.]', '', 'g')"
        return (
            f"{empty} OR (isfinite({value}) "
            rf"AND regexp_full_match({number}, '-?(0|[1-9]\d*)?(\.\d+)?([eE][+-]\d{{1,3}})?') "
            rf"AND NOT regexp_full_match({number}, '-?\d*\.\d+0') "
            f"AND length({digits}) <= 15 AND ({value} <> 0 OR {digits} = ''))"
        )
    if choice.type.startswith("TIMESTAMP"):
        # Seconds left out, or zeros at the end of their fraction.
        full = rf"regexp_replace(regexp_replace({text}, '(:\d\d\.\d*?)0+(Z?)$', '\1\2'), '\.(Z?)$', '\1')"
        full = rf"regexp_replace({full}, '([ T]\d\d:\d\d)(Z?)$', '\1:00\2')"
        return f"{full} = {written} OR {empty}"
    if choice.type == "TIME":
        return rf"rtrim(rtrim({text}, '0'), '.') = {written} AND contains({text}, '.') OR {empty}"
    return empty
