"""The event contract and its fold."""

import itertools
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model.task import KEPT, Event, Failure, TaskStatus, advance, fold


def events(*specs: tuple[str, dict[str, Any]]) -> list[Event]:
    return [
        Event(1, n, f"2026-01-01T00:00:{n:02d}", kind, **fields) for n, (kind, fields) in enumerate(specs)
    ]  # type: ignore[arg-type]


def test_the_contract_of_a_line() -> None:
    line = msgspec.json.encode(events(("queued", {"kind": "export", "title": "Export x"}))[0])
    assert line.startswith(b'{"v":1,"seq":0,"ts":"2026-01-01T00:00:00","type":"queued"')


def test_a_task_from_begin_to_end() -> None:
    view = fold(
        "t",
        events(
            ("queued", {"kind": "export", "title": "Export x", "user": "ada"}),
            ("started", {"pid": 7}),
            ("step", {"step": "build", "title": "Building", "log_offset": 0}),
            ("progress", {"step": "build", "done": 3, "total": 10, "unit": "files", "what": "a"}),
            ("warning", {"what": "careful"}),
            ("step_done", {"step": "build", "log_offset": 120}),
            ("finished", {"status": "completed", "result": {"id": 1}}),
        ),
    )
    assert view.status is TaskStatus.COMPLETED
    assert view.result == {"id": 1}
    assert view.warnings == ("careful",)
    (step,) = view.steps
    assert (step.log_start, step.log_end, step.failed) == (0, 120, False)


def test_the_failing_step_is_marked() -> None:
    view = fold(
        "t",
        events(
            ("started", {}),
            ("step", {"step": "a", "title": "A"}),
            ("step_done", {"step": "a"}),
            ("step", {"step": "b", "title": "B"}),
            ("finished", {"status": "failed", "error": Failure("Broken", "badly")}),
        ),
    )
    assert view.status is TaskStatus.FAILED
    assert [step.failed for step in view.steps] == [False, True]
    assert view.error == Failure("Broken", "badly")


def test_nothing_happens_after_the_end() -> None:
    ended = events(("finished", {"status": "cancelled"}), ("step", {"step": "late", "title": "Late"}))
    assert fold("t", ended) == fold("t", ended[:1])


KINDS = st.sampled_from(["queued", "started", "step", "progress", "warning", "step_done", "finished"])
EVENTS = st.lists(
    st.builds(
        Event,
        v=st.just(1),
        seq=st.integers(0, 9),
        ts=st.text(max_size=3),
        type=KINDS,
        title=st.text(max_size=3),
        done=st.integers(0, 9),
        what=st.text(max_size=3),
        log_offset=st.integers(0, 99),
        status=st.sampled_from(["completed", "failed", "cancelled"]),
    ),
    max_size=20,
)


@given(EVENTS, st.integers(0, 20))
def test_a_viewer_that_comes_later_sees_the_same(told: list[Event], at: int) -> None:
    view = fold("t", told[:at])
    for event in told[at:]:
        view = advance(view, event)
    assert view == fold("t", told)


@given(EVENTS)
def test_progress_that_was_overtaken_counts_for_nothing(told: list[Event]) -> None:
    needed = [
        event
        for event, after in itertools.zip_longest(told, told[1:])
        if not (event.type == "progress" and after is not None and after.type == "progress")
    ]
    assert fold("t", needed) == fold("t", told)


def test_a_view_is_bounded_whatever_a_task_tells() -> None:
    count = KEPT + 500
    told = [("warning", {"what": f"{number}"}) for number in range(count)]
    told += [("step", {"step": f"s{number}", "title": "x"}) for number in range(count)]
    view = fold("t", events(*told))
    assert (len(view.warnings), view.more_warnings, view.warnings[-1]) == (KEPT, 500, f"{KEPT - 1}")
    assert (len(view.steps), view.steps[-1].name) == (KEPT, f"s{count - 1}")
