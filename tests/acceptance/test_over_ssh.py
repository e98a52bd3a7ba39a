"""The main job by keyboard, in tmux, over a real SSH connection, at 80x24; the connection is cut during the export."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import sdist
from tests.support.cli import NUVTUI, Nuvtui
from tests.support.engine import Engine
from tests.support.fixtures import REPOSITORY
from tests.support.ssh import SshServer
from tests.support.tmux import Tmux
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]

FIRST, LAST = 100, 400
"""The build prints this many lines, waits for the test, and goes on to so many."""


@contextmanager
def gate() -> Iterator[tuple[int, threading.Event]]:
    """A server whose one answer comes when the event is set: what a build waits for. Gives port and event."""
    opened = threading.Event()

    class Gate(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            opened.wait(120)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, opened
    finally:
        opened.set()
        server.shutdown()
        thread.join()
        server.server_close()


def screens(home: Path) -> list[int]:
    """Ids of the processes that show the screens of the store at `home`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if arguments[-1] == str(NUVTUI).encode() and f"NUVTUI_HOME={home}".encode() in environment:
                found.append(int(entry.name))
    return found


def statuses(nuvtui: Nuvtui) -> set[str]:
    """The statuses of all tasks."""
    return {task["status"] for task in nuvtui.json("tasks", "list")}


def press(tmux: Tmux, key: str, shows: str) -> None:
    """Press `key` and wait until `shows` stands on the screen."""
    tmux.send(key)
    tmux.wait_for(shows)


