"""A study with a past, and the app on it, for the tests of Timeline, Contents, spaces and members."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from nuvtui.config import Settings
from nuvtui.model.task import TaskStatus
from nuvtui.tui.shell.app import NuvApp
from nuvtui.worker.lifecycle import list_tasks
from tests.tui import harness
from tests.tui.harness import app_of, settle, until
from tests.tui.sharing import Study, lay_out

HOSTILE = "evil\x1b[31m\x1b]0;title\x07.txt"


def study_with_past(folder: Path) -> Study:
    """Two snapshots of Master, then a change that is in none of them."""
    study = lay_out(folder)
    (study.root / "notes.md").write_text("# Notes\nhello again from the study\n")
    (study.root / HOSTILE).write_text("red \x1b[31m text\n")
    study.services.tables.import_file(study.master.id, study.root / "data" / "b.csv", "more")
    study.services.snapshots.create(study.master.id, "second-data", "What b brought.", "Look at c")
    (study.root / "notes.md").write_text("# Notes\nnot in a snapshot\n")
    return study


@contextlib.asynccontextmanager
async def opened(
    study: Study, start: Path | None = None, size: tuple[int, int] = (80, 24), **settings: Any
) -> AsyncIterator[Pilot[None]]:
    """The whole app, in Master's workspace."""
    values = Settings(home=study.settings.home, **settings)
    app = NuvApp(values, start or study.root)
    async with harness.running(app, size, notices=False) as pilot:
        yield pilot


async def task_ended(pilot: Pilot[Any], kind: str, count: int = 1) -> Any:
    """Wait for the end of the newest task of a kind (the `count`-th of it); its result."""
    app = app_of(pilot)

    def ended() -> bool:
        found = [task for task in list_tasks(app.home) if task.kind == kind]
        return len(found) == count and found[0].status.ended

    await until(pilot, ended, f"the end of {kind}")
    task = next(task for task in list_tasks(app.home) if task.kind == kind)
    assert task.status is TaskStatus.COMPLETED, task.error
    await until(pilot, lambda: app.tasks and app.tasks[0].status.ended, "news of the end")
    await settle(pilot)
    return task.result


def drop_privileges_of(study: Study, role: Any) -> None:
    """The acting user gets `role` in Master's space; somebody else administers it."""
    from nuvtui.model.roles import Role
    from nuvtui.model.space import Member

    with study.services.context.state.transaction() as tx:
        tx.members.put(Member(study.space.id, "somebody-else", Role.ADMINISTRATOR))
        tx.members.put(Member(study.space.id, study.services.user, role))


def exists(path: Path | str) -> bool:
    """True where there is such a file."""
    return os.path.lexists(path)
