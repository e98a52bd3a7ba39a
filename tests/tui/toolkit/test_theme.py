"""The themes: contrasts that can be read, and colours that stay apart where the terminal knows few."""

import itertools
from collections.abc import Callable

import pytest
from rich.color import Color, ColorSystem
from textual.theme import Theme

from nuvtui.tui.toolkit import theme
from tests.support.terminal import Terminal


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG 2 counts it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def texts(each: Theme) -> dict[str, str]:
    return {
        "text": str(each.foreground),
        "muted": each.variables["muted"],
        "accent": str(each.accent),
        "good": str(each.success),
        "warn": str(each.warning),
        "bad": str(each.error),
    }


def grounds(each: Theme) -> dict[str, str]:
    return {
        "background": str(each.background),
        "surface": str(each.surface),
        "panel": str(each.panel),
        "cursor": each.variables["cursor"],
    }


@pytest.mark.parametrize("name", theme.THEMES)
def test_every_text_can_be_read_on_every_ground(name: str) -> None:
    each = theme.THEMES[name]
    least = 7.0 if "contrast" in name else 4.5
    for (tone, colour), (ground, behind) in itertools.product(texts(each).items(), grounds(each).items()):
        assert contrast(colour, behind) >= least, f"{tone} on {ground}"


@pytest.mark.parametrize("name", theme.THEMES)
@pytest.mark.parametrize("colours", ["256", "standard"])
def test_tones_stay_apart_with_few_colours(name: str, colours: str) -> None:
    system = {"256": ColorSystem.EIGHT_BIT, "standard": ColorSystem.STANDARD}[colours]
    each = next(found for found in theme.themes(colours) if found.name == name)
    numbers = {tone: Color.parse(colour).downgrade(system).number for tone, colour in texts(each).items()}
    assert len(set(numbers.values())) == len(numbers), numbers
    behind = {Color.parse(colour).downgrade(system).number for colour in grounds(each).values()}
    assert not behind & set(numbers.values()), "no text is lost on its ground"
    cursor = Color.parse(each.variables["cursor"]).downgrade(system).number
    assert cursor != Color.parse(str(each.background)).downgrade(system).number, "the cursor is seen"


def test_a_key_changes_the_theme_and_says_how_to_keep_it(
    sample_terminal: Callable[..., Terminal],
) -> None:
    terminal = sample_terminal(COLORTERM="truecolor")
    terminal.wait_for("snapshot-3")
    terminal.wait_quiet()
    for wanted, background in (("nuvtui-light", "251;250;247"), ("nuvtui-contrast", "0;0;0")):
        before = len(terminal.raw)
        terminal.send("f6")
        terminal.wait_for(f"Theme {wanted}.")
        terminal.wait_quiet()
        assert f"48;2;{background}".encode() in terminal.raw[before:]
    terminal.wait_for("To keep it")
    terminal.wait_for("config.yaml")


def test_sixteen_colours_are_enough_for_good_and_bad(sample_terminal: Callable[..., Terminal]) -> None:
    terminal = sample_terminal(TERM="xterm", NUVTUI_THEME="nuvtui-contrast")
    terminal.wait_for("snapshot-3")
    assert b"38;2;" not in terminal.raw
    assert b"96m" in terminal.raw or b";96" in terminal.raw, "the accent is cyan"
