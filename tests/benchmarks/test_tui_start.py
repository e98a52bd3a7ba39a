"""What the screens cost: first usable frame, bytes a cursor key, bytes at rest; beside stock Textual apps.

All are started in turn in the same run, in a pseudo-terminal, so that the figures can be compared. Nothing is
asserted about time: the table is printed, and written as JSON to `.cache/bench/tui_start.json`.
"""

import json
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.paths import Home
from tests.support.cli import NUVTUI
from tests.support.fixtures import REPOSITORY
from tests.support.many import make_state
from tests.support.terminal import Terminal

SNAPSHOTS = 10_000
RUNS = 5
CURSOR_KEYS = 20
IDLE_SECONDS = 5.0
COLUMNS, ROWS = 100, 30

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


@pytest.mark.bench
def test_tui_start(tmp_path: Path, home: Home, terminal: Callable[..., Terminal]) -> None:
    workspace = tmp_path / "study"
    make_state(home, workspace, SNAPSHOTS)
    python = [sys.executable, "-c"]
    subjects: dict[str, tuple[list[str], str]] = {
        "empty Textual app": ([*python, EMPTY], "ready"),
        "stock OptionList, 1,000 rows": ([*python, STOCK_LIST], "ready 0"),
        f"nuvtui, {SNAPSHOTS:,} snapshots": ([str(NUVTUI)], f"vintage {SNAPSHOTS - 1}"),
    }
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in subjects}
    for run in range(RUNS + 1):
        for name, (command, text) in subjects.items():
            measured = measure(terminal, command, text, workspace)
            if run:  # the first run only fills the caches
                for what, value in measured.items():
                    figures[name].setdefault(what, []).append(value)
    medians = {
        name: {what: statistics.median(values) for what, values in found.items()}
        for name, found in figures.items()
    }
    target = REPOSITORY / ".cache" / "bench" / "tui_start.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "size": f"{COLUMNS}x{ROWS}",
        "runs": RUNS,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    target.write_text(json.dumps({"about": about, "medians": medians, "all": figures}, indent=2) + "\n")
    print_table(medians)


def measure(
    terminal: Callable[..., Terminal], command: list[str], text: str, folder: Path
) -> dict[str, float]:
    """Start `command`, wait for `text`, press keys, rest. Times in seconds from the start of the process."""
    app = terminal(command, COLUMNS, ROWS, folder=folder)
    app.wait_for(text, 60)
    usable = app.last_byte - app.started
    app.wait_quiet(0.5)
    settled = app.last_byte - app.started
    start_bytes = app.received
    costs = [app.measure("down") for _ in range(CURSOR_KEYS)]
    idle = app.measure_idle(IDLE_SECONDS)
    resident = next(
        int(line.split()[1])
        for line in Path(f"/proc/{app.process.pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    app.send("ctrl+q")
    app.close()
    answers = [cost.last_ms for cost in costs if cost.last_ms is not None]
    return {
        "first usable frame, s": usable,
        "settled, s": settled,
        "bytes until settled": start_bytes,
        "bytes a cursor key": statistics.median(cost.bytes for cost in costs),
        "repaint after a key, ms": statistics.median(answers) if answers else 0.0,
        f"bytes in {IDLE_SECONDS:g} s of rest": idle,
        "memory, MiB": resident / 1024,
    }


def print_table(medians: dict[str, dict[str, float]]) -> None:
    """Print one row a figure, one column a program."""
    names = list(medians)
    print(f"\n\nMedians of {RUNS} runs, {COLUMNS}x{ROWS}, Python {platform.python_version()}")
    print(" " * 28 + "".join(f"{name:>32}" for name in names))
    for what in next(iter(medians.values())):
        print(f"{what:<28}" + "".join(f"{medians[name][what]:>32,.2f}" for name in names))
