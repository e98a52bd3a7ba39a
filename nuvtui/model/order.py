"""The order of the snapshots of an instance: by what followed what, never by the clock alone.

Clocks are set back, and machines that share a store disagree. Each snapshot therefore has a number, one more than any
before it in its instance. One that an older nuvtui took has none (0): it follows its parent. Where neither tells, as
of old snapshots whose parents were deleted, times do.
"""

import datetime
import heapq
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar


class Standing(Protocol):
    """What tells the place of a snapshot."""

    @property
    def id(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def parent(self) -> str | None: ...
    @property
    def number(self) -> int: ...
    @property
    def created(self) -> str: ...


T = TypeVar("T", bound=Standing)


def newest(records: Sequence[T]) -> T | None:
    """The newest snapshot of one instance; None where there is none."""
    if not records:
        return None
    highest = max([record.number for record in records])
    latest = max([record.created for record in records if record.number == highest])
    found = max(
        (record for record in records if record.number == highest and record.created == latest),
        key=lambda record: record.id,
    )
    if any(record.parent == found.id for record in records):
        return _ordered(records)[-1]
    return found


def newest_first(records: Iterable[T]) -> list[T]:
    """The snapshots of any number of instances, newest first.

    Those of one instance are in its order; between instances times decide, as far as these run forward in each.
    """
    by_instance: dict[str, list[T]] = {}
    for record in records:
        by_instance.setdefault(record.instance, []).append(record)
    orders = [_ordered(each) for each in by_instance.values()]
    if len(orders) == 1:
        return orders[0][::-1]
    merged = heapq.merge(
        *(zip(_running(order), order, strict=True) for order in orders),
        key=lambda pair: (pair[0], pair[1].id),
    )
    return [record for _, record in merged][::-1]


def with_times(records: Sequence[T], now: datetime.datetime) -> list[tuple[T, str]]:
    """The snapshots of one instance, newest first, each with when it was taken, as near as all of them tell.

    For rules that go by age: a clock that was set back makes no snapshot old, one that was ahead makes none immortal.
    """
    present = now.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    order = _ordered(records)[::-1]
    times: list[str] = []
    later = present
    for record in order:  # a time that is still to come is that of the snapshot after it, at most
        later = record.created if record.created <= present else later
        times.append(later)
    latest = ""
    for at in range(len(times) - 1, -1, -1):
        latest = times[at] = max(latest, times[at])
    return list(zip(order, times, strict=True))


def _running(order: Sequence[Standing]) -> list[str]:
    """Times that never run back."""
    times, latest = [], ""
    for record in order:
        latest = max(latest, record.created)
        times.append(latest)
    return times


def _ordered(records: Sequence[T]) -> list[T]:
    """The snapshots of one instance, oldest first."""
    order = sorted(records, key=lambda record: (record.number, record.created, record.id))
    # Where clocks were right, no more is needed.
    seen: set[str] = set()
    known = {record.id for record in order}
    for record in order:
        if record.parent in known and record.parent not in seen:
            break
        seen.add(record.id)
    else:
        return order
    by_id = {record.id: record for record in order}
    places: dict[str, tuple[int, str, int]] = {}
    for record in order:
        chain: list[T] = []
        at, within = record, {record.id}
        while at.id not in places and not at.number and at.parent in by_id and at.parent not in within:
            chain.append(at)
            at = by_id[at.parent]
            within.add(at.id)
        place = places.setdefault(at.id, (at.number, at.created, 0))
        for each in reversed(chain):
            number, latest, depth = place
            place = places[each.id] = (number, max(latest, each.created), depth + 1)
    return sorted(records, key=lambda record: (*places[record.id], record.created, record.id))
