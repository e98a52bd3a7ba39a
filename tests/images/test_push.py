"""Push to a real registry: accepted, denied, contradicted, cancelled; archives; deletion of tags."""

import base64
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.engine.client import Endpoint
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.reference import is_public
from nuvtui.images.registry.credentials import Credentials, credentials
from nuvtui.images.registry.tags import head_digest
from tests.images.engine.scripted import END, HEAD, ID, Scripted, chunk, line, scripted, whole
from tests.images.project import Project, Recorder, application
from tests.images.project import built as build
from tests.support.engine import Engine
from tests.support.registry import Registry


@pytest.fixture
def docker(engine: Engine) -> DockerEngine:
    engine.remove_images()
    return DockerEngine(Endpoint(engine.url), "host")


def built(docker: DockerEngine, base: str, folder: Path, image: str, size: int = 1000) -> str:
    project = Project(folder)
    project.write("data.bin", os.urandom(size))
    project.write("run.sh", "#!/bin/sh\necho ran\n", 0o755)
    recipe = project.recipe(application(base, command=["./run.sh"]), image=image)
    return build(docker, project, recipe)


def test_pushed_image_runs_in_another_engine_and_can_be_deleted(
    docker: DockerEngine, tiny_base: str, registry: Registry, second_engine: Engine, tmp_path: Path
) -> None:
    from nuvtui.images.registry.tags import delete_tag, head_digest

    image = f"{registry.host}/ada/study:1"
    built(docker, tiny_base, tmp_path, image)
    reporter = Recorder()
    digest = docker.push(image, None, reporter)
    assert digest == registry.digest("ada/study", "1") == head_digest(image, None)
    assert "Pushed" in reporter.text
    second = DockerEngine(Endpoint(second_engine.url))
    facts = second.pull_if_missing(f"{registry.host}/ada/study@{digest}", None, Recorder())
    assert facts.digests == [f"{registry.host}/ada/study@{digest}"]
    assert second_engine.ran(facts.id, user="54321") == (0, b"ran\n")

    docker.tag(image, f"{registry.host}/ada/study:2")
    docker.push(f"{registry.host}/ada/study:2", None, Recorder())
    left = delete_tag(image, None)
    assert (left.deleted, "2 share its image" in left.said) == (False, True)
    assert sorted(registry.tags("ada/study")) == ["1", "2"]

    other = f"{registry.host}/ada/other:1"
    built(docker, tiny_base, tmp_path, other)
    docker.push(other, None, Recorder())
    gone = delete_tag(other, None)
    assert gone.deleted, gone.said
    assert registry.digest("ada/other", "1") is None
    assert delete_tag(other, None).deleted
    assert docker.remove(other)
    assert not docker.remove(other)


def test_sign_in_is_used_and_appears_nowhere(
    docker: DockerEngine,
    tiny_base: str,
    signed_registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = f"{signed_registry.host}/ada/signed:1"
    built(docker, tiny_base, tmp_path, image)
    assert credentials(signed_registry.host) is None
    monkeypatch.setenv("DOCKER_CONFIG", str(signed_registry.docker_config(tmp_path / "cli")))
    auth = credentials(signed_registry.host)
    assert auth is not None
    assert auth.username == signed_registry.user
    assert signed_registry.password not in repr(auth)
    reporter = Recorder()
    digest = docker.push(image, auth, reporter)
    assert signed_registry.digest("ada/signed", "1") == digest
    assert head_digest(image, auth) == digest
    assert signed_registry.password not in reporter.text


def test_sign_in_from_a_credential_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(
        '#!/bin/sh\ncat >/dev/null\necho \'{"ServerURL":"r.example","Username":"ada","Secret":"pw-1"}\'\n'
    )
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credHelpers": {"r.example": "test"}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = credentials("r.example")
    assert found is not None
    assert (found.username, found.password) == ("ada", "pw-1")
    helper.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    with pytest.raises(NuvError, match="cannot be read"):
        credentials("r.example")


@pytest.mark.parametrize("password", ["wrong-password-77", None])
def test_denied_push_is_told_with_what_to_do(
    docker: DockerEngine, tiny_base: str, signed_registry: Registry, tmp_path: Path, password: str | None
) -> None:
    image = f"{signed_registry.host}/ada/denied:1"
    built(docker, tiny_base, tmp_path, image)
    auth = Credentials(signed_registry.host, signed_registry.user, password) if password else None
    reporter = Recorder()
    with pytest.raises(NuvError) as failure:
        docker.push(image, auth, reporter)
    assert "docker login" in failure.value.hint
    assert "wrong-password" not in str(failure.value) + failure.value.hint + reporter.text
    assert signed_registry.digest("ada/denied", "1") is None


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Scripted]:
    with scripted(tmp_path) as engine:
        engine.answers["GET /info"] = whole({})
        engine.answers["GET /version"] = whole({"Version": "1"})
        yield engine


def test_push_denied_after_some_layers_and_digest_that_differs(fake: Scripted, registry: Registry) -> None:
    image = f"{registry.host}/ada/never:1"
    layers = chunk(line(status="Pushing", id="a", progressDetail={"current": 5, "total": 9})) + chunk(
        line(status="Pushed", id="a")
    )
    docker = DockerEngine(Endpoint(fake.url))
    fake.answers["POST /images"] = (
        HEAD + layers + chunk(line(error="denied: requested access to the resource is denied")) + END
    )
    with pytest.raises(NuvError, match="denied") as failure:
        docker.push(image, None, Recorder())
    assert "docker login" in failure.value.hint
    fake.answers["POST /images"] = HEAD + layers + END
    with pytest.raises(NuvError, match="without naming a digest"):
        docker.push(image, None, Recorder())
    fake.answers["POST /images"] = (
        HEAD + layers + chunk(line(aux={"Tag": "1", "Digest": ID, "Size": 5})) + END
    )
    with pytest.raises(NuvError, match="the registry has something else"):
        docker.push(image, None, Recorder())


