"""Stores that are the same on every machine, at any time: fixed ids, clock, user, host and paths."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec

from nuvtui import clock
from nuvtui.bootstrap import Services, open_services
from nuvtui.config import Settings
from nuvtui.model.distribution import Strategies
from nuvtui.model.export import Excluded, ExportRecord
from nuvtui.model.queries import AnyQuery, AskRemote, Freed
from nuvtui.model.remote import RemoteRecord
from nuvtui.model.roles import Role
from nuvtui.model.space import Instance, Member
from nuvtui.model.stage import StateRef
from nuvtui.model.task import Failure
from nuvtui.model.typed import result_type
from nuvtui.paths import Home
from nuvtui.reporter import Silent
from nuvtui.tui.features.timeline import pane
from nuvtui.worker import lease
from nuvtui.worker.answer import answer
from nuvtui.worker.events import EventWriter
from nuvtui.worker.queries import PendingQuery
from nuvtui.worker.request import Request
from nuvtui.worker.submit import _make
from tests.services.helpers import keep_export
from tests.support.many import make_state

USER = "ada"
HOME = "/home/ada"
"""What pictures show in place of the folder that the store is in, whose path is as long."""
NOW = datetime.datetime(2026, 3, 10, 12, 0, tzinfo=datetime.UTC)
EVIL = "evil\x1b[31m\x1b]0;title\x07\x9b2J\u202e[@click=quit]"
HOSTILE = (EVIL, "漢字の名前.csv", "👩‍👩‍👧 family 🎉.txt", "שלום עולם.md", "n" * 240, "line\nbreak", "-rf *")


class Frozen(datetime.datetime):
    """A day whose clock stands still."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        """Noon."""
        return NOW.astimezone(tz) if tz else NOW.replace(tzinfo=None)


class Clock:
    """Time and chance as the program asks for them."""

    def __init__(self) -> None:
        self.time = NOW
        self._ids = itertools.count(1)

    def at(self, **ago: float) -> None:
        """It is so long before noon now."""
        self.time = NOW - datetime.timedelta(**ago)

    def now(self) -> str:
        """Each look takes a few milliseconds."""
        self.time += datetime.timedelta(milliseconds=20)
        return self.time.isoformat(timespec="microseconds")

    def new_id(self) -> str:
        """The next id."""
        return hashlib.sha256(str(next(self._ids)).encode()).hexdigest()[:16]


@contextlib.contextmanager
def frozen() -> Iterator[Clock]:
    """Nothing of this machine or this moment: clock, ids, machine and versions are always the same."""
    ticking = Clock()
    machine = SimpleNamespace(
        sysname="Linux", release="6.1", machine="x86_64", nodename="lab", version="1", domainname=""
    )
    with (
        mock.patch.object(clock, "now", ticking.now),
        mock.patch.object(clock, "new_id", ticking.new_id),
        mock.patch("datetime.datetime", Frozen),
        mock.patch(
            "nuvtui.services.snapshots.provenance.os",
            SimpleNamespace(uname=lambda: machine, environ=os.environ),
        ),
        mock.patch("nuvtui.services.snapshots.provenance.sys", SimpleNamespace(version="3.12.0 ")),
        mock.patch("nuvtui.services.snapshots.provenance.__version__", "1.0"),
        mock.patch.object(pane, "SETTLED", 0.01),
        mock.patch.object(PendingQuery, "ask", _here),
    ):
        yield ticking


def _here(_self: PendingQuery, services: Services, query: AnyQuery) -> Any:
    """A query is answered in this process: starting another one takes longer than the answer."""
    if isinstance(query, Freed):
        return 321 * len(query.snapshots)  # the true figure depends on the version of the compressor
    found = msgspec.convert(msgspec.to_builtins(answer(services, query)), result_type(type(query)))
    if isinstance(query, AskRemote):  # so does what lies on a remote
        status = msgspec.structs.replace(found.status, bytes=45_678)
        return msgspec.structs.replace(found, status=status)
    return found


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder whose path is as long as HOME."""
    for number in itertools.count(100):
        folder = Path(f"/tmp/p{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Stand:
    """A store to take pictures of."""

    services: Services
    settings: Settings
    start: Path
    """The folder that the program is started in."""
    root: Path
    """What is HOME in the pictures."""


def _open(root: Path, name: str) -> tuple[Services, Settings]:
    settings = Settings(home=str(root / f"store-{name}"), engine="oci", registry="registry.example.org/lab")
    return open_services(settings, USER), settings


def _sizes(services: Services) -> None:
    """What snapshots take in the store, whatever this version of the compressor makes of it."""
    with services.context.state.transaction() as transaction:
        for number, record in enumerate(
            sorted(transaction.snapshots.all(), key=lambda each: each.created), 1
        ):
            transaction.snapshots.put(msgspec.structs.replace(record, stored_bytes=1234 * number))


_written: set[Path] = set()
"""Files that have a time of their own."""


def _still(*roots: Path) -> None:
    """Folders, and files that the program wrote, were changed a day before noon."""
    stamp = (NOW - datetime.timedelta(days=1)).timestamp()
    for root in roots:
        for folder, _, names in os.walk(root, topdown=False):
            for path in (*(Path(folder, name) for name in names), Path(folder)):
                if path not in _written:
                    os.utime(path, (stamp, stamp), follow_symlinks=False)


def _write(path: Path, text: str, clocked: Clock) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    stamp = clocked.time.timestamp()
    os.utime(path, (stamp, stamp))
    _written.add(path)


APPLICATION = """\
name: Penguin analysis
kind: script
image: registry.example.org/python:3.12
packages: {pip: [pandas==2.2.3]}
variables: {OMP_NUM_THREADS: "2"}
command: [python, analysis.py]
"""
README = """\
# Penguins

Bill length and depth of **344 penguins** of three species.

1. Run `analysis.py`.
2. Read `notes.md`.

| species | count |
| --- | --- |
| Adelie | 152 |
| Gentoo | 124 |
"""


def study(root: Path, clocked: Clock) -> Stand:
    """A study with a past: snapshots of every kind, a restore, a distribution, exports, tasks, a message, a stage."""
    services, settings = _open(root, "study")
    folder = root / "penguins"
    clocked.at(days=60)
    _write(folder / "README.md", README, clocked)
    rows = "".join(f"{'AGC'[at % 3]},{30 + at % 17}.{at % 10},{at % 5 or ''}\n" for at in range(300))
    _write(folder / "data" / "penguins.csv", f"species,bill,flag\n{rows}", clocked)
    _write(folder / "data" / "raw" / "isotopes.csv", "id,d13c\n1,-25.1\n", clocked)
    _write(folder / "notes.md", "# Notes\n\n- Data as received.\n", clocked)
    here = services.spaces.init(folder, "penguins")
    master = here.instance
    _write(folder / ".nuvtui" / "apps" / "analysis.yaml", APPLICATION, clocked)
    create = services.snapshots.create
    first = create(master.id, "raw-data-as-received", "The data as published.", "First analysis")
    clocked.at(days=30)
    _write(folder / "analysis.py", "import pandas\n\nprint(pandas.read_csv('data/penguins.csv'))\n", clocked)
    services.tables.import_file(master.id, folder / "data" / "penguins.csv", "penguins")
    second = create(
        master.id, "first-results", "Means and slopes by species.", "Ask a co-author about sex as a covariate"
    )
    clocked.at(days=3)
    _write(folder / "notes.md", "# Notes\n\n- Data as received.\n- Slopes differ.\n", clocked)
    create(master.id, "", "", "")
    reviewer = services.instances.create(here.space.id, "reviewer", root / "reviewer")
    with services.context.state.transaction() as transaction:
        transaction.members.put(Member(here.space.id, "grace", Role.EDITOR))
    clocked.at(days=2)
    services.restore.restore(second.id, master.id, Silent())
    clocked.at(days=1)
    services.staging.add(StateRef(master.id, second.id), ["README.md", "data"], ["penguins"], ["analysis"])
    services.distribution.distribute(
        here.space.id, [reviewer.id], Strategies(), "Please look at the slopes.", Silent()
    )
    clocked.at(hours=5)
    _write(folder / "notes.md", "# Notes\n\n- Data as received.\n- Slopes differ by species.\n", clocked)
    _write(folder / "figures" / "slopes.txt", "Adelie 0.18\nGentoo 0.21\n", clocked)
    _exports(services, here.space.id, master, first.id)
    _tasks(services.home, here.space.id, master.id, clocked)
    _sizes(services)
    _still(folder, root / "reviewer")
    clocked.at()
    return Stand(services, settings, folder, root)


def _exports(services: Services, space: str, master: Instance, snapshot: str) -> None:
    for number, status in enumerate(("completed", "failed"), 1):
        keep_export(
            services,
            ExportRecord(
                id=hashlib.sha256(f"export {number}".encode()).hexdigest()[:16],
                space=space,
                instance=master.id,
                application="analysis",
                snapshot=snapshot,
                name=f"penguins-{number}",
                author=USER,
                created=clock.now(),
                finished=clock.now(),
                status=status,  # type: ignore[arg-type]
                engine="oci",
                image=f"registry.example.org/lab/penguins-{number}:{snapshot[:8]}",
                image_id="sha256:" + "0123456789abcdef" * 4,
                with_files=number == 1,
                size=123_456_789 if number == 1 else 0,
                excluded=[Excluded("~ (personal files)", "never exported")],
                warnings=["tables: tables are not in the image: penguins"],
                error="pip: no such package pandsa" if number == 2 else "",
                failed_stage="build" if number == 2 else "",
                run_command=f"docker run --rm -it registry.example.org/lab/penguins-{number}:{snapshot[:8]}",
            ),
        )


def _tasks(home: Home, space: str, instance: str, clocked: Clock) -> None:
    for number, (title, status) in enumerate(
        (("Export penguins", "completed"), ("Export notebook", "failed"), ("Snapshot of Master", "cancelled"))
    ):
        clocked.at(hours=4 - number)
        folder = home.task(clock.new_id())
        request = Request(
            operation={"kind": "export"},
            title=title,
            user=USER,
            space=space,
            instance=instance,
            settings={},
            cwd="/",
        )
        _make(folder, request)
        log = "".join(
            f"\x1b[32mstep\x1b[0m {line}: copying part {line} of the environment\n" for line in range(60)
        )
        (folder / "build.log").write_text(log)
        with EventWriter(folder) as events:
            events.write("started", pid=1)
            for step in ("preflight", "snapshot", "build"):
                events.write("step", step=step, title=step.capitalize(), log_offset=0)
                clocked.time += datetime.timedelta(seconds=7 * (number + 1))
                if not (status == "failed" and step == "build"):
                    events.write("step_done", step=step)
            error = Failure("The build failed", "pip: no such package pandsa", "Mend the packages.")
            rest = {"error": error} if status == "failed" else {"result": {}} if status == "completed" else {}
            events.write("finished", status=status, **rest)


def empty(root: Path, clocked: Clock) -> Stand:
    """A space in which nothing has been done yet."""
    services, settings = _open(root, "empty")
    (root / "new").mkdir()
    services.spaces.init(root / "new", "new")
    _still(root / "new")
    return Stand(services, settings, root / "new", root)


def nothing(root: Path, clocked: Clock) -> Stand:
    """A folder in no space, and a store with nothing in it."""
    services, settings = _open(root, "nothing")
    (root / "folder").mkdir()
    return Stand(services, settings, root / "folder", root)


def full(root: Path, clocked: Clock) -> Stand:
    """Ten thousand snapshots."""
    services, settings = _open(root, "full")
    folder = root / "many"
    with mock.patch("getpass.getuser", return_value=USER):
        make_state(services.home, folder, 10_000)
    _still(folder)
    return Stand(services, settings, folder, root)


def hostile(root: Path, clocked: Clock) -> Stand:
    """Names and texts that want to break out: escapes, wide and joined characters, right to left, far too long."""
    services, settings = _open(root, "hostile")
    folder = root / "hostile"
    clocked.at(hours=30)
    for name in HOSTILE:
        _write(folder / name, f"{EVIL}\n" * 3, clocked)
    _write(folder / "README.md", f"# {EVIL}\n\n[{EVIL}](x) 漢字 👩‍👩‍👧 שלום\n", clocked)
    _write(folder / "evil.csv", f"{EVIL},漢\n{EVIL},1\nשלום,2\n", clocked)  # noqa: RUF001
    here = services.spaces.init(folder, "漢字 שלום")
    services.tables.import_file(here.instance.id, folder / "evil.csv", "evil")
    _write(
        folder / ".nuvtui" / "apps" / "evil.yaml",
        'name: "e\\e[31mvil"\nkind: shell\nimage: "registry.example.org/x:1"\ncommand: ["\\e]0;title\\a"]\n',
        clocked,
    )
    for number, name in enumerate(("漢字の名前" * 8, "שלום עולם", "n" * 200, "🎉 party")):
        _write(folder / "notes.md", f"{number} {EVIL}\n", clocked)
        services.snapshots.create(here.instance.id, name, EVIL, EVIL)
        clocked.at(hours=20 - number)
    services.staging.add(StateRef(here.instance.id), [HOSTILE[0], HOSTILE[4]], ["evil"], [])
    _sizes(services)
    _exports(services, here.space.id, here.instance, services.snapshots.list(here.instance.id)[0].id)
    _still(folder, root / "reviewer")
    clocked.at()
    return Stand(services, settings, folder, root)


def remotes(root: Path, clocked: Clock) -> Stand:
    """The study with two remotes: a folder that holds the named snapshots, and an object store that nobody asks."""
    made = study(root / "=", clocked)
    services = made.services
    master = next(each for each in services.context.view().instances.all() if each.name == "Master")
    named = [each.id for each in services.snapshots.list(master.id) if each.kind == "named"]
    clocked.at(hours=2)
    services.remotes.add("archive", str(root / "archive"))
    services.remotes.push("archive", named, Silent())
    with services.context.state.transaction() as transaction:
        transaction.remotes.put(
            RemoteRecord(
                id="vault",
                url="s3://lab-vault/penguins",
                kind="s3",
                repository="f" * 32,
                encrypted=True,
                recipients=["age1" + "q" * 58],
                write_only=True,
                added=clock.now(),
            )
        )
    clocked.at()
    return made


def reviewer(root: Path, clocked: Clock) -> Stand:
    """The study as the reviewer finds it, with a message that came along."""
    made = study(root / "-", clocked)
    made.start = root / "-" / "reviewer"
    return made


MAKERS: dict[str, Callable[[Path, Clock], Stand]] = {
    "study": study, "reviewer": reviewer, "remotes": remotes, "empty": empty, "nothing": nothing, "full": full,
    "hostile": hostile,
}  # fmt: skip


def running_task(stand: Stand) -> Path:
    """A task that runs, this process being its worker; its folder, to be removed afterwards."""
    folder = stand.services.home.task(clock.new_id())
    view = stand.services.context.view()
    instance = next(each for each in view.instances.all() if each.name == "Master")
    request = Request(
        operation={"kind": "export"},
        title="Export penguins",
        user=USER,
        space=instance.space,
        instance=instance.id,
        settings=msgspec.to_builtins(stand.settings),
        cwd="/",
    )
    _make(folder, request)
    own = lease.of(os.getpid(), worker=True)
    assert own is not None
    lease.write(folder, own)
    (folder / "build.log").write_text("Collecting pandas==2.2.3\nInstalling\n")
    with EventWriter(folder) as events:
        events.write("started", pid=os.getpid())
        events.write("step", step="build", title="Build", log_offset=0)
    return folder
