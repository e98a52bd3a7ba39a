"""What is remembered between exports: findings by content and values, the digest of a base image."""

import os
import stat
from pathlib import Path

from nuvtui.model.export import Finding
from nuvtui.paths import Workspace
from nuvtui.services.applications import base_pins
from nuvtui.services.exports.guard_memory import GuardMemory

DIGEST = "sha256:" + "ab" * 32


def test_findings_are_remembered_for_the_same_content_and_values_only(tmp_path: Path) -> None:
    memory = GuardMemory(tmp_path)
    looked: list[str] = []

    def look(name: str) -> list[Finding]:
        looked.append(name)
        return [Finding("push", name, "holds something", key="k")]

    first = memory.findings("content-1", ["secret-value"], lambda: look("first"))
    assert memory.findings("content-1", ["secret-value"], lambda: look("again")) == first
    memory.findings("content-2", ["secret-value"], lambda: look("other content"))
    memory.findings("content-1", ["other-value"], lambda: look("other value"))
    memory.findings("content-1", [], lambda: look("no value"))
    assert looked == ["first", "other content", "other value", "no value"]


def test_no_value_is_in_the_memory_and_nobody_else_reads_it(tmp_path: Path) -> None:
    GuardMemory(tmp_path).findings("content", ["secret-value"], list)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        assert b"secret-value" not in path.read_bytes()
        assert "secret-value" not in path.name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / f"guard-{os.geteuid()}").stat().st_mode) == 0o700


def test_a_damaged_memory_costs_a_second_look_and_no_more(tmp_path: Path) -> None:
    memory = GuardMemory(tmp_path)
    found = [Finding("push", "a", "holds something")]
    memory.findings("content", [], lambda: found)
    for path in tmp_path.rglob("*.json"):
        path.write_bytes(b"\xff{")
    assert memory.findings("content", [], lambda: found) == found
    next(tmp_path.rglob("salt")).write_bytes(b"short")
    assert memory.findings("content", ["some-value"], lambda: found) == found


def test_a_pin_counts_for_its_image_alone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.applications.mkdir(parents=True)
    assert base_pins.read(workspace, "demo", "python:3.12") == ""
    base_pins.write(workspace, "demo", "python:3.12", DIGEST)
    assert base_pins.read(workspace, "demo", "python:3.12") == DIGEST
    assert base_pins.read(workspace, "demo", "python:3.13") == ""
    assert base_pins.read(workspace, "other", "python:3.12") == ""
    assert "Delete this file" in workspace.base_pin("demo").read_text()


def test_a_pin_file_that_is_none_is_no_pin(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.applications.mkdir(parents=True)
    for text in (
        "",
        "[",
        "base: 1",
        "base: {image: python:3.12}",
        "base: {image: python:3.12, digest: 'sha256:../x'}",
        "!!python/object/apply:os.system [exit]",
        f"base: {{image: 'python:3.12', digest: '{DIGEST}\\n'}}",
    ):
        workspace.base_pin("demo").write_text(text)
        assert base_pins.read(workspace, "demo", "python:3.12") == ""
