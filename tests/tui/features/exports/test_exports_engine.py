"""An export from the form to an image in a real engine, by keys: log, result, archive, report, delete; cancel."""

from pathlib import Path

import pytest

from nuvtui.tui.features.exports.form import ExportForm
from nuvtui.tui.features.exports.run import ExportRun
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.log_view import LogView
from nuvtui.worker.lifecycle import list_tasks
from tests.support.engine import Engine
from tests.tui.harness import app_of, press, shown_text, texts, until, words
from tests.tui.sharing import lay_out, running

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _engine_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in engine.environment().items():
        monkeypatch.setenv(name, value)


async def test_an_export_by_keys(tmp_path: Path, tiny_base: str, engine: Engine) -> None:
    study = lay_out(tmp_path, tiny_base, table=False, build_network="host")
    async with running(study) as pilot:
        await press(pilot, "4", "n", "down", "down", "right")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: "nothing in the way" in words(pilot), "the check")
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportRun), "the running export")
        run = app_of(pilot).screen
        assert isinstance(run, ExportRun)
        await until(pilot, lambda: run.seen.status.ended, "the end of the export", 240)
        await until(pilot, lambda: run.has_image, "its record")
        text = words(pilot)
        assert "Completed" in text
        assert "docker run --rm" in text
        assert [step.name for step in run.seen.steps][:2] == ["preflight", "snapshot"]
        assert run.query_one(LogView).index.count > 0
        assert run.record is not None
        copied = run.copied()
        assert copied is not None
        assert copied.text == run.record.run_command
        await press(pilot, "r")
        await until(pilot, lambda: "Report of hello" in shown_text(pilot.app), "the report")
        assert "notes.md" in shown_text(pilot.app) or "study" in shown_text(pilot.app)
        await press(pilot, "escape", "a", "ctrl+u")
        archive = tmp_path / "hello.tar"
        app_of(pilot).screen.query_one("Input").value = str(archive)  # type: ignore[attr-defined]
        await press(pilot, "enter")
        await until(pilot, archive.exists, "the archive", 120)
        await press(pilot, "escape", "escape")
        await until(pilot, lambda: "completed hello" in words(pilot), "the export in the list")
        await press(pilot, "x")
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        await press(pilot, "right", "enter")
        await until(pilot, lambda: "deleted hello" in words(pilot), "the deleted export", 60)


async def test_leaving_lets_it_go_on(tmp_path: Path, tiny_base: str) -> None:
    study = lay_out(tmp_path, tiny_base, table=False, build_network="host")
    async with running(study) as pilot:
        await press(pilot, "4", "n")
        await until(pilot, lambda: "the command needs notes.md" in texts(pilot), "the check")
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportRun), "the running export")
    async with running(study) as pilot:
        await until(pilot, lambda: list_tasks(study.services.home)[0].status.ended, "its end", 240)
        await press(pilot, "4")
        await until(pilot, lambda: "completed hello" in words(pilot), "the export in the list")
        await press(pilot, "enter")
        run = app_of(pilot).screen
        assert isinstance(run, ExportRun)
        await until(pilot, lambda: run.query_one(LogView).index.count > 0, "the log")
        raw = (study.services.home.task(run.seen.id) / "build.log").read_bytes()
        assert run.query_one(LogView).index.count == len(raw.splitlines())


async def test_a_build_that_fails_opens_at_its_last_lines(tmp_path: Path, tiny_base: str) -> None:
    study = lay_out(tmp_path, tiny_base, table=False, build_network="host")
    with (study.root / ".nuvtui" / "apps" / "hello.yaml").open("a") as file:
        file.write("setup: ['for i in $(seq 200); do echo line $i; done; echo the last word; exit 3']\n")
    async with running(study) as pilot:
        await press(pilot, "4", "n")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: form.complete, "the look")
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportRun), "the running export")
        run = app_of(pilot).screen
        assert isinstance(run, ExportRun)
        await until(pilot, lambda: run.seen.status.ended, "its end", 240)
        await until(pilot, lambda: "the last word" in words(pilot), "the last lines of the log")
        rows = shown_text(pilot.app).split("\n")
        assert "Failed at: Building" in rows[2]
        assert run.seen.error is not None
        assert run.seen.error.hint
