"""`exports verify`: the image is run as strangers run it, looked into, and built again; what is wrong is said in words."""

import json
import shutil
from pathlib import Path

import pytest

from nuvtui.services.exports import verification
from tests.exports.conftest import Study, passed
from tests.support.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


@pytest.fixture
def docker(study: Study, engine: Engine) -> Study:
    study.reach(engine)
    return study


def test_a_good_image_passes(docker: Study, engine: Engine, tiny_base: str) -> None:
    docker.application(tiny_base, ["/bin/sh", "-c", "id -u > result.txt; cat note.txt; touch /tmp/x"])
    docker.write("note.txt", "hello\n")
    record = docker.export("docker", with_files=True)
    before = engine.images(), engine.containers()
    checks = docker.verify(record)
    assert passed(checks)["run"] == "passed"
    assert set(passed(checks).values()) == {"passed"}
    assert verification.USER in checks["run"].text
    assert (engine.images(), engine.containers()) == before
    (kept,) = docker.records()
    assert kept.verification is not None
    assert kept.verification.passed


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo about to fail >&2; exit 3", ["exit code 3", "about to fail"]),
        ("nc -w 3 192.0.2.1 80 || exit 4", ["exit code 4", "unreachable"]),
        ("touch /usr/mine || exit 5", ["exit code 5", "Read-only file system"]),
        ("/no/such/program", ["exit code 127", "not found"]),
        ("test $(id -u) = 0", ["exit code 1", "It said nothing"]),
    ],
    ids=["fails", "network", "system", "program", "root"],
)
def test_what_is_wrong_is_said(docker: Study, tiny_base: str, command: str, words: list[str]) -> None:
    docker.application(tiny_base, ["/bin/sh", "-c", command])
    check = docker.verify(docker.export("docker"))["run"]
    assert check.status == "failed"
    for word in words:
        assert word in check.text


def test_a_program_that_is_not_there_cannot_be_started(docker: Study, tiny_base: str) -> None:
    docker.application(tiny_base, ["python3", "analysis.py"])
    check = docker.verify(docker.export("docker"))["run"]
    assert check.status == "failed"
    assert "python3" in check.text


