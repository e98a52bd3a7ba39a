"""How a text file is written: recognised from its beginning, or as the user says.

Pure: a text goes in, a `TextLayout` comes out. What cannot be decided is decided in the way that loses nothing, and told.
"""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import Doubt, ImportOptions
from nuvtui.tables import forms

DELIMITERS = ("\t", ";", "|", ",", " ")
"""Recognised by themselves; earlier ones win where several fit."""
_QUOTINGS = (('"', '"'), ('"', "\\"), ("", ""))
_NO_DELIMITER = "\x1f"
"""For files of one column: a character that no text holds."""
_MOST_RECORDS = 1000
_LONGEST_TITLE = 20
"""Lines."""
_STAND_IN = "\x1e"
"""Stands for a delimiter of several characters: Python's reader takes one only."""
_LOGGER = ("#", "%", "//", ";", "!")
"""What lines at the top of a file begin with where they are no data."""

csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class TextLayout:
    """How to read a text file, and what to tell of it."""

    delimiter: str
    quote: str
    escape: str
    decimal: Literal[".", ","]
    header: bool
    skipped: int
    """Physical lines before the header or the first row."""
    row_names: bool
    single: bool
    """One column: there is no delimiter."""
    names: list[str]
    begin: int
    """Physical lines before the first row."""
    regular: bool
    """False where a line before the first row has a quote that goes on in another line."""
    doubts: list[Doubt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _DialectReading:
    """The sample as one delimiter and quoting split it."""

    delimiter: str
    quote: str
    escape: str
    records: list[list[str]]
    lines: list[int]
    """Number of the last physical line of each record, within the sample's rest."""
    lead: int = 0
    """Records before the table."""
    clean: bool = False
    """Every record of the table has the same number of fields."""
    row_names: bool = False
    quoted: bool = False
    """The second line begins with a quote."""

    @property
    def width(self) -> int:
        return Counter(map(len, self.records[self.lead :])).most_common(1)[0][0]


def recognise(text: str, whole: bool, asked: ImportOptions, title: str, likely: str = "") -> TextLayout:
    """The layout of a file that begins with `text` (`whole`: that is all of it). Raises NuvError under `title`.

    `likely`: the delimiter to take where the first line has it; empty: none in particular.
    """
    notes: list[str] = []
    doubts: list[Doubt] = []
    lines = _lines(text)
    skipped, delimiter = _top(lines, asked, notes)
    rest = "".join(lines[skipped:])
    if not rest.strip("\r\n"):
        raise NuvError(
            title,
            "there is nothing in it but lines that were left out",
            "See --skip and --comment.",
            Exit.USAGE,
        )
    if likely and likely in _lines(rest)[0]:
        delimiter = delimiter or likely
    found = _best(rest, whole, asked, delimiter, title)
    if asked.delimiter and found.width == 1:
        notes.append(f"{asked.delimiter!r} separates nothing in it: there is one column")
    if found.lead:
        left_out = found.lines[found.lead - 1]
        first = lines[skipped].strip()
        skipped += left_out
        doubts.append(
            Doubt(
                kind="title",
                line=skipped - left_out + 1,
                value=first[:80],
                message=f"{left_out} lines before the header were taken for a title and left out, the first: {first[:80]!r}",
                option="--skip 0",
            )
        )
    if not found.quote and '"' in rest and asked.quote is None:
        notes.append("quotes in it do not close: they were read as plain characters")
    records = found.records[found.lead :]
    header = _header(records, found, asked, doubts, skipped + 1)
    single = found.delimiter == _NO_DELIMITER or (len(records[0]) == 1 and found.width == 1)
    names = _names(records, found, header, notes)
    decimal = asked.decimal or _decimal(records[1:] if header else records, found, notes)
    begin = skipped
    if header:
        begin += found.lines[found.lead] - (found.lines[found.lead - 1] if found.lead else 0)
    # DuckDB's own skipping minds quotes.
    regular = not found.quote or all(line.count(found.quote) % 2 == 0 for line in lines[:begin])
    return TextLayout(
        found.delimiter, found.quote, found.escape, decimal, header, skipped, found.row_names, single, names,
        begin, regular, doubts, notes,
    )  # fmt: skip


def _lines(text: str) -> list[str]:
    """Physical lines with their ends (CR, LF or CRLF; nothing else ends a line)."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def _top(lines: Sequence[str], asked: ImportOptions, notes: list[str]) -> tuple[int, str | None]:
    """Lines at the top that are no data; and the delimiter that a line `sep=` names."""
    if asked.skip is not None:
        return min(asked.skip, len(lines)), None
    at = 0
    delimiter = None
    if lines and (match := re.fullmatch(r'"?sep=(.)"?\s*', lines[0].rstrip("\r\n"), re.IGNORECASE)):
        delimiter = match[1]
        at = 1
        notes.append(f"the first line says how fields are separated ({match[1]!r}) and was left out")
    begin = at
    marks = (asked.comment,) if asked.comment else _LOGGER
    mark = next((m for m in marks if at < len(lines) and lines[at].startswith(m)), None)
    if mark is not None:
        end = at
        while end < len(lines) and (lines[end].startswith(mark) or not lines[end].strip()):
            end += 1
        # `#` may begin the header itself (`#CHROM;POS`), or be in every line: then it is data.
        block = lines[at:end]
        following = lines[end : end + 3]
        if following and asked.comment is None and _fits(block[-1], following):
            end -= 1
        if following:
            at = end
    if at > begin:
        shown = lines[begin].strip()[:80]
        notes.append(
            f"{at - begin} lines at the top begin with {mark!r} and were left out, the first: {shown!r}"
        )
    return at, delimiter


def _fits(line: str, following: Sequence[str]) -> bool:
    """True where `line` has the delimiters of the lines after it (all of them alike): it is their header."""
    for delimiter in ("\t", ",", ";", "|"):
        counts = {other.count(delimiter) for other in following if other.strip()}
        if len(counts) == 1 and (count := counts.pop()) > 0:
            first = next((o for o in following if o.strip()), "")
            head = first.rstrip("\r\n").split(delimiter)
            return line.count(delimiter) == count and any(map(forms.typed, head))
    return False


# Delimiter and quotes


def _best(text: str, whole: bool, asked: ImportOptions, named: str | None, title: str) -> _DialectReading:
    chosen = asked.delimiter or named
    delimiters = (chosen,) if chosen else DELIMITERS
    quotings = [q for q in _QUOTINGS if asked.quote is None or q[0] == asked.quote]
    if asked.quote and not quotings:
        quotings = [(asked.quote, asked.quote)]
    readings = []
    for delimiter in delimiters:
        for quote, escape in quotings:
            if quote and asked.quote is None and quote not in text and (quote, escape) != _QUOTINGS[0]:
                continue
            reading = _read(text, whole, delimiter, quote, escape)
            if reading is not None:
                readings.append(_assessed(reading))
                break
    if not readings:
        # Quotes that do not close: plain characters, unless the user says otherwise; then loading names the line.
        quoting = (asked.quote, asked.quote) if asked.quote else ("", "")
        readings = [
            _assessed(reading)
            for delimiter in delimiters
            if (reading := _read(text, whole, delimiter, *quoting, strict=False)) is not None
        ]
    if chosen:
        return readings[0]
    fitting = [r for r in readings if r.clean and r.width > 1 and (r.delimiter != " " or _spaced(r))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        return max(fitting, key=lambda r: (r.delimiter != " ", -bool(r.lead), _share_typed(r), r.width))
    _refuse_aligned(text, title)
    # Not all records alike: then reading says which line is not like the header.
    ragged = [r for r in readings if r.delimiter != " " and len(r.records[0]) > 1]
    if ragged:
        return max(ragged, key=lambda r: sum(len(o) == len(r.records[0]) for o in r.records))
    quoted = '"' in text and _read(text, whole, _NO_DELIMITER, '"', '"') is not None
    reading = _read(text, whole, _NO_DELIMITER, *(('"', '"') if quoted or '"' not in text else ("", "")))
    assert reading is not None
    return reading


def _read(
    text: str, whole: bool, delimiter: str, quote: str, escape: str, *, strict: bool = True
) -> _DialectReading | None:
    """The sample's records; None where quotes do not fit."""
    if len(delimiter) > 1:
        text = text.replace(delimiter, _STAND_IN)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=_STAND_IN if len(delimiter) > 1 else delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        doublequote=escape == quote,
        escapechar=escape if escape and escape != quote else None,
        # As DuckDB reads: spaces before a quote are not of the field.
        skipinitialspace=bool(quote) and f"{delimiter} {quote}" in text,
        strict=strict,
    )
    records: list[list[str]] = []
    lines: list[int] = []
    try:
        for record in reader:
            if record or delimiter == _NO_DELIMITER:
                records.append(record or [""])
                lines.append(reader.line_num)
            if len(records) >= _MOST_RECORDS:
                break
        else:
            if not whole and len(records) > 1:
                del records[-1], lines[-1]
    except csv.Error as error:
        if whole or "unexpected end" not in str(error):
            return None
    quoted = bool(quote) and quote in text and len(lines) > 1 and _lines(text)[lines[0]].startswith(quote)
    return _DialectReading(delimiter, quote, escape, records, lines, quoted=quoted) if records else None


