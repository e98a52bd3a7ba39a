"""Remotes on the Timeline, by its keys: where a snapshot is, push, pull, and what a delete leaves on a remote."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from nuvtui import clock
from nuvtui.model.remote import RemoteRecord, RemoteSettings
from nuvtui.reporter import Silent
from nuvtui.services.remotes.service import RemotesService
from tests.tui.harness import dialog_text, press, says, settle, shown, texts, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past, task_ended


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return study_with_past(tmp_path)


def remotes_of(study: Study) -> RemotesService:
    return study.services.remotes


def add(study: Study, name: str, folder: Path) -> RemoteRecord:
    return remotes_of(study).add(name, str(folder))


def ids(study: Study) -> list[str]:
    """Newest first: second-data, first-data."""
    return [record.id for record in study.services.snapshots.list(study.master.id)]


def line_of(pilot: Pilot[Any], name: str) -> str:
    return next((text for text in shown(pilot.app) if name in text), "")


async def test_without_a_remote_nothing_is_said_of_them(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "Changed since second-data"), "the status")
        assert not says(pilot, "where")
        await press(pilot, "down")
        await until(pilot, lambda: says(pilot, "What b brought."), "the detail")
        assert "Where" not in texts(pilot)


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_the_timeline_says_where_a_snapshot_is(study: Study, tmp_path: Path, ascii_only: bool) -> None:
    add(study, "lab", tmp_path / "lab")
    remotes_of(study).push("lab", ids(study)[1:], Silent())
    held, here = ("*", "o") if ascii_only else ("●", "○")
    async with opened(study, ascii=ascii_only) as pilot:
        await until(pilot, lambda: says(pilot, "where"), "the column")
        assert f"{here} here" in line_of(pilot, "second-data  ")
        assert f"{held} both" in line_of(pilot, "first-data  ")
        await press(pilot, "down")
        await until(pilot, lambda: "Where    on this machine only" in texts(pilot), "the detail")
        await press(pilot, "down")
        await until(pilot, lambda: "Where    here, and on lab as last seen" in texts(pilot), "the detail")


async def test_a_wide_list_names_the_remotes(study: Study, tmp_path: Path) -> None:
    for name in ("lab", "usb"):
        add(study, name, tmp_path / name)
        remotes_of(study).push(name, ids(study)[1:], Silent())
    async with opened(study, size=(115, 30)) as pilot:
        await until(pilot, lambda: says(pilot, "lab, usb"), "the names")


async def test_one_key_pushes_the_snapshot_under_the_cursor(study: Study, tmp_path: Path) -> None:
    add(study, "lab", tmp_path / "lab")
    second, first = ids(study)
    async with opened(study) as pilot:
        await press(pilot, "down", "down", "P")
        result = await task_ended(pilot, "push-snapshots")
        assert [each["id"] for each in result["snapshots"]] == [first]
        await until(pilot, lambda: "● both" in line_of(pilot, "first-data  "), "where it is now")
        await press(pilot, "g", "P")  # on the Current State: the newest
        await task_ended(pilot, "push-snapshots", 2)
    assert {each.id for each in remotes_of(study).snapshots("lab").snapshots} == {first, second}


async def test_marks_push_several_to_the_remote_that_is_picked(study: Study, tmp_path: Path) -> None:
    add(study, "lab", tmp_path / "lab")
    add(study, "usb", tmp_path / "usb")
    async with opened(study) as pilot:
        await press(pilot, "down", "space", "space", "P")
        assert says(pilot, "Push 2 snapshots to")
        assert f"usb {tmp_path}"[:40] in dialog_text(pilot)
        await press(pilot, "down", "enter")
        await task_ended(pilot, "push-snapshots")
    assert {each.id for each in remotes_of(study).snapshots("usb").snapshots} == set(ids(study))
    assert remotes_of(study).snapshots("lab").snapshots == []


async def test_pull_lists_what_is_there_and_not_here(study: Study, tmp_path: Path) -> None:
    add(study, "lab", tmp_path / "lab")
    second, first = ids(study)
    remotes_of(study).push("lab", [first, second], Silent())
    study.services.snapshots.delete([first, second])
    async with opened(study) as pilot:
        await press(pilot, "L")
        await until(pilot, lambda: says(pilot, "2 snapshots of study on lab and not here"), "the list")
        assert "[x] second-data" in dialog_text(pilot)
        assert "[ ] first-data" in dialog_text(pilot)
        await press(pilot, "enter")
        await task_ended(pilot, "pull-snapshots")
        # What came is in both places; what was left is still shown as being there.
        await until(pilot, lambda: says(pilot, "both") and says(pilot, "there"), "the snapshot that came")
        assert [record.id for record in study.services.context.view().snapshots.all()] == [second]
        assert ids(study) == [second]
        await press(pilot, "L")
        await until(pilot, lambda: says(pilot, "1 snapshot of study on lab and not here"), "the rest")
        await press(pilot, "escape")
    assert ids(study) == [second]


async def test_a_remote_that_is_away_is_told(study: Study, tmp_path: Path) -> None:
    add(study, "lab", tmp_path / "lab")
    shutil.move(tmp_path / "lab", tmp_path / "elsewhere")
    async with opened(study) as pilot:
        await press(pilot, "L")
        await until(pilot, lambda: says(pilot, "There is no remote at"), "what is away")
        assert says(pilot, "Is its disk mounted?")
        await press(pilot, "enter", "down")
        await until(pilot, lambda: says(pilot, "What b brought."), "keys do what they did")


async def test_without_a_remote_one_is_offered(study: Study) -> None:
    async with opened(study) as pilot:
        for key in ("P", "L"):
            await press(pilot, key)
            assert says(pilot, "There is no remote yet")
            await press(pilot, "escape")
        await settle(pilot)
        assert ids(study)


async def test_the_delete_dialog_says_which_remotes_still_hold_it(study: Study, tmp_path: Path) -> None:
    add(study, "lab", tmp_path / "lab")
    second, first = ids(study)
    remotes_of(study).push("lab", [first], Silent())
    async with opened(study) as pilot:
        await press(pilot, "down", "d")
        await until(pilot, lambda: says(pilot, "No remote holds it"), "that it is nowhere else")
        await press(pilot, "escape", "down", "d")
        await until(pilot, lambda: says(pilot, "Remotes: lab still holds it"), "who holds it")
        await press(pilot, "escape", "g", "down", "space", "space", "d")
        await until(pilot, lambda: says(pilot, "Remotes: lab still holds 1 of 2"), "who holds some")
    assert ids(study) == [second, first]


async def test_a_remote_is_as_it_was_last_seen_until_it_is_asked(study: Study, tmp_path: Path) -> None:
    """Nobody is asked at the start: a remote whose place is gone costs nothing."""
    record = add(study, "lab", tmp_path / "lab")
    remotes_of(study).push("lab", ids(study), Silent())
    shutil.rmtree(tmp_path / "lab")
    async with opened(study) as pilot:
        await until(pilot, lambda: "● both" in line_of(pilot, "second-data  "), "as last seen")
    with study.services.context.state.transaction() as tx:
        assert msgspec.structs.asdict(tx.remotes.all()[0])["repository"] == record.repository


@pytest.fixture
def hanging(study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A remote `vault` on an object store that takes connections and never answers."""
    for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret"), ("ALLOW_HTTP", "true")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        record = RemoteRecord(
            id="vault",
            url="s3://vault/penguins",
            kind="s3",
            repository="f" * 32,
            encrypted=False,
            settings=RemoteSettings(endpoint=endpoint, region="us-east-1"),
            added=clock.now(),
        )
        with study.services.context.state.transaction() as tx:
            tx.remotes.put(record)
        yield


@pytest.mark.usefixtures("hanging")
async def test_a_remote_that_does_not_answer_holds_no_key_and_can_be_left(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "where"), "the column: nobody is asked for it")
        await pilot.press("L")
        await until(pilot, lambda: says(pilot, "asking vault what it holds"), "what is waited for")
        await pilot.press("down")
        await until(pilot, lambda: says(pilot, "What b brought."), "the next key's work")
        assert says(pilot, "asking vault what it holds")
        await pilot.press("escape")
        await until(pilot, lambda: not says(pilot, "asking vault"), "the end of the wait")
        assert says(pilot, "Timeline")

        await pilot.press("R")
        await until(pilot, lambda: says(pilot, "not asked"), "the remotes")
        await pilot.press("r")
        await until(pilot, lambda: says(pilot, "asking vault what it holds"), "what is waited for")
        await pilot.press("d")
        await until(pilot, lambda: says(pilot, "Remove it"), "the next key's work")
        await pilot.press("escape")
        await until(pilot, lambda: not says(pilot, "Remove it"), "the screen")
        await pilot.press("escape")
        await until(pilot, lambda: says(pilot, "first-data"), "the Timeline")
        await settle(pilot)  # nothing is left that runs
