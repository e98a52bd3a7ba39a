"""What features declare is there: their routes lead somewhere, and the commands of every screen are known at the start."""

import importlib
import importlib.resources
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import nuvtui.tui
from nuvtui.tui.shell import registration
from nuvtui.tui.toolkit.command_target import CommandTarget
from tests.support.fixtures import REPOSITORY


def targets() -> Iterator[type[CommandTarget]]:
    """All classes of the screens that carry out commands."""
    for module in pkgutil.walk_packages(nuvtui.tui.__path__, "nuvtui.tui."):
        for found in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(found, type)
                and issubclass(found, CommandTarget)
                and found.__module__ == module.name
            ):
                yield found


@pytest.mark.parametrize("route", [route for feature in registration.FEATURES for route in feature.routes])
def test_a_route_leads_somewhere(route: str) -> None:
    assert callable(registration.find(route))


def test_a_route_that_nobody_has_is_refused() -> None:
    with pytest.raises(KeyError):
        registration.find("nobody.has.it")


def test_every_pane_and_stylesheet_is_there() -> None:
    for spec in registration.PANES:
        assert spec.make().id == spec.id
    folder = importlib.resources.files(nuvtui.tui)
    for name in registration.STYLES:
        assert (folder / name).is_file()


def test_every_scope_is_registered_before_any_screen_is_imported() -> None:
    code = "import nuvtui.tui.shell.app\nfrom nuvtui.tui.toolkit.commands import REGISTRY\nprint(*REGISTRY.scopes)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    at_start = set(done.stdout.split())
    wanted = {scope: target.__name__ for target in targets() for scope in target.SCOPES}
    assert "timeline" in wanted
    assert {scope: name for scope, name in wanted.items() if scope not in at_start} == {}
