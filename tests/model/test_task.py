"""The event contract and its fold."""

from typing import Any

import msgspec

from nuvtui.model.task import Event, Failure, TaskStatus, fold


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
