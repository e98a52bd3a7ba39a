"""Forms of texts: which type a column's texts have without losing anything, and why another one was not taken.

Only a sample is looked at here; `proof` then holds every value of the file against the choice.
"""

import datetime
import math
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nuvtui.model.table_import import DoubtKind

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)?(?:\.\d+)?(?:[eE][+-]\d{1,3})?", re.ASCII)
"""As programs write numbers: an exponent has a sign (`2310009E13` is an identifier)."""
_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)\.(\d+)", re.ASCII)
_ZERO = re.compile(r"-?\d*\.\d+0", re.ASCII)
"""`1.10`, but not `1.0`."""
_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_DATE = re.compile(_DAY, re.ASCII)
_TIMESTAMP = re.compile(
    rf"{_DAY}([ T]){_CLOCK}(?=(?::[0-5]\d(?:\.(\d{{1,9}}))?)?(Z?)\Z)(:[0-5]\d(?:\.\d+)?)?Z?", re.ASCII
)
_TIME = re.compile(rf"{_CLOCK}:[0-5]\d(?:\.\d{{1,6}})?", re.ASCII)

MISSING = frozenset(
    (
        "NA",
        "N/A",
        "n/a",
        "na",
        "#N/A",
        "NaN",
        "nan",
        "NAN",
        "NULL",
        "null",
        "None",
        "none",
        ".",
        "-",
        "--",
        "?",
    )
)
"""Words that stand for a missing value in the files of other programs."""
DIGITS = 15
"""Significant digits that a double always keeps."""


@dataclass(frozen=True)
class TypeChoice:
    """The type to read a column as, and in which of its spellings."""

    type: str
    """DuckDB type."""
    spelling: str = ""
    """How all texts differ from what DuckDB writes. A date format with `%`, or some of these letters.

    Of timestamps: `T` stands between day and time, `Z` at the end, `M`: minutes are the last. Of numbers: `,` is the
    decimal mark, `g`: whole ones have no `.0`.
    """
    asked: bool = False
    """Asked for by the user: a value that is not of the type is an error."""


TEXT = TypeChoice("VARCHAR")


def typed(text: str) -> bool:
    """True where `text` is surely a value and no column name: a number, date, time or truth value."""
    return bool(
        (text and _NUMBER.fullmatch(text))
        or (any(map(str.isdigit, text)) and any(pattern.fullmatch(text) for _, pattern in _OBSTACLES))
        or _DATE.fullmatch(text)
        or _TIMESTAMP.fullmatch(text)
        or _TIME.fullmatch(text)
        or text in ("true", "false")
    )


def choose(texts: Iterable[str | None], decimal: str = ".", dates: Sequence[str] = ()) -> TypeChoice:
    """The type that keeps every one of `texts`; None and empty ones count for nothing."""
    distinct = {text for text in texts if text}
    if not distinct:
        return TEXT
    for form in dates:
        if all(_of_format(text, form) for text in distinct):
            return TypeChoice("TIMESTAMP" if re.search("%[HIMSfTcX]", form) else "DATE", form)
    if distinct <= {"true", "false"}:
        return TypeChoice("BOOLEAN")
    if all(_DATE.fullmatch(text) for text in distinct):
        return TypeChoice("DATE") if all(map(_is_day, distinct)) else TEXT
    if all(_TIME.fullmatch(text) for text in distinct):
        return TypeChoice("TIME")
    if stamps := _timestamps(distinct):
        return stamps
    if decimal == ",":
        if any("." in text for text in distinct):
            return TEXT
        found = _number({text.replace(",", ".") for text in distinct})
        return found if found.type in ("VARCHAR", "BIGINT") else replace(found, spelling=f",{found.spelling}")
    return _number(distinct)


def _timestamps(distinct: set[str]) -> TypeChoice | None:
    matches = [_TIMESTAMP.fullmatch(text) for text in distinct]
    found = [match for match in matches if match]
    if len(found) < len(matches):
        return None
    spellings = {match[1].strip() + ("" if match[4] else "M") + match[3] for match in found}
    if len(spellings) > 1 or not all(_is_day(text[:10]) for text in distinct):
        return TEXT
    spelling = spellings.pop()
    longest = max(len(match[2] or "") for match in found)
    if "Z" in spelling:
        return TypeChoice("TIMESTAMP WITH TIME ZONE", spelling) if longest <= 6 else TEXT
    return TypeChoice("TIMESTAMP" if longest <= 6 else "TIMESTAMP_NS", spelling)


