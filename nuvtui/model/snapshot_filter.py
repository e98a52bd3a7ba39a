"""What finds snapshots: free words, and terms for name, author, kind and date.

    prices author:ada kind:named after:30d

All must hold, in any case of letters. A date is a year, month, day or minute (`2026`, `2026-03`, `2026-03-01`,
`2026-03-01T14:30`), `today`, `yesterday`, or a time ago (`90min`, `3h`, `7d`, `2w`, `6mon`, `1y`). `after:` begins
with the date, `before:` ends where it begins, `on:` is within it. Quotes hold words together (`name:"raw data"`);
a quoted word is never a term.
"""

import datetime
import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.timeline import Event

TERMS = ("name", "author", "kind", "before", "after", "on")
KINDS = ("named", "quick", "automatic", "restored", "received", "recalled", "distributed", "exported")
"""Kinds of snapshots, and of the events that automatic ones were taken for."""

_TOKEN = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_TERM = re.compile(r"([^\W\d_]+):(.*)", re.DOTALL)
_AGO = re.compile(r"(\d{1,7})(min|h|d|w|mon|y)")
_MINUTES = {"min": 1, "h": 60, "d": 1440, "w": 10_080, "mon": 43_830, "y": 525_960}
_DATE = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:t(\d\d?):(\d\d))?)?)?")


_NEEDS = {
    "name": "a part of a name",
    "author": "a part of a login name",
    "kind": "a kind: named, quick, automatic, or what happened, as restored",
}


class _Span(NamedTuple):
    """A time: from the first moment up to, but without, the second one. In UTC, as records hold times."""

    start: str
    end: str


class SnapshotFilter(msgspec.Struct, frozen=True):
    """A filter that was understood."""

    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    start: str = ""
    """The first moment that passes; empty: any."""
    end: str = ""
    """The first moment that passes no more; empty: any."""

    def accepts(self, record: SnapshotRecord, event: Event | None = None, text: str = "") -> bool:
        """True where the snapshot passes. `event`: what it was taken for; `text`: what else is said of it."""
        if not self._in_time(record.created):
            return False
        if self.kinds and not (record.kind in self.kinds or (event is not None and event.kind in self.kinds)):
            return False
        author = record.author.lower()
        if not all(part in author for part in self.authors):
            return False
        if self.names:
            name = record.name.lower()
            if not all(part in name for part in self.names):
                return False
        if not self.words:
            return True
        parts = (text, record.name, record.kind, record.id, record.author, record.created[:10], record.description,
                 record.next_phase, record.sentence)  # fmt: skip
        content = "\n".join(parts).lower()
        return all(word in content for word in self.words)

    def accepts_event(self, event: Event, text: str) -> bool:
        """True where an event without a snapshot of its own passes; `text` is its line."""
        content = f"{text}\n{event.message}\n{event.author}\n{event.at[:10]}\n{event.id}".lower()
        return (
            self._in_time(event.at)
            and (not self.kinds or event.kind in self.kinds)
            and not self.names
            and all(part in event.author.lower() for part in self.authors)
            and all(word in content for word in self.words)
        )

    def accepts_text(self, text: str) -> bool:
        """True where something that is neither, but only text, passes."""
        only_words = not (self.names or self.authors or self.kinds or self.start or self.end)
        return only_words and all(word in text.lower() for word in self.words)

    def _in_time(self, moment: str) -> bool:
        return (not self.start or moment >= self.start) and (not self.end or moment < self.end)


class FilterError(ValueError):
    """A filter that cannot be understood; its text is a sentence for the user."""

    def __init__(self, sentence: str, understood: SnapshotFilter) -> None:
        super().__init__(sentence)
        self.understood = understood
        """The filter without the terms that are wrong."""


class _TermError(ValueError):
    pass


