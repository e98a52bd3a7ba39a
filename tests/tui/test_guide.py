"""The guide in `nuvtui.tui`: what it says, done word for word on a copy of the program, gives a pane that works."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.fixtures import REPOSITORY

USE = """
import asyncio, sys
from pathlib import Path

from nuvtui.config import Settings
from nuvtui.paths import DOT, Home, Workspace
from nuvtui.services.context import system_user
from nuvtui.tui.shell.app import NuvApp
from tests.tui.harness import (running, settle, shown_text)
from tests.tui.conftest import (populated)

async def main(folder: Path) -> None:
    home, workspace = Home(folder / "home"), Workspace(folder / "study")
    (workspace.root / DOT).mkdir(parents=True)
    populated(home, workspace)
    app = NuvApp(Settings(home=str(home.root)), workspace.root)
    async with running(app) as pilot:
        await pilot.press("6")
        await settle(pilot)
        screen = shown_text(app)
        assert "6 People" in screen, screen
        assert system_user() in screen, screen
        assert "h greet" in screen.splitlines()[-1], screen
        await pilot.press("h")
        await settle(pilot)
        assert f"Hello, {system_user()}." in shown_text(app), shown_text(app)
        await pilot.press("f5")
        await settle(pilot)
        assert system_user() in shown_text(app)
        await pilot.press("colon")
        await settle(pilot)
        assert "nuvtui members list -s" in shown_text(app), shown_text(app)

asyncio.run(main(Path(sys.argv[1])))
"""


def guide() -> str:
    """The docstring of the package."""
    return ast.get_docstring(ast.parse((REPOSITORY / "nuvtui/tui/__init__.py").read_bytes())) or ""


def test_the_guide_gives_a_pane_with_a_list_and_two_commands(tmp_path: Path) -> None:
    copy = tmp_path / "program"
    shutil.copytree(REPOSITORY / "nuvtui", copy / "nuvtui", ignore=shutil.ignore_patterns("__pycache__"))
    screens = copy / "nuvtui" / "tui"
    blocks = re.findall(r"(?:^    .*\n|^\n)+", guide(), re.MULTILINE)
    files = [text for block in blocks if (text := textwrap.dedent(block).strip()).startswith("# features/")]
    assert len(files) == 3
    for text in files:
        file = screens / text.split("\n", 1)[0].removeprefix("# ")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n")
    registration = screens / "shell" / "registration.py"
    line = next(line for line in registration.read_text().splitlines() if line.startswith("NAMES = "))
    registration.write_text(registration.read_text().replace(line, f'{line.removesuffix(")")}, "people")'))

    done = subprocess.run(
        [sys.executable, "-c", USE, tmp_path],
        env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{REPOSITORY}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_guide_names_what_there_is() -> None:
    text = guide()
    for folder in re.findall(r"^\| `(\w+)/", text, re.MULTILINE):
        assert (REPOSITORY / "nuvtui/tui" / folder).is_dir()
    sources = "\n".join(file.read_text() for file in (REPOSITORY / "nuvtui/tui").rglob("*.py"))
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", text))
    assert named
    assert not {name for name in named if f"class {name}" not in sources}
