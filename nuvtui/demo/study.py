"""The demo: a small real study in a folder, with a history, a second instance, a stage and applications."""

import importlib.resources
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.errors import Exit, NuvError
from nuvtui.model.stage import StateRef
from nuvtui.model.table_import import ImportOptions
from nuvtui.paths import Workspace
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.spaces.service import Location

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services

SPACE = "penguins"
REVIEWER = "reviewer"


def exists(folder: Path) -> bool:
    """True where a demo was laid out in `folder` before."""
    return (folder / SPACE / ".nuvtui").is_dir()


def lay_out(
    services: "Services", folder: Path, say: Callable[[str], None], reporter: Reporter | None = None
) -> Location:
    """Make the study in `folder` (new or empty) and give it a past; each result is told to `say`.

    Raises NuvError (5) where `folder` holds something else.
    """
    reporter = reporter or Silent()
    root = folder / SPACE
    if folder.exists() and any(folder.iterdir()):
        raise NuvError(
            f"{folder} is not empty",
            "the demo needs a new folder",
            "Give another one: `nuvtui demo --dir D`.",
            Exit.CONFLICT,
        )
    root.mkdir(parents=True)
    with importlib.resources.as_file(importlib.resources.files("nuvtui.demo")) as source:
        shutil.copytree(
            source / "files", root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
        location = services.spaces.init(root, SPACE)
        workspace = Workspace(root)
        for slug in ("penguins", "notebook", "stata"):
            shutil.copyfile(source / f"{slug}.yaml", workspace.application(slug))
    say(
        f"Space {SPACE!r} in {root}: {sum(1 for p in root.rglob('*') if p.is_file())} files, three applications"
    )
    master = location.instance.id
    create = services.snapshots.create
    first = create(
        master, "raw-data-as-received", "The data as published, nothing run yet.", "First analysis", reporter
    )
    say(f"Snapshot {first.id[:8]} {first.name}: {first.files.count} files")
    table = services.tables.import_file(
        master,
        root / "data" / "penguins.csv",
        "penguins",
        options=ImportOptions(null=["NA"]),
        reporter=reporter,
    )
    say(f"Table {table.name}: {table.rows} rows, {len(table.columns)} columns")
    subprocess.run([sys.executable, "analysis.py"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    second = create(
        master,
        "first-results",
        "Means and slopes by species.",
        "Ask a co-author about sex as a covariate",
        reporter,
    )
    say(
        f"Snapshot {second.id[:8]} {second.name}: table {second.tables[0].name}, {second.tables[0].rows} rows"
    )
    reviewer = services.instances.create(location.space.id, REVIEWER, folder / REVIEWER)
    say(f"Instance {SPACE}/{reviewer.name} in {folder / REVIEWER}")
    with (root / "notes.md").open("a", encoding="utf-8") as notes:
        notes.write("- The slope differs between species: report it per species.\n")
    third = create(master, "", "", "", reporter)
    say(
        f"Quick snapshot {third.id[:8]}: files +{third.changes.files[0]} ~{third.changes.files[1]} -{third.changes.files[2]}"
    )
    with (root / "notes.md").open("a", encoding="utf-8") as notes:
        notes.write("- To do: repeat with the raw isotopes data.\n")
    services.staging.add(
        StateRef(master, second.id), ["README.md", "analysis.py", "data"], ["penguins"], ["penguins"]
    )
    say(
        f"Staged from snapshot {second.id[:8]}: README.md, analysis.py, data, table penguins, application penguins"
    )
    return location
