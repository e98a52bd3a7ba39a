"""Every screen and dialog looks as it did: `make pictures` takes the pictures anew, `git diff` shows what changed.

Pictures are kept as text (see `render.py`). Where one differs, an SVG of what was seen now is in `.cache/pictures`.
The stores are the same everywhere (`store.py`).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit import theme
from tests.pictures import store
from tests.pictures.render import picture
from tests.pictures.screens import SCREENS, Screen, View
from tests.support.fixtures import REPOSITORY

SMALL, LARGE = (80, 24), (160, 45)
PLACES = ("timeline", "contents-overview", "stage", "exports", "tasks")
CONTRAST = "nuvtui-contrast"


class Case(msgspec.Struct, frozen=True):
    """One picture: a screen, a size, a variant."""

    screen: str
    size: tuple[int, int]
    variant: str = "dark"
    store: str = ""
    settings: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Name of the picture's file."""
        return f"{self.screen}-{self.size[0]}x{self.size[1]}" + (
            "" if self.variant == "dark" else f"-{self.variant}"
        )


def cases() -> Iterator[Case]:
    """Every screen at both sizes in dark; the main ones in all variants."""
    for name, screen in SCREENS.items():
        for size in (SMALL, LARGE):
            yield Case(name, size)
            if screen.main:
                yield Case(name, size, "hostile", "hostile")
        if screen.main:
            yield Case(name, SMALL, "light", settings={"theme": "nuvtui-light"})
            yield Case(name, SMALL, "ascii", settings={"ascii": "true"})
            yield Case(name, SMALL, "no-color")
            if CONTRAST in theme.THEMES:
                yield Case(name, SMALL, "contrast", settings={"theme": CONTRAST})
    for size in (SMALL, LARGE):
        for name in PLACES:
            yield Case(name, size, "empty", "empty")
        yield Case("timeline", size, "full", "full")
        yield Case("state-dialog", size, "full", "full")


CASES = [
    pytest.param(case, id=case.name, marks=pytest.mark.xdist_group(f"pictures-{case.size[0]}"))
    for case in cases()
]
"""Those of a size run in one process, which makes each store once."""


class PictureFile(SingleFileSnapshotExtension):
    """One text file a picture."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: Any, **_: Any) -> str:
        """As it is."""
        return str(data)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The folder of all stores."""
    with store.scratch() as folder:
        yield folder


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The stores that were made so far."""
    return {}


async def take(case: Case, screen: Screen, stand: store.Stand, root: Path) -> tuple[str, str]:
    """The picture, and an SVG of the same."""
    settings = msgspec.structs.replace(stand.settings, **case.settings)
    app = NuvApp(settings, stand.start, services=lambda _: stand.services)
    async with app.run_test(size=case.size, notifications=False) as pilot:
        view = View(pilot, stand)
        try:
            await view.settle()
            await screen.reach(view)
            await view.quiet()
            return picture(app, str(root)), app.export_screenshot(title=case.name)
        finally:
            for folder in view.left:
                shutil.rmtree(folder)


async def visit(stand: store.Stand) -> None:
    """Open the screens and leave them: what is kept from one time to the next is then the same for every picture."""
    app = NuvApp(stand.settings, stand.start, services=lambda _: stand.services)
    async with app.run_test() as pilot:
        await View(pilot, stand).quiet()


@pytest.mark.parametrize("case", CASES)
def test_picture(
    case: Case, root: Path, made: dict[str, Any], snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTUAL_COLOR_SYSTEM", "truecolor")
    if case.variant == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    screen = SCREENS[case.screen]
    with store.frozen() as clock:
        kind = case.store or screen.store
        if kind not in made:
            made[kind] = store.MAKERS[kind](root, clock)
            asyncio.run(visit(made[kind]))
        stand = made[kind]
        taken, svg = asyncio.run(take(case, screen, stand, root))
    if taken != snapshot.use_extension(PictureFile):
        seen = REPOSITORY / ".cache" / "pictures" / f"{case.name}.svg"
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.write_text(svg)
        seen.with_suffix(".txt").write_text(taken)
        raise AssertionError(
            f"{case.name} looks different; {seen} shows how; `make pictures` takes it as it is now"
        )
