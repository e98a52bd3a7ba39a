"""One project exported by every engine: the same own layers, the same image, the same result.

With Python and packages: `test_acceptance`.
"""

import pytest

from tests.exports.conftest import OWN, STRANGER, Study
from tests.support.engine import Engine
from tests.support.podman import Podman

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]

SHELL = "cat data/*.csv | grep -v flow | awk -F, '{ s += $2 } END { print \"total\", s }' > result.txt; cat result.txt"


def run(engine: Engine | Podman, image: str) -> str:
    """What the image prints where a stranger runs it, who brings a volume for the workspace."""
    return engine.text("run", "--rm", *STRANGER, "--volume", "/files", image)


def exported(study: Study, engine: Engine, podman: Podman) -> dict[str, str]:
    """Image id by engine, after what has to be the same was found the same; each ran."""
    study.write("data/a.csv", "year,flow\n1871,1120\n1872,1160\n")
    study.write("data/b.csv", "year,flow\n1873,963.5\n")
    snapshot = study.snapshot()
    images, own, printed, reports = {}, {}, {}, {}
    for name, there in (("docker", engine), ("podman", podman), ("oci", None)):
        study.reach(there)
        record = study.export("oci" if there is None else "docker", snapshot=snapshot, with_files=True)
        assert (record.status, record.with_files) == ("completed", True)
        images[name] = record.image_id
        own[name] = [(what, digest) for what, digest in study.layers(record) if what in OWN]
        report = study.report(record)
        reports[name] = {key: report[key] for key in ("files", "bytes", "base", "variables", "command")}
        if there is None:
            engine.run("load", "--input", str(study.archive(record)))
        printed[name] = run(there or engine, record.image)
        for one in (engine, podman):
            one.text("rmi", "--force", record.image) if record.image in one.images() else None
    assert printed == dict.fromkeys(images, "total 3243.5")
    assert [what for what, _ in own["oci"]] == ["files", "application"]
    assert own["docker"] == own["oci"]
    assert own["podman"] == own["oci"]
    assert reports["docker"] == reports["podman"] == reports["oci"]
    return images


def test_on_a_base_of_busybox_every_engine_makes_the_same_image(
    study: Study, engine: Engine, podman: Podman, tiny_archive: str
) -> None:
    study.application(tiny_archive, ["/bin/sh", "-c", SHELL], variables={"UNIT": "m³"}, ports=[8080])
    assert len(set(exported(study, engine, podman).values())) == 1


def test_install_steps_leave_the_own_layers_the_same(
    study: Study, engine: Engine, podman: Podman, tiny_archive: str
) -> None:
    """What the engine's steps made is the engine's; what nuvtui lays on top of it is the same bytes."""
    study.write("a.txt", "a\n")
    study.application(tiny_archive, ["/bin/sh", "-c", "cat /made a.txt"], setup=["echo made > /made"])
    snapshot = study.snapshot()
    found = []
    for there in (engine, podman):
        study.reach(there)
        record = study.export("docker", snapshot=snapshot, with_files=True)
        layers = study.layers(record)
        assert [what for what, _ in layers if what != "packages"] == ["base", "files", "application"]
        assert len([what for what, _ in layers if what == "packages"]) >= 1
        assert run(there, record.image) == "made\na"
        found.append([digest for what, digest in layers if what in ("base", "files", "application")])
        there.text("rmi", "--force", record.image)
    assert found[0] == found[1]