def _assessed(reading: _DialectReading) -> _DialectReading:
    """`reading` with what lies before the table, and whether the table is all of one width."""
    widths = [len(record) for record in reading.records]
    body = widths[-1]
    if len(widths) > 2 and body == 1:
        return _with(reading, 0, len(set(widths)) == 1, False)
    start = len(widths)
    while start and widths[start - 1] == body:
        start -= 1
    if start == 0:
        return _with(reading, 0, True, False)
    rows = len(widths) - start
    if start == 1 and widths[0] == body - 1 and _names_rows(reading):
        return _with(reading, 0, True, True)
    title = all(width == 1 for width in widths[:start]) and start <= _LONGEST_TITLE
    if title and body > 1 and rows >= 2 and _heads(reading, start):
        return _with(reading, start, True, False)
    return reading


def _heads(reading: _DialectReading, start: int) -> bool:
    """True where record `start` is surely a header: names, and after an empty line or with numbers below."""
    header, rows = reading.records[start], reading.records[start + 1 :]
    if any(map(forms.typed, header)):
        return False
    apart = start > 0 and reading.lines[start] - reading.lines[start - 1] > 1
    return apart or any(all(map(forms.typed, filter(None, column))) for column in zip(*rows, strict=False))


def _with(reading: _DialectReading, lead: int, clean: bool, row_names: bool) -> _DialectReading:
    return replace(reading, lead=lead, clean=clean, row_names=row_names)


