"""Keys that arrive all at once, as over a slow line, do what they do when they are typed one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import NUVTUI
from tests.support.terminal import Terminal
from tests.tui.sharing import Study
from tests.tui.states import study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


@pytest.fixture
def opened(study: Study, terminal: Callable[..., Terminal]) -> Terminal:
    program = terminal([NUVTUI], 80, 24, environment={"NUVTUI_HOME": study.settings.home}, folder=study.root)
    program.wait_for("second-data")
    program.wait_quiet()
    return program


def test_a_filter(opened: Terminal) -> None:
    opened.send("/", "first", "enter", "j")
    opened.wait_gone("second-data")
    assert "first-data" in opened.text


def test_another_place_and_back_and_a_form(opened: Terminal) -> None:
    opened.send("5", "1", "2", "5", "1", "S", "typed-ahead", "tab", "and here")
    opened.wait_for("typed-ahead")
    opened.wait_for("and here")


def test_a_dialog_is_left_before_the_next_key(opened: Terminal) -> None:
    for key in ("?", "ctrl+p", "?", "S"):
        opened.send(key, "esc")
        opened.wait_quiet(0.1)  # a key right after Esc would be taken for Alt and that key
    opened.send("/", "first", "enter", "q")
    assert opened.wait_end() == 0


def test_the_order_is_kept(opened: Terminal) -> None:
    text = "".join(chr(97 + number % 26) for number in range(60))
    opened.send("/", *text)
    opened.wait_for(text)


@pytest.mark.parametrize("keys", [("?", "esc", "q"), ("ctrl+p", "esc", "/", "first", "enter", "q")])
def test_esc_and_the_next_key_are_two_keys_where_they_arrive_together(
    opened: Terminal, keys: tuple[str, ...]
) -> None:
    opened.send(*keys)
    assert opened.wait_end() == 0


SOONER = [
    (("S", "typed-before"), "typed-before"),
    (("j", "j", "e", "end", "-renamed", "enter"), "-renamed  "),  # in the line, and under it with the id
    (("5", "1", "S", "question", "tab", "typed-before"), "typed-before"),
]


@pytest.mark.parametrize("changed", [False, True], ids=["as they were left", "after a change"])
@pytest.mark.parametrize(("keys", "shows"), SOONER, ids=["name", "rename", "places"])
def test_what_is_typed_before_anything_is_there_is_carried_out(
    study: Study, terminal: Callable[..., Terminal], changed: bool, keys: tuple[str, ...], shows: str
) -> None:
    """The first start after a change of the state has nothing to show at once, and keys wait as well."""
    environment = {"NUVTUI_HOME": study.settings.home}
    before = terminal([NUVTUI], 80, 24, environment=environment, folder=study.root)
    before.wait_for("second-data")
    before.wait_quiet()
    before.send("q")
    before.wait_end()
    if changed:
        study.services.snapshots.create(study.master.id, "second-data-again")
    opened = terminal([NUVTUI], 80, 24, environment=environment, folder=study.root)
    opened.send(*keys)
    opened.wait_for(shows)


@pytest.mark.parametrize("keys", [("q",), ("esc", "q")])
def test_who_leaves_waits_for_nothing(
    sample_terminal: Callable[..., Terminal], keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = sample_terminal(SAMPLE_SLOW="1")
    opened.wait_for("snapshot-3")
    opened.send(*keys)
    assert opened.wait_end() == 0
