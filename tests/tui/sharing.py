"""A small real study, and the app on it, for the tests of stage, distribution, exports and tasks."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
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
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.detail_list import DetailList
from tests.support.waiting import PATIENCE

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
    async with app.run_test(size=size, notifications=notices) as pilot:
        await settled(pilot)
        yield pilot


def app_of(pilot: Pilot[Any]) -> NuvApp:
    """The app of a pilot."""
    assert isinstance(pilot.app, NuvApp)
    return pilot.app


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until all reads have arrived."""
    for _ in range(3):
        await pilot.pause()
        await app_of(pilot).jobs.settled()
    await pilot.pause()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys and wait for what they ask for."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def type_text(pilot: Pilot[Any], text: str) -> None:
    """Type a text."""
    names = {" ": "space", "-": "minus", ".": "full_stop", "/": "slash", ",": "comma", ":": "colon"}
    await pilot.press(*(names.get(char, char) for char in text))
    await pilot.pause()


async def until(
    pilot: Pilot[Any], condition: Callable[[], Any], what: str, seconds: float = PATIENCE
) -> None:
    """Wait until `condition` holds, while the app works. Raises AssertionError with the screen."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s; the screen is\n{screen(pilot)}")
        await pilot.pause(0.02)
    await pilot.pause()


def screen(pilot: Pilot[Any]) -> str:
    """What is on the screen, as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def words(pilot: Pilot[Any]) -> str:
    """What is on the screen as one line of words, without frames: for sentences that may be wrapped."""
    text = screen(pilot)
    for char in "│╭╮╰╯─┃║═":
        text = text.replace(char, " ")
    return " ".join(text.split())


def says(pilot: Pilot[Any], sentence: str) -> bool:
    """Whether `sentence` stands on the screen, wherever it is wrapped."""
    return "".join(sentence.split()) in "".join(words(pilot).split())


def texts(pilot: Pilot[Any]) -> str:
    """What the texts of the screen or dialog in front hold, not wrapped."""
    panes = pilot.app.screen.query(DetailPane)
    details = pilot.app.screen.query(DetailList)
    said = [item.text for pane in panes for item in pane._lines]
    return "\n".join([*said, *(field.text for details in details for field in details.fields)])


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
