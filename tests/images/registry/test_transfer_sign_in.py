"""Sign-in to a registry: password, token, TLS; and that a secret goes nowhere but where it belongs."""

import base64
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.images.registry import pull as registry_pull
from nuvtui.images.registry import push as registry_push
from nuvtui.images.registry.credentials import Credentials
from nuvtui.images.registry.pull import Pulled, resolve
from nuvtui.images.registry.tags import head_digest
from nuvtui.reporter import Silent
from tests.images.project import Recorder
from tests.images.registry.handmade import AMD64, INDEX, Image, Sink, image
from tests.images.registry.scripted_registry import ScriptedRegistry, refusal, scripted_registry
from tests.images.registry.tokens import Tokens, tokens
from tests.support.registry import PASSWORD, USER, Registry, missing

SETTINGS = Settings()
WRONG = "wrong-password-88"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        yield registry


def push(
    made: Image,
    reference: str,
    auth: Credentials | None,
    reporter: Silent | None = None,
    settings: Settings = SETTINGS,
    mount_from: tuple[str, ...] = (),
) -> str:
    arguments = (reference, made.manifest, made.media_type, made.descriptors, made, auth)
    return registry_push.push(*arguments, reporter or Silent(), settings, mount_from=mount_from)


def pull(reference: str, auth: Credentials | None, folder: Path, settings: Settings = SETTINGS) -> Pulled:
    return registry_pull.pull(reference, AMD64, auth, Sink(folder), Silent(), settings)


def shown(error: BaseException) -> str:
    """All that is ever seen of `error`, the chain and what the errors are made of included."""
    text, chain = "".join(traceback.format_exception(error)), error
    while chain:
        text += repr(chain) + str(chain.args) + str(getattr(chain, "hint", ""))
        chain = chain.__cause__ or chain.__context__  # type: ignore[assignment]
    return text


def test_password_is_used_and_appears_nowhere(signed_registry: Registry, tmp_path: Path) -> None:
    reference = f"{signed_registry.host}/ada/free-hand:1"
    auth = Credentials(signed_registry.host, USER, PASSWORD)
    made = image(3_000_000)
    lines: list[bytes] = []

    def look(_: Recorder) -> bool:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(file.read_bytes())
            except OSError:
                continue
        return False

    told = Recorder(look)
    assert push(made, reference, auth, told) == signed_registry.digest("ada/free-hand", "1")
    assert pull(reference, auth, tmp_path / "sink").digest == made.digest
    assert lines
    for secret in (PASSWORD, BASIC):
        assert secret.encode() not in b"".join(lines)
        assert secret not in told.text + repr(auth) + str(told.progresses)


@pytest.mark.parametrize("password", [WRONG, None])
def test_refused_sign_in_says_what_to_do(
    signed_registry: Registry, tmp_path: Path, password: str | None
) -> None:
    reference = f"{signed_registry.host}/ada/refused:1"
    auth = Credentials(signed_registry.host, USER, password) if password else None
    told = Recorder()
    for action in (
        lambda: push(image(10), reference, auth, told),
        lambda: pull(reference, auth, tmp_path / "sink"),
        lambda: resolve(reference, AMD64, auth, SETTINGS),
        lambda: head_digest(reference, auth),
    ):
        with pytest.raises(NuvError, match="the sign-in was refused") as failure:
            action()
        assert f"docker login {signed_registry.host}" in failure.value.hint
        assert WRONG not in shown(failure.value) + told.text
        assert base64.b64encode(f"{USER}:{password}".encode()).decode() not in shown(failure.value)
    assert signed_registry.digest("ada/refused", "1") is None


def test_certificate_of_an_own_ca(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    registry = Registry(tls=True)
    try:
        reference = f"{registry.host}/ada/tls:1"
        made = image(100_000)
        settings = Settings(ca_bundle=str(registry.ca))
        assert push(made, reference, None, settings=settings) == made.digest
        assert pull(reference, None, tmp_path / "sink", settings).digest == made.digest
        assert head_digest(reference, None, settings=settings) == made.digest
        with pytest.raises(NuvError, match="certificate is not accepted") as failure:
            pull(reference, None, tmp_path / "sink")
        assert "ca_bundle" in failure.value.hint
        with pytest.raises(NuvError, match="certificate is not accepted"):
            push(made, reference, None)
        with pytest.raises(NuvError, match="cannot be read"):
            pull(reference, None, tmp_path / "sink", Settings(ca_bundle=str(tmp_path / "none.pem")))
    finally:
        registry.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Tokens]:
    with tokens(tmp_path) as found:
        yield found


@pytest.fixture
def token_registry(service: Tokens) -> Iterator[Registry]:
    if reason := missing():
        pytest.skip(reason)
    registry = Registry(auth=service.auth)
    try:
        yield registry
    finally:
        registry.stop()


def test_tokens(service: Tokens, token_registry: Registry, tmp_path: Path) -> None:
    host = token_registry.host
    auth = Credentials(host, USER, PASSWORD)
    made = image(200_000)
    push(made, f"{host}/ada/base:1", auth)
    assert service.scopes == [["repository:ada/base:pull,push"]]
    service.scopes.clear()
    told = Recorder()
    push(made, f"{host}/ada/study:1", auth, told, mount_from=("ada/base",))
    assert service.scopes == [["repository:ada/study:pull,push", "repository:ada/base:pull"]]
    assert "… mounted\n" in told.text
    service.scopes.clear()
    assert pull(f"{host}/ada/study:1", auth, tmp_path / "sink").digest == made.digest
    assert service.scopes == [["repository:ada/study:pull"]]

    with pytest.raises(NuvError, match="the sign-in was refused") as failure:
        push(made, f"{host}/ada/study:1", Credentials(host, USER, WRONG))
    assert WRONG not in shown(failure.value)
    service.denied.add("ada/secret")
    for action in (
        lambda: push(made, f"{host}/ada/secret:1", auth),
        lambda: pull(f"{host}/ada/secret:1", auth, tmp_path / "sink"),
    ):
        with pytest.raises(NuvError, match="the registry does not let you pu") as failure:
            action()
        assert "docker login" in failure.value.hint