def parse(text: str, now: datetime.datetime) -> SnapshotFilter:
    """The filter that `text` says. `now`: an aware time. Raises FilterError with a sentence."""
    found: dict[str, list[str]] = {"": [], "name": [], "author": [], "kind": []}
    starts: list[str] = []
    ends: list[str] = []
    problem = ""
    for token in _TOKEN.findall(text.lower()):
        is_term = None if token.startswith('"') else _TERM.fullmatch(token)
        term, value = (is_term[1], is_term[2]) if is_term else ("", token)
        value = value.replace('"', "").strip()
        try:
            if term:
                _check(term, value)
            if term in ("before", "after", "on"):
                span = _span(term, value, now)
                starts += [span.start] if term != "before" else []
                ends += [span.start] if term == "before" else [span.end] if term == "on" else []
            elif value:
                found[term].append(_kind(value) if term == "kind" else value)
        except _TermError as error:
            problem = problem or str(error)
    filtered = SnapshotFilter(
        words=tuple(found[""]),
        names=tuple(found["name"]),
        authors=tuple(found["author"]),
        kinds=tuple(found["kind"]),
        start=max(starts, default=""),
        end=min(ends, default=""),
    )
    if problem:
        raise FilterError(problem, filtered)
    return filtered


def _check(term: str, value: str) -> None:
    """Raise _TermError for a term that there is not, or that has nothing behind it."""
    if term not in TERMS:
        terms = _listed([f"{each}:" for each in TERMS], "and")
        raise _TermError(f'There is no term {term}: but {terms}. As a word: "{term}:"')
    if not value:
        raise _TermError(f"{term}: needs {_NEEDS.get(term, 'a date, say 2026-03-01, or 7d (7 days ago)')}.")


def _kind(value: str) -> str:
    close = [kind for kind in KINDS if kind.startswith(value)]
    if value in KINDS:
        return value
    if len(close) != 1:
        raise _TermError(f"There is no kind {value}: kinds are {_listed(KINDS)}.")
    return close[0]


def _listed(words: Sequence[str], last: str = "or") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _span(term: str, value: str, now: datetime.datetime) -> _Span:
    """The time that `value` says. Raises _TermError."""
    try:
        start, end = _dates(value, now, whole_days=term == "on")
        return _Span(_utc(start), _utc(end))
    except (ValueError, OverflowError, OSError):
        raise _TermError(
            f"{term}: wants 2026, 2026-03-01, today, yesterday, 3h, 7d, 2w, 6mon or 1y, not {value}."
        ) from None


def _dates(
    value: str, now: datetime.datetime, *, whole_days: bool
) -> tuple[datetime.datetime, datetime.datetime]:
    """Begin and end of what `value` says. `whole_days`: that of `7d` is a day, not a moment 7 days ago."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    day = datetime.timedelta(days=1)
    if value in ("today", "yesterday"):
        start = today if value == "today" else today - day
        return start, start + day
    if found := _AGO.fullmatch(value):
        then = now - datetime.timedelta(minutes=int(found[1]) * _MINUTES[found[2]])
        if whole_days and found[2] not in ("min", "h"):
            then = then.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            return then, then + day
        return then, then + datetime.timedelta(minutes=_MINUTES[found[2]])
    found = _DATE.fullmatch(value)
    if found is None:
        raise ValueError(value)
    year, month, of_month, hour, minute = (None if part is None else int(part) for part in found.groups())
    start = datetime.datetime(
        year or 0,  # the year 0 is refused
        1 if month is None else month,
        1 if of_month is None else of_month,
        hour or 0,
        minute or 0,
    )
    if hour is not None:
        return start, start + datetime.timedelta(minutes=1)
    if of_month is not None:
        return start, start + day
    if month is not None:
        return start, start.replace(year=start.year + month // 12, month=month % 12 + 1)
    return start, start.replace(year=start.year + 1)


def _utc(moment: datetime.datetime) -> str:
    """As records hold times; a time without a zone is one of this machine."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")
