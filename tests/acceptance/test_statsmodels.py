"""The main job on a project that nobody here wrote: the source distribution of statsmodels.

It becomes a space; its CSV data sets become tables; it is preserved, edited, compared, shared with each strategy,
restored, and handed over as an image that another engine pulls and runs. All through the real command line.
"""

import csv
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from tests.support import sdist
from tests.support.cli import Nuvtui, build_settings
from tests.support.engine import Engine
from tests.support.fixtures import REPOSITORY
from tests.support.registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]

NAME = sdist.STATSMODELS[0]
BASELINE, REVISED = "release-as-published", "nile-without-the-dam"
PACKAGE = "tabulate==0.9.0"

ANALYSIS = '''"""Mean flow of the Nile, from the data set that statsmodels ships."""

import csv
import os

from tabulate import tabulate

with open("statsmodels/datasets/nile/nile.csv") as file:
    volumes = [float(row["volume"]) for row in csv.DictReader(file)]
print(tabulate([["nile", len(volumes), sum(volumes) / len(volumes)]], headers=["data", "years", "mean"]))
print("unit:", os.environ["UNIT"])
'''
PRINTED = """\
data      years     mean
------  -------  -------
nile         28  1097.75
unit: 1e8 m3
"""
"""What the analysis prints of the revised data: the years up to 1898, before the dam at Aswan."""

APPLICATION = f"""\
name: Nile analysis
kind: script
image: {{image}}
packages: {{{{apt: [], pip: [{PACKAGE}], conda: [], cran: []}}}}
variables: {{{{UNIT: "{{unit}}"}}}}
secrets: [HF_TOKEN]
command: [python3, analysis.py]
workdir: /files
exclude: [docs/]
"""
SECRET = "sk-not-for-anybody-4711-4711-4711"


def contents(workspace: Path) -> dict[str, str]:
    """Every path of a workspace with what a snapshot keeps of it, `.nuvtui` left out."""
    found = {}
    for folder, folders, files in os.walk(workspace):
        if Path(folder) == workspace:
            folders[:] = [name for name in folders if name != ".nuvtui"]
        for name in [*folders, *files]:
            path = Path(folder) / name
            about = path.lstat()
            mode = f"{stat.S_IMODE(about.st_mode):o}"
            if path.is_symlink():
                what = f"link to {os.readlink(path)}"
            elif path.is_dir():
                what = f"folder {mode}"
            else:
                what = f"file {mode} {about.st_mtime_ns} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            found[path.relative_to(workspace).as_posix()] = what
    return found


def files_of(found: dict[str, str]) -> dict[str, str]:
    """The files and links of `contents`, by mode and content only."""
    return {
        path: " ".join(part for number, part in enumerate(what.split()) if number != 2)
        for path, what in found.items()
        if not what.startswith("folder")
    }


def tables(workspace: Path) -> dict[str, int]:
    """Rows of every table of a workspace, read by another DuckDB client than nuvtui."""
    with duckdb.connect(str(workspace / ".nuvtui" / "tables.duckdb"), read_only=True) as database:
        names = [name for (name,) in database.execute("from duckdb_tables() select table_name").fetchall()]
        return {
            name: int(database.execute(f'select count(*) from "{name}"').fetchone()[0])  # type: ignore[index]
            for name in names
        }


