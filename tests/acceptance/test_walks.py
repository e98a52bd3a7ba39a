"""The main job by keys alone in tmux over a real SSH server, in many terminals, sizes and kinds of trouble.

After each walk the terminal is clean, no process of ours is left, the stage is kept, and every task that ran has
gone on to its end.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import walking
from tests.support.ssh import SshServer
from tests.support.tmux import Tmux
from tests.support.waiting import wait_until
from tests.support.walking import Walk, processes_of
from tests.tui import sharing

pytestmark = pytest.mark.xdist_group("walks")  # they share the SSH server

APPLICATION = """\
name: Hello
kind: script
image: host
command: [python3, -c, "print(open('/files/notes.md').read())"]
"""
SIZES = ((60, 20), (200, 50), (119, 33), (120, 33), (40, 10), (100, 30), (80, 24))
"""What a terminal is resized to, one after the other; the last one is where the walk goes on."""
FLAGS = ("alternate_on", "mouse_any_flag", "mouse_sgr_flag", "keypad_cursor_flag", "insert_flag")


class Line:
    """Somebody's shell in tmux, and the SSH connection from there to the program's machine."""

    def __init__(self, tmux: Tmux, server: SshServer, study: sharing.Study, folder: Path) -> None:
        self.tmux, self.server, self.study = tmux, server, study
        self.home = study.services.home.root
        self._folder = folder
        environment = {"NUVTUI_HOME": str(self.home), "NUVTUI_ENGINE": "oci", "PS1": "there> "}
        shell = ["sh", "-c", f"cd {shlex.quote(str(study.root))} && exec sh -i"]
        script = folder / "there"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(server.command(shell, environment))}\n")
        script.chmod(0o755)

    def begin(self, term: str = "screen-256color", columns: int = 80, rows: int = 24) -> None:
        """A shell of this size in a terminal of this kind."""
        self.tmux.run("set", "-g", "default-terminal", term)
        self.tmux.start(["env", "PS1=here> ", "sh", "-i"], columns, rows, folder=self._folder)
        self.tmux.wait_for("here>")

    def connect(self) -> None:
        """Sign in and open the screens."""
        self.tmux.send("./there", "enter")
        self.tmux.wait_for("there>")
        # What stood there before a cut is wiped, not to be taken for what is waited for; all modes stay.
        self.tmux.send("printf '\\033[2J'; nuvtui", "enter")
        self.tmux.wait_for(walking.PLACES["1"])

    def cut(self) -> None:
        """The connection is lost; within three seconds nothing but tasks is left of the program."""
        screens = self.screens()
        assert screens
        self.server.cut()
        wait_until(lambda: not set(screens) & set(self.screens()), "the screens have ended")
        self.tmux.wait_for("here>")

    def screens(self) -> list[int]:
        """The processes of the screens: all of the program's that are no tasks."""
        return [pid for pid, line in processes_of(self.home).items() if line.rstrip().endswith("/nuvtui")]

    def flags(self) -> dict[str, str]:
        """The modes that a program may leave behind."""
        names = (*FLAGS, "cursor_flag", "wrap_flag")
        values = self.tmux.run("display-message", "-p", "-t", "main", ",".join(f"#{{{n}}}" for n in names))
        return dict(zip(names, values.strip().split(","), strict=True))

    def assert_clean(self) -> None:
        """The screens are left: the terminal is as before, takes lines, and no process is left."""
        clean = dict.fromkeys(FLAGS, "0") | {"cursor_flag": "1", "wrap_flag": "1"}
        wait_until(lambda: self.flags() == clean, f"a clean terminal: {self.flags()}")
        self.tmux.wait_for_match(r"there>\s*\Z")
        self.tmux.send("echo he''re it is: $?", "enter")
        self.tmux.wait_for("\nhere it is: 0")  # what is typed is echoed and lines end where they do
        self.tmux.send("exit", "enter")
        wait_until(lambda: not processes_of(self.home), f"no process left: {processes_of(self.home)}")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sharing.Study:
    """Files, a table, an application and a snapshot; a second instance."""
    monkeypatch.setattr(sharing, "APPLICATION", APPLICATION)
    return sharing.lay_out(tmp_path, "host", engine="oci")


@pytest.fixture
def line(tmux: Tmux, ssh_server: SshServer, study: sharing.Study, tmp_path: Path) -> Iterator[Line]:
    """The way to the program."""
    yield Line(tmux, ssh_server, study, tmp_path)
    ssh_server.cut()


def whole(line: Line, interrupt: Callable[[str], bool] = lambda _: False) -> None:
    """The walk from the first screen to the shell, and what has to hold afterwards."""
    walk = Walk(line.tmux, line.study, interrupt)
    walk.main_job()
    walk.quit()
    line.assert_clean()
    assert {str(status) for status in walk.tasks()} == {"COMPLETED"}
    assert walk.staged()
    assert walk.notes == walking.CHANGED


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_main_job(line: Line, size: tuple[int, int]) -> None:
    line.begin("tmux-256color", *size)
    line.connect()
    whole(line)


def test_the_main_job_with_the_link_cut_at_each_stage(line: Line) -> None:
    line.begin()
    line.connect()
    cuts: list[str] = []

    def cut(where: str) -> bool:
        before = line.study.services.staging.get(line.study.space.id)
        line.cut()
        line.connect()
        assert line.study.services.staging.get(line.study.space.id) == before
        cuts.append(where)
        return True

    whole(line, cut)
    assert len(cuts) > 10


def test_the_main_job_with_resizing_throughout(line: Line) -> None:
    line.begin()
    line.connect()

    def resize(where: str) -> bool:
        for size in SIZES:
            line.tmux.resize(*size)
        return False

    # A key may arrive before or after the new size: while the terminal is too small, all but `q` is ignored.
    sizes = itertools.cycle(size for size in SIZES if size >= (60, 20))
    send = line.tmux.send

    def send_and_resize(*keys: str) -> None:
        send(*keys)
        line.tmux.resize(*next(sizes))
        line.tmux.resize(80, 24)

    line.tmux.send = send_and_resize  # type: ignore[method-assign]
    whole(line, resize)


@pytest.mark.parametrize("term", ["xterm-256color", "screen", "tmux-256color", "linux", "vt100"])
def test_a_short_walk_in_every_terminal(line: Line, term: str) -> None:
    line.begin(term)
    line.connect()
    walk = Walk(line.tmux, line.study)
    walk.open()
    walk.quick()
    walk.look_into()
    walk.stage()
    walk.quit()
    line.assert_clean()
    assert walk.staged()


def test_after_quick_resizes_the_screen_is_whole(line: Line) -> None:
    line.begin()
    line.connect()
    Walk(line.tmux, line.study).open()
    wait_until(lambda: "no change" in line.tmux.text, "the comparison")
    before = line.tmux.text
    for size in SIZES[:-1] * 6:
        line.tmux.send("j", "k")
        line.tmux.resize(*size)  # there and back, faster than the program looks
        line.tmux.resize(80, 24)
        wait_until(lambda: line.tmux.text == before, f"the same screen as before {size}")
