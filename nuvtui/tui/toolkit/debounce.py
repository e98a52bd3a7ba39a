"""Calling something once what leads to it has stopped: a detail follows the cursor when it rests, not at each key."""

from collections.abc import Callable

from textual.dom import DOMNode
from textual.timer import Timer

REST = 0.12
"""Seconds without another move after which a cursor rests."""


class Debounce:
    """Calls something `seconds` after the last time that it was asked for."""

    def __init__(self, node: DOMNode, call: Callable[[], object], seconds: float = REST) -> None:
        self.seconds = seconds
        self._node = node
        self._call = call
        self._timer: Timer | None = None

    def ask(self) -> None:
        """Call it later: from now on the whole time is waited for anew."""
        self.stop()
        self._timer = self._node.set_timer(self.seconds, self._call)

    def stop(self) -> None:
        """Do not call it."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
