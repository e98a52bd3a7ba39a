"""Lists of tasks: order, prefixes, what is forgotten, what does not belong there."""

import contextlib
import os
from pathlib import Path

import pytest

from nuvtui import clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.task import TaskStatus
from nuvtui.paths import Home
from nuvtui.worker import lifecycle
from nuvtui.worker.events import EventWriter
from tests.worker.running import ended, ready, start


def _ended(home: Home, identifier: str, ts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.task(identifier)
    folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: ts)
        with EventWriter(folder) as events:
            events.write("queued", kind="snapshot", title=identifier, user="alice")
            events.write("finished", status="completed")


def test_newest_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lifecycle.list_tasks(home) == []
    for identifier, year in (("b" * 16, 2024), ("a" * 16, 2026), ("c" * 16, 2025)):
        _ended(home, identifier, f"{year}-01-01T00:00:00.000000+00:00", monkeypatch)
    assert [task.id[0] for task in lifecycle.list_tasks(home)] == ["a", "c", "b"]


def test_what_is_no_task_is_not_listed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _ended(home, "a" * 16, clock.now(), monkeypatch)
    (home.tasks / ".new-bbbbbbbbbbbbbbbb").mkdir()
    (home.tasks / "notes").mkdir()
    (home.tasks / "README").touch()
    (home.tasks / ("c" * 16)).touch()
    assert [task.id for task in lifecycle.list_tasks(home)] == ["a" * 16]


def test_a_prefix_is_enough_where_it_is_unique(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for identifier in ("ab" * 8, "ac" * 8):
        _ended(home, identifier, clock.now(), monkeypatch)
    assert lifecycle.find(home, "ab").id == "ab" * 8
    assert lifecycle.find(home, "ac" * 8).id == "ac" * 8
    with pytest.raises(NuvError, match="2 tasks") as error:
        lifecycle.find(home, "a")
    assert error.value.exit_code == Exit.USAGE
    with pytest.raises(NuvError) as error:
        lifecycle.find(home, "b")
    assert error.value.exit_code == Exit.NOT_FOUND


def test_a_board_follows_what_happens(home: Home, tmp_path: Path) -> None:
    board = lifecycle.Board(home)
    assert board.poll() == []
    identifier = start(home, "hold", folder=str(tmp_path), lines=3)
    ready(tmp_path)
    (task,) = board.poll()
    assert (task.status, len(task.warnings)) == (TaskStatus.RUNNING, 3)
    (tmp_path / "go").touch()
    final = ended(home, identifier)
    assert board.poll() == [final] == board.poll()
    assert lifecycle.forget(home, 0) == [identifier]
    assert board.poll() == []


def test_old_tasks_are_forgotten_with_their_folders_and_running_ones_are_not(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ended(home, "a" * 16, "2020-01-01T00:00:00.000000+00:00", monkeypatch)
    _ended(home, "b" * 16, clock.now(), monkeypatch)
    running = start(home, "hold", folder=str(tmp_path))
    stale, fresh = home.tasks / f".new-{'c' * 16}", home.tasks / f".new-{'d' * 16}"
    for folder in (stale, fresh, home.tasks / f".gone-{'e' * 16}"):
        folder.mkdir()
        (folder / "request.json").touch()
    os.utime(stale, (0, 0))
    assert lifecycle.forget(home, 30) == ["a" * 16]
    assert sorted(os.listdir(home.tasks)) == sorted([fresh.name, "b" * 16, running])
    (tmp_path / "go").touch()
    assert ended(home, running).status is TaskStatus.COMPLETED


def test_in_a_shared_store_everybody_may_put_tasks_and_look_at_their_own(home: Home) -> None:
    home.root.mkdir()
    home.root.chmod(0o2770)
    identifier = start(home, "work", text="")
    ended(home, identifier)
    assert home.tasks.stat().st_mode & 0o7777 == 0o2770
    assert home.task(identifier).stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_somebody_elses_task_is_not_listed_and_named_when_asked_for(open_folder: Path) -> None:
    home = Home(open_folder / "home")
    identifier = start(home, "work", text="")
    ended(home, identifier)
    home.root.chmod(0o755)
    home.tasks.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            assert lifecycle.list_tasks(home) == []
            for use in (lifecycle.view, lifecycle.cancel, lifecycle.find):
                with pytest.raises(NuvError) as error:
                    use(home, identifier)
                assert error.value.exit_code == Exit.ROLE
            status = 0
        os._exit(status)
    _, result = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(result) == 0
