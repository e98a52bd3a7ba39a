"""Following one task, from its first event to its last, beside any number of others who do the same."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from nuvtui.model.task import Event, TaskView, advance
from nuvtui.paths import Home
from nuvtui.worker import lifecycle
from nuvtui.worker.events import Tailer, log_size, read_log

_PIECE = 1 << 16
_SETTLE_SECONDS = 1.0
_FIRST_POLL = 0.002
_PART = 20
"""At first it is looked more often: waiting for a task costs a small part (1 / _PART) of the time that it takes."""


def attach(
    home: Home,
    identifier: str,
    on_event: Callable[[Event], None],
    on_log: Callable[[bytes], None] | None = None,
    poll: float = 0.1,
) -> TaskView:
    """Give the events of the task to `on_event`, and `build.log` in pieces to `on_log`, until the task ends.

    What the log held when an event was written comes before that event; nothing is given twice, and nothing left
    out but progress that was overtaken before it could be given.
    Whatever ends the call early (Ctrl+C) ends only the watching. Looks every `poll` seconds, at first more often.
    Raises NuvError: no such task (exit code 3), somebody else's (4), it cannot be read (1).
    """
    began = time.monotonic()
    lifecycle.view(home, identifier)
    folder = home.task(identifier)
    tailer = Tailer(folder)
    task = TaskView(identifier)
    shown = 0
    settled = time.monotonic()
    while True:
        for event in tailer.poll():
            shown = _log(folder, shown, event.log_offset, on_log)
            task = advance(task, event)
            on_event(event)
        size = log_size(folder)
        if task.status.ended:
            _log(folder, shown, size, on_log)
            return task
        shown = _log(folder, shown, size, on_log)
        if time.monotonic() - settled >= _SETTLE_SECONDS:
            settled = time.monotonic()
            with contextlib.suppress(OSError):  # the last word waits: a full disk
                lifecycle.settle(folder)
        time.sleep(min(poll, max(_FIRST_POLL, (time.monotonic() - began) / _PART)))


def _log(folder: Path, start: int, end: int, on_log: Callable[[bytes], None] | None) -> int:
    """Hand out the log from `start` to `end`; returns where it got to."""
    while on_log is not None and start < end:
        piece = read_log(folder, start, min(_PIECE, end - start))
        if not piece:
            break
        on_log(piece)
        start += len(piece)
    return start
