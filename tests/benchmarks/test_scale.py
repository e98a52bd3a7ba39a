"""What the store costs where much is kept: a big file, a million files, ten thousand snapshots, twenty targets.

Nothing is asserted about time: the figures are printed with what they are to be compared with, measured in the same
run, and written as JSON to `.cache/bench/scale.json`.
"""

import json
import os
import random
import secrets
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nuvtui.catalog.catalog import Catalog
from nuvtui.model.snapshot import summarise
from nuvtui.paths import Home
from nuvtui.store.store import Store
from tests.benchmarks.peers import CACHE, Nuvtui, build_tree, look, rest, timed, write_figures
from tests.support.cli import NUVTUI
from tests.support.environment import machine

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

BIG = 4 << 30
PIECE = 8 << 20
PART = BIG // 100
"""One part in a hundred."""
FILES = int(machine.get("NUVTUI_BENCH_FILES", "1000000"))
A_FOLDER = 1000
SNAPSHOTS = 10_000
TARGETS = int(machine.get("NUVTUI_BENCH_TARGETS", "20"))
TIMES = 9


def note(name: str, figures: dict[str, float]) -> None:
    """Print, and keep beside what the others measured."""
    file = CACHE / "scale.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    write_figures("scale", known | {name: figures})
    print(f"\n\n{name}")
    for what, value in figures.items():
        print(f"  {what:<60}{value:>12,.3f}")


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Nuvtui]:
    """nuvtui with an empty store; what it made is removed."""
    tree = tmp_path / "tree"
    tree.mkdir()
    yield Nuvtui(tmp_path, tree)
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)


def median(subject: Nuvtui, *words: str, change: Path | None = None) -> float:
    """Seconds that a command takes; before each time a byte is added to `change`."""
    found = []
    for _ in range(TIMES):
        if change is not None:
            with open(change, "ab") as file:
                file.write(b"#")
        command = [NUVTUI, "--home", subject.folder / "store", *words]
        found.append(timed(lambda: subject.run(*command)))  # noqa: B023  # called at once
    return statistics.median(found)