def test_a_service_passes_where_it_answers(
    docker: Study, engine: Engine, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpd = ["/bin/httpd", "-f", "-p", "8080", "-h", "/files"]
    ask = ["/bin/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/index.html"]
    docker.application(tiny_base, httpd, ports=[8080], healthcheck=ask)
    docker.write("index.html", "<p>hello")
    good, bad = docker.export("docker", with_files=True), docker.export("docker")
    check = docker.verify(good)["run"]
    assert (check.status, "answers its health check" in check.text) == ("passed", True)
    # Without the files there is nothing to answer with.
    monkeypatch.setattr(verification, "RUN_SECONDS", 2.0)
    check = docker.verify(bad)["run"]
    assert (check.status, "no answer to its health check within 2 s" in check.text) == ("failed", True)
    assert engine.containers() == []


def test_what_never_ends_fails(
    docker: Study, engine: Engine, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.application(tiny_base, ["/bin/sh", "-c", "echo waiting; sleep 7300"])
    monkeypatch.setattr(verification, "RUN_SECONDS", 2.0)
    check = docker.verify(docker.export("docker"))["run"]
    assert check.status == "failed"
    assert "no end within 2 s" in check.text
    assert "waiting" in check.text
    assert engine.containers() == []


def test_built_again_it_is_the_same_image(
    docker: Study, engine: Engine, tiny_base: str, tiny_archive: str
) -> None:
    docker.write("a.txt", "a\n")
    for builder, image in (("docker", tiny_base), ("oci", tiny_archive)):
        docker.application(image, ["true"], setup=[])
        docker.world.table("t", "select 1 as a")
        record = docker.export(builder, with_files=True, tables=["t"], name=builder)
        before, listed = engine.images(), len(docker.records())
        check = docker.verify(record, again=True)["rebuild"]
        assert (check.status, record.image_id in check.text) == ("passed", True)
        assert engine.images() == before
        again = docker.records()[0]
        assert (len(docker.records()), again.status) == (listed + 1, "deleted")
        assert engine.inspect(record.image)["Id"] == record.image_id if builder == "docker" else True


def test_install_steps_that_were_not_run_again_are_told(
    docker: Study, engine: Engine, tiny_base: str
) -> None:
    docker.application(tiny_base, ["true"], setup=["cat /proc/sys/kernel/random/uuid > /stamp"])
    record = docker.export("docker")
    check = docker.verify(record, again=True)["rebuild"]
    assert check.status == "passed"
    assert "did not run them again" in check.text
    assert engine.inspect(record.image)["Id"] == record.image_id
    # Where they have to be run again, the image is another one, and what differs is named.
    engine.run("rmi", "--force", record.steps_image)
    engine.run("image", "prune", "--force")
    check = docker.verify(record, again=True)["rebuild"]
    assert (check.status, "different: packages" in check.text) == ("failed", True)
    assert engine.inspect(record.image)["Id"] == record.image_id


def test_a_package_of_the_lock_that_the_image_lacks_is_named(docker: Study, tiny_base: str) -> None:
    meta = docker.world.root() / "env" / "conda-meta"
    meta.mkdir(parents=True)
    (meta / "history").write_text("")
    for name, version in (("numpy", "2.1.0"), ("libblas", "3.9.0")):
        (meta / f"{name}-{version}-0.json").write_text(
            json.dumps({"name": name, "version": version, "build": "0", "channel": "conda-forge"})
        )
    docker.application(tiny_base, ["true"], environment="env", exclude=["env/"])
    record = docker.export("docker")
    check = docker.verify(record)["packages"]
    assert check.status == "failed"
    assert "numpy 2.1.0" in check.text
    assert "2 of 2" in check.text
    # One of them is in it, in another version.
    docker.application(
        tiny_base,
        ["true"],
        setup=["mkdir -p /opt/conda/conda-meta", "touch /opt/conda/conda-meta/numpy-2.0.0-0.json"],
    )
    check = docker.verify(docker.export("docker"))["packages"]
    assert (check.status, "1 in another version" in check.text) == ("failed", True)


def test_without_an_engine_it_is_looked_into(study: Study, engine: Engine, tiny_archive: str) -> None:
    study.application(tiny_archive, ["/bin/sh", "run.sh"])
    study.write("run.sh", "echo ran\n")
    good = study.export(with_files=True)
    checks = passed(study.verify(good))
    assert checks.pop("run") == "not done"
    assert {"packages", "libraries", "configuration"} <= set(checks)
    assert set(checks.values()) == {"passed"}
    # What an engine would only find out by running is found.
    study.application(tiny_archive, ["python3", "run.sh"])
    check = study.verify(study.export(with_files=True))["configuration"]
    assert (check.status, "python3" in check.text) == ("failed", True)
    study.application(tiny_archive, ["sh", "gone.sh"])
    check = study.verify(study.export(with_files=True))["configuration"]
    assert (check.status, "gone.sh" in check.text) == ("failed", True)
    for name, script, mode, problem in (
        ("run-me", "#!/bin/sh\necho ran\n", 0o755, ""),
        ("env", "#!/bin/sh\nexec $2\n", 0o755, ""),
        ("by-env", "#!/files/bin/env sh\necho ran\n", 0o755, ""),
        ("no-env", "#!/usr/bin/env sh\necho ran\n", 0o755, "the interpreter /usr/bin/env"),
        ("gone", "", 0o755, "./gone, which is not in it"),
        ("plain", "#!/bin/sh\n", 0o644, "chmod +x"),
        ("windows", "#!/bin/sh\r\necho ran\r\n", 0o755, "CR LF"),
        ("other", "#!/usr/bin/tclsh\n", 0o755, "the interpreter /usr/bin/tclsh"),
        ("loop", "#!/files/bin/env loop\n", 0o755, "without end"),
        ("env-other", "#!/files/bin/env tclsh\n", 0o755, "needs tclsh"),
    ):
        if script:
            study.write(f"bin/{name}", script, mode)
        path = {"PATH": "/files/bin:/bin"} if name == "loop" else {}
        study.application(tiny_archive, [f"./{name}"], workdir="/files/bin", variables=path)
        check = study.verify(study.export(with_files=True))["configuration"]
        assert (check.status, problem in check.text) == ("failed" if problem else "passed", True), check
    shutil.copy("/bin/ls", study.world.root() / "tool")
    study.application(tiny_archive, ["./tool"], workdir="/files", variables={})
    check = study.verify(study.export(with_files=True))["libraries"]
    assert (check.status, "tool needs libc.so.6" in check.text) == ("failed", True)
    # Where an engine answers, it is run there, and nothing of it stays.
    study.reach(engine)
    before = engine.images(), engine.image_ids()
    check = study.verify(good)["run"]
    assert (check.status, "ends well" in check.text) == ("passed", True)
    assert (engine.images(), engine.image_ids()) == before


def test_from_the_command_line(docker: Study, engine: Engine, tiny_base: str, tmp_path: Path) -> None:
    docker.application(tiny_base, ["/bin/sh", "-c", "exit 3"])
    nuvtui = docker.cli(DOCKER_HOST=engine.url)
    export = nuvtui.json("exports", "create", "demo", "--verify")
    assert export["status"] == "completed"
    assert any("exit code 3" in warning for warning in export["warnings"])
    said = nuvtui.run("exports", "verify", export["id"], code=1)
    assert "failed: run: its command ends with exit code 3" in said.stdout
    # An image that does not run is not pushed.
    refused = nuvtui.run("exports", "create", "demo", "--verify", "--push", code=1)
    assert "not pushed" in refused.stderr
    docker.application(tiny_base, ["true"])
    export = nuvtui.json("exports", "create", "demo", "--verify", "--push")
    assert export["pushed"] is True
    said = nuvtui.run("exports", "verify", export["id"], "--rebuild")
    assert "passed: rebuild" in said.stdout
    nuvtui.run("exports", "delete", export["id"], "--yes")
