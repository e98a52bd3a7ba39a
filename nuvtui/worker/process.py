"""The worker: the process that does one task and says how it went.

Started by `submit` as `python -m nuvtui.worker.process <folder>`. It holds the task's lock as long as it lives.
A signal (or the file `cancel`) is noted by a thread of its own, so that a cancel also reaches work that waits
inside a library.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nuvtui import config
from nuvtui.config import Settings
from nuvtui.errors import Cancelled, Exit, NuvError, PlanChangedError
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.task import Failure
from nuvtui.reporter import Reporter
from nuvtui.worker import files, lease, request
from nuvtui.worker.events import EventWriter, plain
from nuvtui.worker.reporting import TaskReporter

_LOOK_SECONDS = 0.5


Work = Callable[[Settings, dict[str, Any], Reporter], Any]
"""Does an operation, given as plain values, and returns what `msgspec.to_builtins` takes."""


def main(argv: Sequence[str], work: Work | None = None) -> int:
    """Do the task in folder `argv[0]`; returns the exit status. For the main thread of its own process.

    `work` does the operation; None: `nuvtui.operations`.
    """
    folder = Path(argv[0]).absolute()
    os.environ["NUVTUI_TASK"] = folder.name
    with files.hold_lock(folder, wait=True), EventWriter(folder) as events:
        if events.finished:
            return 0  # it was given up before it began
        own = lease.of(os.getpid(), worker=True)
        if own is not None:
            lease.write(folder, own)
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM}
        )  # whoever started us held them
        reporter = TaskReporter(folder, events)
        with contextlib.closing(reporter), _listening(folder, reporter):
            events.write("started", pid=os.getpid())
            return _work(folder, reporter, work or _carry_out)


def _carry_out(settings: Settings, operation: dict[str, Any], reporter: Reporter) -> Any:
    from nuvtui import operations
    from nuvtui.bootstrap import open_services
    from nuvtui.model.operations import Task

    try:
        known = msgspec.convert(operation, Task)
    except msgspec.ValidationError as error:
        raise NuvError(f"No operation {operation.get('kind')!r}", str(error), "", Exit.USAGE) from error
    return operations.carry_out(open_services(settings), known, reporter)


def _work(folder: Path, reporter: TaskReporter, work: Work) -> int:
    try:
        task = request.read(folder)
        with contextlib.suppress(OSError):
            os.chdir(text_to_path(task.cwd) or "/")
        settings = config.load(task.settings | {"home": os.fspath(folder.parents[1])})
        reporter.check()
        result = work(settings, task.operation, reporter)
        reporter.end_step()
        reporter.finish(status="completed", result=msgspec.to_builtins(result))
        return 0
    except BaseException as error:  # whatever it was: a task has a last word
        with contextlib.suppress(OSError):
            traceback.print_exc()
        if isinstance(error, Cancelled):
            reporter.finish(status="cancelled")
            return int(error.exit_code)
        failure = _failure(folder, error)
        # What breaks because a cancel closed it is part of the cancel, but still told.
        reporter.finish(status="cancelled" if reporter.cancelled else "failed", error=failure)
        return failure.exit_code


def _failure(folder: Path, error: BaseException) -> Failure:
    if isinstance(error, NuvError):
        return Failure(
            plain(error.title),
            plain(error.message),
            plain(error.hint),
            int(error.exit_code),
            plan_changed=isinstance(error, PlanChangedError),
        )
    lines = plain(str(error)).splitlines()
    return Failure(
        "Unexpected error",
        f"{type(error).__name__}: {lines[0][:500]}" if lines else type(error).__name__,
        f"A fault of nuvtui; where it happened is in {path_to_text(os.fspath(folder / files.WORKER_LOG))}.",
    )


@contextlib.contextmanager
def _listening(folder: Path, reporter: TaskReporter) -> Iterator[None]:
    """Hand SIGTERM, SIGINT and the file `cancel` to `reporter`, even while a library has the main thread."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    done = threading.Event()

    def listen() -> None:
        asked = False
        while not done.is_set():
            ready, _, _ = select.select([reading], [], [], _LOOK_SECONDS)
            noted = bool(ready and os.read(reading, 64).strip(b"\0"))
            if not asked and (noted or (folder / files.CANCEL).exists()):
                asked = True
                reporter.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        # Python itself writes the number into the pipe, even while the main thread is busy elsewhere.
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=listen, name="cancel", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        os.write(writing, b"\0")
        thread.join()
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)


if __name__ == "__main__":
    import faulthandler

    faulthandler.enable()
    sys.exit(main(sys.argv[1:]))
