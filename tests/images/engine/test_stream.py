"""The engine's stream: cut anywhere, glued, huge, wrong; and a build over an engine that misbehaves."""

import io
import json
import re
import socket
import struct
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.engine import buildkit
from nuvtui.images.engine.client import Endpoint
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.engine.messages import Decoder, Message
from nuvtui.images.facts import ImageFacts
from nuvtui.images.oci import layers
from nuvtui.images.oci.config import image_config
from nuvtui.images.oci.descriptor import digest_of
from nuvtui.images.recipe import Recipe
from nuvtui.model import export as model
from tests.images.engine.scripted import END, HEAD, ID, Scripted, chunk, line, scripted, whole
from tests.images.project import Project, Recorder, application, built

texts = st.text(max_size=30)
messages = st.lists(
    st.one_of(
        st.builds(lambda text: {"stream": text}, texts),
        st.builds(
            lambda text, at: {"status": text, "id": "l", "progressDetail": {"current": at}},
            texts,
            st.integers(0),
        ),
        st.builds(lambda text: {"error": text, "errorDetail": {"message": text}}, texts),
        st.builds(lambda text: {"aux": {"ID": text}}, texts),
    ),
    max_size=6,
)


def decode(data: bytes, cuts: list[int], limit: int = 1 << 20) -> list[Message]:
    decoder, out, last = Decoder(limit), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        out += decoder.feed(data[last:cut])
        last = cut
    return out + decoder.end()


@given(
    messages,
    st.lists(st.integers(0, 10_000), max_size=20),
    st.sampled_from([b"\r\n", b"\n", b"", b" \n\n"]),
    st.booleans(),
)
def test_messages_survive_any_cut_and_any_separator(
    sent: list[dict[str, object]], cuts: list[int], separator: bytes, ascii_only: bool
) -> None:
    data = b"".join(json.dumps(value, ensure_ascii=ascii_only).encode() + separator for value in sent)
    assert decode(data, cuts) == decode(data.replace(separator, b"\n") if separator else data, [])
    got = decode(data, cuts)
    assert [m.stream for m in got if m.stream] == [v["stream"] for v in sent if v.get("stream")]
    assert len([m for m in got if m.error]) == len([v for v in sent if "error" in v])
    assert not any(m.raw for m in got)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"error": "only error"}, "only error"),
        ({"errorDetail": {"message": "only detail", "code": 1}}, "only detail"),
        ({"error": "short", "errorDetail": {"message": "long"}}, "long"),
        ({"error": ""}, "the engine reports an error without saying which"),
        ({"error": {"odd": 1}}, '{"odd": 1}'),
        ({"errorDetail": "text"}, "text"),
    ],
)
def test_every_form_of_error_is_seen(sent: dict[str, object], error: str) -> None:
    assert [m.error for m in decode(json.dumps(sent).encode(), [])] == [error]


def test_what_is_no_json_is_kept_for_the_log() -> None:
    got = decode(b'{"stream":"a"}\n<html>502 Bad \xff Gateway</html>\n{"stream":"b"}\n[1]\n{"str', [])
    assert [m.stream for m in got if m.stream] == ["a", "b"]
    assert b"".join(m.raw for m in got) == '<html>502 Bad \ufffd Gateway</html>\n[1]\n{"str\n'.encode()


