"""Dialogs by their keys: what the last line says, Tab, Ctrl+S, help, and what covers nothing."""

from pathlib import Path

import pytest
from textual.widgets import Input

from nuvtui.model.snapshot import ApplicationPart
from nuvtui.tui.common.dialogs.snapshot import SnapshotDialog
from nuvtui.tui.features.exports.form import usual
from nuvtui.tui.shell.help import HelpDialog
from nuvtui.tui.toolkit.dialogs.base import Choices
from tests.tui.harness import app_of, dialog_text, press, says, shown_text, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past, task_ended


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


async def test_the_last_line_says_what_enter_does_in_a_field_and_ctrl_s_is_done(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "S")
        last = shown_text(pilot.app).split("\n")[-1]
        assert "Enter next field" in last
        assert "^S Take the snapshot" in last
        assert "quit" not in last
        await pilot.press(*"mine")
        await press(pilot, "ctrl+s")
        await task_ended(pilot, "snapshot")
    assert study.services.snapshots.list(study.master.id)[0].name == "mine"


async def test_question_mark_is_a_character_in_a_field_and_f1_helps(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "S", "question_mark")
        assert app_of(pilot).screen.query(Input).first().value == "?"
        await press(pilot, "f1")
        assert isinstance(app_of(pilot).screen, HelpDialog)
        await press(pilot, "escape")
        assert isinstance(app_of(pilot).screen, SnapshotDialog)


async def test_tab_reaches_every_choice_and_field(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "r")
        choices = app_of(pilot).screen.query_one(Choices)
        assert (app_of(pilot).focused, choices.at) == (choices, 0)
        await press(pilot, "tab")
        assert (app_of(pilot).focused, choices.at) == (choices, 1)
        assert "Enter Restore" in shown_text(pilot.app).split("\n")[-1]
        await press(pilot, "tab")
        assert app_of(pilot).focused is not choices
        await press(pilot, "tab")
        assert (app_of(pilot).focused, choices.at) == (choices, 0), "Cancel again"


async def test_all_changes_of_a_restore_can_be_read(study: Study) -> None:
    for at in range(60):
        (study.root / f"more-{at:02}.txt").write_text("x")
    async with opened(study) as pilot:
        await press(pilot, "down", "r")
        await until(pilot, lambda: says(pilot, "removed: "), "what changes")
        assert not says(pilot, "more-59.txt")
        await press(pilot, *["pagedown"] * 20)
        assert says(pilot, "notes.md")
        await press(pilot, "pageup")
        assert says(pilot, "more-5")


async def test_after_a_restore_the_current_state_is_named_after_it(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "down", "r", "right", "enter")
        await task_ended(pilot, "restore")
        await press(pilot, "g")
        await until(pilot, lambda: says(pilot, "as in first-data"), "the restored one's name")
        await until(pilot, lambda: says(pilot, "Same as first-data"), "the comparison with it")


async def test_commands_are_shown_in_full_and_know_the_states(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2", "C")
        await until(pilot, lambda: says(pilot, "compared at"), "the comparison")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "not in a snapshot"), "the lines that differ")
        await press(pilot, "colon")
        newest = study.services.snapshots.list(study.master.id)[0].id[:8]
        assert f"nuvtui snapshots diff {newest} current --text notes.md -s" in dialog_text(pilot)
        assert "BASE" not in shown_text(pilot.app)


async def test_changes_are_compared_again_when_one_comes_back(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nuvtui.tui.features.contents.changes.FRESH", 0.0)
    async with opened(study) as pilot:
        await press(pilot, "2", "C")
        await until(pilot, lambda: says(pilot, "compared at"), "the comparison")
        await press(pilot, "1")
        (study.root / "while-away.txt").write_text("new")
        await press(pilot, "2")
        await until(pilot, lambda: says(pilot, "while-away.txt"), "the new comparison")
        assert "F5 again" in shown_text(pilot.app).split("\n")[-1]


async def test_copying_in_a_dialog_is_said_in_its_last_line_with_the_start_of_it(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "colon", "y")
        await until(
            pilot, lambda: "Copied the command: nuvtui" in shown_text(pilot.app).split("\n")[-1], "the notice"
        )


def test_the_usual_application() -> None:
    def part(slug: str, kind: str) -> ApplicationPart:
        text = f"name: {slug}\nkind: {kind}\nimage: docker.io/library/python:3.12-slim\ncommand: [true]\n"
        return ApplicationPart(slug, slug, kind, text.replace("[true]", "['true']"))

    parts = [part("a-stata", "stata"), part("b-lab", "jupyterlab"), part("c-run", "script")]
    assert usual(parts, []) == "c-run"
    assert usual(parts, ["a-stata", "b-lab"]) == "b-lab"
    assert usual(parts[:2], []) == "b-lab"
    assert usual(parts[:1], []) == "a-stata"
    assert usual([], ["gone"]) == ""
