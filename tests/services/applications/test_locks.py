"""Locks of environments: a real venv against its own pip; conda, R and hostile metadata from their files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nuvtui.model.application import Package
from nuvtui.paths import Workspace
from nuvtui.services.applications import locks


def _dist(
    site: Path, name: str, version: str, direct_url: object = None, metadata: str | None = None
) -> Path:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    text = (
        metadata
        if metadata is not None
        else f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no\n"
    )
    (folder / "METADATA").write_text(text)
    if direct_url is not None:
        (folder / "direct_url.json").write_text(
            direct_url if isinstance(direct_url, str) else json.dumps(direct_url)
        )
    return folder


@pytest.fixture
def site(workspace: Workspace) -> Path:
    venv = workspace.root / ".venv"
    folder = venv / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n"
    )
    return folder


def test_a_real_venv_is_locked_as_its_own_pip_lists_it(workspace: Workspace) -> None:
    venv = workspace.root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    listed = subprocess.run(
        [
            str(venv / "bin" / "python"),
            "-m",
            "pip",
            "list",
            "--format",
            "json",
            "--disable-pip-version-check",
        ],
        check=True,
        capture_output=True,
    )
    lock, note = locks.capture(workspace, ".venv")
    assert note == ""
    assert lock is not None
    assert lock.manager == "venv"
    assert lock.interpreter == "Python " + ".".join(map(str, sys.version_info[:3]))
    assert {(p.name, p.version) for p in lock.packages} == {
        (p["name"], p["version"]) for p in json.loads(listed.stdout)
    }
    assert {p.source for p in lock.packages} == {"pip"}
    assert any(p.name == "pip" for p in lock.packages)
    assert locks.capture(workspace, str(venv)) == (lock, "")


def test_sources_without_credentials(workspace: Workspace, site: Path) -> None:
    _dist(site, "zeta", "1.0")
    _dist(site, "Alpha", "2.0", {"url": "file:///home/me/al%20pha", "dir_info": {"editable": True}})
    _dist(
        site,
        "from-git",
        "0.1",
        {
            "url": "https://user:ghp_token@example.org/o/r.git?access_token=t#egg=x",
            "vcs_info": {"vcs": "git", "commit_id": "abc123"},
        },
    )
    _dist(site, "from-url", "3", {"url": "https://u:p@example.org/x.whl?sig=s#sha256=1", "archive_info": {}})
    _dist(site, "from-file", "4", {"url": "file:///srv/x.whl", "archive_info": {}})
    _dist(site, "odd", "5", "not json")
    _dist(site, "odder", "6", {"url": "http://[bad/x", "archive_info": {}})
    lock, note = locks.capture(workspace, ".venv")
    assert lock is not None
    assert note == ""
    assert lock.interpreter == "Python 3.11.7"
    assert lock.packages == [
        Package("Alpha", "2.0", "local", "/home/me/al pha"),
        Package("from-file", "4", "local", "/srv/x.whl"),
        Package("from-git", "0.1", "vcs", "git+https://example.org/o/r.git@abc123"),
        Package("from-url", "3", "url", "https://example.org/x.whl"),
        Package("odd", "5", "local", ""),
        Package("odder", "6", "url", ""),
        Package("zeta", "1.0", "pip", ""),
    ]


def test_egg_info_unreadable_and_system_packages(workspace: Workspace, site: Path) -> None:
    (site / "old-1.0.egg-info").write_text("Name: old\nVersion: 1.0\n")
    (site / "older.egg-info").mkdir()
    (site / "older.egg-info" / "PKG-INFO").write_text("Name: older\nVersion: 0.9\n")
    _dist(site, "broken", "1", metadata="nothing here\n")
    os.mkfifo(_dist(site, "pipe", "1").joinpath("x"))
    pipe = site / "pipe-1.dist-info" / "METADATA"
    pipe.unlink()
    os.mkfifo(pipe)
    config = workspace.root / ".venv" / "pyvenv.cfg"
    config.write_text("include-system-site-packages = true\nversion_info = 3.12.1.final.0\n")
    (workspace.root / ".venv" / "lib64").symlink_to("lib")
    lock, note = locks.capture(workspace, ".venv")
    assert lock is not None
    assert [(p.name, p.version) for p in lock.packages] == [("old", "1.0"), ("older", "0.9")]
    assert lock.interpreter == "Python 3.12.1"
    assert "broken-1.dist-info" in note
    assert "pipe-1.dist-info" in note
    assert "system's Python" in note


def test_conda(workspace: Workspace) -> None:
    prefix = workspace.root / "env"
    (prefix / "conda-meta").mkdir(parents=True)
    for record in (
        {"name": "python", "version": "3.12.4", "build": "h1", "channel": "conda-forge"},
        {"name": "ruamel.yaml", "version": "0.18", "url": "https://user:token@conda.example/x.conda"},
    ):
        (prefix / "conda-meta" / f"{record['name']}.json").write_text(json.dumps(record))
    (prefix / "conda-meta" / "history").write_text("x")
    (prefix / "conda-meta" / "bad.json").write_text("[" * 100_000)
    site = prefix / "lib" / "python3.12" / "site-packages"
    _dist(site, "ruamel-yaml", "0.18")
    _dist(site, "on-top", "7")
    lock, note = locks.capture(workspace, "env")
    assert lock is not None
    assert (lock.manager, lock.interpreter) == ("conda", "Python 3.12.4")
    assert lock.packages == [
        Package("on-top", "7", "pip"),
        Package("python", "3.12.4", "conda"),
        Package("ruamel.yaml", "0.18", "conda"),
    ]
    assert "bad.json" in note


def test_r_library(workspace: Workspace) -> None:
    library = workspace.root / "rlib"
    for name, text in {
        "dplyr": "Package: dplyr\nVersion: 1.1.4\nTitle: A\n  Grammar\nRepository: CRAN\nBuilt: R 4.3.1; ; 2024\n",
        "base": "Package: base\nVersion: 4.3.1\nPriority: base\nBuilt: R 4.3.1; ; 2023\n",
        "MASS": "Package: MASS\nVersion: 7.3\nPriority: recommended\nBuilt: R 4.3.0; ; 2023\n",
        "mine": "Package: mine\nVersion: 0.1\nBuilt: R 4.3.1; ; 2024\n",
        "gh": "Package: gh\nVersion: 2\nRemoteType: github\nRemoteUsername: o\nRemoteRepo: r\nRemoteSha: abc\n",
        "git": "Package: git\nVersion: 3\nRemoteType: git\nRemoteUrl: https://u:p@example.org/r\nRemoteSha: def\n",
        "broken": "\n",
    }.items():
        (library / name).mkdir(parents=True)
        (library / name / "DESCRIPTION").write_text(text)
    (library / "notes.txt").touch()
    lock, note = locks.capture(workspace, "rlib")
    assert lock is not None
    assert (lock.manager, lock.interpreter) == ("R", "R 4.3.1")
    assert lock.packages == [
        Package("dplyr", "1.1.4", "cran"),
        Package("gh", "2", "vcs", "github::o/r@abc"),
        Package("git", "3", "vcs", "git::https://example.org/r@def"),
        Package("MASS", "7.3", "cran"),
        Package("mine", "0.1", "local"),
    ]
    assert "broken" in note


def test_no_environment(workspace: Workspace) -> None:
    assert locks.capture(workspace, None) == (None, "")
    lock, note = locks.capture(workspace, ".venv")
    assert lock is None
    assert note == "the environment .venv does not exist"
    (workspace.root / "empty").mkdir()
    lock, note = locks.capture(workspace, "empty")
    assert lock is None
    assert "no venv" in note


def test_metadata_is_read_not_run(workspace: Workspace, site: Path) -> None:
    (site / "evil.pth").write_text("import os; os.mkdir('ran')\n")
    python = workspace.root / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nmkdir ran\n")
    python.chmod(0o755)
    _dist(site, "a", "1")
    lock, _note = locks.capture(workspace, ".venv")
    assert lock is not None
    assert not Path("ran").exists()
