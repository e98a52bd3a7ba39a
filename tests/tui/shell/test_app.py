"""The app: places, palette, help, dialogs, copying, tasks, changes by others, leaving."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import Input

from nuvtui.catalog.catalog import Catalog
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.paths import Home, Workspace
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.shell.quit import QuitDialog
from nuvtui.tui.toolkit import theme
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.dialogs.base import Choices
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog, MessageDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.dialogs.typed import TypedDialog
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import line
from tests.tui import sample
from tests.tui.conftest import ROOT, populated
from tests.tui.harness import ended, notices, running, settle, shown, shown_text, until
from tests.worker import running as tasks


def pane(app: NuvApp, identifier: str) -> Any:
    found = app.main_screen.pane(identifier)
    assert found is not None
    return found


def hostile(text: str) -> bool:
    return any(ord(char) < 32 or 127 <= ord(char) < 160 or 0x202A <= ord(char) <= 0x202E for char in text)


# places


async def test_each_place_fills_a_small_screen_and_is_made_when_it_is_shown(app: NuvApp) -> None:
    async with running(app) as pilot:
        assert [made.id for made in app.main_screen.panes] == ["timeline"]
        for key, identifier in (
            ("2", "contents"),
            ("3", "stage"),
            ("4", "exports"),
            ("5", "tasks"),
            ("1", "timeline"),
        ):
            await pilot.press(key)
            await settle(pilot)
            assert [made.id for made in app.main_screen.panes if made.display] == [identifier]
            assert pane(app, identifier).region.size == (80, 22)
            assert app.focused is not None
            assert pane(app, identifier) in app.focused.ancestors_with_self


async def test_wide_screens_show_three_places_side_by_side(app: NuvApp) -> None:
    async with running(app, (160, 45)) as pilot:
        made = [pane(app, name) for name in ("timeline", "contents", "stage")]
        assert all(each.display for each in made)
        assert made[0].region.right == made[1].region.x
        assert made[1].region.right == made[2].region.x
        assert made[2].region.right == 160
        await pilot.press("2")
        await settle(pilot)
        assert made[1] in app.focused.ancestors_with_self  # type: ignore[union-attr]
        await pilot.press("4")
        await settle(pilot)
        assert pane(app, "exports").region.width == 160
        assert not any(each.display for each in made)
        await pilot.press("3")
        await settle(pilot)
        assert all(each.display for each in made)
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert [each.id for each in made if each.display] == ["stage"]
        await pilot.resize_terminal(130, 30)
        await settle(pilot)
        assert all(each.display for each in made)


async def test_the_focus_of_a_place_is_where_it_was(app: NuvApp) -> None:
    async with running(app) as pilot:
        await pilot.press("j", "j", "tab")
        focused = app.focused
        await pilot.press("2", "j", "1")
        await settle(pilot)
        assert app.focused is focused
        assert pane(app, "timeline").query_one(LineList).cursor == 2


@pytest.mark.parametrize("size", [(59, 24), (80, 19), (10, 3)])
async def test_a_terminal_that_is_too_small_is_told_the_size(app: NuvApp, size: tuple[int, int]) -> None:
    async with running(app, size) as pilot:
        if size[1] > 3:
            assert "nuvtui needs 60 x 20." in shown_text(app)
        await pilot.resize_terminal(60, 20)
        await settle(pilot)
        assert "snapshot-2" in shown_text(app)


async def test_the_footer_shows_the_keys_of_the_focus_and_never_breaks(app: NuvApp) -> None:
    async with running(app) as pilot:
        assert shown(app)[-1].split("   ")[0].strip().startswith("Enter open  x do  Space mark  / filter")
        assert "q quit" in shown(app)[-1]
        await pilot.press("tab")
        await pilot.pause()
        assert "Space mark" not in shown(app)[-1]
        assert "x do" in shown(app)[-1]
        await pilot.resize_terminal(60, 20)
        await settle(pilot)
        assert shown(app)[-1].endswith("q quit")


# commands


async def test_the_palette_runs_what_is_found_with_its_keys_shown(app: NuvApp) -> None:
    async with running(app) as pilot:
        await pilot.press("ctrl+p", *"do one")
        await pilot.pause()
        text = shown_text(app)
        assert "Do One" in text
        assert [each for each in shown(app) if "Do One" in each and " x" in each]
        await pilot.press("enter")
        await settle(pilot)
        assert pane(app, "timeline").did == 1
        await pilot.press("ctrl+p", *"go to exports", "enter")
        await settle(pilot)
        assert app.main_screen.current == "exports"
        await pilot.press("ctrl+p", *"nothing like it")
        await until(pilot, lambda: "Nothing like that." in shown_text(app))
        await pilot.press("enter", "escape")
        await pilot.pause()
        assert len(app.screen_stack) == 1


async def test_help_lists_every_command_around_the_focus(app: NuvApp) -> None:
    async with running(app, (120, 300)) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        text = shown_text(app)
        for scope in ("one", "list", "app"):
            for command in REGISTRY.of(scope):
                assert command.id in text, command.id
                assert command.title in text
        await pilot.press("escape")
        await pilot.pause()
        assert len(app.screen_stack) == 1


async def test_help_begins_with_what_has_the_focus_and_is_searched_by_typing(app: NuvApp) -> None:
    async with running(app) as pilot:
        await pilot.press("?")
        await settle(pilot)
        text = shown_text(app)
        assert "Do One" in text
        assert "Does One." in text
        assert "Lists" not in text, "what every list can do comes after"
        await pilot.press(*"mark range")
        await until(pilot, lambda: "Mark a range" in shown_text(app))
        assert "Begins a range at the cursor" in shown_text(app)
        assert "Do One" not in shown_text(app)
        await pilot.press(*(["backspace"] * 10), *"nosuch")
        await until(pilot, lambda: "Nothing here. Ctrl+P searches everywhere." in shown_text(app))
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_help_fits_the_smallest_screen_and_scrolls(app: NuvApp) -> None:
    async with running(app, (60, 20)) as pilot:
        await pilot.press("?")
        await settle(pilot)
        assert "Close" in shown_text(app)
        before = shown(app)
        await pilot.press("pagedown")
        await pilot.pause()
        assert shown(app) != before
        await pilot.press("enter")
        await pilot.pause()
        assert len(app.screen_stack) == 1


async def test_everything_can_be_shown_as_a_command_that_is_safe_to_paste(
    app: NuvApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(app) as pilot:
        copied: list[Copy] = []
        monkeypatch.setattr(app, "copy", copied.append)
        await pilot.press("colon")
        await settle(pilot)
        assert "nuvtui do $'evil" in shown_text(app)
        await pilot.press("y")
        await pilot.pause()
        text = copied[0].text
        assert not hostile(text)
        ran = subprocess.run(
            ["bash", "-c", f'nuvtui() {{ printf %s "$2"; }}; {text}'], capture_output=True, check=True
        )
        assert ran.stdout == sample.HOSTILE.encode("utf-8", "surrogateescape")


# hostile text


async def test_outside_text_is_harmless_wherever_it_is_shown(app: NuvApp) -> None:
    async with running(app, (160, 45)) as pilot:
        await pilot.press("tab", "tab")
        app.notify(sample.HOSTILE, title=sample.HOSTILE)
        pane(app, "contents").set_title(sample.HOSTILE, sample.HOSTILE)
        await settle(pilot)
        assert not any(hostile(each) for each in shown(app))
        assert "[@click=quit]" in shown_text(app), "no markup in outside text"
        app.show_error(NuvError(sample.HOSTILE, sample.HOSTILE, sample.HOSTILE))
        await settle(pilot)
        assert not any(hostile(each) for each in shown(app))
        await pilot.press("escape")
        app.push_screen(
            ConfirmDialog(sample.HOSTILE, [sample.HOSTILE], sample.HOSTILE, backup=sample.HOSTILE)
        )
        await settle(pilot)
        assert not any(hostile(each) for each in shown(app))
        await pilot.press("escape")
        app.push_screen(
            TextDialog(sample.HOSTILE, [TextField("a", sample.HOSTILE, sample.HOSTILE, sample.HOSTILE)], "OK")
        )
        await settle(pilot)
        assert not any(hostile(each) for each in shown(app))


def test_the_last_line_of_defence_drops_what_a_widget_let_through() -> None:
    from rich.segment import Segment
    from textual.color import Color

    raw = "a\x1b[31mb\x9b2J\x07\u202ec\udc80"
    clean = theme.Harmless(False).apply([Segment(raw)], Color(0, 0, 0))
    assert clean[0].text == "a[31mb2Jc"
    ascii_only = theme.Harmless(True).apply([Segment("é漢▌x")], Color(0, 0, 0))
    assert ascii_only[0].text == "????x"


# dialogs


async def test_a_destructive_dialog_lists_and_focuses_cancel(app: NuvApp) -> None:
    async with running(app) as pilot:
        answers: list[object] = []
        changes = [line("Replaces 12 files"), line("  analysis.py")]
        dialog = ConfirmDialog(
            "Restore", changes, "Restore", destructive=True, backup="Snapshot before-restore first."
        )
        app.push_screen(dialog, answers.append)
        await settle(pilot)
        text = shown_text(app)
        assert "Replaces 12 files" in text
        assert "analysis.py" in text
        assert "Snapshot before-restore first." in text
        assert "[ Cancel ]" in text
        await pilot.press("r")
        await pilot.pause()
        assert answers == [], "a letter does not do what cannot be undone by a letter"
        await pilot.press("enter")
        await pilot.pause()
        assert answers == [None]
        app.push_screen(ConfirmDialog("Restore", changes, "Restore", destructive=True), answers.append)
        await settle(pilot)
        await pilot.press("right", "enter")
        await pilot.pause()
        assert answers == [None, True]


async def test_a_word_has_to_be_typed(app: NuvApp) -> None:
    async with running(app) as pilot:
        answers: list[object] = []
        app.push_screen(TypedDialog("Mirror", ["Removes 3 files"], "remove", "Distribute"), answers.append)
        await settle(pilot)
        await pilot.press("right", "enter")
        await pilot.pause()
        assert answers == []
        await pilot.press("tab" if app.focused is None else "r", *"emove")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "remove"
        await pilot.press("enter", "enter")
        await settle(pilot)
        assert answers == [True]


async def test_a_form_advises_refuses_and_keeps_what_was_typed(app: NuvApp) -> None:
    async with running(app) as pilot:
        answers: list[object] = []
        dialog = TextDialog(
            "Snapshot",
            [TextField("name", "Name"), TextField("text", "Description")],
            "Take",
            advise=lambda texts: "That says nothing." if texts["name"] == "test" else None,
            refuse=lambda texts: "A name, please." if not texts["name"] else None,
        )
        app.push_screen(dialog, answers.append)
        await settle(pilot)
        await pilot.press("enter", *"words", "enter")
        await settle(pilot)
        assert "A name, please." in shown_text(app)
        await pilot.press(*"test")
        await settle(pilot)
        assert "That says nothing." in shown_text(app)
        await pilot.press("down", "enter")
        await settle(pilot)
        assert answers == [{"name": "test", "text": "words"}]


async def test_the_same_error_is_not_piled_up(app: NuvApp) -> None:
    async with running(app) as pilot:
        for _ in range(3):
            app.show_error(NuvError("Gone", "the disk is gone"))
            await settle(pilot)
        assert sum(isinstance(screen, MessageDialog) for screen in app.screen_stack) == 1


# reads in threads


async def test_of_several_reads_the_last_one_counts(app: NuvApp) -> None:
    async with running(app) as pilot:
        one = pane(app, "timeline")
        first = threading.Event()
        got: list[str] = []
        one.load(lambda: (first.wait(120), "first")[1], got.append)
        one.load(lambda: "second", got.append)
        await until(pilot, lambda: got)
        first.set()
        await settle(pilot)
        assert got == ["second"]


async def test_an_error_of_a_read_is_told(app: NuvApp) -> None:
    async with running(app) as pilot:

        def failing() -> None:
            raise NuvError("The store is locked", "by another", "Wait.", Exit.CONFLICT)

        pane(app, "timeline").load(failing, lambda _: None)
        await settle(pilot)
        await until(pilot, lambda: "The store is locked" in shown_text(app))
        handled: list[NuvError] = []
        await pilot.press("escape")
        pane(app, "timeline").load(failing, lambda _: None, failed=handled.append)
        await settle(pilot)
        assert [error.title for error in handled] == ["The store is locked"]


async def test_nothing_arrives_at_a_widget_that_is_gone(app: NuvApp) -> None:
    async with running(app) as pilot:
        one = pane(app, "timeline")
        go = threading.Event()
        got: list[int] = []
        one.load(lambda: (go.wait(120), 1)[1], got.append)
        await one.remove()
        go.set()
        await settle(pilot)
        assert got == []


def test_a_fault_of_the_program_goes_to_the_log_and_the_user_gets_a_sentence(
    home: Home, workspace: Workspace
) -> None:
    populated(home, workspace)
    script = """
