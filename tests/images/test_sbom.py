"""The bill of materials: CycloneDX by its structure, every package once, no path and no credential."""

import json
import re
from datetime import datetime

import msgspec
import pytest

from nuvtui.images.sbom import cyclonedx
from nuvtui.model.application import Lock, Package
from nuvtui.model.export import Report
from nuvtui.model.snapshot import Provenance, Ref

DIGEST = "sha256:" + "ab" * 32
LOCK = Lock(
    "venv",
    "Python 3.11.7",
    [
        Package("Alpha_Beta", "1.0+cpu"),
        Package("by-url", "3", "url", "https://user:t0ken@example.org/x.whl?access=t0ken#sha256=1"),
        Package("checked-out", "0.1", "vcs", "git+https://example.org/o/r.git@abc123"),
        Package("folder-vcs", "0.2", "vcs", "git+file:///home/ada/folder@abc"),
        Package("from-github", "2", "vcs", "github::o/r@def456"),
        Package("mine", "0.3", "local", "/home/ada/secret-place/mine"),
        Package("odd", "5", "url", "http://[bad/x"),
    ],
)


def report(**values: object) -> Report:
    made = Report(
        export="0011",
        image="127.0.0.1:5000/ada/study:1",
        application="Penguin analysis",
        kind="script",
        space=Ref("aa" * 8, "study"),
        instance=Ref("bb" * 8, "Master"),
        snapshot=Ref("00112233445566ff", "paper-1"),
        created="2026-03-04T05:06:07.000000+00:00",
        author="ada",
        description="A study.",
        with_files=True,
        files=3,
        bytes=10,
        base="docker.io/library/python:3.12-slim",
        base_digest=DIGEST,
        packages={"apt": [], "pip": [], "conda": [], "cran": []},
        lock=LOCK,
        variables=[],
        secrets=[],
        license_variables=[],
        license_files=[],
        excluded=[],
        command=["python", "analysis.py"],
        ports=[],
        workdir="/files",
        provenance=Provenance("ada", "ada-laptop", "Linux", "/home/ada/secret-place", "0.1", "3.11"),
    )
    return msgspec.structs.replace(made, **values)


def components(made: Report, installed: tuple[tuple[str, str], ...] = ()) -> dict[str, dict[str, object]]:
    bill = json.loads(cyclonedx(made, installed))
    return {one["name"]: one for one in bill["components"]}


def hows(component: dict[str, object]) -> list[str]:
    return [entry["value"] for entry in component["properties"]]  # type: ignore[attr-defined]


def test_structure() -> None:
    bill = json.loads(cyclonedx(report()))
    assert list(bill)[:4] == ["bomFormat", "specVersion", "serialNumber", "version"]
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert datetime.fromisoformat(bill["metadata"]["timestamp"]).year == 2026
    assert bill["metadata"]["component"]["name"] == "Penguin analysis"
    references = [one["bom-ref"] for one in bill["components"]]
    assert references == sorted(set(references))
    assert bill["dependencies"] == [{"ref": "image", "dependsOn": references}]
    for one in bill["components"]:
        assert one["type"] in ("library", "container", "platform")
        assert one["name"]
        for reference in one.get("externalReferences", []):
            assert reference["type"] in ("vcs", "distribution")


def test_sources() -> None:
    found = components(report())
    assert found["Alpha_Beta"]["purl"] == "pkg:pypi/alpha-beta@1.0%2Bcpu"
    assert found["Alpha_Beta"]["version"] == "1.0+cpu"
    assert found["by-url"]["externalReferences"] == [
        {"type": "distribution", "url": "https://example.org/x.whl"}
    ]
    assert found["checked-out"]["externalReferences"] == [
        {"type": "vcs", "url": "git+https://example.org/o/r.git@abc123"}
    ]
    assert found["from-github"]["externalReferences"] == [
        {"type": "vcs", "url": "https://github.com/o/r@def456"}
    ]
    for name in ("mine", "folder-vcs", "odd"):
        assert "externalReferences" not in found[name]
        assert "purl" not in found[name]
    assert (found["Python"]["type"], found["Python"]["version"]) == ("platform", "3.11.7")
    conda = components(report(lock=Lock("conda", "R 4.3.1", [Package("r-base", "4.3.1", "conda")])))
    assert conda["r-base"]["purl"] == "pkg:conda/r-base@4.3.1"
    cran = components(report(lock=Lock("R", "R 4.3.1", [Package("data.table", "1.16.0", "cran")])))
    assert cran["data.table"]["purl"] == "pkg:cran/data.table@1.16.0"


def test_the_base_image() -> None:
    base = components(report())["docker.io/library/python"]
    assert (base["type"], base["version"]) == ("container", "3.12-slim")
    assert base["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    purl = "pkg:oci/python@sha256%3A" + "ab" * 32 + "?repository_url=docker.io/library/python&tag=3.12-slim"
    assert base["purl"] == purl
    assert "purl" not in components(report(base_digest=""))["docker.io/library/python"]
    for none in ("", "host"):
        bill = json.loads(cyclonedx(report(base=none, base_digest="")))
        assert not any(one["type"] == "container" for one in bill["components"])


def test_what_was_asked_for_and_what_was_installed() -> None:
    packages = {
        "apt": ["libgsl-dev", "curl=8.5.0-2"],
        "pip": [
            "alpha.beta>=1",
            "six",
            "pinned[x]==2.0 ; python_version > '3'",
            "u @ https://me:pw@example.org/u.whl",
        ],
        "conda": ["conda-forge::numpy=2.1", "python >=3.11,<3.13"],
        "cran": ["dplyr@1.1.4", "ggplot2"],
    }
    found = components(report(packages=packages, installed=[("six", "1.17.0")]), (("Alpha.Beta", "1.0+cpu"),))
    assert hows(found["Alpha_Beta"]) == ["asked for", "installed", "recorded"]
    assert (found["six"]["version"], hows(found["six"])) == ("1.17.0", ["asked for", "installed"])
    assert found["pinned"]["purl"] == "pkg:pypi/pinned@2.0"
    assert found["u"]["externalReferences"] == [{"type": "distribution", "url": "https://example.org/u.whl"}]
    assert found["numpy"]["purl"] == "pkg:conda/numpy@2.1"
    assert found["python"]["purl"] == "pkg:conda/python"
    assert found["dplyr"]["purl"] == "pkg:cran/dplyr@1.1.4"
    assert found["ggplot2"]["purl"] == "pkg:cran/ggplot2"
    assert found["curl"]["version"] == "8.5.0-2"
    assert "purl" not in found["libgsl-dev"]


def test_same_report_same_bytes_and_another_one_another_number() -> None:
    text = cyclonedx(report())
    assert text == cyclonedx(report(export="ffff", engine="docker", image="other", size=7, digest="sha256:0"))
    assert text != (other := cyclonedx(report(description="Another.")))
    assert json.loads(text)["serialNumber"] != json.loads(other)["serialNumber"]
    assert cyclonedx(report(), [("six", "1"), ("a", "2")]) == cyclonedx(report(), [("a", "2"), ("six", "1")])


@pytest.mark.parametrize("trace", ["ada-laptop", "/home", "secret-place", "t0ken", "user:", "127.0.0.1"])
def test_no_trace_of_the_machine(trace: str) -> None:
    assert trace not in cyclonedx(report()).decode()


def test_the_least() -> None:
    bill = json.loads(cyclonedx(report(lock=None, base="", base_digest="", description="")))
    assert bill["components"] == []
