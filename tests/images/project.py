"""A project with a snapshot of its files, as an export finds it, and a reporter that remembers."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from nuvtui.config import Settings
from nuvtui.errors import Cancelled
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.engine.oci_engine import OciEngine
from nuvtui.images.facts import ImageFacts
from nuvtui.images.oci import layers
from nuvtui.images.recipe import Recipe, build_recipe
from nuvtui.model.application import Application, ApplicationKind, Lock, Packages
from nuvtui.model.export import ExportSpec
from nuvtui.model.snapshot import (
    ApplicationPart,
    Changes,
    CodeRevision,
    FilesPart,
    Provenance,
    Ref,
    Snapshot,
    TablePart,
)
from nuvtui.paths import Home
from nuvtui.reporter import Silent
from nuvtui.store.scanner import scan
from nuvtui.store.store import Store
from nuvtui.store.writer import writing

IMAGE = "127.0.0.1:1/ada/study-demo:1"
CREATED = "2026-03-04T05:06:07.000000+00:00"


class Project:
    """A workspace, a store, and snapshots of the one in the other."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir(exist_ok=True)
        (folder / "home").mkdir(exist_ok=True)
        self.store = Store(Home(folder / "home"))
        self.store.create()
        self._cache = folder / "stat-cache"

    def write(self, path: str, data: bytes | str = b"", mode: int = 0o644) -> Path:
        """A file in the workspace."""
        file = self.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        file.chmod(mode)
        return file

    def snapshot(
        self, lock: Lock | None = None, tables: list[TablePart] | None = None, description: str = "A study."
    ) -> Snapshot:
        """A manifest of the workspace as it is, with one application `demo`."""
        with writing(self.store) as writer:
            found = scan(self.workspace, writer, self._cache, Silent())
            writer.commit()
        return Snapshot(
            id="00112233445566ff",
            space=Ref("aa" * 8, "study"),
            instance=Ref("bb" * 8, "Master"),
            name="paper-1",
            kind="named",
            created=CREATED,
            author="ada",
            description=description,
            next_phase="",
            parent=None,
            provenance=Provenance(
                user="ada",
                host="ada-laptop",
                platform="Linux",
                workspace="/home/ada/secret-place",
                nuvtui="0.1",
                python="3.11",
                code=CodeRevision("c0ffee" * 6 + "c0ff", "main", True),
            ),
            files=FilesPart(found.root.hex(), found.count, found.bytes),
            tables=tables or [],
            applications=[ApplicationPart("demo", "Demo", "script", "", lock)],
            warnings=[],
            changes=Changes(),
            stored_bytes=0,
        )

    def recipe(
        self,
        application: Application,
        *,
        with_files: bool = True,
        settings: Settings | None = None,
        image: str = IMAGE,
        snapshot: Snapshot | None = None,
        base: ImageFacts | None = None,
        base_digest: str = "",
        without_license: bool = False,
    ) -> Recipe:
        """The recipe of an export of the workspace as it is."""
        return build_recipe(
            application,
            "demo",
            snapshot or self.snapshot(),
            self.store.tree,
            ExportSpec("demo", "bb" * 8, None, with_files=with_files, without_license=without_license),
            settings or Settings(),
            image,
            base_digest,
            base,
        )


def application(image: str = "docker.io/library/python:3.12-slim", **values: object) -> Application:
    """An application of kind script; `values` as its fields, packages as `pip=[…]` and so on."""
    managers = {name: values.pop(name) for name in ("apt", "pip", "conda", "cran") if name in values}
    kind = values.pop("kind", ApplicationKind.SCRIPT)
    name = values.pop("name", "Demo")
    packages = Packages(**managers)  # type: ignore[arg-type]
    return Application(name=name, kind=kind, image=image, packages=packages, **values)  # type: ignore[arg-type]


def built(
    engine: DockerEngine | OciEngine,
    project: Project,
    recipe: Recipe,
    reporter: Silent | None = None,
    base: ImageFacts | None = None,
    fresh: bool = False,
) -> str:
    """Id of the image of `recipe`, made by `engine` under the recipe's own name. `base` None: as the engine has it."""
    if base is None:
        base = engine.inspect(recipe.base)
        assert base is not None, recipe.base
    made = [layers.files_layer(recipe, project.store), layers.application_layer(recipe)]
    return engine.build(recipe, base, made, recipe.image, reporter or Recorder(), fresh=fresh).image


class Recorder(Silent):
    """Remembers what is told; cancels itself as soon as `when` says so."""

    def __init__(self, when: Callable[["Recorder"], bool] = lambda _: False) -> None:
        self.output = b""
        self.progresses: list[tuple[int, int | None, str, str]] = []
        self.cancelled = False
        self._when = when
        self._stops: list[Callable[[], None]] = []

    def progress(self, done: int, total: int | None, unit: str, what: str = "") -> None:
        self.progresses.append((done, total, unit, what))
        self._look()

    def log(self, data: bytes) -> None:
        self.output += data
        self._look()

    def _look(self) -> None:
        if not self.cancelled and self._when(self):
            self.cancel()

    def cancel(self) -> None:
        """What the user's wish to stop does."""
        self.cancelled = True
        for stop in self._stops:
            stop()

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    @contextlib.contextmanager
    def on_cancel(self, stop: Callable[[], None]) -> Iterator[None]:
        self._stops.append(stop)
        try:
            yield
        finally:
            self._stops.remove(stop)

    @property
    def text(self) -> str:
        """The log."""
        return self.output.decode("utf-8", "replace")
