"""The Timeline, by its keys: what is on the screen and what is in the store afterwards."""

from pathlib import Path

import msgspec
import pytest

from nuvtui.config import Settings
from nuvtui.model.distribution import Distribution, Strategies, TargetResult
from nuvtui.model.operations import RestoreResult
from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from nuvtui.paths import Home
from nuvtui.tui.common.state_actions import way_back
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.amounts import size
from nuvtui.worker.lifecycle import list_tasks
from tests.support.many import make_state
from tests.tui.harness import app_of, dialog_text, fill, press, says, settle, shown_text, until
from tests.tui.sharing import Study
from tests.tui.states import drop_privileges_of, opened, study_with_past, task_ended


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


def names(study: Study) -> list[str]:
    return [record.name or record.kind for record in study.services.snapshots.list(study.master.id)]


async def test_snapshots_newest_first_with_what_changed_since(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "Changed since second-data"), "the status")
        lines = shown_text(pilot.app).split("\n")[1:]
        order = [
            next(at for at, text in enumerate(lines) if name in text)
            for name in ("Current State    ", "second-data   ", "first-data   ")
        ]
        assert order == sorted(order)
        assert "~1" in lines[order[0]], "the change of the Current State"
        assert says(pilot, "~ notes.md")
        await press(pilot, "down")
        await until(pilot, lambda: says(pilot, "What b brought."), "the detail")
        assert says(pilot, "Next: Look at c")
        await press(pilot, *["ctrl+d"] * 8)
        await until(pilot, lambda: says(pilot, "With nuvtui"), "the provenance")


async def test_one_key_takes_a_snapshot(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "s")
        result = await task_ended(pilot, "snapshot")
        assert names(study) == ["quick", "second-data", "first-data"]
        assert result["changes"]["files"] == [0, 1, 0]
        await until(pilot, lambda: says(pilot, "quick snapshot"), "the new snapshot")
        await until(pilot, lambda: says(pilot, "no change"), "the new status")


async def test_a_snapshot_with_name_description_and_next_phase(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "Changed since"), "the status")
        await press(pilot, "S", "f2")
        assert says(pilot, "notes-updated"), "a suggestion made of what changed"
        await fill(pilot, "before-cleanup", "All of it", "Clean it")
        await task_ended(pilot, "snapshot")
        record = study.services.snapshots.list(study.master.id)[0]
        assert (record.name, record.description, record.next_phase) == (
            "before-cleanup",
            "All of it",
            "Clean it",
        )


async def test_a_name_that_says_nothing_is_advised_against(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "S")
        await pilot.press(*"final2")
        await settle(pilot)
        assert "a name that says what this is will be found again" in dialog_text(pilot)
        await press(pilot, "escape")
    assert names(study) == ["second-data", "first-data"]


async def test_restore_asks_names_the_backup_and_u_leads_back(study: Study) -> None:
    before = (study.root / "notes.md").read_text()
    async with opened(study) as pilot:
        await press(pilot, "down", "r")
        await until(pilot, lambda: says(pilot, "There: files ~1"), "what changes")
        assert says(pilot, "before restore of snapshot")
        await press(pilot, "enter")  # the focus is on Cancel
        assert study.root.joinpath("notes.md").read_text() == before
        await press(pilot, "r", "right", "enter")
        await task_ended(pilot, "restore")
        assert study.root.joinpath("notes.md").read_text() == "# Notes\nhello again from the study\n"
        await until(pilot, lambda: says(pilot, "u undoes: Restore second-data"), "the way back")
        await press(pilot, "u")
        assert says(pilot, "Undoes Restore second-data to Master")
        await press(pilot, "right", "enter")
        await task_ended(pilot, "restore", 2)
        assert study.root.joinpath("notes.md").read_text() == before


async def test_a_restore_whose_target_changed_is_refused_and_shows_what_it_would_do_now(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "r")
        await until(pilot, lambda: says(pilot, "There: files ~1"), "what changes")
        (study.root / "made-meanwhile.txt").write_text("nobody approved that this goes\n")
        await press(pilot, "right", "enter")
        home = app_of(pilot).home
        await until(
            pilot,
            lambda: any(task.kind == "restore" and task.status.ended for task in list_tasks(home)),
            "the end of the restore",
        )
        assert (study.root / "made-meanwhile.txt").exists()
        await press(pilot, "5", "enter")
        await until(pilot, lambda: says(pilot, "changed since the dry run"), "the refusal")
        await press(pilot, "o")
        await until(pilot, lambda: says(pilot, "made-meanwhile.txt"), "what it would do now")
        await press(pilot, "right", "enter")
        await task_ended(pilot, "restore", 2)
    assert not (study.root / "made-meanwhile.txt").exists()


async def test_restore_to_another_instance(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "down", "r")
        await press(pilot, "shift+tab", "down")
        await until(pilot, lambda: says(pilot, "removed: "), "what changes there")
        await press(pilot, "tab", "right", "enter")
        await task_ended(pilot, "restore")
    assert (study.reviewer_root / "notes.md").read_text() == "# Notes\nhello from the study\n"
    assert not (study.reviewer_root / "extra.txt").exists()
    assert (study.root / "notes.md").read_text() == "# Notes\nnot in a snapshot\n"


async def test_delete_says_what_comes_free_and_wants_to_be_understood(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "d")
        await until(pilot, lambda: says(pilot, "at the next"), "what comes free")
        assert says(pilot, "I understand, delete")
        await press(pilot, "i", "enter")  # a first letter does not do it, and Cancel has the focus
        assert names(study) == ["second-data", "first-data"]
        await press(pilot, "d", "right", "enter")
        await until(pilot, lambda: names(study) == ["first-data"], "the deletion")
        await until(
            pilot,
            lambda: not any("second-data  " in row for row in shown_text(pilot.app).split("\n")),
            "the list",
        )