def _number(distinct: set[str]) -> TypeChoice:
    if all(_INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63 for text in distinct):
        return TypeChoice("BIGINT")
    if not all(_NUMBER.fullmatch(text) for text in distinct):
        return TEXT
    if not any("." in text or "e" in text.lower() or text == "-0" for text in distinct):
        return TEXT  # Whole numbers, some of them beyond 64 bits.
    if not any(significant_zero(text) or _too_long(text) for text in distinct):
        return TypeChoice("DOUBLE", "g" if any(map(_INTEGER.fullmatch, distinct)) else "")
    scales = [match[1] for text in distinct if (match := _DECIMAL.fullmatch(text))]
    if len(scales) == len(distinct) and len({len(scale) for scale in scales}) == 1:
        scale = len(scales[0])
        if all(len(text.lstrip("-")) - 1 <= 18 for text in distinct):
            return TypeChoice(f"DECIMAL(18,{scale})")
    return TEXT


def significant_zero(text: str) -> bool:
    """True where a number ends in a zero that a floating-point number would lose (`1.10`)."""
    return bool(_ZERO.fullmatch(text))


def _too_long(text: str) -> bool:
    mantissa = re.split("[eE]", text)[0].lstrip("-").replace(".", "").lstrip("0")
    return len(mantissa) > DIGITS and repr(float(text)) != text


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_format(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


# Why a column stays text

_OBSTACLES: tuple[tuple[DoubtKind, re.Pattern[str]], ...] = (
    ("leading zero", re.compile(r"[+-]?0\d+(?:[.,]\d+)?", re.ASCII)),
    ("plus sign", re.compile(r"\+\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?", re.ASCII)),
    ("exponent", re.compile(r"[+-]?\d+(?:\.\d+)?[eEdD]\d+", re.ASCII)),
    ("thousands separator", re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)),
    (
        "thousands separator",
        re.compile(r"[+-]?\d{1,3}(?:['\u2019\u00a0\u202f ]\d{3})+(?:[.,]\d+)?", re.ASCII),
    ),
    (
        "thousands separator",
        re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+|[+-]?\d{1,3}(?:\.\d{3}){2,}", re.ASCII),
    ),
    ("decimal comma", re.compile(r"[+-]?\d*,\d+", re.ASCII)),
    ("trailing zero", _ZERO),
    ("too many digits", re.compile(r"[+-]?\d{19,}|(?=[+-]?(?:\d[.]?){16})[+-]?\d*\.\d+", re.ASCII)),
    ("no finite number", re.compile(r"[+-]?(?:inf|infinity)|0x[0-9a-f]+", re.ASCII | re.IGNORECASE)),
    ("two-digit year", re.compile(r"\d{1,2}([/.-])\d{1,2}\1\d{2}(?:[ T].*)?", re.ASCII)),
    ("day or month first", re.compile(r"\d{1,2}([/.-])\d{1,2}\1\d{4}(?:[ T].*)?", re.ASCII)),
    (
        "time zone",
        re.compile(rf"{_DAY}[ T]{_CLOCK}(?::[0-5]\d(?:\.\d+)?)? ?(?:[+-]\d\d:?(?:\d\d)?|Z|UTC)", re.ASCII),
    ),
    (
        "time of day",
        re.compile(r"(?:\d{4}-\d\d-\d\d[ T])?(?:24:\d\d(?::\d\d)?|\d\d:\d\d:60)(?:\.\d+)?", re.ASCII),
    ),
    ("truth value", re.compile(r"T|F|TRUE|FALSE|True|False|yes|no|Yes|No|YES|NO|Y|N|y|n|t|f")),
)


@dataclass(frozen=True)
class Obstacle:
    """The first value of a column that keeps it text."""

    kind: DoubtKind
    position: int
    """Of the value, in the texts that were looked at."""
    value: str


def obstacle_of(text: str) -> DoubtKind | None:
    """What keeps `text` from being a number, date, time or truth value although it looks like one."""
    for kind, pattern in _OBSTACLES:
        if pattern.fullmatch(text):
            return kind
    if (match := re.match(_DAY, text)) and not _is_day(match[0]):
        return "no such day"
    stripped = text.strip()
    if stripped != text and (typed(stripped) or obstacle_of(stripped)):
        return "spaces"
    if not text.isascii() and any(map(str.isdigit, text)):
        try:
            float(text)
        except ValueError:
            return None
        return "other digits"
    return None


