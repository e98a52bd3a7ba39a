"""The screens under test: an app that runs, keys, waiting for what they ask for, and what is to be seen.

What of Textual has a private name is asked for here alone.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.detail_list import DetailList
from tests.support import rest
from tests.support.waiting import PATIENCE

rest.install()


@asynccontextmanager
async def running(
    app: NuvApp, size: tuple[int, int] = (80, 24), notices: bool = True
) -> AsyncIterator[Pilot[None]]:
    """The app, after everything that it reads at its start. `notices`: show them."""
    async with app.run_test(size=size, notifications=notices) as pilot:
        await settle(pilot)
        yield pilot


def app_of(pilot: Pilot[Any]) -> NuvApp:
    """The app of a pilot."""
    assert isinstance(pilot.app, NuvApp)
    return pilot.app


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until nothing is read any more and everything is drawn."""
    await pilot.pause()
    for _ in range(3):
        await app_of(pilot).jobs.settled()
        await pilot.pause()


async def until(
    pilot: Pilot[Any], condition: Callable[[], Any], what: str = "this", seconds: float = PATIENCE
) -> None:
    """Wait until `condition` holds, while the app works. Raises AssertionError with the screen."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s; the screen is\n{shown_text(pilot.app)}")
        await pilot.pause(0.02)
    await pilot.pause()


# keys


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys and wait for what they ask for."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def type_text(pilot: Pilot[Any], text: str) -> None:
    """Type a text."""
    names = {" ": "space", "-": "minus", ".": "full_stop", "/": "slash", ",": "comma", ":": "colon"}
    await pilot.press(*(names.get(char, char) for char in text))
    await pilot.pause()


async def fill(pilot: Pilot[Any], *texts: str) -> None:
    """Put texts into the fields of the dialog in front, the first one first; leave with Enter at the last one."""
    fields = list(pilot.app.screen.query(Input))
    for field, text in zip(fields, texts, strict=False):
        field.value = text
    fields[-1].focus()
    await press(pilot, "enter")


# what is to be seen


def strips(app: App[Any]) -> list[Strip]:
    """The lines on the screen, with their styles."""
    found = app.screen._compositor.render_strips()
    assert len(found) == app.size.height
    return found


def shown(app: App[Any]) -> list[str]:
    """What is on the screen, line by line."""
    return [strip.text.rstrip() for strip in strips(app)]


def shown_text(app: App[Any]) -> str:
    """What is on the screen."""
    return "\n".join(shown(app))


def words(pilot: Pilot[Any]) -> str:
    """What is on the screen as one line of words, without frames: for sentences that may be wrapped."""
    text = shown_text(pilot.app)
    for char in "│╭╮╰╯─┃║═":
        text = text.replace(char, " ")
    return " ".join(text.split())


def says(pilot: Pilot[Any], sentence: str) -> bool:
    """Whether `sentence` stands on the screen, wherever it is wrapped."""
    return "".join(sentence.split()) in "".join(words(pilot).split())


def dialog_text(pilot: Pilot[Any]) -> str:
    """What the dialog in front says, as one line of words."""
    region = pilot.app.screen.query_one("#dialog").region
    rows = shown(pilot.app)[region.y + 1 : region.bottom - 1]
    return " ".join(" ".join(row[region.x + 1 : region.right - 1].strip(" │┃") for row in rows).split())


def texts(pilot: Pilot[Any]) -> str:
    """What the texts of the screen or dialog in front hold, not wrapped."""
    panes = pilot.app.screen.query(DetailPane)
    details = pilot.app.screen.query(DetailList)
    said = [item.text for pane in panes for item in pane._lines]
    return "\n".join([*said, *(field.text for details in details for field in details.fields)])


def notices(app: App[Any]) -> list[str]:
    """The notices that are shown."""
    return [notice.message for notice in app._notifications]


def ended(app: App[Any]) -> bool:
    """Whether the app was left, or failed."""
    return app._exit or app._exception is not None