def test_archive_loads_into_another_engine(
    docker: DockerEngine, tiny_base: str, second_engine: Engine, tmp_path: Path
) -> None:
    image = "127.0.0.1:1/ada/archived:1"
    identifier = built(docker, tiny_base, tmp_path, image)
    archive = tmp_path / "study.tar"
    docker.save(image, archive, Recorder())
    second = DockerEngine(Endpoint(second_engine.url))
    assert second.load(archive, Recorder()) == [image]
    assert second.inspect(image).id == identifier  # type: ignore[union-attr]
    assert second_engine.ran(image, user="54321") == (0, b"ran\n")
    archive.write_bytes(b"not an archive")
    with pytest.raises(NuvError, match="cannot be loaded"):
        second.load(archive, Recorder())


def test_archive_that_breaks_off_leaves_nothing(fake: Scripted, tmp_path: Path) -> None:
    fake.answers["GET /images/x:1/json"] = whole({"Id": ID, "Size": 100})
    fake.answers["GET /images/x:1/get"] = HEAD + chunk(b"x" * 5000)
    target = tmp_path / "out" / "a.tar"
    target.parent.mkdir()
    with pytest.raises(NuvError, match="connection to the engine was lost"):
        DockerEngine(Endpoint(fake.url)).save("x:1", target, Recorder())
    fake.answers["GET /images/x:1/get"] = HEAD + chunk(b"x" * 5000) + END
    with pytest.raises(NuvError, match="incomplete"):
        DockerEngine(Endpoint(fake.url)).save("x:1", target, Recorder())
    assert list(target.parent.iterdir()) == []


def test_is_public_unless_named_private() -> None:
    private = ["registry.example:5000", "hub.example/team"]
    assert is_public("docker.io", private)
    assert is_public("docker.io/ada", private)
    assert not is_public("registry.example:5000/any/thing", private)
    assert is_public("registry.example", private)
    assert not is_public("hub.example/team/x", private)
    assert is_public("hub.example/team2", private)
    assert is_public("127.0.0.1:5000", private)


def test_base_from_a_registry_is_pinned_by_its_digest(
    docker: DockerEngine, tiny_base: str, registry: Registry, tmp_path: Path
) -> None:
    base = f"{registry.host}/ada/base:1"
    docker.tag(tiny_base, base)
    digest = docker.push(base, None, Recorder())
    assert docker.base_digest(base) == digest
    assert docker.base_digest(tiny_base) == ""
    project = Project(tmp_path)
    recipe = project.recipe(application(base, command=["true"]), base_digest=docker.base_digest(base))
    assert recipe.base == f"{registry.host}/ada/base@{digest}"
    image = build(docker, project, recipe)
    facts = docker.inspect(image)
    assert facts is not None
    assert facts.labels["org.opencontainers.image.base.digest"] == digest
    with pytest.raises(NuvError, match="cannot be pulled"):
        docker.pull_if_missing(f"{registry.host}/ada/none:1", None, Recorder())


class Tokens(BaseHTTPRequestHandler):
    """A registry with token authentication, as the big ones have it."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        port = self.server.server_address[1]
        if self.path.startswith("/token"):
            good = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"ada:pw").decode()
            return self._say(200 if good else 401, {}, b'{"token": "t0ken"}')
        if self.headers.get("Authorization") != "Bearer t0ken":
            challenge = (
                f'Bearer realm="http://127.0.0.1:{port}/token",service="s",scope="repository:a/b:pull"'
            )
            return self._say(401, {"WWW-Authenticate": challenge}, b"")
        return self._say(200, {"Docker-Content-Digest": ID}, b"")

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def test_token_sign_in_ignores_netrc(tmp_path: Path) -> None:
    Tokens.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        host = f"127.0.0.1:{server.server_address[1]}"
        netrc = Path(os.environ["HOME"]) / ".netrc"
        netrc.write_text("machine 127.0.0.1 login evil password netrc-password\n")
        netrc.chmod(0o600)
        assert head_digest(f"{host}/a/b:1", Credentials(host, "ada", "pw")) == ID
        with pytest.raises(NuvError, match="sign-in was refused"):
            head_digest(f"{host}/a/b:1", Credentials(host, "ada", "other"))
        with pytest.raises(NuvError, match="sign-in was refused"):
            head_digest(f"{host}/a/b:1", None)
    finally:
        server.shutdown()
        server.server_close()
    assert Tokens.seen[1][0] == "/token?service=s&scope=repository%3Aa%2Fb%3Apull"
    assert base64.b64encode(b"evil:netrc-password").decode() not in str(Tokens.seen)


def test_cancelled_push_leaves_no_tag(
    docker: DockerEngine, tiny_base: str, registry: Registry, tmp_path: Path
) -> None:
    image = f"{registry.host}/ada/cancelled:1"
    built(docker, tiny_base, tmp_path, image, size=60_000_000)
    reporter = Recorder(lambda r: b"Pushing" in r.output)
    with pytest.raises(Cancelled):
        docker.push(image, None, reporter)
    assert registry.digest("ada/cancelled", "1") is None
