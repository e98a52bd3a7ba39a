"""Projects that are exported for real: base images as archives, engines that can be reached and left alone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nuvtui.config import Settings
from nuvtui.model.export import Check, ExportRecord, ExportSpec
from nuvtui.reporter import Silent
from tests.services.helpers import World
from tests.support.cli import Nuvtui, build_settings
from tests.support.engine import Engine
from tests.support.podman import Podman
from tests.support.registry import Registry

STRANGER = (
    "--user",
    "54321:54321",
    "--network",
    "none",
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--cap-drop",
    "ALL",
)
"""How strangers run an image: an unknown user, no network, a read-only system, no capability."""
OWN = ("packages", "runtime", "environment", "files", "tables", "application")
"""Layers that nuvtui itself makes."""


class Study:
    """A project with one application `demo`, and an environment in which an engine answers or none."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        settings = {"home": str(folder / "home"), "build_network": "host"} | settings
        self.world = World(folder, Settings(**settings))
        self.fields: dict[str, Any] = {"name": "Demo", "kind": "script", "workdir": "/files"}

    # What there is

    def application(self, image: str, command: list[str], **more: Any) -> None:
        """Write the application's file."""
        self.fields |= {"image": image, "command": command, **more}
        self.world.application("demo").write_text(json.dumps(self.fields))  # JSON is YAML

    def write(self, path: str, data: bytes | str = b"", mode: int = 0o644) -> Path:
        """A file of the workspace."""
        return self.world.write(path, data, mode=mode)

    def snapshot(self, name: str = "fixed") -> str:
        """Take a snapshot. Returns its id."""
        return self.world.snapshot(name).id

    # Engines

    def reach(self, engine: Engine | Podman | None) -> None:
        """From now on this engine answers, and no other one."""
        url = engine.url if engine else f"unix://{self.folder}/no-engine.sock"
        self._monkeypatch.setenv("DOCKER_HOST", url)
        self.world.services = self.world.fresh()

    def sign_in(self, registry: Registry) -> None:
        """Be signed in to `registry`, as `docker login` leaves it."""
        self._monkeypatch.setenv("DOCKER_CONFIG", str(registry.docker_config(self.folder / "signed-in")))

    # Exports

    def export(self, engine: str = "oci", reporter: Any = None, **more: Any) -> ExportRecord:
        """Export the application."""
        spec = {"application": "demo", "instance": self.world.master.id, "snapshot": None, "engine": engine}
        return self.world.services.exports.create(ExportSpec(**{**spec, **more}), reporter)

    def records(self) -> list[ExportRecord]:
        """All exports, newest first."""
        return self.world.services.exports.list(self.world.space.id)

    def report(self, record: ExportRecord) -> dict[str, Any]:
        """The report of an export, as it is on the disk."""
        return dict(json.loads((self.world.home.export(record.id) / "report.json").read_bytes()))

    def layers(self, record: ExportRecord) -> list[tuple[str, str]]:
        """What and digest of each layer, by the report."""
        return [(layer["what"], layer["diff_id"]) for layer in self.report(record)["layers"]]

    def archive(self, record: ExportRecord, name: str = "") -> Path:
        """The image as an archive."""
        path = self.folder / (name or f"{record.id}.tar")
        self.world.services.exports.archive(record.id, path)
        return path

    def verify(self, record: ExportRecord, again: bool = False) -> dict[str, Check]:
        """What `exports verify` says, by the checks' names."""
        found = self.world.services.exports.verify(record.id, again, Silent()).verification
        assert found is not None
        return {check.name: check for check in found.checks}

    # The disk

    @property
    def blobs(self) -> Path:
        """Where the images that are kept without an engine have their parts."""
        return self.world.home.images / "blobs" / "sha256"

    def cli(self, **environment: str) -> Nuvtui:
        """The real command line, in the workspace."""
        settings = self.world.settings
        given = {
            "NUVTUI_HOME": settings.home,
            "NUVTUI_REGISTRY": settings.registry,
            "NUVTUI_PRIVATE_REGISTRIES": ",".join(settings.private_registries),
            "NUVTUI_BUILD_NETWORK": settings.build_network,
            "NUVTUI_CA_BUNDLE": settings.ca_bundle,
        }
        return Nuvtui(self.world.root(), {k: v for k, v in given.items() if v} | environment)


Make = Callable[..., Study]


@pytest.fixture
def make_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Make:
    """Makes projects: `make_study(name, **settings)`; no engine answers until told (`Study.reach`)."""

    def make(name: str = "study", folder: Path | None = None, **settings: Any) -> Study:
        usual = {"registry": f"{registry.host}/ada", "private_registries": [registry.host]}
        return Study(folder or tmp_path / name, monkeypatch, **(usual | settings))

    return make


@pytest.fixture
def study(make_study: Make) -> Study:
    """A project."""
    return make_study()


@pytest.fixture(scope="session")
def tiny_archive(engine: Engine, tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base image with busybox and nothing else, as `docker save` writes it: `docker-archive:FILE`."""
    yield from _saved(engine, tiny_base, tmp_path_factory)


@pytest.fixture(scope="session")
def python_archive(
    engine: Engine, python_base: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The whole Debian with python3 and pip, as `docker save` writes it: `docker-archive:FILE`."""
    yield from _saved(engine, python_base, tmp_path_factory)


def _saved(engine: Engine, reference: str, factory: pytest.TempPathFactory) -> Iterator[str]:
    file = factory.mktemp("base") / f"{reference.split('/')[1].partition(':')[0]}.tar"
    engine.run("save", "--output", str(file), reference)
    yield f"docker-archive:{file}"
    file.unlink()


@pytest.fixture
def pip_settings(package_index: dict[str, str]) -> dict[str, str]:
    """Settings by which pip finds this machine's package index, as fields of `Settings`."""
    found = build_settings()
    return {
        key: found[f"NUVTUI_{key.upper()}"]
        for key in ("ca_bundle", "pip_index")
        if f"NUVTUI_{key.upper()}" in found
    }


def passed(checks: dict[str, Check]) -> dict[str, str]:
    """Name → status."""
    return {name: check.status for name, check in checks.items()}
