"""The timeline as a value: what causes and distributions tell, and how it is folded."""

from nuvtui.model.distribution import Counts, Distribution, Strategies, TargetResult
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.timeline import Event, Group, folded, made, restored, sequence
from tests.model.test_snapshot_filter import record

HERE, OTHER = "a" * 16, "b" * 16


def snapshot(number: int, cause: str = "", name: str = "") -> SnapshotRecord:
    import msgspec

    return msgspec.structs.replace(
        record(name, "automatic" if cause else "named" if name else "quick", moment(number), sentence=cause),
        id=f"{number:016x}",
        instance=HERE,
    )


def moment(number: int) -> str:
    return f"2026-03-{number:02d}T12:00:00.000000+00:00"


def distribution(number: int, source: StateRef, *targets: str, status: str = "completed") -> Distribution:
    results = [
        TargetResult(each, f"study/{each}", status, files=Counts(2, 1, 1, 7), tables=Counts(created=1))
        for each in targets
    ]
    return Distribution(
        f"{number:08x}" * 2,
        "s" * 16,
        source,
        "ada",
        moment(number),
        Strategies(),
        "Look at b.",
        status,
        results,
    )


def called(instance: str) -> str:
    return {HERE: "Master", OTHER: "reviewer"}.get(instance, "another")


def test_causes_tell_what_happened() -> None:
    records = [
        snapshot(5, "before restore of snapshot 00000001 (raw (data))"),
        snapshot(4, "before restore of snapshot 00000002 (quick)"),
        snapshot(3, "for export 12345678 of penguins"),
        snapshot(2),
        snapshot(1, name="raw (data)"),
    ]
    traces = made(HERE, records, [], called).traces
    assert [(event.kind, event.what) for event in traces.values()] == [
        ("restored", "raw (data)"),
        ("restored", "quick 00000002"),
        ("exported", "penguins"),
    ]
    assert restored(records[0]) == "00000001"
    assert restored(records[2]) is None


def test_a_distribution_to_here_is_told_by_the_snapshot_taken_first() -> None:
    came = distribution(3, StateRef(OTHER, "9" * 16), "c" * 16, HERE)
    timeline = made(HERE, [snapshot(3, f"before distribution {came.id[:8]}")], [came], called)
    event = timeline.traces[f"{3:016x}"]
    assert (event.kind, event.what, event.objects, event.message) == ("received", "reviewer", 5, "Look at b.")
    assert not timeline.events


def test_without_its_snapshot_it_is_an_event_of_its_own_unless_nothing_came() -> None:
    came = distribution(3, StateRef(OTHER, "9" * 16), HERE)
    assert [event.kind for event in made(HERE, [], [came], called).events] == ["received"]
    failed = distribution(3, StateRef(OTHER, "9" * 16), HERE, status="failed")
    assert not made(HERE, [], [failed], called).events


def test_what_goes_out_from_a_snapshot_stands_at_its_time() -> None:
    records = [snapshot(8), snapshot(2, name="first")]
    out = distribution(5, StateRef(HERE, records[1].id), OTHER, "c" * 16)
    timeline = made(HERE, records, [out], called)
    (event,) = timeline.events
    assert (event.what, event.targets, event.source) == ("reviewer", 2, "first")
    assert folded(timeline) == [records[0], event, records[1]]


def test_what_goes_out_from_the_current_state_is_its_automatic_snapshot() -> None:
    taken = snapshot(5, "source of distribution 00000005")
    out = distribution(5, StateRef(HERE, taken.id), OTHER)
    timeline = made(HERE, [taken], [out], called)
    assert timeline.traces[taken.id].what == "reviewer"
    assert not timeline.events


def test_a_recall_names_where_it_had_come_from() -> None:
    came = distribution(3, StateRef(OTHER, "9" * 16), HERE, status="recalled")
    records = [
        snapshot(4, f"before recall of distribution {came.id[:8]}"),
        snapshot(3, f"before distribution {came.id[:8]}"),
    ]
    traces = made(HERE, records, [came], called).traces
    assert [(event.kind, event.what) for event in traces.values()] == [
        ("recalled", "reviewer"),
        ("received", "reviewer"),
    ]


def test_a_cause_whose_distribution_is_not_known_any_more() -> None:
    timeline = made(HERE, [snapshot(3, "before distribution 12345678")], [], called)
    assert timeline.traces[f"{3:016x}"] == Event("received", "12345678", moment(3))


def test_automatic_snapshots_that_follow_each_other_are_a_group() -> None:
    cause = "before restore of snapshot 00000001 (one)"
    records = [
        snapshot(9, cause),
        snapshot(8, cause),
        snapshot(7, name="b"),
        snapshot(6, cause),
        snapshot(1, name="one"),
    ]
    timeline = made(HERE, records, [], called)
    entries = folded(timeline)
    assert entries == [Group((records[0], records[1])), *records[2:]]
    group = entries[0]
    assert isinstance(group, Group)
    newer = folded(made(HERE, [snapshot(10, cause), *records], [], called))[0]
    assert isinstance(newer, Group)
    assert newer.key == group.key, "it stays open when another one joins it"
    assert sequence(entries, lambda _: False) == [(entry, False) for entry in entries]
    opened = sequence(entries, lambda _: True)
    assert [inside for _, inside in opened] == [False, True, True, False, False, False]


def test_an_event_between_them_ends_a_group() -> None:
    cause = "before restore of snapshot 00000001 (one)"
    records = [snapshot(9, cause), snapshot(7, cause)]
    timeline = made(HERE, records, [distribution(8, StateRef(HERE, "9" * 16), OTHER)], called)
    assert [type(entry) for entry in folded(timeline)] == [SnapshotRecord, Event, SnapshotRecord]