def _names_rows(reading: _DialectReading) -> bool:
    """True where each row begins with a name of its own, for which the header has none (R's `write.table`)."""
    rows = reading.records[1:]
    if len(reading.records[0]) == 1 and not reading.quoted:
        return False  # A title, or a name over one column with commas in it.
    firsts = [row[0] for row in rows]
    if len(set(firsts)) < len(firsts) or "" in firsts or all(row[-1] == "" for row in rows):
        return False
    if any(map(forms.typed, reading.records[0])):
        return False
    counted = firsts == [str(at) for at in range(1, len(firsts) + 1)]
    return counted or reading.delimiter in (" ", "\t") or not any(map(forms.typed, firsts))


def _spaced(reading: _DialectReading) -> bool:
    """True where single spaces surely separate fields: quotes, or numbers under names."""
    rows = reading.records[1:]
    if not rows or any(field == "" for record in reading.records for field in record):
        return False
    columns = list(zip(*rows, strict=False))
    return any(all(map(forms.typed, column)) for column in columns[1:]) or (
        len(reading.records[0]) > 1 and all(map(forms.typed, columns[0]))
    )


def _share_typed(reading: _DialectReading) -> float:
    """How many of the fields are numbers, dates and the like, also with a decimal comma."""
    fields = [field for record in reading.records[reading.lead + 1 :] for field in record if field]
    if not fields:
        return 0.0
    return sum(forms.typed(field) for field in fields) / len(fields)


def _refuse_aligned(text: str, title: str) -> None:
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    counts = {len(re.split(r" {2,}", line.strip())) for line in lines}
    words = {len(line.split()) for line in lines}
    alike = (len(counts) == 1 and min(counts) > 1) or (len(words) == 1 and min(words) > 1)
    if len(lines) > 2 and alike and any("  " in line.strip() for line in lines):
        raise NuvError(
            title,
            "its columns are aligned with runs of spaces (fixed width); expected a delimiter between fields",
            "Convert it to CSV first (in R: read.fwf or read.table; in Python: pandas.read_fwf).",
        )


