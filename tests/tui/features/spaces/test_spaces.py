"""Welcome, spaces and instances, members and messages, by their keys."""

from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.model.distribution import Strategies
from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from nuvtui.paths import Home
from nuvtui.tui.features.spaces.welcome import demo_folder
from nuvtui.tui.shell.app import NuvApp
from tests.tui.harness import dialog_text, fill, press, says, settle, until
from tests.tui.sharing import Study, lay_out
from tests.tui.states import opened


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return lay_out(tmp_path, table=False)


async def test_a_folder_in_no_space_becomes_one(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "my project"
    folder.mkdir()
    (folder / "README.md").write_text("# Mine\n")
    app = NuvApp(Settings(home=str(home.root)), folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "This folder is in no space yet"), "the welcome")
        await press(pilot, "enter")
        await fill(pilot, "mine")
        await until(pilot, lambda: says(pilot, "No snapshot yet"), "the Timeline")
        assert says(pilot, "mine / Master")
    assert (folder / ".nuvtui" / "ignore").exists()


async def test_the_welcome_leads_to_a_space(study: Study, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with opened(study, elsewhere) as pilot:
        await until(pilot, lambda: says(pilot, "Go to space study"), "the welcome")
        await press(pilot, "down", "enter")
        await until(pilot, lambda: says(pilot, "first-data"), "the Timeline of the space")


async def test_the_demo_is_laid_out(home: Home, tmp_path: Path) -> None:
    app = NuvApp(Settings(home=str(home.root)), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "Look at the demo"), "the welcome")
        await press(pilot, "d", "enter")
        await until(pilot, lambda: says(pilot, "first-results"), "the demo's Timeline")
    assert (tmp_path / "nuvtui-demo" / "penguins" / "analysis.py").exists()


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_welcome_says_what_this_is_and_what_can_be_done(
    home: Home, tmp_path: Path, size: tuple[int, int]
) -> None:
    folder = tmp_path / "project\x1b[31m"
    folder.mkdir()
    (folder / "analysis.py").write_text("print(1)\n")
    app = NuvApp(Settings(home=str(home.root)), folder)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for words in (
            "Preserve",
            "Share",
            "Hand over",
            "Open this folder as a space",
            "Look at the demo",
            "Quit",
        ):
            await until(pilot, lambda words=words: says(pilot, words), words)
        await until(pilot, lambda: says(pilot, "It holds analysis.py."), "what is in the folder")
        assert says(pilot, "The words") == (size[0] >= 120)
        await press(pilot, "escape", "q")
    assert app.return_code == 0


async def test_the_demo_is_opened_again_and_the_home_folder_warned_of(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nuvtui.bootstrap import open_services

    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(home=str(home.root))
    (tmp_path / "nuvtui-demo").mkdir()
    (tmp_path / "elsewhere").mkdir()
    open_services(settings).spaces.init(tmp_path / "elsewhere", "penguins")
    app = NuvApp(settings, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: says(pilot, "It is your home folder"), "the warning")
        await until(pilot, lambda: says(pilot, "laid out before"), "the demo that is there")
        await press(pilot, "d")
        await until(pilot, lambda: says(pilot, "penguins / Master"), "the demo's Timeline")
    assert demo_folder(tmp_path) == tmp_path / "nuvtui-demo-2"


async def test_another_instance_is_opened_made_and_deleted(study: Study, tmp_path: Path) -> None:
    def names() -> list[str]:
        return [instance.name for instance in study.services.instances.list(study.space.id)]

    async with opened(study) as pilot:
        await press(pilot, "o", "o")
        await until(pilot, lambda: says(pilot, "Spaces and instances"), "the spaces")
        await press(pilot, "plus")
        await fill(pilot, "copy", str(tmp_path / "copy"))
        await until(pilot, lambda: "copy" in names(), "the instance")
        await until(pilot, lambda: says(pilot, "copy"), "the instance in the list")
        await press(pilot, "slash", *"copy", "enter", "enter")
        await until(pilot, lambda: says(pilot, "study / copy"), "the instance in the header")
        await press(pilot, "o", "o", "slash", *"copy", "enter", "d")
        assert "instance study/copy" in dialog_text(pilot)
        await press(pilot, "right", "enter")
        await until(pilot, lambda: "copy" not in names(), "the deletion")
        await until(pilot, lambda: says(pilot, "study / Master"), "the instance of the folder")
    assert (tmp_path / "copy").is_dir()


async def test_members_are_added_changed_and_removed(study: Study) -> None:
    def roles() -> dict[str, str]:
        return {member.user: member.role for member in study.services.members.list(study.space.id)}

    me = study.services.user
    async with opened(study) as pilot:
        await press(pilot, "o")
        await until(pilot, lambda: says(pilot, "reviewer"), "the overview")
        await press(pilot, "m")
        await until(pilot, lambda: says(pilot, "whole space"), "the members")
        await press(pilot, "plus")
        await fill(pilot, "nobody")
        await press(pilot, "enter", "down", "down", "enter")
        await until(pilot, lambda: roles().get("nobody") == Role.VIEWER, "the member")
        await until(pilot, lambda: says(pilot, "nobody"), "the member in the list")
        await press(pilot, "g", "e", "down", "enter")
        await until(pilot, lambda: roles().get("nobody") == Role.EDITOR, "the role")
        await until(pilot, lambda: says(pilot, "instance editor"), "the role in the list")
        await press(pilot, "d", "right", "enter")
        await until(pilot, lambda: "nobody" not in roles(), "the end of it")
        await until(pilot, lambda: not says(pilot, "instance editor"), "the list")
        await press(pilot, "d", "right", "enter")  # oneself, the last administrator
        await until(
            pilot, lambda: "A space needs a space administrator" in screen_title(pilot), "the refusal"
        )
    assert roles() == {me: Role.ADMINISTRATOR}


def screen_title(pilot: object) -> str:
    """The title of the dialog in front."""
    dialogs = pilot.app.screen.query("#dialog")  # type: ignore[attr-defined]
    return str(dialogs.first().border_title) if dialogs else ""


async def test_a_message_is_shown_once_and_read(study: Study) -> None:
    services = study.services
    services.staging.add(StateRef(study.master.id), ["notes.md"])
    services.distribution.distribute(
        study.space.id, [study.reviewer.id], Strategies(), "Please look\x1b[2J at it"
    )
    async with opened(study, study.reviewer_root) as pilot:
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1, "the message")
        assert "Please look␛[2J at it" in dialog_text(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: not services.messages.unread(study.reviewer.id), "the mark")
    async with opened(study, study.reviewer_root) as pilot:
        await until(pilot, lambda: says(pilot, "study / reviewer"), "the instance")
        await settle(pilot)
        assert len(pilot.app.screen_stack) == 1
