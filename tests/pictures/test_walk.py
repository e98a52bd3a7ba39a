"""Every screen and dialog, walked through: the event loop touches no file meanwhile, no handler runs twice for an event."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from nuvtui.tui.shell.app import NuvApp
from tests.pictures import store
from tests.pictures.screens import SCREENS, View
from tests.support.guards import handlers_once, no_files_on_the_loop


class Quick(View):
    """Moves on as soon as all that was read has come."""

    async def quiet(self) -> None:
        """All has come."""
        await self.settle()


@pytest.fixture(scope="module")
def stands() -> Iterator[dict[str, store.Stand]]:
    """The stores of the pictures."""
    with store.scratch() as root, store.frozen() as clock:
        kinds = {screen.store for screen in SCREENS.values()}
        yield {kind: store.MAKERS[kind](root, clock) for kind in kinds}


WALKS = [
    *((name, (80, 24)) for name in SCREENS),
    *((name, (160, 45)) for name, screen in SCREENS.items() if screen.main),
]


@pytest.mark.parametrize(("name", "size"), WALKS, ids=[f"{name}-{size[0]}" for name, size in WALKS])
async def test_walk(name: str, size: tuple[int, int], stands: dict[str, store.Stand]) -> None:
    screen = SCREENS[name]
    stand = stands[screen.store]
    app = NuvApp(stand.settings, stand.start, services=lambda _: stand.services)
    view: View | None = None
    try:
        with handlers_once() as ran, no_files_on_the_loop():
            async with app.run_test(size=size) as pilot:
                view = Quick(pilot, stand)
                await view.settle()
                await screen.reach(view)
                await view.keys("j", "k", "tab", "y")
        assert ran["NuvApp.on_mount"] == ran["MainScreen.on_mount"] == 1
    finally:
        for folder in view.left if view is not None else ():
            shutil.rmtree(folder)
