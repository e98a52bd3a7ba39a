"""A monkey at the keys: random keys and sizes on a study full of hostile names, everything it does recorded.

    python -m tests.tui.monkey run SEED [KEYS]      one run; its keys go to monkey-SEED.json where it fails
    python -m tests.tui.monkey replay FILE          the same keys again
    python -m tests.tui.monkey minimise FILE        the fewest of them that still fail, to FILE.min

The app runs in this process, on a driver that keeps what a terminal would be sent. What was destroyed is found by
comparing what the store and the folders hold: something may vanish only after a destructive dialog said yes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.pilot import Pilot
from textual.widgets import Input

from nuvtui.model.export import ExportRecord
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.shell.quit import QuitDialog
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.dialogs.base import Dialog
from nuvtui.worker.lifecycle import list_tasks
from tests.services.helpers import keep_export
from tests.support.control import assert_ours
from tests.support.guards import no_files_on_the_loop
from tests.support.waiting import PATIENCE
from tests.tui.harness import ended, shown_text
from tests.tui.sharing import Study, lay_out

EVIL = "evil\x1b[31m\x1b]0;title\x07\x9b2J\u202e[@click=quit]"
NAMES = (EVIL, "漢字の名前", "👩‍👩‍👧 family", "שלום", "n" * 250, "a\nb", "-rf", "$(reboot)")
SIZES = ((80, 24), (80, 24), (160, 45), (120, 30), (60, 20), (40, 10), (100, 30), (1, 1))
NEVER = {"ctrl+z", "ctrl+c", "q"}
"""Keys that stop or leave the program: leaving is tried by itself."""
TYPED = "abxyz 019-_äß漢👩$'\"\\;%{}[]\u202e"
"""What is typed into a field: no path that leads out of the study."""
COSTLY = {"timeline.quick", "timeline.snapshot", "export-form.go"}
"""Commands that start a process each time: seldom chosen."""
CHECKED = 100
"""Keys between two looks at what is on disk."""


@dataclass
class Journal:
    """What a run did."""

    keys: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    """Titles of destructive dialogs that said yes."""
    left: int = 0
    """Times that the program was left in between, and started again."""


def hostile_study(folder: Path) -> Study:
    """A study whose names, contents, descriptions, messages and logs are hostile."""
    study = lay_out(folder, "localhost:1/none:1", engine="oci", registry="localhost:1/nobody")
    for name in NAMES:
        with contextlib.suppress(OSError):
            (study.root / name).write_text(f"{EVIL}\n" * 20)
            (study.root / "data" / name).write_text(EVIL)
    (study.root / "README.md").write_text(f"# {EVIL}\n\n* [{EVIL}](http://example.org/{EVIL})\n")
    (study.root / "evil.csv").write_text(f"{EVIL},b\n" + f"{EVIL},2\n" * 50)
    services = study.services
    services.tables.import_file(study.master.id, study.root / "evil.csv", "evil")
    for name in ("漢字の名前", "👩\u200d👩\u200d👧 family", "שלום [@click=quit]", "n" * 200):
        services.snapshots.create(study.master.id, name if name.isprintable() else "family", EVIL, EVIL)
        (study.root / "notes.md").write_text(f"{name}\n{EVIL}\n")
    services.snapshots.create(study.master.id, "", "", "")
    _exports(study)
    (study.root / "notes.md").write_text(f"since {EVIL}\n")
    (study.root / ".nuvtui" / "apps" / "broken.yaml").write_text(f"name: [{EVIL}\n", "utf-8")
    (study.root / ".nuvtui" / "apps" / "evil.yaml").write_text(
        'name: "e\\e[31mvil"\nkind: shell\nimage: "localhost:1/x:1"\ncommand: ["\\e]0;title\\a"]\n'
    )
    return study


def _exports(study: Study) -> None:
    """A completed and a failed export, and their tasks' logs."""
    newest = study.services.snapshots.list(study.master.id)[0]
    for number, status in enumerate(("completed", "failed"), 1):
        keep_export(
            study.services,
            ExportRecord(
                id=f"{number:016x}",
                space=study.space.id,
                instance=study.master.id,
                application="hello",
                snapshot=newest.id,
                name=EVIL,
                author=EVIL,
                created=newest.created,
                status=status,  # type: ignore[arg-type]
                engine="oci",
                image=f"localhost:1/nobody/study-{number}:1",
                with_files=True,
                finished=newest.created,
                error=EVIL if status == "failed" else "",
                failed_stage="build" if status == "failed" else "",
                warnings=[EVIL],
            ),
        )


