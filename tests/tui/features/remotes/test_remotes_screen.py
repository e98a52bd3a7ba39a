"""The Remotes screen, by its keys: what is known, asking, adding, check, prune, recovery sheet, removing; and clone."""

import shutil
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.paths import Home
from nuvtui.reporter import Silent
from nuvtui.tui.shell.app import NuvApp
from nuvtui.worker.lifecycle import list_tasks
from tests.tui.harness import fill, press, says, settle, texts, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past, task_ended


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return study_with_past(tmp_path)


def with_lab(study: Study, tmp_path: Path, sealed: bool = False) -> Path:
    """A remote `lab` that holds all snapshots."""
    remotes = study.services.remotes
    remotes.add("lab", str(tmp_path / "lab"), [remotes.own_recipient()] if sealed else [])
    remotes.push("lab", [each.id for each in study.services.snapshots.list(study.master.id)], Silent())
    return tmp_path / "lab"


async def test_it_tells_what_is_known_and_asks_only_where_one_wants(study: Study, tmp_path: Path) -> None:
    place = with_lab(study, tmp_path, sealed=True)
    hidden = shutil.move(place, tmp_path / "away")
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "not asked"), "the list")
        assert str(place) in texts(pilot)
        assert "2 snapshots  as last seen; r asks it" in texts(pilot)
        shutil.move(hidden, place)
        await press(pilot, "r")
        await until(pilot, lambda: says(pilot, "answers"), "the answer")
        assert "on the remote" in texts(pilot)
        assert "Can read     age1" in texts(pilot)
        shutil.move(place, tmp_path / "away")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "not usable"), "that it is away")
        assert "There is no remote at" in texts(pilot)
        assert not says(pilot, "answers")
        await press(pilot, "escape", "down")
        await until(pilot, lambda: says(pilot, "What b brought."), "the Timeline")


async def test_a_remote_is_added(study: Study, tmp_path: Path) -> None:
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "No remote yet"), "an empty list")
        await press(pilot, "n")
        await fill(pilot, "My Lab", "archive")
        assert says(pilot, "A name has small letters")
        await fill(pilot, "lab", "s3://key:secret@bucket")
        assert says(pilot, "holds credentials")
        await fill(pilot, "lab", "archive", "perhaps")
        assert says(pilot, "yes or no")
        await fill(pilot, "lab", "archive", "yes")
        await until(pilot, lambda: says(pilot, "encrypted"), "the remote")
        await press(pilot, "n")
        await fill(pilot, "lab", "other")
        assert says(pilot, "There is a remote lab already.")
        await press(pilot, "escape")
    status = study.services.remotes.list()[0]
    assert (status.name, status.url, status.encrypted) == ("lab", str(study.root / "archive"), True)
    assert (study.root / "archive" / "config").exists()


async def test_what_could_not_be_added_can_be_corrected(study: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with opened(study) as pilot:
        await press(pilot, "R", "n")
        await fill(pilot, "lab", str(tmp_path / "file" / "below"), "no")
        await until(pilot, lambda: says(pilot, "[ OK ]"), "why not")
        await press(pilot, "enter", "n")
        await fill(pilot, "lab", str(tmp_path / "beside"))
        await until(pilot, lambda: says(pilot, "open"), "the remote")
    assert [each.name for each in study.services.remotes.list()] == ["lab"]


async def test_check_says_what_is_wrong_and_what_was_not_read(study: Study, tmp_path: Path) -> None:
    place = with_lab(study, tmp_path)
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "not asked"), "the list")
        await press(pilot, "c")
        await task_ended(pilot, "check-remote")
        await until(pilot, lambda: "all there" in texts(pilot), "the verdict")
        assert "not read: C on the remote reads and compares every byte" in texts(pilot)
        await press(pilot, "C")
        await task_ended(pilot, "check-remote", 2)
        await until(pilot, lambda: "read and compared" in texts(pilot), "what was read")
        pack = next(path for path in (place / "packs").rglob("*") if path.is_file())
        pack.unlink()
        await press(pilot, "c")
        await task_ended(pilot, "check-remote", 3)
        await until(pilot, lambda: " wrong" in texts(pilot), "the verdict")
        assert "all there" not in texts(pilot)


