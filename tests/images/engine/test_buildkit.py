"""Builds by `docker buildx`: its raw JSON as documented, and a scripted command line in its place.

(The suite's Debian has no buildx: that the real one says what is written down here is not tested.)
"""

import base64
import itertools
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.engine import buildkit
from nuvtui.images.engine.buildkit import BuildxBuild, Decoder, SolveStatus, UnusableError
from tests.images.project import Recorder
from tests.support.waiting import FOREVER, wait_until

IMAGE = "sha256:" + "ab" * 32
ENDPOINT = "unix:///nowhere.sock"
AT = "2026-03-04T05:06:07.123456789Z"


def vertex(number: int, name: str, **fields: object) -> dict[str, Any]:
    return {"vertexes": [{"digest": f"sha256:{number:064x}", "name": name, **fields}]}


def output(number: int, data: bytes, stream: int = 1) -> dict[str, Any]:
    said = base64.b64encode(data).decode()
    return {"logs": [{"vertex": f"sha256:{number:064x}", "stream": stream, "data": said, "timestamp": AT}]}


GOOD = [
    vertex(1, "[internal] load build definition from Dockerfile"),
    vertex(1, "[internal] load build definition from Dockerfile", started=AT),
    vertex(1, "[internal] load build definition from Dockerfile", started=AT, completed=AT),
    vertex(2, "[1/3] FROM docker.io/library/python:3.12", inputs=[]),
    {
        "statuses": [
            {"id": "sha256:ff", "vertex": f"sha256:{2:064x}", "total": 100, "current": 50, "timestamp": AT}
        ]
    },
    vertex(2, "[1/3] FROM docker.io/library/python:3.12", started=AT, completed=AT, cached=True),
    vertex(3, "[2/3] RUN echo há", started=AT),
    output(3, b"h"),
    output(3, "á\n".encode()[:1]),
    output(3, "á\n".encode()[1:] + b"no end", 2),
    vertex(3, "[2/3] RUN echo há", started=AT, completed=AT),
    vertex(4, "[stage-1 3/3] COPY . /files", started=AT),
    vertex(4, "[stage-1 3/3] COPY . /files", started=AT, completed=AT),
    {"warnings": [{"vertex": "x", "level": 1, "short": base64.b64encode(b"JSON args").decode(), "url": "u"}]},
]
LOG = """\
Step [internal] load build definition from Dockerfile
Step 1/3 : FROM docker.io/library/python:3.12
CACHED
Step 2/3 : RUN echo há
há
no end
Step 3/3 : COPY . /files
WARN: JSON args (u)
"""
FAILED = [
    vertex(3, "[2/2] RUN exit 7", started=AT),
    output(3, b"before\n"),
    vertex(5, "[other 1/2] RUN sleep", started=AT, completed=AT, error="context canceled"),
    vertex(
        3,
        "[2/2] RUN exit 7",
        started=AT,
        completed=AT,
        error='process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
    ),
]


def lines(messages: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def decoded(pieces: list[bytes], limit: int = 1 << 20) -> list[SolveStatus | bytes]:
    decoder = Decoder(limit)
    found = [message for piece in pieces for message in decoder.feed(piece)]
    return [*found, *decoder.end()]


@given(st.lists(st.integers(0, len(lines(GOOD))), max_size=30))
def test_pieces_end_anywhere(cuts: list[int]) -> None:
    data = lines(GOOD)
    at = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(at)]
    assert decoded(pieces) == decoded([data])
    assert len(decoded([data])) == len(GOOD)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_nothing_that_is_no_message_is_lost(pieces: list[bytes]) -> None:
    found = decoded(pieces, limit=100)
    plain = b"".join(message for message in found if isinstance(message, bytes))
    skipped = sum(isinstance(message, SolveStatus) for message in found)
    if not skipped:
        assert plain.replace(b"\n", b"") == b"".join(pieces).replace(b"\n", b"")


def test_a_line_without_end_stays_bounded() -> None:
    decoder = Decoder(1000)
    for _ in range(100):
        list(decoder.feed(b"{" * 100))
        assert decoder._lines.held <= 1100
    assert list(decoder.feed(b"}\n")) == [b"}", b"\n"]
    assert [type(found) for found in decoder.feed(lines(GOOD[:1]))] == [SolveStatus]
    assert isinstance(decoded([b"ERROR: x\n", lines(GOOD[:1])])[1], SolveStatus)


