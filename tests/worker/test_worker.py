"""Tasks from submission to their end, in real processes."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.task import Event, Failure, TaskStatus
from nuvtui.paths import Home
from nuvtui.worker import lease, lifecycle
from nuvtui.worker.attach import attach
from nuvtui.worker.events import read_log
from nuvtui.worker.request import Request
from nuvtui.worker.submit import submit
from tests.support.waiting import wait_until
from tests.worker.running import (
    WORKER,
    alive,
    ended,
    environment,
    read_events,
    ready,
    request,
    start,
    worker_log,
)


def test_a_task_runs_and_its_result_is_plain_json(home: Home) -> None:
    identifier = start(home, "work", text="hällo")
    task = ended(home, identifier)
    assert task.status is TaskStatus.COMPLETED, worker_log(home, identifier)
    assert task.result == {"text": "hällo", "numbers": [1, 2]}
    assert (task.kind, task.title, task.user, task.space, task.instance) == (
        "work",
        "Do work",
        "alice",
        "s",
        "i",
    )
    assert [(s.name, s.title, s.failed, s.log_start, s.log_end) for s in task.steps] == [
        ("read", "Reading", False, 0, 4),
        ("write", "Writing", False, 4, 12),
    ]
    assert task.warnings == ("odd \\xff name",)
    assert read_log(home.task(identifier), 0, 100) == b"one\nzwei \xc3\xa4\n"
    events = read_events(home.task(identifier))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [events[0].type, events[1].type, events[-1].type] == ["queued", "started", "finished"]
    # A thousand calls of progress: the first and the last are told, few of the others.
    done = [event.done for event in events if event.type == "progress"]
    assert done[0] == 1
    assert done[-1] == 1000
    assert len(done) < 100


def test_its_files_are_private(home: Home) -> None:
    os.umask(0)
    identifier = start(home, "work", text="")
    ended(home, identifier)
    folder = home.task(identifier)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    names = ("build.log", "events.jsonl", "lease", "lock", "request.json", "worker.log")
    assert modes == dict.fromkeys(names, 0o600)
    assert [path.name for path in home.tasks.iterdir()] == [identifier]


def test_the_worker_stands_alone(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Modules in the folder that a task works in are the user's, and are not ours.
    for name in ("msgspec", "traceback", "nuvtui", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hostile module was imported')")
    monkeypatch.chdir(tmp_path)
    task = Request(
        operation={"kind": "about"}, title="", user="alice", settings={"ascii": True, "home": "/elsewhere"},
        cwd=str(tmp_path),
    )  # fmt: skip
    identifier = submit(home, task, worker=WORKER)
    view = ended(home, identifier)
    assert view.result == {
        "home": str(home.root),
        "ascii": True,
        "cwd": str(tmp_path),
        "task": identifier,
        "session": True,
        "stdin": "",
        "terminal": False,
        "path": [],
    }, worker_log(home, identifier)


def test_the_real_worker_is_started_by_default_and_knows_the_services(home: Home, tmp_path: Path) -> None:
    (tmp_path / "nuvtui.py").write_text("raise SystemExit('hostile module was imported')")
    task = Request(operation={"kind": "no such operation"}, title="", user="alice", cwd=str(tmp_path))
    identifier = submit(home, task)
    view = ended(home, identifier)
    assert view.status is TaskStatus.FAILED
    assert view.error is not None
    assert "no such operation" in f"{view.error.title} {view.error.message}", worker_log(home, identifier)


def test_a_folder_that_is_gone_does_not_keep_a_task_from_running(home: Home) -> None:
    task = Request(operation={"kind": "about"}, title="", user="alice", cwd="/no/such/folder")
    assert ended(home, submit(home, task, worker=WORKER)).result["cwd"] == "/"


def test_a_failure_is_told_as_the_user_is_to_read_it(home: Home) -> None:
    identifier = start(home, "fail")
    task = ended(home, identifier)
    assert task.status is TaskStatus.FAILED
    assert task.error == Failure("Build of caf\\xe9 failed", "exit status 3", "Look into the log.", 6)
    assert task.steps[-1].failed
    assert not task.interrupted


@pytest.mark.parametrize(
    ("kind", "message"),
    [("boom", "RuntimeError: first line \\xff"), ("leave", "SystemExit: 3"), ("unspeakable", "TypeError: ")],
)
def test_an_unexpected_error_has_its_traceback_in_the_workers_log_only(
    home: Home, kind: str, message: str
) -> None:
    identifier = start(home, kind)
    task = ended(home, identifier)
    assert task.status is TaskStatus.FAILED
    assert task.error is not None
    assert task.error.title == "Unexpected error"
    assert task.error.message.startswith(message)
    assert "worker.log" in task.error.hint
    assert "Traceback" in worker_log(home, identifier)
    assert b"Traceback" not in (home.task(identifier) / "events.jsonl").read_bytes()


def test_a_request_that_cannot_be_written_leaves_nothing(home: Home) -> None:
    with pytest.raises((TypeError, ValueError)):
        start(home, "work", text=object())
    assert lifecycle.list_tasks(home) == []
    assert list(home.tasks.iterdir()) == []


def test_a_worker_that_cannot_be_started_is_a_failed_task(home: Home) -> None:
    identifier = submit(home, request("work", text=""), worker=("/no/such/python",))
    task = lifecycle.view(home, identifier)
    assert task.status is TaskStatus.FAILED
    assert task.error is not None
    assert "/no/such/python" in task.error.message


def test_two_viewers_see_the_same_every_line_once(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "hold", folder=str(tmp_path), lines=300)
    seen: list[tuple[list[Event], list[bytes]]] = [([], []), ([], [])]
    statuses: list[TaskStatus] = []

    def watch(events: list[Event], pieces: list[bytes]) -> None:
        def see(event: Event) -> None:
            # Whatever the log held when the event was written has been seen before it.
            assert sum(map(len, pieces)) >= event.log_offset
            events.append(event)

        statuses.append(attach(home, identifier, see, pieces.append, poll=0.005).status)

    threads = [threading.Thread(target=watch, args=pair) for pair in seen]
    threads[0].start()
    ready(tmp_path)
    threads[1].start()  # the second comes later, and misses nothing
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join(120)
    log = b"".join(b"line %d\n" % number for number in range(300)) + b"last line\n"
    assert [b"".join(pieces) for _, pieces in seen] == [log, log]
    assert seen[0][0] == seen[1][0] == read_events(home.task(identifier))
    assert statuses == [TaskStatus.COMPLETED] * 2


def test_a_viewer_that_goes_leaves_the_task_running(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "hold", folder=str(tmp_path), lines=1)
    (pid,) = ready(tmp_path)

    def leave(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attach(home, identifier, leave)
    assert alive(pid)
    (tmp_path / "go").touch()
    assert ended(home, identifier).result == "done"


def test_attach_to_nothing_is_said(home: Home) -> None:
    with pytest.raises(NuvError) as error:
        attach(home, "0" * 16, print)
    assert error.value.exit_code == Exit.NOT_FOUND


def test_attach_ends_with_a_worker_that_was_killed(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "wait", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    os.kill(pid, signal.SIGKILL)
    task = attach(home, identifier, lambda _: None, poll=0.01)
    assert task.interrupted


def test_what_a_worker_keeps_open_is_its_own(home: Home, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    start_before = {path.name for path in Path("/proc/self/fd").iterdir()}
    start(home, "hold", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    os.close(writing)
    assert os.read(reading, 1) == b"", "a descriptor of the submitter is open in the worker"
    os.close(reading)
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in ("0", "1", "2")]
    assert links[0] == "/dev/null"
    assert links[1] == links[2]
    assert links[1].endswith("worker.log")
    (tmp_path / "go").touch()
    wait_until(lambda: not alive(pid), "the end of the worker")
    assert {path.name for path in Path("/proc/self/fd").iterdir()} <= start_before


def test_the_request_is_kept_word_for_word(home: Home) -> None:
    identifier = start(home, "work", text="ä")
    ended(home, identifier)
    kept = json.loads((home.task(identifier) / "request.json").read_bytes())
    assert kept["operation"] == {"kind": "work", "text": "ä"}


def test_the_lease_names_the_worker(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "hold", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    found = lease.read(home.task(identifier))
    assert found is not None
    assert (found.pid, found.worker, found.status()) == (pid, True, "alive")
    (tmp_path / "go").touch()
    ended(home, identifier)
    assert found.status() == "gone"


COPY = """
import os, sys, time
from pathlib import Path
from nuvtui.paths import Home
from nuvtui.worker import process, submit
from nuvtui.worker.request import Request

