"""The filter of snapshots: what its words and terms find, and what it says of those that it cannot understand."""

import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nuvtui.model.snapshot import Changes, FilesSummary, SnapshotRecord
from nuvtui.model.snapshot_filter import FilterError, SnapshotFilter, parse
from nuvtui.model.timeline import Event

NOW = datetime.datetime(2026, 3, 15, 12, 30).astimezone()


def record(name: str = "", kind: str = "named", created: str = "", **fields: str) -> SnapshotRecord:
    values = {"author": "ada", "description": "", "next_phase": ""} | fields
    return SnapshotRecord(
        "1a2b3c4d5e6f7081",
        "s" * 16,
        "i" * 16,
        name,
        kind,  # type: ignore[arg-type]
        created or at(NOW),
        parent=None,
        files=FilesSummary(1, 1),
        tables=[],
        applications=[],
        changes=Changes(),
        warnings=0,
        stored_bytes=0,
        **values,
    )


def at(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def local(*parts: int) -> str:
    return at(datetime.datetime(*parts).astimezone())  # type: ignore[arg-type, misc]


RESTORE = Event("restored", "0" * 8, local(2026, 3, 1), "raw-data")


@pytest.mark.parametrize(
    ("text", "found", "event"),
    [
        ("", True, None),
        ("raw PRICES", True, None),  # the name, the description, in any case
        ("raw nothing", False, None),
        ("1a2b ada named", True, None),  # id, author, kind
        ("name:raw", True, None),
        ("name:prices", False, None),  # only in the description
        ('name:"raw data"', True, None),
        ('name:"data raw"', False, None),
        ("author:AD", True, None),
        ("author:bob", False, None),
        ("kind:named", True, None),
        ("kind:n", True, None),
        ("kind:quick", False, None),
        ("kind:restored", False, None),
        ("kind:restored", True, RESTORE),
        ("name:raw author:bob", False, None),
        ('"name:raw"', False, None),  # a word, quoted
        ("10:30", False, None),  # no term: it does not begin with letters
    ],
)
def test_what_is_found(text: str, found: bool, event: Event | None) -> None:
    it = record("raw data", description="Prices as received")
    assert parse(text, NOW).accepts(it, event) is found


@pytest.mark.parametrize(
    ("text", "first", "last_before"),
    [
        ("on:2026-03-01", local(2026, 3, 1), local(2026, 3, 2)),
        ("on:2026-12", local(2026, 12, 1), local(2027, 1, 1)),
        ("on:2025", local(2025, 1, 1), local(2026, 1, 1)),
        ("on:2026-03-01T14:05", local(2026, 3, 1, 14, 5), local(2026, 3, 1, 14, 6)),
        ("on:today", local(2026, 3, 15), local(2026, 3, 16)),
        ("on:yesterday", local(2026, 3, 14), local(2026, 3, 15)),
        ("on:2d", local(2026, 3, 13), local(2026, 3, 14)),
        ("after:2026-02 before:2026-03-02", local(2026, 2, 1), local(2026, 3, 2)),
        ("after:2d", at(NOW - datetime.timedelta(days=2)), None),
        ("after:90min after:1y", at(NOW - datetime.timedelta(minutes=90)), None),
        ("before:2w", None, at(NOW - datetime.timedelta(days=14))),
        ("before:2w before:1d", None, at(NOW - datetime.timedelta(days=14))),
    ],
)
def test_times(text: str, first: str | None, last_before: str | None) -> None:
    wanted = parse(text, NOW)
    assert (wanted.start, wanted.end) == (first or "", last_before or "")
    if first:
        assert wanted.accepts(record(created=first))
    if last_before:
        assert not wanted.accepts(record(created=last_before))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colour:red", "There is no term colour: but name:, author:, kind:, before:, after: and on:"),
        ("name:", "name: needs a part of a name."),
        ("on:", "on: needs a date"),
        ("kind:x", "There is no kind x: kinds are named, quick"),
        ("kind:re", "There is no kind re"),  # restored, received or recalled
        ("on:2026-02-30", "on: wants 2026, 2026-03-01"),
        ("before:0000", "not 0000"),
        ("after:99999y", "not 99999y"),
        ("after:tomorrow", "not tomorrow"),
    ],
)
def test_what_cannot_be_understood_is_said_and_the_rest_is_kept(text: str, sentence: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(f"before {text} name:raw", NOW)
    assert sentence in str(caught.value)
    assert caught.value.understood == SnapshotFilter(words=("before",), names=("raw",))


TERMS = st.sampled_from(
    ["name:", "author:", "kind:", "before:", "after:", "on:", '"', "7d", "2026-03-01", " ", "0"]
)


@given(st.one_of(st.text(), st.lists(st.one_of(TERMS, st.text(max_size=4)), max_size=12).map("".join)))
@example("on:٣d")
@example("on:9999-12-31")
@example("after:9999999y")
@example('name:"')
def test_any_text_is_understood_or_refused_with_a_sentence(text: str) -> None:
    try:
        wanted = parse(text, NOW)
    except FilterError as error:
        wanted, sentence = error.understood, str(error)
    else:
        sentence = "none"
    assert sentence.strip()
    assert wanted.accepts(record("raw data"), RESTORE) in (True, False)
    assert wanted.accepts_event(RESTORE, "restored") in (True, False)
    assert wanted.accepts_text("Current State") in (True, False)
