"""The startup cache: there at once when the screens are opened again, and never old."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.bootstrap import Services, open_services
from nuvtui.config import Settings
from nuvtui.paths import Home
from nuvtui.tui.common.startup_cache import Reading, StartupCache
from nuvtui.tui.shell.app import NuvApp
from tests.support.cli import NUVTUI, Nuvtui
from tests.support.many import make_state
from tests.support.terminal import Terminal
from tests.tui.harness import says, settle, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


def read(study: Study) -> StartupCache | None:
    return Reading(Home(Path(study.settings.home)), study.root).result()


async def test_the_timeline_is_there_before_anything_was_read(study: Study) -> None:
    assert read(study) is None
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "second-data"), "the timeline")
    startup_cache = read(study)
    assert startup_cache is not None
    assert startup_cache.total == 2

    reached, go_on = threading.Event(), threading.Event()

    def slow(settings: Settings) -> Services:
        reached.set()
        go_on.wait(120)
        return open_services(settings)

    app = NuvApp(Settings(home=study.settings.home), study.root, services=slow, startup_cache=startup_cache)
    async with app.run_test(size=(80, 24)) as pilot:
        # What it is read from is held back all the while.
        await until(pilot, lambda: says(pilot, "second-data"), "the timeline")
        await until(pilot, lambda: says(pilot, "first-data") and says(pilot, "2 snapshots"), "all of it")
        assert says(pilot, "space administrator")
        await pilot.press("j", "j")
        assert app.main_screen.pane("timeline") is not None
        await until(pilot, reached.is_set, "the services are opened")
        go_on.set()
        await settle(pilot)
        assert says(pilot, "second-data")


async def test_a_state_that_changed_since_gives_none(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "second-data"), "the timeline")
    assert read(study) is not None
    study.services.snapshots.create(study.master.id, "since-then")
    assert read(study) is None
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "since-then"), "the new snapshot")
    found = read(study)
    assert found is not None
    assert [record.name for record in found.timeline.records][:1] == ["since-then"]


async def test_what_cannot_be_read_gives_none(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "second-data"), "the timeline")
    (kept,) = (Path(study.settings.home) / "cache" / "screens").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    whole = kept.read_bytes()
    for data in (b"", whole[: len(whole) // 2], b"\xff" * 100, whole[:-1] + b"\xc1"):
        kept.write_bytes(data)
        assert read(study) is None
    kept.write_bytes(whole)
    assert read(study) is not None


async def test_of_ten_thousand_the_newest_are_kept_and_all_are_counted(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    make_state(home, folder, 10_000)
    app = NuvApp(Settings(home=str(home.root)), folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "vintage 9999"), "the newest")
    startup_cache = Reading(home, folder).result()
    assert startup_cache is not None
    assert (len(startup_cache.timeline.records), startup_cache.total) == (100, 10_000)
    again = NuvApp(Settings(home=str(home.root)), folder, startup_cache=startup_cache)
    async with again.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: says(pilot, "vintage 9999"), "the newest")
        await until(pilot, lambda: says(pilot, "10,000 snapshots"), "how many there are")
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "10,000 snapshots"), "all of them")
        await pilot.press("G")
        await until(pilot, lambda: says(pilot, "vintage 0: prices"), "the oldest")


def test_the_screens_open_in_a_folder_of_any_name(
    home: Home, tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9 \\x")
    folder.mkdir()
    (folder / os.fsdecode(b"d\xe9.csv")).write_text("a\n1\n")
    Nuvtui(folder).run("init", "--space", "study")
    for taken in (1, 2):  # the second time with what the first one kept
        opened = terminal([NUVTUI], 100, 30, folder=folder)
        opened.wait_for("Current State")
        opened.send("s")
        opened.wait(lambda: len(Nuvtui(folder).json("snapshots", "list")) == taken, "the snapshot is taken")  # noqa: B023
        # Its task ends after it: while one runs, q asks.
        opened.wait(
            lambda: all(t["status"] == "COMPLETED" for t in Nuvtui(folder).json("tasks", "list")), "it ended"
        )
        opened.send("q")
        assert opened.wait_end() == 0
        (folder / "more").touch()
    assert list((home.cache / "screens").iterdir())
