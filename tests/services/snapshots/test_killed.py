"""Workers killed and cancelled in the middle: the task ends once, the record says so, a retry succeeds (hard case 8)."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nuvtui.paths import Home
from nuvtui.worker import lease, lifecycle
from tests.services.helpers import World
from tests.support.cli import Nuvtui
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def shared(study: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("NUVTUI_HOME", str(study.home.root))
    study.add("first")
    study.add("second")
    study.services.staging.add(study.current(), everything=True)
    return study


@contextmanager
def held(world: World, name: str) -> Iterator[None]:
    """Keep an instance, so that a worker that wants it stands still there."""
    instance = world.services.instances.find(world.space.id, name)
    with world.services.context.exclusive(f"instance-{instance.id}", name):
        yield


def worker_of(home: Home, task: str) -> lease.Lease:
    """The process that works on the task."""
    found = lease.read(home.task(task))
    assert found is not None
    assert found.worker
    return found


def distribute(world: World) -> str:
    """Start a distribution to first and second in the background; it stands before second. Returns the task."""
    task = (
        Nuvtui(world.root())
        .run("distribution", "distribute", "--targets", "first,second", "--detach")
        .stdout.strip()
    )
    wait_until(
        lambda: any(
            step.name.startswith("target-") and "second" in step.title
            for step in lifecycle.view(world.home, task).steps
        ),
        "the worker stands before the second target",
    )
    return task


def test_a_killed_worker_ends_the_task_once_and_the_record_says_what_became(shared: World) -> None:
    second = shared.services.instances.find(shared.space.id, "second")
    before = shared.whole(second)
    nuvtui = Nuvtui(shared.root())
    with held(shared, "second"):
        task = distribute(shared)
        worker = worker_of(shared.home, task).pid
        assert nuvtui.json("distribution", "list")[0]["status"] == "running"
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: lifecycle.view(shared.home, task).status.ended, "the task is seen as ended")
    view = nuvtui.json("tasks", "get", task)
    assert (view["status"], view["interrupted"]) == ("FAILED", True)
    nuvtui.json("tasks", "list")
    events = (shared.home.task(task) / "events.jsonl").read_text()
    assert events.count('"finished"') == 1
    (record,) = nuvtui.json("distribution", "list")
    assert (record["status"], [t["status"] for t in record["targets"]]) == (
        "interrupted",
        ["completed", "cancelled"],
    )
    assert "as it was" in record["targets"][1]["error"]
    assert shared.whole(second) == before
    again = nuvtui.json("distribution", "distribute", "--targets", "first,second")
    assert again["status"] == "completed"
    shared.assert_store_sound()


def test_a_cancelled_distribution_stops_while_it_waits_and_leaves_the_rest(shared: World) -> None:
    second = shared.services.instances.find(shared.space.id, "second")
    before = shared.whole(second)
    nuvtui = Nuvtui(shared.root())
    with held(shared, "second"):
        task = distribute(shared)
        cancelled = nuvtui.json("tasks", "cancel", task)
        assert cancelled["status"] == "CANCELLED"
        assert not cancelled["interrupted"]
    assert worker_of(shared.home, task).status() == "gone"
    (record,) = nuvtui.json("distribution", "list")
    assert (record["status"], [t["status"] for t in record["targets"]]) == (
        "partial",
        ["completed", "cancelled"],
    )
    assert shared.whole(second) == before
    nuvtui.run("tasks", "attach", task, code=130)


def test_the_worker_outlives_the_one_who_asked(shared: World) -> None:
    """Ctrl+C apart, nothing that happens to the command ends the task: a hang-up of the terminal neither."""
    import subprocess

    from tests.support.cli import NUVTUI

    with held(shared, "Master"):
        command = subprocess.Popen(
            [str(NUVTUI), "snapshots", "create", "-n", "goes-on"],
            cwd=shared.root(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        (task,) = wait_until(
            lambda: [t for t in lifecycle.list_tasks(shared.home) if t.status == "RUNNING"], "the task runs"
        )
        os.killpg(command.pid, signal.SIGHUP)
        command.wait(PATIENCE)
    ended = wait_until(
        lambda: (v := lifecycle.view(shared.home, task.id)).status.ended and v, "the task ends"
    )
    assert ended.status == "COMPLETED"
    assert [s.name for s in shared.services.snapshots.list(shared.master.id)] == ["goes-on"]


def test_ctrl_c_cancels_and_exits_with_130(shared: World) -> None:
    import subprocess

    from tests.support.cli import NUVTUI

    with held(shared, "Master"):
        command = subprocess.Popen(
            [str(NUVTUI), "snapshots", "create", "-n", "never"],
            cwd=shared.root(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        wait_until(
            lambda: [t for t in lifecycle.list_tasks(shared.home) if t.status == "RUNNING"], "the task runs"
        )
        os.killpg(command.pid, signal.SIGINT)
        out, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, out) == (130, "")
    assert "Traceback" not in err
    (task,) = lifecycle.list_tasks(shared.home)
    assert task.status == "CANCELLED"
    assert shared.services.snapshots.list(shared.master.id) == []


SOONER = """
import os, signal, sys
from nuvtui import __main__
from nuvtui.worker import submit

real = submit.submit

def interrupted(*arguments, **options):
    task = real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGINT)  # before anybody follows the task
    return task

submit.submit = interrupted
sys.argv[1:] = ["snapshots", "create", "-n", "never"]
__main__.program()
"""


def test_ctrl_c_in_the_moment_in_which_a_task_starts_cancels_it_too(shared: World) -> None:
    import subprocess
    import sys

    with held(shared, "Master"):
        done = subprocess.run(
            [sys.executable, "-c", SOONER], cwd=shared.root(), capture_output=True, text=True
        )
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    (task,) = lifecycle.list_tasks(shared.home)
    assert task.status == "CANCELLED"
    assert shared.services.snapshots.list(shared.master.id) == []
