"""Keep rules and schedules, as properties."""

import datetime
import itertools
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model import schedule as schedules
from nuvtui.model.cause import Cause
from nuvtui.model.policy import Keep, Policy, kept
from nuvtui.model.schedule import Schedule
from nuvtui.model.snapshot import SnapshotRecord
from tests.catalog.records import snapshot

NOW = datetime.datetime(2026, 3, 29, 12, 0, tzinfo=datetime.UTC)
UTC = datetime.UTC


def record(number: int, hours_ago: float, kind: str = "quick", cause: Cause | None = None) -> SnapshotRecord:
    created = (NOW - datetime.timedelta(hours=hours_ago)).isoformat(timespec="microseconds")
    return msgspec.structs.replace(
        snapshot(number), created=created, number=number, kind=kind, cause=cause, sentence=""
    )


CAUSES = st.sampled_from(
    [None, *(Cause(reason, "ab" * 4) for reason in ("restore", "distribution", "recall", "export"))]
)  # type: ignore[arg-type]


@st.composite
def histories(draw: st.DrawFn) -> list[SnapshotRecord]:
    """Snapshots of an instance; clocks may have run back, or ahead of now."""
    found = draw(
        st.lists(
            st.tuples(
                st.floats(-100, 20_000, allow_nan=False),
                st.sampled_from(["named", "quick", "automatic"]),
                CAUSES,
            ),
            max_size=40,
        )
    )
    return [
        record(number, hours, kind, cause if kind == "automatic" else None)
        for number, (hours, kind, cause) in enumerate(found, 1)
    ]


COUNT = st.integers(0, 8)
KEEPS = st.builds(
    Keep, last=COUNT, hourly=COUNT, daily=COUNT, weekly=COUNT, monthly=COUNT, yearly=COUNT,
    within=st.integers(0, 10**8),
)  # fmt: skip
POLICIES = st.builds(
    lambda quick, automatic: Policy(id="b" * 16, space="a" * 16, quick=quick, automatic=automatic),
    st.none() | KEEPS,
    st.none() | KEEPS,
)


def stays(records: list[SnapshotRecord], policy: Policy) -> set[str]:
    return {each.snapshot.id for each in kept(records, policy, NOW, zone=UTC) if each.kept_by}


@given(histories(), POLICIES)
def test_what_is_named_newest_or_needed_to_undo_stays(records: list[SnapshotRecord], policy: Policy) -> None:
    verdicts = kept(records, policy, NOW, zone=UTC)
    by_id = {each.snapshot.id: each.kept_by for each in verdicts}
    assert by_id.keys() == {each.id for each in records}
    assert all("named" in by_id[each.id] for each in records if each.kind == "named")
    if records:
        assert "newest" in by_id[records[-1].id]
    for reasons, keeper in (
        (("restore",), "undo restore"),
        (("distribution", "recall"), "undo distribution"),
    ):
        before = [each for each in records if each.cause is not None and each.cause.reason in reasons]
        if before:
            assert keeper in by_id[before[-1].id]


@given(
    histories(),
    KEEPS,
    st.sampled_from([field.name for field in msgspec.structs.fields(Keep)]),
    st.integers(1, 10),
)
def test_a_higher_number_never_keeps_less(
    records: list[SnapshotRecord], keep: Keep, rule: str, more: int
) -> None:
    higher = msgspec.structs.replace(keep, **{rule: getattr(keep, rule) + more})
    one, other = (Policy(id="b", space="a", quick=each, automatic=each) for each in (keep, higher))
    assert stays(records, one) <= stays(records, other)
    assert stays(records, other) <= stays(records, Policy(id="b", space="a"))


