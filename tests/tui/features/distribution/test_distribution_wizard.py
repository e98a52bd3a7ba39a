"""The wizard from the stage to a distribution, the way back, history and recall."""

from pathlib import Path

from textual.widgets import Input

from nuvtui.tui.common.task_screen import TaskScreen
from nuvtui.tui.features.distribution.history import History
from nuvtui.tui.features.distribution.run import DistributionRun
from nuvtui.tui.features.distribution.wizard import Wizard
from nuvtui.tui.toolkit.command import as_command
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog, MessageDialog
from nuvtui.tui.toolkit.dialogs.typed import TypedDialog
from nuvtui.tui.toolkit.line_list import LineList
from tests.tui.harness import app_of, press, settle, shown_text, texts, type_text, until, words
from tests.tui.sharing import Study, lay_out, running


def _staged(tmp_path: Path) -> Study:
    study = lay_out(tmp_path)
    study.services.staging.add(study.current, ["data", "notes.md"], ["numbers"])
    return study


def _mark(pilot: object, name: str) -> None:
    """Mark the instance `name` in the list of targets."""
    app = app_of(pilot)  # type: ignore[arg-type]
    wizard = app.screen
    assert isinstance(wizard, Wizard)
    target = next(target for target in wizard.targets if target.name == name)
    wizard.query_one("#wizard-targets", LineList).move_to_key(target.instance.id)


async def test_from_the_stage_to_the_target(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        assert "not possible: the source" in words(pilot)
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n")
        assert "Overwrite: The usual choice" in words(pilot)
        await press(pilot, "enter")  # the usual strategies: the cursor is on what goes on
        assert "Enter go on to the message" in words(pilot)
        text = words(pilot)
        assert "+ created file data/a.csv" in text
        assert "~ replaced file notes.md" in text
        assert "= kept file extra.txt" in text
        assert "+ created table numbers" in text
        assert (study.reviewer_root / "notes.md").read_text() == "the reviewer's own\n"
        await press(pilot, "n")
        await type_text(pilot, "please look")
        await press(pilot, "enter")
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        assert "An automatic snapshot of each target is taken first." in words(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, TaskScreen), "the task's screen")
        await until(pilot, lambda: "Completed" in shown_text(pilot.app), "the end of the distribution")
        assert "study/reviewer completed" in words(pilot)
        assert (study.reviewer_root / "notes.md").read_text().startswith("# Notes")
        assert (study.reviewer_root / "extra.txt").read_text() == "only here\n"
        assert [m.text for m in study.services.messages.unread(study.reviewer.id)] == ["please look"]
        # the way back
        await press(pilot, "u")
        assert isinstance(app_of(pilot).screen, ConfirmDialog)
        await press(pilot, "right", "enter")
        await until(
            pilot,
            lambda: (study.reviewer_root / "notes.md").read_text() == "the reviewer's own\n",
            "the reviewer's own file back",
        )
        await until(pilot, lambda: "Completed" in shown_text(pilot.app), "the end of the restore")


