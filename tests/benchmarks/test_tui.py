"""What the screens cost on the line, beside an empty Textual app, a stock list of Textual, harlequin and tig.

Each program runs in a pseudo-terminal; those that are compared are started in turn in the same run. Nothing is
asserted about time: the figures are printed, and written as JSON to `.cache/bench/tui.json`.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nuvtui.catalog.catalog import Catalog
from nuvtui.paths import Home
from nuvtui.worker import lease
from nuvtui.worker.events import EventWriter
from tests.benchmarks.peers import CACHE, write_figures
from tests.support.cli import NUVTUI
from tests.support.environment import machine
from tests.support.many import add_snapshots, make_state
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

SNAPSHOTS = 10_000
FILES = int(machine.get("NUVTUI_BENCH_FILES", "1000000"))
"""Files of the newest snapshot."""
RUNS = int(machine.get("NUVTUI_BENCH_RUNS", "9"))
KEYS = int(machine.get("NUVTUI_BENCH_KEYS", "120"))
PAUSE = 0.15
"""Seconds between two keys: time for whatever a key causes to come back."""
IDLE = 10.0
"""Seconds of rest."""
SIZE = (100, 30)
LINES = 1_000_000
HARLEQUIN = "harlequin==2.17.0"

EMPTY = """
from textual.app import App
from textual.widgets import Label
class Empty(App):
    def compose(self):
        yield Label("ready")
Empty().run(mouse=False)
"""
STOCK_LIST = """
from textual.app import App
from textual.widgets import OptionList
class List(App):
    def compose(self):
        yield OptionList(*[f"ready {number}" for number in range(1000)])