def test_what_is_json_of_another_form_is_kept_as_it_is() -> None:
    for line in (b'{"logs": [{"data": 3}]}\n', b'{"vertexes": 1}\n', b"{\n", b'{"logs": [{"data": "%%"}]}\n'):
        assert decoded([line]) == [line]
    assert decoded([b'{"vertexes": null, "new": {}}\n']) == [SolveStatus()]


class Cli:
    """A scripted `docker` in a folder of its own; what it was called with is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "docker"
        self.set(0, b"", IMAGE)
        (folder / "version").write_text("github.com/docker/buildx v0.19.3 48d6a39\n")
        self.program.write_text(
            f"#!{sys.executable} -I\n"
            "import json, os, pathlib, subprocess, sys, time\n"
            f"folder = pathlib.Path({str(folder)!r})\n"
            "arguments = sys.argv[1:]\n"
            "if arguments == ['buildx', 'version']:\n"
            "    text = (folder / 'version').read_text()\n"
            f"    if text == 'hang': time.sleep({FOREVER})\n"
            "    print(text, end='')\n"
            "    sys.exit(not text)\n"
            "plan = json.loads((folder / 'plan').read_text())\n"
            "(folder / 'call').write_text(json.dumps([arguments, dict(os.environ)]))\n"
            "if plan['hang']:\n"
            f"    child = subprocess.Popen(['sleep', '{FOREVER}'])\n"
            "    (folder / 'pids').write_text(f'{os.getpid()} {child.pid}')\n"
            "if plan['read']: (folder / 'context').write_bytes(sys.stdin.buffer.read())\n"
            "out = os.fdopen(2, 'wb', 0)\n"
            "out.write((folder / 'said').read_bytes())\n"
            "if plan['hang']:\n"
            f"    time.sleep({FOREVER})\n"
            "if plan['image']:\n"
            "    pathlib.Path(arguments[arguments.index('--iidfile') + 1]).write_text(plan['image'])\n"
            "sys.exit(plan['code'])\n"
        )
        self.program.chmod(0o755)

    def set(self, code: int, said: bytes, image: str = "", *, read: bool = True, hang: bool = False) -> None:
        """How the next build goes."""
        (self.folder / "said").write_bytes(said)
        plan = {"code": code, "image": image, "read": read, "hang": hang}
        (self.folder / "plan").write_text(json.dumps(plan))

    def call(self) -> tuple[list[str], dict[str, str]]:
        arguments, environment = json.loads((self.folder / "call").read_text())
        return arguments, environment


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    buildkit._find.cache_clear()
    yield Cli(tmp_path)
    buildkit._find.cache_clear()


def build(reporter: Recorder, context: Any = (b"tar",), **arguments: str) -> str:
    return BuildxBuild().run(ENDPOINT, iter(context), arguments, "host", reporter, reporter.log)


def test_a_build(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    monkeypatch.setenv("BUILDX_BUILDER", "other")
    cli.set(0, lines(GOOD), IMAGE)
    reporter = Recorder()
    pieces = [b"a" * 1000, b"", b"b" * 3_000_000, b"c"]
    assert build(reporter, pieces, FTP_PROXY="a secret") == IMAGE
    assert reporter.text == LOG
    assert (cli.folder / "context").read_bytes() == b"".join(pieces)
    arguments, environment = cli.call()
    assert arguments[:4] == ["--host", ENDPOINT, "buildx", "build"]
    assert arguments[-1] == "-"
    assert "--load" in arguments
    assert "--progress=rawjson" in arguments
    assert arguments[arguments.index("--network") + 1] == "host"
    assert arguments[arguments.index("--build-arg") + 1] == "FTP_PROXY"
    assert "secret" not in " ".join(arguments)
    assert environment["FTP_PROXY"] == "a secret"
    assert environment["DOCKER_HOST"] == ENDPOINT
    assert not {"DOCKER_CONTEXT", "BUILDX_BUILDER"} & set(environment)
    steps = [(done, total) for done, total, unit, _ in reporter.progresses if unit == "steps"]
    assert steps[-1] == (3, 3)
    assert steps == sorted(steps)
    assert (50, 100, "bytes", "sha256:ff") in reporter.progresses


def test_a_failed_build_names_the_step_that_failed(cli: Cli) -> None:
    plain = b"------\n > [2/2] RUN exit 7:\n------\nERROR: failed to solve: something\n"
    cli.set(1, lines(FAILED) + plain)
    reporter = Recorder()
    with pytest.raises(NuvError) as failed:
        build(reporter)
    assert failed.value.title == "The build failed"
    assert failed.value.message == ('process "/bin/sh -c exit 7" did not complete successfully: exit code: 7')
    assert "Step 2/2 : RUN exit 7\nbefore\n" in reporter.text
    assert reporter.text.endswith(plain.decode())


def test_a_failure_before_any_step(cli: Cli) -> None:
    cli.set(1, b"ERROR: failed to connect to the docker API at unix:///nowhere.sock\n", read=False)
    with pytest.raises(NuvError, match="failed to connect to the docker API"):
        build(Recorder(), (b"x" * 100_000 for _ in range(100)))
    cli.set(1, b"")
    with pytest.raises(NuvError, match="said nothing"):
        build(Recorder())


@pytest.mark.parametrize("image", ["", "sha256:ab", "../../etc"])
def test_an_end_without_an_image_is_a_failure(cli: Cli, image: str) -> None:
    cli.set(0, lines(GOOD), image)
    with pytest.raises(NuvError, match="without naming the image"):
        build(Recorder())


def test_a_buildx_that_knows_no_raw_json(cli: Cli) -> None:
    cli.set(1, b"ERROR: invalid progress mode rawjson\n", read=False)
    with pytest.raises(UnusableError):
        build(Recorder())


def test_a_context_that_breaks_off_ends_the_build(cli: Cli) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"a"
        raise NuvError("An object is damaged")

    cli.set(0, b"", IMAGE, hang=True)
    with pytest.raises(NuvError, match="damaged"):
        build(Recorder(), breaks())


def gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_a_cancel_ends_everything(cli: Cli) -> None:
    cli.set(0, lines(GOOD[:8]), hang=True)
    reporter = Recorder(lambda recorder: "Step 2/3" in recorder.text)
    with pytest.raises(Cancelled):
        build(reporter)
    pids = [int(word) for word in (cli.folder / "pids").read_text().split()]
    wait_until(lambda: all(gone(pid) for pid in pids), "nothing is left")


def test_a_buildx_that_takes_no_notice_is_killed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildkit, "CANCEL_SECONDS", 0.5)
    text = cli.program.read_text()
    cli.program.write_text(
        text.replace("plan =", f"import signal; signal.signal({signal.SIGTERM:d}, signal.SIG_IGN)\nplan =")
    )
    cli.set(0, lines(GOOD[:8]), hang=True)
    with pytest.raises(Cancelled):
        build(Recorder(lambda recorder: "Step 2/3" in recorder.text))
    pids = [int(word) for word in (cli.folder / "pids").read_text().split()]
    wait_until(lambda: all(gone(pid) for pid in pids), "nothing is left")


def test_a_silent_buildx_is_given_up(cli: Cli) -> None:
    cli.set(0, b"", hang=True)
    with pytest.raises(NuvError, match="said nothing for 1 s"):
        BuildxBuild(stall_seconds=1).run(ENDPOINT, [b"x"], {}, "", Recorder(), print)


def test_looking_for_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert buildkit.find() == buildkit.Buildx("0.19.3")
    for version, problem in (
        ("github.com/docker/buildx v0.12.1 30feaa1", "too old"),
        ("github.com/docker/buildx 0.11.2-desktop.5", "too old"),
        ("docker buildx something", "names no version"),
        ("", "has no buildx"),
    ):
        buildkit._find.cache_clear()
        (cli.folder / "version").write_text(version)
        assert problem in buildkit.find().problem
    buildkit._find.cache_clear()
    (cli.folder / "version").write_text("hang")
    monkeypatch.setattr(buildkit, "PROBE_SECONDS", 0.5)
    assert "does not end" in buildkit.find().problem
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert "no docker command" in buildkit.find().problem
