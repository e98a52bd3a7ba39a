"""Builds by BuildKit, through the Docker CLI's `docker buildx`: the engine's own interface has no other way
to it that a client could speak in a few lines.

Progress comes as raw JSON (`--progress=rawjson`): on the standard error one `SolveStatus` a line, between
them lines of plain text, which go into the log as they are. The log reads as the classic builder's. Where
`docker buildx` is not there or too old, `find` says why, and the classic builder is used.
"""

import contextlib
import functools
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from nuvtui import sanitise
from nuvtui.errors import NuvError
from nuvtui.images.engine.lines import Lines
from nuvtui.reporter import Reporter

FIRST = (0, 13)
"""The first version of buildx that writes its progress as raw JSON."""
PROBE_SECONDS = 2.0
LIMIT = 32 << 20
"""Bytes of the longest line that is decoded."""
CANCEL_SECONDS = 5.0
"""So long buildx has to end what was cancelled, before it is killed."""
STALL_SECONDS = 1800.0
"""After so long without a word from buildx, it counts as hanging: a build step may be silent for long."""

_POLL = 0.2
_WRITE = 1 << 16
_STEP = re.compile(r"\[(?:[^\]]*\s)?(\d+)/(\d+)\]\s*(.*)", re.S)
_NO_RAWJSON = re.compile(r"invalid progress|unknown flag|unknown progress|is not a docker command", re.I)


class UnusableError(NuvError):
    """`docker buildx` cannot build here; nothing was built: the classic builder can be tried."""

    def __init__(self, problem: str) -> None:
        super().__init__("docker buildx cannot be used", problem)


@dataclass(frozen=True)
class Buildx:
    """What is known of this machine's `docker buildx`."""

    version: str = ""
    problem: str = ""
    """Why it is not used; empty: it is."""


def find() -> Buildx:
    """Look for `docker buildx` on the search path; asked once a process, for at most two seconds."""
    return _find(os.environ.get("PATH", ""))


