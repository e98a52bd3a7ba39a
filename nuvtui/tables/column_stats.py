"""How the values of a table's columns are spread: two looks at each column, whatever the number of rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nuvtui.model.snapshot import Column
from nuvtui.model.table import ColumnStats
from nuvtui.tables.types import Type, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

BINS = 12
TOP = 3
LONGEST = 100
"""Characters of a value that are told."""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIMESTAMP")
_NOT_COUNTED = ("JSON", "VARIANT", "GEOMETRY", "BLOB", "BIT")


def column_stats(
    connection: "Connection",
    source: str,
    columns: Sequence[Column],
    kinds: Sequence[Type],
    values: Sequence[str],
) -> list[ColumnStats]:
    """The distribution of each column of `source` (SQL), each column an expression of `values`."""
    asked = ["count(*)"]
    for kind, value in zip(kinds, values, strict=True):
        asked.append(f"count({value})")
        if kind.nested or kind.name in _NOT_COUNTED:
            asked += ["NULL"] * 6
            continue
        asked.append(f"approx_count_distinct({value})")
        asked += [f"left(CAST({side}({value}) AS VARCHAR), {LONGEST})" for side in ("min", "max")]
        measure = _measure(kind, value)
        if measure:
            asked += [f"{side}(CASE WHEN isfinite({measure}) THEN {measure} END)" for side in ("min", "max")]
            asked.append("NULL")
        else:
            asked += ["NULL", "NULL", f"approx_top_k(left(CAST({value} AS VARCHAR), {LONGEST}), {TOP})"]
    first = connection.execute(f"SELECT {', '.join(asked)} FROM {source}").fetchall()[0]
    rows = int(first[0])
    facts = [first[1 + 7 * at : 8 + 7 * at] for at in range(len(columns))]
    counted = [_counts(kind, value, fact) for kind, value, fact in zip(kinds, values, facts, strict=True)]
    parts = [part for part, _ in counted]
    wanted = [part for part in parts if part]
    second = connection.execute(f"SELECT {', '.join(wanted)} FROM {source}").fetchall()[0] if wanted else ()
    found = iter(second)
    out = []
    for column, fact, (part, words) in zip(columns, facts, counted, strict=True):
        answer = next(found) if part else None
        bins: list[int] = []
        top: list[tuple[str, int]] = []
        if words:
            numbers = answer or [0] * len(words)
            top = sorted(zip(words, map(int, numbers), strict=False), key=lambda each: -each[1])
        elif part:
            bins = [int((answer or {}).get(at, 0)) for at in range(BINS)]
        out.append(
            ColumnStats(
                column.name,
                column.type,
                rows,
                rows - int(fact[0]),
                None if fact[1] is None else min(int(fact[1]), int(fact[0])),
                fact[2],
                fact[3],
                bins,
                top,
            )
        )
    return out


def _measure(kind: Type, value: str) -> str:
    """A number that stands for a value on a line; empty where there is none."""
    name = kind.name.removeprefix("U")
    if name.startswith(_TIMES):
        return f"CAST(epoch({value}) AS DOUBLE)"
    return f"CAST({value} AS DOUBLE)" if name.startswith(_NUMBERS) else ""


def _counts(kind: Type, value: str, fact: Sequence[object]) -> tuple[str, list[str]]:
    """What to ask at the second look: the bins, or how often the frequent words are there."""
    low, high, top = fact[4], fact[5], fact[6]
    if isinstance(low, float) and isinstance(high, float):
        measure = _measure(kind, value)
        width = (high - low) / BINS
        if not width > 0:
            return f"map {{0: count({value})}}", []
        return (
            f"histogram(CASE WHEN isfinite({measure}) THEN "
            f"least({BINS - 1}, greatest(0, CAST(floor(({measure} - {low!r}) / {width!r}) AS INTEGER))) END)",
            [],
        )
    if isinstance(top, list) and top:
        words = [str(word) for word in top if word is not None]
        counts = ", ".join(
            f"count(*) FILTER (left(CAST({value} AS VARCHAR), {LONGEST}) = {literal(word)})" for word in words
        )
        return f"[{counts}]", words
    return "", []
