"""The guards of the screens fail where they should: a promise held by a check that cannot fail is none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.shell.program_log import ProgramLog
from nuvtui.tui.toolkit.log_index import FileText
from nuvtui.tui.toolkit.log_view import LogView
from tests.support.guards import handlers_once, no_files_on_the_loop
from tests.tui.harness import running, settle


async def test_a_file_that_is_read_in_the_event_loop_is_told(
    alone: Callable[..., NuvApp], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "build.log"
    log.write_text("line\n")
    monkeypatch.setattr(FileText, "in_memory", True)  # read at once, where it is asked for

    async def shown() -> None:
        app = alone(LogView)
        async with running(app) as pilot:
            view = app.screen.query_one(LogView)
            with no_files_on_the_loop():
                view.call_later(view.show_file, log)
                await settle(pilot)

    with pytest.raises(AssertionError, match=r"open\(.*build\.log.* in log_index\.py"):
        await shown()


async def test_a_handler_that_runs_twice_is_told(app: NuvApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_mount(self: ProgramLog) -> None:
        BaseScreen.on_mount(self)

    monkeypatch.setattr(ProgramLog, "on_mount", on_mount)

    async def shown() -> None:
        with handlers_once():
            async with running(app) as pilot:
                await pilot.press("f8")
                await settle(pilot)

    with pytest.raises(AssertionError, match=r"ran twice for one event: \['BaseScreen.on_mount'\]"):
        await shown()


def test_what_a_test_does_itself_is_its_own_affair(tmp_path: Path) -> None:
    with no_files_on_the_loop():
        assert os.stat(tmp_path).st_nlink