def test_a_line_over_the_limit_is_passed_on_whole_in_bounded_memory() -> None:
    decoder = Decoder(limit=100_000)
    tracemalloc.start()
    total = 0
    for _ in range(200):
        for message in decoder.feed(b"x" * 50_000):
            total += len(message.raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    rest = decoder.feed(b'end\n{"stream":"next"}\n')
    assert total + sum(len(m.raw) for m in rest) == 200 * 50_000 + len("end\n")
    assert rest[-1].stream == "next"
    assert peak < 1_000_000


def test_an_eight_megabyte_line_is_decoded() -> None:
    text = "ä" * (4 << 20)
    data = json.dumps({"stream": text}, ensure_ascii=False).encode() + b"\n"
    decoder = Decoder()
    got = [m for at in range(0, len(data), 32_768) for m in decoder.feed(data[at : at + 32_768])]
    assert [m.stream == text for m in got] == [True]


# A build over an engine that misbehaves.


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("a.txt", "1")
    return project


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(buildkit, "find", lambda: buildkit.Buildx(problem="not in these tests"))
    with scripted(tmp_path) as engine:
        yield engine


def build(fake: Scripted, project: Project, reporter: Recorder | None = None) -> str:
    docker = DockerEngine(Endpoint(fake.url))
    docker.stall_seconds = 0.3
    return built(docker, project, stepped(project), reporter, BASE)


def tar(**files: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return data.getvalue()


BELOW = [tar(base=b"of the base image"), tar(step=b"of an install step")]
STEPPED = [digest_of(layer) for layer in BELOW]
BASE = ImageFacts("sha256:" + "ba" * 32, layers=STEPPED[:1], size=1)
GOOD_STEPS = whole({"Id": ID, "RootFS": {"Layers": STEPPED}})
"""What the engine says of the image that the install steps lead to."""
MADE = r"files: sha256:[0-9a-f]{64}, [\d,]+ bytes\napplication: sha256:[0-9a-f]{64}, [\d,]+ bytes\n"
"""What the log tells of the layers on top."""


def stepped(project: Project) -> Recipe:
    return project.recipe(application(command=["true"], setup=["true"]))


def tagged(fake: Scripted) -> bool:
    return any("/tag?" in request for request in fake.requests)


def takes_the_image(fake: Scripted, project: Project) -> str:
    """Let the engine load the image and have it afterwards. Returns its id."""
    recipe = stepped(project)
    parts = [model.Layer("base", STEPPED[0]), model.Layer("packages", STEPPED[1])]
    for layer in (layers.files_layer(recipe, project.store), layers.application_layer(recipe)):
        parts.append(model.Layer(layer.what, digest_of(b"".join(layer.stream()))))
    config = image_config(BASE, recipe, parts)
    image = digest_of(config)
    found = {"Id": image, "Size": 5, "Config": json.loads(config)["config"]}
    fake.answers["POST /images/load"] = HEAD + chunk(line(stream=f"Loaded image ID: {image}\n")) + END
    fake.answers[f"GET /images/{image}/json"] = whole(
        {**found, "RootFS": {"Layers": [part.diff_id for part in parts]}}
    )
    fake.answers[f"POST /images/{image}/tag"] = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    return image


def test_success_needs_id_and_inspect(fake: Scripted, project: Project) -> None:
    fake.answers["POST /build"] = HEAD + chunk(line(stream="hello\n")) + chunk(line(aux={"ID": ID})) + END
    with pytest.raises(NuvError, match="does not have it"):
        build(fake, project)
    fake.answers[f"GET /images/{ID}/json"] = whole({"Id": ID, "RootFS": {"Layers": ["sha256:other"]}})
    with pytest.raises(NuvError, match="does not stand on the base image"):
        build(fake, project)
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    image = takes_the_image(fake, project)
    good = fake.answers[f"GET /images/{image}/json"]
    for wrong in (
        whole({"Id": image, "Config": {}, "RootFS": {"Layers": STEPPED}}),
        whole(json.loads(good.partition(b"\r\n\r\n")[2]) | {"Config": {}}),  # type: ignore[union-attr]
    ):
        fake.answers[f"GET /images/{image}/json"] = wrong
        with pytest.raises(NuvError, match="not what was planned"):
            build(fake, project)
    taken = fake.answers["POST /images/load"]
    for refused, said in (
        (whole({"message": "no"}, "500 Internal"), "The engine wants all layers: no\n"),
        (HEAD + chunk(line(error="no such layer")) + END, "The engine wants all layers: no such layer\n"),
    ):
        fake.answers["POST /images/load"] = refused
        reporter = Recorder()
        with pytest.raises(NuvError):  # it does not hand them out either
            build(fake, project, reporter)
        assert said in reporter.text
    fake.answers["POST /images/load"] = HEAD + chunk(line(error="write x: no space left on device")) + END
    with pytest.raises(NuvError, match="no space left on device") as full:
        build(fake, project)
    assert "disk is full" in full.value.hint
    fake.answers["POST /images/load"] = taken
    assert not tagged(fake)
    fake.answers[f"GET /images/{image}/json"] = good
    reporter = Recorder()
    assert build(fake, project, reporter) == image
    assert re.fullmatch(f"hello\n{MADE}", reporter.text)
    assert tagged(fake)


def test_an_engine_that_wants_every_layer_gets_every_layer(fake: Scripted, project: Project) -> None:
    """The first archive has the engine's own layers by name alone; where it does not take that, the next has all."""
    fake.answers["POST /build"] = HEAD + chunk(line(aux={"ID": ID})) + END
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    image = takes_the_image(fake, project)
    refusal = HEAD + chunk(line(error="archive/tar: invalid tar header")) + END
    fake.answers["POST /images/load"] = [
        refusal,
        HEAD + chunk(line(stream=f"Loaded image ID: {image}\n")) + END,
    ]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": STEPPED}}
    saved = {
        "0.tar": BELOW[0],
        "1.tar": BELOW[1],
        "c.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(
            [{"Config": "c.json", "RepoTags": None, "Layers": ["0.tar", "1.tar"]}]
        ).encode(),
    }
    fake.answers[f"GET /images/{ID}/get"] = HEAD + chunk(tar(**saved)) + END
    reporter = Recorder()
    assert build(fake, project, reporter) == image
    assert "The engine wants all layers: archive/tar: invalid tar header\n" in reporter.text
    first, second = (body for path, body in fake.bodies if path.startswith("/images/load"))
    contents = []
    for body in (first, second):
        with tarfile.open(fileobj=io.BytesIO(body)) as sent:
            (described,) = json.load(sent.extractfile("manifest.json"))  # type: ignore[arg-type]
            assert digest_of(sent.extractfile(described["Config"]).read()) == image  # type: ignore[union-attr]
            contents.append([sent.extractfile(name).read() for name in described["Layers"]])  # type: ignore[union-attr]
    assert [len(layer) for layer in contents[0][:2]] == [0, 0]
    assert contents[1][:2] == BELOW
    assert contents[0][2:] == contents[1][2:]
    assert tagged(fake)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (chunk(line(stream="x")) + END, "without naming an image"),
        (chunk(line(aux={"ID": ID}) + line(error="boom", errorDetail={"message": "boom"})) + END, "boom"),
        (chunk(line(errorDetail={"message": "only detail"})) + END, "only detail"),
        (chunk(line(aux={"ID": ID})), "closed in the middle"),
        (b"1000\r\n" + line(aux={"ID": ID}), "closed in the middle"),
        (b"xyz\r\n", "framing is broken"),
    ],
)
def test_a_build_that_did_not_end_well_is_no_success(
    fake: Scripted, project: Project, body: bytes, said: str
) -> None:
    fake.answers["POST /build"] = HEAD + body
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    with pytest.raises(NuvError, match=said):
        build(fake, project)
    assert not tagged(fake)