import asyncio, sys
from pathlib import Path
from nuvtui.config import Settings
from nuvtui.tui.shell.app import NuvApp
from tests.tui import sample
async def main():
    app = NuvApp(Settings(home=sys.argv[1]), Path(sys.argv[2]), panes=sample.PANES)
    async with app.run_test() as pilot:
        app.main_screen.pane("timeline").load(lambda: 1 / 0, print)
        await app.jobs.settled()
        await pilot.pause()
asyncio.run(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(home.root), str(workspace.root)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert "ZeroDivisionError" in home.log.read_text()
    assert "unexpected error" in ran.stderr
    assert str(home.log) in ran.stderr


# where one is, and what others do


class Heard(sample.One):
    """Counts what it is told."""

    told = 0
    seen: Any = ()

    def state_changed(self) -> None:
        self.told += 1

    def tasks_changed(self, tasks: Any) -> None:
        self.seen = tasks


@pytest.fixture
def located(home: Home, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> NuvApp:
    from nuvtui.tui.common.feature import PaneSpec

    populated(home, workspace)
    spec = PaneSpec("timeline", __name__, "Heard")
    return NuvApp(Settings(home=str(home.root)), workspace.root, panes=[spec])


async def test_the_header_says_where_one_is_and_as_whom(located: NuvApp) -> None:
    async with running(located):
        assert shown(located)[0].startswith(" nuvtui  Penguins␛[31m / Master / Current State")
        assert shown(located)[0].endswith("space administrator")


async def test_a_change_by_another_process_shows_by_itself(located: NuvApp, home: Home) -> None:
    async with running(located) as pilot:
        heard = pane(located, "timeline")
        before = heard.told
        state = Catalog(home)
        with state.transaction() as tx:
            instance = tx.instances.all()[0]
            tx.instances.put(msgspec.structs.replace(instance, name="Renamed"))
        await until(pilot, lambda: "Renamed" in shown(located)[0], "the new name")
        assert heard.told > before


async def test_a_place_that_is_not_on_the_screen_hears_of_it_when_it_is_shown(app: NuvApp) -> None:
    heard: list[str] = []

    async with running(app) as pilot:
        await pilot.press("2", "1")
        await settle(pilot)
        two = pane(app, "contents")
        two.state_changed = lambda: heard.append("state")
        two.tasks_changed = lambda tasks: heard.append("tasks")
        two.tell_state()
        two.tell_state()
        two.tell_tasks([])
        assert heard == []
        await pilot.press("2")
        await settle(pilot)
        assert heard == ["state", "tasks"]


async def test_tasks_are_counted_and_their_end_is_told(located: NuvApp, home: Home, tmp_path: Path) -> None:
    async with running(located) as pilot:
        identifier = tasks.start(home, "hold", folder=str(tmp_path))
        tasks.ready(tmp_path)
        await until(pilot, lambda: "1 running" in shown(located)[0], "the running task in the header")
        (tmp_path / "go").touch()
        tasks.ended(home, identifier)
        await until(pilot, lambda: "running" not in shown(located)[0], "the end of the task")
        assert any("Do hold completed" in notice for notice in notices(located))
        assert pane(located, "timeline").seen[0].id == identifier


async def test_what_ended_meanwhile_is_told_at_the_next_start(
    home: Home, workspace: Workspace, tmp_path: Path
) -> None:
    populated(home, workspace)

    def another() -> NuvApp:
        return NuvApp(Settings(home=str(home.root)), workspace.root, panes=sample.PANES)

    identifier = tasks.start(home, "hold", folder=str(tmp_path))
    tasks.ready(tmp_path)
    async with running(another()):
        pass
    (tmp_path / "go").touch()
    tasks.ended(home, identifier)
    app = another()
    async with running(app) as pilot:
        await until(pilot, lambda: "Do hold completed" in shown_text(app))
        assert "While you were away" in shown_text(app)
    again = another()
    async with running(again):
        assert "While you were away" not in shown_text(again), "told once"


# leaving


async def test_q_leaves_at_once_where_nothing_runs(app: NuvApp) -> None:
    async with running(app) as pilot:
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


async def test_leaving_with_work_running_names_it_and_leaves_it_running_by_default(
    home: Home, workspace: Workspace, tmp_path: Path
) -> None:
    populated(home, workspace)
    from nuvtui.services.context import system_user
    from nuvtui.worker import lifecycle
    from nuvtui.worker.submit import submit

    request = msgspec.structs.replace(tasks.request("wait", folder=str(tmp_path)), user=system_user())
    identifier = submit(home, request, worker=tasks.WORKER)
    (pid,) = tasks.ready(tmp_path)
    try:
        app = NuvApp(Settings(home=str(home.root)), workspace.root, panes=sample.PANES)
        async with running(app) as pilot:
            await pilot.press("q")
            await settle(pilot)
            assert isinstance(app.screen, QuitDialog)
            assert "Do wait" in shown_text(app)
            assert "[ Leave it running ]" in shown_text(app)
            await pilot.press("s")
            await settle(pilot)
            assert len(app.screen_stack) == 1, "s stays"
            await pilot.press("ctrl+c")
            await settle(pilot)
            await pilot.press("enter")
            await pilot.pause()
        assert app.return_code == 0
        assert tasks.alive(pid)
        other = NuvApp(Settings(home=str(home.root)), workspace.root, panes=sample.PANES)
        async with running(other) as pilot:
            await pilot.press("q")
            await settle(pilot)
            other.screen.query_one(Choices).post_message(Choices.Chosen("cancel"))
            await until(pilot, lambda: ended(other), "the end")
    finally:
        lifecycle.cancel(home, identifier)  # whatever failed, nothing goes on after the test
    assert not tasks.alive(pid)
    assert tasks.ended(home, identifier).status == "CANCELLED"


# start


def test_starting_imports_no_engine_database_or_registry(home: Home, workspace: Workspace) -> None:
    populated(home, workspace)
    script = """
import asyncio, json, sys
from pathlib import Path
from nuvtui.config import Settings
from nuvtui.tui.shell.app import NuvApp
from tests.tui import sample
async def main():
    app = NuvApp(Settings(home=sys.argv[1]), Path(sys.argv[2]), panes=sample.PANES)
    async with app.run_test() as pilot:
        await app.jobs.settled()
        await pilot.pause()
        assert app.context.instance is not None
        print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
asyncio.run(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(home.root), str(workspace.root)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=True,
    )
    loaded = set(json.loads(ran.stdout))
    assert not loaded & {
        "docker",
        "duckdb",
        "tinydb",
        "oras",
        "requests",
        "detect_secrets",
        "pyarrow",
        "yaml",
    }


def test_the_package_itself_imports_nothing() -> None:
    script = "import sys, nuvtui.tui; print('textual' in sys.modules, 'rich' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.split() == ["False", "False"]


def test_an_unknown_theme_is_refused_with_those_there_are(home: Home) -> None:
    with pytest.raises(NuvError) as caught:
        NuvApp(Settings(home=str(home.root), theme="pink"), home.root, panes=sample.PANES)
    assert "nuvtui-light" in caught.value.hint


async def test_light_and_dark(app: NuvApp) -> None:
    async with running(app) as pilot:
        assert app.theme == "nuvtui-dark"
        await pilot.press("ctrl+p", *"another theme", "enter")
        await settle(pilot)
        assert app.theme == "nuvtui-light"


__all__ = ["Heard", "Pane"]