@given(histories(), POLICIES, st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_listed_says_nothing(
    records: list[SnapshotRecord], policy: Policy, chance: random.Random
) -> None:
    shuffled = records.copy()
    chance.shuffle(shuffled)
    assert kept(records, policy, NOW, zone=UTC) == kept(shuffled, policy, NOW, zone=UTC)


@given(histories(), POLICIES)
def test_deleting_what_goes_leaves_nothing_more_to_go(records: list[SnapshotRecord], policy: Policy) -> None:
    left = stays(records, policy)
    remaining = [each for each in records if each.id in left]
    if [each.created for each in records] == sorted(each.created for each in records):
        assert stays(remaining, policy) == left


@given(histories(), POLICIES, st.sets(st.integers(1, 40)))
def test_what_is_in_use_stays(records: list[SnapshotRecord], policy: Policy, numbers: set[int]) -> None:
    used = {each.id for each in records if each.number in numbers}
    found = {each.snapshot.id: each.kept_by for each in kept(records, policy, NOW, used, UTC)}
    assert all("in use" in found[each] for each in used)


def test_each_rule_keeps_the_newest_of_its_periods() -> None:
    hours = [0, 1, 2, 24, 25, 48, 24 * 7, 24 * 8, 24 * 40, 24 * 400]
    records = [record(number, ago) for number, ago in enumerate(reversed(hours), 1)]

    def ages(**numbers: int) -> list[float]:
        found = stays(records, Policy(id="b", space="a", quick=Keep(**numbers)))
        return sorted(
            (NOW - datetime.datetime.fromisoformat(each.created)).total_seconds() / 3600
            for each in records
            if each.id in found
        )

    assert ages() == [0]
    assert ages(last=3) == [0, 1, 2]
    assert ages(hourly=4) == [0, 1, 2, 24]
    assert ages(daily=3) == [0, 24, 48]
    assert ages(weekly=2) == [0, 24 * 7]
    assert ages(monthly=2) == [0, 24 * 40]
    assert ages(yearly=2) == [0, 24 * 400]
    assert ages(within=3600 * 25) == [0, 1, 2, 24, 25]


def test_a_clock_that_was_set_back_makes_no_snapshot_old() -> None:
    """The newest were taken while the clock stood a year ago: they follow one that is a day old."""
    records = [record(1, 24), record(2, 9000), record(3, 8999)]
    policy = Policy(id="b", space="a", quick=Keep(within=3600 * 48))
    assert stays(records, policy) == {each.id for each in records}


SCHEDULES = st.one_of(
    st.builds(Schedule, hours=st.sampled_from([1, 2, 3, 4, 6, 8, 12])),
    st.builds(
        Schedule, hour=st.integers(0, 23), minute=st.integers(0, 59),
        weekday=st.none() | st.sampled_from(schedules.WEEKDAYS),
    ),
)  # fmt: skip


@given(SCHEDULES)
def test_a_schedule_reads_its_own_words(schedule: Schedule) -> None:
    assert schedules.parse(schedule.text) == schedule


@pytest.mark.parametrize(
    ("words", "cron", "calendar"),
    [
        ("every 6h", "0 */6 * * *", "*-*-* 00/6:00:00"),
        ("Every 12 hours", "0 */12 * * *", "*-*-* 00/12:00:00"),
        ("hourly", "0 * * * *", "*-*-* 00/1:00:00"),
        ("daily at 2:05", "5 2 * * *", "*-*-* 02:05:00"),
        ("weekly sunday 03:30", "30 3 * * 0", "Sun *-*-* 03:30:00"),
        ("weekly mon 23:59", "59 23 * * 1", "Mon *-*-* 23:59:00"),
    ],
)
def test_schedules_as_cron_and_systemd_write_them(words: str, cron: str, calendar: str) -> None:
    found = schedules.parse(words)
    assert (found.cron, found.calendar) == (cron, calendar)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "daily",
        "daily 24:00",
        "daily 02:60",
        "every 5h",
        "every 0h",
        "weekly 02:00",
        "weekly foo 02:00",
        "daily \u0660\u0662:00",
    ],
)
def test_other_words_are_no_schedule(words: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        schedules.parse(words)


@given(SCHEDULES, st.integers(0, 400 * 24 * 60))
def test_missed_runs(schedule: Schedule, minutes: int) -> None:
    since = NOW - datetime.timedelta(minutes=minutes)
    found = schedules.missed(schedule, since, NOW, UTC)
    assert all(since < due <= NOW for due in found)
    assert found == sorted(found, reverse=True)
    step = datetime.timedelta(hours=schedule.hours or (24 * 7 if schedule.weekday else 24))
    whole = (NOW - since) // step
    assert len(found) in {min(whole, 100), min(whole + 1, 100)}
    assert all(later - earlier == step for later, earlier in itertools.pairwise(found))


def test_nothing_is_missed_by_a_clock_that_was_set_back() -> None:
    daily: Any = Schedule(hour=2)
    assert schedules.missed(daily, NOW + datetime.timedelta(days=3), NOW, UTC) == []