async def test_marked_snapshots_are_deleted_together(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "space", "space", "d")
        assert says(pilot, "Deletes 2 snapshots for ever")
        await press(pilot, "right", "enter")
        await until(pilot, lambda: names(study) == [], "the deletion")
        await until(pilot, lambda: says(pilot, "No snapshot yet"), "an empty timeline")


async def test_a_snapshot_that_is_rested_on_says_what_it_alone_keeps(study: Study) -> None:
    newest = study.services.snapshots.list(study.master.id)[0]
    freed = size(study.services.snapshots.freed_by([newest.id]))
    async with opened(study, size=(160, 45)) as pilot:
        await press(pilot, "down")
        await until(
            pilot, lambda: says(pilot, f"Unique   {freed}: what deleting it alone frees"), "the figure"
        )
        await press(pilot, "down", "up")
        await until(pilot, lambda: says(pilot, f"Unique   {freed}"), "the figure, at once")


async def test_rename(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "e")
        await fill(pilot, "paper-1-data")
        await until(pilot, lambda: names(study)[0] == "paper-1-data", "the name")
        await until(pilot, lambda: says(pilot, "◆ paper-1-data"), "the name in the list")


async def test_two_marked_states_are_compared_from_the_older_to_the_newer(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "space", "space", "c")
        await until(pilot, lambda: says(pilot, "table more"), "the changes")
        assert says(pilot, "(first-data) to snapshot")


async def test_stage_the_whole_state_asks_before_another_one_is_dropped(study: Study) -> None:
    newest, oldest = study.services.snapshots.list(study.master.id)
    async with opened(study) as pilot:
        await press(pilot, "down", "a")
        await until(pilot, lambda: study.services.staging.get(study.space.id), "the stage")
        await press(pilot, "down", "a")
        await until(pilot, lambda: says(pilot, "Another state is staged"), "the question")
        await press(pilot, "enter")  # Cancel
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert stage.source == StateRef(study.master.id, newest.id)
        await press(pilot, "a", "right", "enter")
    stage = study.services.staging.get(study.space.id)
    assert stage is not None
    assert (stage.source.snapshot, stage.everything) == (oldest.id, True)


async def test_the_role_is_looked_at_before_a_task_begins(study: Study) -> None:
    drop_privileges_of(study, Role.VIEWER)
    async with opened(study) as pilot:
        await press(pilot, "s")
        await until(pilot, lambda: says(pilot, "You may not change the Current State"), "the refusal")
        assert says(pilot, "needs the role instance editor")
        assert not list(pilot.app.home.tasks.glob("*")) if pilot.app.home.tasks.exists() else True  # type: ignore[attr-defined]
    assert names(study) == ["second-data", "first-data"]


async def test_another_process_changes_the_timeline(study: Study) -> None:
    async with opened(study) as pilot:
        study.services.snapshots.create(study.master.id, "from-elsewhere")
        await until(pilot, lambda: says(pilot, "from-elsewhere"), "the new snapshot")


async def test_ten_thousand_snapshots_filter_and_end(home: Home, tmp_path: Path) -> None:
    make_state(home, tmp_path / "study", 10_000)
    app = NuvApp(Settings(home=str(home.root)), tmp_path / "study")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "vintage 9999"), "the newest")
        assert says(pilot, "10,000 snapshots")
        await press(pilot, "G")
        assert says(pilot, "vintage 0: prices")
        await press(pilot, "slash")
        await pilot.press(*"4242:")
        await until(
            pilot, lambda: says(pilot, "vintage 4242:") and not says(pilot, "vintage 4243:"), "the filter"
        )


def restored(backup: str) -> RestoreResult:
    return RestoreResult("s", "i", backup, 1, 0, 0, 0, 0, 0)


def distribution(targets: list[TargetResult]) -> Distribution:
    return Distribution("d", "s", StateRef("i"), "ada", "", Strategies(), "", "partial", targets)


def test_way_back_is_that_of_the_last_change() -> None:
    from nuvtui.model.task import TaskView

    def task(kind: str, instance: str, result: object = None) -> TaskView:
        from nuvtui.model.task import TaskStatus

        return TaskView(
            "t",
            kind,
            kind,
            space="s",
            instance=instance,
            status=TaskStatus.COMPLETED,
            created="2026-01-01T00:00:00+00:00",
            result=msgspec.to_builtins(result),
        )

    restore = task("restore", "i", restored("b"))
    found = way_back([restore], "s", "i")
    assert found is not None
    assert found.backups == [("i", "b")]
    assert way_back([restore], "s", "other") is None
    assert way_back([task("import-table", "i"), restore], "s", "i") is None
    snapshot = way_back([task("snapshot", "i"), restore], "s", "i")
    assert snapshot is not None
    targets = [
        TargetResult("x", "study/x", "completed", backup="bx"),
        TargetResult("y", "study/y", "failed", backup="by"),
    ]
    # The clock was set back between two restores: the one whose automatic snapshot is the newer one is the last.
    later = way_back([restore, task("restore", "i", restored("newer"))], "s", "i", ["newer", "x", "b"])
    assert later is not None
    assert later.backups == [("i", "newer")]
    distributed = way_back([task("distribute", "i", distribution(targets)), restore], "s", "i")
    assert distributed is not None
    assert distributed.backups == [("x", "bx")]


async def test_one_comes_back_to_what_changed_meanwhile(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nuvtui.tui.features.timeline.pane.FRESH", -1.0)
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "Changed since second-data"), "the status")
        await press(pilot, "5")
        (study.root / "made-meanwhile.txt").write_text("new")
        await press(pilot, "1")
        await until(pilot, lambda: says(pilot, "+ made-meanwhile.txt"), "the new status")
