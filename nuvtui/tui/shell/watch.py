"""Noticing what other processes do to the store: a few stat calls, three times a second, in a thread.

The event loop never touches the disk for this: a hanging network file system stalls the thread, not the keys.
"""

import contextlib
import threading
from collections.abc import Callable

from textual.message import Message

from nuvtui.paths import Home
from nuvtui.tui.common.startup_cache import Stamp, stamp

LOOK = 0.3
"""Seconds between looks."""


class StateChanged(Message):
    """`state.json` is another one than before."""


class TasksChanged(Message):
    """A task came, went on, or was forgotten."""


class Watch:
    """Looks at a store home and posts `StateChanged` and `TasksChanged`."""

    def __init__(self, home: Home, post: Callable[[Message], object]) -> None:
        """`post` is called in the watch's own thread."""
        self._home = home
        self._post = post
        self._stop = threading.Event()
        self._running: frozenset[str] = frozenset()
        self._state = stamp(home.state)
        self._tasks = self._look_at_tasks(self._running)

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._watch, name="nuvtui watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def set_running(self, tasks: frozenset[str]) -> None:
        """The tasks whose events are looked at: those that have not ended."""
        self._running = tasks

    def _look_at_tasks(self, running: frozenset[str]) -> dict[str, Stamp]:
        stamps = {task: stamp(self._home.task(task) / "events.jsonl") for task in running}
        stamps[""] = stamp(self._home.tasks)
        return stamps

    def look(self) -> None:
        """Look once."""
        state = stamp(self._home.state)
        if state != self._state:
            self._state = state
            self._post(StateChanged())
        tasks = self._look_at_tasks(self._running)
        if any(self._tasks.get(task, value) != value for task, value in tasks.items()):
            self._post(TasksChanged())
        self._tasks = tasks

    def _watch(self) -> None:
        while not self._stop.wait(LOOK):
            with contextlib.suppress(RuntimeError):  # the event loop is closing
                self.look()