def held(study: Study) -> set[str]:
    """Everything that could be destroyed."""
    services = study.services
    view = services.context.view()
    found = {f"member {each.user} {each.space}" for each in view.members.all()}
    for space in view.spaces.all():
        found.add(f"space {space.id}")
        found |= {f"export {each.id}" for each in services.exports.list(space.id)}
    for instance in view.instances.all():
        found.add(f"instance {instance.id}")
    found |= {f"snapshot {record.id}" for record in view.snapshots.all()}
    for root in (study.root, study.reviewer_root):
        for folder, _, names in os.walk(root):
            found |= {f"file {folder}/{name}" for name in names if "tables.duckdb" not in name}
    return found


class Failed(AssertionError):
    """What the monkey found."""


class Run:
    """One run on a study."""

    def __init__(self, study: Study, seed: int, keys: Sequence[str] | int) -> None:
        """`keys`: so many random ones, or these."""
        self.study, self.random = study, random.Random(seed)
        self._given = list(keys) if not isinstance(keys, int) else None
        self._count = keys if isinstance(keys, int) else len(keys)
        self.journal = Journal()
        self._before = held(study)
        self._credit = 0
        """Looks for which something may vanish: one more than it takes the task to end."""
        self._seen = 0

    async def run(self) -> Journal:
        """Press all keys. Raises Failed."""
        done = 0
        with _instrumented(self.journal), no_files_on_the_loop():
            while done < self._count:
                async with self._opened() as pilot:
                    done = await self._press_all(pilot, done)
                    if self._runs(pilot):
                        await self._out(pilot)
                    else:
                        self.journal.left += 1
        assert_ours("".join(self.journal.sent), copies=True, notices=True)
        return self.journal

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[Pilot[Any]]:
        app = NuvApp(self.study.settings, self.study.root)
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await _settle(pilot)
            yield pilot

    @staticmethod
    def _runs(pilot: Pilot[Any]) -> bool:
        return not ended(pilot.app)

    async def _press_all(self, pilot: Pilot[Any], done: int) -> int:
        while done < self._count and self._runs(pilot):
            key = self._given[done] if self._given is not None else self._choose(pilot)
            self.journal.keys.append(key)
            await _press(pilot, key)
            done += 1
            if done % CHECKED == 0:
                await self._check(pilot)
        return done

    def _choose(self, pilot: Pilot[Any]) -> str:
        dice = self.random.random()
        app = pilot.app
        assert isinstance(app, NuvApp)
        if dice < 0.02:
            return "resize:{}x{}".format(*self.random.choice(SIZES))
        if dice < 0.023:
            return "q"
        if dice < 0.04:
            return "wait"
        if isinstance(app.screen.focused, Input) and dice < 0.6:
            return self.random.choice(TYPED)
        if dice < 0.12:
            return self.random.choice(("escape", "enter", "tab", "shift+tab", "right", "left"))
        node = self.random.choice(app.chain()) if dice < 0.6 else None
        commands = list(node.commands()) if node is not None else list(REGISTRY.commands.values())
        keys = [
            key
            for command in commands
            if command.id not in COSTLY or self.random.random() < 0.05
            for key in REGISTRY.keys(command.id)
            if key not in NEVER
        ]
        return self.random.choice(keys or ["escape"])

    async def _check(self, pilot: Pilot[Any]) -> None:
        now = held(self.study)
        if len(self.journal.confirmed) > self._seen:
            self._seen = len(self.journal.confirmed)
            self._credit = 2
        gone = self._before - now
        if gone and not self._credit:
            raise Failed(f"vanished without a dialog: {sorted(gone)[:5]}; dialogs: {self.journal.confirmed}")
        running = any(not task.status.ended for task in list_tasks(self.study.services.home))
        if self._credit and not running:
            self._credit -= 1
        self._before = now

    async def _out(self, pilot: Pilot[Any]) -> None:
        """From wherever one is, Esc and then `q` lead out."""
        await _press(pilot, "resize:80x24")
        for _ in range(15):
            await _press(pilot, "escape")
        await _settle(pilot)
        await _press(pilot, "q")
        for _ in range(int(PATIENCE / 0.02)):
            if not self._runs(pilot):
                return
            if isinstance(pilot.app.screen, QuitDialog):
                await _press(pilot, "enter")
            await asyncio.sleep(0.02)
        raise Failed(
            f"no way out of {pilot.app.screen_stack!r}, focus {pilot.app.screen.focused!r}\n{shown_text(pilot.app)}"
        )


