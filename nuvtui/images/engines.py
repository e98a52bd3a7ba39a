"""Engines: what nuvtui wants of one, and the search for one that answers.

Order: `DOCKER_HOST`, the Docker CLI's context, the usual sockets (system-wide Docker, rootless Docker,
Docker Desktop, Podman). Who names an engine by the first two gets that one or a finding, never another one
silently. All places are asked at the same time, each has `engine_timeout` seconds.
"""

import hashlib
import json
import os
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images.facts import FileFact, ImageFacts
from nuvtui.images.recipe import Recipe
from nuvtui.images.registry import Credentials
from nuvtui.images.wire import Endpoint, Exchange, phrase, reason
from nuvtui.model.export import Finding
from nuvtui.reporter import Reporter


@dataclass(frozen=True)
class RunResult:
    """How a container ended, and what it printed."""

    exit_code: int
    output: bytes
    """Standard output and error, in the order in which they came."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine says of itself."""

    name: str
    """`Docker Engine`, `Podman`."""
    version: str
    architecture: str
    system: str
    insecure_registries: tuple[str, ...] = ()
    """`host[:port]` or networks that the engine speaks plain HTTP to."""


class Engine(Protocol):
    """Something that builds, keeps, runs and pushes images."""

    @property
    def name(self) -> str:
        """`docker` or `oci`."""

    def ping(self) -> None:
        """Raise NuvError where the engine does not answer."""

    def info(self) -> EngineInfo:
        """What the engine says of itself."""

    def base_digest(self, reference: str) -> str:
        """The registry's digest of an image that the engine has; empty where it came from no registry."""

    def pull_if_missing(self, reference: str, auth: Credentials | None, reporter: Reporter) -> ImageFacts:
        """Make sure that the engine has `reference`. Raises NuvError where it cannot be had."""

    def build(self, recipe: Recipe, context: Iterable[bytes], tag: str, reporter: Reporter) -> str:
        """Build and tag. Returns the image's id."""

    def inspect(self, image: str) -> ImageFacts | None:
        """What is known of an image; None where the engine does not have it."""

    def list_files(self, image: str, path: str) -> Iterator[FileFact]:
        """Everything at and below `path` in an image."""

    def push(self, reference: str, auth: Credentials | None, reporter: Reporter) -> str:
        """Push. Returns the digest that the registry confirms."""

    def save(self, image: str, path: Path, reporter: Reporter) -> None:
        """Write an archive that `load` reads."""

    def load(self, path: Path, reporter: Reporter) -> list[str]:
        """Read an archive. Returns the references (or ids) in it."""

    def remove(self, reference: str) -> bool:
        """Remove a tag, and the image with its last one. False where there was none."""

    def run(self, image: str, reporter: Reporter, command: list[str] | None = None) -> RunResult:
        """Run a container without network and remove it."""


@dataclass(frozen=True)
class Attempt:
    """A place where an engine was looked for in vain."""

    where: str
    problem: str


@dataclass(frozen=True)
class Discovery:
    """The engine that answered, if any, and where else was looked."""

    engine: Engine | None
    tried: list[Attempt]
    where: str = ""
    """What led to the engine: `DOCKER_HOST unix:///…`."""

    def finding(self) -> Finding:
        """The search in words: for preflight and doctor."""
        if self.engine is not None:
            return Finding("note", "engine", f"Docker-compatible engine at {self.where}")
        tried = "; ".join(f"{attempt.where}: {attempt.problem}" for attempt in self.tried)
        return Finding(
            "stop",
            "engine",
            f"No container engine answers. Tried {tried}",
            "Start Docker or Podman's socket, or name the engine: export DOCKER_HOST=unix:///path/to/docker.sock",
        )

    def required(self) -> Engine:
        """The engine. Raises NuvError (exit code 6) that names what was tried and what to do."""
        if self.engine is None:
            finding = self.finding()
            raise NuvError("No container engine answers", finding.text, finding.hint, Exit.REFUSED)
        return self.engine


@dataclass(frozen=True)
class Place:
    """A place where an engine may be."""

    label: str
    endpoint: Endpoint | None
    problem: str = ""


