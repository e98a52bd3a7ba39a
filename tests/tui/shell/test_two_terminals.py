"""Two terminals on one store: what is done in the one is seen in the other, without a key there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tests.tui.conftest import ROOT
from tests.tui.sharing import Study
from tests.tui.states import study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


@pytest.fixture
def pair(study: Study) -> Iterator[tuple[Terminal, Terminal]]:
    """The program twice, in Master's workspace, both with the Timeline in front."""
    started = [
        Terminal(
            [sys.executable, "-m", "nuvtui"],
            100,
            30,
            {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "NUVTUI_HOME": str(study.services.home.root)},
            study.root,
        )
        for _ in range(2)
    ]
    for terminal in started:
        terminal.wait_for("second-data")
        terminal.wait_quiet()
    yield started[0], started[1]
    for terminal in started:
        terminal.close()


def both(pair: tuple[Terminal, Terminal], text: str, *, gone: bool = False) -> None:
    """Both show `text` (or no more), the other one without a key there."""
    first, other = pair
    (first.wait_gone if gone else first.wait_for)(text)
    other.wait(lambda: (text in other.text) != gone, f"{text!r} in the other terminal")


def test_snapshot_rename_stage_and_delete_are_seen_in_the_other_terminal(
    pair: tuple[Terminal, Terminal], study: Study
) -> None:
    first, other = pair
    first.send("s")
    both(pair, "quick snapshot")
    first.send("j")
    first.wait_for("new in the store")
    first.send("e")
    first.wait_for("Rename")
    first.send(*"seen-by-both", "enter")
    both(pair, "seen-by-both")
    other.send("3")
    other.wait_for("Stage")
    first.send("a")
    other.wait(lambda: "all files" in other.text, "what is staged")
    other.send("1")
    other.wait_for("seen-by-both")
    first.send("d")
    first.wait_for("Delete")
    first.send("right", "enter")
    both(pair, "seen-by-both", gone=True)
    assert "seen-by-both" not in [each.name for each in study.services.snapshots.list(study.master.id)]


def test_the_overview_follows_too(pair: tuple[Terminal, Terminal]) -> None:
    first, other = pair
    other.send("o")
    other.wait_for("Newest snapshots")
    first.send("S")
    first.wait_for("Name")
    first.send(*"named-in-the-first", "ctrl+s")
    both(pair, "named-in-the-first")
