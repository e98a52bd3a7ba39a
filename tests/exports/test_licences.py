"""Licensed applications: not eligible; without the licence they say at start what they lack, and take it mounted."""

from pathlib import Path

import pytest

from tests.exports.conftest import STRANGER, Study
from tests.services.helpers import refused
from tests.support import search
from tests.support.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]

SERIAL = "serial-0815-of-the-institute-4711"
SERVER = "27000@licences.of-the-institute.example"
LOOK = "cat /opt/stata/stata.lic 2>/dev/null || echo no licence; echo server ${STATA_LICENSE:-none}"


@pytest.fixture
def licensed(study: Study, tiny_archive: str, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("STATA_LICENSE", SERVER)
    study.write("stata.lic", f"{SERIAL}\n")
    study.write("licences/other.txt", f"{SERIAL}\n")
    study.application(
        tiny_archive,
        ["/bin/sh", "-c", LOOK],
        name="Stata",
        kind="stata",
        variables={"STATA_LICENSE": SERVER},
        license={
            "required": True,
            "variables": ["STATA_LICENSE"],
            "files": ["/opt/stata/stata.lic", "licences/other.txt"],
        },
    )
    return study


@pytest.mark.parametrize("builder", ["oci", "docker"])
def test_it_goes_without_and_says_what_it_lacks(
    licensed: Study, builder: str, engine: Engine, tmp_path: Path
) -> None:
    licensed.reach(engine if builder == "docker" else None)
    with refused(6, "licence", "--without-license"):
        licensed.export(builder, with_files=True)
    assert [(r.status, r.failed_stage) for r in licensed.records()] == [("failed", "preflight")]
    assert licensed.world.services.snapshots.list(licensed.world.master.id) == []

    record = licensed.export(builder, with_files=True, without_license=True)
    archive = licensed.archive(record)
    texts = {"report": licensed.world.services.exports.report(record.id)}
    assert search.in_image(archive, [SERIAL, SERVER], texts) == []
    told = {one.what: one.reason for one in record.excluded}
    assert {"stata.lic", "licences/other.txt", "/opt/stata/stata.lic", "variable STATA_LICENSE"} <= set(told)
    if builder == "oci":
        engine.run("load", "--input", str(archive))

    bare = engine.run("run", "--rm", *STRANGER, record.image)
    assert bare.stdout.decode() == "no licence\nserver none\n"
    said = bare.stderr.decode()
    for words in ("Stata", "STATA_LICENSE", "/opt/stata/stata.lic", "/files/licences/other.txt", "-v"):
        assert words in said, said
    # As the run command says it: from the folder where the licences are.
    assert "-e STATA_LICENSE" in record.run_command
    assert '"$PWD"/stata.lic:/opt/stata/stata.lic:ro' in record.run_command
    mine = tmp_path / "mine.lic"
    mine.write_text("a licence of my own\n")
    mounts = ["-v", f"{mine}:/opt/stata/stata.lic:ro", "-v", f"{mine}:/files/licences/other.txt:ro"]
    with_it = engine.run("run", "--rm", *STRANGER, *mounts, "-e", "STATA_LICENSE=my-server", record.image)
    assert with_it.stdout.decode() == "a licence of my own\nserver my-server\n"
    assert "STATA_LICENSE" not in with_it.stderr.decode()
    assert "stata.lic" not in with_it.stderr.decode()
    engine.run("rmi", record.image)


def test_a_kind_that_is_licensed_needs_no_word_of_it(study: Study, tiny_archive: str) -> None:
    study.application(tiny_archive, ["true"], kind="matlab", name="MATLAB")
    with refused(6, "MATLAB needs a licence"):
        study.export()
    nuvtui = study.cli()
    assert "--without-license" in nuvtui.run("exports", "create", "demo", "--engine", "oci", code=6).stderr
    nuvtui.run("exports", "create", "demo", "--engine", "oci", "--without-license")
