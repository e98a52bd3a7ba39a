"""The form of a new export: choices, findings, tables, dry run; nothing waits for the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.tui.commands import REGISTRY, as_command
from nuvtui.tui.dialogs.confirm import ConfirmDialog
from nuvtui.tui.dialogs.typed import TypedDialog
from nuvtui.tui.screens.export_form import ExportForm
from nuvtui.tui.screens.export_run import ExportRun
from tests.tui.sharing import (
    app_of,
    hang,
    lay_out,
    press,
    running,
    says,
    screen,
    settled,
    texts,
    type_text,
    until,
    words,
)


@pytest.fixture
def hanging_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An engine that takes connections and never answers."""
    yield from hang(tmp_path, monkeypatch)


async def test_without_an_engine_the_finding_says_what_was_tried(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    async with running(study, size=(120, 40)) as pilot:
        await press(pilot, "4", "n")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: form.findings is not None, "the findings")
        text = words(pilot)
        assert "Stops the export: engine" in text
        assert "no-engine.sock" in texts(pilot)
        assert "r checks again" in text
        assert "tables are not in the image: numbers" in texts(pilot)
        await press(pilot, "e")
        assert app_of(pilot).screen is form, "not started"
        assert study.services.exports.list(study.space.id) == []


async def test_keys_answer_while_the_engine_hangs(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    async with running(study) as pilot:
        await pilot.press("4")
        await pilot.pause()
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportForm), "the form")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: "hello" in screen(pilot), "the application")
        await until(pilot, lambda: "an engine has 120 s to answer" in words(pilot), "what is waited for")
        await pilot.press("down", "down", "right", "down", "enter")
        await until(pilot, lambda: app_of(pilot).screen.focused is not form.form, "the prompt")
        await type_text(pilot, "my-image")
        await pilot.press("enter")
        await until(pilot, lambda: form.spec.name == "my-image", "the name")
        assert form.spec.with_files
        assert form.findings is None, "still waiting"
        await pilot.press("escape")
        await until(pilot, lambda: app_of(pilot).screen is not form, "the form left")


async def test_a_hanging_engine_is_named_with_the_time_waited(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=0.3)
    async with running(study) as pilot:
        await press(pilot, "4", "n")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: form.findings is not None, "the findings")
        assert says(pilot, "hang.sock")
        assert says(pilot, "(waited 0.3 s)")
        assert "r checks again" in words(pilot)


async def test_a_public_push_asks_for_a_word(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    async with running(study) as pilot:
        await pilot.press("4")
        await pilot.pause()
        await pilot.press("n")
        await until(pilot, lambda: "hello" in screen(pilot), "the application")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        form.form.change("push", "yes")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, TypedDialog), "the question")
        assert "anyone can pull the image without signing in" in texts(pilot)
        await pilot.press("right", "enter")
        await pilot.pause()
        assert isinstance(app_of(pilot).screen, TypedDialog), "not without the word"
        await pilot.press("escape")
        await until(pilot, lambda: app_of(pilot).screen is form, "the form again")
        assert study.services.exports.list(study.space.id) == []


async def test_tables_are_offered_as_files(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "4", "n")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: form.has_tables, "the finding")
        await press(pilot, "t")
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        await press(pilot, "enter")
        await until(pilot, lambda: form.spec.with_files, "the switch to files")
        assert (study.root / "tables" / "numbers.parquet").read_bytes()[:4] == b"PAR1"


async def test_dry_run_lists_what_goes_in_and_what_does_not(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    (study.root / ".env").write_text("TOKEN=1\n")
    study.services.snapshots.create(study.master.id, "with-env", "", "")
    async with running(study, size=(100, 40)) as pilot:
        await press(pilot, "4", "n", "down", "down", "right", "d")
        await until(pilot, lambda: "In the image" in screen(pilot), "the plan")
        text = words(pilot)
        assert "+ /files/notes.md" in text
        assert "- .env" in text
        assert "tables: numbers" in text
        assert "FROM docker.io/nuvtui-test/none:1" in text
        await press(pilot, "escape")
        assert isinstance(app_of(pilot).screen, ExportForm)


async def test_from_a_snapshot_and_as_a_command(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    async with running(study) as pilot:
        await press(pilot, "4", "n")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await press(pilot, "down", "right")
        record = study.services.snapshots.list(study.master.id)[0]
        assert form.spec.snapshot == record.id
        assert "first-data" in screen(pilot)
        command = as_command(REGISTRY.commands["export-form.go"], form.command_values())
        assert command == f"nuvtui exports create hello -p {record.id[:8]} -i Master"


async def test_a_failed_export_says_so_at_once_in_its_screen_and_in_the_list(
    tmp_path: Path, hanging_engine: Path
) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=0.3)
    async with running(study) as pilot:
        await press(pilot, "4")
        await pilot.press("n")
        await until(pilot, lambda: "hello" in screen(pilot), "the application")
        await pilot.press("e")  # before the check has answered
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportRun), "the running export")
        await until(pilot, lambda: "Failed at" in screen(pilot), "the failure")
        assert says(pilot, "hang.sock")
        await press(pilot, "escape")
        await until(pilot, lambda: "failed" in screen(pilot), "the list")
        await settled(pilot)
        assert "at preflight" in words(pilot)
        await press(pilot, "s", "s")
        assert "failed and cancelled" in words(pilot)
        await press(pilot, "s")
        assert "None is deleted" in words(pilot)
