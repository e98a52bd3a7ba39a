"""All private names of Textual that the screens use.

Another version of Textual may have others, so its version is pinned exactly; a test says which of them moved.
"""

import time
from collections.abc import Iterable
from typing import Any

from rich.console import RenderableType
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.content import Content
from textual.drivers import linux_driver
from textual.screen import Screen
from textual.widget import Widget

__all__ = [
    "ChopsUpdate",
    "CompositorUpdate",
    "HookedApp",
    "LayoutUpdate",
    "border_note",
    "read_no_alt",
    "set_border_note",
]


class HookedApp(App[None]):
    """An app that changes what goes to the terminal, and what is said of a fault."""

    def changed_update(self, update: CompositorUpdate) -> CompositorUpdate:
        """What is sent in the place of an update of the screen."""
        return update

    def told_of_fault(self) -> RenderableType:
        """What the terminal shows after a fault of the program; called while the exception is handled."""
        raise NotImplementedError

    def send(self, sequence: str) -> None:
        """Send an escape sequence to the terminal, where there is one."""
        if self._driver is not None:
            self._driver.write(sequence)

    def drop_notices(self, older: float) -> None:
        """Take away the notices that were shown for more than `older` seconds."""
        read = [each for each in self._notifications if time.time() - each.raised_at > older]
        for notice in read:
            self._unnotify(notice, refresh=False)
        if read:
            self._refresh_notifications()

    def _display(self, screen: Screen[object], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            renderable = self.changed_update(renderable)
        super()._display(screen, renderable)

    def _fatal_error(self) -> None:
        self._exit_renderables.append(self.told_of_fault())
        self._close_messages_no_wait()


def border_note(widget: Widget) -> Content | None:
    """The note in the lower border of a widget."""
    return widget._border_subtitle


def set_border_note(widget: Widget, note: Content | None) -> None:
    """Change the note in the lower border of a widget; nothing is painted."""
    widget._border_subtitle = note


class NoAltParser(XTermParser):
    """Textual's reader of what the terminal sends, without Alt.

    A terminal sends Alt with a key as Esc and that key, so Esc and the key typed right after it look the same where a
    slow line delivers them in one piece. Textual takes them for Alt, and where there is no such key it drops the Esc.
    nuvtui has no keys with Alt: they are two keys.
    """

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if alt:
            yield events.Key("escape", "\x1b")
        yield from super()._sequence_to_key_events(sequence)


def read_no_alt() -> None:
    """Read the terminal without Alt from now on."""
    linux_driver.XTermParser = NoAltParser  # type: ignore[attr-defined]
