"""Every screen and dialog, and how it is reached: one function each, registered with `@screen`.

A function gets the app's `View` after its start, with the Timeline in front. `main=True`: pictures of all variants.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.commands import REGISTRY
from tests.pictures.store import Stand, running_task
from tests.support.waiting import PATIENCE
from tests.tui.harness import shown_text

QUIET = 0.35
"""Seconds without a change after which a screen is taken for finished."""
READING = re.compile(r"Reading what there is|checking; an engine has")
"""What screens say that are not."""


class View:
    """The app, and small moves in it."""

    def __init__(self, pilot: Pilot[Any], stand: Stand) -> None:
        self.pilot, self.stand = pilot, stand
        self.left: list[Path] = []
        """Folders to be removed after the picture."""

    @property
    def app(self) -> NuvApp:
        """The app."""
        assert isinstance(self.pilot.app, NuvApp)
        return self.pilot.app

    async def keys(self, *keys: str) -> None:
        """Press keys, each after what the one before asked for has come."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def do(self, *commands: str) -> None:
        """Run commands by their first key, whatever that is."""
        for command in commands:
            await self.keys(REGISTRY.keys(command)[0])

    async def to_the_last(self) -> None:
        """The cursor onto the last line, and all that is said of it there."""
        await self.keys("G")
        await self.quiet()

    async def type(self, text: str) -> None:
        """Put `text` into the field that has the focus."""
        field = self.app.screen.focused
        assert isinstance(field, Input), field
        field.value = text
        await self.settle()

    async def settle(self) -> None:
        """Until all reads have arrived."""
        for _ in range(2):
            await self.pilot.pause()
            await asyncio.wait_for(self.app.jobs.settled(), PATIENCE)
        await self.pilot.pause()

    async def quiet(self) -> None:
        """Until nothing changes any more."""
        last, since = "", time.monotonic()
        deadline = since + PATIENCE
        while time.monotonic() < deadline:
            await self.settle()
            now = shown_text(self.app)
            if now != last or READING.search(now):
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= QUIET:
                return
        raise AssertionError(f"the screen does not come to rest:\n{last}")


async def _with_a_task(view: View) -> None:
    """A task is running."""
    view.left.append(running_task(view.stand))
    view.app._look_at_tasks()
    await view.settle()


Reach = Callable[[View], Awaitable[None]]


@dataclass(frozen=True)
class Screen:
    """A screen or dialog to take pictures of."""

    name: str
    reach: Reach
    store: str
    main: bool


SCREENS: dict[str, Screen] = {}


def screen(*, store: str = "study", main: bool = False) -> Callable[[Reach], Reach]:
    """Register a function that leads to a screen."""

    def register(reach: Reach) -> Reach:
        name = reach.__name__.replace("_", "-")
        assert name not in SCREENS
        SCREENS[name] = Screen(name, reach, store, main)
        return reach

    return register


# Timeline.


@screen(main=True)
async def timeline(view: View) -> None:
    """The Current State."""


@screen()
async def timeline_snapshot(view: View) -> None:
    await view.keys("G")


@screen()
async def timeline_marked(view: View) -> None:
    await view.keys("j", "space", "space")


@screen()
async def timeline_filtered(view: View) -> None:
    await view.do("list.filter")
    await view.keys("f", "i", "r", "s", "t")


@screen(main=True)
async def snapshot_dialog(view: View) -> None:
    await view.do("timeline.snapshot")


@screen(main=True)
async def restore_dialog(view: View) -> None:
    await view.to_the_last()
    await view.do("timeline.restore")


@screen()
async def compare_dialog(view: View) -> None:
    await view.to_the_last()
    await view.do("timeline.compare")


@screen()
async def delete_dialog(view: View) -> None:
    await view.to_the_last()
    await view.do("timeline.delete")


@screen()
async def rename_dialog(view: View) -> None:
    await view.to_the_last()
    await view.do("timeline.rename")


# Remotes.


@screen(store="remotes")
async def timeline_remotes(view: View) -> None:
    await view.to_the_last()


@screen(store="remotes")
async def remote_pick_dialog(view: View) -> None:
    await view.to_the_last()
    await view.do("timeline.push")


@screen(store="remotes")
async def delete_dialog_remotes(view: View) -> None:
    await view.to_the_last()
    await view.do("timeline.delete")


@screen(store="remotes")
async def remotes(view: View) -> None:
    await view.do("workbench.remotes")


@screen(store="remotes")
async def remotes_asked(view: View) -> None:
    await view.do("workbench.remotes", "remotes.ask")


@screen(store="remotes")
async def remotes_write_only(view: View) -> None:
    await view.do("workbench.remotes")
    await view.to_the_last()


@screen()
async def remotes_none(view: View) -> None:
    await view.do("workbench.remotes")


@screen()
async def remote_add_dialog(view: View) -> None:
    await view.do("workbench.remotes", "remotes.add")


@screen(store="remotes")
async def remote_remove_dialog(view: View) -> None:
    await view.do("workbench.remotes", "remotes.remove")


@screen(store="nothing")
async def clone_dialog(view: View) -> None:
    await view.do("welcome.clone")


# Contents.


