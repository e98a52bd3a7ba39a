"""The life of tasks, seen from outside: list, look at, cancel, forget.

A worker that dies cannot say so. Whoever looks next and finds the task without its last word and the worker
gone writes that word, under the task's lock, so that it is written once: `failed`, interrupted; or
`cancelled`, where a cancel had to kill. What such a task had begun is cleaned up by the services, which find
it by `interrupted`.
"""

import contextlib
import datetime
import os
import time
from pathlib import Path

from nuvtui import atomic, clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.task import Event, Failure, TaskView, advance, fold
from nuvtui.paths import Home
from nuvtui.tasks import files, lease
from nuvtui.tasks.events import EventWriter, Tailer, log_size, read_events

START_SECONDS = 60.0
"""So long may a worker elsewhere (another machine on the same store) take to start and have its lock."""
KILL_SECONDS = 5.0
"""How long a cancel waits for what it killed to be gone."""
_POLL = 0.05
_STALE = 24 * 3600.0


class Board:
    """All tasks of a store, at the price of what changed since the last look: for screens that look often."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._tailers: dict[str, Tailer] = {}
        self._views: dict[str, TaskView] = {}

    def poll(self) -> list[TaskView]:
        """The tasks as they are now, newest first. Puts the last word for dead workers."""
        try:
            names = {name for name in os.listdir(self._home.tasks) if files.is_id(name)}
        except FileNotFoundError:
            names = set()
        for name in self._views.keys() - names:
            self._views.pop(name)
            self._tailers.pop(name, None)
        for name in names:
            if name in self._views and name not in self._tailers:
                continue  # ended: nothing will change
            with contextlib.suppress(OSError):  # somebody else's task in a shared store, or just forgotten
                self._update(name)
        return sorted(self._views.values(), key=lambda task: (task.created, task.id), reverse=True)

    def _update(self, name: str) -> None:
        folder = self._home.task(name)
        tailer = self._tailers.setdefault(name, Tailer(folder))
        task = _follow(self._views.get(name, TaskView(name)), tailer.poll())
        if not task.status.ended and settle(folder):
            task = _follow(task, tailer.poll())
        self._views[name] = task
        if task.status.ended:
            del self._tailers[name]


def list_tasks(home: Home) -> list[TaskView]:
    """All tasks, newest first."""
    return Board(home).poll()


def view(home: Home, identifier: str) -> TaskView:
    """Task `identifier` as it is now. Raises NuvError: there is none (exit code 3), somebody else's (4)."""
    folder = _folder(home, identifier)
    try:
        task = fold(identifier, read_events(folder))
        if not task.status.ended and settle(folder):
            task = fold(identifier, read_events(folder))
    except PermissionError:
        raise _not_yours(identifier) from None
    return task


def find(home: Home, key: str) -> TaskView:
    """The task whose id is or begins with `key`. Raises NuvError: none (exit code 3), several (2)."""
    if files.is_id(key):
        return view(home, key)
    try:
        names = sorted(n for n in os.listdir(home.tasks) if files.is_id(n) and key and n.startswith(key))
    except FileNotFoundError:
        names = []
    if not names:
        raise _no_task(key)
    if len(names) > 1:
        raise NuvError(
            f"{key!r} stands for {len(names)} tasks",
            ", ".join(names[:5]) + (", …" if len(names) > 5 else ""),
            "Give more of the id.",
            Exit.USAGE,
        )
    return view(home, names[0])


