"""Apps and terminals for tests of the screens."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.widget import Widget

from nuvtui.catalog.catalog import Catalog
from nuvtui.clock import now
from nuvtui.config import Settings
from nuvtui.model.roles import Role
from nuvtui.model.space import Instance, Member, Space
from nuvtui.paths import Home, Workspace
from nuvtui.services.context import system_user
from nuvtui.tui.common.feature import PaneSpec
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.shell.app import NuvApp
from tests.support.terminal import Terminal
from tests.tui import sample

ROOT = Path(__file__).parents[2]


class Alone(Pane):
    """A place with one widget, given by the test."""

    make: Callable[[], Widget]

    def compose(self) -> ComposeResult:
        yield type(self).make()


def populated(home: Home, workspace: Workspace) -> Instance:
    """A store with one space, its Master in `workspace`, the user its administrator."""
    state = Catalog(home)
    state.create()
    space = Space("a" * 16, "Penguins\x1b[31m", now())
    instance = Instance("b" * 16, space.id, "Master", str(workspace.root.resolve()), now())
    with state.transaction() as tx:
        tx.spaces.put(space)
        tx.instances.put(instance)
        tx.members.put(Member(space.id, system_user(), Role.ADMINISTRATOR))
    return instance


@pytest.fixture
def app(home: Home, workspace: Workspace) -> NuvApp:
    """The app with the sample's places."""
    populated(home, workspace)
    return NuvApp(Settings(home=str(home.root)), workspace.root, panes=sample.PANES)


@pytest.fixture
def alone(home: Home, workspace: Workspace) -> Callable[..., NuvApp]:
    """An app whose only place holds the widget that a function makes."""
    populated(home, workspace)

    def make(widget: Callable[[], Widget], **settings: Any) -> NuvApp:
        Alone.make = staticmethod(widget)
        spec = PaneSpec("timeline", __name__, "Alone")
        return NuvApp(Settings(home=str(home.root), **settings), workspace.root, panes=[spec])

    return make


@pytest.fixture
def sample_terminal(home: Home, workspace: Workspace) -> Iterator[Callable[..., Terminal]]:
    """Starts `nuvtui` with the sample's places in a real pseudo-terminal."""
    populated(home, workspace)
    started: list[Terminal] = []

    def start(columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        terminal = Terminal(
            [sys.executable, "-m", "tests.tui.sample"],
            columns,
            rows,
            {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
            workspace.root,
        )
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.close()
