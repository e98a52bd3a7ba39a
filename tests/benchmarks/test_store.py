"""What the store costs beside restic, borg, `cp -a` and `find`, in turn in the same run on the same tree.

The tree is an installed scientific Python stack of pinned packages, kept in `.cache/bench/`. Nothing is asserted
about time: the table with ratios is printed, and written as JSON to `.cache/bench/store.json`.
"""

import os
import platform
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.peers import PACKAGES, TOOLS, Nuvtui, build_tree, look, rest, timed, write_figures

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

RUNS = 3
AGAIN = 3
"""So many times in a run a snapshot of nothing new is taken."""


def test_store_beside_its_peers(tmp_path: Path, package_index: dict[str, str]) -> None:
    source = build_tree()
    figures: dict[str, dict[str, list[float]]] = {}
    for run in range(RUNS):
        for name, (kind, program) in TOOLS.items():
            if program and not shutil.which(program):
                continue
            folder = tmp_path / f"{run}-{name.split()[0]}"
            folder.mkdir()
            # Each has a copy of its own, so that none finds another's leftovers.
            tree = folder / "tree"
            subprocess.run(["cp", "-a", source, tree], check=True)
            tool = kind(folder, tree)
            tool.prepare()
            rest()
            found = {"first snapshot, s": [timed(tool.save)], "stored, MB": [tool.stored() / 1e6]}
            if name != "cp -a":
                rest()
                found["nothing changed, s"] = [timed(tool.save) for _ in range(AGAIN)]
                changed = next(tree.rglob("*.py"))
                changed.write_bytes(changed.read_bytes() + b"# changed\n")
                found["one file changed, s"] = [timed(tool.save)]
            rest()
            found["restore, s"] = [timed(tool.restore)]
            found["find -printf, s"] = [look(tree) for _ in range(AGAIN)]
            if isinstance(tool, Nuvtui):
                shutil.rmtree(tree / ".nuvtui")
                tool.folder = folder / "memory"
                tool.prepare()
                found["memory, MB"] = [tool.memory()]
            for what, values in found.items():
                figures.setdefault(name, {}).setdefault(what, []).extend(values)
            shutil.rmtree(folder)
    medians = {name: {w: statistics.median(v) for w, v in found.items()} for name, found in figures.items()}
    files = [path.lstat().st_size for path in source.rglob("*") if path.is_file()]
    about = {"files": len(files), "bytes": sum(files), "runs": RUNS, "packages": PACKAGES,
             "python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}  # fmt: skip
    write_figures("store", {"about": about, "medians": medians, "all": figures})
    print_table(medians, f"{len(files):,} files, {sum(files) / 1e6:,.0f} MB")


def print_table(medians: dict[str, dict[str, float]], title: str) -> None:
    """One row a figure, one column a program, and in brackets what nuvtui needs of it."""
    print(f"\n\nMedians of {RUNS} runs, {title}")
    print(" " * 24 + "".join(f"{name:>22}" for name in medians))
    ours = medians["nuvtui"]
    for what, own in ours.items():
        cells = []
        for found in medians.values():
            value = found.get(what)
            cells.append("" if value is None else f"{value:,.2f} ({own / value:.2f})")
        print(f"{what:<24}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"nothing changed: {ours['nothing changed, s'] / ours['find -printf, s']:.1f} times find -printf")
