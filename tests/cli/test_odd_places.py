"""Commands in folders of any name and any depth, with words of any bytes."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from nuvtui.model.names import path_to_text
from tests.support.cli import Nuvtui

ODD = [b"not \xff\xfe utf-8", rb"back\slash \x41", b"two\nlines \x1b[31m"]


@pytest.mark.parametrize("name", ODD, ids=["bytes", "backslash", "control"])
def test_every_task_runs_in_a_folder_of_any_name(tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    folder.mkdir()
    home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/home " + name))
    nuvtui = Nuvtui(folder, {"NUVTUI_HOME": str(home)})
    nuvtui.run("init", "--space", "Odd")
    (folder / "file").write_bytes(b"one")
    nuvtui.run("snapshots", "create", "-n", "first")
    (folder / "file").write_bytes(b"two")
    nuvtui.run("snapshots", "restore", "first", "--yes")
    assert (folder / "file").read_bytes() == b"one"
    assert nuvtui.json("instances", "list")[0]["workspace"] == path_to_text(str(folder))
    assert {task["status"] for task in nuvtui.json("tasks", "list")} == {"COMPLETED"}


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    nuvtui = Nuvtui(tmp_path, {"NUVTUI_HOME": str(tmp_path.parent / "odd home")})
    nuvtui.run("init", "--space", "Odd")
    done = nuvtui.run("snapshots", "create", "-n", os.fsdecode(b"x\xff"), code=2)
    assert "This name cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_reread_is_asked_for_by_a_flag(tmp_path: Path) -> None:
    """A file whose times say that it did not change, although it did."""
    nuvtui = Nuvtui(tmp_path, {"NUVTUI_HOME": str(tmp_path.parent / "home of odd")})
    nuvtui.run("init", "--space", "Odd")
    (tmp_path / "file").write_bytes(b"x")
    first = nuvtui.json("snapshots", "create")
    again = nuvtui.json("snapshots", "create", "--reread")
    assert again["files"] == first["files"]
    requests = [
        json.loads(file.read_bytes())["operation"]["reread"]
        for file in (tmp_path.parent / "home of odd" / "tasks").glob("*/request.json")
    ]
    assert sorted(requests) == [False, True]


def test_the_current_state_is_listed_and_read_at_any_depth(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    nuvtui = Nuvtui(workspace, {"NUVTUI_HOME": str(tmp_path / "home")})
    nuvtui.run("init", "--space", "Odd")
    descriptor = os.open(workspace, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deep", dir_fd=descriptor)
        below = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    leaf = os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor)
    os.write(leaf, b"at the end")
    os.close(leaf)
    os.close(descriptor)
    try:
        path = "/".join(["deep"] * 1100)
        nuvtui.run("snapshots", "create", "-n", "deep")
        for state in ("current", "deep"):
            assert [file["kind"] for file in nuvtui.json("snapshots", "files", state, path)] == ["f"]
            assert nuvtui.run("snapshots", "cat", state, f"{path}/leaf").stdout == "at the end"
        nuvtui.run("stage", "add", "--files", path)
        assert "Nothing differs" in nuvtui.run("status").stderr
    finally:
        subprocess.run(["rm", "-rf", workspace / "deep"], check=True)