def cancel(home: Home, identifier: str, wait: float = 10.0) -> TaskView:
    """Ask the task to stop, wait at most `wait` seconds for it, then kill it; returns how it ended.

    A task that has ended stays as it is. Raises NuvError: no such task (exit code 3), somebody else's (4).
    """
    folder = _folder(home, identifier)
    task = view(home, identifier)
    if task.status.ended:
        return task
    try:
        os.close(os.open(folder / files.CANCEL, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _stop(folder, wait)
    except PermissionError:
        raise _not_yours(identifier) from None
    return view(home, identifier)


def _stop(folder: Path, wait: float) -> None:
    """Bring the worker of `folder` to its end, kindly until `wait` seconds have passed."""
    asked: lease.Lease | None = None
    tailer = Tailer(folder)
    finished = False
    end = time.monotonic() + wait
    while time.monotonic() < end:
        worker = lease.read(folder)
        if worker is not None and worker != asked and lease.ask_to_end(worker):
            asked = worker
        settle(folder)
        # Until the process is gone, not just its last word written: nobody should find it at work.
        finished = finished or any(event.type == "finished" for event in tailer.poll())
        if finished and (asked is None or asked.status() != "alive"):
            break
        time.sleep(_POLL)
    end = time.monotonic() + KILL_SECONDS
    while (worker := lease.read(folder)) is not None and worker.worker and worker.status() != "elsewhere":
        lease.kill(worker)
        settle(folder)
        finished = finished or any(event.type == "finished" for event in tailer.poll())
        if (finished and worker.status() == "gone") or time.monotonic() >= end:
            break
        time.sleep(_POLL)


def settle(folder: Path) -> bool:
    """Put the last word for a task whose worker is gone; True where this call did. Raises OSError."""
    worker = lease.read(folder)
    status = worker.status() if worker is not None else "elsewhere"
    if status == "alive" or (status == "elsewhere" and _young(folder)):
        return False
    with files.hold_lock(folder, wait=False) as held:
        # A worker holds the lock as long as it lives; its children do not inherit it.
        if not held or lease.read(folder) != worker:
            return False
        if worker is not None:
            with contextlib.suppress(PermissionError):
                lease.kill(worker)
        with EventWriter(folder) as events:
            if events.finished:
                return False
            stopped = (folder / files.CANCEL).exists()
            events.write(
                "finished",
                status="cancelled" if stopped else "failed",
                error=_KILLED if stopped else _INTERRUPTED,
                interrupted=True,
                log_offset=log_size(folder),
            )
            return True


_INTERRUPTED = Failure(
    "Interrupted",
    "The process that worked on this task is gone: killed, or the machine was restarted.",
    "Start it again. What it had begun is not visible anywhere.",
)
_KILLED = Failure(
    "Cancelled", "The task did not stop by itself and was killed.", exit_code=int(Exit.CANCELLED)
)


def forget(home: Home, days: float) -> list[str]:
    """Remove the folders of tasks that ended more than `days` days ago; returns their ids."""
    limit = clock.parse(clock.now()) - datetime.timedelta(days=days)
    forgotten = []
    for task in list_tasks(home):
        if task.finished is None or clock.parse(task.finished) >= limit:
            continue
        gone = home.tasks / f"{files.GONE}{task.id}"
        with contextlib.suppress(OSError):
            home.task(task.id).rename(gone)
            forgotten.append(task.id)
    _sweep(home)
    return forgotten


def _sweep(home: Home) -> None:
    """Remove what forgotten tasks and submissions that were cut off left."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(home.tasks):
            stale = entry.name.startswith(files.NEW) and entry.stat().st_mtime < time.time() - _STALE
            if stale or entry.name.startswith(files.GONE):
                import shutil  # here: seldom needed

                shutil.rmtree(entry.path, ignore_errors=True)
        atomic.fsync_folder(home.tasks)


def _follow(task: TaskView, events: list[Event]) -> TaskView:
    for event in events:
        task = advance(task, event)
    return task


def _young(folder: Path) -> bool:
    try:
        return (folder / files.LEASE).stat().st_mtime > time.time() - START_SECONDS
    except FileNotFoundError:
        return False


def _folder(home: Home, identifier: str) -> Path:
    folder = home.task(identifier)
    if not files.is_id(identifier) or not folder.is_dir():
        raise _no_task(identifier)
    return folder


def _not_yours(identifier: str) -> NuvError:
    return NuvError(
        f"Task {identifier[:8]} belongs to another user",
        "its files and processes are theirs alone",
        "Ask them, or the administrator of the machine.",
        Exit.ROLE,
    )


def _no_task(key: str) -> NuvError:
    return NuvError(f"There is no task {key!r}", "", "`nuvtui tasks list` shows all.", Exit.NOT_FOUND)
