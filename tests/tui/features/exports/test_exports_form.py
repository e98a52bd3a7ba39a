"""The form of a new export: choices, findings, tables, dry run; nothing waits for the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from nuvtui.model.export import ExportSpec
from nuvtui.tui.features.exports.findings import FindingDialog
from nuvtui.tui.features.exports.form import ExportForm
from nuvtui.tui.features.exports.run import ExportRun
from nuvtui.tui.toolkit.command import as_command
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.dialogs.marks import MarksDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog
from nuvtui.tui.toolkit.dialogs.typed import TypedDialog
from tests.tui.harness import app_of, press, says, settle, shown_text, texts, type_text, until, words
from tests.tui.sharing import Study, hang, lay_out, running

SECRET = "AKIA" + "QYLPMN5HHHFPZAM2"


@pytest.fixture
def hanging_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An engine that takes connections and never answers."""
    yield from hang(tmp_path, monkeypatch)


async def opened_form(pilot: Pilot[None], *keys: str) -> ExportForm:
    """The form, after the keys, when everything was looked for."""
    await press(pilot, "4", "n", *keys)
    form = app_of(pilot).screen
    assert isinstance(form, ExportForm)
    await looked(pilot, form)
    return form


async def looked(pilot: Pilot[None], form: ExportForm) -> None:
    """Wait until the form has looked for everything that its present answers call for."""
    await settle(pilot)
    await until(pilot, lambda: "r checks again" in words(pilot) and form.complete, "the look")
    await settle(pilot)


def command(form: ExportForm) -> str:
    """The form as a command."""
    return as_command(REGISTRY.commands["export-form.go"], form.command_values())


def planted(study: Study) -> None:
    """A secret in a workspace file, in a snapshot."""
    (study.root / "data" / "fetch.py").write_text(f"# fetches the data\nkey = {SECRET!r}\n")
    study.services.snapshots.create(study.master.id, "with-a-secret", "", "")


async def test_without_an_engine_the_built_in_one_is_taken_and_the_finding_says_what_was_tried(
    tmp_path: Path,
) -> None:
    study = lay_out(tmp_path)
    async with running(study, size=(120, 40)) as pilot:
        form = await opened_form(pilot)
        text = words(pilot)
        assert "Engine auto takes oci" in text
        assert "Worth knowing engine" in text
        engine = next(one.finding for one in form.seen if one.finding.subject == "engine")
        assert "no-engine.sock" in engine.text
        assert any("tables are not in the image: numbers" in one.finding.text for one in form.seen)
        assert "Findings: nothing in the way" in text


async def test_an_engine_that_was_asked_for_and_does_not_answer_stops_the_export(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    async with running(study) as pilot:
        form = await opened_form(pilot, "down", "down", "down", "down", "right")
        assert form.spec.engine == "docker"
        await looked(pilot, form)
        assert "Stops the export engine" in words(pilot)
        assert "Findings: 1 in the way" in words(pilot)
        await press(pilot, "e")
        assert app_of(pilot).screen is form, "not started"
        assert study.services.exports.list(study.space.id) == []
        await press(pilot, "right")
        await looked(pilot, form)
        assert form.spec.engine == "oci"
        assert "Stops the export" not in words(pilot)
        assert command(form) == "nuvtui exports create hello --engine oci -i Master"


async def test_keys_answer_while_the_engine_hangs(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    async with running(study) as pilot:
        await pilot.press("4")
        await pilot.pause()
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportForm), "the form")
        form = app_of(pilot).screen
        assert isinstance(form, ExportForm)
        await until(pilot, lambda: "hello" in shown_text(pilot.app), "the application")
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
        await looked(pilot, form)
        form.pane.list.move_to(
            next(at for at, one in enumerate(form.seen) if one.finding.subject == "engine")
        )
        await settle(pilot)
        assert "hang.sock" in texts(pilot)
        assert "(waited 0.3 s)" in texts(pilot)
        assert "r checks again" in words(pilot)
        await press(pilot, "tab", "enter")
        assert says(pilot, "hang.sock"), shown_text(pilot.app)


async def test_a_public_push_asks_for_a_word(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=120.0)
    async with running(study) as pilot:
        await pilot.press("4")
        await pilot.pause()
        await pilot.press("n")
        await until(pilot, lambda: "hello" in shown_text(pilot.app), "the application")
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


