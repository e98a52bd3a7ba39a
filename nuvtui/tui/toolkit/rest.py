"""Details that follow the cursor once it rests: a cursor key costs only the lines that it moves between."""

from collections.abc import Callable

from textual.dom import DOMNode
from textual.timer import Timer

REST = 0.12
"""Seconds without another move after which the cursor rests."""


class Rest:
    """Calls something once the cursor rests."""

    def __init__(self, node: DOMNode, call: Callable[[], None]) -> None:
        self._node = node
        self._call = call
        self._timer: Timer | None = None

    def moved(self) -> None:
        """The cursor moved: wait anew."""
        self.stop()
        self._timer = self._node.set_timer(REST, self._call)

    def stop(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
