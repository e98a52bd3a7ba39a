"""Keys that arrive all at once, as over a slow line, do what they do when they are typed one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import NUVTUI
from tests.support.terminal import Terminal
from tests.tui.states import Study, study_with_past


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
