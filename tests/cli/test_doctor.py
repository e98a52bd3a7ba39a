"""`doctor` says which engine exports would use, where else one was looked for, and how it builds."""

from pathlib import Path
from typing import Any

from tests.support.cli import Nuvtui
from tests.support.engine import Engine


def texts(findings: list[dict[str, Any]], subject: str) -> list[str]:
    return [finding["text"] for finding in findings if finding["subject"] == subject]


def test_an_engine_that_answers(engine: Engine, tmp_path: Path) -> None:
    nuvtui = Nuvtui(tmp_path, {"NUVTUI_HOME": str(tmp_path / "home"), **engine.environment()})
    findings = nuvtui.json("doctor")
    (said,) = texts(findings, "engine")
    assert said.startswith("Docker Engine ")
    assert said.endswith(f" at {engine.url}, found by DOCKER_HOST")
    assert len(texts(findings, "buildx")) == 1
    assert texts(findings, "oci") == ["built in, needs no engine and no root: always there"]
    assert "found by DOCKER_HOST" in nuvtui.run("doctor").stdout


def test_no_engine_at_all(tmp_path: Path) -> None:
    nuvtui = Nuvtui(
        tmp_path, {"NUVTUI_HOME": str(tmp_path / "home"), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    )
    findings = nuvtui.json("doctor")
    (said,) = texts(findings, "engine")
    assert f"unix://{tmp_path}/none.sock: there is no such socket" in said
    assert texts(findings, "buildx") == []
    assert texts(findings, "oci")[0].endswith("exports use it")
    nuvtui.environment["NUVTUI_ENGINE"] = "docker"
    assert "the setting engine asks for docker, and no engine answers" in texts(
        nuvtui.json("doctor"), "engine"
    )
