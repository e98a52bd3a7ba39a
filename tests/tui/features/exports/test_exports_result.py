"""What becomes of an export, without any engine: result card, checks, what keeps it from a push, archive and back."""

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from nuvtui.model.export import Accepted, Check, ExportRecord, ExportSpec, Finding, Verification
from nuvtui.model.operations import Operation, Verify
from nuvtui.tui.common.task_screen import TaskScreen
from nuvtui.tui.features.exports.actions import ExportActions
from nuvtui.tui.features.exports.details import fields
from nuvtui.tui.features.exports.form import ExportForm
from nuvtui.tui.features.exports.run import ExportRun
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.command import as_command
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog
from nuvtui.tui.toolkit.glyphs import UNICODE
from tests.tui.harness import app_of, press, says, shown_text, texts, until, words
from tests.tui.sharing import Study, lay_out, running

SECRET = "AKIA" + "QYLPMN5HHHFPZAM2"


def said(record: ExportRecord) -> list[str]:
    return [each.text for each in fields(record, UNICODE)]


def record(**changes: object) -> ExportRecord:
    values = {
        "id": "e" * 16,
        "space": "s" * 16,
        "instance": "i" * 16,
        "application": "hello",
        "snapshot": "a" * 16,
        "name": "hello",
        "author": "ada",
        "created": "2026-11-25T00:00:00+00:00",
        "status": "completed",
        "engine": "oci",
        "image": "registry.test/study-hello:1",
        "with_files": True,
    }
    return ExportRecord(**(values | changes))  # type: ignore[arg-type]


def test_the_card_says_what_was_made_and_how_it_was_checked() -> None:
    lines = said(
        record(
            run_command="docker run --rm registry.test/study-hello:1",
            base_digest="sha256:" + "b" * 64,
            tables=["numbers", "more"],
            excluded=[],
            accepted=[Accepted("data/a.csv", "made up")],
            warnings=["tables: some", "files/x.py:1: holds a key"],
            findings=[Finding("push", "files/x.py:1", "holds a key", path="x.py", key="k")],
            verification=Verification(
                "2026-11-25T00:00:00+00:00",
                [
                    Check("run", "failed", "it said last: no"),
                    Check("packages", "passed", "all there"),
                    Check("libraries", "not done", "no reason"),
                ],
            ),
        )
    )
    text = "\n".join(lines)
    assert text.index("Must not leave") < text.index("Image ") < text.index("Run it ")
    assert "  files/x.py:1  holds a key" in lines
    assert text.count("holds a key") == 1, "not again as a warning"
    assert "! tables: some" in lines
    assert "Tables       numbers, more" in lines
    assert "sha256:" + "b" * 64 in text
    assert any(each.startswith("Does not hold what it promises") for each in lines)
    assert "  ✗ failed  run: it said last: no" in lines
    assert "  ✓ passed  packages: all there" in lines
    assert "  ○ not done  libraries: no reason" in lines
    assert "  data/a.csv  made up" in lines


def test_the_card_says_what_comes_before_the_run_command() -> None:
    built_in = {"run_command": "docker run --rm a:1"}
    text = "\n".join(said(record(**built_in)))
    assert "First        archive it (a), then docker load -i FILE; or push it (p)" in text
    assert text.index("First ") < text.index("Run it ")
    archived = fields(record(**built_in, archive="/tmp/my archive.tar"), UNICODE)
    assert [each.value for each in archived if each.text.startswith("First")] == [
        "docker load -i '/tmp/my archive.tar'"
    ]
    for other in ({"pushed": True}, {"engine": "docker"}, {"status": "failed"}):
        assert not any(each.startswith("First") for each in said(record(**built_in, **other)))


def test_what_is_no_path_is_shown_as_it_is() -> None:
    from nuvtui.model.export import Excluded

    assert any("tables: a\\b" in each for each in said(record(excluded=[Excluded("tables: a\\b", "no")])))


def listed(study: Study, **changes: object) -> ExportRecord:
    """An export in the state of the study, as if it had been made."""
    made = record(space=study.space.id, instance=study.master.id, **changes)
    with study.services.context.state.transaction() as tx:
        tx.exports.put(made)
    return made