async def test_back_keeps_the_answers_also_after_leaving(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n", "g", "right", "n", "n")
        await type_text(pilot, "hello")
        await press(pilot, "escape", "escape")
        assert "Distribute Extra: Only adds" in words(pilot)
        await press(pilot, "escape")
        wizard = app_of(pilot).screen
        assert isinstance(wizard, Wizard)
        assert wizard.chosen == [study.reviewer.id]
        await press(pilot, "escape")
        assert len(app_of(pilot).screen_stack) == 1
        await press(pilot, "d")
        wizard = app_of(pilot).screen
        assert isinstance(wizard, Wizard)
        assert wizard.chosen == [study.reviewer.id]
        assert wizard.strategies.files == "distribute-extra"
        assert wizard.query_one(Input).value == "hello"


async def test_nothing_marked_does_not_go_on_and_the_source_cannot_be_marked(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d", "n")
        wizard = app_of(pilot).screen
        assert isinstance(wizard, Wizard)
        assert wizard.step == "targets"
        _mark(pilot, "Master")
        await press(pilot, "space")
        assert wizard.chosen == []
        await press(pilot, "asterisk")
        assert study.reviewer.id in wizard.chosen
        assert study.master.id not in wizard.chosen


async def test_a_mirror_that_removes_asks_for_a_word(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n", "g", "right", "right")
        assert "Mirror" in shown_text(pilot.app)
        await press(pilot, "n")
        assert "- removed file extra.txt" in words(pilot)
        await press(pilot, "n", "enter")
        assert isinstance(app_of(pilot).screen, TypedDialog)
        assert "- extra.txt" in words(pilot)
        await press(pilot, "right", "enter")
        assert isinstance(app_of(pilot).screen, TypedDialog), "not without the word"
        await press(pilot, "escape")
        assert (study.reviewer_root / "extra.txt").exists()
        await press(pilot, "enter")
        await type_text(pilot, "remove")
        await press(pilot, "enter", "right", "enter")
        await until(pilot, lambda: "Completed" in shown_text(pilot.app), "the end of the distribution")
        assert not (study.reviewer_root / "extra.txt").exists()
        assert "removed" in words(pilot)


async def test_only_one_outcome_is_listed_on_demand(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n", "n", "o", "o")
        assert "only replaced" in words(pilot)
        assert "notes.md" in shown_text(pilot.app)
        assert "extra.txt" not in shown_text(pilot.app)


async def test_signs_and_targets_filter_the_dry_run(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    second = tmp_path / "second"
    second.mkdir()
    study.services.instances.create(study.space.id, "second", second)
    async with running(study) as pilot:
        await press(pilot, "d", "asterisk", "n", "n")
        assert "to all 3" in words(pilot)
        assert "+ 11 created" in words(pilot)
        await press(pilot, "tilde")
        assert "[~ 1 replaced]" in words(pilot)
        assert "data/a.csv" not in shown_text(pilot.app)
        await press(pilot, "tilde", "t")
        assert "to reviewer" in words(pilot)
        assert "second" not in shown_text(pilot.app)
        await press(pilot, "plus")
        assert "[+ 3 created]" in words(pilot)
        await press(pilot, "t", "t", "t")
        assert "to all 3" in words(pilot)


async def test_targets_say_role_and_newest_snapshot_and_are_searched_and_marked(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    study.services.snapshots.create(study.reviewer.id, "reviewers-own", "", "")
    async with running(study) as pilot:
        await press(pilot, "d")
        wizard = app_of(pilot).screen
        assert isinstance(wizard, Wizard)
        (row,) = [row for row in shown_text(pilot.app).split("\n") if "reviewer " in row]
        assert "space administrator" in row
        assert "reviewers-own" in row
        await press(pilot, "asterisk")
        assert len(wizard.chosen) == 2
        await press(pilot, "asterisk")
        assert wizard.chosen == []
        await press(pilot, "slash")
        await type_text(pilot, "reviewer")
        await press(pilot, "enter", "asterisk")
        assert wizard.chosen == [study.reviewer.id], "only what is shown"


async def test_the_table_of_strategies_follows_the_choice(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n", "g")
        assert "same path not in target only in target" in words(pilot)
        assert "● Overwrite replaced created kept" in words(pilot)
        await press(pilot, "right", "right")
        assert "● Mirror replaced created removed" in words(pilot)
        await press(pilot, "down")
        assert "same name not in target only in target" in words(pilot)


async def test_where_a_target_fails_the_reason_comes_first_and_the_others_have_a_way_back(
    tmp_path: Path,
) -> None:
    study = _staged(tmp_path)
    second = tmp_path / "second"
    second.mkdir()
    study.services.instances.create(study.space.id, "second", second)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space")
        _mark(pilot, "second")
        await press(pilot, "space", "n", "n", "n")
        second.rename(tmp_path / "elsewhere")
        await press(pilot, "enter", "enter")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, DistributionRun), "the task's screen")
        run = app_of(pilot).screen
        assert isinstance(run, DistributionRun)
        await until(pilot, lambda: run.may_recall, "what became of the targets")
        text = texts(pilot)
        assert text.index("✗ study/second") < text.index("✓ study/reviewer")
        assert "The target is as it was." in text
        assert "u brings a target back" in text
        await press(pilot, "u", "right", "enter")
        await until(
            pilot,
            lambda: (study.reviewer_root / "notes.md").read_text() == "the reviewer's own\n",
            "the reviewer's own file back",
        )


async def test_the_result_leads_to_recall_and_says_each_as_a_command(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n", "n", "n", "enter", "enter")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, DistributionRun), "the task's screen")
        run = app_of(pilot).screen
        assert isinstance(run, DistributionRun)
        await until(pilot, lambda: run.may_recall, "the result")
        assert "2 created" in texts(pilot)
        assert run.distribution is not None
        values = run.command_values()
        recall, undo = REGISTRY.commands["delivery.recall"], REGISTRY.commands["run.undo"]
        assert as_command(recall, values) == f"nuvtui distribution recall {run.distribution.id[:8]}"
        backup = run.distribution.targets[0].backup
        assert backup is not None
        assert as_command(undo, values) == f"nuvtui snapshots restore {backup[:8]} -i reviewer"
        await press(pilot, "R", "right", "enter")
        await until(pilot, lambda: not (study.reviewer_root / "data").exists(), "what was brought is gone")


async def test_a_stage_that_changed_since_the_dry_run_is_not_distributed(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    async with running(study) as pilot:
        await press(pilot, "d")
        _mark(pilot, "reviewer")
        await press(pilot, "space", "n", "n", "n")
        study.services.staging.remove(study.space.id, ["data"])
        await press(pilot, "enter", "enter")
        await settle(pilot)
        assert isinstance(app_of(pilot).screen, MessageDialog)
        assert "The stage was changed meanwhile" in words(pilot)
        assert study.services.distribution.list(study.space.id) == []


async def test_history_shows_outcomes_and_recalls(tmp_path: Path) -> None:
    study = _staged(tmp_path)
    from nuvtui.model.distribution import Strategies

    study.services.distribution.distribute(study.space.id, [study.reviewer.id], Strategies(), "for you")
    assert (study.reviewer_root / "data" / "a.csv").exists()
    async with running(study, size=(120, 40)) as pilot:
        await press(pilot, "3", "H")
        assert isinstance(app_of(pilot).screen, History)
        text = words(pilot)
        assert "for you" in text
        assert "files Overwrite" in text
        assert "before: snapshot" in text
        await press(pilot, "R")
        assert "Removes what this distribution brought from: study/reviewer" in words(pilot)
        await press(pilot, "right", "enter")
        await until(pilot, lambda: "Completed" in shown_text(pilot.app), "the end of the recall")
        assert not (study.reviewer_root / "data" / "a.csv").exists()
        assert (study.reviewer_root / "extra.txt").exists()
        await press(pilot, "escape")
        await until(pilot, lambda: "recalled" in shown_text(pilot.app), "the new status in the history")
