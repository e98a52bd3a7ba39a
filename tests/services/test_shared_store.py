"""A store that a group of users shares, used by two real users of the operating system."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ADA, BEN, GROUP = "daemon", "bin", "users"
"""Users and a group that every Debian has."""
PATHS = [str(Path(__file__).parents[2]), *(path for path in sys.path if "site-packages" in path)]


def interpreter() -> str:
    """A Python of this version that other users can start (the one that runs this may be in a private folder)."""
    if os.geteuid() != 0:
        pytest.skip("needs root to be two users")
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            found = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[:2])"],
                user=ADA,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if found.stdout.strip() == str(sys.version_info[:2]):
            return candidate
    pytest.skip("no Python that other users can start")


class Lab:
    """A project and a store in a folder of the group."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self._python = interpreter()

    def run(self, user: str, *arguments: str, code: int = 0) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "NUVTUI_HOME": str(self.root / "store"),
            "PYTHONPATH": os.pathsep.join(PATHS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            [self._python, "-m", "nuvtui", *arguments],
            cwd=self.project,
            env=environment,
            user=user,
            group=GROUP,
            extra_groups=[],
            umask=0o077,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr if code else done.stdout

    def json(self, user: str, *arguments: str) -> Any:
        return json.loads(self.run(user, *arguments, "-f", "json"))


@pytest.fixture
def lab() -> Iterator[Lab]:
    interpreter()
    root = Path(tempfile.mkdtemp(prefix="nvt-lab-"))
    try:
        (root / "project").mkdir()
        (root / "project" / "data.csv").write_text("a,b\n1,2\n")
        for path in (root, root / "project", root / "project" / "data.csv"):
            shutil.chown(path, group=GROUP)
            path.chmod(0o2770 if path.is_dir() else 0o660)
        yield Lab(root)
    finally:
        shutil.rmtree(root)


def test_two_users_work_on_one_store(lab: Lab) -> None:
    assert lab.json(ADA, "store", "init", "--shared")["shared"] is True
    lab.run(ADA, "init", "--space", "lab")
    first = lab.json(ADA, "snapshots", "create", "-n", "data-as-received")
    refused = lab.run(BEN, "snapshots", "list", code=4)
    assert f"{BEN} is not a member" in refused
    assert "instance viewer" in refused
    lab.run(ADA, "members", "set", BEN, "editor")
    (lab.project / "data.csv").write_text("a,b\n1,3\n")
    second = lab.json(BEN, "snapshots", "create", "-n", "data-corrected")
    assert second["author"] == BEN
    assert [s["name"] for s in lab.json(ADA, "snapshots", "list")] == ["data-corrected", "data-as-received"]
    lab.run(ADA, "snapshots", "restore", first["id"], "--yes")
    assert (lab.project / "data.csv").read_text() == "a,b\n1,2\n"
    assert lab.json(BEN, "store", "check", "--read-data")["problems"] == []
    refused = lab.run(BEN, "spaces", "delete", "lab", "--yes", code=4)
    assert "space administrator" in refused
    assert f"{BEN} has the role instance editor" in refused


def test_a_store_is_private_unless_it_is_said(lab: Lab) -> None:
    lab.run(ADA, "init", "--space", "mine")
    lab.run(ADA, "snapshots", "create")
    store = lab.root / "store"
    open_to_others = [path for path in [store, *store.rglob("*")] if path.lstat().st_mode & 0o077]
    allowed = [path for path in open_to_others if store / "workspaces" in [path, *path.parents]]
    assert open_to_others == allowed, "only the Distributed workspace may follow the umask"
    lab.run(BEN, "snapshots", "list", code=1)


def test_a_second_member_cares_for_the_store_as_the_first_does(lab: Lab) -> None:
    """Repair and gc by one, then by the other, with damage of each kind in between: neither is in the other's way."""
    lab.run(ADA, "store", "init", "--shared")
    lab.run(ADA, "init", "--space", "lab")
    lab.run(ADA, "members", "set", BEN, "administrator")
    lab.run(ADA, "snapshots", "create", "-n", "data-as-received")
    store = lab.root / "store"

    def damage() -> None:
        for folder, name in (("index", "*.idx"), ("packs", "*.pack")):
            for path in (store / "objects" / folder).glob(name):
                path.chmod(0o660)
                path.write_bytes(path.read_bytes()[:-9])
                path.chmod(0o440)
        (store / "snapshots" / f"{'0' * 16}.json").write_text("{")

    for user in (ADA, BEN, ADA):
        damage()
        lab.run(user, "store", "repair")
        lab.run(user, "snapshots", "create")
        lab.run(user, "store", "gc", "--grace", "0")
        assert lab.json(user, "store", "check", "--read-data")["problems"] == []
    private = [
        path.relative_to(store)
        for path in store.rglob("*")
        if path.is_dir()
        and not path.stat().st_mode & 0o020
        and path.relative_to(store).parts[0] not in ("tasks", "workspaces")
    ]
    assert private == []


def test_a_quarantine_that_another_member_made_for_himself_stops_no_repair(lab: Lab) -> None:
    lab.run(ADA, "store", "init", "--shared")
    lab.run(ADA, "init", "--space", "lab")
    lab.run(ADA, "members", "set", BEN, "administrator")
    lab.run(ADA, "snapshots", "create")
    own = lab.root / "store" / "objects" / "quarantine"
    own.mkdir(mode=0o700)
    shutil.chown(own, ADA)
    for path in (lab.root / "store" / "objects" / "index").glob("*.idx"):
        path.chmod(0o600)
        path.write_bytes(b"")
        path.chmod(0o440)
    lab.run(BEN, "store", "repair")
    assert lab.json(ADA, "store", "check", "--read-data")["problems"] == []