def test_reset_in_the_middle(fake: Scripted, project: Project) -> None:
    def reset(connection: socket.socket) -> None:
        connection.sendall(HEAD + chunk(line(stream="Step 1/2 : FROM x\n")))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    fake.answers["POST /build"] = reset
    reporter = Recorder()
    with pytest.raises(NuvError, match="connection to the engine was lost"):
        build(fake, project, reporter)
    assert reporter.output in (b"Step 1/2 : FROM x\n", b"")


def test_log_is_complete_over_split_characters_and_a_huge_line(fake: Scripted, project: Project) -> None:
    text = "Grüße ☃ \x1b[31mrot\x1b[0m\n" * 10 + "ä" * (4 << 20) + "\n"
    data = line(stream=text) + line(stream="two") + line(stream=" in one\n") + line(aux={"ID": ID})
    pieces = b"".join(chunk(data[at : at + 997]) for at in range(0, len(data), 997))
    fake.answers["POST /build"] = HEAD + pieces + END
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    takes_the_image(fake, project)
    reporter = Recorder()
    build(fake, project, reporter)
    told = text + "two in one\n"
    assert reporter.text.startswith(told)
    assert re.fullmatch(MADE, reporter.text.removeprefix(told))


def test_an_error_before_the_context_was_taken_is_told(fake: Scripted, project: Project) -> None:
    def early(connection: socket.socket) -> None:
        connection.sendall(whole({"message": "no room for a build"}, "507 Insufficient Storage"))

    fake.answers["POST /build"] = early
    with pytest.raises(NuvError, match="no room for a build"):
        build(fake, project)
    project.write("big.bin", bytes(30_000_000))
    fake.answers["POST /build"] = HEAD + chunk(line(aux={"ID": ID})) + END
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    fake.answers["POST /images/load"] = early
    fake.answers[f"GET /images/{ID}/get"] = early
    with pytest.raises(NuvError, match="no room for a build"):
        build(fake, project)
    assert not tagged(fake)


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), BrokenPipeError(32, "Broken pipe")])
def test_a_source_that_cannot_be_read_is_no_lost_connection(fake: Scripted, fault: OSError) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(1 << 20)
        raise fault

    fake.answers["POST /images/load"] = whole({})
    with pytest.raises(OSError, match=str(fault.strerror)) as told:
        DockerEngine(Endpoint(fake.url)).load_from(pieces(), "a.tar", Recorder())
    assert told.value is fault