@functools.cache
def _find(_: str) -> Buildx:
    program = shutil.which("docker")
    if program is None:
        return Buildx(problem="there is no docker command on this machine")
    try:
        done = subprocess.run(
            [program, "buildx", "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            env=_environment("", {}),
        )
    except subprocess.TimeoutExpired:
        return Buildx(problem=f"`docker buildx version` does not end (waited {PROBE_SECONDS:g} s)")
    except OSError as error:
        return Buildx(problem=f"the docker command cannot be run: {error.strerror or error}")
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        return Buildx(problem="the docker command has no buildx")
    number = re.search(r"\bv?(\d+)\.(\d+)(\.\d+)?", said)
    if number is None:
        return Buildx(problem="`docker buildx version` names no version")
    version = number[0].removeprefix("v")
    if (int(number[1]), int(number[2])) < FIRST:
        needed = ".".join(map(str, FIRST))
        return Buildx(version, f"buildx {version} is too old, {needed} is needed")
    return Buildx(version)


# What buildx says


class Vertex(msgspec.Struct, frozen=True):
    """A node of the build's graph; the same one comes again whenever something of it changed."""

    digest: str = ""
    name: str = ""
    started: str | None = None
    completed: str | None = None
    cached: bool = False
    error: str = ""


class Status(msgspec.Struct, frozen=True):
    """How far a part of a vertex is, say the download of a layer."""

    id: str = ""
    vertex: str = ""
    total: int = 0
    current: int = 0
    completed: str | None = None


class Log(msgspec.Struct, frozen=True):
    """Output of a vertex."""

    vertex: str = ""
    data: bytes = b""


class Warned(msgspec.Struct, frozen=True):
    """What BuildKit finds fault with."""

    short: bytes = b""
    url: str = ""


class SolveStatus(msgspec.Struct, frozen=True):
    """One line of the progress."""

    vertexes: list[Vertex] | None = None
    statuses: list[Status] | None = None
    logs: list[Log] | None = None
    warnings: list[Warned] | None = None


class Decoder:
    """Bytes in; status messages, and as they are the lines that are none, out.

    Pieces end anywhere. A line longer than `limit` is passed on undecoded: nothing is lost, memory stays
    bounded.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._lines = Lines(limit)
        self._decoder = msgspec.json.Decoder(SolveStatus)

    def feed(self, data: bytes) -> Iterator[SolveStatus | bytes]:
        """What `data` completes."""
        return itertools.starmap(self._decoded, self._lines.feed(data))

    def end(self) -> Iterator[SolveStatus | bytes]:
        """What is left at the end."""
        return itertools.starmap(self._decoded, self._lines.end())

    def _decoded(self, line: bytes, whole: bool) -> SolveStatus | bytes:
        if whole and line.startswith(b"{"):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return self._decoder.decode(line)
        return line


# What becomes of it


@dataclass
class _Progress:
    """Writes the log, tells the progress, remembers what failed."""

    reporter: Reporter
    log: Callable[[bytes], None]
    names: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    total: int = 0
    failed: str = ""
    plain: list[str] = field(default_factory=list)
    """The last lines that were no JSON."""
    _shown: str = ""
    _open: bool = False
    """The log's last line has no end yet."""

    def take(self, message: SolveStatus | bytes) -> None:
        if isinstance(message, bytes):
            self._write(message)
            self.plain = [*self.plain, message.decode("utf-8", "replace").strip()][-20:]
            return
        for vertex in message.vertexes or []:
            self._vertex(vertex)
        for log in message.logs or []:
            self._head(log.vertex)
            self._write(log.data)
        for warned in message.warnings or []:
            short = sanitise.line(warned.short.decode("utf-8", "replace"))
            self._line(f"WARN: {short}{f' ({warned.url})' if warned.url else ''}")
        for status in message.statuses or []:
            if status.total > 0 and not status.completed:
                self.reporter.progress(min(status.current, status.total), status.total, "bytes", status.id)

    def _vertex(self, vertex: Vertex) -> None:
        key = vertex.digest
        if vertex.name:
            self.names[key] = vertex.name
        step = _STEP.fullmatch(self.names.get(key, ""))
        if step:
            self.total = max(self.total, int(step[2]))
        if (vertex.started or vertex.cached) and key not in self.begun:
            self.begun.add(key)
            self._head(key)
        if vertex.error:
            # The others are cancelled because of the one that failed.
            if not self.failed or "context canceled" in self.failed:
                self.failed = vertex.error
            self._head(key)
            self._line(f"ERROR: {vertex.error}")
        elif vertex.completed and key not in self.ended:
            self.ended.add(key)
            if vertex.cached:
                self._head(key)
                self._line("CACHED")
        if step:
            done = sum(1 for ended in self.ended if _STEP.fullmatch(self.names.get(ended, "")))
            self.reporter.progress(min(done, self.total), self.total, "steps", step[3].strip()[:200])

    def _head(self, key: str) -> None:
        """The name of the step whose output comes next."""
        if key == self._shown:
            return
        self._shown = key
        name = self.names.get(key, "")
        step = _STEP.fullmatch(name)
        self._line(f"Step {step[1]}/{step[2]} : {step[3].strip()}" if step else f"Step {name}")

    def _line(self, text: str) -> None:
        self._write((b"\n" if self._open else b"") + text.encode("utf-8", "replace") + b"\n")

    def _write(self, data: bytes) -> None:
        if data:
            self._open = not data.endswith(b"\n")
            self.log(data)

    def problem(self) -> str:
        """Why the build failed."""
        if self.failed:
            return self.failed
        errors = [line for line in self.plain if line.startswith("ERROR:")]
        said = [line for line in self.plain if line]
        text = (errors or said or ["docker buildx said nothing"])[-1]
        return sanitise.log_line(text.removeprefix("ERROR:").strip())


class BuildxBuild:
    """Builds images with `docker buildx`."""

    def __init__(self, program: str = "docker", stall_seconds: float = STALL_SECONDS) -> None:
        self._program = program
        self._stall_seconds = stall_seconds

    def run(
        self,
        endpoint_url: str,
        context: Iterable[bytes],
        arguments: Mapping[str, str],
        network: str,
        reporter: Reporter,
        redact: Callable[[bytes], None],
    ) -> str:
        """Build the tar `context` on the engine at `endpoint_url`. Returns the image's id; nothing is tagged.

        `arguments` reach buildx through its environment: no value is in a command line. (The proxies of the
        CLI's settings buildx adds itself.) The log goes to `redact`.

        Raises UnusableError where this buildx cannot do it, Cancelled, and NuvError where the build failed;
        its text is not redacted.
        """
        with tempfile.TemporaryDirectory(prefix="nuvtui-build-") as folder:
            id_file = Path(folder) / "id"
            line = [self._program, "--host", endpoint_url, "buildx", "build"]
            line += [
                "--builder=default",
                "--progress=rawjson",
                "--load",
                "--provenance=false",
                "--sbom=false",
            ]
            line += ["--iidfile", str(id_file)]
            if network:
                line += ["--network", network]
            for name in arguments:
                line += ["--build-arg", name]
            progress = _Progress(reporter, redact)
            code = self._converse([*line, "-"], _environment(endpoint_url, arguments), context, progress)
            reporter.check()  # what was cancelled may end in any way
            if code != 0:
                problem = progress.problem()
                if not progress.begun and _NO_RAWJSON.search(problem):
                    raise UnusableError(problem)
                raise NuvError("The build failed", problem, "The log's last lines say more.")
            with contextlib.suppress(OSError):
                image = id_file.read_text("ascii", "replace").strip()
                if re.fullmatch(r"sha256:[0-9a-f]{64}", image):
                    return image
        raise NuvError("The build failed", "docker buildx ended without naming the image that it built")

    def _converse(
        self, line: list[str], environment: Mapping[str, str], context: Iterable[bytes], progress: _Progress
    ) -> int:
        """Hand in the context and listen, both at once. Returns the exit code."""
        reporter = progress.reporter
        try:
            child = subprocess.Popen(
                line,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise UnusableError(f"{line[0]} cannot be run: {error.strerror or error}") from error
        try:
            with reporter.on_cancel(lambda: _signal(child, signal.SIGTERM)):
                self._feed(child, iter(context), progress)
                return child.wait(CANCEL_SECONDS)
        except subprocess.TimeoutExpired:
            raise NuvError("The build failed", "docker buildx does not end") from None
        finally:
            _end(child)

    def _feed(self, child: subprocess.Popen[bytes], context: Iterator[bytes], progress: _Progress) -> None:
        assert child.stdin is not None
        assert child.stderr is not None
        decoder = Decoder()
        os.set_blocking(child.stdin.fileno(), False)
        os.set_blocking(child.stderr.fileno(), False)
        poll = select.poll()
        poll.register(child.stderr, select.POLLIN)
        poll.register(child.stdin, select.POLLOUT)
        left: memoryview | None = memoryview(b"")
        moved = time.monotonic()
        while True:
            progress.reporter.check()
            ready = dict(poll.poll(_POLL * 1000))
            if time.monotonic() - moved > self._stall_seconds:
                raise NuvError(
                    "The build hangs", f"docker buildx said nothing for {self._stall_seconds:.0f} s"
                )
            if ready:
                moved = time.monotonic()
            if left is not None and child.stdin.fileno() in ready:
                left = _hand_in(child.stdin, left, context)
                if left is None:
                    poll.unregister(child.stdin)
                    with contextlib.suppress(OSError):
                        child.stdin.close()
            if child.stderr.fileno() in ready:
                data = _read(child.stderr)
                messages = decoder.end() if data == b"" else decoder.feed(data or b"")
                for message in messages:
                    progress.take(message)
                if data == b"":
                    return


def _hand_in(pipe: IO[bytes], left: memoryview, context: Iterator[bytes]) -> memoryview | None:
    """Write what the pipe takes. Returns what is left of the piece; None: no more is wanted, or there is."""
    while not left:
        piece = next(context, None)
        if piece is None:
            return None
        left = memoryview(piece)
    try:
        return left[os.write(pipe.fileno(), left[:_WRITE]) :]
    except BlockingIOError:
        return left
    except OSError:  # it has ended; why, it says on the other pipe
        return None


def _read(pipe: IO[bytes]) -> bytes | None:
    try:
        return os.read(pipe.fileno(), _WRITE)
    except BlockingIOError:
        return None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End buildx and all that came from it. After an orderly end there is nothing left to end."""
    if child.poll() is None:
        _signal(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(CANCEL_SECONDS)
    _signal(child, signal.SIGKILL)
    for pipe in (child.stdin, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    # The group has the child's number as long as anybody is in it.
    with contextlib.suppress(OSError):
        os.killpg(child.pid, number)


def _environment(endpoint_url: str, arguments: Mapping[str, str]) -> dict[str, str]:
    left_out = {"DOCKER_CONTEXT", "BUILDX_BUILDER", "BUILDKIT_PROGRESS"}
    found = {name: value for name, value in os.environ.items() if name not in left_out}
    if endpoint_url:
        found["DOCKER_HOST"] = endpoint_url
    return {**found, **arguments}
