"""What the store costs beside restic, borg, `cp -a` and `find`, in turn in the same run on the same tree.

The tree is an installed scientific Python stack of pinned packages, kept in `.cache/bench/`. Nothing is asserted
about time: the table with ratios is printed, and written as JSON to `.cache/bench/store.json`.
"""

import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.cli import NUVTUI
from tests.support.fixtures import REPOSITORY

PACKAGES = (
    "numpy==2.1.3",
    "scipy==1.14.1",
    "pandas==2.2.3",
    "matplotlib==3.9.2",
    "scikit-learn==1.5.2",
    "sympy==1.13.3",
    "statsmodels==0.14.4",
    "pyarrow==18.1.0",
    "numba==0.61.0",
    "scikit-image==0.24.0",
    "bokeh==3.6.2",
    "networkx==3.4.2",
    "xarray==2024.11.0",
    "dask==2024.12.1",
    "astropy==7.0.0",
    "polars==1.17.1",
)
RUNS = 3
CACHE = REPOSITORY / ".cache" / "bench"

Action = Callable[[], None]


class Tool:
    """One program: how it does each thing that is measured, in a folder of its own."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder = folder
        self.tree = tree
        self.target = folder / "restored"

    def run(self, *command: str | Path, folder: Path | None = None, **environment: str) -> None:
        """Run a command quietly; the test fails where it does."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder or self.tree,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def prepare(self) -> None:
        """Make an empty repository."""

    def save(self) -> None:
        """Take a snapshot of the tree."""
        raise NotImplementedError

    def restore(self) -> None:
        """Bring the newest snapshot into an empty folder."""
        raise NotImplementedError

    def stored(self) -> int:
        """Bytes of what was saved."""
        return sum(file.lstat().st_size for file in (self.folder / "store").rglob("*") if file.is_file())


class Nuvtui(Tool):
    """This program, whole command line with its worker."""

    def _nuvtui(self, *words: str | Path) -> None:
        self.run(NUVTUI, "--home", self.folder / "store", *words)

    def prepare(self) -> None:
        self._nuvtui("init", "--space", "bench")
        (self.tree / ".nuvtui" / "ignore").write_text("")
        self._nuvtui("instances", "create", "target", "--path", self.target)

    def save(self) -> None:
        self._nuvtui("snapshots", "create")

    def restore(self) -> None:
        manifests = (self.folder / "store" / "snapshots").iterdir()
        newest = max(manifests, key=lambda file: file.stat().st_mtime_ns).stem
        self._nuvtui("snapshots", "restore", newest, "--to", "target", "--yes")


class Restic(Tool):
    """restic with its own settings (it always encrypts)."""

    def _restic(self, *words: str | Path) -> None:
        self.run("restic", "-q", "-r", self.folder / "store", *words, RESTIC_PASSWORD="x",
                 RESTIC_CACHE_DIR=str(self.folder / "cache"))  # fmt: skip

    def prepare(self) -> None:
        self._restic("init")

    def save(self) -> None:
        self._restic("backup", ".")

    def restore(self) -> None:
        self._restic("restore", "latest", "--target", self.target)


class Borg(Tool):
    """borg without encryption, lz4."""

    number = 0

    def _borg(self, *words: str | Path, folder: Path | None = None) -> None:
        self.run("borg", *words, folder=folder, BORG_BASE_DIR=str(self.folder / "base"),
                 BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")  # fmt: skip

    def prepare(self) -> None:
        self._borg("init", "-e", "none", self.folder / "store")

    def save(self) -> None:
        self.number += 1
        self._borg("create", f"{self.folder / 'store'}::{self.number}", ".")

    def restore(self) -> None:
        self.target.mkdir()
        self._borg("extract", f"{self.folder / 'store'}::{self.number}", folder=self.target)


class Copy(Tool):
    """`cp -a`, there and back."""

    def save(self) -> None:
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        self.run("cp", "-a", self.tree, self.folder / "store")

    def restore(self) -> None:
        self.run("cp", "-a", self.folder / "store", self.target)


TOOLS: dict[str, tuple[type[Tool], str]] = {
    "nuvtui": (Nuvtui, ""),
    "restic": (Restic, "restic"),
    "borg": (Borg, "borg"),
    "cp -a": (Copy, ""),
}


def build_tree(packages: Sequence[str] = PACKAGES) -> Path:
    """The folder of installed packages; built once."""
    tree = CACHE / "tree"
    mark = CACHE / "tree.json"
    if mark.exists() and json.loads(mark.read_text()) == list(packages):
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--target",
            tree,
            *packages,
        ],
        check=True,
    )
    mark.write_text(json.dumps(list(packages)))
    return tree


def timed(action: Action) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@pytest.mark.bench
def test_store_beside_its_peers(tmp_path: Path, package_index: dict[str, str]) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    source = build_tree()
    figures: dict[str, dict[str, list[float]]] = {}
    for run in range(RUNS):
        for name, (kind, program) in TOOLS.items():
            if program and not shutil.which(program):
                continue
            folder = tmp_path / f"{run}-{name.split()[0]}"
            folder.mkdir()
            # each has a copy of its own, so that none finds another's leftovers
            tree = folder / "tree"
            subprocess.run(["cp", "-a", source, tree], check=True)
            subprocess.run(["sync"], check=True)
            tool = kind(folder, tree)
            tool.prepare()
            found = {"first snapshot, s": timed(tool.save)}
            found["stored, MB"] = tool.stored() / 1e6
            if name != "cp -a":
                found["nothing changed, s"] = timed(tool.save)
                changed = next(tree.rglob("*.py"))
                changed.write_bytes(changed.read_bytes() + b"# changed\n")
                found["one file changed, s"] = timed(tool.save)
            found["restore, s"] = timed(tool.restore)
            look = functools.partial(tool.run, "find", ".", "-printf", "%p %s %T@\\n")
            found["find -printf, s"] = timed(look)
            for what, value in found.items():
                figures.setdefault(name, {}).setdefault(what, []).append(value)
            shutil.rmtree(folder)
    medians = {name: {w: statistics.median(v) for w, v in found.items()} for name, found in figures.items()}
    files = [path.lstat().st_size for path in source.rglob("*") if path.is_file()]
    about = {"files": len(files), "bytes": sum(files), "runs": RUNS, "packages": PACKAGES,
             "python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}  # fmt: skip
    (CACHE / "store.json").write_text(
        json.dumps({"about": about, "medians": medians, "all": figures}, indent=2) + "\n"
    )
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
