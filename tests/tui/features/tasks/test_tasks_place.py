"""The Tasks place and a task's own screen: steps, live log, how it ended, cancel."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.model.export import ExportRecord
from nuvtui.model.task import Failure, TaskStatus
from nuvtui.tui.common.task_screen import TaskScreen
from nuvtui.tui.toolkit.detail_list import DetailList
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.log_view import LogView
from nuvtui.tui.toolkit.sparkline import Sparkline
from nuvtui.worker import lease
from nuvtui.worker.events import EventWriter
from nuvtui.worker.lifecycle import cancel, view
from tests.tui.harness import app_of, press, shown_text, until, words
from tests.tui.sharing import Study, hang, lay_out, running, start_export


@pytest.fixture
def hanging_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An engine that takes connections and never answers."""
    yield from hang(tmp_path, monkeypatch)


TASK = "00000000000000aa"
RECORD = ExportRecord(
    "e",
    "s",
    "i",
    "hello",
    None,
    "hello",
    "ada",
    "",
    "completed",
    engine="oci",
    image="a/b:c",
    with_files=False,
)


class Worker:
    """A task whose events and log this test writes, as its worker would. It counts as alive: its lease is ours."""

    def __init__(
        self, study: Study, title: str = "Export hello", kind: str = "export", task: str = TASK
    ) -> None:
        self.folder = study.services.home.task(task)
        self.folder.mkdir(parents=True)
        own = lease.of(os.getpid(), worker=True)
        assert own is not None
        lease.write(self.folder, own)
        self.events = EventWriter(self.folder)
        self.size = 0
        self.events.write("queued", kind=kind, title=title, user=study.services.user, space=study.space.id)
        self.events.write("started", pid=os.getpid())

    def step(self, name: str, title: str) -> None:
        """Begin a step."""
        self.events.write("step", step=name, title=title, log_offset=self.size)

    def log(self, text: str) -> None:
        """Write into the build log."""
        data = text.encode("utf-8", "surrogateescape")
        with open(self.folder / "build.log", "ab") as file:
            file.write(data)
        self.size += len(data)

    def fail(self) -> None:
        """Write the last word: failed."""
        self.events.write(
            "finished",
            status="failed",
            error=Failure("The build failed", "step 3 of 3: exit code 1", "Look at the last lines."),
            log_offset=self.size,
        )
        self.events.close()

    def complete(self) -> None:
        """Write the last word: completed."""
        self.events.write("finished", status="completed", result=RECORD, log_offset=self.size)
        self.events.close()


async def test_lists_running_and_ended_tasks_and_opens_one(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study, "Archive hello", "archive")
    worker.step("archive", "Writing hello.tar")
    async with running(study) as pilot:
        await press(pilot, "5")
        assert "running Archive hello" in words(pilot)
        assert "1 running, 1 in all" in words(pilot)
        worker.complete()
        await until(pilot, lambda: "completed" in shown_text(pilot.app), "the end of the task in the list")
        await press(pilot, "enter")
        assert isinstance(app_of(pilot).screen, TaskScreen)
        await until(pilot, lambda: "a/b:c" in shown_text(pilot.app), "its result")


async def test_the_log_is_followed_and_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study)
    worker.step("build", "Building the image")
    worker.log("".join(f"line {number}\n" for number in range(1000)))
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        await until(pilot, lambda: "line 999" in shown_text(pilot.app), "the last line so far")
        assert "Building the image" in shown_text(pilot.app)
        assert "following" in shown_text(pilot.app)
        worker.log("one more\n")
        await until(pilot, lambda: "one more" in shown_text(pilot.app), "the new line")
        await press(pilot, "escape")
    worker.log("while nobody looked\n")
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        await until(
            pilot, lambda: "while nobody looked" in shown_text(pilot.app), "the line written meanwhile"
        )
        log = app_of(pilot).screen.query_one(LogView)
        assert log.index.count == 1002
        lines = [log.text_of(number) for number in range(1002)]
        assert lines == [*(f"line {number}" for number in range(1000)), "one more", "while nobody looked"]
        worker.complete()


async def test_a_failure_is_what_one_sees_first_with_its_last_lines(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study)
    worker.step("plan", "Planning the image")
    worker.step("build", "Building the image")
    worker.log("".join(f"fine {number}\n" for number in range(500)) + "ERROR: no such package\n")
    worker.fail()
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        await until(pilot, lambda: "Failed at: Building the image" in words(pilot), "the failing step")
        text = words(pilot)
        assert "The build failed step 3 of 3: exit code 1" in text
        assert "Look at the last lines." in text
        assert "ERROR: no such package" in text
        # the steps, and from one of them to its part of the log
        await press(pilot, "s")
        assert "Planning the image" in shown_text(pilot.app)
        await press(pilot, "end", "enter")
        await until(pilot, lambda: "fine 0" in shown_text(pilot.app), "the beginning of the step's log")


async def test_a_failure_is_told_in_order_reason_last_lines_what_to_do(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study)
    worker.step("build", "Building the image")
    worker.log("".join(f"fine {number}\n" for number in range(500)) + "ERROR: no such package\n")
    worker.fail()
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        await until(pilot, lambda: "ERROR: no such package" in shown_text(pilot.app), "the last lines")
        text = shown_text(pilot.app)
        order = [
            text.index(each)
            for each in ("Failed at", "step 3 of 3", "ERROR: no such", "Look at the last lines")
        ]
        assert order == sorted(order)
        assert text.count("fine 4") > 5, "the log has its share"


