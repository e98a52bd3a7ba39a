"""`image: host`: this machine's own Python in an image made without an engine, and run by one afterwards."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.conftest import STRANGER, Make, Study, passed
from tests.services.helpers import refused
from tests.support import environment, search
from tests.support.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services"), pytest.mark.slow]

PRIVATE = "a-line-of-a-diary-%/+-nobody-reads-0815"
TOKEN = "t0ken-in-the-url-of-an-index-4711"
ANALYSIS = """\
import json, os, pathlib, six, msgspec, ssl, sqlite3, zoneinfo, sys
print(six.__version__, msgspec.json.decode(b'[1,2]'), zoneinfo.ZoneInfo("Europe/Zurich"), os.getuid())
print(msgspec._core.__file__.endswith(".so"), sum(map(int, pathlib.Path("data.txt").read_text().split())))
"""
PRINTED = "1.16.0 [1, 2] Europe/Zurich 54321\nTrue 6"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Somebody's home folder: an environment with packages from the index, and what is nobody else's beside it.

    Not in /tmp: what runs images without a writable system puts a folder of its own there.
    """
    folder = Path(tempfile.mkdtemp(prefix="nvt-home-", dir="/var/tmp"))
    venv.create(folder / "env", symlinks=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "env" / "bin" / "python"), "install",
         "--quiet", "--no-input", "six==1.16.0", "msgspec==0.20.0"],
        env={**os.environ, **environment.package_index()}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    site = next((folder / "env" / "lib").glob("python3*/site-packages"))
    told = {"url": f"https://ada:{TOKEN}@example.org/six.tar.gz", "archive_info": {}}
    (site / "six-1.16.0.dist-info" / "direct_url.json").write_text(json.dumps(told))
    for name in ("diary.txt", ".bash_history", ".netrc", "Documents/letter.txt", "env/.env"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{PRIVATE}\n")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def captured(study: Study, home: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("HOME", str(home))
    study.write("analysis.py", ANALYSIS)
    study.write("data.txt", "1 2 3\n")
    study.application("host", ["python", "analysis.py"], environment=str(home / "env"))
    return study


def test_it_runs_anywhere_and_has_nothing_of_the_home_folder(captured: Study, engine: Engine) -> None:
    record = captured.export(with_files=True, engine="auto")
    assert (record.status, record.engine) == ("completed", "oci")
    assert [what for what, _ in captured.layers(record)] == ["runtime", "environment", "files", "application"]
    archive = captured.archive(record)
    engine.run("load", "--input", str(archive))
    assert engine.text("run", "--rm", *STRANGER, record.image) == PRINTED
    inside = engine.files(record.image)
    assert [path for path in inside if path.endswith("six.py")]
    for name in ("diary.txt", "letter.txt", ".bash_history", ".netrc", ".env", "direct_url.json"):
        assert [path for path in inside if path.rpartition("/")[2] == name] == []
    report = captured.report(record)
    texts = {"report": json.dumps(report), "markdown": captured.world.services.exports.report(record.id)}
    assert search.in_image(archive, [PRIVATE, TOKEN], texts) == []
    assert (report["base"], report["base_digest"]) == ("host", "")
    assert ("six", "1.16.0") in {(p["name"], p["version"]) for p in report["lock"]["packages"]}
    # Nothing of accounts of this machine, and nothing that a stranger could not read.
    assert [path for path, member in inside.items() if member.isfile() and not member.mode & 0o004] == []
    assert [path for path, member in inside.items() if member.mode & 0o6000] == []

    # Without an engine it is looked into; with one it is run.
    checks = captured.verify(record)
    assert passed(checks).pop("run") == "not done"
    assert {status for name, status in passed(checks).items() if name != "run"} == {"passed"}, checks
    assert "(1)" in checks["packages"].text
    captured.reach(engine)
    engine.text("rmi", "--force", record.image)
    checks = captured.verify(record, again=True)
    assert set(passed(checks).values()) == {"passed"}, checks
    assert record.image not in engine.images()
    # The engine makes the same image.
    same = captured.export("docker", snapshot=record.snapshot, with_files=True)
    assert same.image_id == record.image_id
    assert engine.text("run", "--rm", *STRANGER, same.image) == PRINTED
    captured.world.services.exports.delete(same.id)


def test_an_environment_that_has_changed_since_the_snapshot_is_told(captured: Study, home: Path) -> None:
    snapshot = captured.snapshot()
    site = next((home / "env" / "lib").glob("python3*/site-packages"))
    metadata = site / "six-1.16.0.dist-info" / "METADATA"
    before = metadata.read_text()
    try:
        metadata.write_text(before.replace("Version: 1.16.0", "Version: 1.15.0"))
        record = captured.export(snapshot=snapshot)
    finally:
        metadata.write_text(before)
    assert any(
        "has changed since the snapshot" in warning and "six" in warning for warning in record.warnings
    )


def test_what_cannot_be_run_on_it_is_refused_before_anything_starts(
    make_study: Make, home: Path, tmp_path: Path
) -> None:
    study = make_study()
    study.application(
        "host", ["python"], environment=str(home / "env"), packages={"apt": ["jq"]}, setup=["x"]
    )
    with refused(6, "packages.apt", "setup", "name a base image"):
        study.export()
    study.application("host", ["python"], environment=str(tmp_path), packages={}, setup=[])
    (tmp_path / "pyvenv.cfg").write_text("home = /nowhere\n")
    with refused(6, "python3"):
        study.export()
    assert study.world.services.snapshots.list(study.world.master.id) == []
    assert not (study.world.home.images / "index.json").exists()
