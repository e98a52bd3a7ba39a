"""A registry that asks for a sign-in and speaks TLS with a certificate of the site's own authority."""

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.conftest import STRANGER, Make, Study
from tests.services.helpers import refused
from tests.support import search
from tests.support.engine import Engine
from tests.support.registry import Registry, missing

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


@pytest.fixture(scope="module")
def tls() -> Iterator[Registry]:
    if reason := missing():
        pytest.skip(reason)
    server = Registry(signed=True, tls=True)
    yield server
    server.stop()


class Watch:
    """Looks at the command line of every process of this machine, all the time."""

    def __init__(self, *words: str) -> None:
        self._words = [word.encode() for word in words]
        self.looks, self.programs = 0, set[bytes]()
        self.seen: list[bytes] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._ended.is_set():
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    line = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                self.programs.add(line)
                self.seen += [line for word in self._words if word in line]
            self.looks += 1

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def project(make_study: Make, tls: Registry, tiny_archive: str) -> Study:
    study = make_study(registry=f"{tls.host}/lab", private_registries=[tls.host])
    study.application(tiny_archive, ["cat", "note.txt"])
    study.write("note.txt", "of the river\n")
    return study


def test_it_is_pushed_and_the_password_is_nowhere(
    project: Study, tls: Registry, engine: Engine, tmp_path: Path
) -> None:
    word = base64.b64encode(f"{tls.user}:{tls.password}".encode()).decode()
    config = tls.docker_config(tmp_path / "docker")
    project.write("big.bin", os.urandom(20 << 20))
    nuvtui = project.cli(DOCKER_CONFIG=str(config), NUVTUI_CA_BUNDLE=str(tls.ca))
    with Watch(tls.password, word) as watch:
        export = nuvtui.json("exports", "create", "demo", "--with-files", "--engine", "oci", "--push")
    assert export["pushed"] is True
    repository, _, tag = export["image"].removeprefix(f"{tls.host}/").rpartition(":")
    assert tls.digest(repository, tag) == export["digest"]
    assert watch.looks > 3
    assert [line for line in watch.programs if b"exports\0create" in line], "nuvtui itself was looked at"
    assert watch.seen == []
    home = project.world.home.root
    texts = [file for file in home.rglob("*") if file.is_file() and "objects" not in file.parts]
    names = {file.name for file in texts}
    assert {"state.json", "events.jsonl", "build.log", "report.json"} <= names
    for file in texts:
        if file.stat().st_size < 8 << 20:
            assert search.in_bytes(file.read_bytes(), [tls.password, word], str(file)) == []
    log = (home / "tasks" / export["task"] / "build.log").read_text()
    assert "pushed" in log
    # Somebody else builds upon it, which takes sign-in and TLS as well.
    pulled = f"{tls.host}/{repository}@{export['digest']}"
    project.application(pulled, ["cat", "/files/note.txt"])
    (project.world.root() / "big.bin").unlink()
    on_top = nuvtui.json("exports", "create", "demo", "--engine", "oci", "--output", tmp_path / "x.tar")
    assert on_top["base_digest"] == export["digest"]
    engine.run("load", "--input", str(tmp_path / "x.tar"))
    assert engine.text("run", "--rm", *STRANGER, on_top["image"]) == "of the river"
    engine.run("rmi", on_top["image"])
    nuvtui.run("exports", "delete", export["id"], "--yes")
    assert tls.digest(repository, tag) is None


def test_without_trust_or_sign_in_it_is_refused_in_words(
    project: Study, tls: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tls.repositories()
    project.sign_in(tls)
    with refused(1, "certificate", "ca_bundle"):
        project.export(push=True)
    monkeypatch.setenv("NUVTUI_CA_BUNDLE", str(tls.ca))
    config = tmp_path / "docker"
    nuvtui = project.cli(NUVTUI_CA_BUNDLE=str(tls.ca), DOCKER_CONFIG=str(config))
    said = nuvtui.run("exports", "create", "demo", "--engine", "oci", "--push", code=1)
    assert f"docker login {tls.host}" in said.stderr
    wrong = "wr0ng-password-of-nobody-77"
    right, tls.password = tls.password, wrong
    try:
        tls.docker_config(config)
    finally:
        tls.password = right
    said = nuvtui.run("exports", "create", "demo", "--engine", "oci", "--push", code=1)
    assert tls.host in said.stderr
    word = base64.b64encode(f"{tls.user}:{wrong}".encode()).decode()
    assert search.in_bytes((said.stdout + said.stderr).encode(), [wrong, word], "said") == []
    for file in project.world.home.root.rglob("*"):
        if file.is_file() and "objects" not in file.parts:
            assert search.in_bytes(file.read_bytes(), [wrong, word], str(file)) == []
    assert {(record.status, record.failed_stage, record.pushed) for record in project.records()} == {
        ("failed", "push", False)
    }
    assert tls.repositories() == before
    # Nothing of what failed is kept.
    images = project.world.home.images / "index.json"
    assert f"{tls.host}/lab" not in images.read_text()
