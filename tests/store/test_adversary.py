"""Whatever others do to a workspace while it is changed, every byte that anybody wrote is somewhere afterwards.

The rule of `store.restorer` and `store.staging`, as a model test: an adversary edits at random steps of a replacement,
which ends well, is refused, cancelled, fails at a call of the operating system, or is killed there. Afterwards each
byte that the adversary wrote is in the workspace (the kept folder is in it) or in a snapshot.
"""

import errno
import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled, NuvError
from nuvtui.model.tree import FILE
from nuvtui.reporter import Silent
from nuvtui.store import folders, restorer, trees
from nuvtui.store.restorer import Replacement, RollBackError
from nuvtui.store.staging import STAGING, recover
from tests.store.adversary import Adversary
from tests.store.helpers import new_store, record, take

SCHEDULES = int(os.environ.get("NUVTUI_SCHEDULES", "1200"))
STEPS = 170
"""About as many calls are watched in one replacement."""
CALLS = ("open", "stat", "rename", "link", "unlink", "mkdir", "rmdir", "utime", "listdir", "pread", "readv")


def make_old(root: Path) -> None:
    for folder in (".nuvtui", "d", "turns", "gone"):
        (root / folder).mkdir(parents=True)
    (root / "a.txt").write_bytes(b"old a")
    (root / "same.txt").write_bytes(b"the same in both")
    (root / "d" / "b.txt").write_bytes(b"old b")
    (root / "d" / "goes.txt").write_bytes(b"removed")
    (root / "turns" / "in.txt").write_bytes(b"a folder that becomes a file")
    (root / "becomes").write_bytes(b"a file that becomes a folder")
    (root / "link").symlink_to("a.txt")
    (root / "gone" / "deep.txt").write_bytes(b"removed with its folder")
    os.link(root / "d" / "b.txt", root / "d" / "other name")


def make_new(root: Path) -> None:
    for folder in (".nuvtui", "d", "becomes"):
        (root / folder).mkdir(parents=True)
    (root / "a.txt").write_bytes(b"new a, and longer")
    (root / "same.txt").write_bytes(b"the same in both")
    (root / "d" / "b.txt").write_bytes(b"new b")
    (root / "d" / "new.txt").write_bytes(b"made")
    (root / "turns").write_bytes(b"now a file")
    (root / "becomes" / "in.txt").write_bytes(b"now in a folder")
    (root / "link").symlink_to("same.txt")


class Stage:
    """What all schedules share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = new_store(folder / "home")
        make_new(folder / "new")
        self.new = bytes.fromhex(take(self.store, folder / "new", folder / "cache-new").files.root)
        self.root = folder / "workspace"
        self.held = b""

    def ground(self) -> None:
        """The workspace as it was, and nothing else in it."""
        shutil.rmtree(self.root, ignore_errors=True)
        make_old(self.root)

    def everything(self, *roots: bytes) -> bytes:
        """All bytes in the workspace and in the snapshots with these root trees."""
        found = []
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                assert STAGING not in path, "a staging folder is left"
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        found.append(file.read())
        for root in roots:
            for _, entry in trees.walk(self.store.tree, root):
                if entry.kind == FILE:
                    found.append(b"".join(self.store.stream(entry.content)))
        return b"\n".join(found)


class Watched:
    """Calls of the operating system, counted; something happens before chosen ones."""

    def __init__(self, events: dict[int, Callable[[], None]]) -> None:
        self.events = events
        self.count = 0
        self.counting = threading.Lock()

    def __call__(self) -> None:
        with self.counting:
            self.count += 1
            event = self.events.pop(self.count, None)
        if event is not None:
            event()

    def __enter__(self) -> "Watched":
        self._saved = {name: getattr(os, name) for name in CALLS}
        self._rename2, self._sync = folders.rename2, restorer.sync_file_system
        for name, call in self._saved.items():
            setattr(os, name, self._wrapped(call))
        folders.rename2 = self._wrapped(self._rename2)  # type: ignore[assignment]
        restorer.sync_file_system = self._wrapped(self._sync)  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        for name, call in self._saved.items():
            setattr(os, name, call)
        folders.rename2, restorer.sync_file_system = self._rename2, self._sync

    def _wrapped(self, call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **more: object) -> object:
            self()
            return call(*arguments, **more)

        return wrapped


class Cancelling(Silent):
    def __init__(self) -> None:
        self.cancelled = False

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


def schedule(stage: Stage, adversary: Adversary, seed: int, no_exchange: bool) -> str:
    """One replacement with edits in between; how it ended."""
    chance = random.Random(seed)
    stage.ground()
    recorded = record(stage.store, stage.root, stage.folder / "cache")
    assert recorded.root is not None
    puts, removals = trees.changes(stage.store.tree, recorded.root, stage.store.tree, stage.new)
    times = trees.touched(stage.store.tree, recorded.root, stage.store.tree, stage.new)
    reporter = Cancelling()

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def cancel() -> None:
        reporter.cancelled = True

    events: dict[int, Callable[[], None]] = {}
    end = chance.choice(["well", "well", "well", "fail", "cancel", "kill", "kill"])
    if end != "well":
        act: Callable[[], None] = {"fail": fail, "cancel": cancel, "kill": adversary.kill}[end]
        events[chance.randint(1, STEPS)] = act
    first = chance.randint(1, STEPS)
    for _ in range(chance.randint(1, 4)):
        events.setdefault(min(STEPS, first + int(chance.expovariate(1 / 8))), adversary.act)

    def work() -> str:
        with (
            Watched(events),
            Replacement(
                stage.store, stage.root, puts, removals, recorded, reporter, times=times
            ) as replacement,
        ):
            try:
                replacement.stage()
                replacement.place()
            except NuvError as error:
                try:
                    replacement.roll_back()
                except RollBackError:
                    return "stuck"
                return type(error).__name__
            replacement.finish()
        return "done"

    adversary.begin(stage.root, seed)
    if end == "kill":
        pid = os.fork()
        if not pid:
            try:
                work()
            finally:
                os._exit(0)
        how = "killed" if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9 else "lived"
    else:
        how = work()
    owed = adversary.end()
    recover(stage.root, stage.store.tree)
    there = stage.everything(recorded.root, stage.new)
    lost = {token: what for token, what in owed.items() if token not in there}
    assert not lost, f"seed {seed} ({how}, exchange {not no_exchange}): {lost}"
    return how


@pytest.mark.parametrize("no_exchange", [False, True], ids=["exchange", "without-exchange"])
def test_nothing_that_anybody_wrote_is_lost(
    tmp_path: Path, no_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no_exchange`: a file system without renameat2, as NFS."""
    if no_exchange:
        monkeypatch.setattr(folders, "_renameat2", lambda: None)
    stage = Stage(tmp_path)
    seen: dict[str, int] = {}
    count = SCHEDULES // 3 if no_exchange else SCHEDULES
    with Adversary() as adversary:
        for seed in range(count):
            how = schedule(stage, adversary, seed, no_exchange)
            seen[how] = seen.get(how, 0) + 1
    assert {"done", "NuvError", "Cancelled", "killed"} <= seen.keys(), seen
    print(seen)