async def test_while_it_runs_steps_progress_and_the_rate_of_the_log_are_shown(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study)
    worker.step("plan", "Planning the image")
    worker.events.write("step_done", step="plan")
    worker.step("build", "Building the image")
    worker.events.write("progress", step="build", done=42, total=100, unit="files", what="a layer")
    worker.log("first\n")
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        sparkline = app_of(pilot).screen.query_one(Sparkline)
        for number in range(400):
            worker.log(f"line {number}\n")
            await pilot.pause(0.02)
            if any(sparkline.rates):
                break
        await pilot.pause()
        text = words(pilot)
        assert "✓ Planning the image" in text
        assert "◐ Building the image" in text
        assert "42 % 42 files of 100 files a layer" in text
        assert "lines/s" in text
        assert sum("line " in row for row in shown_text(pilot.app).split("\n")) > 8, (
            "the log beneath has its share"
        )
        await press(pilot, "s")
        assert "Planning" not in shown_text(pilot.app)
        worker.complete()
        await until(pilot, lambda: "Completed" in shown_text(pilot.app), "the card")
        assert "lines/s" not in shown_text(pilot.app)


async def test_at_80x24_the_card_and_the_log_both_have_room(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study, kind="archive")
    worker.step("archive", "Writing")
    worker.log("".join(f"line {number}\n" for number in range(100)))
    worker.complete()
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        await until(pilot, lambda: "a/b:c" in shown_text(pilot.app), "its card")
        run = app_of(pilot).screen
        assert isinstance(run, TaskScreen)
        await until(pilot, lambda: "line 99" in shown_text(pilot.app), "its log")
        assert isinstance(run.focused, DetailList)
        assert run.log_view().size.height >= 7
        await press(pilot, "tab")
        assert run.log_view().has_focus


async def test_running_tasks_come_first_and_what_ended_while_away_is_marked(
    tmp_path: Path, hanging_engine: Path
) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    async with running(study) as pilot:
        task = start_export(study)
        await press(pilot, "5")
        await until(pilot, lambda: "running Export hello" in words(pilot), "the running task")
    cancel(study.services.home, task, wait=0.2)
    older = Worker(study, "Archive hello", "archive", "00000000000000bb")
    newer = Worker(study, "Push hello", "push", "00000000000000cc")
    newer.complete()
    async with running(study) as pilot:
        await press(pilot, "5")
        rows = shown_text(pilot.app).split("\n")
        at = [
            next(n for n, row in enumerate(rows) if name in row)
            for name in ("Archive", "Push", "Export hello")
        ]
        assert at[0] == min(at), "the one that runs"
        assert rows[at[2]].rstrip(" │┃").endswith("new")
        assert "1 ended while you were away" in words(pilot)
        pane = app_of(pilot).main_screen.pane("tasks")
        pane.query_one(LineList).move_to_key(task)
        await press(pilot, "enter", "escape")
        assert "while you were away" not in shown_text(pilot.app), "it was looked at"
        older.complete()


async def test_wide_shows_steps_with_times_beside_the_log(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study)
    worker.step("plan", "Planning the image")
    worker.step("build", "Building the image")
    worker.log("output here\n")
    async with running(study, size=(160, 45)) as pilot:
        await press(pilot, "5", "enter")
        await until(pilot, lambda: "output here" in shown_text(pilot.app), "the log")
        line = next(line for line in shown_text(pilot.app).splitlines() if "Planning the image" in line)
        assert ":" in line
        assert line.index("Planning") < 40
        worker.complete()


async def test_hostile_output_reaches_nobody(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    worker = Worker(study, "title \x1b]0;x\x07")
    worker.step("build", "step \x1b[2J")
    worker.log("a\x1b]52;c;aGk=\x07b\x9b31m \udcff\n")
    worker.fail()
    async with running(study) as pilot:
        await press(pilot, "5", "enter")
        await until(pilot, lambda: "Failed at" in shown_text(pilot.app), "the failure")
        assert not any(char in shown_text(pilot.app) for char in "\x1b\x07\x9b")


@pytest.mark.slow
async def test_cancel_asks_first_and_leaving_cancels_nothing(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    task = start_export(study)
    async with running(study) as pilot:
        await press(pilot, "5")
        await until(pilot, lambda: "running Export hello" in words(pilot), "the running task")
        await press(pilot, "enter", "escape")
        assert not view(study.services.home, task).status.ended
        await press(pilot, "c", "enter")  # the focus is on Cancel
        assert not view(study.services.home, task).status.ended
        await press(pilot, "c", "right", "enter")
        await until(pilot, lambda: "cancelled Export hello" in words(pilot), "the cancelled task")
    assert view(study.services.home, task).status is TaskStatus.CANCELLED


async def test_what_ended_meanwhile_is_said_at_the_next_start(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    async with running(study) as pilot:
        task = start_export(study)
        await press(pilot, "5")
        await until(pilot, lambda: "running Export hello" in words(pilot), "the running task")
    assert not view(study.services.home, task).status.ended
    cancel(study.services.home, task, wait=0.2)
    async with running(study, notices=True) as pilot:
        await until(pilot, lambda: "While you were away" in shown_text(pilot.app), "the notice")
        assert "Export hello cancelled" in words(pilot)