# Header and names


def _header(
    records: list[list[str]], found: _DialectReading, asked: ImportOptions, doubts: list[Doubt], line: int
) -> bool:
    """True where the first record holds the columns' names."""
    if asked.header is not None:
        return asked.header
    first, rest = records[0], records[1:]
    if found.row_names:
        return True
    typed = [field for field in first if forms.typed(field)]
    if typed:
        if _counting(typed) and len(typed) < len(first) and rest:
            doubts.append(
                Doubt(
                    kind="header",
                    line=line,
                    value=found.delimiter.join(first)[:80],
                    message="the first line was taken for column names, although some are numbers",
                    option="--no-header",
                )
            )
            return True
        doubts.append(
            Doubt(
                kind="header",
                line=line,
                value=found.delimiter.join(first)[:80],
                message="the first line holds values: it was read as a row, and columns are called column0, column1, …",
                option="--header",
            )
        )
        return False
    columns = list(zip(*rest, strict=False)) if rest else []
    for column in columns:
        values = [field for field in column if field and field not in forms.MISSING]
        if values and sum(map(forms.typed, values)) >= 0.8 * len(values):
            return True
    if not rest:
        return True
    again = any(name and name in column for name, column in zip(first, columns, strict=False))
    shown = found.delimiter.join(first)[:80]
    if again:
        message = "the first line looks like the others: it was read as a row"
        doubts.append(Doubt(kind="header", line=line, value=shown, message=message, option="--header"))
        return False
    message = "the first line was taken for column names; all columns are text, so it may be a row"
    doubts.append(Doubt(kind="header", line=line, value=shown, message=message, option="--no-header"))
    return True


def _counting(fields: Sequence[str]) -> bool:
    """Whole numbers at equal steps: years as column names."""
    if len(fields) < 2 or not all(re.fullmatch(r"[1-9]\d{0,3}", field) for field in fields):
        return False
    numbers = list(map(int, fields))
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    return len(steps) == 1 and steps.pop() > 0


def _names(records: list[list[str]], found: _DialectReading, header: bool, notes: list[str]) -> list[str]:
    width = max(found.width, 1) if not header or found.row_names else len(records[0])
    if not header:
        return [f"column{at}" for at in range(width)]
    names = list(records[0])
    if found.row_names:
        names.insert(0, "row_names")
        notes.append(
            "the header names one column fewer than the rows have: the first one was called 'row_names'"
        )
    return unique(names, notes)


def unique(names: Sequence[str], notes: list[str]) -> list[str]:
    """`names` as a table may have them: none empty, none twice (whatever the case); what was changed is noted."""
    taken = {name.lower() for name in names if name}
    seen: set[str] = set()
    made = []
    for at, name in enumerate(names):
        new = name.replace("\0", "")
        if not new.strip():
            new = f"column{at}"
        base, count = new, 0
        while new.lower() in seen or (new != name and new.lower() in taken):
            count += 1
            new = f"{base}_{count}"
        if new != name:
            notes.append(
                f"column {at + 1} has {'no name' if not name.strip() else f'the name {name!r} again'}: it was called {new!r}"
            )
        seen.add(new.lower())
        made.append(new)
    return made


def _decimal(rows: list[list[str]], found: _DialectReading, notes: list[str]) -> Literal[".", ","]:
    """`,` where numbers of some column surely have a decimal comma."""
    if found.delimiter == ",":
        return "."
    comma = False
    for column in zip(*rows, strict=False):
        values = [field for field in column if field and field not in forms.MISSING]
        numbers = [field for field in values if re.fullmatch(r"-?\d*[.,]?\d+(?:[eE][+-]\d+)?", field)]
        if any("." in field for field in numbers):
            return "."
        fractions = [field.partition(",")[2] for field in numbers if "," in field]
        # `1,234` may be a thousand and more.
        comma = comma or (len(numbers) == len(values) > 0 and any(len(part) != 3 for part in fractions))
    if comma:
        notes.append("numbers have a decimal comma: they were read as numbers, and are written with a point")
    return "," if comma else "."