async def test_the_list_tells_kinds_sizes_and_ages_and_is_filtered(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    listed(study, id="1" * 16, name="good", size=75_900_000)
    listed(study, id="2" * 16, name="alone", with_files=False, size=1_200_000)
    listed(study, id="3" * 16, name="broken", status="failed", failed_stage="build", error="it broke")
    listed(study, id="4" * 16, name="gone", status="deleted")
    async with running(study) as pilot:
        await press(pilot, "4")
        rows = {
            name: row
            for row in shown_text(pilot.app).split("\n")
            for name in ("good", "alone", "broken")
            if f" {name} " in row
        }
        assert "■ files" in rows["good"]
        assert "□ app" in rows["alone"]
        assert rows["good"].index("MB") == rows["alone"].index("MB"), "sizes end at one column"
        assert "at build" in rows["broken"]
        assert "4 in all, 1 failed, 1 deleted" in words(pilot)
        await press(pilot, "s")
        assert "✗ failed" not in shown_text(pilot.app)
        assert "deleted gone" not in words(pilot)
        await press(pilot, "s")
        assert "✗ failed broken" in words(pilot)
        assert "✓ completed" not in shown_text(pilot.app)
        await press(pilot, "s")
        assert "deleted gone" in words(pilot)


async def test_the_list_s_card_copies_single_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(NuvApp, "copy", lambda app, copy: copied.append(copy.text))
    study = lay_out(tmp_path, table=False)
    made = listed(study, run_command="docker run --rm " + "x" * 90)
    async with running(study) as pilot:
        await press(pilot, "4", "y", "tab", "j", "y", "j", "y")
    assert copied == [made.run_command, made.image, "docker load -i FILE"]


async def test_verify_offers_to_build_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Operation[Any]] = []
    monkeypatch.setattr(
        ExportActions, "_submit", lambda node, operation, record, title: asked.append(operation)
    )
    study = lay_out(tmp_path, table=False)
    made = listed(study)
    async with running(study) as pilot:
        await press(pilot, "4", "V", "right", "right", "enter")
        assert asked == []
        await press(pilot, "V", "enter")
        await press(pilot, "V", "right", "enter")
    assert asked == [Verify(made.id, again=False), Verify(made.id, again=True)]


@pytest.mark.slow
async def test_from_the_form_to_a_verified_image_and_back_from_its_archive(tmp_path: Path) -> None:
    study = lay_out(tmp_path, "host")
    file = study.root / ".nuvtui" / "apps" / "hello.yaml"
    file.write_text(file.read_text().replace("[cat, /files/notes.md]", "[python3, data/fetch.py]"))
    (study.root / "data" / "fetch.py").write_text(f"key = {SECRET!r}\n")
    study.services.snapshots.create(study.master.id, "with-a-secret", "", "")
    async with running(study, size=(160, 45)) as pilot:

        async def export() -> ExportRun:
            await press(pilot, "n", "down", "down", "right")
            form = app_of(pilot).screen
            assert isinstance(form, ExportForm)
            await until(pilot, lambda: form.complete, "the look")
            form.form.change("tables", "all")
            await until(pilot, lambda: form.complete, "the second look")
            await press(pilot, "e")
            await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportRun), "the running export")
            run = app_of(pilot).screen
            assert isinstance(run, ExportRun)
            await until(pilot, lambda: run.has_image, "its record", 120)
            return run

        await press(pilot, "4")
        run = await export()
        assert run.record is not None
        assert (run.record.engine, run.record.tables) == ("oci", ["numbers"])
        said_there = texts(pilot)
        assert "Must not leave" in said_there
        assert "files/data/fetch.py:1" in said_there
        assert SECRET not in said_there
        values = run.command_values()
        assert (
            as_command(REGISTRY.commands["export.verify"], values)
            == f"nuvtui exports verify {run.record.id[:8]}"
        )

        await press(pilot, "p")
        assert isinstance(app_of(pilot).screen, MessageDialog), "no question: it is refused"
        assert "files/data/fetch.py:1" in texts(pilot)
        await press(pilot, "enter", "V", "enter")
        task = app_of(pilot).screen
        assert isinstance(task, TaskScreen)
        await until(pilot, lambda: task.seen.status.ended, "the check", 120)
        assert "Verified" in words(pilot)
        assert "passed configuration" in words(pilot)
        assert "not done run" in words(pilot)
        await press(pilot, "escape")
        await until(pilot, lambda: "passed  configuration" in texts(pilot), "the checks in the card")

        await press(pilot, "a")
        assert isinstance(app_of(pilot).screen, MessageDialog), "an archive leaves as well"
        assert says(pilot, "Not archived: the content guard found")
        await press(pilot, "enter", "escape")

        # Without the secret it may.
        (study.root / "data" / "fetch.py").write_text("print('nothing to hide')\n")
        run = await export()
        assert "Must not leave" not in texts(pilot)
        await press(pilot, "a")
        archive = tmp_path / "hello.tar"
        app_of(pilot).screen.query_one(Input).value = str(archive)
        await press(pilot, "enter")
        await until(pilot, archive.exists, "the archive", 120)
        await press(pilot, "escape")
        await until(pilot, lambda: f"Archive      {archive}" in texts(pilot), "the archive in the card")
        await press(pilot, "escape", "l")
        app_of(pilot).screen.query_one(Input).value = str(archive)
        await press(pilot, "enter")
        load = app_of(pilot).screen
        assert isinstance(load, TaskScreen)
        await until(pilot, lambda: load.seen.status.ended, "the archive read back", 120)
        assert run.record is not None
        assert run.record.image in words(pilot)


async def test_the_spec_that_the_task_got_is_that_of_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ExportSpec] = []
    monkeypatch.setattr(ExportForm, "_start", lambda form, spec: asked.append(spec))
    study = lay_out(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "4", "n")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        for name, value in (("engine", "oci"), ("tables", "all"), ("format", "csv"), ("verify", "yes")):
            form.form.change(name, value)
            await press(pilot)
            await pilot.pause()
        await until(pilot, lambda: form.complete, "the look")
        assert "Start the export" in shown_text(pilot.app)
        await press(pilot, "e")
    (spec,) = asked
    assert (spec.engine, spec.tables, spec.tables_format, spec.verify) == ("oci", ["numbers"], "csv", True)