def main(argv):
    print("said by the worker", flush=True)
    print("fds", *sorted(os.listdir("/proc/self/fd"), key=int), os.getsid(0) == os.getpid(), os.getcwd())
    sys.stdout.flush()
    time.sleep(60)

process.main = main
sys.stdout.write("said before, not yet written;")
task = Request(operation={'kind': "about"}, title="", user="alice")
print(submit.submit(Home(Path(sys.argv[1])), task))
"""


def test_a_command_line_copies_itself_and_its_copy_lets_go_of_everything(home: Home) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        started = subprocess.Popen(
            [sys.executable, "-P", "-c", COPY, str(home.root)],
            stdout=subprocess.PIPE,
            pass_fds=(writing,),
            env=environment(),
            cwd=home.root.parent,
            text=True,
        )
        os.close(writing)
        said = started.communicate(timeout=60)[0]
        (folder,) = home.tasks.iterdir()
        own = lease.read(folder)
        assert own is not None
        try:
            assert own.worker
            assert own.status() == "alive"
            assert own.pid != started.pid
            # Whoever waits for the end of a pipe that we were handed does not wait for the worker.
            assert pipe.read() == b""
            assert said == f"said before, not yet written;{folder.name}\n"
            log = wait_until(lambda: worker_log(home, folder.name).partition("fds")[2], "the worker's word")
            assert worker_log(home, folder.name).startswith("said by the worker\n")
            assert str(writing) not in log.split()[:-2]
            assert log.split()[-2:] == ["True", "/"]
        finally:
            lease.kill(own)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_keep_a_task_from_its_end(home: Home, closed: str) -> None:
    code = (
        "import sys; from pathlib import Path; from nuvtui.worker.submit import submit; "
        "from nuvtui.worker.request import Request; from nuvtui.paths import Home; "
        "submit(Home(Path(sys.argv[1])), Request(operation={'kind': 'no such operation'}, title='', user='a'))"
    )
    # -P: as the program is started, whose own copy is its worker.
    command = ["sh", "-c", f'"$0" -P -c "$1" "$2" {closed}', sys.executable, code, str(home.root)]
    subprocess.run(command, env=environment(), check=True, timeout=60, cwd=home.root.parent)
    (folder,) = home.tasks.iterdir()
    view = ended(home, folder.name)
    assert view.error is not None
    assert "no such operation" in f"{view.error.title} {view.error.message}", worker_log(home, folder.name)
    assert "Traceback" in worker_log(home, folder.name)