List().run(mouse=False)
"""
QUERY = (
    "select range n, 'vintage ' || range || ': prices revised' state, '+1 ~2' changed, '40.0 kB' stored, "
    "'ada' author, '14 mon' age from range(10000)"
)
"""For harlequin: rows as those of the Timeline."""

Figures = dict[str, float]
Start = Callable[..., Terminal]


def note(name: str, figures: dict[str, Figures]) -> None:
    """Print a table, one column a program, and keep it beside what the others measured."""
    file = CACHE / "tui.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    write_figures("tui", known | {name: figures})
    print(f"\n\n{name}\n{'':<34}" + "".join(f"{program:>24}" for program in figures))
    for what in dict.fromkeys(what for of in figures.values() for what in of):
        values = (of.get(what) for of in figures.values())
        print(f"{what:<34}" + "".join(f"{'' if v is None else f'{v:,.2f}':>24}" for v in values))


def harlequin() -> Path:
    """harlequin, in an environment of its own; installed at first use."""
    environment = CACHE.parent / "harlequin"
    program = environment / "bin" / "harlequin"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([environment / "bin" / "pip", "install", "-q", HARLEQUIN], env=machine, check=True)
        subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL)  # its bytecode
    return program


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Path]]:
    """A space whose Master has 10,000 snapshots, the newest of them with a million files."""
    folder = tmp_path_factory.mktemp("tui")
    home, workspace = Home(folder / "home"), folder / "study"
    make_state(home, workspace, 0)
    (workspace / ".nuvtui" / "ignore").write_text("")
    for number in range(FILES // 1000):
        inner = workspace / "data" / f"{number:04d}"
        inner.mkdir(parents=True)
        for file in range(1000):
            (inner / f"{file:03d}.txt").write_text(f"{number} {file}\n")
    environment = os.environ | {"NUVTUI_HOME": str(home.root)}
    words = [str(NUVTUI), "snapshots", "create", "-n", "the-newest"]
    subprocess.run(words, cwd=workspace, env=environment, check=True, stdout=subprocess.DEVNULL)
    add_snapshots(home, SNAPSHOTS - 1)
    yield home, workspace
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture(autouse=True)
def own_home(study: tuple[Home, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUVTUI_HOME", str(study[0].root))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


def test_start_and_end(study: tuple[Home, Path], terminal: Start) -> None:
    python = [sys.executable, "-c"]
    subjects: dict[str, tuple[list[str | Path], str, str]] = {
        "empty Textual app": ([*python, EMPTY], "ready", "ctrl+q"),
        "stock list, 1,000 rows": ([*python, STOCK_LIST], "ready 0", "ctrl+q"),
        "harlequin": ([harlequin()], "Run Query", "ctrl+q"),
        "nuvtui": ([NUVTUI], "the-newest", "q"),
    }
    found: dict[str, list[Figures]] = {name: [] for name in subjects}
    for run in range(RUNS + 1):
        for name, (command, text, leave) in subjects.items():
            app = terminal(command, *SIZE, folder=study[1])
            app.wait_for(text, 60)
            figures = {"first usable frame, s": app.last_byte - app.started}
            app.measure_idle(1.0)  # harlequin's cursor blinks: it is never quiet
            figures |= {"bytes after one second more": app.received, "memory, MiB": resident(app)}
            began = time.perf_counter()
            app.send(leave)
            app.wait_end()
            figures["until it has ended, s"] = time.perf_counter() - began
            app.close()
            if run:  # the first only fills caches
                found[name].append(figures)
    medians = {
        name: {what: statistics.median(each[what] for each in of) for what in of[0]}
        for name, of in found.items()
    }
    empty = medians["empty Textual app"]["first usable frame, s"]
    for of in medians.values():
        of["times the empty app"] = of["first usable frame, s"] / empty
    note("Start and end", medians)


def resident(app: Terminal) -> float:
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def keys(app: Terminal, key: str, count: int = KEYS) -> Figures:
    """Bytes and milliseconds until the first byte of the repaint, for `count` presses of a key."""
    costs = [app.measure(key, quiet=PAUSE) for _ in range(count)]
    first = sorted(cost.first_ms for cost in costs if cost.first_ms is not None)
    return {
        "bytes a key, median": statistics.median(cost.bytes for cost in costs),
        "bytes a key, most": max(cost.bytes for cost in costs),
        "painted after, ms, median": statistics.median(first),
        "painted after, ms, 99 of 100": first[int(len(first) * 0.99)],
        "keys without an answer": count - len(first),
    }


def cpu(app: Terminal) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{app.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_cursor_key(study: tuple[Home, Path], terminal: Start) -> None:
    figures: dict[str, Figures] = {}

    def measured(name: str, command: list[str | Path], text: str, prepare: tuple[str, ...] = ()) -> None:
        app = terminal(command, *SIZE, folder=study[1])
        app.wait_for(text, 60)
        app.measure_idle(2.0)
        for keys_typed in prepare:
            app.send(keys_typed)
            app.measure_idle(2.0)
        figures[name] = keys(app, "down")
        used, began = cpu(app), time.perf_counter()
        figures[name][f"bytes in {IDLE:.0f} s of rest"] = app.measure_idle(IDLE)
        spent = time.perf_counter() - began
        figures[name]["% of a core at rest"] = 100 * (cpu(app) - used) / spent
        app.close()

    measured("stock list, 1,000 rows", [sys.executable, "-c", STOCK_LIST], "ready 0")
    rows = (QUERY, "ctrl+j", "f5")
    measured("harlequin, 10,000 rows", [harlequin()], "Run Query", rows)
    repository = study[1].parent / "repository"
    if not repository.exists():
        git_history(repository)
    measured("tig", ["tig", "-C", repository], "commit 01999")
    measured("nuvtui", [NUVTUI], "the-newest")
    with logging_task(study[0]):
        measured("while a task logs", [NUVTUI], "1 running")
    with hanging_engine(study[1].parent / "hangs") as address:
        os.environ["DOCKER_HOST"] = address
        try:
            measured("while the engine hangs", [NUVTUI], "the-newest", ("4", "+", "1"))
        finally:
            del os.environ["DOCKER_HOST"]
    note(f"A cursor key at {SIZE[0]}x{SIZE[1]}", figures)


def git_history(folder: Path) -> None:
    folder.mkdir()
    lines = []
    for number in range(2000):
        lines.append(
            f"commit refs/heads/main\ncommitter a <a@b> {1_600_000_000 + number} +0000\ndata 12\ncommit {number:05d}\n"
        )
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run(
        ["git", "-C", folder, "fast-import", "--quiet"], input="".join(lines), text=True, check=True
    )


TASK = "00000000000000aa"


@contextmanager
def logging_task(home: Home, speed: float = 20_000) -> Iterator[tuple[Path, EventWriter]]:
    """A running task into whose log another process writes `speed` lines a second; its log and events."""
    folder = home.task(TASK)
    folder.mkdir(parents=True)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(speed)])
    try:
        own = lease.of(writer.pid, worker=True)
        assert own is not None
        lease.write(folder, own)
        events = EventWriter(folder)
        (instance,) = [i for i in Catalog(home).read().instances.all() if i.workspace]
        events.write("queued", kind="export", title="Export big", space=instance.space, instance=instance.id)
        events.write("started", pid=writer.pid)
        events.write("step", step="build", title="Building the image", log_offset=0)
        yield folder / "build.log", events
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        subprocess.run(["rm", "-rf", folder], check=True)


WRITER = """
import sys, time
folder, speed = sys.argv[1], float(sys.argv[2])
number = 0
with open(f"{folder}/build.log", "a") as log:
    began = time.monotonic()
    while True:
        due = int((time.monotonic() - began) * speed)
        while number < due:
            number += 1
            log.write(f"#{number} installing a package with many words and a long path " * 3 + "\\n")
        log.flush()
        time.sleep(0.01)
