"""Workers that die without a last word (hard case 8)."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nuvtui.model.task import TaskStatus
from nuvtui.paths import Home
from nuvtui.worker import lifecycle
from nuvtui.worker.events import EventWriter
from nuvtui.worker.files import hold_lock
from tests.support.waiting import wait_until
from tests.worker.running import ROOT, alive, ended, environment, kill, read_events, ready, start

PARENT = """
import sys, time
from pathlib import Path
from nuvtui.paths import Home
from tests.worker.running import start

print(start(Home(Path(sys.argv[1])), sys.argv[2], folder=sys.argv[3]), flush=True)
time.sleep(1000)
"""

LISTER = """
import sys
from pathlib import Path
from nuvtui.paths import Home
from nuvtui.worker import lifecycle

sys.stdin.read()
(task,) = lifecycle.list_tasks(Home(Path(sys.argv[1])))
print(task.id, task.status, task.interrupted)
"""


def _words(home: Home, identifier: str) -> list[str]:
    return [event.type for event in read_events(home.task(identifier))]


def test_worker_and_parent_killed_it_fails_exactly_once_and_its_children_go(
    home: Home, tmp_path: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home.root), "children", str(tmp_path)],
        stdout=subprocess.PIPE, cwd=ROOT, env=environment(), text=True,
    )  # fmt: skip
    listers = [
        subprocess.Popen(
            [sys.executable, "-c", LISTER, str(home.root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    try:
        assert parent.stdout is not None
        identifier = parent.stdout.readline().strip()
        pids = ready(tmp_path)
        parent.kill()
        parent.wait()
        assert alive(pids[0]), "the worker outlives the one who submitted it"
        kill(home, identifier, pids[0])
        for lister in listers:  # all look at once
            assert lister.stdin is not None
            lister.stdin.close()
        # One of several lookers may come while another writes, and still sees it running: but never twice.
        told = {lister.stdout.read().strip() for lister in listers if lister.stdout is not None}
        assert told <= {f"{identifier} FAILED True", f"{identifier} RUNNING False"}
    finally:
        for process in (parent, *listers):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    task = ended(home, identifier)
    assert (task.status, task.interrupted) == (TaskStatus.FAILED, True)
    assert task.error is not None
    assert task.error.title == "Interrupted"
    assert _words(home, identifier).count("finished") == 1
    wait_until(lambda: not any(map(alive, pids)), "the end of the children")


def test_a_worker_that_dies_in_the_middle_of_a_line(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "wait", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    kill(home, identifier, pid)
    with (home.task(identifier) / "events.jsonl").open("ab") as file:
        file.write(b'{"v":1,"seq":4,"ts":"2026-')
    task = lifecycle.view(home, identifier)
    assert task.interrupted
    assert _words(home, identifier) == ["queued", "started", "step", "finished"]
    lines = (home.task(identifier) / "events.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3, 4]


def test_a_worker_that_kills_itself(home: Home) -> None:
    identifier = start(home, "die")
    task = ended(home, identifier)
    assert (task.status, task.interrupted) == (TaskStatus.FAILED, True)
    assert task.steps[-1].failed


def test_a_submitter_that_died_before_it_started_the_worker(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from nuvtui.worker import submit as s; "
        "from tests.worker.running import request; s._make(Path(sys.argv[1]), request('work', text=''))"
    )
    folder = home.task("a" * 16)
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=ROOT, env=environment())
    (task,) = lifecycle.list_tasks(home)
    assert (task.status, task.interrupted) == (TaskStatus.FAILED, True)
    # A worker that is started for it all the same finds the last word, and does nothing.
    from tests.worker.running import WORKER

    assert subprocess.run([*WORKER, str(folder)], env=environment(), check=False).returncode == 0
    assert _words(home, "a" * 16) == ["queued", "finished"]


def test_a_submitters_process_group_is_not_the_tasks(home: Home, tmp_path: Path) -> None:
    """The lease of a submitter that died names a number whose group may hold the rest of a pipeline."""
    code = (
        "import subprocess, sys; from pathlib import Path; from nuvtui.worker import submit as s; "
        "from tests.worker.running import request; s._make(Path(sys.argv[1]), request('work', text='')); "
        "print(subprocess.Popen(['sleep', '1000'], stdout=subprocess.DEVNULL).pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home.task("a" * 16))],
        check=True, cwd=ROOT, env=environment(), start_new_session=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    bystander = int(done.stdout)
    try:
        (task,) = lifecycle.list_tasks(home)
        assert task.interrupted
        assert alive(bystander)
    finally:
        os.kill(bystander, signal.SIGKILL)


def test_a_living_worker_is_never_spoken_for(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "hold", folder=str(tmp_path))
    for _ in range(50):
        assert not lifecycle.view(home, identifier).status.ended
    ready(tmp_path)
    path = home.task(identifier) / "lease"
    whole = json.loads(path.read_bytes())
    # After a reboot, on another machine, in another container, damaged, gone: the lock still tells that it lives.
    for change in ({"boot": "another"}, {"namespace": "pid:[1]", "host": "node7"}):
        path.write_text(json.dumps(whole | change))
        os.utime(path, (0, 0))
        assert lifecycle.view(home, identifier).status is TaskStatus.RUNNING
    path.write_bytes(b"\0")
    assert lifecycle.view(home, identifier).status is TaskStatus.RUNNING
    path.unlink()
    assert lifecycle.view(home, identifier).status is TaskStatus.RUNNING
    (tmp_path / "go").touch()
    assert ended(home, identifier).status is TaskStatus.COMPLETED


@pytest.mark.parametrize("young", [True, False])
def test_after_a_reboot_it_is_interrupted_once_the_lease_is_old(
    home: Home, tmp_path: Path, young: bool
) -> None:
    identifier = start(home, "wait", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    kill(home, identifier, pid)
    path = home.task(identifier) / "lease"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"boot": "another"}))
    if not young:
        os.utime(path, (0, 0))
    assert lifecycle.view(home, identifier).interrupted is not young


def test_many_threads_that_look_at_once_write_one_last_word(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "wait", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    kill(home, identifier, pid)
    barrier = threading.Barrier(8)
    wrote: list[bool] = []

    def look() -> None:
        barrier.wait()
        wrote.append(lifecycle.settle(home.task(identifier)))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wrote) == 1
    assert _words(home, identifier).count("finished") == 1


def test_the_last_word_of_a_worker_that_has_it_stands(home: Home, tmp_path: Path) -> None:
    """The worker wrote `finished` between our look at the lease and at the log."""
    identifier = start(home, "wait", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    kill(home, identifier, pid)
    folder = home.task(identifier)
    with hold_lock(folder, wait=True) as held, EventWriter(folder) as events:
        assert held
        assert not lifecycle.settle(folder)  # somebody else has the lock
        events.write("finished", status="completed", result=1)
    assert not lifecycle.settle(folder)
    assert lifecycle.view(home, identifier).status is TaskStatus.COMPLETED
