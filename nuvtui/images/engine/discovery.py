"""The search for an engine that answers.

Order: `DOCKER_HOST`, the Docker CLI's context (`ssh://` too), and without either the usual sockets: the one
of the default context, rootless Docker and Docker Desktop, Podman. Who names an engine by the first two gets
that one or a finding, never another one silently. Where none answers, there is still the built-in engine
`oci`. All places are asked at the same time, each has `engine_timeout` seconds.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker.errors import TLSParameterError
from docker.tls import TLSConfig

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images.engine.client import Endpoint
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.engine.probe import Problem, Product, probe
from nuvtui.images.engine.protocol import Daemon
from nuvtui.images.oci.layout import Layout
from nuvtui.model.export import Finding


@dataclass(frozen=True)
class Attempt:
    """A place where an engine was looked for in vain."""

    where: str
    problem: Problem


@dataclass(frozen=True)
class Discovery:
    """The engine that answered, if any, and where else was looked."""

    engine: Daemon | None
    tried: list[Attempt]
    product: Product = field(default_factory=Product)
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

    def required(self) -> Daemon:
        """The engine. Raises NuvError (exit code 6) that names what was tried and what to do."""
        if self.engine is None:
            raise NuvError("No container engine answers", self._tried(), self._advice(), Exit.REFUSED)
        return self.engine

    def _tried(self) -> str:
        return "Tried " + "; ".join(f"{attempt.where}: {attempt.problem}" for attempt in self.tried)

    def _advice(self) -> str:
        if any(attempt.problem.late for attempt in self.tried):
            return "An engine that is only slow can be waited for: setting engine_timeout (seconds)."
        if self.named:
            return "Start that engine, or name another one: DOCKER_HOST, or `docker context use`."
        return "Start Docker or Podman's socket, or name the engine: export DOCKER_HOST=unix:///path/to/docker.sock"


@dataclass(frozen=True)
class Place:
    """A place where an engine may be."""

    label: str
    endpoint: Endpoint | Problem
    found_by: str = ""
    """How it came to be looked at, after "found by"; empty: it is one of the usual sockets."""

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return self.endpoint.url if isinstance(self.endpoint, Endpoint) else ""


class _Probe(threading.Thread):
    """One place that is being asked."""

    def __init__(self, place: Place, timeout: float) -> None:
        super().__init__(daemon=True)
        self.place = place
        self.answer: Product | Problem = Problem(f"no answer in time (waited {timeout:g} s)", late=True)
        self._timeout = timeout
        if isinstance(place.endpoint, Problem):
            self.answer = place.endpoint
        else:
            self.start()

    def run(self) -> None:
        assert isinstance(self.place.endpoint, Endpoint)
        self.answer = probe(self.place.endpoint, self._timeout)

    def result(self, until: float) -> Product | Problem:
        """What came out by the time `until`."""
        if self.ident is not None:
            self.join(max(0.0, until - time.monotonic()))
        return self.answer


def discover(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    *,
    layout: Layout | None = None,
    tmp: Path | None = None,
    all_answers: bool = False,
) -> Discovery:
    """Look for a Docker-compatible engine; takes at most about `settings.engine_timeout` seconds.

    `layout` and `tmp`: for the engine (`DockerEngine`). `all_answers`: also wait for the places that come after
    the one that is chosen.
    """
    looked = list(places(os.environ if environ is None else environ))
    named = bool(looked[0].found_by)
    probes = [_Probe(place, settings.engine_timeout) for place in looked]
    until = time.monotonic() + settings.engine_timeout + 0.4
    tried: list[Attempt] = []
    others: list[str] = []
    chosen: tuple[Place, Product] | None = None
    for one in probes:
        answer, place = one.result(until), one.place
        if isinstance(answer, Problem):
            tried.append(Attempt(place.label, answer))
        elif chosen:
            others.append(f"{answer} at {place.url}")
        else:
            chosen = place, answer
            if not all_answers:
                break
    if chosen is None:
        return Discovery(None, tried, named=named)
    place, product = chosen
    assert isinstance(place.endpoint, Endpoint)
    how = place.found_by or "a usual socket"
    return Discovery(
        DockerEngine(place.endpoint, settings.build_network, settings, layout, tmp),
        tried,
        product,
        f"{product} at {place.url}, found by {how}".replace("a Docker", "A Docker", 1),
        named,
        tuple(others),
    )


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


def _place(label: str, url: str, tls: TLSConfig | Problem | None, found_by: str = "") -> Place:
    if isinstance(tls, Problem):
        return Place(label, tls, found_by)
    return Place(label, Endpoint(f"unix://{url}" if url.startswith("/") else url, tls), found_by)


def _environment_tls(environ: Mapping[str, str]) -> TLSConfig | Problem | None:
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    home = Path(environ.get("HOME") or Path.home())
    return _tls(Path(environ.get("DOCKER_CERT_PATH") or home / ".docker"), verify=True)


def _tls(folder: Path, *, verify: bool) -> TLSConfig | Problem:
    """`ca.pem`, `cert.pem` and `key.pem` of `folder`, those that there are, or what is wrong with them."""
    ca, cert, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    pair = (str(cert), str(key)) if cert.exists() else None
    try:
        return TLSConfig(pair, str(ca) if ca.exists() else None, verify)
    except TLSParameterError as error:
        return Problem(f"its certificates in {folder} cannot be used: {error.msg}")


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
    # Not the package's `docker.context`: without a `config.json` it reads the current folder, and it does not
    # verify, or does without TLS, where the context does not say or has no certificate of its own.
    label = f"Docker context {name}"
    if name == "default":
        return _place(label, "unix:///var/run/docker.sock", None, label)
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((config / "contexts" / "meta" / key / "meta.json").read_text("utf-8"))
        endpoint = meta["Endpoints"]["docker"]
        host, skip = str(endpoint["Host"]), bool(endpoint.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Place(label, Problem(f"it is not set up ({type(error).__name__})"), label)
    certificates = config / "contexts" / "tls" / key / "docker"
    tls = _tls(certificates, verify=not skip) if certificates.is_dir() else None
    return _place(f"{label} {host}", host, tls, label)
