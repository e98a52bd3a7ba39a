"""A tmux server of a test's own: sessions, keys, and what stands in the pane."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.environment import neutral
from tests.support.service import Service, new_folder
from tests.support.waiting import PATIENCE, wait_until

SETTINGS = """
set -g default-terminal screen-256color
set -g remain-on-exit on
set -g status off
set -s exit-empty off
set -s escape-time 10
set -g history-limit 10000
"""
NAMES = {
    "up": "Up", "down": "Down", "left": "Left", "right": "Right", "home": "Home", "end": "End",
    "pgup": "PageUp", "pgdn": "PageDown", "enter": "Enter", "tab": "Tab", "shift+tab": "BTab",
    "esc": "Escape", "space": "Space", "backspace": "BSpace", "delete": "DC",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
    **{f"ctrl+{letter}": f"C-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip


def missing() -> str:
    """Why no tmux can be started here; empty: it can."""
    return "" if shutil.which("tmux") else "needs tmux (scripts/system-packages installs it)"


class Tmux:
    """A running tmux server with at most one session, `main`."""

    def __init__(self) -> None:
        """Start the server. Raises ServiceError where it does not come up."""
        self.folder = new_folder("tmux")
        self.socket = self.folder / "s"
        (self.folder / "tmux.conf").write_text(SETTINGS)
        self._service = Service(
            "tmux",
            ["tmux", "-D", "-S", self.socket, "-f", self.folder / "tmux.conf"],
            self.folder,
            neutral(self.folder),
            self.socket.exists,
        )

    def stop(self) -> None:
        """End the server and every program in it."""
        self._service.stop()

    def run(self, *arguments: str | Path, check: bool = True) -> str:
        """`tmux ARGUMENTS` to this server. Returns what it prints."""
        done = subprocess.run(
            ["tmux", "-S", self.socket, *arguments],
            capture_output=True,
            text=True,
            env=neutral(self.folder),
            timeout=PATIENCE,
        )
        if check and done.returncode:
            raise AssertionError(f"tmux {arguments}: {done.stderr}")
        return done.stdout

    def start(
        self,
        command: Sequence[str | Path],
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start `command` in a new session `main`; one of before is ended."""
        self.run("kill-session", "-t", "main", check=False)
        setting = [part for pair in (environment or {}).items() for part in ("-e", "=".join(pair))]
        where = ["-c", str(folder)] if folder else []
        size = ["-x", str(columns), "-y", str(rows)]
        line = shlex.join(str(part) for part in command)
        self.run("new-session", "-d", "-s", "main", *size, *where, *setting, "--", f"exec {line}")

    def send(self, *keys: str) -> None:
        """Press `keys`: names as in `keys.KEYS`, or text that is typed as it stands."""
        for key in keys:
            if key in NAMES:
                self.run("send-keys", "-t", "main", NAMES[key])
            else:
                self.run("send-keys", "-t", "main", "-l", "--", key)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        self.run("resize-window", "-t", "main", "-x", str(columns), "-y", str(rows))

    @property
    def text(self) -> str:
        """What stands in the pane."""
        return self.run("capture-pane", "-p", "-t", "main")

    @property
    def lines(self) -> list[str]:
        """The lines of the pane, without the blanks at their ends."""
        return [line.rstrip() for line in self.text.split("\n")]

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        column, row = self.run("display-message", "-p", "-t", "main", "#{cursor_x} #{cursor_y}").split()
        return int(column), int(row)

    @property
    def ended(self) -> bool:
        """True where the program in the pane has ended."""
        return self.run("display-message", "-p", "-t", "main", "#{pane_dead}").strip() == "1"

    @property
    def alternate_screen(self) -> bool:
        """True where the program shows the alternate screen."""
        return self.run("display-message", "-p", "-t", "main", "#{alternate_on}").strip() == "1"

    def wait_for(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until `text` stands in the pane."""
        self._wait(lambda: text in self.text, f"{text!r} in the pane", seconds)

    def wait_for_match(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the regular expression `pattern` matches in the pane. Returns the match."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            match = re.search(pattern, self.text)
            if match:
                found.append(match)
            return match is not None

        self._wait(matches, f"/{pattern}/ in the pane", seconds)
        return found[0]

    def wait_gone(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until `text` no longer stands in the pane."""
        self._wait(lambda: text not in self.text, f"{text!r} gone from the pane", seconds)

    def wait_end(self, seconds: float = PATIENCE) -> None:
        """Wait until the program in the pane has ended."""
        self._wait(lambda: self.ended, "the end of the program", seconds)

    def _wait(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        try:
            wait_until(condition, what, seconds, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; the pane is\n{self.text}") from None