def test_a_big_file(subject: Nuvtui) -> None:
    path = subject.tree / "big.bin"
    with open(path, "wb") as file:
        for _ in range(BIG // PIECE):
            file.write(os.urandom(PIECE))
    subject.prepare()
    rest()
    figures = {"read by `cat`, s": timed(lambda: subject.run("cat", path))}
    figures["first snapshot, s"] = timed(subject.save)
    stored = subject.stored()

    def again(what: str) -> None:
        nonlocal stored
        rest()
        figures[f"{what}, s"] = timed(subject.save)
        figures[f"{what}, % stored more"] = (subject.stored() - stored) / BIG * 100
        stored = subject.stored()

    with open(path, "r+b") as file:
        file.seek(BIG // 3)
        file.write(os.urandom(PART))
    again("1 % changed in place")
    rng = random.Random(4)
    with open(path, "r+b") as file:
        for _ in range(10):
            file.seek(rng.randrange(BIG - PART))
            file.write(os.urandom(PART // 10))
    again("1 % changed in ten places")
    new = path.with_name("new.bin")
    with open(path, "rb") as old, open(new, "wb") as file:
        file.write(old.read(PIECE + 7))
        file.write(os.urandom(PART))
        shutil.copyfileobj(old, file, PIECE)
    new.replace(path)
    again("1 % inserted")
    note(f"A file of {BIG / 2**30:.0f} GiB", figures)


def test_a_million_files(subject: Nuvtui) -> None:
    def make(first: int, last: int) -> None:
        for number in range(first, last):
            folder = subject.tree / f"{number // 100:02}" / f"{number % 100:02}"
            folder.mkdir(parents=True)
            for name in range(A_FOLDER):
                (folder / f"{name}.txt").write_text(f"file {number} {name}\n")

    folders = FILES // A_FOLDER
    figures: dict[str, float] = {}
    subject.prepare()
    for part in (folders // 10, folders):
        make(0 if part < folders else folders // 10, part)
        shutil.rmtree(subject.folder / "store")
        shutil.rmtree(subject.tree / ".nuvtui")
        subject.prepare()
        rest()
        # What is measured is nuvtui, not how fast this disk finds a million small files.
        figures[f"{part * A_FOLDER:,} files: read by `tar`, s"] = timed(
            lambda: subject.run("sh", "-c", "tar -cf - . | cat")  # to /dev/null itself it reads nothing
        )
        figures[f"{part * A_FOLDER:,} files: first snapshot, s"] = timed(subject.save)
        figures[f"{part * A_FOLDER:,} files: find -printf, s"] = look(subject.tree)
        rest()
        subject.save()
        figures[f"{part * A_FOLDER:,} files: nothing changed, s"] = timed(subject.save)
    shutil.rmtree(subject.folder / "store")
    shutil.rmtree(subject.tree / ".nuvtui")
    subject.prepare()
    figures["memory of the first snapshot, MB"] = subject.memory()
    figures["one folder of the snapshot listed, s"] = median(
        subject, "snapshots", "files", newest(subject), "00/01"
    )
    note(f"{FILES:,} files", figures)


def newest(subject: Nuvtui) -> str:
    """Id of the newest snapshot of the tree."""
    done = subprocess.run(
        [NUVTUI, "--home", subject.folder / "store", "snapshots", "list", "-f", "json"],
        cwd=subject.tree,
        stdout=subprocess.PIPE,
        check=True,
    )
    return str(json.loads(done.stdout)[0]["id"])


def test_ten_thousand_snapshots(subject: Nuvtui, package_index: dict[str, str]) -> None:
    shutil.rmtree(subject.tree)
    subprocess.run(["cp", "-a", build_tree(), subject.tree], check=True)
    subject.prepare()
    change = next(subject.tree.rglob("*.py"))
    rest()
    for _ in range(9):
        subject.save()
    tenth = median(subject, "snapshots", "create", change=change)
    home = Home(subject.folder / "store")
    multiply(home, newest(subject))
    ten_thousandth = median(subject, "snapshots", "create", change=change)
    figures = {
        "the tenth and those after it, one file changed, s": tenth,
        "the ten-thousandth and those after it, s": ten_thousandth,
    }
    figures["times the tenth"] = ten_thousandth / tenth
    figures["snapshots list, s"] = median(subject, "snapshots", "list")
    figures["status, s"] = median(subject, "status")
    state = Catalog(home)
    record = state.read().snapshots.all()[-1]

    def write() -> None:
        with state.transaction() as transaction:
            transaction.snapshots.put(msgspec.structs.replace(record, description=secrets.token_hex(4)))

    figures["a write of the state, ms"] = statistics.median(timed(write) for _ in range(TIMES)) * 1000
    figures["state.json, MB"] = home.state.stat().st_size / 1e6
    note(f"{SNAPSHOTS:,} snapshots", figures)


def multiply(home: Home, snapshot_id: str) -> None:
    """Bring the store to `SNAPSHOTS` snapshots, as if the same had been taken again and again, an hour apart."""
    store, state = Store(home), Catalog(home)
    snapshot = store.read_manifest(snapshot_id)
    with state.transaction() as transaction:
        for number in range(SNAPSHOTS - len(store.manifest_ids())):
            more = msgspec.structs.replace(
                snapshot,
                id=secrets.token_hex(8),
                created=f"{2000 + number // 8000:04}-{number // 700 % 12 + 1:02}-{number // 24 % 28 + 1:02}"
                f"T{number % 24:02}:00:00.000000+00:00",
            )
            store.write_manifest(more)
            transaction.snapshots.put(summarise(more))


def test_many_targets(subject: Nuvtui, package_index: dict[str, str]) -> None:
    shutil.rmtree(subject.tree)
    subprocess.run(["cp", "-a", build_tree(), subject.tree], check=True)
    subject.prepare()
    copies = [timed(lambda: subprocess.run(["cp", "-a", build_tree(), subject.folder / "copy"], check=True))]
    subject.save()
    names = [f"target-{number}" for number in range(TARGETS)]
    nuvtui = [NUVTUI, "--home", subject.folder / "store"]
    for name in names:
        subprocess.run(["cp", "-a", build_tree(), subject.folder / name], check=True)
        subject.run(*nuvtui, "instances", "create", name, "--path", subject.folder / name)
        shutil.copy(subject.tree / ".nuvtui" / "ignore", subject.folder / name / ".nuvtui" / "ignore")
    figures = {"copying the tree once, s": copies[0], "find -printf over the tree, s": look(subject.tree)}

    def distribute(what: str) -> None:
        rest()
        subject.run(*nuvtui, "stage", "clear")
        subject.run(*nuvtui, "stage", "add", "--all", "-p", newest(subject))
        command = [*nuvtui, "distribution", "distribute", "--targets", ",".join(names)]
        taken = timed(lambda: subject.run(*command, "--files-strategy", "mirror"))
        figures[f"{what}, s a target"] = taken / TARGETS

    distribute("the first time, every file of each target is read")
    change = next(subject.tree.rglob("*.py"))
    change.write_bytes(change.read_bytes() + b"# changed\n")
    subject.save()
    distribute("one file changed")
    distribute("nothing changed")
    note(f"Distributed to {TARGETS} instances", figures)