def obstacle(texts: Sequence[str | None]) -> Obstacle | None:
    """Why a column of `texts` stays text although at least half of them look like values of another type."""
    kinds = {text: kind_of(text) for text in set(texts) if text}
    rows = [Obstacle(kind, at, text) for at, text in enumerate(texts) if text and (kind := kinds[text])]
    values = sum(1 for text in texts if text) - sum(1 for row in rows if row.kind == "missing word")
    if 0 < sum(1 for row in rows if row.kind == "truth value") < values:
        rows = [replace(row, kind="other values") if row.kind == "truth value" else row for row in rows]
    others = [row for row in rows if row.kind == "other values"]
    if values == 0 or len(others) * 2 > values or len(others) == values:
        return None
    if first := next((row for row in rows if row.kind != "missing word"), None):
        return first
    if rows:
        return rows[0]
    # All are values of another type, but not all of the same one; or of numbers, some have too many digits.
    group = _group(next(text for text in texts if text))
    for at, text in enumerate(texts):
        if text and _group(text) != group:
            return Obstacle("other values", at, text)
        if text and group == "number" and _too_long(text):
            return Obstacle("too many digits", at, text)
    return None


def kind_of(text: str) -> DoubtKind | None:
    """What keeps one text from being a value of another type; None where it is one."""
    if text in MISSING:
        return "missing word"
    return obstacle_of(text) or (None if typed(text) else "other values")


def _group(text: str) -> str:
    return "number" if _NUMBER.fullmatch(text) else f"{len(text)} characters"


_WHY: dict[DoubtKind, str] = {
    "missing word": "may stand for a missing value",
    "leading zero": "has a zero at its beginning that a number would lose",
    "plus sign": "has a sign that a number would lose",
    "exponent": "may be an identifier as well as a number",
    "thousands separator": "may be a number with separated thousands",
    "decimal comma": "may be a number with a decimal comma",
    "trailing zero": "has a zero at its end that a number would lose, and other values have fewer digits",
    "too many digits": "has more digits than a number of 64 bits keeps",
    "no finite number": "is no finite number in decimal digits",
    "other digits": "has digits of another script",
    "spaces": "has spaces around it",
    "day or month first": "does not say which of its numbers is the day",
    "two-digit year": "does not say its century",
    "time zone": "has a time zone, which a time in UTC would lose",
    "time of day": "is a time that no clock shows",
    "no such day": "is no day of the calendar",
    "truth value": "may be a truth value",
    "other values": "is not like the other values",
}


def explained(column: str, found: Obstacle) -> tuple[str, str]:
    """Why a column stays text, as the end of a sentence; and the option that has it read otherwise, or empty."""
    value = found.value
    option = ""
    match found.kind:
        case "missing word":
            option = f"--null {shlex.quote(value)}"
        case "decimal comma":
            option = "--decimal ,"
        case "day or month first" | "two-digit year":
            option = " or ".join(f"--dates {shlex.quote(form)}" for form in _day_formats(value))
        case "leading zero" | "plus sign" | "exponent" | "trailing zero":
            if math.isfinite(float(value.replace(",", "."))):
                kind = "BIGINT" if value.lstrip("+-").isdigit() else "DOUBLE"
                option = f"--types {shlex.quote(f'{column}={kind}')}"
        case "truth value":
            if value.lower() in ("t", "f", "true", "false"):
                option = f"--types {shlex.quote(f'{column}=BOOLEAN')}"
        case "time zone":
            option = f"--types {shlex.quote(f'{column}=TIMESTAMPTZ')}"
    return _WHY[found.kind], option


def _day_formats(value: str) -> list[str]:
    """The formats that `value`, a date whose order of day and month is not known, may have."""
    day, _, clock = value.replace("T", " ").partition(" ")
    mark = next(character for character in day if not character.isdigit())
    year = "%Y" if len(day.split(mark)[2]) == 4 else "%y"
    time = {0: "", 1: " %H:%M", 2: " %H:%M:%S"}.get(clock.count(":") if clock else 0, "")
    if "T" in value:
        time = time.replace(" ", "T")
    forms = [f"%d{mark}%m{mark}{year}{time}", f"%m{mark}%d{mark}{year}{time}"]
    return [form for form in forms if _of_format(value, form)]
