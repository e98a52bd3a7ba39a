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
from collections.abc import Iterable
from pathlib import Path

from nuvtui import atomic, clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.task import Event, Failure, TaskStatus, TaskView, advance
from nuvtui.paths import Home
from nuvtui.worker import files, lease
from nuvtui.worker.events import EventWriter, Tailer, log_size

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
        """The tasks as they are now, newest first. Puts the last word for dead workers.

        One that cannot be read is listed as failed, with the reason as its error, and read again the next time.
        """
        names = set(_names(self._home))
        for name in (self._views.keys() | self._tailers.keys()) - names:
            self._forget(name)
        unreadable = []
        for name in names:
            if name in self._views and name not in self._tailers:
                continue  # ended: nothing will change
            try:
                self._update(name)
            except files.UnusableError as error:
                self._forget(name)
                unreadable.append(_unreadable(self._home.task(name), error))
            except OSError:  # somebody else's task in a shared store, or just forgotten
                self._forget(name)
        tasks = [*self._views.values(), *unreadable]
        return sorted(tasks, key=lambda task: (task.created, task.id), reverse=True)

    def _update(self, name: str) -> None:
        tailer = self._tailers.setdefault(name, Tailer(self._home.task(name)))
        task = _look(self._home.task(name), tailer, self._views.get(name, TaskView(name)))
        self._views[name] = task
        if task.status.ended:
            del self._tailers[name]

    def _forget(self, name: str) -> None:
        self._views.pop(name, None)
        self._tailers.pop(name, None)


def list_tasks(home: Home) -> list[TaskView]:
    """All tasks, newest first."""
    return Board(home).poll()


def view(home: Home, identifier: str) -> TaskView:
    """Task `identifier` as it is now.

    Raises NuvError: there is none (exit code 3), somebody else's (4), it cannot be read (1).
    """
    folder = _folder(home, identifier)
    try:
        return _look(folder, Tailer(folder), TaskView(identifier))
    except PermissionError:
        raise _not_yours(identifier) from None
    except OSError as error:
        raise files.unusable(folder, files.EVENTS, f"cannot be read: {error.strerror or error}") from error


def find(home: Home, key: str) -> TaskView:
    """The task whose id is or begins with `key`. Raises NuvError: none (exit code 3), several (2)."""
    if files.is_id(key):
        return view(home, key)
    names = sorted(name for name in _names(home) if key and name.startswith(key))
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
        os.close(files.open_file(folder, files.CANCEL, os.O_WRONLY | os.O_CREAT))
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
    """Put the last word for a task whose worker is gone; True where this call did. Raises UnusableError, OSError."""
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


def _names(home: Home) -> list[str]:
    """The ids of all tasks."""
    try:
        with os.scandir(home.tasks) as entries:
            return [entry.name for entry in entries if files.is_id(entry.name) and entry.is_dir()]
    except FileNotFoundError:
        return []


def _look(folder: Path, tailer: Tailer, task: TaskView) -> TaskView:
    """`task` after what `tailer` finds, and after its last word, where its worker is gone.

    Raises UnusableError, OSError.
    """
    task = _follow(task, tailer.poll())
    if not task.status.ended:
        # A store that may only be read, a full disk: the last word waits.
        with contextlib.suppress(OSError):
            if settle(folder):
                task = _follow(task, tailer.poll())
    return task


def _unreadable(folder: Path, error: NuvError) -> TaskView:
    """What is listed in the place of a task that cannot be read."""
    with contextlib.suppress(OSError):
        made = datetime.datetime.fromtimestamp(folder.stat().st_mtime, datetime.UTC)
        return TaskView(
            folder.name,
            title=error.title,
            status=TaskStatus.FAILED,
            created=made.isoformat(timespec="microseconds"),
            error=Failure(error.title, error.message, error.hint, int(error.exit_code)),
        )
    return TaskView(folder.name, status=TaskStatus.FAILED)


def _follow(task: TaskView, events: Iterable[Event]) -> TaskView:
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
