"""Cancel: kindly, then by force, and no child left."""

import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.task import TaskStatus
from nuvtui.paths import Home
from nuvtui.worker import lease, lifecycle
from tests.support.waiting import wait_until
from tests.worker.running import alive, ended, read_events, ready, start


def _last_words(home: Home, identifier: str) -> int:
    return sum(event.type == "finished" for event in read_events(home.task(identifier)))


def test_work_that_checks_stops(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "wait", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    task = lifecycle.cancel(home, identifier)
    assert (task.status, task.interrupted, task.error) == (TaskStatus.CANCELLED, False, None)
    assert not alive(pid)
    assert task.steps[-1].failed
    assert _last_words(home, identifier) == 1
    assert lifecycle.cancel(home, identifier) == task  # again: it stays as it is
    assert _last_words(home, identifier) == 1


def test_work_that_waits_inside_a_library_is_got_out(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "blocked", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    task = lifecycle.cancel(home, identifier)
    assert (task.status, task.interrupted) == (TaskStatus.CANCELLED, False)
    assert task.error is not None
    assert "connection closed by peer" in task.error.message
    assert not alive(pid)


def test_children_go_with_it_the_stubborn_ones_too(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "children", folder=str(tmp_path))
    pids = ready(tmp_path)
    assert len(pids) == 4
    assert all(map(alive, pids))
    task = lifecycle.cancel(home, identifier)
    assert (task.status, task.interrupted) == (TaskStatus.CANCELLED, False)
    wait_until(
        lambda: not any(map(alive, pids)), "its children are gone", 10
    )  # killed; the system takes them away


def test_work_that_does_not_stop_is_killed(home: Home, tmp_path: Path) -> None:
    identifier = start(home, "deaf", folder=str(tmp_path))
    (pid,) = ready(tmp_path)
    task = lifecycle.cancel(home, identifier, wait=0.2)
    assert (task.status, task.interrupted) == (TaskStatus.CANCELLED, True)
    assert not alive(pid)
    assert _last_words(home, identifier) == 1


def test_a_task_that_has_hardly_begun_can_be_cancelled(home: Home, tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        identifier = start(home, "wait", folder=str(folder))
        task = lifecycle.cancel(home, identifier)
        assert task.status is TaskStatus.CANCELLED
        assert _last_words(home, identifier) == 1
        assert all(not alive(int(p.read_text())) for p in folder.glob("ready"))


def test_the_file_alone_is_enough(home: Home, tmp_path: Path) -> None:
    """Somebody on another machine can leave it, but send no signal."""
    identifier = start(home, "wait", folder=str(tmp_path))
    ready(tmp_path)
    (home.task(identifier) / "cancel").touch()
    assert ended(home, identifier).status is TaskStatus.CANCELLED


def test_what_was_done_by_then_is_done(home: Home) -> None:
    identifier = start(home, "work", text="x")
    before = ended(home, identifier)
    assert lifecycle.cancel(home, identifier) == before
    assert not (home.task(identifier) / "cancel").exists()


def test_no_signal_reaches_a_process_that_has_the_number_by_chance() -> None:
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        found = lease.of(process.pid, worker=True)
        assert found is not None
        replace = msgspec.structs.replace
        others = [
            replace(found, start=found.start - 1),
            replace(found, boot="another"),
            replace(found, namespace="pid:[1]"),
            replace(found, worker=False),
        ]
        for other in others:
            assert not lease.ask_to_end(other)
            lease.kill(other)
        assert process.poll() is None
        lease.kill(found)
        assert process.wait() == -signal.SIGKILL
        assert found.status() == "gone"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("key", ["0" * 16, "../../etc", "", "."])
def test_no_such_task(home: Home, key: str) -> None:
    for use in (lifecycle.cancel, lifecycle.view, lifecycle.find):
        with pytest.raises(NuvError) as error:
            use(home, key)
        assert error.value.exit_code == Exit.NOT_FOUND
