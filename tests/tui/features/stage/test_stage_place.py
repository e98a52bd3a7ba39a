"""The Stage place: what is collected, from where, how much; taking out and emptying."""

from pathlib import Path

from nuvtui.model.stage import StateRef
from nuvtui.tui.features.stage.pane import Stage
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from tests.tui.harness import app_of, press, settle, shown_text, until, words
from tests.tui.sharing import lay_out, running


async def test_lists_what_is_staged_with_source_sizes_and_totals(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    study.services.staging.add(study.current, ["data", "notes.md"], ["numbers"], ["hello"])
    async with running(study) as pilot:
        text = shown_text(pilot.app)
        assert "from the Current State of Master" in words(pilot)
        assert "data/" in text
        assert "table numbers" in words(pilot)
        assert "2 rows" in text
        assert "app hello" in words(pilot)
        assert "1 table, 2 rows; 1 application" in words(pilot)
        assert "4 staged" in text


async def test_an_empty_stage_says_how_to_begin(tmp_path: Path) -> None:
    async with running(lay_out(tmp_path, table=False)) as pilot:
        assert "Nothing is staged. In Contents (2) Space marks and a stages." in words(pilot)
        await press(pilot, "d")
        assert len(app_of(pilot).screen_stack) == 1


async def test_what_is_staged_elsewhere_shows_up_and_survives_leaving(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    async with running(study) as pilot:
        study.services.staging.add(study.current, ["notes.md"])
        await until(pilot, lambda: "notes.md" in shown_text(pilot.app), "the stage of another process")
    async with running(study) as pilot:
        assert "notes.md" in shown_text(pilot.app)


async def test_takes_out_what_is_under_the_cursor_or_marked(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    study.services.staging.add(study.current, ["data/a.csv", "data/b.csv", "notes.md"], ["numbers"])
    async with running(study) as pilot:
        await press(pilot, "x")
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert stage.files == ["data/b.csv", "notes.md"]
        await until(pilot, lambda: "a.csv" not in shown_text(pilot.app), "a.csv gone from the screen")
        await press(pilot, "space", "space", "x")
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert (stage.files, stage.tables) == ([], ["numbers"])


async def test_takes_out_a_range(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    study.services.staging.add(study.current, ["data/a.csv", "data/b.csv", "notes.md"], ["numbers"])
    async with running(study) as pilot:
        await press(pilot, "j", "v", "j", "x")
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert (stage.files, stage.tables) == (["data/a.csv"], ["numbers"])
        await until(pilot, lambda: "notes.md" not in shown_text(pilot.app), "the range gone from the screen")


async def test_sizes_end_at_one_column_and_marks_are_counted(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    (study.root / "large.bin").write_bytes(b"x" * 123_456)
    study.services.snapshots.create(study.master.id, "with-large", "", "")
    source = StateRef(study.master.id, study.services.snapshots.list(study.master.id)[0].id)
    study.services.staging.add(source, ["data", "notes.md", "large.bin"], ["numbers"])
    async with running(study) as pilot:
        rows = [
            row.rstrip("│┃ ")
            for row in shown_text(pilot.app).split("\n")
            if " kB" in row or " B" in row or " rows" in row
        ]
        sized = [row for row in rows if row.lstrip("│▌ ").split()[0] in ("file", "folder", "table")]
        assert len({len(row) for row in sized}) == 1
        assert any("folder data/" in row and "2 files" in row for row in sized)
        await press(pilot, "space", "space")
        assert "4 staged, 2 marked" in shown_text(pilot.app)


async def test_of_a_whole_state_only_all_can_be_taken_out(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    study.services.staging.add(study.current, everything=True)
    async with running(study) as pilot:
        assert "all files" in shown_text(pilot.app)
        await press(pilot, "x")
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        await press(pilot, "enter")
        await settle(pilot)
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert stage.empty


async def test_emptying_asks_with_the_focus_on_cancel(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    study.services.staging.add(study.current, ["notes.md"])
    async with running(study) as pilot:
        await press(pilot, "X", "enter")
        assert study.services.staging.get(study.space.id) is not None
        await press(pilot, "X", "right", "enter")
        assert study.services.staging.get(study.space.id) is None


async def test_what_is_missing_in_the_source_is_marked(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    study.services.staging.add(study.current, ["notes.md"])
    (study.root / "notes.md").unlink()
    async with running(study) as pilot:
        assert "missing" in shown_text(pilot.app)


async def test_a_hostile_name_is_harmless(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    name = "evil\x1b]0;title\x07\x9b2J\n.txt"
    (study.root / name).write_text("x")
    study.services.staging.add(study.current, [name])
    async with running(study) as pilot:
        text = shown_text(pilot.app)
        assert "evil" in text
        assert not any(char in text for char in "\x1b\x07\x9b")


async def test_staging_the_whole_state_asks_before_it_drops_another_stage(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    snapshot = study.services.snapshots.list(study.master.id)[0]
    study.services.staging.add(StateRef(study.master.id, snapshot.id), ["notes.md"])
    async with running(study) as pilot:
        pane = app_of(pilot).main_screen.pane("stage")
        assert isinstance(pane, Stage)
        pane.action_everything()
        await settle(pilot)
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        await press(pilot, "enter")
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert not stage.everything
        pane.action_everything()
        await settle(pilot)
        await press(pilot, "right", "enter")
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert stage.everything
        assert stage.source == study.current
