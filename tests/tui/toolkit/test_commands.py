"""The command registry: keys, clashes, remapping, "as command"."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nuvtui.tui.shell.commands  # noqa: F401  (all commands)
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.paths import Home, Workspace
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.command import Command, Registry, Scope, as_command
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.keys import key_label, normalise, unusable
from tests.tui import sample
from tests.tui.conftest import populated
from tests.tui.harness import running, shown_text


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.register(
        Scope("app", "Everywhere", contains=("*",)),
        Scope("list", "Lists"),
        Scope("log", "Logs"),
        Scope("box", "Dialog", modal=True),
        Scope("left", "Left", contains=("list",)),
        Scope("right", "Right", contains=("log",)),
        Command(id="app.quit", title="Quit", keys="q,ctrl+c"),
        Command(id="list.filter", title="Filter", keys="/"),
        Command(id="log.search", title="Search", keys="/"),
        Command(id="left.go", title="Go", keys="x"),
        Command(id="right.go", title="Go right", keys="x"),
        Command(id="right.quiet", title="Quiet"),
        Command(id="box.close", title="Close", keys="q"),
    )
    return made


def test_no_two_commands_of_the_program_want_the_same_key_at_once() -> None:
    assert REGISTRY.clashes() == []


def test_every_command_can_be_pressed_and_is_explained() -> None:
    for command in REGISTRY.commands.values():
        assert command.title, command.id
        assert command.help or command.scope in {"one", "two", "three", "four"}, command.id
        for key in REGISTRY.keys(command.id):
            assert unusable(key) == "", command.id


def test_the_same_key_is_fine_where_the_two_are_never_together(registry: Registry) -> None:
    registry.remap({})
    assert registry.clashes() == []


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"left.go": "q"}, ["app.quit", "left.go", "q"]),
        ({"left.go": "/"}, ["list.filter", "left.go", "/"]),
        ({"right.go": "question_mark, /"}, ["log.search", "right.go"]),
        ({"app.quit": "x"}, ["app.quit", "left.go"]),
    ],
)
def test_a_clash_is_refused_by_name(registry: Registry, changes: dict[str, str], names: list[str]) -> None:
    with pytest.raises(NuvError) as caught:
        registry.remap(changes)
    text = f"{caught.value.title} {caught.value.message}"
    assert all(name in text for name in names)
    assert caught.value.exit_code == Exit.USAGE
    assert registry.keys("left.go") == ("x",), "a refused change changes nothing"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"left.gone": "y"}, "left.go"),
        ({"left.go": "ctrl+1"}, "digit"),
        ({"left.go": "ctrl+m"}, "enter"),
        ({"left.go": "super+x"}, "modifier"),
        ({"left.go": "nosuchkey"}, "no such key"),
        ({"right.quiet": "y"}, "palette"),
    ],
)
def test_what_cannot_be_a_key_is_refused_with_the_reason(
    registry: Registry, changes: dict[str, str], word: str
) -> None:
    with pytest.raises(NuvError) as caught:
        registry.remap(changes)
    assert word in f"{caught.value.title} {caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code == Exit.USAGE


def test_a_swap_of_two_keys_is_no_clash(registry: Registry) -> None:
    assert registry.remap({"left.go": "/", "list.filter": "x"}) == {"left.go": "slash", "list.filter": "x"}


def test_keys_read_as_people_write_them() -> None:
    assert [key_label(key) for key in normalise("?,f1,ctrl+p,escape,G,/,space,&,shift+tab")] == [
        "?",
        "F1",
        "^P",
        "Esc",
        "G",
        "/",
        "Space",
        "&",
        "Shift+Tab",
    ]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_a_command_line_gives_the_shell_back_what_it_was_made_of(value: str) -> None:
    command = Command(id="x.y", title="X", as_command="printf %s {value}")
    text = as_command(command, {"value": value})
    assert text.isprintable() or all(char == " " or char.isprintable() for char in text)
    ran = subprocess.run(["bash", "-c", text], capture_output=True, check=True)
    assert ran.stdout == value.encode()


def test_what_is_not_known_stays_as_a_word() -> None:
    assert as_command(Command(id="x.y", title="X", as_command="nuvtui do {name}"), {}) == "nuvtui do NAME"


async def test_keys_of_the_settings_work_and_are_what_footer_and_help_show(
    home: Home, workspace: Workspace
) -> None:
    populated(home, workspace)
    settings = Settings(home=str(home.root), keys={"one.go": "f7", "list.down": "f9"})
    app = NuvApp(settings, workspace.root, panes=sample.PANES)
    try:
        async with running(app) as pilot:
            assert "F7 do" in shown_text(app)
            await pilot.press("x", "f7", "f9")
            pane = app.main_screen.pane("timeline")
            assert isinstance(pane, sample.One)
            assert pane.did == 1
            assert pane.query_one("#list", sample.LineList).cursor == 1
            await pilot.press("?")
            assert "F7" in shown_text(app)
    finally:
        REGISTRY.remap({})


def test_the_app_refuses_a_clash_of_the_settings(home: Home) -> None:
    with pytest.raises(NuvError, match="q is given to two commands"):
        NuvApp(Settings(home=str(home.root), keys={"one.go": "q"}), home.root, panes=sample.PANES)
