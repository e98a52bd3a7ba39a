"""The demo, run whole: what `nuvtui demo --headless` prints is what it did."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Nuvtui, build_settings
from tests.support.engine import Engine


def test_without_an_engine_the_main_job_is_done_whole(tmp_path: Path) -> None:
    nuvtui = Nuvtui(tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"})
    done = nuvtui.run("demo", "--headless", "--dir", "study")
    lines = done.stdout.splitlines()
    assert any(
        re.match(r"Export [0-9a-f]{8}: docker\.io/\S+-penguins-demo:\S+, [0-9.]+ MB", line) for line in lines
    )
    assert "nothing.sock" in done.stderr
    assert any(line.startswith("Table penguins: 344 rows, 8 columns") for line in lines)
    assert any(": completed, 3 files to penguins/reviewer" in line for line in lines)
    reviewer = tmp_path / "study" / "reviewer"
    assert (reviewer / "data" / "penguins.csv").read_bytes().count(b"\n") == 345
    store = {"NUVTUI_HOME": str(tmp_path / "study-store")}
    at_reviewer = Nuvtui(reviewer, store)
    assert [t["name"] for t in at_reviewer.json("tables", "list")] == ["penguins"]
    assert at_reviewer.json("store", "check", "--read-data")["problems"] == []
    names = [s["name"] for s in Nuvtui(tmp_path / "study" / "penguins", store).json("snapshots", "list")]
    assert "first-results" in names
    assert "raw-data-as-received" in names


def test_a_second_run_goes_on_with_the_same_study(tmp_path: Path) -> None:
    nuvtui = Nuvtui(tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"})
    nuvtui.run("demo", "--headless", "--dir", "study")
    again = nuvtui.run("demo", "--headless", "--dir", "study")
    assert "Space 'penguins' in" not in again.stdout
    assert "Distribution" in again.stdout
    # Changed so that it needs an engine: the export is named as not done, with the reason, and all else is done.
    study = tmp_path / "study" / "penguins"
    application = study / ".nuvtui" / "apps" / "penguins.yaml"
    application.write_text(application.read_text().replace("setup: []", "setup: ['true']"))
    Nuvtui(study, {"NUVTUI_HOME": str(tmp_path / "study-store")}).run("snapshots", "create")
    without = nuvtui.run("demo", "--headless", "--dir", "study").stdout.splitlines()
    assert "Export: NOT DONE" in without
    assert any(line.startswith("  setup: ") for line in without)
    assert any(line.startswith("Distribution") for line in without)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    done = Nuvtui(tmp_path).run("demo", "--headless", "--dir", "mine", code=5)
    assert "is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.engine
def test_with_an_engine_the_image_prints_what_the_analysis_prints(tmp_path: Path, engine: Engine) -> None:
    nuvtui = Nuvtui(tmp_path, {**build_settings(), "DOCKER_HOST": engine.url})
    try:
        done = nuvtui.run("demo", "--headless", "--dir", "study", seconds=300)
        (command,) = [line for line in done.stdout.splitlines() if line.startswith("Run it: ")]
        image = command.split()[-1]
        study = tmp_path / "study" / "penguins"
        here = subprocess.run(
            [sys.executable, "analysis.py"], cwd=study, capture_output=True, text=True, check=True
        )
        inside = engine.text(
            "run", "--rm", "--network", "none", "--read-only", "--user", "12345:12345", image
        )
        assert inside.splitlines()[:4] == here.stdout.splitlines()
        listed = [name for name in engine.files(image) if name.startswith("files/")]
        assert "files/data/penguins.csv" in listed
        for left_out in ("notes.md", "tables.duckdb", "stata.lic"):
            assert not [name for name in listed if name.endswith(left_out)]
    finally:
        engine.remove_images()
