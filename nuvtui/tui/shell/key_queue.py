"""Keys that are typed faster than they are carried out reach what they were meant for.

Textual gives a key to what has the focus when it arrives. Over a slow line several arrive at once, and the second
one would go to the widget that the first one is about to leave. Here each key waits until the one before it was
carried out, and until a screen that it opened has its focus. Those typed while the screens start wait until there is
something that they can be carried out on.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from textual import events
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from nuvtui.tui.toolkit.commands import REGISTRY

PATIENCE = 0.5
"""Seconds that keys wait for one that does not come to its end: then they go to what has the focus."""
START = 10.0
"""Seconds that keys wait at the start for the first screen to be read: a disk may hang."""
AGAIN = 0.01
"""Seconds between looks at whether a new screen has its focus."""


class Receiver(Protocol):
    """The app, which is given the keys."""

    @property
    def starting(self) -> bool:
        """True until the first screen has something to show."""

    @property
    def screen(self) -> Screen[object]:
        """The screen or dialog on top."""

    async def give_key(self, event: events.Key) -> None:
        """Give a key to what has the focus."""

    def call_later(self, callback: Callable[..., Any], *arguments: Any) -> bool:
        """Call when the messages that are there now have been handled."""

    def set_timer(self, delay: float, callback: Callable[[], Any]) -> Timer:
        """Call once, `delay` seconds from now."""


class Done(Message):
    """Follows a key on its way from the widget to the app: where it arrives, the key has been carried out."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class KeyQueue:
    """The keys that wait."""

    def __init__(self, app: Receiver) -> None:
        self._app = app
        self._starting_since: float | None = time.monotonic()
        """None: keys need not wait for the start any more."""
        self._waiting: list[events.Key] = []
        self._number = 0
        self._target: DOMNode | None = None
        """What the key was given to that is being carried out; None: no key is."""
        self._since = 0.0
        self._timer: Timer | None = None

    def holds(self, event: events.Key) -> bool:
        """True where the key has to wait; it is given to the app again later."""
        if self._leads_out(event.key):
            self._starting_since = None  # who leaves needs nothing read
        if not self._waiting and not self._busy:
            return False
        if self._starting_since is not None and event.key == "ctrl+j":
            # Enter, typed while the terminal still was as the shell had left it.
            event = events.Key("enter", "\r")
        self._waiting.append(event)
        self._look_again()
        return True

    def given(self, target: DOMNode) -> None:
        """A key was given to `target`: those that come next wait for it."""
        self._number += 1
        self._target, self._since = target, time.monotonic()
        target.post_message(Done(self._number))

    def done(self, message: Done) -> None:
        """The key was carried out; what it asked the app to do, as moving the focus, is in the app's queue."""
        self._app.call_later(self._ended, message.number)

    async def _ended(self, number: int) -> None:
        if number == self._number:
            self._target = None
            await self._go_on()

    @property
    def _busy(self) -> bool:
        """True while the screens start, the last key is being carried out, or what it opened has no focus yet."""
        if self._starting_since is not None:
            if self._app.starting and time.monotonic() - self._starting_since < START:
                return True
            self._starting_since = None
        if time.monotonic() - self._since > PATIENCE:
            return False
        screen = self._app.screen
        ready = screen.is_mounted and (screen.focused is not None or not screen.focus_chain)
        # A key that closes a dialog takes along what was to say that it is done.
        return not ready or (self._target is not None and self._target.is_attached)

    def _leads_out(self, key: str) -> bool:
        """True where `key` leaves at once, or as the first one: later on it may be text."""
        first = () if self._waiting else (*REGISTRY.keys("app.leave"), *REGISTRY.keys("app.back"))
        return key in first or key in REGISTRY.keys("app.leave-now")

    async def _go_on(self) -> None:
        if self._waiting and not self._busy:
            await self._app.give_key(self._waiting.pop(0))
        if self._waiting:
            self._look_again()

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._app.set_timer(AGAIN, self._go_on)
