"""The search for an engine: order, named problems, a limit on the time, nothing silently replaced."""

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import engines
from nuvtui.images.engines import discover
from tests.images.scripted import Scripted, scripted
from tests.support.engine import Engine

QUICK = Settings(engine_timeout=0.5)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Scripted]:
    with scripted(tmp_path) as engine:
        yield engine


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[str]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "h.sock"))
    listener.listen(5)
    yield f"unix://{tmp_path}/h.sock"
    listener.close()


def test_named_engine_or_a_finding(fake: Scripted, hanging: str, tmp_path: Path) -> None:
    found = discover(QUICK, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)})
    assert found.required().name == "docker"
    assert found.where == f"DOCKER_HOST {fake.url}"

    found = discover(QUICK, {"DOCKER_HOST": hanging, "HOME": str(tmp_path)})
    assert found.engine is None
    assert found.finding().level == "stop"
    assert "does not answer (waited 0.5 s)" in found.finding().text
    with pytest.raises(NuvError) as refusal:
        found.required()
    assert refusal.value.exit_code == Exit.REFUSED
    assert hanging in refusal.value.message

    for host, said in (
        (f"unix://{tmp_path}/none.sock", "there is no such socket"),
        ("tcp://127.0.0.1:1", "connection refused"),
        ("ssh://ada@host", "ssh -L"),
        ("nonsense://x", "expected unix://"),
    ):
        assert said in discover(QUICK, {"DOCKER_HOST": host, "HOME": str(tmp_path)}).finding().text


def test_socket_that_may_not_be_used(fake: Scripted, tmp_path: Path) -> None:
    not_http = tmp_path / "n.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(not_http))
    assert (
        "connection refused"
        in discover(QUICK, {"DOCKER_HOST": f"unix://{not_http}", "HOME": str(tmp_path)}).finding().text
    )
    listener.close()
    fake.answers["GET /_ping"] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    assert "500 Internal" in discover(QUICK, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)}).finding().text
    fake.answers["GET /_ping"] = b"SSH-2.0-OpenSSH\r\n\r\n"
    assert "not HTTP" in discover(QUICK, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)}).finding().text


def test_context_of_the_command_line(fake: Scripted, tmp_path: Path) -> None:
    config = tmp_path / ".docker"
    meta = config / "contexts" / "meta" / hashlib.sha256(b"lab").hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": "lab", "Endpoints": {"docker": {"Host": fake.url}}}))
    (config / "config.json").write_text('{"currentContext": "lab"}')
    found = discover(QUICK, {"HOME": str(tmp_path)})
    assert found.where == f"Docker context lab {fake.url}"
    (config / "config.json").write_text('{"currentContext": "gone"}')
    assert "Docker context gone: it is not set up" in discover(QUICK, {"HOME": str(tmp_path)}).finding().text


def test_usual_sockets_in_their_order(tmp_path: Path) -> None:
    environ = {"HOME": "/home/ada", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert [place.label for place in engines.places(environ)] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///home/ada/.docker/run/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_real_engine(engine: Engine) -> None:
    found = discover(
        Settings(engine_timeout=5), {"DOCKER_HOST": engine.url, "HOME": "/nonexistent"}
    ).required()
    info = found.info()
    assert info.name == "Docker Engine"
    assert info.version
    assert found.inspect("no-such-image:1") is None
