"""Submitting tasks to the fake worker, and waiting for what they say."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from nuvtui.model.task import Event, TaskView
from nuvtui.paths import Home
from nuvtui.worker import lease, lifecycle
from nuvtui.worker.files import hold_lock
from nuvtui.worker.request import Request
from nuvtui.worker.submit import submit
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))


def request(kind: str, **arguments: Any) -> Request:
    return Request(
        operation={"kind": kind, **arguments}, title=f"Do {kind}", user="alice", space="s", instance="i"
    )


def start(home: Home, kind: str, **arguments: Any) -> str:
    return submit(home, request(kind, **arguments), worker=WORKER)


def ended(home: Home, identifier: str) -> TaskView:
    """The task when it has ended and its worker is gone."""

    def look() -> TaskView | None:
        task = lifecycle.view(home, identifier)
        worker = lease.read(home.task(identifier))
        gone = worker is None or worker.status() == "gone"
        return task if task.status.ended and gone else None

    return wait_until(look, f"the end of task {identifier}: {worker_log(home, identifier)}")


def ready(folder: Path) -> list[int]:
    """The process ids that the task said when it was at work."""
    path = folder / "ready"
    wait_until(path.exists, "the task at work")
    return [int(word) for word in path.read_text().split()]


def kill(home: Home, identifier: str, pid: int) -> None:
    """Kill the worker; on return all of it is gone, the threads that end last and the lock included."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the end of the worker")
    with hold_lock(home.task(identifier), wait=True):
        pass


def alive(pid: int) -> bool:
    """True where process `pid` runs and is no zombie."""
    found = lease.of(pid, worker=False)
    return found is not None and found.status() == "alive"


def worker_log(home: Home, identifier: str) -> str:
    path = home.task(identifier) / "worker.log"
    return path.read_text("utf-8", "replace") if path.exists() else ""


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def read_events(folder: Path) -> list[Event]:
    """Every event in the log of the task in `folder`, as it stands there; [] where there is no log."""
    try:
        lines = (folder / "events.jsonl").read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    events = []
    for line in lines[:-1]:  # what follows the last line end is torn
        with contextlib.suppress(msgspec.DecodeError):
            events.append(msgspec.json.decode(line, type=Event))
    return events
