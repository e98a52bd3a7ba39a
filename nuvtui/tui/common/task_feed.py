"""What a task's own screen reads: the task's events, and how far its log is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nuvtui.model.task import TaskView, advance

if TYPE_CHECKING:
    from nuvtui.paths import Home


SETTLE_EVERY = 8
"""Of so many looks, one also asks whether the worker still lives."""
_SECOND = len("2026-01-01T00:00:00")


class Feed:
    """The events of one task, read bit by bit. For threads, one call at a time."""

    def __init__(self, home: Home, identifier: str) -> None:
        self._home = home
        self._identifier = identifier
        self._view = TaskView(identifier)
        self._stamps: list[tuple[int, str]] = []
        self._looks = 0
        self._tailer: object = None

    def look(self) -> tuple[TaskView, list[tuple[int, str]], int]:
        """The task now, when which byte of the log was written, and how long the log is.

        Raises NuvError (exit code 3) where the task is gone.
        """
        from nuvtui.worker import lifecycle
        from nuvtui.worker.events import Tailer, log_size

        folder = self._home.task(self._identifier)
        if self._tailer is None:
            lifecycle.view(self._home, self._identifier)
            self._tailer = Tailer(folder, every_second=True)
        assert isinstance(self._tailer, Tailer)
        if not self._view.status.ended and self._looks % SETTLE_EVERY == 0:
            with contextlib.suppress(OSError):
                lifecycle.settle(folder)
        self._looks += 1
        for event in self._tailer.poll():
            self._view = advance(self._view, event)
            # A time is shown by the second: more of them would only take room.
            offset, time = self._stamps[-1] if self._stamps else (-1, "")
            if event.log_offset > offset and event.ts[:_SECOND] != time[:_SECOND]:
                self._stamps.append((event.log_offset, event.ts))
        return self._view, list(self._stamps), log_size(folder)
