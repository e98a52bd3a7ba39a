"""Contents, by its keys: every section of the Current State and of snapshots."""

import os
from pathlib import Path

import pytest

from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from nuvtui.tui.toolkit.debounce import Debounce
from tests.tui.harness import dialog_text, fill, press, says, settle, shown_text, until
from tests.tui.sharing import Study
from tests.tui.states import drop_privileges_of, opened, study_with_past, task_ended


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = study_with_past(tmp_path)
    (study.root / "README.md").write_text(
        "# The study\n\nRun `analysis.py`.\n\n- one \x1b[31mred\x1b[0m item\n"
    )
    return study


async def test_the_readme_is_rendered_and_harmless(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2")
        await until(pilot, lambda: says(pilot, "The study"), "the README")
        assert says(pilot, "Run analysis.py.")
        assert "#" not in shown_text(pilot.app)
        assert "␛[31mred" in shown_text(pilot.app)


async def test_files_show_their_status_and_open(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2", "F")
        await until(pilot, lambda: says(pilot, "notes.md"), "the files")
        rows = shown_text(pilot.app).split("\n")
        assert "changed" in next(row for row in rows if "notes.md" in row)
        assert "new" in next(row for row in rows if "README.md" in row)
        assert "evil␛[31m␛]0;title␇.txt" in shown_text(pilot.app)
        await press(pilot, "right", "j")  # the folder data
        await until(pilot, lambda: says(pilot, "a.csv"), "the folder")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "1 1 2"), "the preview, as a table")
        assert says(pilot, "data/a.csv")
        await press(pilot, "r")
        await until(pilot, lambda: says(pilot, "x,y"), "its own text")
        await press(pilot, "escape")
        await until(pilot, lambda: says(pilot, "notes.md"), "the tree again")


async def test_what_is_opened_stays_open_while_the_terminal_changes_its_size(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Debounce] = []
    async with opened(study) as pilot:
        await press(pilot, "2", "F")
        await until(pilot, lambda: says(pilot, "notes.md"), "the files")
        await press(pilot, "G")
        # What is asked for in the wide screen comes when it is narrow again.
        monkeypatch.setattr(Debounce, "ask", lambda self: asked.append(self))
        await pilot.resize_terminal(160, 45)
        await press(pilot, "k", "j")
        await pilot.resize_terminal(80, 24)
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "not in a snapshot"), "the file")
        assert asked
        for late in asked:
            late._call()
        await settle(pilot)
        assert says(pilot, "not in a snapshot")


async def test_binary_big_and_hostile_files_are_shown_harmlessly(study: Study) -> None:
    (study.root / "a-binary").write_bytes(bytes(range(256)) * 40)
    (study.root / "b-big.log").write_bytes(b"line of a log\n" * 300_000)
    (study.root / "c-empty").touch()
    os.symlink("/etc/passwd", study.root / "d-link")
    os.mkfifo(study.root / "e-fifo")
    async with opened(study) as pilot:
        await press(pilot, "2", "F")
        await until(pilot, lambda: says(pilot, "a-binary"), "the files")
        for name, text in (
            ("a-binary", "Binary file, 10.2 kB"),
            ("b-big.log", "of 4.20 MB, more comes"),
            ("c-empty", "Empty file"),
            ("d-link", "Link to /etc/passwd"),
            ("e-fifo", "snapshots cannot hold it"),
            ("evil", "red ␛[31m text"),
        ):
            await press(pilot, "slash")
            await pilot.press(
                *(part.replace("-", "minus").replace(".", "full_stop") for part in name), "enter"
            )
            await settle(pilot)
            await press(pilot, "enter")
            await until(pilot, lambda text=text: says(pilot, text), name)
            await press(pilot, "escape", "escape")


