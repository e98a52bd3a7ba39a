"""Submitting a task: its folder, whole from the first moment, and its worker, detached.

The worker is a copy of this process where that is safe (one thread: the command line), so that nothing is imported
twice; else (the screens) a new one.
"""

import contextlib
import fcntl
import os
import signal
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import nuvtui
from nuvtui import atomic, clock
from nuvtui.errors import StoreError
from nuvtui.model.task import Failure
from nuvtui.paths import Home
from nuvtui.worker import files, lease, request
from nuvtui.worker.events import EventWriter, plain
from nuvtui.worker.request import Request

WORKER = (sys.executable, "-P", "-m", "nuvtui.worker.process")
"""Command of the worker. -P: nothing is imported from the folder that it happens to be in."""


def submit(home: Home, task: Request, *, worker: Sequence[str] | None = None) -> str:
    """Start `task` in a process of its own and return its id at once.

    The worker has its own session and none of this process's files: it goes on when the terminal is closed.
    Raises StoreError where the folder cannot be made. A worker that cannot be started is a failed task.
    `worker` is the command of another worker, without the folder: for tests.
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
        if worker is None and _may_copy():
            pid, wait = _copy(folder)
        else:
            pid, wait = _start(folder, worker or WORKER)
    except OSError as error:
        with files.hold_lock(folder, wait=True), EventWriter(folder) as events:
            failure = Failure("The worker could not be started", plain(str(error)))
            events.write("finished", status="failed", error=failure)
        return identifier
    child = lease.of(pid, worker=True)
    if child is not None:
        with contextlib.suppress(OSError):  # the worker writes it as well, a moment later
            lease.write(folder, child)
    # Somebody has to take the exit status of the child, or it stays a zombie as long as this process lives.
    threading.Thread(target=wait, name=f"worker {identifier}", daemon=True).start()
    return identifier


def _make(folder: Path, task: Request) -> None:
    """Make the task's folder; it gets its name when everything is in it."""
    _make_tasks(folder.parent)
    new = folder.with_name(files.NEW + folder.name)
    new.mkdir(mode=0o700)
    try:
        atomic.write_file(new / files.REQUEST, request.encode(task), durable=False)
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
        import shutil  # here: seldom needed

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


def _open_log(folder: Path) -> int:
    return os.open(folder / files.WORKER_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _may_copy() -> bool:
    """True where this process can be copied safely.

    It has one thread, those of libraries included, and imports nothing from the folder that it happens to be in.
    """
    return len(os.listdir("/proc/self/task")) == 1 and not {"", str(Path.cwd())}.intersection(sys.path)


def _copy(folder: Path) -> tuple[int, Callable[[], object]]:
    """Start the worker as a copy of this process; its process id, and what waits for its end. Raises OSError."""
    log = _open_log(folder)
    try:
        with contextlib.suppress(OSError):  # told where the output is written, not here
            _flush()
        # Ctrl+C is for us, not for a worker that has not yet left our process group.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            pid = os.fork()
            if not pid:
                _be_worker(folder, log, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        os.close(log)
    return pid, lambda: os.waitpid(pid, 0)


def _be_worker(folder: Path, log: int, mask: set[int]) -> NoReturn:
    """What the copy does: let go of the terminal and of all that we were handed, do the task, end."""
    code = 1
    try:
        os.setsid()
        # Whoever started us may have closed some of these: ours must not lie where they belong.
        null = os.open(os.devnull, os.O_RDONLY)
        null, log = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3) for number in (null, log))
        for number, target in enumerate((null, log, log)):
            os.dup2(target, number)
        sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  # a descriptor
        sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
        for name in os.listdir("/proc/self/fd"):
            # What Python opened is closed on exec; the rest came from outside, somebody may wait for its end.
            with contextlib.suppress(OSError):
                if int(name) > 2 and not fcntl.fcntl(int(name), fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
                    os.close(int(name))
        os.chdir("/")
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        from nuvtui.worker import process

        code = process.main([os.fspath(folder)])
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by whoever started us
            stream.flush()


def _start(folder: Path, worker: Sequence[str]) -> tuple[int, Callable[[], object]]:
    """Start the worker as a new process; as `_copy`."""
    import subprocess  # here: the command line copies itself

    log = _open_log(folder)
    try:
        process = subprocess.Popen(
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
    return process.pid, process.wait


def worker_environment() -> dict[str, str]:
    """The environment of a worker process: ours; where nuvtui is not installed, the way to it as well."""
    environment = dict(os.environ)
    source = os.fspath(Path(nuvtui.__file__).absolute().parents[1])
    if source not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{source}{os.pathsep}{known}" if known else source
    return environment
