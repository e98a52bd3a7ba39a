"""A space of the tests: real store, state, tables and workspaces, opened as any user."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from nuvtui.atomic import TEMPORARY
from nuvtui.bootstrap import Services, open_services
from nuvtui.config import Settings
from nuvtui.errors import Cancelled, NuvError
from nuvtui.model.export import ExportRecord
from nuvtui.model.names import text_to_path
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance, Space
from nuvtui.model.stage import StateRef
from nuvtui.paths import Home, Workspace
from nuvtui.reporter import Silent
from nuvtui.store.check import check
from nuvtui.store.store import Store
from tests.store.helpers import picture

APPLICATION = "name: {name}\nkind: script\nimage: docker.io/library/busybox:1\ncommand: [{command}]\n"
SECOND_USERS = ("daemon", "bin", "nobody")
"""Users that every Debian machine has, to act as."""

Whole = tuple[dict[bytes, tuple[object, ...]], dict[str, tuple[list[Any], list[Any]]], dict[str, str]]


class Listener(Silent):
    """A reporter that remembers, and cancels at a step where asked to."""

    def __init__(self, cancel_at: str = "") -> None:
        self.steps: list[str] = []
        self.warnings: list[str] = []
        self._cancel_at = cancel_at

    def step(self, name: str, title: str) -> None:
        self.steps.append(name)

    def warning(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def check(self) -> None:
        if self._cancel_at and self._cancel_at in self.steps:
            raise Cancelled


class World:
    """A space with its Master; more instances on request."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder = folder
        self.home = Home(folder / "home")
        self.settings = settings or Settings(home=str(self.home.root))
        self.services = open_services(self.settings)
        location = self.services.spaces.init(folder / "master", "study")
        self.space: Space = location.space
        self.master: Instance = location.instance

    def as_user(self, user: str) -> Services:
        """The services as another user sees them."""
        return open_services(self.settings, user)

    def fresh(self) -> Services:
        """The services as a new process opens them."""
        return open_services(self.settings)

    def add(self, name: str) -> Instance:
        """Another instance of the space."""
        return self.services.instances.create(self.space.id, name, self.folder / name)

    def distributed(self) -> Instance:
        return self.services.instances.find(self.space.id, "Distributed")

    def root(self, instance: Instance | None = None) -> Path:
        return Path(text_to_path((instance or self.master).workspace))

    def write(
        self, path: str, data: bytes | str = b"", instance: Instance | None = None, mode: int = 0o644
    ) -> Path:
        """A file in a workspace (the Master's)."""
        file = self.root(instance) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        file.chmod(mode)
        return file

    def table(self, name: str, select: str, instance: Instance | None = None) -> None:
        """Make a table from a SELECT, with DuckDB itself as any other client would."""
        file = Workspace(self.root(instance)).tables
        with duckdb.connect(str(file)) as database:
            database.execute(f'create or replace table "{name}" as {select}')

    def sql(self, *statements: str, instance: Instance | None = None) -> None:
        """Run statements on the tables, as any other client would."""
        with duckdb.connect(str(Workspace(self.root(instance)).tables)) as database:
            for statement in statements:
                database.execute(statement)

    def drop(self, name: str, instance: Instance | None = None) -> None:
        with duckdb.connect(str(Workspace(self.root(instance)).tables)) as database:
            database.execute(f'drop table "{name}"')

    def application(self, slug: str, command: str = "run", instance: Instance | None = None) -> Path:
        file = Workspace(self.root(instance)).application(slug)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(APPLICATION.format(name=slug, command=command))
        return file

    def snapshot(self, name: str = "", instance: Instance | None = None) -> SnapshotRecord:
        return self.services.snapshots.create((instance or self.master).id, name)

    def current(self, instance: Instance | None = None) -> StateRef:
        return StateRef((instance or self.master).id)

    def whole(self, instance: Instance | None = None, *, times: bool = True) -> Whole:
        """All that an instance holds, read without nuvtui: files, tables with their rows, applications."""
        return (
            picture(self.root(instance), times=times),
            self.tables(instance),
            self.applications(instance),
        )

    def tables(self, instance: Instance | None = None) -> dict[str, tuple[list[Any], list[Any]]]:
        """Columns and rows of every table, by name."""
        file = Workspace(self.root(instance)).tables
        if not file.exists():
            return {}
        found = {}
        with duckdb.connect(str(file), read_only=True) as database:
            names = database.execute("select table_name from duckdb_tables()").fetchall()
            for (name,) in names:
                columns = database.execute(f"select name, type from pragma_table_info('{name}')").fetchall()
                rows = database.execute(f'select * from "{name}" order by all').fetchall()
                found[name] = (columns, rows)
        return found

    def applications(self, instance: Instance | None = None) -> dict[str, str]:
        folder = Workspace(self.root(instance)).applications
        if not folder.exists():
            return {}
        # What a killed process left unfinished under a temporary name is no application.
        files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(TEMPORARY)]
        return {file.name: file.read_text() for file in files}

    def assert_store_sound(self) -> None:
        """Every listed snapshot is there and verifies by full hash."""
        view = self.services.context.view()
        store = Store(self.home)
        assert {s.id for s in view.snapshots.all()} <= set(store.manifest_ids())
        assert check(store, True, Silent()).problems == []


def keep_export(services: Services, record: ExportRecord) -> None:
    """Put the record of an export into the state, as a run does."""
    with services.context.state.transaction() as tx:
        tx.exports.put(record)


@contextlib.contextmanager
def refused(exit_code: int, *words: str) -> Iterator[None]:
    """Expect a NuvError with this exit code whose text holds `words`."""
    caught: NuvError | None = None
    try:
        yield
    except NuvError as error:
        caught = error
    assert caught is not None, f"nothing was refused; expected exit code {exit_code} and {words}"
    text = f"{caught} {caught.hint}"
    assert caught.exit_code == exit_code, f"exit code {caught.exit_code}: {text}"
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"