@dataclass
class Study:
    """The project and what is known of it."""

    root: Path
    nuvtui: Nuvtui
    datasets: dict[str, int] = field(default_factory=dict)
    """Table name → records of its CSV file below the heading, as another reader counts them."""
    snapshots: dict[str, dict[str, object]] = field(default_factory=dict)
    """Records by name."""
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """`contents` of the workspace at each snapshot, by name."""
    rows: dict[str, dict[str, int]] = field(default_factory=dict)

    def snapshot(self, name: str, *options: str) -> dict[str, object]:
        """Take a snapshot and keep what it should hold."""
        self.files[name], self.rows[name] = contents(self.root), tables(self.root)
        record = self.nuvtui.json("snapshots", "create", "-n", name, *options)
        self.snapshots[name] = record
        return dict(record)

    def application(self, image: str, unit: str) -> None:
        """Write the application file."""
        (self.root / ".nuvtui" / "apps" / "nile.yaml").write_text(APPLICATION.format(image=image, unit=unit))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """statsmodels as a space, its data sets as tables, with a baseline snapshot, an edit and a second one."""
    folder = tmp_path_factory.mktemp("study")
    archive = sdist.fetch(*sdist.STATSMODELS, REPOSITORY / ".cache")
    root = sdist.unpack(archive, folder / NAME)
    found = Study(root, Nuvtui(root, {"NUVTUI_HOME": str(folder / "home")}))
    found.nuvtui.run("init", "--space", NAME)
    (root / ".nuvtui" / "apps").mkdir(exist_ok=True)
    found.application("nuvtui-test/python:1", "m3")
    (root / "analysis.py").write_text(ANALYSIS)
    (root / ".env").write_text(f"HF_TOKEN={SECRET}\n")
    for file in sorted((root / NAME / "datasets").glob("*/*.csv")):
        imported = found.nuvtui.json("tables", "import", file)
        with file.open(newline="", encoding="latin-1") as data:
            records = sum(1 for record in csv.reader(data) if record)
        found.datasets[imported["name"]] = records - imported["dialect"]["header"]
    found.snapshot(BASELINE, "-d", "As the index has it", "--next", "Look at the Nile before the dam")
    edit(found)
    found.snapshot(REVISED)
    yield found
    shutil.rmtree(folder)


def edit(study: Study) -> None:
    """The next phase of work: files changed, added, removed; tables too; another unit."""
    root = study.root
    nile = root / NAME / "datasets" / "nile" / "nile.csv"
    lines = nile.read_text().splitlines(keepends=True)
    nile.write_text("".join(lines[:29]))
    (root / "notes").mkdir()
    (root / "notes" / "dam.md").write_text("# The dam\n\nThe flow changed in 1899.\n")
    (root / "setup.cfg").unlink()
    (root / "analysis.py").chmod(0o755)
    study.nuvtui.run("tables", "import", nile, "-n", "nile", "--replace")
    study.nuvtui.run("tables", "rename", "co2", "mauna_loa")
    study.application("nuvtui-test/python:1", "1e8 m3")


def test_every_data_set_is_a_table(study: Study) -> None:
    assert len(study.datasets) > 25
    assert study.rows[BASELINE] == study.datasets
    listed = study.nuvtui.json("tables", "list", "-p", BASELINE)
    assert {table["name"]: table["rows"] for table in listed} == study.rows[BASELINE]
    answer = study.nuvtui.json("tables", "query", "select count(*), max(year) from nile", "-p", BASELINE)
    assert answer["rows"] == [[100, 1970]]


def test_a_snapshot_holds_the_whole_state(study: Study) -> None:
    record = study.snapshots[BASELINE]
    assert record["kind"] == "named"
    assert record["description"] == "As the index has it"
    assert record["applications"] == ["nile"]
    assert {table["name"]: table["rows"] for table in record["tables"]} == study.rows[BASELINE]  # type: ignore[attr-defined]
    expected = files_of(study.files[BASELINE])
    listed = study.nuvtui.json("snapshots", "files", BASELINE, "-r")
    found = {one["path"] for one in listed if one["kind"] != "d" and not one["path"].startswith(".nuvtui")}
    assert found == set(expected)
    path = "statsmodels/datasets/nile/nile.csv"
    text = study.nuvtui.run("snapshots", "cat", BASELINE, path).stdout
    assert len(text.splitlines()) == 101
    names = [one["name"] for one in study.nuvtui.json("snapshots", "list")]
    assert names[:2] == [REVISED, BASELINE]
    assert study.nuvtui.run("store", "check", "--read-data")


