"""Where the focus is: after the terminal was too small, by Tab, and by the letters of Contents."""

from pathlib import Path

import pytest

from tests.tui.harness import app_of, press, settle, shown_text, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


@pytest.mark.parametrize("width", [80, 130])
async def test_place_and_focus_survive_a_terminal_that_is_too_small(study: Study, width: int) -> None:
    async with opened(study, size=(width, 24)) as pilot:
        app = app_of(pilot)
        for key, pane in (
            ("1", "timeline"),
            ("2", "contents"),
            ("3", "stage"),
            ("4", "exports"),
            ("5", "tasks"),
        ):
            await press(pilot, key)
            focused = app.focused
            assert focused is not None
            for size in ((50, 15), (30, 8), (width, 24)):
                await pilot.resize_terminal(*size)
                await settle(pilot)
                await until(
                    pilot,
                    lambda size=size: ("nuvtui needs" in shown_text(pilot.app)) == (size[0] < 60),
                    f"{size}",
                )
            assert (app.main_screen.current, app.focused) == (pane, focused)


async def test_a_place_gone_to_while_too_small_has_the_focus_afterwards(study: Study) -> None:
    async with opened(study) as pilot:
        await pilot.resize_terminal(50, 15)
        await press(pilot, "2")
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert app_of(pilot).main_screen.current == "contents"
        await press(pilot, "F")
        assert "[F Files]" in shown_text(pilot.app)


async def test_tab_goes_through_the_places_side_by_side(study: Study) -> None:
    async with opened(study, size=(130, 30)) as pilot:
        app = app_of(pilot)
        seen = []
        for _ in range(4):
            seen.append(app.main_screen.current)
            await press(pilot, "tab")
        assert seen == ["timeline", "contents", "stage", "timeline"]


async def test_tab_goes_through_all_places_one_at_a_time(study: Study) -> None:
    async with opened(study) as pilot:
        app = app_of(pilot)
        seen = [app.main_screen.current]
        for _ in range(12):
            await press(pilot, "tab")
            if app.main_screen.current != seen[-1]:
                seen.append(app.main_screen.current)
        assert seen[:6] == ["timeline", "contents", "stage", "exports", "tasks", "timeline"]
        await press(pilot, "1", "shift+tab")
        assert app.main_screen.current == "tasks"


async def test_the_letters_of_contents_work_from_the_panes_beside_it(study: Study) -> None:
    async with opened(study, size=(130, 30)) as pilot:
        app = app_of(pilot)
        for pane in "13":
            for letter, name in (("F", "Files"), ("T", "Tables"), ("C", "Changes"), ("O", "Overview")):
                await press(pilot, pane, letter)
                await until(pilot, lambda shown=f"[{letter} {name}]": shown in shown_text(pilot.app), name)
                assert app.main_screen.current == "contents"