async def test_tables_are_chosen_and_their_format(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    study.services.tables.import_file(study.master.id, study.root / "data" / "b.csv", "more")
    async with running(study) as pilot:
        form = await opened_form(pilot)
        assert form.spec.tables == []
        assert "2 tables not in the image" in words(pilot)
        await press(pilot, "down", "down", "down", "right")
        assert form.spec.tables == ["more", "numbers"]
        assert "--tables all -i" in command(form)
        await press(pilot, "down", "right", "up")
        assert form.spec.tables_format == "csv"
        assert "--tables all --tables-format csv -i" in command(form)
        await press(pilot, "right")
        assert isinstance(app_of(pilot).screen, MarksDialog), "one by one"
        assert "[x] more" in words(pilot)
        await press(pilot, "space", "enter")
        assert form.spec.tables == ["numbers"]
        assert "Tables 1 of 2: numbers" in words(pilot)
        assert "--tables numbers --tables-format csv -i" in command(form)
        await press(pilot, "t", "asterisk", "asterisk", "enter")
        assert form.spec.tables == []
        assert "Table files" not in words(pilot)
        await press(pilot, "left")
        await press(pilot, "escape")
        assert form.spec.tables == [], "left as it was"
        assert "Tables none" in words(pilot)


async def test_what_is_chosen_is_asked_for(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    async with running(study) as pilot:
        form = await opened_form(pilot)
        form.form.change("verify", "yes")
        await looked(pilot, form)
        assert form.spec.verify
        assert command(form) == "nuvtui exports create hello --verify -i Master"
        assert "Start the export" in shown_text(pilot.app), "all of the form at once"


async def test_findings_are_reached_by_down_and_dealt_with_from_the_fields(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    planted(study)
    async with running(study) as pilot:
        form = await opened_form(pilot, "down", "down", "right")
        await looked(pilot, form)
        assert form.form.has_focus
        assert "x leaves the file out, a accepts it with a reason" in words(pilot)
        await press(pilot, "a")
        assert isinstance(app_of(pilot).screen, TextDialog), "without going to the findings first"
        await press(pilot, "escape", "G", "down")
        assert form.pane.list.has_focus
        await press(pilot, "up")
        assert form.form.has_focus
        assert form.form.field is not None
        assert form.form.field.id == "go", "where one came from"


async def test_remarks_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    async with running(study) as pilot:
        await opened_form(pilot)
        rows = shown_text(pilot.app).split("\n")
        starts = {
            next(row.index(remark) for row in rows if remark in row)
            for remark in ("1 table not in", "empty: hello", "to the registry,", "run it afterwards")
        }
        assert len(starts) == 1


async def test_a_wait_says_since_when_and_is_left_with_esc(tmp_path: Path, hanging_engine: Path) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=60.0)
    async with running(study) as pilot:
        await press_only(pilot, "4", "n")
        await until(pilot, lambda: "1 s so far" in shown_text(pilot.app), "the time waited")
        assert "an engine has 60 s to answer" in shown_text(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: len(app_of(pilot).screen_stack) == 1, "the exports again")


async def press_only(pilot: Pilot[None], *keys: str) -> None:
    """Press keys without waiting for what they ask for."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_secret_is_found_without_being_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    study = lay_out(tmp_path)
    planted(study)
    async with running(study, size=size) as pilot:
        form = await opened_form(pilot, "down", "down", "right")
        await looked(pilot, form)
        text = words(pilot)
        assert "Must not leave files/data/fetch.py:2" in text
        assert "1 that must not leave" in text
        assert "Contents with workspace files 4 files" in text
        assert "Start the export" in text
        await press(pilot, "tab", "enter")
        assert isinstance(app_of(pilot).screen, FindingDialog)
        assert "files/data/fetch.py:2" in texts(pilot)
        assert "cannot be pushed or archived as long as this stands" in texts(pilot)
        assert SECRET not in shown_text(pilot.app)
        assert SECRET not in str(form.seen)
        assert SECRET not in command(form)


async def test_a_finding_stops_a_push_until_it_is_accepted_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = lay_out(
        tmp_path, table=False, registry="registry.test:5000", private_registries=["registry.test:5000"]
    )
    planted(study)
    started: list[ExportSpec] = []
    monkeypatch.setattr(ExportForm, "_start", lambda form, spec: started.append(spec))
    async with running(study, notices=True) as pilot:
        form = await opened_form(pilot, "down", "down", "right")
        form.form.change("push", "yes")
        await looked(pilot, form)
        await press(pilot, "e")
        assert started == []
        assert "Not with a push" in words(pilot)
        await press(pilot, "tab", "a", "enter")
        assert isinstance(app_of(pilot).screen, TextDialog), "not without a reason"
        await type_text(pilot, "made up")
        await press(pilot, "enter")
        (accepted,) = form.spec.accepted
        assert accepted.reason == "made up"
        text = words(pilot)
        assert "Accepted files/data/fetch.py:2" in text
        assert "Accepted: made up" in text
        assert "nothing in the way, 1 accepted" in text
        assert f"--accept '{accepted.finding}=made up'" in command(form)
        plan = study.services.exports.plan(form.spec)
        assert not any(finding.level == "push" for finding in plan.findings), "the core takes it as accepted"
        await press(pilot, "e")
        assert [spec.accepted for spec in started] == [[accepted]]
        await press(pilot, "enter")
        assert "Accepted: made up" in words(pilot)
        await press(pilot, "a")
        assert form.spec.accepted == [], "no longer"
        assert "Must not leave files/data/fetch.py:2" in words(pilot)


async def test_the_file_of_a_finding_is_excluded_in_the_applications_file(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    planted(study)
    async with running(study) as pilot:
        form = await opened_form(pilot, "down", "right", "down", "right")
        await looked(pilot, form)
        assert form.spec.snapshot is not None
        await press(pilot, "tab")
        assert "x exclude" in shown_text(pilot.app).split("\n")[-1]
        values = form.command_values()
        assert (
            as_command(REGISTRY.commands["export-form.exclude"], values)
            == "nuvtui exports exclude hello data/fetch.py -i Master"
        )
        await press(pilot, "x")
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        assert "from the next snapshot on" in texts(pilot)
        await press(pilot, "enter")
        await looked(pilot, form)
        assert "data/fetch.py" in (study.root / ".nuvtui" / "apps" / "hello.yaml").read_text()
        assert form.spec.snapshot is None, "the snapshot has the application as it was"
        assert "Must not leave" not in words(pilot)
        assert "nothing in the way" in words(pilot)
        left_out = next(one.finding for one in form.seen if one.finding.subject == "left out")
        assert "data/fetch.py" in left_out.text


async def test_another_name_is_no_reason_to_look_again(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    async with running(study) as pilot:
        form = await opened_form(pilot)
        before = form.outlook
        assert before is not None
        form.form.change("name", "other")
        await looked(pilot, form)
        assert form.outlook is before
        form.form.change("files", "yes")
        await looked(pilot, form)
        assert form.outlook is not before


async def test_without_a_snapshot_the_form_says_that_nothing_was_looked_into(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    for record in study.services.snapshots.list(study.master.id):
        study.services.snapshots.delete([record.id])
    async with running(study) as pilot:
        form = await opened_form(pilot)
        assert any("could not be looked for" in one.finding.text for one in form.seen)


async def test_dry_run_lists_what_goes_in_and_what_does_not(tmp_path: Path) -> None:
    study = lay_out(tmp_path)
    (study.root / ".env").write_text("TOKEN=1\n")
    study.services.snapshots.create(study.master.id, "with-env", "", "")
    async with running(study, size=(100, 40)) as pilot:
        await press(pilot, "4", "n", "down", "down", "right", "d")
        await until(pilot, lambda: "In the image" in shown_text(pilot.app), "the plan")
        text = words(pilot)
        assert "+ /files/notes.md" in text
        assert "- .env" in text
        assert "tables: numbers" in text
        assert "Layers, the base first" in text
        assert "Dockerfile" not in text, "nothing is installed"
        assert "and the base image; engine oci" in text
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
        assert "first-data" in shown_text(pilot.app)
        command = as_command(REGISTRY.commands["export-form.go"], form.command_values())
        assert command == f"nuvtui exports create hello -p {record.id[:8]} -i Master"


async def test_a_failed_export_says_so_at_once_in_its_screen_and_in_the_list(
    tmp_path: Path, hanging_engine: Path
) -> None:
    study = lay_out(tmp_path, table=False, engine_timeout=0.3)
    async with running(study) as pilot:
        await press(pilot, "4")
        await pilot.press("n")
        await until(pilot, lambda: "hello" in shown_text(pilot.app), "the application")
        await pilot.press("e")  # before the check has answered
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExportRun), "the running export")
        await until(pilot, lambda: "Failed at" in shown_text(pilot.app), "the failure")
        assert says(pilot, "hang.sock"), shown_text(pilot.app)
        await press(pilot, "escape")
        await until(pilot, lambda: "failed" in shown_text(pilot.app), "the list")
        await settle(pilot)
        assert "at preflight" in words(pilot)
        await press(pilot, "s", "s")
        assert "failed and cancelled" in words(pilot)
        await press(pilot, "s")
        assert "None is deleted" in words(pilot)