def test_two_snapshots_are_compared(study: Study) -> None:
    diff = study.nuvtui.json("snapshots", "diff", BASELINE, REVISED)
    files = {one["path"]: one["change"] for one in diff["files"]}
    assert files == {
        "analysis.py": "changed",
        "notes/dam.md": "added",
        "setup.cfg": "removed",
        "statsmodels/datasets/nile/nile.csv": "changed",
    }
    by_name = {one["name"]: one for one in diff["tables"]}
    assert {name: one["change"] for name, one in by_name.items()} == {
        "nile": "changed",
        "co2": "removed",
        "mauna_loa": "added",
    }
    nile = by_name["nile"]
    assert (nile["old_rows"], nile["new_rows"]) == (100, 28)
    assert (nile["rows_added"], nile["rows_removed"]) == (0, 72)
    (application,) = diff["applications"]
    assert any(line.startswith("-") and 'UNIT: "m3"' in line for line in application["configuration"])
    assert any(line.startswith("+") and 'UNIT: "1e8 m3"' in line for line in application["configuration"])
    lines = study.nuvtui.json(
        "snapshots", "diff", BASELINE, REVISED, "--text", "statsmodels/datasets/nile/nile.csv"
    )
    assert sum(line.startswith("-") and not line.startswith("---") for line in lines) == 72
    status = study.nuvtui.json("status")
    assert (status["files"], status["tables"], status["applications"]) == ([], [], [])


def test_it_is_shared_with_each_strategy(study: Study, tmp_path: Path) -> None:
    """A reviewer's own work meets what is distributed to it: each strategy, counted before and seen after."""
    reviewer = tmp_path / "reviewer"
    nuvtui = study.nuvtui
    nuvtui.run("instances", "create", "reviewer", "--path", reviewer)
    there = nuvtui.at(reviewer)

    def distribute(files: str, tables: str = "skip", apps: str = "skip") -> dict[str, int]:
        strategies = ["--files-strategy", files, "--tables-strategy", tables, "--apps-strategy", apps]
        options = ["--targets", "reviewer", *strategies]
        (plan,) = nuvtui.json("distribution", "distribute", *options, "--dry-run")
        planned = {
            what: sum(len(plan[kind][what]) for kind in ("files", "tables", "applications"))
            for what in ("created", "replaced", "removed")
        }
        done = nuvtui.json("distribution", "distribute", *options, "--message", f"by {files}")
        assert done["status"] == "completed"
        (target,) = done["targets"]
        assert {what: target[what] for what in planned} == planned
        assert target["backup"]
        return planned

    # The baseline, all of it, into the empty instance.
    nuvtui.run("stage", "add", "-p", BASELINE, "--all")
    distribute("overwrite", "overwrite", "overwrite")
    assert files_of(contents(reviewer)) == files_of(study.files[BASELINE])
    assert tables(reviewer) == study.rows[BASELINE]
    assert 'UNIT: "m3"' in (reviewer / ".nuvtui" / "apps" / "nile.yaml").read_text()

    # The reviewer works on it.
    (reviewer / "review.md").write_text("Well done.\n")
    (reviewer / "analysis.py").write_text("print('mine')\n")
    (reviewer / "setup.cfg").unlink()
    there.run("tables", "delete", "heart", "--yes")
    there.run("tables", "import", reviewer / NAME / "datasets" / "nile" / "nile.csv", "-n", "own")
    worked = files_of(contents(reviewer))

    # The stage holds the baseline; another source state needs another stage.
    nuvtui.run("stage", "add", "-p", REVISED, "--all", code=5)
    nuvtui.run("stage", "add", "-p", REVISED, "--all", "--replace")
    revised = files_of(study.files[REVISED])

    before = contents(reviewer)
    assert distribute("skip") == {"created": 0, "replaced": 0, "removed": 0}
    assert contents(reviewer) == before

    distribute("distribute-extra", "distribute-extra")
    assert files_of(contents(reviewer)) == {**revised, **worked}
    assert tables(reviewer) == {**study.rows[REVISED], **study.rows[BASELINE], "own": 100}

    distribute("overwrite", "overwrite", "overwrite")
    assert files_of(contents(reviewer)) == {**worked, **revised}
    assert tables(reviewer) == {**study.rows[BASELINE], **study.rows[REVISED], "own": 100}
    assert 'UNIT: "1e8 m3"' in (reviewer / ".nuvtui" / "apps" / "nile.yaml").read_text()

    distribute("mirror", "mirror", "mirror")
    assert files_of(contents(reviewer)) == revised
    assert tables(reviewer) == study.rows[REVISED]

    past = nuvtui.json("distribution", "list")
    assert [one["message"] for one in past] == [
        "by mirror", "by overwrite", "by distribute-extra", "by skip", "by overwrite",
    ]  # fmt: skip
    # The reviewer's own work is in the automatic snapshots that were taken first.
    automatic = [one for one in there.json("snapshots", "list") if one["kind"] == "automatic"]
    kept = there.json("snapshots", "files", automatic[0]["id"])
    assert "review.md" in {one["path"] for one in kept}