async def test_prune_says_first_what_it_frees(study: Study, tmp_path: Path) -> None:
    with_lab(study, tmp_path)
    ids = [each.id for each in study.services.snapshots.list(study.master.id)]
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "not asked"), "the list")
        await press(pilot, "p")
        await settle(pilot)
        assert not says(pilot, "Prune it")
        study.services.remotes.forget("lab", ids)
        await press(pilot, "p")
        await until(pilot, lambda: says(pilot, "Prune it"), "the dry run")
        await press(pilot, "enter")  # the focus is on Cancel
        assert not list_tasks(study.services.home)
        await press(pilot, "p")
        await until(pilot, lambda: says(pilot, "Prune it"), "the dry run")
        await press(pilot, "right", "enter")
        await task_ended(pilot, "prune-remote")
        await until(pilot, lambda: "Prune of lab completed" in texts(pilot), "how it went")


async def test_the_recovery_sheet_is_shown(study: Study, tmp_path: Path) -> None:
    with_lab(study, tmp_path, sealed=True)
    async with opened(study, size=(100, 40)) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "encrypted"), "the list")
        await press(pilot, "s")
        await until(pilot, lambda: says(pilot, "Recovery sheet of lab"), "the sheet")
        assert study.services.remotes.recovery_sheet("lab").splitlines()[-1] in texts(pilot)
        await press(pilot, "enter")


async def test_an_open_remote_has_no_sheet(study: Study, tmp_path: Path) -> None:
    with_lab(study, tmp_path)
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "not asked"), "the list")
        await press(pilot, "s")
        assert not says(pilot, "Recovery sheet of")


async def test_remove_asks_and_leaves_what_lies_there(study: Study, tmp_path: Path) -> None:
    place = with_lab(study, tmp_path)
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "not asked"), "the list")
        await press(pilot, "d")
        await until(pilot, lambda: says(pilot, "stays as it is"), "the question")
        await press(pilot, "enter")  # the focus is on Cancel
        assert study.services.remotes.list()
        await press(pilot, "d", "right", "enter")
        await until(pilot, lambda: says(pilot, "No remote yet"), "an empty list")
    assert (place / "config").exists()


async def test_pull_from_the_screen(study: Study, tmp_path: Path) -> None:
    with_lab(study, tmp_path)
    ids = [each.id for each in study.services.snapshots.list(study.master.id)]
    study.services.snapshots.delete(ids)
    async with opened(study) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: says(pilot, "not asked"), "the list")
        await press(pilot, "L")
        await until(pilot, lambda: says(pilot, "2 snapshots of study on lab and not here"), "the list")
        await press(pilot, "asterisk", "enter")
        await task_ended(pilot, "pull-snapshots")
    assert {each.id for each in study.services.snapshots.list(study.master.id)} == set(ids)


async def test_the_welcome_clones_a_space(
    study: Study, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = with_lab(study, tmp_path)
    new = tmp_path / "machine"
    new.mkdir()
    app = NuvApp(Settings(home=str(tmp_path / "other-store")), new)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "Clone from a remote"), "the welcome")
        await press(pilot, "c")
        await fill(pilot, "")
        assert says(pilot, "is no address of a remote")
        await fill(pilot, str(place), "penguins")
        await until(pilot, lambda: "As of" in texts(pilot), "the end of the clone")
        assert str(new / "penguins") in texts(pilot)
        await press(pilot, "escape")
        await until(pilot, lambda: says(pilot, "Go to space study"), "the space")
    notes = (new / "penguins" / "notes.md").read_text()
    assert notes == "# Notes\nhello again from the study\n"
