"""The tasks of the store as the screens see them, and what ended while nobody looked."""

import contextlib
import os
import threading
from typing import NamedTuple

import msgspec

from nuvtui import atomic
from nuvtui.model.task import TaskView
from nuvtui.paths import Home


class TaskUpdate(NamedTuple):
    """What a look at the tasks brought."""

    tasks: list[TaskView]
    """Newest first."""
    ended: list[TaskView]
    """Ended since the last look; at the first one: since the last time that this user's screens were open."""
    first: bool


LEAVING = 0.2
"""Seconds that leaving waits for a disk."""


def last_visit(home: Home) -> str:
    """When this user last closed the screens; empty: never. For a thread."""
    from nuvtui.worker import last_seen

    return last_seen.last(home)


def remember_visit(home: Home) -> None:
    """The screens are closed now. A disk that hangs keeps nobody from leaving."""
    from nuvtui.worker import last_seen

    thread = threading.Thread(target=last_seen.leave, args=(home,), name="nuvtui leave", daemon=True)
    thread.start()
    thread.join(LEAVING)


class TaskPoller:
    """Looks at the tasks, in threads, one at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._running: frozenset[str] | None = None
        self._seen = home.cache / f"tasks-seen-{os.geteuid()}.json"
        from nuvtui.worker.lifecycle import Board

        self._board = Board(home)

    def look(self) -> TaskUpdate:
        """The tasks now. For a thread: reads the disk."""
        with self._lock:
            tasks = self._board.poll()
            first = self._running is None
            before = self._remembered() if self._running is None else self._running
            ended = [task for task in tasks if task.id in before and task.status.ended]
            running = frozenset(task.id for task in tasks if not task.status.ended)
            if running != before or (first and ended):
                self._remember(running)
            self._running = running
            return TaskUpdate(tasks, ended, first)

    def _remembered(self) -> frozenset[str]:
        try:
            return frozenset(msgspec.json.decode(self._seen.read_bytes(), type=list[str]))
        except (OSError, msgspec.DecodeError):
            return frozenset()

    def _remember(self, running: frozenset[str]) -> None:
        with contextlib.suppress(OSError):  # a store that may only be read
            atomic.make_folder(self._seen.parent)
            atomic.write_file(self._seen, msgspec.json.encode(sorted(running)))