async def test_marked_files_are_staged(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2", "F")
        await until(pilot, lambda: says(pilot, "notes.md"), "the files")
        await press(pilot, "space", "space", "a")
        await until(pilot, lambda: study.services.staging.get(study.space.id), "the stage")
        stage = study.services.staging.get(study.space.id)
        assert stage is not None
        assert stage.source == StateRef(study.master.id)
        assert stage.files == ["README.md", "data"]


async def test_tables_of_a_snapshot_rows_columns_and_sql(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "enter", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables")
        assert says(pilot, "Contents of second-data")
        await press(pilot, "down", "enter")
        await until(pilot, lambda: says(pilot, "1 1 2"), "the rows")
        assert says(pilot, "table numbers")
        await press(pilot, "c")
        await until(pilot, lambda: says(pilot, "columns of numbers"), "the columns")
        assert says(pilot, "BIGINT")
        await press(pilot, "s")
        await fill(pilot, "SELECT sum(x) AS total FROM numbers")
        await until(pilot, lambda: says(pilot, "result of the query"), "the result")
        assert says(pilot, "total")
        await until(pilot, lambda: says(pilot, "1 4"), "the sum")
        await press(pilot, "escape", "s")
        await fill(pilot, "DROP TABLE numbers")
        await until(pilot, lambda: says(pilot, "The query was refused"), "the refusal under the prompt")
        assert says(pilot, "DROP TABLE numbers"), "the statement is kept"
    assert {table.name for table in study.services.tables.list(StateRef(study.master.id))} == {
        "more",
        "numbers",
    }


async def test_a_file_is_imported_and_its_table_renamed_and_deleted(study: Study) -> None:
    def names() -> list[str]:
        return [table.name for table in study.services.tables.list(StateRef(study.master.id))]

    async with opened(study) as pilot:
        await press(pilot, "2", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables")
        await press(pilot, "i")
        await fill(pilot, "data/b.csv", "fresh", "no")
        await task_ended(pilot, "import-table")
        await until(pilot, lambda: says(pilot, "fresh"), "the new table")
        await press(pilot, "g", "e")
        await fill(pilot, "renamed")
        await until(pilot, lambda: says(pilot, "renamed"), "the name")
        assert names() == ["more", "numbers", "renamed"]
        await press(pilot, "G", "d")
        assert "Deletes table renamed" in dialog_text(pilot)
        await press(pilot, "enter")  # Cancel
        assert "renamed" in names()
        await press(pilot, "d", "right", "enter")
        await until(pilot, lambda: "renamed" not in names(), "the deletion")


async def test_applications_are_shown_made_checked_and_deleted(study: Study) -> None:
    apps = study.root / ".nuvtui" / "apps"
    async with opened(study) as pilot:
        await press(pilot, "2", "A")
        await until(pilot, lambda: says(pilot, "hello"), "the applications")
        await press(pilot, "enter")
        assert says(pilot, "image: nuvtui-test/none:1")
        await press(pilot, "escape", "plus", "down", "enter")
        await fill(pilot, "analysis")
        await until(pilot, lambda: (apps / "analysis.yaml").exists(), "the file")
        await until(pilot, lambda: says(pilot, "analysis"), "the new application")
        await press(pilot, "g", "c")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1, "the findings")
        assert dialog_text(pilot)
        await press(pilot, "enter", "d", "right", "enter")
        await until(pilot, lambda: not (apps / "analysis.yaml").exists(), "the deletion")
    assert (apps / "hello.yaml").exists()


async def test_changes_against_the_snapshot_before_and_any_other(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2", "C")
        await until(pilot, lambda: says(pilot, "From snapshot"), "the comparison")
        assert says(pilot, "(second-data) to Current State")
        await press(pilot, "slash", *"notes", "enter", "enter")
        await until(pilot, lambda: says(pilot, "+not in a snapshot"), "the text diff")
        assert says(pilot, "-hello again from the study")
        await press(pilot, "escape", "escape", "c", "down", "enter")  # the older snapshot
        await until(pilot, lambda: says(pilot, "(first-data) to Current State"), "the other comparison")
        assert says(pilot, "table more")


async def test_a_deleted_snapshot_leads_back_to_the_current_state(study: Study) -> None:
    newest = study.services.snapshots.list(study.master.id)[0]
    async with opened(study) as pilot:
        await press(pilot, "down", "enter")
        await until(pilot, lambda: says(pilot, "Contents of second-data"), "the snapshot")
        study.services.snapshots.delete([newest.id])
        await until(pilot, lambda: says(pilot, "Contents of Current State"), "the Current State")


async def test_an_observer_sees_the_readme_only(study: Study) -> None:
    drop_privileges_of(study, Role.OBSERVER)
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "shows the README only"), "the Timeline's word")
        assert not says(pilot, "second-data")
        await press(pilot, "2", "F", "right_square_bracket")
        await until(pilot, lambda: says(pilot, "The study"), "the README")
        assert not says(pilot, "notes.md")
        assert not says(pilot, "F Files")


async def test_side_by_side_where_there_is_room(study: Study) -> None:
    async with opened(study, size=(160, 45)) as pilot:
        await until(pilot, lambda: says(pilot, "The study"), "the README beside the Timeline")
        assert says(pilot, "second-data")
        await press(pilot, "down", "enter", "F")
        await until(pilot, lambda: says(pilot, "Contents of second-data"), "the snapshot")
        assert says(pilot, "first-data"), "the Timeline is still there"
