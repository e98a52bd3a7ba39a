"""What a feature brings: its commands, its pane, its routes, its stylesheet."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nuvtui.tui.common.pane import Pane
from nuvtui.tui.toolkit.command import Command, Scope
from nuvtui.tui.toolkit.commands import register


class PaneSpec(NamedTuple):
    """A pane and where its class is; the module is imported when the pane is first shown."""

    id: str
    module: str
    name: str
    beside: bool = False
    """Stands side by side with the others of this kind where the terminal is wide."""

    def make(self) -> Pane:
        """A new pane."""
        made = getattr(importlib.import_module(self.module), self.name)(id=self.id)
        assert isinstance(made, Pane)
        return made


class Feature(NamedTuple):
    """A feature, as its package declares it in `FEATURE`."""

    package: str
    pane: PaneSpec | None
    key: str
    """The key that leads to the pane."""
    routes: Mapping[str, str]
    """Screens and functions that other features and the shell use, by name: `module:attribute` in the package."""
    styles: str
    """Name of its stylesheet, which is read after the first frame; empty: none."""

    def find(self, route: str) -> Any:
        """What a route leads to; its module is imported now."""
        module, _, name = self.routes[route].partition(":")
        return getattr(importlib.import_module(f"{self.package}.{module}"), name)


def feature(
    package: str,
    commands: Sequence[Scope | Command],
    *,
    pane: PaneSpec | None = None,
    key: str = "",
    routes: Mapping[str, str] | None = None,
    styles: str = "",
) -> Feature:
    """Declare a feature and register its commands."""
    register(*commands)
    return Feature(package, pane, key, routes or {}, styles)
