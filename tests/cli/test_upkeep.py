"""What happened to the store is said: a damaged state, unlisted snapshots, a project that moved."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.support.cli import Nuvtui


@pytest.fixture
def project(tmp_path: Path) -> Nuvtui:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_text("a\n")
    nuvtui = Nuvtui(
        folder, {"NUVTUI_HOME": str(tmp_path / "home"), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    )
    nuvtui.run("init", "--space", "study")
    nuvtui.run("snapshots", "create", "-n", "first-data")
    nuvtui.run("snapshots", "create", "-n", "second-data")
    return nuvtui


def test_a_damaged_state_is_said_and_repaired(project: Nuvtui, tmp_path: Path) -> None:
    state = tmp_path / "home" / "state.json"
    state.write_bytes(b"\0" * 64)
    said = project.run("snapshots", "list")
    assert "state file was damaged" in said.stderr
    assert "nuvtui store repair" in said.stderr
    doctor = project.json("doctor")
    assert any("damaged state was kept" in finding["text"] for finding in doctor)
    project.run("store", "repair")
    listed = project.run("snapshots", "list")
    assert "second-data" in listed.stdout
    assert "damaged" not in listed.stderr


def test_repair_sets_a_manifest_that_cannot_be_read_aside_and_says_so(
    project: Nuvtui, tmp_path: Path
) -> None:
    (newest, oldest) = project.json("snapshots", "list")
    manifest = tmp_path / "home" / "snapshots" / f"{newest['id']}.json"
    damaged = manifest.read_bytes()[:-20]
    manifest.write_bytes(damaged)
    result = project.json("store", "repair")
    assert result["state"]["snapshots_dropped"] == [newest["id"]]
    kept = [
        path
        for path in (tmp_path / "home" / "objects" / "quarantine").rglob("*")
        if newest["id"] in path.name
    ]
    assert [path.read_bytes() for path in kept] == [damaged]
    assert [s["id"] for s in project.json("snapshots", "list")] == [oldest["id"]]


def test_a_dry_run_of_repair_says_what_is_damaged_and_changes_nothing(
    project: Nuvtui, tmp_path: Path
) -> None:
    packs = sorted((tmp_path / "home" / "objects" / "packs").iterdir())
    pack = packs[0]
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[-60] ^= 1
    pack.write_bytes(data)
    said = project.run("store", "repair", "--dry-run")
    assert f"pack {pack.stem[:16]}: would be moved to the quarantine" in said.stdout
    assert "lost" in said.stderr
    assert sorted((tmp_path / "home" / "objects" / "packs").iterdir()) == packs
    checked = project.run("store", "check", "--read-data", code=1)
    assert f"pack {pack.stem[:16]}" in checked.stdout
    assert "affects" in checked.stdout


def test_doctor_names_a_broken_sign_in(project: Nuvtui, tmp_path: Path) -> None:
    config = tmp_path / "docker"
    config.mkdir()
    (config / "config.json").write_text('{"credsStore": "nonesuch"}')
    broken = Nuvtui(project.folder, {**project.environment, "DOCKER_CONFIG": str(config)})
    findings = broken.json("doctor")
    assert [f["level"] for f in findings if f["subject"] == "registry"] == ["warning"]
    assert {"store", "engine"} <= {f["subject"] for f in findings}


def test_a_moved_project_finds_its_snapshots_again(project: Nuvtui, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(project.folder, moved)
    there = project.at(moved)
    refused = there.run("status", code=3)
    assert "nuvtui instances move" in refused.stderr
    there.run("instances", "move", "-s", "study", "Master", "--path", ".")
    assert there.json("status")["files"] == []
    assert [s["name"] for s in there.json("snapshots", "list")] == ["second-data", "first-data"]


def follow(nuvtui: Nuvtui, said: str, number: int = 0) -> None:
    """Type the command that was named, word for word."""
    commands = re.findall(r"`nuvtui ([^`]*)`", said)
    nuvtui.run(*shlex.split(commands[number]))


def test_a_home_that_is_mistyped_or_not_mounted_is_named_and_not_made(
    project: Nuvtui, tmp_path: Path
) -> None:
    (tmp_path / "mount point").mkdir()
    for name in ("mistyped", "mount point"):
        wrong = Nuvtui(project.folder, {**project.environment, "NUVTUI_HOME": str(tmp_path / name)})
        for command in (["status"], ["snapshots", "create"], ["snapshots", "list"], ["store", "gc"]):
            said = wrong.run(*command, code=3).stderr
            assert str(tmp_path / name) in said
            assert "Traceback" not in said
        said = wrong.run("status", code=3).stderr
        follow(wrong, said)  # nuvtui --home … status
        said = wrong.run("init", "--space", "again", code=5).stderr
        assert str(tmp_path / "home") in said
        assert not [*(tmp_path / name).glob("*")]
    # To begin anew all the same: what the words say.
    (file,) = re.findall(r"delete (\S+/instance\.json)", said)
    Path(file).unlink()
    follow(wrong, said, 1)  # nuvtui init
    assert wrong.json("snapshots", "list") == []
    # The store that it belonged to says so in its turn.
    said = project.run("snapshots", "create", code=6).stderr
    assert str(tmp_path / "mount point") in said


def test_what_is_said_of_a_copy_and_of_a_moved_project_can_be_typed(project: Nuvtui, tmp_path: Path) -> None:
    copy = tmp_path / "a copy"
    shutil.copytree(project.folder, copy)
    said = project.at(copy).run("status", code=3).stderr
    assert "copy of the workspace of study/Master" in said
    (_, create) = re.findall(r"`nuvtui ([^`]*)`", said)
    words = create.replace("SPACE", "study").replace("NAME", "second")
    project.at(copy).run(*shlex.split(words))
    project.at(copy).run("snapshots", "create", "-n", "of-the-copy")
    moved = tmp_path / "moved to"
    shutil.move(project.folder, moved)
    said = project.at(moved).run("status", code=3).stderr
    follow(project.at(moved), said)
    assert project.at(moved).json("status")["files"] == []
    # From elsewhere: the folder is an empty mount point.
    shutil.move(moved, tmp_path / "away")
    moved.mkdir()
    said = project.at(tmp_path).run("snapshots", "create", "-s", "study", code=6).stderr
    (command,) = re.findall(r"`nuvtui ([^`]*)`", said)
    assert (
        "is empty"
        in project.at(tmp_path).run(*shlex.split(command.replace("DIR", "'moved to'")), code=2).stderr
    )
    project.at(tmp_path).run(*shlex.split(command.replace("DIR", "away")))
    project.at(tmp_path).run("snapshots", "create", "-s", "study")


def test_a_store_that_lost_its_state_says_so_and_gets_it_back(project: Nuvtui, tmp_path: Path) -> None:
    for file in (tmp_path / "home").glob("state.json*"):
        file.unlink()
    for command in (["status"], ["spaces", "list"], ["snapshots", "create"], ["init"]):
        said = project.run(*command, code=3).stderr
        assert "lost its list" in said
        assert not (tmp_path / "home" / "state.json").exists()
    follow(project, said)
    assert [s["name"] for s in project.json("snapshots", "list")] == ["second-data", "first-data"]
    project.run("snapshots", "create")
