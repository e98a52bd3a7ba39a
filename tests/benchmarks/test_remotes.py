"""What remotes cost beside restic, in turn in the same run, on the same tree and the same object store.

The store is SeaweedFS on this machine, with every blob held twice. nuvtui pushes what is a snapshot already; restic reads
the tree and writes to the bucket in one. Both seal. The table is printed, and written to `.cache/bench/remotes.json`.
"""

import os
import platform
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.peers import PACKAGES, build_tree, rest, timed, write_figures
from tests.support import seaweed as seaweeds
from tests.support.cli import Nuvtui
from tests.support.seaweed import Seaweed

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

RUNS = 3
Figures = dict[str, tuple[float, float]]
"""What was measured to the seconds of nuvtui and restic."""


def test_remotes_beside_restic(tmp_path: Path, package_index: dict[str, str], seaweed: Seaweed) -> None:
    assert shutil.which("restic"), "make bench installs restic"
    source = build_tree()
    found: list[Figures] = []
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        subprocess.run(["cp", "-a", source, folder / "tree"], check=True)
        found.append(measured(folder, seaweed, f"bench-{run}-{os.urandom(3).hex()}"))
        shutil.rmtree(folder)
    medians = {
        what: [statistics.median(each[what][at] for each in found) for at in (0, 1)] for what in found[0]
    }
    about = {"runs": RUNS, "packages": PACKAGES, "python": platform.python_version(), "cores": os.cpu_count()}
    write_figures("remotes", {"about": about, "medians": medians, "all": found})
    print(f"\n\nMedians of {RUNS} runs{'':<20}{'nuvtui':>10}{'restic':>10}   ratio")
    for what, (ours, theirs) in medians.items():
        print(f"{what:<34}{ours:>10.2f}{theirs:>10.2f}   {ours / theirs:.2f}")


def measured(folder: Path, seaweed: Seaweed, bucket: str) -> Figures:
    """One run on the tree in `folder`."""
    tree = folder / "tree"
    seaweed.make_bucket(bucket)
    access = {
        "AWS_ACCESS_KEY_ID": seaweeds.KEY,
        "AWS_SECRET_ACCESS_KEY": seaweeds.SECRET,
        "AWS_ENDPOINT_URL": seaweed.endpoint,
        "AWS_REGION": "us-east-1",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "RESTIC_PASSWORD": "a password",
        "RESTIC_REPOSITORY": f"s3:{seaweed.endpoint}/{bucket}/restic",
    }
    nuvtui = Nuvtui(tree, {**access, "NUVTUI_HOME": str(folder / "home")})
    away = Nuvtui(folder, {**access, "NUVTUI_HOME": str(folder / "home of another machine")})

    def restic(*words: str | Path, cache: str = "cache") -> None:
        environment = {**os.environ, **access, "RESTIC_CACHE_DIR": str(folder / cache)}
        command = ["restic", *map(str, words)]
        subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True)

    def push() -> tuple[float, float]:
        rest()
        ours = timed(lambda: nuvtui.run("push"))
        rest()
        return ours, timed(lambda: restic("backup", "."))

    nuvtui.run("init", "--space", "Bench")
    (tree / ".nuvtui" / "ignore").write_text("")  # restic leaves nothing out
    nuvtui.run("snapshots", "create", "-n", "first")
    nuvtui.run("remotes", "add", "lab", f"s3://{bucket}/nuvtui")
    restic("init")
    found = {"first push, s": push(), "nothing new, s": push()}
    changed = next(tree.rglob("*.py"))
    changed.write_bytes(changed.read_bytes() + b"# changed\n")
    nuvtui.run("snapshots", "create", "-n", "second")
    found["one file changed, s"] = push()
    rest()
    ours = timed(lambda: away.run("clone", f"s3://{bucket}/nuvtui", "clone"))
    rest()
    theirs = timed(
        lambda: restic("restore", "latest", "--target", folder / "restored", cache="another cache")
    )
    found["on an empty machine, s"] = (ours, theirs)
    return found
