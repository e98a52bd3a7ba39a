"""Lists of tasks: order, prefixes, what is forgotten, what does not belong there."""

import os
from pathlib import Path

import pytest

from nuvtui import clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.task import TaskStatus
from nuvtui.paths import Home
from nuvtui.tasks import lifecycle
from nuvtui.tasks.events import EventWriter
from tests.tasks.running import ended, ready, start


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
