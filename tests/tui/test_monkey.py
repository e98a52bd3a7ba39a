"""Ten thousand random keys and sizes: no crash, no dead end, no byte that is not ours, nothing destroyed unasked."""

import random
from pathlib import Path

import pytest

from tests.support.cli import NUVTUI
from tests.support.control import assert_ours, assert_restored
from tests.support.keys import KEYS as NAMED
from tests.support.terminal import Terminal
from tests.tui import monkey

SEEDS = (1, 2, 3, 4)
KEYS = 2500


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_monkey_breaks_nothing(seed: int, tmp_path: Path) -> None:
    journal = monkey.go(seed, KEYS, tmp_path)
    assert len(journal.keys) == KEYS


def test_a_monkey_at_a_real_terminal(tmp_path: Path) -> None:
    study = monkey.hostile_study(tmp_path)
    away = tmp_path / "away"
    away.mkdir()
    dice = random.Random(4)
    typed = [
        *"jkhlgGnNwftaAcCFTOpSorcvx:?*[]12345漢ä",
        *(key for key in NAMED if not key.startswith("ctrl+")),
    ]
    terminal = Terminal(
        [NUVTUI],
        environment={"NUVTUI_HOME": str(study.services.home.root), "EDITOR": "true"},
        folder=study.root,
    )
    try:
        terminal.wait_for("1 Timeline")
        for _ in range(60):
            if dice.random() < 0.2:
                terminal.resize(*dice.choice(monkey.SIZES[:-1]))
            terminal.send(*(dice.choice(typed) for _ in range(10)))  # faster than anything can be drawn
            terminal.pump(0.05)
        terminal.resize(80, 24)
        for _ in range(15):
            terminal.send("esc")
            terminal.wait_quiet(0.15)
        terminal.send("q")
        terminal.wait(lambda: terminal.closed or "Still running" in terminal.text, "the end, or the question")
        if not terminal.closed:
            terminal.send("enter")
        assert terminal.wait_end() == 0
        assert_ours(bytes(terminal.raw), copies=True, notices=True)
        assert_restored(terminal.raw)
    finally:
        terminal.close()
