"""The Timeline as a line: events on it, folded automatic snapshots, marks to compare, the filter with its terms."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from nuvtui.model.distribution import Strategies
from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.common.state_actions import under_way
from nuvtui.tui.features.timeline.pane import Timeline
from nuvtui.tui.features.timeline.rows import Columns, compact
from nuvtui.tui.toolkit.line_list import LineList
from tests.tui.harness import app_of, dialog_text, press, says, settle, shown_text, type_text, until
from tests.tui.sharing import Study
from tests.tui.states import drop_privileges_of, opened, study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


def restored_twice(study: Study) -> None:
    """Two automatic snapshots that follow each other: before a restore, and before the one that undoes it."""
    newest, oldest = study.services.snapshots.list(study.master.id)
    study.services.restore.restore(oldest.id)
    study.services.restore.restore(newest.id)


def rows(pilot: Pilot[Any]) -> list[str]:
    """The lines of the list, without frame."""
    region = pilot.app.screen.query_one("#snapshots", LineList).region
    lines = shown_text(pilot.app).split("\n")[region.y + 1 : region.bottom]
    return [
        line[region.x : region.right].strip() for line in lines if line[region.x : region.right].strip(" │")
    ]


def row_with(pilot: Pilot[Any], text: str) -> str:
    return next((row for row in rows(pilot) if text in row), "")


async def test_events_stand_on_the_line_at_their_time(study: Study) -> None:
    oldest = study.services.snapshots.list(study.master.id)[-1]
    study.services.staging.add(StateRef(study.master.id, oldest.id), [], [], [], everything=True)
    study.services.distribution.distribute(study.space.id, [study.reviewer.id], Strategies(), "For you.")
    study.services.restore.restore(oldest.id)
    async with opened(study) as pilot:
        await until(pilot, lambda: row_with(pilot, "as in first-data"), "what was restored")
        signs = [row.lstrip("▌ ")[:2] for row in rows(pilot)]
        assert signs == ["┌◉", "├↺", "├→", "├◆", "└◆"]
        assert "before restore of first-data" in row_with(pilot, "↺")
        assert "distributed first-data to reviewer" in row_with(pilot, "→")
        await press(pilot, "down")
        await until(pilot, lambda: says(pilot, "What was here before first-data was restored"), "the cause")
        await press(pilot, "down")
        await until(pilot, lambda: says(pilot, "Message  For you."), "the distribution")
        assert not says(pilot, "a stage"), "an event is no state"
        await press(pilot, "r", "d", "e", "a", "c", "space", "up")
        assert not pilot.app.screen.is_modal
        assert pilot.app.screen.query_one("#snapshots", LineList).marked == set()
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "Past distributions"), "all distributions")
    async with opened(study, study.reviewer_root) as pilot:
        await until(pilot, lambda: says(pilot, "For you."), "the message")
        await press(pilot, "escape")
        await until(pilot, lambda: row_with(pilot, "before receiving from Master: "), "what came in")
        assert "└←" in row_with(pilot, "before receiving")


async def test_automatic_snapshots_that_follow_each_other_are_one_line(study: Study) -> None:
    restored_twice(study)
    async with opened(study) as pilot:
        await until(pilot, lambda: row_with(pilot, "2 automatic: 2 restores"), "the group")
        assert not row_with(pilot, "before restore")
        await press(pilot, "down", "enter")
        assert len([row for row in rows(pilot) if "before restore" in row]) == 2
        assert "▾" in row_with(pilot, "2 automatic")
        await press(pilot, "down", "z")  # from within
        assert not row_with(pilot, "before restore")
        assert row_with(pilot, "2 automatic").startswith("▌"), "the cursor is on the group"
        await press(pilot, "g", "Z")
        assert row_with(pilot, "before restore of first-data")
        await press(pilot, "Z")
        assert not row_with(pilot, "before restore")


async def test_a_marked_group_is_deleted_as_its_dialog_lists_it(study: Study) -> None:
    restored_twice(study)
    async with opened(study) as pilot:
        await until(pilot, lambda: row_with(pilot, "2 automatic"), "the group")
        await press(pilot, "down", "space")
        assert "●" in row_with(pilot, "2 automatic")
        await press(pilot, "d")
        text = dialog_text(pilot)
        assert "Deletes 2 snapshots for ever" in text
        assert "before restore of first-data" in text
        assert "before restore of second-data" in text
        await press(pilot, "right", "enter")
        names = study.services.snapshots.list
        await until(
            pilot,
            lambda: [each.name for each in names(study.master.id)] == ["second-data", "first-data"],
            "the deletion",
        )


async def test_the_filter_knows_terms_and_looks_into_closed_groups(study: Study) -> None:
    restored_twice(study)
    async with opened(study) as pilot:
        await until(pilot, lambda: row_with(pilot, "2 automatic"), "the group")
        await press(pilot, "slash")
        assert says(pilot, "name: author: kind: before: after: on:")
        await type_text(pilot, "kind:restored first")
        await until(pilot, lambda: len(rows(pilot)) == 1, "what is found")
        assert "before restore of first-data" in rows(pilot)[0]
        assert says(pilot, "1 found")
        await press(pilot, "enter")
        assert not says(pilot, "name: author:"), "the prompt and its hint are gone"
        await press(pilot, "escape")
        await until(pilot, lambda: row_with(pilot, "2 automatic").startswith("▌"), "all of it, folded")


async def test_a_term_that_is_wrong_is_said_beneath_the_prompt(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "slash")
        await type_text(pilot, "colour:red second")
        await until(pilot, lambda: says(pilot, "There is no term colour:"), "the sentence")
        await until(pilot, lambda: len(rows(pilot)) == 1, "what the rest finds")
        await press(pilot, "enter")
        assert says(pilot, "There is no term colour:"), "it is not left like this"
        await press(pilot, "escape")
        assert not says(pilot, "There is no term")
        assert len(rows(pilot)) == 3


async def test_what_is_compared_is_said_and_in_the_order_of_time(study: Study) -> None:
    oldest = study.services.snapshots.list(study.master.id)[-1]
    async with opened(study) as pilot:
        await press(pilot, "G", "space")
        assert says(pilot, "c compares it with the one under the cursor")
        await press(pilot, "g", "space")
        assert says(pilot, "c compares first-data with Current State")
        pane = app_of(pilot).main_screen.pane("timeline")
        values = pane.command_values()
        assert (values["old"], values["new"]) == (oldest.id[:8], "current")
        await press(pilot, "space")  # a third one: to delete, not to compare
        assert says(pilot, "3 marked")
        assert says(pilot, "c compares two")
        await press(pilot, "c")
        assert not says(pilot, "2 Contents")
        await press(pilot, "up", "space", "g", "c")
        await until(pilot, lambda: says(pilot, "(first-data) to Current State"), "the changes")


async def test_a_marked_state_is_compared_with_the_one_under_the_cursor(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "space", "c")  # the mark goes on to the older one
        await until(pilot, lambda: says(pilot, "(first-data) to snapshot"), "the changes")


async def test_the_detail_follows_when_the_cursor_rests(study: Study) -> None:
    async with opened(study) as pilot:
        await until(pilot, lambda: says(pilot, "Changed since second-data"), "the status")
        resting = pilot.app.screen.query_one(Timeline).resting
        resting.seconds = 3600.0
        await press(pilot, "down")
        assert says(pilot, "Changed since second-data"), "not at each key"
        resting.seconds = 0.01
        await press(pilot, "down", "up")
        await until(pilot, lambda: says(pilot, "What b brought."), "the detail")


async def test_u_waits_for_the_restore_that_runs(study: Study) -> None:
    newest = study.services.snapshots.list(study.master.id)[0]
    done = study.services.restore.restore(newest.id)
    before = TaskView(
        "1" * 16, "restore", "Restore an older one", space=study.space.id, instance=study.master.id,
        status=TaskStatus.COMPLETED, created="2026-01-01T00:00:00+00:00", result=msgspec.to_builtins(done),
    )  # fmt: skip
    running = TaskView(
        "2" * 16, "restore", "Restore second-data to Master", space=study.space.id, instance=study.master.id,
        status=TaskStatus.RUNNING, created="2026-01-02T00:00:00+00:00",
    )  # fmt: skip
    assert under_way([running, before], study.space.id, study.master.id) is running
    assert under_way([running, before], study.space.id, study.reviewer.id) is None
    assert under_way([before], study.space.id, study.master.id) is None
    async with opened(study) as pilot:
        said: list[str] = []
        app = app_of(pilot)
        app.notify = lambda message, **_: said.append(message)  # type: ignore[method-assign, assignment]
        app.tasks = [running, before]
        await press(pilot, "u")
        assert said == ["Restore second-data to Master is still running: when it is done, u undoes it."]
        assert not pilot.app.screen.is_modal


async def test_a_viewer_sees_what_is_possible_first_and_is_told_why_the_rest_is_not(study: Study) -> None:
    newest, oldest = study.services.snapshots.list(study.master.id)
    study.services.restore.restore(oldest.id)
    drop_privileges_of(study, Role.VIEWER)
    async with opened(study, size=(160, 45)) as pilot:
        await press(pilot, "G")
        footer = shown_text(pilot.app).split("\n")[-1]
        assert footer.index("c compare") < footer.index("s snapshot")
        assert not says(pilot, "u undoes")
        for key in "sSred":
            await press(pilot, key)
            await until(pilot, lambda: says(pilot, "needs the role instance editor"), f"why {key} is refused")
            await press(pilot, "escape")
        assert len(study.services.snapshots.list(study.master.id)) == 3
        assert newest.id in {each.id for each in study.services.snapshots.list(study.master.id)}


async def test_names_in_the_list_are_harmless(study: Study) -> None:
    newest = study.services.snapshots.list(study.master.id)[0]
    name = "数据 مرحبا 🐧 " + "x" * 150
    study.services.snapshots.rename(newest.id, name)
    async with opened(study) as pilot:
        await until(pilot, lambda: row_with(pilot, "数据"), "the name")
        assert row_with(pilot, "数据").rstrip(" │").endswith("now")
        await press(pilot, "down", "space", "down", "space")
        await settle(pilot)
        assert says(pilot, "c compares first-data with")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9_999, "9.9k"), (10_000, "10k"), (999_999, "999k"),
     (1_000_000, "1.0M"), (123_456_789, "123M"), (5_000_000_000, "999M")],
)  # fmt: skip
def test_counts_take_four_cells(count: int, text: str) -> None:
    assert compact(count) == text


@pytest.mark.parametrize("width", [*range(30, 200, 7)])
@pytest.mark.parametrize("several", [True, False])
def test_columns_fill_the_width(width: int, several: bool) -> None:
    made = Columns.of(width, several).line(
        (("├", ""), ("◆ ", "")), ("数据 " * 30, ""), changed=(("+1", ""),) * 3, age="now"
    )
    from nuvtui.tui.toolkit.lines import width_of

    assert width_of(made.text) == max(width, width_of(made.text) if width < 40 else 0)
