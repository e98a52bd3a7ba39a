"""The reporter of a worker: what a use case says becomes events and `build.log`, a cancel becomes a stop."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nuvtui import atomic
from nuvtui.errors import Cancelled
from nuvtui.model.task import KEPT
from nuvtui.reporter import Unit
from nuvtui.worker import files
from nuvtui.worker.events import EventWriter, plain

FASTEST = 0.1
SLOWEST = 1.0
SLOWER_AFTER = 300.0
"""Progress is written every `FASTEST` seconds at first; a step that has taken so long, every `SLOWEST`."""


class TaskReporter:
    """Implements `nuvtui.reporter.Reporter`. Methods may be called from several threads."""

    def __init__(
        self, folder: Path, events: EventWriter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events = events
        self._clock = clock
        self._lock = threading.RLock()
        self._log = os.open(folder / files.LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._log_size = os.fstat(self._log).st_size
        self._step = ""
        self._step_began = clock()
        self._last_progress = -SLOWEST
        self._pending: dict[str, Any] | None = None
        self._warnings = 0
        self._cancelled = threading.Event()
        self._stops: list[Callable[[], None]] = []

    def step(self, name: str, title: str) -> None:
        """Begin a step, and end the one before."""
        with self._lock:
            self._end_step()
            self._step = plain(name)
            self._step_began = self._clock()
            self._last_progress = self._step_began - SLOWEST
            self._write("step", step=self._step, title=plain(title))

    def progress(self, done: int, total: int | None, unit: Unit, what: str = "") -> None:
        """How far the step is. The last call of a step is always written, if only when the step ends."""
        with self._lock:
            self._pending = {"done": done, "total": total, "unit": unit, "what": plain(what)}
            now = self._clock()
            age = now - self._step_began
            if now - self._last_progress >= min(SLOWEST, max(FASTEST, age / SLOWER_AFTER)):
                self._last_progress = now
                self._flush()

    def warning(self, sentence: str) -> None:
        """Something the user has to know although the work goes on.

        Of very many those that no viewer holds stand in `build.log`, one a line. Raises OSError.
        """
        with self._lock:
            self._warnings += 1
            if self._warnings < KEPT:
                self._write("warning", what=plain(sentence))
            else:
                self.log(f"warning: {plain(sentence)}\n".encode())

    def log(self, data: bytes) -> None:
        """Append `data` to `build.log`. Raises OSError."""
        with self._lock:
            atomic.write_all(self._log, data)
            self._log_size += len(data)

    def check(self) -> None:
        """Raise `errors.Cancelled` where the user asked to stop."""
        if self._cancelled.is_set():
            raise Cancelled

    @contextlib.contextmanager
    def on_cancel(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within the context, a cancel calls `stop`, once, from another thread."""
        self._stops.append(stop)
        if self._cancelled.is_set():
            self._call_stops()
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):
                self._stops.remove(stop)

    @property
    def cancelled(self) -> bool:
        """True once the user asked to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let `check` raise from now on, and call what waits for a cancel."""
        self._cancelled.set()
        self._call_stops()

    def finish(self, **fields: Any) -> None:
        """Write the last event. Raises TypeError or ValueError where `fields` are not JSON, and OSError."""
        with self._lock:
            self._flush()
            if self._warnings >= KEPT:
                more = self._warnings - KEPT + 1
                with contextlib.suppress(OSError):
                    self._write("warning", what=f"{more:,} more warnings are in the log of this task.")
            if self._log_size:
                with contextlib.suppress(OSError):
                    os.fsync(self._log)
            self._events.write("finished", log_offset=self._log_size, **fields)

    def end_step(self) -> None:
        """End the running step as done: what worked to its end."""
        with self._lock:
            self._end_step()

    def close(self) -> None:
        """Close `build.log`."""
        os.close(self._log)

    def _end_step(self) -> None:
        self._flush()
        if self._step:
            self._write("step_done", step=self._step)
            self._step = ""

    def _flush(self) -> None:
        if self._pending is not None:
            fields, self._pending = self._pending, None
            # A full disk does not end a task only because its progress cannot be told.
            with contextlib.suppress(OSError):
                self._write("progress", step=self._step, **fields)

    def _write(self, kind: Any, **fields: Any) -> None:
        with self._lock:
            self._events.write(kind, log_offset=self._log_size, **fields)

    def _call_stops(self) -> None:
        while self._stops:
            try:
                stop = self._stops.pop()
            except IndexError:
                return
            with contextlib.suppress(Exception):  # it is to stop something that may have ended by itself
                stop()
