"""The main job by keys alone, one method a step: the only place that knows what the screens call things.

A step presses keys, waits for a broad word on the screen, and in the end for what it does on disk. It works on
whatever shows a screen and takes keys: a pane of tmux, a pseudo-terminal.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.task import TaskStatus
from nuvtui.worker.lifecycle import list_tasks
from tests.support.waiting import PATIENCE, wait_until
from tests.tui.sharing import Study

# What the screens say, in the broadest words that tell one from the other.
PLACES = {"1": "1 Timeline", "2": "2 Contents", "3": "3 Stage", "4": "4 Exports", "5": "5 Tasks"}
FOCUSED = {"1": "S named", "2": "next view", "3": "H history"}
"""What the footer says while a place of those side by side has the focus."""
OLDEST = "first-data"
SNAPSHOT_DIALOG = "Next phase"
COMPARE_DIALOG = "Compare"
RESTORE_DIALOG = "Replaces the whole Current State"
RESTORE = "Restore"
UNDO_DIALOG = "Undo"
UNDO = "Restore it"
TARGETS, STRATEGIES, DRY_RUN, MESSAGE = "Targets]", "Strategies]", "Dry run]", "Message]"
DISTRIBUTE = "Distribute"
STAGED = "Staged"
EXPORT_FORM = "New export"
EXPORT_READY = "nothing in the way"
WITH_FILES = "with workspace files"
DONE = "ompleted"
LISTED = re.compile(rf"^.{{0,2}}[▌>] [^\n]*{DONE}", re.MULTILINE)
"""In the list, not only in the message that says what ended while one was away."""
RUNNING = "1 running"
FILES = "[F Files]"
CHANGES = "c with"
"""What the footer says while the list of changes has the focus."""
LIST = "Enter open"
"""What the footer says while a list has the focus."""
NOTES = "notes.md"

CHANGED = "# Notes\nnot in a snapshot\n"


class Display(Protocol):
    """What shows a screen and takes keys."""

    @property
    def text(self) -> str: ...
    def send(self, *keys: str) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    def wait_for(self, text: str, seconds: float = PATIENCE) -> None: ...
    def wait_gone(self, text: str, seconds: float = PATIENCE) -> None: ...


class Walk:
    """Goes through the main job on a study (`sharing.lay_out`) whose screens are open on `display`."""

    def __init__(
        self, display: Display, study: Study, interrupt: Callable[[str], bool] = lambda _where: False
    ) -> None:
        """`interrupt` is called in the midst of every step; True: the screens were closed and opened again."""
        self.display, self.study, self.interrupt = display, study, interrupt
        self.look = display.wait_for

    # What is on disk.

    def snapshots(self, kind: str = "") -> list[SnapshotRecord]:
        """The snapshots of Master, newest first."""
        found = self.study.services.snapshots.list(self.study.master.id)
        return [record for record in found if kind in ("", record.kind)]

    @property
    def notes(self) -> str:
        """The file that is changed, restored and shared."""
        return (self.study.root / NOTES).read_text()

    def tasks(self) -> list[TaskStatus]:
        """How all tasks stand."""
        return [task.status for task in list_tasks(self.study.services.home)]

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait until `condition` holds. Raises AssertionError with the screen."""
        try:
            wait_until(lambda: self._pumped(condition), what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen is\n{self.display.text}") from None

    def _pumped(self, condition: Callable[[], object]) -> object:
        pump = getattr(self.display, "pump", None)  # a pseudo-terminal moves only while somebody reads
        if pump is not None:
            pump(0)
        return condition()

    def _again(self, where: str) -> Iterator[None]:
        """Once; a second time where the walk was interrupted after the first."""
        yield
        if self.interrupt(where):
            yield

    # Small moves.

    def press(self, key: str, shows: str) -> None:
        """Press `key` and wait until `shows` stands on the screen."""
        self.display.send(key)
        self.look(shows)

    def place(self, key: str) -> None:
        """Go to a place."""
        self.press(key, PLACES[key])
        self.look(FOCUSED.get(key, ""))

    def type(self, text: str) -> None:
        """Type `text` and see it."""
        self.display.send(text)
        self.look(text)

    def choose(self, choice: str) -> None:
        """Move to a choice of the dialog in front, which has the focus on Cancel, and make it."""
        self.display.send("right")
        self.look(f"[ {choice} ]")
        self.display.send("enter")

    def back(self, shows: str) -> None:
        """Esc until `shows` stands on the screen: with resizing, one Esc may only lead out of a wide layout's pane."""
        for _ in range(5):
            self.display.send("esc")
            with contextlib.suppress(AssertionError):
                self.display.wait_for(shows, 3.0)
                return
        self.look(shows)

    def to_the_oldest(self) -> None:
        """The cursor of the timeline onto the first snapshot."""
        self.place("1")
        self.to_the_last(OLDEST)

    def to_the_last(self, shows: str) -> None:
        """The cursor onto the last line of the list in front, which shows this."""
        self.look(shows)

        def there() -> bool:
            self.display.send("G")
            return re.search(f"[▌>][^\n]*{re.escape(shows)}", self.display.text) is not None

        self.until(there, f"the cursor on {shows}")

    # The steps.

    def open(self) -> None:
        """The screens are there."""
        self.look(PLACES["1"])
        self.look(OLDEST)

    def quick(self) -> None:
        """A snapshot by one key."""
        (self.study.root / NOTES).write_text("# Notes\nchanged before the quick snapshot\n")
        self.place("1")
        self.display.send("s")
        self.until(lambda: self.tasks(), "the task is submitted")
        self.interrupt("quick snapshot")
        self.until(lambda: self.snapshots("quick"), "the quick snapshot")

    def named(self, name: str) -> None:
        """A snapshot with a name."""
        (self.study.root / NOTES).write_text(CHANGED)
        for _ in self._again("snapshot dialog"):
            self.place("1")
            self.press("S", SNAPSHOT_DIALOG)
            self.type(name)
        before = len(self.tasks())
        self.display.send("ctrl+s")
        self.until(lambda: len(self.tasks()) > before, "the task is submitted")
        self.interrupt("named snapshot")
        self.until(lambda: self.snapshots()[0].name == name, "the named snapshot")
        self.look(name)

    def look_into(self) -> None:
        """A file of the state."""
        inside = self.notes.splitlines()[-1]
        for _ in self._again("contents"):
            self.place("2")
            self.press("F", FILES)
            self.to_the_last(NOTES)
            self.press("enter", inside)
        self.back(LIST)  # Esc and the next key at once would be Alt and that key

    def compare(self) -> None:
        """The first snapshot with the Current State."""
        for _ in self._again("compare dialog"):
            self.to_the_oldest()
            self.press("c", f"{COMPARE_DIALOG} {OLDEST}")
        self.display.send("enter")
        self.look(PLACES["2"])
        self.look(CHANGES)
        self.look(NOTES)

    def restore(self) -> None:
        """The first snapshot, over what is there."""
        for _ in self._again("restore dialog"):
            self.to_the_oldest()
            self.press("r", RESTORE_DIALOG)
        assert "hello" not in self.notes, "the dialog alone changes nothing"
        before = len(self.tasks())
        self.choose(RESTORE)
        self.until(lambda: len(self.tasks()) > before, "the task is submitted")
        self.interrupt("restore")
        self.until(lambda: "hello" in self.notes, "the first notes are back")
        self._all_ended()

    def undo(self) -> None:
        """The way back."""
        for _ in self._again("undo dialog"):
            self.place("1")
            self.look("u undo")
            self.press("u", UNDO_DIALOG)
        self.choose(UNDO)
        self.until(lambda: self.notes == CHANGED, "the changed notes are back")
        self._all_ended()

    def stage(self) -> None:
        """The whole first snapshot."""
        self.to_the_oldest()
        self.press("a", STAGED)
        self.until(self.staged, "the stage on disk")
        self.interrupt("stage")
        self.place("3")
        self.look(OLDEST)

    def staged(self) -> bool:
        """Whether the stage on disk holds what was staged."""
        stage = self.study.services.staging.get(self.study.space.id)
        return stage is not None and stage.source.snapshot == self.snapshots()[-1].id

    def distribute(self) -> None:
        """What is staged, to the second instance."""
        for _ in self._again("wizard"):
            self.place("3")
            self.press("d", TARGETS)
            self.display.send("g")
            self.look("reviewer")
            self.display.send("space", "n")
            self.look(STRATEGIES)
            self.press("n", DRY_RUN)
            self.look("created")
            self.press("n", MESSAGE)
            self.type("Please look")
        self.display.send("enter")
        self.look(f"[ {DISTRIBUTE} ]")
        before = len(self.tasks())
        self.display.send("enter")
        self.until(lambda: len(self.tasks()) > before, "the task is submitted")
        self.interrupt("distribution")
        there = self.study.reviewer_root
        self.until(
            lambda: "hello" in (there / NOTES).read_text() and (there / "data" / "b.csv").exists(),
            "the files are with the reviewer",
        )
        assert (there / "extra.txt").exists(), "Overwrite keeps what is only there"
        self._all_ended()

    def export(self) -> None:
        """The application with the files, as an image."""
        for _ in self._again("export form"):
            self.place("4")
            self.press("n", EXPORT_FORM)
            self.look(EXPORT_READY)
            self.display.send("down", "down", "right")
            self.look(WITH_FILES)
            self.look(EXPORT_READY)
        before = len(self.tasks())
        self.display.send("e")
        self.until(lambda: len(self.tasks()) > before, "the task is submitted")
        self.interrupt("export")
        self.until(lambda: self.exports() == ["completed"], "the export is completed", 90)

    def exports(self) -> list[str]:
        """How the exports stand."""
        return [str(record.status) for record in self.study.services.exports.list(self.study.space.id)]

    def result(self) -> None:
        """What came out of the export."""
        self.place("4")
        self.until(lambda: LISTED.search(self.display.text), "the export is in the list", 60)
        self.press("enter", "sha256:")
        self.look("docker run")

    def quit(self) -> None:
        """Leave: from wherever one is."""
        self._all_ended()
        self.display.wait_gone(RUNNING)
        self.display.send("q")

    def _all_ended(self) -> None:
        self.until(lambda: all(status.ended for status in self.tasks()), "the end of all tasks")

    def main_job(self) -> None:
        """All of it, up to the result."""
        self.open()
        self.quick()
        self.named("before-the-revision")
        self.look_into()
        self.compare()
        self.restore()
        self.undo()
        self.stage()
        self.distribute()
        self.export()
        self.result()


def processes_of(home: Path) -> dict[int, str]:
    """The processes that work with the store at `home` and tell so in their environment: ids and command lines."""
    wanted = f"NUVTUI_HOME={home}".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return {pid: line for pid, line in found.items() if line}  # no zombies
