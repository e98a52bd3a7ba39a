"""Values of files that declare no types, as columns of one type each; what had to be decided is told."""

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import Doubt, ImportOptions

if TYPE_CHECKING:
    import pyarrow

EXACT = 2**53
"""Beyond it a floating-point number no longer holds every whole one."""


@dataclass
class ForeignFile:
    """A file to read, and what its reader found to tell and to keep besides the table."""

    path: Path
    kind: str
    """Its format: a value of `ENDINGS`."""
    title: str
    """Title of the errors."""
    asked: ImportOptions
    file: Path
    """The Parquet file that is made of it."""
    description: str | None = None
    descriptions: dict[str, str] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def column(
    name: str, values: Sequence[Any], place: Callable[[int], str], source: ForeignFile
) -> "pyarrow.Array":
    """An Arrow array of Python values: of one type where all are of one, else text, which is told."""
    import pyarrow

    kinds = Counter(type(value) for value in values if value is not None)
    if not kinds:
        return pyarrow.array(values, pyarrow.string())
    if set(kinds) <= {int, float}:
        whole = all(value is None or (float(value).is_integer() and abs(value) < EXACT) for value in values)
        if whole:
            return pyarrow.array([None if v is None else int(v) for v in values], pyarrow.int64())
        if set(kinds) == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
            return pyarrow.array(values, pyarrow.int64())
        if all(value is None or float(value) == value for value in values):
            for at, value in enumerate(values):
                if value is not None and abs(value) >= EXACT and float(value).is_integer():
                    source.doubts.append(
                        Doubt(
                            kind="too many digits",
                            column=name,
                            value=repr(value),
                            message=f"column {name!r}: {value!r} in {place(at)} has more digits than the file keeps: "
                            "an identifier that was stored as a number has lost its last digits there",
                        )
                    )
                    break
            return pyarrow.array([None if v is None else float(v) for v in values], pyarrow.float64())
    if set(kinds) <= {datetime.date, datetime.datetime}:
        stamps = [_stamp(value) for value in values]
        if all(stamp is None or stamp.time() == datetime.time() for stamp in stamps):
            return pyarrow.array([None if s is None else s.date() for s in stamps], pyarrow.date32())
        return pyarrow.array(stamps, pyarrow.timestamp("us"))
    if len(kinds) == 1:
        (only,) = kinds
        known = {bool: pyarrow.bool_(), str: pyarrow.string(), bytes: pyarrow.binary()}
        if only is datetime.time:
            return pyarrow.array(values, pyarrow.time64("us"))
        if only in known:
            return pyarrow.array(values, known[only])
    if len(kinds) > 1:
        most = kinds.most_common(1)[0][0]
        at = next(i for i, value in enumerate(values) if value is not None and type(value) is not most)
        listed = ", ".join(
            f"{count:,} {_WORDS.get(kind, kind.__name__)}" for kind, count in kinds.most_common()
        )
        source.doubts.append(
            Doubt(
                kind="other values",
                column=name,
                value=text_of(values[at]) or "",
                message=f"column {name!r} holds values of several types ({listed}): it is text; "
                f"{text_of(values[at])!r} in {place(at)} is the first that is not like most",
            )
        )
    return pyarrow.array([text_of(value) for value in values], pyarrow.string())


_WORDS = {
    int: "whole numbers",
    float: "numbers",
    str: "texts",
    bool: "truth values",
    datetime.date: "dates",
    datetime.datetime: "times",
    bytes: "binary values",
}


def _stamp(value: Any) -> datetime.datetime | None:
    if value is None or isinstance(value, datetime.datetime):
        return value
    return datetime.datetime.combine(value, datetime.time())


def text_of(value: Any) -> str | None:
    """A value in the column of text that values of several types become."""
    match value:
        case None:
            return None
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
        case bytes():
            return value.hex()
    return str(value)


def arrow_table(names: Sequence[str], columns: Iterable["pyarrow.Array"]) -> "pyarrow.Table":
    """The table of `columns` called `names`."""
    import pyarrow

    return pyarrow.Table.from_arrays(list(columns), names=list(names))


def named(names: Sequence[str], source: ForeignFile) -> str:
    """The sheet (or table) to read. Raises NuvError (USAGE) where there is none of the name."""
    asked = source.asked.sheet
    if asked is not None:
        if asked not in names:
            raise NuvError(
                source.title, f"there is no {asked!r}", f"There is: {', '.join(names)}.", Exit.USAGE
            )
        return asked
    if not names:
        raise NuvError(source.title, "there is no table in it", "", Exit.USAGE)
    if len(names) > 1:
        source.notes.append(
            f"{names[0]!r} was read, the first of {len(names)}; --sheet reads another: {', '.join(names[1:10])}"
        )
    return names[0]
