"""The app as features know it, and the base of those of their widgets that need it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from textual.screen import Screen
from textual.widget import Widget

from nuvtui.config import Settings
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.paths import Home
from nuvtui.tui.common.context import Context
from nuvtui.tui.common.header import Where
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.common.startup_cache import StartupCache
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.host import Host

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services


class Shell(Host, Protocol):
    """What the shell does for features: where the user is, tasks, services, ways to other features."""

    settings: Settings
    start: Path
    """The folder to begin in."""
    home: Home
    glyphs: Glyphs
    context: Context
    where: Where
    tasks: list[TaskView]
    """All tasks, newest first."""
    since: str
    """When this user last closed the screens; empty: never, or not read yet."""
    ended_away: set[str]
    """Tasks that ended while no screens were open, and were not looked at yet."""
    startup_cache: StartupCache | None

    @property
    def services(self) -> Services:
        """The services; only for threads (`load`)."""

    @property
    def elsewhere(self) -> bool:
        """True where another instance than that of the folder was gone to."""

    @property
    def screen(self) -> Screen[object]:
        """The screen or dialog on top."""

    @property
    def screen_stack(self) -> list[Screen[Any]]:
        """All open screens, the main screen first."""

    @property
    def current_pane(self) -> str:
        """Id of the pane that has the focus, or had it last."""

    def pane(self, identifier: str) -> Widget | None:
        """A pane by its id; None: it was not shown yet."""

    async def show_pane(self, identifier: str) -> None:
        """Show a pane, from wherever the user is; screens above it are closed."""

    def open(self, route: str, *arguments: Any) -> None:
        """Show the screen of a feature by the name of its route."""

    def route(self, route: str) -> Any:
        """What a feature offers by the name of a route: a class of screens, a function."""

    async def lay_out_panes(self) -> None:
        """Put the panes side by side, or one alone, where what they want has changed."""

    async def go(self, target: Target) -> None:
        """Go straight to a thing."""

    def show_state(self, state: StateRef, name: str) -> None:
        """Look at another state of the instance."""

    def switch(self, instance: str) -> None:
        """Go to another instance (its id)."""

    def reread(self) -> None:
        """Read the state again."""

    def load(self, call: Callable[[], Any], done: Callable[[Any], Any], *, group: str = ...) -> None:
        """Run `call` in a thread and `done` with its result in the event loop."""

    def push_screen(self, screen: Screen[Any], callback: Callable[[Any], Any] | None = None) -> Any:
        """Show a screen or dialog; `callback` gets its result."""

    def pop_screen(self) -> Any:
        """Close the screen on top."""

    def switch_screen(self, screen: Screen[Any]) -> Any:
        """Show another screen in place of the one on top."""

    def notify(
        self, message: str, *, title: str = ..., severity: Any = ..., timeout: float | None = ...
    ) -> None:
        """Show a notice in the corner."""

    def copy(self, copy: Copy) -> None:
        """Copy to the clipboard."""

    def call_next(self, callback: Callable[..., Any], *arguments: Any) -> Any:
        """Call after the message that is being handled."""

    def set_timer(self, delay: float, callback: Callable[[], Any]) -> Any:
        """Call once, `delay` seconds from now."""

    def has_class(self, *names: str) -> bool:
        """True where the app has these style classes (`-ascii`, `-colourless`)."""

    def action_leave(self) -> None:
        """Leave the program."""


class ShellTarget(CommandTarget):
    """A widget or screen that knows the shell."""

    @property
    def nuv(self) -> Shell:
        """The app."""
        return cast("Shell", self.app)
