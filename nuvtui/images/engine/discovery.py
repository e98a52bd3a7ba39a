"""Engines: what nuvtui wants of one, and the search for one that answers.

Order: `DOCKER_HOST`, the Docker CLI's context (`ssh://` too), and without either the usual sockets: the one
of the default context, rootless Docker and Docker Desktop, Podman. Who names an engine by the first two gets
that one or a finding, never another one silently. Where none answers, there is still the built-in engine
`oci`. All places are asked at the same time, each has `engine_timeout` seconds.
"""

import hashlib
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nuvtui import sanitise
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images.engine.wire import Endpoint, Exchange, phrase, reason
from nuvtui.images.facts import FileFact, ImageFacts
from nuvtui.images.oci.layers import Layer
from nuvtui.images.recipe import Recipe
from nuvtui.images.registry.credentials import Credentials
from nuvtui.model import export as model
from nuvtui.model.export import Finding
from nuvtui.reporter import Reporter


@dataclass(frozen=True)
class RunResult:
    """How a container ended, and what it printed."""

    exit_code: int
    output: bytes
    """Standard output and error, in the order in which they came."""


@dataclass(frozen=True)
class Built:
    """An image that was made."""

    image: str
    """Id: the digest of its configuration (`sha256:…`)."""
    layers: list[model.Layer]
    """What it is made of, base first."""
    steps: str = ""
    """Id of the engine's own image that the install steps led to, which has no name; empty: there is none."""


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

    def build(
        self,
        recipe: Recipe,
        base: ImageFacts,
        layers: Sequence[Layer],
        tag: str,
        reporter: Reporter,
        *,
        fresh: bool = False,
    ) -> Built:
        """Put an image together of `base`, the recipe's install steps and `layers`, and tag it.

        `fresh`: layers are made anew, also where they are known from before.
        """

    def layers(self, image: str, reporter: Reporter) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Digest of each plain layer of an image (base first) and its tar, piece by piece."""

    def inspect(self, image: str) -> ImageFacts | None:
        """What is known of an image; None where the engine does not have it."""

    def list_files(self, image: str, path: str, reporter: Reporter | None = None) -> Iterator[FileFact]:
        """Everything at and below `path` in an image."""

    def push(self, reference: str, auth: Credentials | None, reporter: Reporter) -> str:
        """Push. Returns the digest that the registry confirms."""

    def save(self, image: str, path: Path, reporter: Reporter) -> None:
        """Write an archive that `load` reads."""

    def load(self, path: Path, reporter: Reporter) -> list[str]:
        """Read an archive. Returns the references (or ids) in it."""

    def forget(self, image: str) -> None:
        """Remove an image by its id, where nothing has named it."""

    def remove(self, reference: str) -> bool:
        """Remove a tag, and the image with its last one. False where there was none."""

    def run(
        self,
        image: str,
        reporter: Reporter,
        command: list[str] | None = None,
        user: str = "",
        variables: Mapping[str, str] | None = None,
        timeout: float = 120.0,
    ) -> RunResult:
        """Run a container without network and remove it."""


@dataclass(frozen=True)
class Attempt:
    """A place where an engine was looked for in vain."""

    where: str
    problem: str


@dataclass(frozen=True)
class Product:
    """What an engine said it is; empty where it did not say."""

    name: str = ""
    """`Docker Engine`, `Podman`."""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip() or "a Docker-compatible engine"


@dataclass(frozen=True)
class Discovery:
    """The engine that answered, if any, and where else was looked."""

    engine: Engine | None
    tried: list[Attempt]
    where: str = ""
    """What led to the engine: `DOCKER_HOST unix:///…`."""
    product: Product = Product()
    described: str = ""
    """What was chosen and why, in one sentence."""
    named: bool = False
    """The user named an engine: no other one was looked for."""
    others: tuple[str, ...] = ()
    """Engines that answer as well, but come later (only where all answers were waited for)."""

    def finding(self) -> Finding:
        """The search in words: for preflight and doctor.

        No engine is no reason to stop: the built-in engine `oci` may do. It is a warning where the user
        named an engine that does not answer.
        """
        if self.engine is not None:
            return Finding("note", "engine", self.described)
        return Finding(
            "warning" if self.named else "note",
            "engine",
            f"No container engine answers, the built-in engine `oci` is used. {self._tried()}",
            self._advice(),
        )

    def required(self) -> Engine:
        """The engine. Raises NuvError (exit code 6) that names what was tried and what to do."""
        if self.engine is None:
            raise NuvError("No container engine answers", self._tried(), self._advice(), Exit.REFUSED)
        return self.engine

    def _tried(self) -> str:
        return "Tried " + "; ".join(f"{attempt.where}: {attempt.problem}" for attempt in self.tried)

    def _advice(self) -> str:
        if any(_WAITED in attempt.problem for attempt in self.tried):
            return "An engine that is only slow can be waited for: setting engine_timeout (seconds)."
        if self.named:
            return "Start that engine, or name another one: DOCKER_HOST, or `docker context use`."
        return "Start Docker or Podman's socket, or name the engine: export DOCKER_HOST=unix:///path/to/docker.sock"


_WAITED = "waited"


@dataclass(frozen=True)
class Place:
    """A place where an engine may be."""

    label: str
    endpoint: Endpoint | None
    problem: str = ""
    found_by: str = ""
    """How it came to be looked at, after "found by"; empty: it is one of the usual sockets."""


class _Probe(threading.Thread):
    """One place that is being asked."""

    def __init__(self, place: Place, timeout: float) -> None:
        super().__init__(daemon=True)
        self.place = place
        self.answer: Product | str = place.problem or f"no answer in time ({_WAITED} {timeout:g} s)"
        self._timeout = timeout
        if place.endpoint is not None:
            self.start()

    def run(self) -> None:
        assert self.place.endpoint is not None
        self.answer = probe(self.place.endpoint, self._timeout)

    def result(self, until: float) -> Product | str:
        """What came out by the time `until`."""
        if self.ident is not None:
            self.join(max(0.0, until - time.monotonic()))
        return self.answer


def discover(
    settings: Settings, environ: Mapping[str, str] | None = None, *, all_answers: bool = False
) -> Discovery:
    """Look for a Docker-compatible engine; takes at most about `settings.engine_timeout` seconds.

    `all_answers`: also wait for the places that come after the one that is chosen.
    """
    from nuvtui.images.engine.docker_engine import DockerEngine

    looked = list(places(os.environ if environ is None else environ))
    named = bool(looked[0].found_by)
    probes = [_Probe(place, settings.engine_timeout) for place in looked]
    until = time.monotonic() + settings.engine_timeout + 0.4
    tried: list[Attempt] = []
    others: list[str] = []
    chosen: tuple[Place, Endpoint, Product] | None = None
    for one in probes:
        answer, place = one.result(until), one.place
        if isinstance(answer, str) or place.endpoint is None:
            tried.append(Attempt(place.label, str(answer)))
        elif chosen:
            others.append(f"{answer} at {place.endpoint.url}")
        else:
            chosen = place, place.endpoint, answer
            if not all_answers:
                break
    if chosen is None:
        return Discovery(None, tried, named=named)
    place, endpoint, product = chosen
    how = place.found_by or "a usual socket"
    return Discovery(
        DockerEngine(endpoint, settings.build_network, settings),
        tried,
        place.label,
        product,
        f"{product} at {endpoint.url}, found by {how}".replace("a Docker", "A Docker", 1),
        named,
        tuple(others),
    )


def probe(endpoint: Endpoint, timeout: float) -> Product | str:
    """What answers at `endpoint` within `timeout` seconds, or why nothing does, in words."""
    answer = _ask(endpoint, "/version", timeout)
    if isinstance(answer, str):
        return answer
    status, body = answer
    if status != 200:  # a proxy before an engine may let through little
        return ping(endpoint, timeout) or Product()
    try:
        said = json.loads(body)
        parts = [str(part.get("Name", "")) for part in said.get("Components") or []]
        name = "Podman" if any("podman" in part.lower() for part in parts) else "Docker Engine"
        return Product(name, sanitise.line(str(said.get("Version") or ""))[:40])
    except (ValueError, AttributeError, TypeError):
        return "what answers is no engine: it does not say its version"


def ping(endpoint: Endpoint, timeout: float) -> str | None:
    """Why the engine at `endpoint` does not answer within `timeout` seconds; None: it does."""
    answer = _ask(endpoint, "/_ping", timeout)
    if isinstance(answer, str):
        return answer
    return None if answer[0] == 200 else f"answers with {phrase(answer[0])}"


def _ask(endpoint: Endpoint, path: str, timeout: float) -> tuple[int, bytes] | str:
    """Status and body of a short request, or why there is none."""
    until = time.monotonic() + timeout

    def late() -> None:
        if time.monotonic() >= until:
            raise TimeoutError

    try:
        with Exchange(endpoint, check=late, connect_timeout=timeout) as exchange:
            exchange.request("GET", path)
            return exchange.status, exchange.whole(1 << 20)
    except TimeoutError:
        if endpoint.url.startswith("ssh://"):
            return f"ssh gets no answer ({_WAITED} {timeout:g} s)"
        return f"it accepts connections but does not answer ({_WAITED} {timeout:g} s)"
    except NuvError as error:
        return error.message.removeprefix(f"{endpoint.url}: ")


def places(environ: Mapping[str, str]) -> Iterator[Place]:
    """Where an engine may be, in the order of preference."""
    if host := environ.get("DOCKER_HOST"):
        yield _place(f"DOCKER_HOST {host}", host, _environment_tls(environ), "DOCKER_HOST")
        return
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if context := environ.get("DOCKER_CONTEXT") or _current_context(config):
        yield _context(context, config)
        return
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    for socket in (
        Path("/var/run/docker.sock"),  # what the context `default` means: first, as for the Docker CLI
        runtime / "docker.sock",
        home / ".docker/run/docker.sock",
        home / ".docker/desktop/docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    ):
        yield _place(f"unix://{socket}", f"unix://{socket}", None)


def _place(label: str, url: str, tls: ssl.SSLContext | str | None, found_by: str = "") -> Place:
    if isinstance(tls, str):
        return Place(label, None, tls, found_by)
    if url.startswith("/"):
        url = f"unix://{url}"
    return Place(label, Endpoint(url, tls), "", found_by)


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
        return _place(label, "unix:///var/run/docker.sock", None, label)
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((config / "contexts" / "meta" / key / "meta.json").read_text("utf-8"))
        endpoint = meta["Endpoints"]["docker"]
        host, skip = str(endpoint["Host"]), bool(endpoint.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Place(label, None, f"it is not set up ({type(error).__name__})", label)
    certificates = config / "contexts" / "tls" / key / "docker"
    tls = _tls(certificates, verify=not skip) if certificates.is_dir() else None
    return _place(f"{label} {host}", host, tls, label)
