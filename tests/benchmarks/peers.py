"""The programs that the benchmarks compare, the tree they work on, and how they are measured."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

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
CACHE = REPOSITORY / ".cache" / "bench"

REST = 3.0
"""Seconds."""

Action = Callable[[], object]


class Tool:
    """One program: how it does each thing that is measured, in a folder of its own."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder = folder
        self.tree = tree
        self.target = folder / "restored"

    def run(self, *command: str | Path, folder: Path | None = None, **environment: str) -> None:
        """Run a command quietly; the test fails where it does."""
        with open(os.devnull, "wb") as out:
            done = subprocess.run(
                [str(word) for word in command],
                cwd=folder or self.tree,
                env=os.environ | environment,
                stdout=out,
                stderr=subprocess.PIPE,
            )
        assert done.returncode == 0, done.stderr.decode()

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

    def memory(self) -> float:
        """MB that the worker of a `save` has in memory at most (its own high-water mark), while it is taken."""
        command = [NUVTUI, "--home", self.folder / "store", "snapshots", "create"]
        started = subprocess.Popen(
            command, cwd=self.tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = set((self.folder / "store").glob("tasks/*"))
        most = 0.0
        while started.poll() is None:
            for task in set((self.folder / "store").glob("tasks/*")) - before:
                with contextlib.suppress(OSError, ValueError, IndexError, msgspec.DecodeError):
                    pid = msgspec.json.decode((task / "lease").read_bytes())["pid"]
                    status = Path(f"/proc/{pid}/status").read_text()
                    most = max(most, int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6)
            time.sleep(0.005)
        assert started.returncode == 0
        return most

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


def look(tree: Path) -> float:
    """Seconds that `find -printf` takes over a tree."""
    return timed(
        lambda: subprocess.run(
            ["find", ".", "-printf", "%p %s %T@\\n"], cwd=tree, stdout=subprocess.PIPE, check=True
        )
    )


def write_figures(name: str, figures: object) -> None:
    """Keep what was measured, for the README."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


def rest() -> None:
    """After a while without writes: what was just written counts for no program as changed, nor has to be flushed."""
    os.sync()
    time.sleep(REST)
