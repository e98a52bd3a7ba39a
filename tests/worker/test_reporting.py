"""The reporter of a worker: events, log offsets, throttling, cancel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled
from nuvtui.model.task import KEPT, fold
from nuvtui.worker.events import EventWriter, read_log
from nuvtui.worker.reporting import TaskReporter
from tests.worker.running import read_events


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(tmp_path: Path, clock: Clock) -> Iterator[TaskReporter]:
    with EventWriter(tmp_path) as events:
        made = TaskReporter(tmp_path, events, clock)
        yield made
        made.close()


def _progress(folder: Path) -> list[int]:
    return [event.done for event in read_events(folder) if event.type == "progress"]


def test_progress_is_written_ten_times_a_second_and_never_loses_the_last(
    reporter: TaskReporter, clock: Clock, tmp_path: Path
) -> None:
    reporter.step("read", "Reading")
    for number in range(1, 10_001):
        reporter.progress(number, 10_000, "files")
        clock.now += 0.001
    written = _progress(tmp_path)
    assert written[0] == 1
    assert 95 <= len(written) <= 101
    reporter.step("next", "Next")
    assert _progress(tmp_path)[-1] == 10_000
    types = [event.type for event in read_events(tmp_path)]
    assert types[-3:] == ["progress", "step_done", "step"]


def test_a_long_step_is_told_less_often(reporter: TaskReporter, clock: Clock, tmp_path: Path) -> None:
    reporter.step("build", "Building")
    for second in range(7200):
        for _ in range(4):
            reporter.progress(second, None, "bytes")
            clock.now += 0.25
    assert 7000 < len(_progress(tmp_path)) < 8500


def test_the_first_progress_of_a_step_is_told_at_once(reporter: TaskReporter, tmp_path: Path) -> None:
    for name in "abc":
        reporter.step(name, name)
        reporter.progress(1, 2, "steps", name)
    told = [(event.step, event.what) for event in read_events(tmp_path) if event.type == "progress"]
    assert told == [("a", "a"), ("b", "b"), ("c", "c")]


def test_events_carry_the_place_in_the_log(reporter: TaskReporter, tmp_path: Path) -> None:
    reporter.step("a", "A")
    reporter.log(b"12345\n")
    reporter.log(b"")
    reporter.step("b", "B")
    reporter.log(b"\xff\x1b[31m\n")
    reporter.warning("w")
    reporter.finish(status="completed")
    offsets = [(event.type, event.log_offset) for event in read_events(tmp_path)]
    assert offsets == [("step", 0), ("step_done", 6), ("step", 6), ("warning", 13), ("finished", 13)]
    assert read_log(tmp_path, 6, 100) == b"\xff\x1b[31m\n"


def test_a_reporter_that_follows_another_goes_on_at_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_bytes(b"before\n")
    with EventWriter(tmp_path) as events:
        reporter = TaskReporter(tmp_path, events)
        reporter.warning("w")
        reporter.close()
    assert read_events(tmp_path)[0].log_offset == 7


def test_a_cancel_is_noticed_by_check_and_calls_what_waits_once(reporter: TaskReporter) -> None:
    called: list[str] = []

    def broken() -> None:
        called.append("broken")
        raise OSError("closed already")

    reporter.check()
    with reporter.on_cancel(lambda: called.append("ended before")):
        pass
    with reporter.on_cancel(lambda: called.append("outer")), reporter.on_cancel(broken):
        reporter.cancel()
        reporter.cancel()
        assert sorted(called) == ["broken", "outer"]
        with pytest.raises(Cancelled):
            reporter.check()
    with reporter.on_cancel(lambda: called.append("late")):
        assert called[-1] == "late"
    assert len(called) == 3


def test_of_very_many_warnings_the_first_are_told_and_all_are_kept(
    reporter: TaskReporter, tmp_path: Path
) -> None:
    sentences = [f"file {number} is odd" for number in range(5000)]
    for sentence in sentences:
        reporter.warning(sentence)
    reporter.finish(status="completed")
    view = fold("x", read_events(tmp_path))
    assert (len(view.warnings), view.more_warnings) == (KEPT, 0)
    assert view.warnings[-1] == "4,001 more warnings are in the log of this task."
    logged = (tmp_path / "build.log").read_text().splitlines()
    assert [*view.warnings[:-1], *(line.removeprefix("warning: ") for line in logged)] == sentences