@screen(main=True)
async def contents_overview(view: View) -> None:
    await view.do("app.place-contents", "contents.overview")


@screen(main=True)
async def contents_files(view: View) -> None:
    await view.do("app.place-contents", "contents.files")
    await view.keys("right")


@screen()
async def contents_file(view: View) -> None:
    await view.do("app.place-contents", "contents.files")
    await view.to_the_last()
    await view.keys("enter")


@screen()
async def contents_tables(view: View) -> None:
    await view.do("app.place-contents", "contents.tables")


@screen()
async def contents_rows(view: View) -> None:
    await view.do("app.place-contents", "contents.tables")
    await view.keys("enter")


@screen()
async def contents_columns(view: View) -> None:
    await view.do("app.place-contents", "contents.tables", "tables.columns")


@screen()
async def import_dialog(view: View) -> None:
    await view.do("app.place-contents", "contents.tables", "tables.import")


@screen()
async def contents_applications(view: View) -> None:
    await view.do("app.place-contents", "contents.applications")


@screen()
async def application_dialog(view: View) -> None:
    await view.do("app.place-contents", "contents.applications", "applications.new")


@screen()
async def contents_changes(view: View) -> None:
    await view.do("app.place-contents", "contents.changes")


@screen()
async def contents_change(view: View) -> None:
    await view.do("app.place-contents", "contents.changes")
    await view.to_the_last()
    await view.keys("enter")


@screen()
async def file_history(view: View) -> None:
    await view.do("app.place-contents", "contents.files")
    await view.to_the_last()
    await view.do("files.history")


@screen()
async def table_history(view: View) -> None:
    await view.do("app.place-contents", "contents.tables", "tables.history")


@screen()
async def sql(view: View) -> None:
    await view.do("app.place-contents", "contents.tables", "tables.query")


@screen()
async def state_dialog(view: View) -> None:
    await view.do("app.place-contents", "contents.state")


# Stage and distributions.


@screen(main=True)
async def stage(view: View) -> None:
    await view.do("app.place-stage")


@screen()
async def stage_clear_dialog(view: View) -> None:
    await view.do("app.place-stage", "stage.clear")


@screen()
async def wizard_targets(view: View) -> None:
    await view.do("app.place-stage", "stage.distribute")


@screen()
async def wizard_strategies(view: View) -> None:
    await wizard_targets(view)
    await view.keys("g", "space")
    await view.do("wizard.next")


@screen()
async def wizard_dry_run(view: View) -> None:
    await wizard_strategies(view)
    await view.do("wizard.next")


@screen()
async def wizard_message(view: View) -> None:
    await wizard_dry_run(view)
    await view.do("wizard.next")


@screen()
async def distributions(view: View) -> None:
    await view.do("app.place-stage", "stage.history")


# Exports.


@screen(main=True)
async def exports(view: View) -> None:
    await view.do("app.place-exports")


@screen()
async def export_result(view: View) -> None:
    await view.do("app.place-exports")
    await view.to_the_last()
    await view.keys("enter")


@screen(main=True)
async def export_form(view: View) -> None:
    await view.do("app.place-exports", "exports.new")


@screen()
async def export_dry_run(view: View) -> None:
    await export_form(view)
    await view.do("export-form.dry-run")


@screen()
async def export_delete_dialog(view: View) -> None:
    await view.do("app.place-exports", "export.delete")


@screen()
async def push_dialog(view: View) -> None:
    await view.do("app.place-exports")
    await view.to_the_last()
    await view.do("export.push")


# Tasks.


@screen(main=True)
async def tasks(view: View) -> None:
    await view.do("app.place-tasks")


@screen()
async def task_failed(view: View) -> None:
    await view.do("app.place-tasks")
    await view.keys("j", "enter")


@screen()
async def task_running(view: View) -> None:
    await _with_a_task(view)
    await view.do("app.place-tasks")
    await view.keys("g", "enter")


# Everywhere.


@screen()
async def help_dialog(view: View) -> None:
    await view.do("app.help")


@screen()
async def palette(view: View) -> None:
    await view.do("app.palette")


@screen()
async def commands_dialog(view: View) -> None:
    await view.do("app.as-command")


@screen()
async def quit_dialog(view: View) -> None:
    await _with_a_task(view)
    await view.do("app.leave")


@screen(main=True)
async def space_overview(view: View) -> None:
    await view.do("workbench.overview")


@screen()
async def program_log(view: View) -> None:
    log = view.app.home.log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("2026-03-10T11:59:00 could not read the tables: the disk is full\n")
    try:
        await view.do("app.log")
        await view.quiet()
    finally:
        log.unlink()


@screen()
async def spaces(view: View) -> None:
    await view.do("workbench.spaces")


@screen()
async def members(view: View) -> None:
    await view.app.run_action("members", view.app.main_screen)
    await view.settle()


@screen()
async def error_dialog(view: View) -> None:
    from nuvtui.errors import NuvError

    view.app.show_error(
        NuvError("The snapshot was not taken", "the disk is full", "Free some space, then s again.")
    )
    await view.settle()


@screen(store="nothing")
async def welcome(view: View) -> None:
    """A folder in no space."""


@screen(store="reviewer")
async def messages_dialog(view: View) -> None:
    """A message that came with a distribution."""
