"""The search for an engine: order, named problems, a limit on the time, nothing silently replaced."""

import contextlib
import hashlib
import http.server
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images.engine import discovery
from nuvtui.images.engine.client import Endpoint
from nuvtui.images.engine.discovery import discover
from tests.images.engine.scripted import Scripted, scripted, whole
from tests.support.engine import Engine
from tests.support.registry import certificate
from tests.support.waiting import PATIENCE

PATIENT = Settings(engine_timeout=PATIENCE)
QUICK = Settings(engine_timeout=1.0)
"""For what never answers."""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Scripted]:
    with scripted(tmp_path) as engine:
        engine.answers["GET /version"] = whole({"Version": "27.1", "Components": [{"Name": "Engine"}]})
        yield engine


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[str]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "h.sock"))
    listener.listen(5)
    yield f"unix://{tmp_path}/h.sock"
    listener.close()


def test_named_engine_or_a_finding(fake: Scripted, hanging: str, tmp_path: Path) -> None:
    found = discover(PATIENT, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)})
    assert found.required().name == "docker"
    assert found.finding().text == f"Docker Engine 27.1 at {fake.url}, found by DOCKER_HOST"

    found = discover(QUICK, {"DOCKER_HOST": hanging, "HOME": str(tmp_path)})
    assert found.engine is None
    assert found.finding().level == "warning"
    assert "does not answer (waited 1 s)" in found.finding().text
    assert "`oci` is used" in found.finding().text
    assert "engine_timeout" in found.finding().hint
    with pytest.raises(NuvError) as refusal:
        found.required()
    assert refusal.value.exit_code == Exit.REFUSED
    assert hanging in refusal.value.message

    for host, said in (
        (f"unix://{tmp_path}/none.sock", "there is no such socket"),
        ("tcp://127.0.0.1:1", "connection refused"),
        ("ssh://ada:word@host", "a password in an ssh:// address is not used"),
        ("nonsense://x", "expected unix://"),
    ):
        assert said in discover(PATIENT, {"DOCKER_HOST": host, "HOME": str(tmp_path)}).finding().text


def test_socket_that_may_not_be_used(fake: Scripted, tmp_path: Path) -> None:
    not_http = tmp_path / "n.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(not_http))
    assert (
        "connection refused"
        in discover(PATIENT, {"DOCKER_HOST": f"unix://{not_http}", "HOME": str(tmp_path)}).finding().text
    )
    listener.close()
    fake.answers["GET /version"] = whole({"message": "not allowed"}, "403 Forbidden")
    assert discover(PATIENT, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)}).finding().text == (
        f"A Docker-compatible engine at {fake.url}, found by DOCKER_HOST"
    )
    fake.answers["GET /_ping"] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    assert (
        "500 Internal" in discover(PATIENT, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)}).finding().text
    )
    fake.answers["GET /version"] = b"SSH-2.0-OpenSSH\r\n\r\n"
    assert "not HTTP" in discover(PATIENT, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)}).finding().text


def test_context_of_the_command_line(fake: Scripted, tmp_path: Path) -> None:
    config = tmp_path / ".docker"
    meta = config / "contexts" / "meta" / hashlib.sha256(b"lab").hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": "lab", "Endpoints": {"docker": {"Host": fake.url}}}))
    (config / "config.json").write_text('{"currentContext": "lab"}')
    found = discover(PATIENT, {"HOME": str(tmp_path)})
    assert found.finding().text == f"Docker Engine 27.1 at {fake.url}, found by Docker context lab"
    (config / "config.json").write_text('{"currentContext": "gone"}')
    assert (
        "Docker context gone: it is not set up" in discover(PATIENT, {"HOME": str(tmp_path)}).finding().text
    )


def test_usual_sockets_in_their_order(tmp_path: Path) -> None:
    environ = {"HOME": "/home/ada", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert [place.label for place in discovery.places(environ)] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///home/ada/.docker/run/docker.sock",
        "unix:///home/ada/.docker/desktop/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_first_of_the_usual_sockets_is_taken_and_none_holds_it_up(
    fake: Scripted, hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(url: str) -> discovery.Place:
        return discovery.Place(url, Endpoint(url))

    none = f"unix://{tmp_path}/none.sock"
    monkeypatch.setattr(discovery, "places", lambda _: [place(none), place(fake.url), place(hanging)])
    found = discover(PATIENT, {})
    assert found.finding().text == f"Docker Engine 27.1 at {fake.url}, found by a usual socket"
    assert [attempt.where for attempt in found.tried] == [none]

    monkeypatch.setattr(discovery, "places", lambda _: [place(fake.url), place(hanging), place(fake.url)])
    found = discover(QUICK, {}, all_answers=True)
    assert [attempt.where for attempt in found.tried] == [hanging]
    assert found.others == (f"Docker Engine 27.1 at {fake.url}",)

    monkeypatch.setattr(discovery, "places", lambda _: [place(none), place(hanging)])
    finding = discover(QUICK, {}).finding()
    assert finding.level == "note"
    assert f"{none}: there is no such socket; {hanging}: it accepts connections" in finding.text


def test_an_engine_that_drips_is_given_up_in_time(fake: Scripted, tmp_path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)

    fake.answers["GET /version"] = drip
    found = discover(QUICK, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)})
    assert "does not answer (waited 1 s)" in found.finding().text


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """URL of an engine over TLS that wants a client's certificate, and a folder with one and the CA."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Version": "27.1", "Components": [{"Name": "Engine"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    folder = tmp_path / "certificates"
    folder.mkdir()
    ca, cert, key = certificate(folder)
    for name, file in (("ca.pem", ca), ("cert.pem", cert), ("key.pem", key)):
        if file.name != name:
            shutil.copy(file, folder / name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_engine_over_tls(secured: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = secured
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none"))  # not the engine's
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    environ = {
        "DOCKER_HOST": url, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder), "HOME": str(tmp_path),
    }  # fmt: skip
    assert discover(PATIENT, environ).finding().text == f"Docker Engine 27.1 at {url}, found by DOCKER_HOST"
    (folder / "cert.pem").rename(folder / "away.pem")
    assert discover(PATIENT, environ).engine is None
    (folder / "away.pem").rename(folder / "cert.pem")
    (folder / "ca.pem").unlink()
    assert "certificate verify failed" in discover(PATIENT, environ).finding().text
    (folder / "key.pem").unlink()
    assert f"its certificates in {folder} cannot be used" in discover(PATIENT, environ).finding().text


def test_settings_of_the_command_line_that_are_broken(
    fake: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"r.example": "nonsense"}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    text = discover(PATIENT, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)}).finding().text
    assert "docker's client does not start: InvalidConfigFile" in text


def test_an_engine_leads_nowhere_else(fake: Scripted, tmp_path: Path) -> None:
    fake.answers["GET /version"] = (
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    )
    found = discover(PATIENT, {"DOCKER_HOST": fake.url, "HOME": str(tmp_path)})
    assert "redirect" in found.finding().text


def test_real_engine(engine: Engine) -> None:
    found = discover(PATIENT, {"DOCKER_HOST": engine.url, "HOME": "/nonexistent"})
    assert found.product.name == "Docker Engine"
    assert found.product.version
    assert found.required().inspect("no-such-image:1") is None
