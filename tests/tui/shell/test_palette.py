"""The palette: commands with their keys, and everything that can be gone to."""

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from nuvtui.tui.shell import palette
from nuvtui.tui.shell.palette import PaletteDialog
from nuvtui.tui.shell.palette_groups import Paths
from nuvtui.tui.toolkit.line_list import LineList
from tests.tui.harness import app_of, press, says, shown_text, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    found = study_with_past(tmp_path)
    deep = found.root / "deep" / "er"
    deep.mkdir(parents=True)
    (deep / "measurement.txt").write_text("seventeen\n")
    return found


async def look_for(pilot: Pilot[Any], text: str) -> None:
    await press(pilot, "ctrl+p")
    dialog = pilot.app.screen
    assert isinstance(dialog, PaletteDialog)
    await until(pilot, lambda: "file" in {group.kind for group in dialog._groups}, "the files")
    await until(pilot, lambda: "snapshot" in {group.kind for group in dialog._groups}, "the snapshots")
    dialog.query_one(Input).value = text
    await until(pilot, lambda: dialog._search is None and not dialog.nuv.jobs._running, "the search")


async def test_a_snapshot_is_gone_to_from_anywhere(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "5")
        await look_for(pilot, "@first")
        assert "snapshot" in shown_text(pilot.app)
        await press(pilot, "enter")
        app = app_of(pilot)
        timeline: Any = app.main_screen.pane("timeline")
        await until(
            pilot, lambda: timeline.record and timeline.record.name == "first-data", "the cursor on it"
        )
        assert app.main_screen.current == "timeline"


async def test_a_folded_automatic_snapshot_is_gone_to_whatever_the_filter(study: Study) -> None:
    newest = study.services.snapshots.list(study.master.id)[0]
    for _ in range(3):
        study.services.restore.restore(newest.id, study.master.id)
    backup = study.services.snapshots.list(study.master.id)[1]
    assert backup.kind == "automatic"
    async with opened(study) as pilot:
        app = app_of(pilot)
        timeline: Any = app.main_screen.pane("timeline")
        timeline.states.set_filter("first")
        await look_for(pilot, f"@{backup.id[:8]}")
        await press(pilot, "enter")
        await until(pilot, lambda: timeline.record and timeline.record.id == backup.id, "the cursor on it")


async def test_a_file_deep_down_is_opened(study: Study) -> None:
    async with opened(study) as pilot:
        await look_for(pilot, "measure")
        assert says(pilot, "deep/er/measurement.txt")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "seventeen"), "the file")


@pytest.mark.parametrize(("query", "seen"), [("#more", "table more"), ("~reviewer", "study / reviewer")])
async def test_a_table_and_an_instance_are_gone_to(study: Study, query: str, seen: str) -> None:
    async with opened(study) as pilot:
        await look_for(pilot, query)
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, seen), seen)


async def test_commands_show_their_keys_and_say_why_they_cannot_be_run(study: Study) -> None:
    async with opened(study) as pilot:
        await look_for(pilot, ">restore")
        assert says(pilot, "Undo the last restore")
        found = pilot.app.screen.query_one(LineList)
        at = next(i for i in range(found.count) if found.source.text(i).startswith("Restore"))
        found.move_to(at)
        await until(pilot, lambda: says(pilot, "Only with the cursor on a snapshot"), "why")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, PaletteDialog), "it is not run"
        await press(pilot, "escape", "j")
        await look_for(pilot, ">quick")
        await press(pilot, "enter")
        await until(pilot, lambda: len(study.services.snapshots.list(study.master.id)) == 3, "the snapshot")


async def test_keys_are_taken_while_a_hundred_thousand_files_are_searched(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(study) as pilot:
        await press(pilot, "ctrl+p")
        dialog = pilot.app.screen
        assert isinstance(dialog, PaletteDialog)
        await until(pilot, lambda: "file" in {group.kind for group in dialog._groups}, "the files")
        paths = [f"folder{at % 300}/part-{at:06d}/measurement-{at % 97}.parquet" for at in range(100_000)]
        dialog._add([Paths(paths, study.master.id, None, "Current State", True)])
        monkeypatch.setattr(palette, "SLICE", 0.0)  # one batch at a time: the search outlasts the keys
        for letter in "part-0999":
            await pilot.press(letter if letter != "-" else "minus")
        assert dialog.query_one(Input).value == "part-0999"
        await until(pilot, lambda: dialog._search is None, "the end of the search")
        assert says(pilot, "part-0999")
        assert says(pilot, "of the first 100,000"), "it is said that there are more"


async def test_names_from_outside_are_harmless(study: Study) -> None:
    async with opened(study) as pilot:
        await look_for(pilot, "/evil")
        assert "evil␛[31m" in shown_text(pilot.app)
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "red ␛[31m text"), "the file")
