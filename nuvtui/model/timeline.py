"""The timeline of an instance: its snapshots, and what happened to it between them.

A restore and a distribution that arrives leave an automatic snapshot of what was there before; its cause names them, so
that snapshot *is* their trace. A distribution that goes out from a snapshot leaves nothing but its own record: that
is an event of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from nuvtui.model import order
from nuvtui.model.cause import Cause
from nuvtui.model.distribution import Distribution, TargetResult
from nuvtui.model.snapshot import SnapshotRecord

EventKind = Literal["restored", "received", "recalled", "distributed", "exported"]

_MISSED = ("failed", "cancelled")
"""Statuses of a target that is as it was before."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened to an instance."""

    kind: EventKind
    id: str
    """Of the snapshot restored, the distribution or the export: eight digits where only a cause tells it."""
    at: str
    what: str = ""
    """What was restored or exported, where it came from, or the first target that it went to; raw text."""
    author: str = ""
    objects: int | None = None
    """Received: objects written or removed here; None: not known."""
    targets: int = 0
    """Distributed: how many instances it went to."""
    status: str = ""
    """Of the distribution, or of it here."""
    snapshot: str | None = None
    """Distributed: the snapshot that went out."""
    source: str = ""
    """Distributed: what that snapshot is called; empty: it is gone."""
    message: str = ""


class Group(msgspec.Struct, frozen=True):
    """Automatic snapshots that follow each other, newest first."""

    records: tuple[SnapshotRecord, ...]

    @property
    def key(self) -> str:
        """What identifies it while newer ones join it."""
        return f"group {self.records[-1].id}"


Entry = SnapshotRecord | Event | Group


class Timeline(msgspec.Struct, frozen=True):
    """What the state file says of the past of an instance."""

    records: list[SnapshotRecord]
    """Newest first."""
    traces: Mapping[str, Event] = {}
    """By snapshot: the event that it was taken for."""
    events: list[Event] = []
    """Those without a snapshot of their own, newest first."""


def made(
    instance: str,
    records: Iterable[SnapshotRecord],
    distributions: Iterable[Distribution],
    called: Callable[[str], str],
) -> Timeline:
    """The timeline of an instance. `called` gives the name of an instance by its id."""
    newest_first = order.newest_first(records)
    concerning = [
        each
        for each in distributions
        if each.source.instance == instance or any(target.instance == instance for target in each.targets)
    ]
    by_prefix = {each.id[:8]: each for each in concerning}
    traces: dict[str, Event] = {}
    for record in newest_first:
        if record.cause is not None:
            traces[record.id] = _trace(record, record.cause, instance, by_prefix, called)
    by_id = {record.id: record for record in newest_first} if concerning else {}
    told = {(event.kind, event.id) for event in traces.values()}
    alone: list[Event] = []
    for each in concerning:
        if each.source.instance == instance and ("distributed", each.id) not in told:
            event = _distributed(each, each.created, called)
            out = by_id.get(each.source.snapshot or "")
            source = (out.name or f"{out.kind} {out.id[:8]}") if out is not None else ""
            alone.append(msgspec.structs.replace(event, source=source))
        here = _target(each, instance)
        if (
            here is not None
            and ("received", each.id) not in told
            and here.status not in (*_MISSED, "waiting")
        ):
            alone.append(_received(each, here, each.created, called))
    alone.sort(key=lambda event: (event.at, event.id), reverse=True)
    return Timeline(newest_first, traces, alone)


def folded(timeline: Timeline) -> list[Entry]:
    """Snapshots and events in their order, newest first, automatic snapshots that follow each other as groups."""
    out: list[Entry] = []
    run: list[SnapshotRecord] = []

    def end_run() -> None:
        out.extend([Group(tuple(run))] if len(run) > 1 else run)
        run.clear()

    events = iter(timeline.events)
    event = next(events, None)
    for record in timeline.records:
        while event is not None and event.at > record.created:
            end_run()
            out.append(event)
            event = next(events, None)
        if record.kind == "automatic":
            run.append(record)
        else:
            if run:
                end_run()
            out.append(record)
    end_run()
    while event is not None:
        out.append(event)
        event = next(events, None)
    return out


def restored(record: SnapshotRecord) -> str | None:
    """The first eight digits of the snapshot before whose restore `record` was taken; None: another cause."""
    cause = record.cause
    if record.kind != "automatic" or cause is None or cause.reason != "restore":
        return None
    return cause.id[:8]


def _trace(
    record: SnapshotRecord,
    cause: Cause,
    instance: str,
    by_prefix: Mapping[str, Distribution],
    called: Callable[[str], str],
) -> Event:
    at, author = record.created, record.author
    each = by_prefix.get(cause.id[:8])
    match cause.reason:
        case "restore":
            return Event("restored", cause.id, at, cause.name or f"{cause.kind} {cause.id[:8]}", author)
        case "export":
            return Event("exported", cause.id, at, cause.name, author)
        case "distribution":
            here = _target(each, instance) if each else None
            return _received(each, here, at, called) if each and here else Event("received", cause.id, at)
        case "recall":
            what = called(each.source.instance) if each else ""
            return Event("recalled", each.id if each else cause.id, at, what, author)
        case "source":
            return _distributed(each, at, called) if each else Event("distributed", cause.id, at)


def _target(distribution: Distribution, instance: str) -> TargetResult | None:
    return next((target for target in distribution.targets if target.instance == instance), None)


def _received(distribution: Distribution, here: TargetResult, at: str, called: Callable[[str], str]) -> Event:
    counts = (here.files, here.tables, here.applications)
    ended = here.status in ("completed", "recalled")
    return Event(
        "received",
        distribution.id,
        at,
        called(distribution.source.instance),
        distribution.author,
        objects=sum(each.created + each.replaced + each.removed for each in counts) if ended else None,
        status=here.status,
        message=distribution.message,
    )


def _distributed(distribution: Distribution, at: str, called: Callable[[str], str]) -> Event:
    first = distribution.targets[0].instance if distribution.targets else ""
    return Event(
        "distributed",
        distribution.id,
        at,
        called(first) if first else "",
        distribution.author,
        targets=len(distribution.targets),
        status=distribution.status,
        snapshot=distribution.source.snapshot,
        message=distribution.message,
    )


def sequence(entries: Sequence[Entry], opened: Callable[[Group], bool]) -> list[tuple[Entry, bool]]:
    """The entries as lines: each with whether it lies within an opened group, whose own line stays."""
    out: list[tuple[Entry, bool]] = []
    for entry in entries:
        out.append((entry, False))
        if isinstance(entry, Group) and opened(entry):
            out += [(record, True) for record in entry.records]
    return out