def test_a_snapshot_is_restored_and_the_restore_undone(study: Study) -> None:
    (study.root / "unsaved.txt").write_text("not in any snapshot\n")
    before = contents(study.root)
    restored = study.nuvtui.json("snapshots", "restore", BASELINE, "--yes")
    assert contents(study.root) == study.files[BASELINE]
    assert tables(study.root) == study.rows[BASELINE]
    study.nuvtui.json("snapshots", "restore", restored["backup"], "--yes")
    assert contents(study.root) == before
    assert tables(study.root) == study.rows[REVISED]
    (study.root / "unsaved.txt").unlink()


def test_it_is_handed_over(
    study: Study, engine: Engine, second_engine: Engine, registry: Registry, python_base: str
) -> None:
    """The image that another, empty engine pulls prints what the analysis has to print."""
    settings = {**study.nuvtui.environment, **engine.environment(), **build_settings()}
    nuvtui = Nuvtui(study.root, {**settings, "HF_TOKEN": SECRET})
    options = ["-p", REVISED, "-n", "nile-flow", "--with-files", "--registry", f"{registry.host}/studies"]
    refused = nuvtui.run("exports", "create", "nile", *options, "--push", code=6)
    assert "public" in refused.stderr
    export = nuvtui.json("exports", "create", "nile", *options, "--push", "--public-ok")
    assert export["status"] == "completed"
    assert export["snapshot"] == study.snapshots[REVISED]["id"]
    assert export["with_files"] is True
    assert export["pushed"] is True
    repository, _, tag = export["image"].removeprefix(f"{registry.host}/").rpartition(":")
    assert registry.digest(repository, tag) == export["digest"]
    excluded = json.dumps(export["excluded"])
    assert "HF_TOKEN" in excluded
    assert ".env" in excluded

    assert second_engine.images() == []
    pulled = f"{registry.host}/{repository}@{export['digest']}"
    second_engine.run("pull", pulled)
    for limits in ([], ["--network", "none", "--read-only", "--user", "12345:12345", "--cap-drop", "ALL"]):
        assert second_engine.run("run", "--rm", *limits, pulled).stdout.decode() == PRINTED
    image = second_engine.inspect(pulled)
    files = second_engine.files(pulled)
    assert "files/statsmodels/datasets/nile/nile.csv" in files
    assert not [
        path for path in files if path.startswith(("files/.env", "files/docs/", "files/.nuvtui/tables"))
    ]
    labels = image["Config"]["Labels"]  # type: ignore[index]
    assert labels["io.nuvtui.snapshot"] == study.snapshots[REVISED]["id"]
    assert "org.opencontainers.image.created" in labels
    history = second_engine.text("history", "--no-trunc", pulled)
    assert SECRET not in history + json.dumps(image)

    assert export["id"] in {one["id"] for one in nuvtui.json("exports", "list")}
    assert PACKAGE.split("==")[0] in nuvtui.run("exports", "logs", export["id"]).stdout
    assert SECRET not in nuvtui.run("exports", "logs", export["id"]).stdout
    assert export["image"] in nuvtui.run("exports", "run-command", export["id"]).stdout
    nuvtui.run("exports", "delete", export["id"], "--yes")
    assert registry.digest(repository, tag) is None
    assert export["image"] not in engine.images()