def until(tmux: Tmux, condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until `condition` is true; where it does not come, the message shows the screen."""
    try:
        wait_until(condition, what, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}; the pane is\n{tmux.text}") from None


def fill(tmux: Tmux, dialog: str, *answers: str) -> None:
    """Answer the fields of `dialog`, one after the other; the last Enter sends it off."""
    tmux.wait_for(dialog)
    for number, answer in enumerate(answers, 1):
        before = tmux.cursor
        if answer:
            tmux.send(answer)
            tmux.wait_for(answer)
            before = tmux.cursor
        tmux.send("enter")
        if number == len(answers):
            tmux.wait_gone(dialog)
        else:
            wait_until(lambda before=before: tmux.cursor != before, "the next field has the focus")


def test_the_main_job_over_ssh(
    tmp_path: Path, engine: Engine, tiny_base: str, ssh_server: SshServer, tmux: Tmux
) -> None:
    root = sdist.unpack(sdist.fetch(*sdist.STATSMODELS, REPOSITORY / ".cache"), tmp_path / "statsmodels")
    environment = {
        "NUVTUI_HOME": str(tmp_path / "home"),
        "NUVTUI_BUILD_NETWORK": "host",
        "PS1": "there> ",
        **engine.environment(),
    }
    nuvtui = Nuvtui(root, environment)

    def connect() -> None:
        tmux.start(ssh_server.command(["sh", "-c", f"cd {root} && exec sh -i"], environment))
        tmux.wait_for("there>")
        tmux.send("nuvtui", "enter")

    # A folder becomes a space.
    connect()
    tmux.wait_for("Welcome")
    tmux.send("n")
    tmux.wait_for("Name")
    tmux.send("enter")
    tmux.wait_for("It will hold")

    # Preserve: a snapshot with a name, a table, an application, another snapshot.
    tmux.send("S")
    fill(tmux, "Take the snapshot", "release-as-published", "As the index has it", "")
    tmux.wait_for_match("◆ release-as-published +\\+2\\.2k")
    tmux.wait_for("no change")
    press(tmux, "2", "[O Overview]")
    press(tmux, "T", "[T Tables]")
    tmux.send("i")
    fill(tmux, "Import a table", "statsmodels/datasets/nile/nile.csv", "", "")
    tmux.wait_for_match("nile +2 +100")
    (root / "README.rst").write_text("Revised for the reviewer.\n")
    with gate() as (port, opened):
        apps = root / ".nuvtui" / "apps"
        apps.mkdir(exist_ok=True)
        (apps / "readme.yaml").write_text(
            f"name: Readme\nkind: shell\nimage: {tiny_base}\ncommand: [cat, README.rst]\nsetup:\n"
            f'  - "for i in $(seq 1 {FIRST}); do echo line-$i-; done"\n'
            f'  - "wget -q -O - http://127.0.0.1:{port}/"\n'
            f'  - "for i in $(seq {FIRST + 1} {LAST}); do echo line-$i-; done"\n'
        )
        press(tmux, "1", "1 Timeline")
        tmux.send("f5")
        tmux.wait_for_match("Current State +\\+2 +~1")
        press(tmux, "s", "◇ quick snapshot")
        tmux.wait_for("no change")
        tmux.send("G")
        tmux.wait_for_match("▌ .◆ release-as-published")
        press(tmux, "c", "Compare release-as-published with")
        press(tmux, "enter", "README.rst")

        # Share: the first snapshot goes to the reviewer.
        reviewer = tmp_path / "reviewer"
        nuvtui.run("instances", "create", "reviewer", "--path", reviewer)
        press(tmux, "1", "1 Timeline")
        press(tmux, "a", "Staged the whole state")
        press(tmux, "3", "3 Stage")
        tmux.wait_for("release-as-published")
        press(tmux, "d", "[1 Targets]")
        tmux.wait_for_match("reviewer ")
        tmux.send("g")
        tmux.wait_for("▌ reviewer")
        press(tmux, "space", "●reviewer")
        press(tmux, "n", "[2 Strategies]")
        tmux.wait_for("Overwrite")
        press(tmux, "n", "[3 Dry run]")
        tmux.wait_for("2,199 created")
        press(tmux, "n", "which gives")
        tmux.send("Please look at this")
        tmux.wait_for("Please look at this")
        press(tmux, "enter", "[ Distribute ]")
        tmux.send("enter")
        until(tmux, (reviewer / "setup.py").exists, "the files are with the reviewer")
        (done,) = nuvtui.json("distribution", "list")
        assert done["message"] == "Please look at this"

        # Restore, and undo it.
        press(tmux, "esc", "3 Stage")
        press(tmux, "1", "1 Timeline")
        tmux.wait_for_match("[▌│] .◆ release-as-published")
        press(tmux, "r", "Replaces the whole Current State")
        press(tmux, "right", "[ Restore ]")
        tmux.send("enter")
        until(tmux, lambda: (root / "README.rst").stat().st_size > 1000, "the published README is back")
        tmux.wait_for("u undoes")
        press(tmux, "u", "Undoes Restore release-as-published to Master")
        press(tmux, "right", "[ Restore it ]")
        tmux.send("enter")
        until(tmux, lambda: (root / "README.rst").stat().st_size < 100, "the revised README is back")

        until(tmux, lambda: statuses(nuvtui) == {"COMPLETED"}, "all tasks are completed")

        # Hand over; the connection is cut while the build runs.
        press(tmux, "4", "4 Exports")
        press(tmux, "n", "New export")
        tmux.wait_for("the command needs README.rst, which an image of the application")
        tmux.send("down", "down")
        tmux.wait_for_match("▌ Contents")
        press(tmux, "right", "with workspace files")
        tmux.wait_for("nothing in the way, 4 to know")
        press(tmux, "e", f"line-{FIRST}-")
        (shown,) = screens(tmp_path / "home")
        ssh_server.cut()
        wait_until(lambda: not Path(f"/proc/{shown}").exists(), "the screens have ended")
        tmux.wait_end()
        (running,) = nuvtui.json("exports", "list")
        assert running["status"] == "running"
        opened.set()
    wait_until(
        lambda: nuvtui.json("exports", "list", "--all")[0]["status"] != "running", "the export has ended"
    )
    (export,) = nuvtui.json("exports", "list")
    assert export["status"] == "completed"
    assert engine.text("run", "--rm", export["image"]) == "Revised for the reviewer."

    # The log is complete on return: no line missing, none twice.
    log = nuvtui.run("exports", "logs", export["id"]).stdout
    lines = [line for line in log.splitlines() if line.startswith("line-")]
    assert lines == [f"line-{number}-" for number in range(1, LAST + 1)]
    connect()
    tmux.wait_for("1 Timeline")
    press(tmux, "4", "4 Exports")
    # In the list, not only in the message that says what ended while one was away.
    tmux.wait_for_match(r"(?m)^.{0,2}▌ [^\n]*completed")
    press(tmux, "enter", "application: sha256:")
    count = len(log.splitlines())
    tmux.wait_for(f"{count} of {count} lines")
    press(tmux, "tab", "w wrap")  # from the card to the log
    press(tmux, "/", "search:")
    tmux.send(f"line-{FIRST + 1}-")
    tmux.wait_for(f"line-{FIRST + 1}-")
    press(tmux, "enter", "1 of 1 match")
    tmux.wait_for(f"line-{FIRST + 2}-")  # the log around it, not the words that are searched for
    tmux.wait_for("w wrap")
    tmux.send("q")
    until(tmux, lambda: not tmux.alternate_screen, "the shell is back")
    until(tmux, lambda: not screens(tmp_path / "home"), "the screens have ended")
