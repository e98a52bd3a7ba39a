"""What is waited for is said after a moment, can be left with Esc, and is read again with F5."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from nuvtui.errors import NuvError
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.shell import loading
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import line
from tests.support.terminal import Terminal
from tests.tui.harness import running, settle, shown_text, until

Alone = Callable[..., NuvApp]


def listing() -> LineList:
    return LineList(
        Items([f"line {at}" for at in range(30)], lambda text, width: line(text)), id="list", classes="pane"
    )


class Slow:
    """A read that hangs until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0
        self.got: list[object] = []

    def __call__(self) -> str:
        self.calls += 1
        self.go.wait(120)
        return "read"


async def test_a_wait_is_said_with_its_time_and_keys_answer_meanwhile(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "STEP", 0.05)
    app = alone(listing)
    async with running(app) as pilot:
        shown = app.screen.query_one("#list", LineList)
        slow = Slow()
        shown.load(slow, slow.got.append, waiting="reading the snapshots of Master")
        await until(pilot, lambda: "reading the snapshots of Master, 0 s · Esc leaves it" in shown_text(app))
        await pilot.press("j", "j")
        assert shown.cursor == 2
        await until(pilot, lambda: "reading the snapshots of Master, 1 s" in shown_text(app))
        slow.go.set()
        await until(pilot, lambda: slow.got == ["read"])
        await until(pilot, lambda: "reading the snapshots" not in shown_text(app))


async def test_what_is_quick_says_nothing(alone: Alone) -> None:
    app = alone(listing)
    async with running(app) as pilot:
        shown = app.screen.query_one("#list", LineList)
        shown.load(lambda: "read", lambda result: None, waiting="reading quickly")
        await settle(pilot)
        assert not app.loading._timers
        assert "reading quickly" not in shown_text(app)


async def test_esc_leaves_a_wait_and_f5_reads_again(alone: Alone) -> None:
    app = alone(listing)
    async with running(app) as pilot:
        shown = app.screen.query_one("#list", LineList)
        slow = Slow()
        failed: list[NuvError] = []
        shown.set_title("Lines", "30 lines")
        shown.load(slow, slow.got.append, failed=failed.append, waiting="reading the snapshots of Master")
        await until(pilot, lambda: "Esc leaves it" in shown_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "not read; F5 reads again" in shown_text(app))
        assert [error.title for error in failed] == ["Not read"]
        slow.go.set()
        await settle(pilot)
        assert slow.got == [], "what comes later is not taken"
        await pilot.press("f5")
        await until(pilot, lambda: slow.got == ["read"])
        await until(pilot, lambda: "30 lines" in shown_text(app), "the note that was there before")


async def test_what_changes_something_goes_on_and_says_when_it_is_done(alone: Alone) -> None:
    app = alone(listing)
    async with running(app) as pilot:
        shown = app.screen.query_one("#list", LineList)
        slow = Slow()
        shown.load(slow, slow.got.append, group="delete")
        await until(pilot, lambda: "deleting, 0 s" in shown_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "deleting" not in shown_text(app))
        assert "not read" not in shown_text(app)
        slow.go.set()
        await until(pilot, lambda: slow.got == ["read"])


async def test_a_note_written_meanwhile_is_there_afterwards(alone: Alone) -> None:
    app = alone(listing)
    async with running(app) as pilot:
        shown = app.screen.query_one("#list", LineList)
        slow = Slow()
        shown.load(slow, slow.got.append, waiting="reading")
        await until(pilot, lambda: "reading, 0 s" in shown_text(app))
        shown.set_title("Lines", "another note")
        slow.go.set()
        await until(pilot, lambda: "another note" in shown_text(app))


async def test_a_screen_without_a_title_waits_too(alone: Alone) -> None:
    app = alone(listing)
    async with running(app) as pilot:
        frame = BaseScreen()
        await app.push_screen(frame)
        got: list[str] = []
        frame.load(lambda: "read", got.append)
        await until(pilot, lambda: got == ["read"])


def test_phrases_fit_narrow_panes() -> None:
    tail, short = ", 3 s · Esc leaves it", ", 3 s"
    fitted = loading._fitted("reading the snapshots of Master", tail, short, 40, "…")
    assert fitted == "reading the snapsh…, 3 s · Esc leaves it"
    assert (
        loading._fitted("reading the snapshots of Master", tail, short, 24, "…") == "reading the snapsh…, 3 s"
    )


def test_leaving_does_not_wait_for_a_disk_that_hangs(sample_terminal: Callable[..., Terminal]) -> None:
    terminal = sample_terminal(SAMPLE_HANG="1")
    terminal.wait_for_match(r"reading the slow disk, \d+ s · Esc leaves it")
    terminal.send("j")
    terminal.wait_quiet(0.2)
    quiet = terminal.measure_idle(2.2)
    assert 0 < quiet < 600, "one border, at most once a second"
    terminal.send("q")
    assert terminal.wait_end() == 0


def test_nothing_is_sent_after_a_wait_was_left(sample_terminal: Callable[..., Terminal]) -> None:
    terminal = sample_terminal(SAMPLE_HANG="1")
    terminal.wait_for_match(r"reading the slow disk, \d+ s")
    terminal.send("esc")
    terminal.wait_for("not read; F5 reads again")
    terminal.wait_quiet(2.5)
    terminal.send("f5")
    terminal.wait_for_match(r"reading the slow disk, \d+ s")


async def test_every_group_has_a_phrase_or_is_silent(alone: Alone) -> None:
    import re
    from pathlib import Path

    groups: set[str] = set()
    for file in Path(loading.__file__).parents[1].rglob("*.py"):
        groups |= {
            found.split(" ")[0] for found in re.findall(r'group=f?"([a-z][^"]*)"', file.read_text("utf-8"))
        }
    known: set[Any] = {*loading.PHRASES, *loading.SILENT}
    assert groups - known == set()
