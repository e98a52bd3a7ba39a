"""Podman's compatible socket, for real: what nuvtui's engine does against it, and what Podman says."""

import contextlib
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.engine.client import Call, Endpoint
from nuvtui.images.engine.discovery import discover
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.engine.messages import Decoder, Message
from tests.images.project import Recorder
from tests.support.keeper import descendants
from tests.support.podman import TINY, Podman
from tests.support.registry import Registry
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


@pytest.fixture
def socket(podman: Podman) -> Iterator[DockerEngine]:
    before = podman.images()
    yield DockerEngine(Endpoint(podman.url), "host", Settings())
    for reference in podman.images():
        if reference not in before:
            podman.text("rmi", "--force", reference)
    assert podman.containers() == []


def tar(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def archive_on(
    base_layer: str, base: bytes, layer: bytes, tag: str, command: Sequence[str] = ("cat", "/a.txt")
) -> tuple[bytes, str]:
    """A docker-archive of the base's layer (`base`, or nothing) and another one; and the image's id."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-03-04T05:06:07Z",
            "config": {
                "Env": ["PATH=/bin"],
                "Cmd": list(command),
                "Labels": {"io.nuvtui.test": "é\n"},
                "ExposedPorts": {"8888/tcp": {}},
                "User": "1234",
                "WorkingDir": "/files",
            },
            "rootfs": {"type": "layers", "diff_ids": [base_layer, digest(layer)]},
            "history": [
                {"created": "2026-03-04T05:06:07Z", "created_by": "base"},
                {"created": "2026-03-04T05:06:07Z", "created_by": "nuvtui"},
            ],
        }
    ).encode()
    name = digest(config).removeprefix("sha256:")
    manifest = [{"Config": f"{name}.json", "RepoTags": [tag] if tag else None, "Layers": ["0.tar", "1.tar"]}]
    files = {"manifest.json": json.dumps(manifest).encode(), f"{name}.json": config}
    return tar({**files, "0.tar": base, "1.tar": layer}), f"sha256:{name}"


TAR = {"Content-Type": "application/x-tar"}


def messages(podman: Podman, dockerfile: str) -> list[Message]:
    """What Podman says while it builds."""
    query = {"dockerfile": "Dockerfile", "networkmode": "host", "forcerm": "1", "rm": "1"}
    context = tar({"Dockerfile": f"FROM {TINY}\n{dockerfile}".encode(), "x.txt": b"x\n"})
    decoder = Decoder()
    found: list[Message] = []
    with Call(Endpoint(podman.url)) as call:
        for piece in call.stream("POST", "/build", [context], params=query, headers=TAR):
            found += decoder.feed(piece)
    return found + decoder.end()


def test_is_found_and_says_what_it_is(podman: Podman, tmp_path: Path) -> None:
    found = discover(Settings(engine_timeout=120), {"DOCKER_HOST": podman.url, "HOME": str(tmp_path)})
    engine = found.required()
    assert found.product.name == "Podman"
    assert found.finding().text == f"{found.product} at {podman.url}, found by DOCKER_HOST"
    assert "127.0.0.1" in engine.insecure_registries


def test_inspect(socket: DockerEngine) -> None:
    facts = socket.inspect(TINY)
    assert facts is not None
    assert facts.tags == [TINY]
    assert facts.env == {"PATH": "/bin"}
    assert facts.command == ["/bin/sh"]
    assert len(facts.layers) == 1
    assert socket.inspect("localhost/no/such:1") is None


def test_an_archive_keeps_id_and_configuration(socket: DockerEngine, podman: Podman, tmp_path: Path) -> None:
    base = socket.inspect(TINY)
    assert base is not None
    layer = tar({"a.txt": b"hello\n"})
    # What the engine has is an empty file: both engines read only what they do not know.
    data, image = archive_on(base.layers[0], b"", layer, "localhost/nuvtui-test/loaded:1")
    (tmp_path / "a.tar").write_bytes(data)
    assert socket.load(tmp_path / "a.tar", Recorder()) == ["localhost/nuvtui-test/loaded:1"]
    facts = socket.inspect("localhost/nuvtui-test/loaded:1")
    assert facts is not None
    assert facts.id == image
    assert facts.layers == [base.layers[0], digest(layer)]
    assert (facts.user, facts.workdir, facts.exposed) == ("1234", "/files", ["8888/tcp"])
    assert facts.labels == {"io.nuvtui.test": "é\n"}
    assert [step.created_by for step in facts.history] == ["base", "nuvtui"]
    assert facts.created.startswith("2026-03-04T05:06:07")
    assert podman.text("run", "--rm", "--network=none", image) == "hello"


def test_an_archive_without_what_podman_does_not_have_is_refused(
    socket: DockerEngine, podman: Podman, tmp_path: Path
) -> None:
    data, image = archive_on(digest(b"unknown"), b"", tar({"a.txt": b"a"}), "localhost/nuvtui-test/lacks:1")
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(NuvError, match="Digest did not match"):
        socket.load(tmp_path / "a.tar", Recorder())
    assert socket.inspect(image) is None
    assert "localhost/nuvtui-test/lacks:1" not in podman.images()


def test_a_saved_image_can_be_loaded_again(socket: DockerEngine, tmp_path: Path) -> None:
    socket.tag(TINY, "localhost/nuvtui-test/saved:1")
    facts = socket.inspect(TINY)
    assert facts is not None
    socket.save("localhost/nuvtui-test/saved:1", tmp_path / "s.tar", Recorder())
    assert socket.remove("localhost/nuvtui-test/saved:1")
    assert not socket.remove("localhost/nuvtui-test/saved:1")
    assert socket.load(tmp_path / "s.tar", Recorder()) == ["localhost/nuvtui-test/saved:1"]
    again = socket.inspect("localhost/nuvtui-test/saved:1")
    assert again is not None
    assert (again.id, again.layers) == (facts.id, facts.layers)


def test_files_of_an_image(socket: DockerEngine) -> None:
    listed = {fact.path: fact for fact in socket.list_files(TINY, "/etc", Recorder())}
    assert sorted(listed) == ["etc", "etc/group", "etc/passwd"]
    assert listed["etc/passwd"].mode == 0o644
    everything = {fact.path: fact for fact in socket.list_files(TINY, "/", Recorder())}
    assert everything["bin/sh"].target == "busybox"
    assert list(socket.list_files(TINY, "/none", Recorder())) == []


def test_a_trial_as_any_user_without_network_and_on_a_read_only_file_system(
    socket: DockerEngine, tmp_path: Path
) -> None:
    base = socket.inspect(TINY)
    assert base is not None
    script = "id -u; touch /x; echo said; while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 3"
    tag = "localhost/nuvtui-test/trial:1"
    data, image = archive_on(base.layers[0], b"", tar({"a.txt": b""}), tag, ["sh", "-c", script])
    (tmp_path / "a.tar").write_bytes(data)
    socket.load(tmp_path / "a.tar", Recorder())
    with socket.trial(image, Recorder(), "4321:4321") as running:
        assert running.state().running
        assert running.execute(["sh", "-c", "test $(id -u) = 4321"]) == 0
        assert running.execute(["touch", "/x"]) == 1
        assert running.execute(["sh", "-c", "ls /sys/class/net | grep -q eth"]) == 1
        assert running.execute(["no-such-program"]) in (126, 127)
        wait_until(lambda: b"said" in running.output(), "it has begun")
        assert running.execute(["touch", "/tmp/end"]) == 0
        wait_until(lambda: not running.state().running, "it has ended")
        assert running.state().exit_code == 3
        lines = running.output().decode().splitlines()
    assert sorted(lines) == ["4321", "said", "touch: /x: Read-only file system"]


def test_push(socket: DockerEngine, registry: Registry) -> None:
    reference = f"{registry.host}/podman/tiny:1"
    socket.tag(TINY, reference)
    found = socket.push(reference, None, Recorder())
    assert found == registry.digest("podman/tiny", "1")


def test_a_push_to_nobody_fails(socket: DockerEngine) -> None:
    reference = "127.0.0.1:1/podman/tiny:1"
    socket.tag(TINY, reference)
    with pytest.raises(NuvError, match="cannot be pushed"):
        socket.push(reference, None, Recorder())


def test_a_build_names_its_image(podman: Podman, socket: DockerEngine) -> None:
    said = messages(podman, "COPY x.txt /x\nRUN echo hello; echo há >&2; df /dev/shm | grep -c shm\n")
    assert not any(message.error for message in said)
    (image,) = [message.aux["ID"] for message in said if "ID" in message.aux]
    text = "".join(message.stream for message in said)
    assert "STEP 3/3: RUN echo hello" in text
    assert "hello\n" in text
    assert "há\n" in text
    facts = socket.inspect(image)
    assert facts is not None
    assert facts.id == image
    podman.text("rmi", image)


def test_a_failed_build_is_told_in_an_answer_of_status_200(podman: Podman) -> None:
    said = messages(podman, "RUN echo before; exit 7\n")
    assert "before\n" in "".join(message.stream for message in said)
    assert [message.error.strip() for message in said if message.error] == [
        'building at STEP "RUN echo before; exit 7": while running runtime: exit status 7'
    ]
    assert not any(message.aux for message in said)


def test_a_build_ends_with_its_connection(podman: Podman) -> None:
    """Podman ends a build whose client is gone after the step that runs: no later step, no image, no
    container. (The process of that step it leaves alone; nothing in its interface ends it.)
    """
    word = f"first-{time.time_ns()}"
    images = podman.images()

    def running(what: str = word) -> bool:
        for pid in descendants(podman._service.pid):
            with contextlib.suppress(OSError):
                if what.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return True
        return False

    def watch(_: float) -> None:
        if running():
            raise Cancelled

    query = {
        "dockerfile": "Dockerfile",
        "networkmode": "host",
        "forcerm": "1",
        "t": "localhost/nuvtui-test/no:1",
    }
    context = tar({"Dockerfile": f"FROM {TINY}\nRUN sleep 3; : {word}\nRUN sleep 3; : then\n".encode()})
    with pytest.raises(Cancelled), Call(Endpoint(podman.url), watch=watch) as call:
        list(call.stream("POST", "/build", [context], params=query, headers=TAR))
    assert running()
    wait_until(lambda: not running(), "the step has ended")
    wait_until(lambda: podman.containers() == [], "its container is gone")
    assert not running(": then")
    assert podman.images() == images
