"""Noticing changes in the store."""

import os

from textual.message import Message

from nuvtui.paths import Home
from nuvtui.tui.shell.watch import StateChanged, TasksChanged, Watch


def watching(home: Home) -> tuple[Watch, list[type[Message]]]:
    heard: list[type[Message]] = []
    return Watch(home, lambda message: heard.append(type(message))), heard


def test_only_what_changed_is_told_and_once(home: Home) -> None:
    home.tasks.mkdir(parents=True)
    home.state.write_text("{}")
    watch, heard = watching(home)
    watch.look()
    assert heard == []
    new = home.state.with_suffix(".new")
    new.write_text("{ }")
    os.replace(new, home.state)
    watch.look()
    watch.look()
    assert heard == [StateChanged]


def test_a_store_that_comes_and_goes_is_told(home: Home) -> None:
    watch, heard = watching(home)
    home.tasks.mkdir(parents=True)
    home.state.write_text("{}")
    watch.look()
    assert heard == [StateChanged, TasksChanged]
    home.state.unlink()
    watch.look()
    assert heard == [StateChanged, TasksChanged, StateChanged]


def test_events_of_running_tasks_are_looked_at_and_those_of_ended_ones_are_not(home: Home) -> None:
    task = home.task("a" * 16)
    task.mkdir(parents=True)
    (task / "events.jsonl").write_text("1\n")
    watch, heard = watching(home)
    watch.set_running(frozenset({task.name}))
    watch.look()
    heard.clear()
    (task / "events.jsonl").write_text("1\n2\n")
    watch.look()
    assert heard == [TasksChanged]
    watch.set_running(frozenset())
    (task / "events.jsonl").write_text("1\n2\n3\n")
    watch.look()
    assert heard == [TasksChanged]
