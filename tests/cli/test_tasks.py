"""Tasks at the command line: what is odd about one of them is said, and hides no other."""

import os
from pathlib import Path

from nuvtui.paths import Home
from tests.support.cli import Nuvtui


def test_a_task_that_cannot_be_read_is_named_and_the_others_are_listed(home: Home, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    nuvtui = Nuvtui(study)
    nuvtui.run("init")
    for name in ("first-one", "second-one"):
        nuvtui.run("snapshots", "create", "-n", name)
    whole, odd = [task["id"] for task in nuvtui.json("tasks", "list")]
    (home.task(odd) / "events.jsonl").unlink()
    os.mkfifo(home.task(odd) / "events.jsonl")
    found = {task["id"]: task for task in nuvtui.json("tasks", "list")}
    assert found[whole]["status"] == "COMPLETED"
    assert found[odd]["error"] == {
        "title": f"Task {odd[:8]} cannot be read",
        "message": "its file events.jsonl is no regular file",
        "hint": "Other tasks are not affected. Where nobody needs this one, remove its folder: "
        + str(home.task(odd)),
    }
    for command in ("get", "attach", "cancel"):
        done = nuvtui.run("tasks", command, odd, code=1)
        assert done.stderr.startswith(f"nuvtui: Task {odd[:8]} cannot be read: its file events.jsonl")
    nuvtui.run("tasks", "get", whole)
    # A new one starts and ends as ever.
    nuvtui.run("snapshots", "create", "-n", "third-one")
    # What the hint says helps.
    (home.task(odd) / "events.jsonl").unlink()
    for path in home.task(odd).iterdir():
        path.unlink()
    home.task(odd).rmdir()
    assert [task["status"] for task in nuvtui.json("tasks", "list")] == ["COMPLETED"] * 2