"""


@contextmanager
def hanging_engine(path: Path) -> Iterator[str]:
    """The address of an engine that takes connections and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        yield f"unix://{path}"
    path.unlink()


def test_following_a_fast_log(study: tuple[Home, Path], terminal: Start) -> None:
    with logging_task(study[0]):
        app = terminal([NUVTUI], 200, 50, folder=study[1])
        app.wait_for("1 running", 60)
        app.send("5", "enter")
        app.wait_for("following", 60)
        app.measure_idle(1.0)
        before, used, began = app.received, cpu(app), time.perf_counter()
        app.measure_idle(IDLE)
        spent = time.perf_counter() - began
        figures = {
            "KiB a second": (app.received - before) / spent / 1024,
            "% of a core": 100 * (cpu(app) - used) / spent,
        } | keys(app, "up", 30)
        app.close()
    note("Following a log of 20,000 lines a second at 200x50", {"nuvtui": figures})


def test_a_log_of_a_million_lines(study: tuple[Home, Path], terminal: Start) -> None:
    with logging_task(study[0], speed=0) as (log, events):
        with open(log, "wb") as file:
            for number in range(LINES):
                file.write(f"line {number}: installing a package with many words\n".encode())
                if number % 100_000 == 50_000:
                    file.write(b"x" * 100_000 + b"\n")
                    file.write(b"".join(f"\r{done} %".encode() for done in range(100)) + b"\n")
                    file.write(b"\x1b[31mred\x1b[0m and \xff\xfe broken\n")
            file.write(b"the last line\n")
        events.write("finished", status="completed", result={}, log_offset=log.stat().st_size)
        app = terminal([NUVTUI], *SIZE, folder=study[1])
        app.wait_for("the-newest", 60)
        app.wait_quiet(1.0)
        app.send("5")
        app.wait_for("Export big", 60)
        app.wait_quiet(1.0)
        before = resident(app)
        began = time.perf_counter()
        app.send("enter")
        app.wait_for("the last line", 60)
        figures = {"opened, s": time.perf_counter() - began}
        app.wait(lambda: f"{LINES:,}"[:2] in app.text and "reading" not in app.text, "all lines", 60)
        figures["all lines counted, s"] = time.perf_counter() - began
        app.wait_quiet(1.0)
        app.send("tab")
        app.wait_quiet(0.5)
        began = time.perf_counter()
        app.send("/", "line 777777", "enter")
        app.wait_for("777777: inst", 60)
        figures["searched, s"] = time.perf_counter() - began
        app.wait_quiet(1.0)
        figures["memory, MiB"] = resident(app) - before
        figures |= keys(app, "down", 30)
        app.close()
    note(f"A log of {LINES:,} lines", {"nuvtui": figures})