def test_an_engine_that_hangs_is_found_out(fake: Scripted, project: Project) -> None:
    held: list[socket.socket] = []

    def hang(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        fake.answers["GET /_ping"] = lambda c: held.append(c.dup())
        held.append(connection.dup())

    fake.answers["POST /build"] = hang
    with pytest.raises(NuvError, match="The engine hangs"):
        build(fake, project)


def test_a_silent_build_step_is_no_stall(fake: Scripted, project: Project) -> None:
    """While the engine answers pings, a step may be silent for as long as it likes."""
    import threading

    pings = threading.Semaphore(0)

    def count(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        pings.release()

    def slow(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        fake.answers["GET /_ping"] = count
        for _ in range(5):
            assert pings.acquire(timeout=30)
        connection.sendall(chunk(line(aux={"ID": ID})) + END)

    fake.answers["POST /build"] = slow
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    image = takes_the_image(fake, project)
    assert build(fake, project) == image


def test_cancel_while_the_engine_takes_nothing(fake: Scripted, project: Project) -> None:
    """The engine accepts the request and reads nothing more: the upload waits, and still ends at once."""
    held: list[socket.socket] = []
    reporter = Recorder()

    def ignore(connection: socket.socket) -> None:
        held.append(connection.dup())
        reporter.cancel()

    fake.answers["POST /build"] = HEAD + chunk(line(aux={"ID": ID})) + END
    fake.answers[f"GET /images/{ID}/json"] = GOOD_STEPS
    fake.answers["POST /images/load"] = ignore
    project.write("big.bin", bytes(30_000_000))
    with pytest.raises(Cancelled):
        build(fake, project, reporter)
    assert not tagged(fake)


def test_known_secrets_do_not_get_into_log_or_error(fake: Scripted, project: Project) -> None:
    from nuvtui.config import Settings

    index = "https://ada:s3cret-w%2Ford@index.example/simple"
    told = f"Looking in indexes: {index}\nshort s3cret-w%2Ford\n"
    fake.answers["POST /build"] = (
        HEAD
        + chunk(line(stream=told[:60]))
        + chunk(line(stream=told[60:]))
        + chunk(line(error=f"failed: {index}"))
        + END
    )
    docker = DockerEngine(Endpoint(fake.url))
    recipe = project.recipe(application(pip=["six==1.16.0"]), settings=Settings(pip_index=index))
    reporter = Recorder()
    with pytest.raises(NuvError) as failure:
        built(docker, project, recipe, reporter, BASE)
    assert "s3cret" not in reporter.text + str(failure.value)
    assert "s3cret" not in repr(recipe)
    assert "Looking in indexes" in reporter.text