def discover(settings: Settings, environ: Mapping[str, str] | None = None) -> Discovery:
    """Look for a Docker-compatible engine; takes at most about `settings.engine_timeout` seconds."""
    from nuvtui.images.docker_engine import DockerEngine

    looked = list(places(os.environ if environ is None else environ))
    problems: list[str | None] = [place.problem or "no answer in time" for place in looked]

    def probe(at: int, endpoint: Endpoint) -> None:
        problems[at] = ping(endpoint, settings.engine_timeout)

    threads = []
    for at, place in enumerate(looked):
        if place.endpoint is not None:
            threads.append(threading.Thread(target=probe, args=(at, place.endpoint), daemon=True))
            threads[-1].start()
    deadline = threading.Event()
    timer = threading.Timer(settings.engine_timeout + 0.2, deadline.set)
    timer.daemon = True
    timer.start()
    for thread in threads:
        while thread.is_alive() and not deadline.is_set():
            thread.join(0.05)
    timer.cancel()
    tried: list[Attempt] = []
    for place, problem in zip(looked, list(problems), strict=True):
        if problem is None and place.endpoint is not None:
            return Discovery(
                DockerEngine(place.endpoint, settings.build_network, settings), tried, place.label
            )
        tried.append(Attempt(place.label, problem or ""))
    return Discovery(None, tried)


def ping(endpoint: Endpoint, timeout: float) -> str | None:
    """Why the engine at `endpoint` does not answer within `timeout` seconds; None: it does."""

    def late(idle: float) -> None:
        if idle >= timeout:
            raise TimeoutError

    try:
        with Exchange(endpoint, idle=late, connect_timeout=timeout) as exchange:
            exchange.request("GET", "/_ping")
            if exchange.status != 200:
                return f"answers with {phrase(exchange.status)}"
            exchange.whole(1 << 16)
    except TimeoutError:
        return f"it accepts connections but does not answer (waited {timeout:g} s)"
    except NuvError as error:
        return error.message.removeprefix(f"{endpoint.url}: ")
    return None


def places(environ: Mapping[str, str]) -> Iterator[Place]:
    """Where an engine may be, in the order of preference."""
    if host := environ.get("DOCKER_HOST"):
        yield _place(f"DOCKER_HOST {host}", host, _environment_tls(environ))
        return
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if context := environ.get("DOCKER_CONTEXT") or _current_context(config):
        yield _context(context, config)
        return
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    for socket in (
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        home / ".docker/run/docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    ):
        yield _place(f"unix://{socket}", f"unix://{socket}", None)


def _place(label: str, url: str, tls: ssl.SSLContext | str | None) -> Place:
    if url.startswith("ssh://"):
        return Place(
            label, None, "engines over ssh:// are not reached directly; forward their socket with `ssh -L`"
        )
    if isinstance(tls, str):
        return Place(label, None, tls)
    if url.startswith("/"):
        url = f"unix://{url}"
    return Place(label, Endpoint(url, tls))


def _environment_tls(environ: Mapping[str, str]) -> ssl.SSLContext | str | None:
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    home = Path(environ.get("HOME") or Path.home())
    return _tls(Path(environ.get("DOCKER_CERT_PATH") or home / ".docker"), verify=True)


def _tls(folder: Path, *, verify: bool) -> ssl.SSLContext | str:
    """A TLS context with `ca.pem`, `cert.pem`, `key.pem` of `folder`, or what is wrong with them."""
    try:
        ca = folder / "ca.pem"
        context = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if (folder / "cert.pem").exists():
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return context
    except OSError as error:
        return f"its certificates in {folder} cannot be used: {reason(error)}"


def _current_context(config: Path) -> str:
    try:
        name = json.loads((config / "config.json").read_text("utf-8")).get("currentContext", "")
    except (OSError, ValueError, AttributeError):
        return ""
    return name if isinstance(name, str) and name != "default" else ""


def _context(name: str, config: Path) -> Place:
    """The engine of the CLI's context `name`, as `docker context` keeps it: a folder named by the name's
    SHA-256.
    """
    label = f"Docker context {name}"
    if name == "default":
        return _place(label, "unix:///var/run/docker.sock", None)
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((config / "contexts" / "meta" / key / "meta.json").read_text("utf-8"))
        endpoint = meta["Endpoints"]["docker"]
        host, skip = str(endpoint["Host"]), bool(endpoint.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Place(label, None, f"it is not set up ({type(error).__name__})")
    certificates = config / "contexts" / "tls" / key / "docker"
    tls = _tls(certificates, verify=not skip) if certificates.is_dir() else None
    return _place(f"{label} {host}", host, tls)
