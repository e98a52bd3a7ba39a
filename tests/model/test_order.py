"""Snapshots stand where they were taken, whatever the clocks said and whichever were deleted."""

import datetime
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model import order

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAYS = st.integers(-20_000, 20_000)


class Stand(NamedTuple):
    id: str
    instance: str
    parent: str | None
    number: int
    created: str


def moment(days: float) -> str:
    return (NOW + datetime.timedelta(days=days)).isoformat(timespec="microseconds")


def chain(days: list[int], instance: str = "a", *, unnumbered: int = 0) -> list[Stand]:
    """Snapshots in the order in which they were taken, at any times; the first ones by an older nuvtui."""
    out: list[Stand] = []
    for at, day in enumerate(days):
        parent = out[-1].id if out else None
        number = 0 if at < unnumbered else at - unnumbered + 1
        # Ids are random: here they run against the order.
        out.append(Stand(f"{instance}{1000 - at}", instance, parent, number, moment(day)))
    return out


@given(days=st.lists(DAYS, max_size=8), data=st.data())
def test_numbers_decide_whatever_is_deleted(days: list[int], data: st.DataObject) -> None:
    taken = chain(days)
    left = [each for each in taken if data.draw(st.booleans())]
    shuffled = data.draw(st.permutations(left))
    assert order.newest_first(shuffled) == left[::-1]
    assert order.newest(shuffled) == (left[-1] if left else None)


@given(days=st.lists(DAYS, max_size=8), data=st.data())
def test_parents_decide_for_snapshots_of_an_older_nuvtui(days: list[int], data: st.DataObject) -> None:
    taken = chain(days, unnumbered=data.draw(st.integers(0, len(days))))
    shuffled = data.draw(st.permutations(taken))
    assert order.newest_first(shuffled) == taken[::-1]
    assert order.newest(shuffled) == (taken[-1] if taken else None)


@given(days=st.lists(DAYS, max_size=8, unique=True), data=st.data())
def test_times_decide_where_parents_are_gone_and_clocks_ran_forward(
    days: list[int], data: st.DataObject
) -> None:
    taken = chain(sorted(days), unnumbered=len(days))
    left = [each for each in taken if data.draw(st.booleans())]
    assert order.newest_first(data.draw(st.permutations(left))) == left[::-1]


@given(first=st.lists(DAYS, max_size=5), second=st.lists(DAYS, max_size=5))
def test_several_instances_keep_their_order_side_by_side(first: list[int], second: list[int]) -> None:
    both = [*chain(first, "a"), *chain(second, "b")]
    mixed = order.newest_first(both)
    assert sorted(mixed) == sorted(both)
    for name in ("a", "b"):
        mine = [each for each in mixed if each.instance == name]
        assert mine == [each for each in both if each.instance == name][::-1]


@given(numbers=st.lists(st.tuples(DAYS, st.integers(0, 3), st.integers(0, 5)), max_size=6))
def test_any_records_at_all_have_one_order(numbers: list[tuple[int, int, int]]) -> None:
    """Also those that nothing but damage can have made: parents in a circle, numbers twice."""
    records = [
        Stand(f"s{at}", "a", f"s{parent}", number, moment(day))
        for at, (day, number, parent) in enumerate(numbers)
    ]
    found = order.newest_first(records)
    assert sorted(found) == sorted(records)
    assert order.newest_first(records[::-1]) == found


@given(ages=st.lists(st.integers(0, 400), min_size=1, max_size=8), data=st.data())
def test_a_wrong_clock_makes_no_snapshot_old(ages: list[int], data: st.DataObject) -> None:
    """Taken `ages` days ago; the clocks of some were wrong: none counts as older than it is but by the one before."""
    truly = sorted(ages, reverse=True)
    shown = [data.draw(st.just(-age) | DAYS) for age in truly]
    times = order.with_times(chain(shown), NOW)
    right = [-age == day for age, day in zip(truly, shown, strict=True)]
    for (record, at), age, fine in zip(reversed(times), truly, right, strict=True):
        assert at <= NOW.isoformat(timespec="microseconds")
        if fine:
            assert at >= moment(-age), record
