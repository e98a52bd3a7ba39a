"""The base image is pinned at its first use: a tag that is moved in the registry changes no later export."""

import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.exports.conftest import Make, Study
from tests.support.engine import Engine, busybox_root
from tests.support.podman import Podman
from tests.support.registry import Registry

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


class Base:
    """A base image in the registry, whose tag can be moved."""

    def __init__(self, engine: Engine, registry: Registry, name: str) -> None:
        self._engine, self._registry = engine, registry
        self.path = f"bases/{name}"
        self.reference = f"{registry.host}/{self.path}:1"

    def publish(self, version: str) -> str:
        """Let the tag name the image of this version. Returns its digest. No engine learns of it."""
        local = f"nuvtui-test/made-{self.path.rpartition('/')[2]}:{version}"
        self._engine.load(local, busybox_root(), ["ENV PATH=/bin", f"ENV VERSION={version}"])
        with tempfile.TemporaryDirectory() as folder:
            self._engine.run("save", "--output", f"{folder}/base.tar", local)
            self._engine.run("rmi", "--force", local)
            skopeo = ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"]
            places = [f"docker-archive:{folder}/base.tar", f"docker://{self.reference}"]
            subprocess.run([*skopeo, *places], check=True, capture_output=True)
        digest = self._registry.digest(self.path, "1")
        assert digest
        return digest


@pytest.fixture(params=["oci", "docker", "podman"])
def builder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project(builder: str, make_study: Make, engine: Engine, podman: Podman) -> Study:
    study = make_study(builder)
    study.reach({"docker": engine, "podman": podman}.get(builder))
    return study


def test_the_pin_holds_until_it_is_deleted(
    project: Study, builder: str, engine: Engine, podman: Podman, registry: Registry
) -> None:
    base = Base(engine, registry, builder)
    first = base.publish("1")
    name = "oci" if builder == "oci" else "docker"
    runs = podman if builder == "podman" else engine

    def printed(record: object) -> str:
        image = record.image  # type: ignore[attr-defined]
        if builder == "oci":
            engine.run("load", "--input", str(project.archive(record)))  # type: ignore[arg-type]
        return runs.text("run", "--rm", "--network", "none", image)

    project.application(base.reference, ["/bin/sh", "-c", "echo version $VERSION"])
    record = project.export(name)
    pin = project.world.root() / ".nuvtui" / "apps" / "demo.lock"
    assert yaml.safe_load(pin.read_text()) == {"base": {"image": base.reference, "digest": first}}
    assert record.base_digest == first
    report = project.report(record)
    assert (report["base"], report["base_digest"]) == (base.reference, first)
    assert first in project.world.services.exports.report(record.id)
    assert printed(record) == "version 1"
    before = project.snapshot("before-the-move")

    second = base.publish("2")
    assert second != first
    record = project.export(name)
    assert record.base_digest == first
    assert printed(record) == "version 1"

    # Who deletes the pin moves on; a snapshot that was taken before stays where it was.
    pin.unlink()
    record = project.export(name)
    assert (record.base_digest, printed(record)) == (second, "version 2")
    assert yaml.safe_load(pin.read_text())["base"]["digest"] == second
    record = project.export(name, snapshot=before)
    assert (record.base_digest, printed(record)) == (first, "version 1")


def test_a_colleague_with_an_empty_store_gets_the_same_base(
    make_study: Make, engine: Engine, registry: Registry
) -> None:
    base = Base(engine, registry, "colleague")
    first = base.publish("1")
    mine = make_study("mine")
    mine.application(base.reference, ["true"])
    mine.export()
    pin = mine.world.root() / ".nuvtui" / "apps" / "demo.lock"
    base.publish("2")
    theirs = make_study("theirs")
    theirs.application(base.reference, ["true"])
    there = theirs.world.root() / ".nuvtui" / "apps" / "demo.lock"
    there.write_bytes(pin.read_bytes())
    record = theirs.export()
    assert record.base_digest == first
    assert theirs.layers(record)[0] == mine.layers(mine.records()[0])[0]
    # Another image is another matter: its pin is its own.
    other = Base(engine, registry, "other")
    digest = other.publish("9")
    theirs.application(other.reference, ["true"])
    assert theirs.export().base_digest == digest
    assert yaml.safe_load(there.read_text())["base"]["image"] == other.reference


def test_without_the_registry_what_is_here_is_used(make_study: Make, engine: Engine) -> None:
    registry = Registry()
    try:
        base = Base(engine, registry, "offline")
        digest = base.publish("1")
        study = make_study()
        study.application(base.reference, ["true"])
        study.export()
    finally:
        registry.stop()
    (study.world.root() / ".nuvtui" / "apps" / "demo.lock").unlink()
    record = study.export()
    assert (record.status, record.base_digest) == ("completed", digest)


def test_a_damaged_or_foreign_pin_is_no_pin(make_study: Make, engine: Engine, registry: Registry) -> None:
    base = Base(engine, registry, "damaged")
    digest = base.publish("1")
    study = make_study()
    study.application(base.reference, ["true"])
    pin: Path = study.world.root() / ".nuvtui" / "apps" / "demo.lock"
    for text in ("{", "base: 7", f"base: {{image: {base.reference}, digest: 'sha256:../../x'}}", ""):
        pin.write_text(text)
        assert study.export().base_digest == digest
    assert [path.name for path in pin.parent.iterdir() if path.name.startswith("demo")].count(
        "demo.lock"
    ) == 1
