"""Submitting a task: its folder, whole from the first moment, and its worker, detached."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Sequence
from pathlib import Path

import nuvtui
from nuvtui import atomic, clock
from nuvtui.errors import StoreError
from nuvtui.model.task import Failure
from nuvtui.paths import Home
from nuvtui.tasks import files, lease, request
from nuvtui.tasks.events import EventWriter, plain
from nuvtui.tasks.request import Request

WORKER = (sys.executable, "-P", "-m", "nuvtui.tasks.worker")
"""Command of the worker. -P: nothing is imported from the folder that it happens to be in."""


def submit(home: Home, task: Request, *, worker: Sequence[str] = WORKER) -> str:
    """Start `task` in a process of its own and return its id at once.

    The worker has its own session and none of this process's files: it goes on when the terminal is closed.
    Raises StoreError where the folder cannot be made. A worker that cannot be started is a failed task.
    `worker` is the command of the worker, without the folder; another one than `WORKER` is for tests.
    """
    identifier = clock.new_id()
    folder = home.task(identifier)
    try:
        _make(folder, task)
    except OSError as error:
        raise StoreError(
            "The task could not be submitted",
            error.strerror or str(error),
            "Check free space and permissions of the store.",
        ) from error
    try:
        process = _start(folder, worker)
    except OSError as error:
        with files.hold_lock(folder, wait=True), EventWriter(folder) as events:
            failure = Failure("The worker could not be started", plain(str(error)))
            events.write("finished", status="failed", error=failure)
        return identifier
    child = lease.of(process.pid, worker=True)
    if child is not None:
        with contextlib.suppress(OSError):  # the worker writes it as well, a moment later
            lease.write(folder, child)
    # Somebody has to take the exit status of the child, or it stays a zombie as long as this process lives.
    threading.Thread(target=process.wait, name=f"worker {identifier}", daemon=True).start()
    return identifier


def _make(folder: Path, task: Request) -> None:
    """Make the task's folder; it gets its name when everything is in it."""
    _make_tasks(folder.parent)
    new = folder.with_name(files.NEW + folder.name)
    new.mkdir(mode=0o700)
    try:
        atomic.write_file(new / files.REQUEST, request.encode(task))
        submitter = lease.of(os.getpid(), worker=False)
        if submitter is not None:
            lease.write(new, submitter)
        with EventWriter(new) as events:
            events.write(
                "queued",
                kind=task.kind,
                title=plain(task.title),
                user=plain(task.user),
                space=task.space,
                instance=task.instance,
                subject=task.subject,
            )
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    atomic.fsync_folder(folder.parent)


def _make_tasks(tasks: Path) -> None:
    """Make the folder of all tasks; in a shared store everybody may put theirs into it."""
    if tasks.is_dir():
        return
    atomic.make_folder(tasks)
    if tasks.parent.stat().st_mode & 0o020:
        tasks.chmod(0o2770)


def _start(folder: Path, worker: Sequence[str]) -> subprocess.Popen[bytes]:
    log = os.open(folder / files.WORKER_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [*worker, os.fspath(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=worker_environment(),
            start_new_session=True,
        )
    finally:
        os.close(log)


def worker_environment() -> dict[str, str]:
    """The environment of a worker process: ours; where nuvtui is not installed, the way to it as well."""
    environment = dict(os.environ)
    source = os.fspath(Path(nuvtui.__file__).absolute().parents[1])
    if source not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{source}{os.pathsep}{known}" if known else source
    return environment
