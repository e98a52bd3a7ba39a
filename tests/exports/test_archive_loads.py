"""What `oci` makes is what others read: engines, tools, registries. What is deleted is gone, and nothing else."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.exports.conftest import STRANGER, Study
from tests.services.helpers import World, refused
from tests.support.engine import Engine
from tests.support.podman import Podman
from tests.support.registry import Registry

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]

LINE = ["/bin/sh", "-c", "echo $UNIT; cat note.txt; id -u"]
PRINTED = "m3/s\nof the river\n54321"


@pytest.fixture
def project(study: Study, tiny_archive: str) -> Study:
    study.application(tiny_archive, LINE, variables={"UNIT": "m3/s"})
    study.write("note.txt", "of the river\n")
    return study


def skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def named(image: str, registry: Registry) -> tuple[str, str]:
    """Repository and tag."""
    repository, _, tag = image.removeprefix(f"{registry.host}/").rpartition(":")
    return repository, tag


def blobs(study: Study) -> set[str]:
    return {path.name for path in study.blobs.iterdir()}


def index(study: Study) -> dict[str, str]:
    found = json.loads((study.world.home.images / "index.json").read_bytes())["manifests"]
    return {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in found}


def test_docker_podman_and_skopeo_read_the_archive(
    project: Study, engine: Engine, podman: Podman, tmp_path: Path
) -> None:
    output = tmp_path / "image.tar"
    record = project.export(with_files=True, output=str(output))
    assert record.archive == str(output)
    assert not engine.run("image", "inspect", record.image, check=False).stdout.strip(b"[]\n")
    for there in (engine, podman):
        there.text("load", "--input", str(output))
        assert record.image in there.images()
        assert there.text("image", "inspect", "--format", "{{.Id}}", record.image).removeprefix(
            "sha256:"
        ) == record.image_id.removeprefix("sha256:")
        assert there.text("run", "--rm", *STRANGER, record.image) == PRINTED
        there.text("rmi", "--force", record.image)
    layers = [digest for _, digest in project.layers(record)]
    for kind in ("docker-archive", "oci-archive"):
        config = json.loads(skopeo("inspect", "--config", f"{kind}:{output}"))
        assert config["rootfs"]["diff_ids"] == layers
        assert "UNIT=m3/s" in config["config"]["Env"]
        copied = tmp_path / f"copy-{kind}"
        skopeo("copy", "--insecure-policy", "--quiet", f"{kind}:{output}", f"dir:{copied}")
        assert {d.removeprefix("sha256:") for d in layers} <= {path.name for path in copied.iterdir()}
    # The folder in the store is an OCI layout as well, as other tools read it.
    raw = skopeo("inspect", "--config", f"oci:{project.world.home.images}:{record.image}")
    assert json.loads(raw)["rootfs"]["diff_ids"] == layers


def test_a_second_engine_pulls_by_digest_what_oci_pushed(
    project: Study, second_engine: Engine, registry: Registry, signed_registry: Registry
) -> None:
    assert second_engine.images() == []
    for place, signed in ((registry, False), (signed_registry, True)):
        options = {"registry": f"{place.host}/lab", "public_ok": True, "push": True, "with_files": True}
        if signed:
            with refused(1, place.host):
                project.export(**options)
            assert project.records()[0].failed_stage == "push"
            assert place.repositories() == []
            project.sign_in(place)
        record = project.export(**options)
        repository, tag = named(record.image, place)
        assert (record.engine, record.pushed) == ("oci", True)
        assert record.digest == place.digest(repository, tag) == index(project)[record.image]
        assert project.report(record)["digest"] == record.digest
        environment = {"DOCKER_CONFIG": os.environ["DOCKER_CONFIG"]} if signed else {}
        pulled = f"{place.host}/{repository}@{record.digest}"
        second_engine.run("pull", pulled, environment=environment)
        assert second_engine.inspect(pulled)["Id"] == record.image_id
        assert second_engine.text("run", "--rm", *STRANGER, pulled) == PRINTED
        project.world.services.exports.delete(record.id)
        assert place.digest(repository, tag) is None
        second_engine.remove_images(keep=())


def test_delete_takes_what_no_other_export_needs(project: Study, registry: Registry) -> None:
    first = project.export(with_files=True, push=True)
    project.write("more.bin", os.urandom(50_000))
    second = project.export(with_files=True, push=True)
    shared = {d for _, d in project.layers(first)} & {d for _, d in project.layers(second)}
    assert shared, "the base image is in both"
    own = {d for _, d in project.layers(second)} - shared
    before = blobs(project)
    assert {d.removeprefix("sha256:") for d in own | shared} <= before
    services = project.world.services.exports
    deleted, problems = services.delete(second.id)
    assert (deleted.status, problems) == ("deleted", [])
    left = blobs(project)
    gone = own | {second.image_id, second.digest}
    assert before - left == {d.removeprefix("sha256:") for d in gone}
    assert second.image not in index(project)
    assert first.image in index(project)
    assert registry.digest(*named(second.image, registry)) is None
    assert registry.digest(*named(first.image, registry)) == first.digest
    # The other one is whole: it can still be written, pushed and looked into.
    assert project.archive(first).exists()
    services.push(first.id)
    project.report(first)
    # Two exports of one snapshot share everything but their name.
    again = project.export(with_files=True, snapshot=first.snapshot)
    assert again.image_id == first.image_id
    services.delete(first.id)
    assert blobs(project) >= {d.removeprefix("sha256:") for _, d in project.layers(again)}
    assert project.archive(again).exists()
    services.delete(again.id)
    with refused(6, "deleted"):
        services.archive(again.id, project.folder / "none.tar")


def test_an_archive_is_loaded_back(project: Study, engine: Engine, tmp_path: Path) -> None:
    record = project.export(with_files=True)
    archive = project.archive(record)
    project.world.services.exports.delete(record.id)
    assert record.image not in index(project)
    space = project.world.space.id
    # Without an engine into the store; where one answers, into that.
    assert project.world.services.exports.load(space, archive) == [record.image]
    assert record.image in index(project)
    project.reach(engine)
    assert project.world.services.exports.load(space, archive) == [record.image]
    assert engine.inspect(record.image)["Id"] == record.image_id
    assert engine.text("run", "--rm", *STRANGER, record.image) == PRINTED
    engine.text("rmi", record.image)
    # In another store of somebody else as well.
    other = World(tmp_path / "other")
    project.reach(None)
    assert other.fresh().exports.load(other.space.id, archive) == [record.image]
    broken = tmp_path / "broken.tar"
    broken.write_bytes(archive.read_bytes()[:-300_000])
    with refused(1, "broken.tar"):
        other.fresh().exports.load(other.space.id, broken)
