"""Packages of pip without an engine: wheels as a layer; what would need an engine is refused before anything starts."""

import json
from pathlib import Path

import pytest

from tests.exports.conftest import STRANGER, Make, Study, passed
from tests.services.helpers import refused
from tests.support.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]

ANALYSIS = "import six, os; print(six.__version__, os.getuid())\n"


@pytest.mark.slow
def test_a_package_is_installed_and_can_be_imported(
    make_study: Make, pip_settings: dict[str, str], engine: Engine, python_archive: str
) -> None:
    study = make_study(**pip_settings)
    study.write("analysis.py", ANALYSIS)
    study.application(python_archive, ["python3", "analysis.py"], packages={"pip": ["six==1.16.0"]})
    record = study.export(with_files=True)
    assert [what for what, _ in study.layers(record)] == ["base", "packages", "files", "application"]
    report = study.report(record)
    assert report["installed"] == [["six", "1.16.0"]]
    components = json.loads((study.world.home.export(record.id) / "sbom.cdx.json").read_bytes())["components"]
    assert ("six", "1.16.0") in {(one["name"], one.get("version")) for one in components}
    checks = study.verify(record)
    assert passed(checks)["packages"] == "passed"
    assert "(1)" in checks["packages"].text
    engine.run("load", "--input", str(study.archive(record)))
    assert engine.text("run", "--rm", *STRANGER, record.image) == "1.16.0 54321"
    inside = engine.files(record.image)
    assert not [path for path in inside if path.endswith(("direct_url.json", "pip.conf"))]
    # Once more it is the same image, made anew or not.
    check = study.verify(record, again=True)["rebuild"]
    assert check.status == "passed", check.text
    engine.text("rmi", record.image)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"packages": {"apt": ["jq"]}}, ["packages.apt"]),
        ({"packages": {"conda": ["numpy"]}}, ["packages.conda"]),
        ({"packages": {"cran": ["zoo"]}}, ["packages.cran"]),
        ({"setup": ["touch /x"]}, ["setup"]),
        (
            {"packages": {"pip": ["x @ git+https://example.org/x.git"]}},
            ["packages.pip", "x would have to be"],
        ),
    ],
    ids=["apt", "conda", "cran", "setup", "source"],
)
def test_what_has_to_be_run_inside_is_refused_before_anything_starts(
    study: Study, tiny_archive: str, fields: dict[str, object], words: list[str]
) -> None:
    study.application(tiny_archive, ["true"], **fields)
    for engine in ("oci", "auto"):
        with refused(6, *words, "--engine docker"):
            study.export(engine)
    assert {(r.status, r.failed_stage, r.image) for r in study.records()} == {("failed", "preflight", "")}
    assert study.world.services.snapshots.list(study.world.master.id) == []
    assert not study.world.home.images.exists() or list(study.world.home.images.rglob("blobs")) == []


def test_a_base_without_python_is_refused(study: Study, tiny_archive: str) -> None:
    study.application(tiny_archive, ["true"], packages={"pip": ["six==1.16.0"]})
    with refused(6, "no Python was found in the base image", "--engine docker"):
        study.export()
    (record,) = study.records()
    assert (record.status, record.failed_stage, record.image_id) == ("failed", "build", "")


@pytest.mark.slow
def test_a_package_without_a_wheel_is_refused(
    make_study: Make,
    package_index: dict[str, str],
    python_archive: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An index that has only the source of a package; nothing of it is run."""
    import io
    import tarfile

    ran = tmp_path / "ran"
    index = tmp_path / "index"
    index.mkdir()
    with tarfile.open(index / "onlysource-1.0.tar.gz", "w:gz") as archive:
        for name, text in (
            ("setup.py", f"open({str(ran)!r}, 'w').write('x')\nfrom setuptools import setup\nsetup()\n"),
            ("PKG-INFO", "Metadata-Version: 1.0\nName: onlysource\nVersion: 1.0\n"),
        ):
            info = tarfile.TarInfo(f"onlysource-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    study = make_study()
    study.application(python_archive, ["python3"], packages={"pip": ["onlysource==1.0"]})
    with refused(6, "onlysource"):
        study.export()
    assert not ran.exists()
