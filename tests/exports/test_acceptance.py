"""The project that nobody here wrote, statsmodels, exported by every engine: the same files, the same result."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_statsmodels import ANALYSIS, APPLICATION, NAME, PRINTED, SECRET
from tests.exports.conftest import STRANGER
from tests.support import sdist, search
from tests.support.cli import Nuvtui, build_settings
from tests.support.engine import Engine
from tests.support.fixtures import REPOSITORY
from tests.support.podman import Podman

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.xdist_group("services")]


@pytest.fixture
def nile(tmp_path: Path, python_archive: str, package_index: dict[str, str]) -> Iterator[Nuvtui]:
    """The project with a snapshot `revised`."""
    root = sdist.unpack(sdist.fetch(*sdist.STATSMODELS, REPOSITORY / ".cache"), tmp_path / NAME)
    nuvtui = Nuvtui(
        root,
        {"NUVTUI_HOME": str(tmp_path / "home"), **build_settings(), **package_index, "HF_TOKEN": SECRET},
    )
    nuvtui.run("init", "--space", NAME)
    file = root / NAME / "datasets" / "nile" / "nile.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:29]))
    (root / "analysis.py").write_text(ANALYSIS)
    (root / ".env").write_text(f"HF_TOKEN={SECRET}\n")
    (root / ".nuvtui" / "apps").mkdir(exist_ok=True)
    text = APPLICATION.format(image=python_archive, unit="1e8 m3")
    (root / ".nuvtui" / "apps" / "nile.yaml").write_text(text)
    nuvtui.run("tables", "import", file, "-n", "nile")
    nuvtui.run("snapshots", "create", "-n", "revised")
    yield nuvtui
    shutil.rmtree(tmp_path / NAME)


def test_every_engine_gives_the_same_result(
    nile: Nuvtui, engine: Engine, podman: Podman, tmp_path: Path
) -> None:
    create = ["exports", "create", "nile", "-p", "revised", "--with-files", "--tables", "nile"]
    home = Path(nile.environment["NUVTUI_HOME"])
    files, sizes, oci = set(), set(), {}
    for name, there in (("docker", engine), ("podman", podman), ("oci", None)):
        nuvtui = Nuvtui(
            nile.folder, {**nile.environment, "DOCKER_HOST": there.url if there else "unix:///none"}
        )
        kind = "docker" if there else "oci"
        export = nuvtui.json(*create, "--engine", kind, seconds=200)
        archive = tmp_path / f"{name}.tar"
        if there is None:
            oci = export
            nuvtui.run("exports", "archive", export["id"], archive)
            engine.run("load", "--input", str(archive))
        runs = there or engine
        # What is printed is the same, to the last blank (the ends are trimmed by the helper).
        assert runs.text("run", "--rm", *STRANGER, export["image"]) == PRINTED.strip()
        report = json.loads((home / "exports" / export["id"] / "report.json").read_bytes())
        layers = {layer["what"]: layer["diff_id"] for layer in report["layers"]}
        files.add((layers["files"], layers["tables"]))
        sizes.add((report["files"], report["bytes"]))
        assert ".env" in {one["what"] for one in report["excluded"]}
        if there is not None:
            there.text("rmi", "--force", export["image"])
    assert len(files) == 1
    assert len(sizes) == 1
    assert search.in_image(tmp_path / "oci.tar", [SECRET]) == []
    nuvtui = Nuvtui(nile.folder, {**nile.environment, "DOCKER_HOST": engine.url})
    checks = nuvtui.json("exports", "verify", oci["id"])["verification"]["checks"]
    assert {check["status"] for check in checks} == {"passed"}, checks
    # From another copy of the store, elsewhere, with another mask and in another zone: the same image.
    shutil.copytree(home, tmp_path / "other", ignore=shutil.ignore_patterns("images", "cache", "tmp"))
    other = {**nile.environment, "NUVTUI_HOME": str(tmp_path / "other"), "TZ": "Asia/Kathmandu"}
    again = Nuvtui(nile.folder / NAME, {**other, "DOCKER_HOST": "unix:///none"}).json(
        *create, "--engine", "oci"
    )
    assert again["image_id"] == oci["image_id"]
    engine.text("rmi", "--force", oci["image"])