async def _settle(pilot: Pilot[Any]) -> None:
    assert isinstance(pilot.app, NuvApp)
    await pilot._wait_for_screen()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(pilot.app.jobs.settled(), 3)
    await pilot._wait_for_screen()


async def _press(pilot: Pilot[Any], key: str) -> None:
    app = pilot.app
    if key == "wait":
        await _settle(pilot)
    elif key.startswith("resize:"):
        columns, _, rows = key[7:].partition("x")
        size = Size(int(columns), int(rows))
        driver = app._driver
        assert driver is not None
        driver._size = (size.width, size.height)  # type: ignore[attr-defined]
        app.post_message(events.Resize(size, size))
        await pilot._wait_for_screen()
    else:
        character = key if len(key) == 1 else None
        from textual.app import _character_to_key, _get_unicode_name_from_key  # type: ignore[attr-defined]

        name = _character_to_key(key) if character and not key.isalnum() else key
        if character is None:
            with contextlib.suppress(KeyError):
                import unicodedata

                character = unicodedata.lookup(_get_unicode_name_from_key(key))
        event = events.Key(name, character)
        event.set_sender(app)
        assert app._driver is not None
        app._driver.send_message(event)
        await pilot._wait_for_screen()
    if app._exception is not None:
        raise Failed(f"crash: {app._exception!r}") from app._exception


@contextlib.contextmanager
def _instrumented(journal: Journal) -> Any:
    """A driver that keeps what it is told to send; destructive dialogs that say yes are noted."""
    dismiss = Dialog.dismiss

    def noted(self: Dialog[Any], result: Any = None) -> Any:
        if result is not None and self.DESTRUCTIVE:
            journal.confirmed.append(self._title)
        return dismiss(self, result)

    with (
        mock.patch.object(HeadlessDriver, "is_headless", False),
        mock.patch.object(HeadlessDriver, "write", lambda _self, data: journal.sent.append(data)),
        mock.patch.object(Dialog, "dismiss", noted),
        mock.patch.dict(os.environ, {"EDITOR": "true", "VISUAL": "true"}),
    ):
        yield


def go(seed: int, keys: Sequence[str] | int, folder: Path) -> Journal:
    """A run on a new study in `folder`. Raises Failed; the keys are then in `folder`/monkey-SEED.json."""
    where = Path.cwd()
    away = folder / "away"
    away.mkdir(parents=True)
    os.chdir(away)  # a relative path that is typed lands here
    run = Run(hostile_study(folder / "study"), seed, keys)
    try:
        return asyncio.run(run.run())
    except BaseException as error:
        record = folder / f"monkey-{seed}.json"
        record.write_text(json.dumps({"seed": seed, "keys": run.journal.keys}))
        raise Failed(
            f"seed {seed}, after {len(run.journal.keys)} keys: {error!r}\n"
            f"again: python -m tests.tui.monkey replay {record}"
        ) from error
    finally:
        os.chdir(where)


def minimise(seed: int, keys: list[str]) -> list[str]:
    """The fewest keys found that still fail."""

    def fails(some: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            try:
                go(seed, some, Path(folder))
            except Failed:
                return True
            return False

    parts = 2
    while len(keys) > 1:
        size = max(1, len(keys) // parts)
        for at in range(0, len(keys), size):
            less = keys[:at] + keys[at + size :]
            if less and fails(less):
                keys, parts = less, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(keys), parts * 2)
    return keys


def main() -> None:
    what, subject, *rest = sys.argv[1:]
    from tests.support import environment

    folder = Path(tempfile.mkdtemp(prefix="nvt-monkey-"))
    environment.scrub(folder)
    if what == "run":
        journal = go(int(subject), int(rest[0]) if rest else 2500, folder)
        print(
            f"{len(journal.keys)} keys, {sum(map(len, journal.sent)):,} characters sent, left {journal.left} times"
        )
        print(journal.confirmed)
        return
    found = json.loads(Path(subject).read_text())
    if what == "replay":
        go(found["seed"], found["keys"], folder)
        print("It did not fail this time.")
    else:
        keys = minimise(found["seed"], found["keys"])
        Path(f"{subject}.min").write_text(json.dumps({"seed": found["seed"], "keys": keys}))
        print(keys)


if __name__ == "__main__":
    main()