def test_token_that_runs_out_in_the_middle(service: Tokens, scripted: ScriptedRegistry) -> None:
    realm = f'Bearer realm="http://{service.host}/token",service="tests",scope="repository:x:pull,push"'
    challenge = (401, {"WWW-Authenticate": f'{realm},error="invalid_token"'}, b"")
    scripted.faults += [("^HEAD .*manifests", 1, challenge), ("^PATCH", 1, challenge)]
    made = image(300_000)
    auth = Credentials(scripted.host, USER, PASSWORD)
    assert push(made, f"{scripted.host}/x:1", auth) == made.digest
    assert service.scopes == [["repository:x:pull,push"]] * 2
    sent = [one[2]["content-length"] for one in scripted.asked("PATCH")]
    assert sent[0] == sent[1]
    assert all(one[2]["authorization"].startswith("Bearer ") for one in scripted.seen[1:])
    # Where even a new one is not enough, that is the end.
    scripted.faults[:] = [("^PATCH", -1, challenge)]
    with pytest.raises(NuvError, match="the sign-in was refused"):
        push(image(10), f"{scripted.host}/x:2", auth)


def test_sign_in_does_not_go_to_where_blobs_are_stored(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(50_000)
    scripted.put("1", made.media_type, made.manifest)
    scripted.faults.append((r"^GET /v2/x/manifests/1", 1, _challenge()))
    with scripted_registry() as storage:
        storage.blobs.update(made.blobs)
        scripted.storage = f"http://{storage.host}"
        auth = Credentials(scripted.host, USER, PASSWORD)
        pull(f"{scripted.host}/x:1", auth, tmp_path / "sink")
        assert Sink(tmp_path / "sink").blobs() == made.blobs
        assert {one[2].get("authorization") for one in scripted.asked("blobs")} == {f"Basic {BASIC}"}
        assert storage.seen
        for _, path, headers in storage.seen:
            assert path.endswith("?signature=s1gned")
            assert "authorization" not in headers
        # Nor is its challenge answered, and its signed address is told to nobody.
        storage.faults.append((r"blobs", -1, _challenge()))
        with pytest.raises(NuvError, match="sign-in was refused") as failure:
            pull(f"{scripted.host}/x:1", auth, tmp_path / "other")
        assert all("authorization" not in headers for _, _, headers in storage.seen)
        storage.faults.clear()
        port, registry = storage.port, scripted.storage
    scripted.storage = registry
    with pytest.raises(NuvError, match="nobody listens there") as failure:
        _impatient(lambda: pull(f"{scripted.host}/x:1", auth, tmp_path / "third"))
    assert "s1gned" not in shown(failure.value)
    assert str(port) not in shown(failure.value)


def _challenge() -> tuple[int, dict[str, str], bytes]:
    return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""


def _impatient(action: object) -> None:
    from nuvtui.images.registry import client as registry_client

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_client, "FIRST_WAIT", 0.01)
        action()  # type: ignore[operator]


def test_nothing_goes_to_an_address_without_encryption(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(10)
    scripted.put("1", made.media_type, made.manifest)
    scripted.storage = "http://storage.example"
    auth = Credentials(scripted.host, USER, PASSWORD)
    with pytest.raises(NuvError, match="an address without encryption"):
        pull(f"{scripted.host}/x:1", auth, tmp_path / "sink")
    challenge = {"WWW-Authenticate": 'Bearer realm="http://tokens.example/t",service="s"'}
    scripted.faults.append(("manifests", -1, (401, challenge, b"")))
    with pytest.raises(NuvError, match="sign-in to be sent without encryption"):
        pull(f"{scripted.host}/x:1", auth, tmp_path / "sink")


def test_what_the_registry_says_is_harmless(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    """It may send back what it was sent, escape sequences, and no end of words."""
    text = f"\x1b[31mno\x1b[0m {PASSWORD} {BASIC} " + "more " * 200
    scripted.faults += [("manifests", 1, _challenge()), ("manifests", -1, refusal(403, "DENIED", text))]
    auth = Credentials(scripted.host, USER, PASSWORD)
    with pytest.raises(NuvError, match="does not let you pull from x: DENIED: ␛") as failure:
        pull(f"{scripted.host}/x:1", auth, tmp_path / "sink")
    said = shown(failure.value)
    assert "*** ***" in failure.value.message
    assert PASSWORD not in said
    assert BASIC not in said
    assert "\x1b" not in failure.value.message
    assert len(failure.value.message) < 400
    scripted.put("1", INDEX, b"[" * 100_000)
    scripted.faults.clear()
    with pytest.raises(NuvError, match="manifest is no JSON"):
        pull(f"{scripted.host}/x:1", auth, tmp_path / "sink")


def test_proxies_are_not_asked_about_this_machine(
    scripted: ScriptedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = image(10)
    scripted.put("1", made.media_type, made.manifest)
    scripted.blobs.update(made.blobs)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://ada:proxy-password@127.0.0.1:1")
    assert pull(f"{scripted.host}/x:1", None, tmp_path / "sink").digest == made.digest
    with pytest.raises(NuvError, match="proxy") as failure:
        resolve("registry.example/x:1", AMD64, None, SETTINGS)
    assert "proxy-password" not in shown(failure.value)
