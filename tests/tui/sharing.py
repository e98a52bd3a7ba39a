"""A small real study, and the app on it, for the tests of stage, distribution, exports and tasks."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from nuvtui.bootstrap import Services, open_services
from nuvtui.config import Settings
from nuvtui.model.space import Instance, Space
from nuvtui.model.stage import StateRef
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.shell.registration import PANES
from tests.tui import harness

APPLICATION = """\
name: Hello
kind: custom
image: {image}
command: [cat, /files/notes.md]
"""
SHARING = [spec for spec in PANES if spec.id in ("stage", "exports", "tasks")]


@dataclass
class Study:
    """A space with Master, its workspace, and an instance `reviewer`."""

    services: Services
    settings: Settings
    space: Space
    master: Instance
    reviewer: Instance
    root: Path
    reviewer_root: Path

    @property
    def current(self) -> StateRef:
        """The Current State of Master."""
        return StateRef(self.master.id)


def lay_out(folder: Path, image: str = "nuvtui-test/none:1", table: bool = True, **settings: Any) -> Study:
    """Files, a table, an application and a snapshot in Master; one file in the reviewer's workspace."""
    values = Settings(home=str(folder / "store"), **settings)
    services = open_services(values)
    root = folder / "study"
    (root / "data").mkdir(parents=True)
    (root / "notes.md").write_text("# Notes\nhello from the study\n")
    (root / "data" / "a.csv").write_text("x,y\n1,2\n3,4\n")
    (root / "data" / "b.csv").write_text("x,y\n5,6\n")
    here = services.spaces.init(root, "study")
    (root / ".nuvtui" / "apps").mkdir(exist_ok=True)
    (root / ".nuvtui" / "apps" / "hello.yaml").write_text(APPLICATION.format(image=image))
    if table:
        services.tables.import_file(here.instance.id, root / "data" / "a.csv", "numbers")
    services.snapshots.create(here.instance.id, "first-data", "", "")
    other = folder / "reviewer"
    other.mkdir()
    (other / "notes.md").write_text("the reviewer's own\n")
    (other / "extra.txt").write_text("only here\n")
    reviewer = services.instances.create(here.space.id, "reviewer", other)
    return Study(services, values, here.space, here.instance, reviewer, root, other)


@contextlib.asynccontextmanager
async def running(
    study: Study, size: tuple[int, int] = (80, 24), notices: bool = False
) -> AsyncIterator[Pilot[None]]:
    """The app on the study with the places of this part; Stage is in front. `notices`: show them too."""
    app = NuvApp(study.settings, study.root, panes=SHARING)
    async with harness.running(app, size, notices) as pilot:
        yield pilot


def hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """For a fixture: the socket of an engine that takes connections and never answers, also as DOCKER_HOST."""
    path = tmp_path / "hang.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield path


def start_export(study: Study) -> str:
    """Submit an export of the application `hello` as a task and return the task's id."""
    from nuvtui import clock
    from nuvtui.model.export import ExportSpec
    from nuvtui.model.operations import Export
    from nuvtui.worker.request import ask
    from nuvtui.worker.submit import submit

    export = clock.new_id()
    operation = Export(ExportSpec("hello", study.master.id, None, with_files=True), export)
    return submit(
        study.services.home,
        ask(
            study.services,
            operation,
            "Export hello",
            space=study.space.id,
            instance=study.master.id,
            subject=export,
        ),
    )
