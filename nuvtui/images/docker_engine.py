"""The engine `docker`: Docker Engine, or Podman's compatible socket, over its HTTP interface.

Every exchange is nuvtui's own (`wire`), because the docker package can neither end a build that is under
way nor tell an answer that broke off from one that is complete. An image is tagged by nuvtui itself, after
the engine named its id and confirmed what is in it: until then nothing can be left behind under a name.
"""

import base64
import contextlib
import json
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode

from nuvtui import atomic
from nuvtui.config import Settings
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.images import compare, context, registry, site
from nuvtui.images import reference as references
from nuvtui.images.engines import EngineInfo, RunResult, ping
from nuvtui.images.facts import FileFact, ImageFacts, Step
from nuvtui.images.recipe import Recipe
from nuvtui.images.redact import Redactor
from nuvtui.images.registry import Credentials
from nuvtui.images.stream import Decoder, Message
from nuvtui.images.wire import ConnectionLostError, Endpoint, Exchange, phrase
from nuvtui.model.tree import FILE, FOLDER, LINK
from nuvtui.reporter import Reporter, Silent

STALL_SECONDS = 30.0
"""After so long without a byte, the engine is asked whether it is still there."""
STALL_TRIES = 3
"""After so many questions without an answer, one every `STALL_SECONDS`, it counts as gone."""
CANCEL_SECONDS = 10.0
"""So long the engine has to end what was cancelled, before nuvtui removes it itself."""

_UNKNOWN = "?"

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12,64})")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})")
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")
_BARE_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class DockerEngine:
    """A Docker-compatible engine at one endpoint."""

    name = "docker"

    def __init__(self, endpoint: Endpoint | str, network: str = "", settings: Settings | None = None) -> None:
        """`endpoint` or its URL; `network`: network mode of build steps, empty: the engine's default.

        `settings`: for the registry that is asked after a push.
        """
        self._settings = settings
        self.endpoint = Endpoint(endpoint) if isinstance(endpoint, str) else endpoint
        self.network = network
        self.stall_seconds = STALL_SECONDS

    def ping(self, timeout: float = 5.0) -> None:
        """Raise NuvError (exit code 6) where the engine does not answer."""
        if problem := ping(self.endpoint, timeout):
            raise NuvError("The engine does not answer", f"{self.endpoint.url}: {problem}", "", Exit.REFUSED)

    def info(self) -> EngineInfo:
        """What the engine says of itself."""
        version, info = self._json("GET", "/version"), self._json("GET", "/info")
        names = [str(part.get("Name", "")) for part in version.get("Components") or []]
        settings = info.get("RegistryConfig") or {}
        indexes = settings.get("IndexConfigs") or {}
        insecure = [name for name, index in indexes.items() if index.get("Secure") is False]
        return EngineInfo(
            name="Podman" if any("podman" in name.lower() for name in names) else "Docker Engine",
            version=str(version.get("Version", "")),
            architecture=str(version.get("Arch", "")),
            system=str(version.get("Os", "")),
            insecure_registries=(*insecure, *(settings.get("InsecureRegistryCIDRs") or [])),
        )

    # Images

    def inspect(self, image: str) -> ImageFacts | None:
        """What the engine knows of `image` (reference or id); None where it does not have it."""
        found = self._json("GET", f"/images/{_name(image)}/json", missing=True)
        if found is None:
            return None
        history = self._json("GET", f"/images/{_name(image)}/history", missing=True) or []
        return _facts(found, history)

    def base_digest(self, reference: str) -> str:
        """The registry's digest of an image that the engine has; empty where it came from no registry."""
        facts = self.inspect(reference)
        name = references.parse(reference).name
        for known in facts.digests if facts else []:
            with contextlib.suppress(NuvError):
                parsed = references.parse(known)
                if parsed.name == name:
                    return parsed.digest
        return ""

    def pull_if_missing(self, reference: str, auth: Credentials | None, reporter: Reporter) -> ImageFacts:
        """Make sure that the engine has `reference`. Raises NuvError where it cannot be had."""
        if facts := self.inspect(reference):
            return facts
        parsed = references.parse(reference)
        query = urlencode({"fromImage": parsed.name, "tag": parsed.digest or parsed.tag})
        layers = _Layers()
        try:
            for message in self._messages("POST", f"/images/create?{query}", reporter, _auth(auth)):
                self._layer_progress(message, reporter, layers.seen)
                if message.error:
                    raise _refused(f"{reference} cannot be pulled", message.error, parsed.registry)
        except _StatusError as error:
            raise _refused(f"{reference} cannot be pulled", error.message, parsed.registry) from error
        facts = self.inspect(reference)
        if facts is None:
            raise NuvError(f"{reference} cannot be pulled", "the engine ended the pull without an image")
        return facts

    def build(self, recipe: Recipe, context: Iterable[bytes], tag: str, reporter: Reporter) -> str:
        """Build `recipe` with `context` (`context.stream`) and tag the image `tag`. Returns its id.

        The image is tagged only once the engine named its id and what it says of the image agrees with the
        recipe. Raises Cancelled where the user asked to stop (then nothing is tagged and no container is
        left), NuvError where the build failed.
        """
        before = self._tagged(tag)
        build = _Build(recipe, reporter, _proxies(self.endpoint.url))
        try:
            try:
                self._run_build(recipe, context, build, reporter)
                image = build.finish()
            finally:
                build.redactor.flush()
            self._agree(image, recipe)
            reporter.check()
            self._tag(image, tag)
        except BaseException as error:
            with contextlib.suppress(NuvError):
                self._undo(build, before, tag, cancelled=isinstance(error, Cancelled))
            raise
        return image

    def tag(self, image: str, reference: str) -> None:
        """Give `image` another name."""
        self._tag(image, reference)

    def remove(self, reference: str) -> bool:
        """Remove tag `reference`, and the image with its last tag. False where the engine has no such tag.

        Raises NuvError (exit code 5) where a container uses the image.
        """
        try:
            with self._exchange() as exchange:
                exchange.request("DELETE", f"/images/{_name(reference)}")
                self._expect(exchange)
        except _StatusError as error:
            if error.status == 404:
                return False
            if error.status == 409:
                raise NuvError(
                    f"{reference} is in use", error.message, "Remove its containers first.", Exit.CONFLICT
                ) from error
            raise
        return True

    def list_files(self, image: str, path: str = "/") -> Iterator[FileFact]:
        """Everything at and below `path` in `image`, in the engine's order; nothing where there is no such
        path.
        """
        with self._container({"Image": image, "Cmd": ["nuvtui"]}) as container, self._exchange() as exchange:
            exchange.request("GET", f"/containers/{container}/archive?{urlencode({'path': path})}")
            if exchange.status == 404:
                return
            self._expect(exchange)
            parent = path.strip("/").rpartition("/")[0]
            with tarfile.open(
                fileobj=cast(BinaryIO, _Reader(exchange.body())), mode="r|", errorlevel=2
            ) as archive:
                for member in archive:
                    yield _file_fact(member, parent)

    def save(self, image: str, path: Path, reporter: Reporter) -> None:
        """Write `image` with its tag to the new archive `path`: wholly, or not at all.

        Raises NuvError, exit code 5 where there is a file of that name.
        """
        if os.path.lexists(path):
            raise _exists(path)
        facts = self.inspect(image)
        if facts is None:
            raise NuvError(f"No image {image} in the engine", "it may have been removed", "", Exit.NOT_FOUND)
        temporary = atomic.temporary_name(path)
        try:
            with temporary.open("xb") as file:
                temporary.chmod(0o644)
                done = 0
                with self._exchange(reporter) as exchange, reporter.on_cancel(exchange.stop):
                    exchange.request("GET", f"/images/{_name(image)}/get")
                    self._expect(exchange)
                    for piece in exchange.body():
                        file.write(piece)
                        done += len(piece)
                        reporter.progress(done, max(facts.size, done), "bytes", path.name)
                file.flush()
                os.fsync(file.fileno())
            with tarfile.open(temporary) as archive:
                if "manifest.json" not in archive.getnames():
                    raise NuvError(f"The archive of {image} is incomplete", "it has no manifest.json")
            atomic.publish_new(temporary, path)
        except FileExistsError as error:
            raise _exists(path) from error
        except OSError as error:
            raise NuvError(f"Archive {path} cannot be written", str(error.strerror or error)) from error
        except tarfile.TarError as error:
            raise NuvError(f"The archive of {image} is incomplete", str(error)) from error
        finally:
            temporary.unlink(missing_ok=True)
        atomic.fsync_folder(path.parent)

    def load(self, path: Path, reporter: Reporter) -> list[str]:
        """Read archive `path`. Returns references (ids, where an image has no tag) of what was in it."""
        loaded: list[str] = []
        size = path.stat().st_size

        def pieces() -> Iterator[bytes]:
            done = 0
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    done += len(piece)
                    reporter.progress(done, size, "bytes", path.name)
                    yield piece

        headers = {"Content-Type": "application/x-tar"}
        for message in self._messages("POST", "/images/load?quiet=1", reporter, headers, pieces()):
            if message.error:
                raise NuvError(f"Archive {path} cannot be loaded", message.error)
            for found in re.findall(r"Loaded image(?: ID)?: (\S+)", message.stream):
                loaded.append(found)
        if not loaded:
            raise NuvError(f"Archive {path} cannot be loaded", "the engine names no image in it")
        return loaded

    def push(self, reference: str, auth: Credentials | None, reporter: Reporter, confirm: bool = True) -> str:
        """Push `reference`. Returns the digest that engine and registry agree on.

        Raises Cancelled (then the tag in the registry is what it was before), NuvError where the registry
        refused or has another digest. `confirm` False: the registry is not asked.
        """
        parsed = references.parse(reference)
        insecure = self.info().insecure_registries
        before: str | None = _UNKNOWN
        # A registry may hide what does not exist yet behind a refusal: that is no reason not to push.
        with contextlib.suppress(NuvError):
            before = self._remote(reference, auth, insecure) if confirm else _UNKNOWN
        query = urlencode({"tag": parsed.tag})
        digest, error, layers = "", "", _Layers()
        redactor = Redactor(reporter.log, auth.secrets() if auth else [])
        try:
            path = f"/images/{_name(parsed.name)}/push?{query}"
            for message in self._messages("POST", path, reporter, _auth(auth)):
                self._layer_progress(message, reporter, layers.seen, redactor.write)
                error = error or message.error
                digest = str(message.aux.get("Digest") or digest)
        except _StatusError as problem:
            raise _refused(f"{reference} cannot be pushed", problem.message, parsed.registry) from problem
        except BaseException:
            if confirm:
                self._unpush(reference, auth, insecure, before)
            raise
        finally:
            redactor.flush()
        if error:
            raise _refused(f"{reference} cannot be pushed", error, parsed.registry)
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise NuvError(
                f"{reference} cannot be pushed", "the engine ended the push without naming a digest"
            )
        if confirm and (found := self._remote(reference, auth, insecure)) != digest:
            raise NuvError(
                f"{reference} was pushed, but the registry has something else",
                f"expected digest {digest}, found {found or 'no such image'}",
                "Somebody else may have pushed to the same name at the same time: push again.",
            )
        return digest

    # Containers

    def run(
        self,
        image: str,
        reporter: Reporter,
        command: list[str] | None = None,
        user: str = "",
        read_only: bool = True,
        network: str = "none",
        variables: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        limit: int = 1 << 20,
    ) -> RunResult:
        """Run `command` (None: the image's own) in a container of `image`, and remove it.

        `user` as `docker run --user`. The root file system is read-only but for `/tmp`. Of the output the
        first `limit` bytes are kept. Raises NuvError where it does not start, or does not end within
        `timeout` seconds.
        """
        config: dict[str, Any] = {
            "Image": image,
            "User": user,
            "Env": [f"{name}={value}" for name, value in (variables or {}).items()],
            "HostConfig": {
                "NetworkMode": network,
                "ReadonlyRootfs": read_only,
                "Tmpfs": {"/tmp": "rw,mode=1777"},  # noqa: S108 - a path in the container
            },
        }
        if command is not None:
            config["Cmd"] = command
        ends = time.monotonic() + timeout

        def late(_: float) -> None:
            if time.monotonic() > ends:
                raise NuvError(f"{image} did not end", f"expected the end within {timeout:g} s of its start")

        with self._container(config) as container:
            self._json("POST", f"/containers/{container}/start")
            with self._exchange(reporter, late) as exchange, reporter.on_cancel(exchange.stop):
                exchange.request("POST", f"/containers/{container}/wait")
                self._expect(exchange)
                answer = json.loads(exchange.whole())
            # After its end the log is complete; followed, it can lack a last line without line break.
            output = b""
            with self._exchange(reporter, late) as exchange, reporter.on_cancel(exchange.stop):
                exchange.request("GET", f"/containers/{container}/logs?stdout=1&stderr=1")
                self._expect(exchange)
                for _, piece in _frames(exchange.body()):
                    output += piece
                    if len(output) >= limit:
                        output = output[:limit]
                        break
        return RunResult(int(answer["StatusCode"]), output)

    @contextlib.contextmanager
    def _container(self, config: Mapping[str, Any]) -> Iterator[str]:
        try:
            container = str(self._json("POST", "/containers/create", config)["Id"])
        except _StatusError as error:
            raise NuvError(f"No container of {config['Image']} can be made", error.message) from error
        try:
            yield container
        finally:
            self._remove_container(container)

    def _remove_container(self, container: str) -> None:
        with contextlib.suppress(_StatusError):
            self._json("DELETE", f"/containers/{container}?force=1&v=1")

    # Build

    def _run_build(
        self, recipe: Recipe, pieces: Iterable[bytes], build: "_Build", reporter: Reporter
    ) -> None:
        query = {"dockerfile": "Dockerfile", "rm": "1", "forcerm": "1", "q": "0"}
        if self.network:
            query["networkmode"] = self.network
        arguments = {**build.proxies, **recipe.build_arguments}
        if arguments:
            query["buildargs"] = json.dumps(arguments)
        total = context.size(recipe)

        def counted() -> Iterator[bytes]:
            done = 0
            for piece in pieces:
                reporter.progress(done, total, "bytes", "build context")
                yield piece
                done += len(piece)
            reporter.progress(done, total, "bytes", "build context")

        headers = {"Content-Type": "application/x-tar"}
        try:
            for message in self._messages(
                "POST", f"/build?{urlencode(query, quote_via=quote)}", reporter, headers, counted()
            ):
                build.take(message)
        except _StatusError as error:
            raise NuvError("The build was refused", build.redactor.text(error.message)) from error

    def _agree(self, image: str, recipe: Recipe) -> None:
        facts = self.inspect(image)
        if facts is None:
            raise NuvError("The build failed", f"the engine says it made {image}, but does not have it")
        wrong = compare.differences(recipe, facts)
        if wrong:
            raise NuvError(
                "The image is not what was planned",
                "; ".join(wrong[:5]),
                "Nothing was tagged. Please report this with the export's log.",
            )

    def _tag(self, image: str, reference: str) -> None:
        parsed = references.parse(reference)
        query = urlencode({"repo": parsed.name, "tag": parsed.tag})
        self._json("POST", f"/images/{_name(image)}/tag?{query}")

    def _tagged(self, reference: str) -> str | None:
        found = self._json("GET", f"/images/{_name(reference)}/json", missing=True)
        return str(found["Id"]) if found else None

    def _undo(self, build: "_Build", before: str | None, tag: str, *, cancelled: bool) -> None:
        """Nothing of a build that did not come to its end may be left: containers, a new tag, and if it was
        cancelled its untagged images. (After a failure those are the cache of the next try.)
        """
        ends = time.monotonic() + CANCEL_SECONDS / 2
        for container in build.containers:
            while self._json("GET", f"/containers/{container}/json", missing=True) is not None:
                if time.monotonic() > ends:
                    self._remove_container(container)
                    break
                time.sleep(0.05)
        now = self._tagged(tag)
        if now is not None and now != before:
            self.remove(tag)
        if cancelled:
            for image in reversed(build.images):
                with contextlib.suppress(NuvError):
                    self._json("DELETE", f"/images/{image}?noprune=1")

    def _unpush(
        self, reference: str, auth: Credentials | None, insecure: Iterable[str], before: str | None
    ) -> None:
        """Take back a tag that a broken-off push may have made."""
        with contextlib.suppress(NuvError):
            if before is None and self._remote(reference, auth, insecure) is not None:
                registry.delete_tag(reference, auth, insecure, self._settings)

    def _remote(self, reference: str, auth: Credentials | None, insecure: Iterable[str]) -> str | None:
        return registry.head_digest(reference, auth, insecure, self._settings)

    # Exchanges

    def _exchange(
        self, reporter: Reporter | None = None, idle: Callable[[float], None] = lambda _: None
    ) -> Exchange:
        check = (reporter or Silent()).check
        return Exchange(self.endpoint, check=check, idle=idle)

    def _json(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> Any:
        """The JSON answer of a short request; None where it is empty, or (`missing`) where there is no
        such thing.
        """

        def late(seconds: float) -> None:
            if seconds > 60:
                raise ConnectionLostError("no answer within 60 s")

        with self._exchange(idle=late) as exchange:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            exchange.request(method, path, headers, json.dumps(body).encode() if body is not None else None)
            if missing and exchange.status == 404:
                return None
            self._expect(exchange)
            data = exchange.whole()
        try:
            return json.loads(data) if data.strip() else None
        except ValueError as error:
            raise ConnectionLostError("the answer is no JSON") from error

    def _messages(
        self,
        method: str,
        path: str,
        reporter: Reporter,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
    ) -> Iterator[Message]:
        """The messages of a long request; ends with the connection closed, whatever happens."""
        decoder = Decoder()
        with self._exchange(reporter, self._watchdog()) as exchange, reporter.on_cancel(exchange.stop):
            exchange.request(method, path, headers, body)
            self._expect(exchange)
            for piece in exchange.body():
                reporter.check()
                yield from decoder.feed(piece)
            yield from decoder.end()

    def _watchdog(self) -> Callable[[float], None]:
        """Raises once the engine neither sends anything nor answers a ping, several times in a row."""
        asked = failed = 0

        def watch(idle: float) -> None:
            nonlocal asked, failed
            if idle < self.stall_seconds * (asked + 1):
                if idle < self.stall_seconds:
                    asked = failed = 0
                return
            asked += 1
            failed = failed + 1 if ping(self.endpoint, min(5.0, self.stall_seconds)) else 0
            if failed >= STALL_TRIES:
                raise NuvError(
                    "The engine hangs",
                    f"nothing came for {idle:.0f} s, and it does not answer",
                    "Restart the engine, then try again.",
                )

        return watch

    def _expect(self, exchange: Exchange) -> None:
        if exchange.status < 400:
            return
        data = exchange.whole(1 << 20)
        try:
            message = str(json.loads(data)["message"])
        except (ValueError, KeyError, TypeError):
            message = data.decode("utf-8", "replace")[:500]
        raise _StatusError(exchange.status, message.strip())

    def _layer_progress(
        self,
        message: Message,
        reporter: Reporter,
        seen: dict[str, tuple[str, int, int]],
        log: Callable[[bytes], None] | None = None,
    ) -> None:
        """Tell of a pull's or push's layers: each change of status in the log, bytes as progress."""
        if message.error:
            return
        if message.raw:
            (log or reporter.log)(message.raw)
            return
        last = seen.get(message.id, ("", 0, 0))
        if message.status and (message.status != last[0] or not message.id):
            prefix = f"{message.id}: " if message.id else ""
            (log or reporter.log)(f"{prefix}{message.status}\n".encode("utf-8", "replace"))
        if message.id:
            seen[message.id] = (message.status, message.current or last[1], message.total or last[2])
            done = sum(current for _, current, _ in seen.values())
            total = sum(size for _, _, size in seen.values())
            if total:
                reporter.progress(min(done, total), total, "bytes", message.status)


def _exists(path: Path) -> NuvError:
    return NuvError(f"{path} exists already", "", "Name another file.", Exit.CONFLICT)


class _StatusError(NuvError):
    """The engine answered a request with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"The engine answers {phrase(status)}", message)
        self.status = status


class _Layers:
    """Layers of a push by id: status, bytes done, bytes in all."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, int, int]] = {}


class _Build:
    """What the messages of a build have told so far."""

    def __init__(self, recipe: Recipe, reporter: Reporter, proxies: dict[str, str]) -> None:
        self.proxies = proxies
        """Predefined arguments for the proxies of the site; may carry credentials."""
        self.containers: list[str] = []
        self.images: list[str] = []
        """Untagged images that this build made, oldest first."""
        secrets = [*recipe.secret_values, *site.url_secrets(proxies.values())]
        self.redactor = Redactor(reporter.log, secrets)
        self._reporter = reporter
        self._id = ""
        self._error = ""
        self._step = ""
        self._cached = False
        self._layers = _Layers()
        self._tail = ""

    def take(self, message: Message) -> None:
        if message.error:
            self._error = self._error or message.error
            self.redactor.write(f"{message.error}\n".encode("utf-8", "replace"))
        if message.raw:
            self.redactor.write(message.raw)
        if message.stream:
            self.redactor.write(message.stream.encode("utf-8", "replace"))
            if len(message.stream) < 4096:
                self._read(message.stream)
        elif message.status:
            self._layer(message)
        if found := message.aux.get("ID"):
            self._id = str(found)

    def _read(self, text: str) -> None:
        """Note step, container and image of the builder's own lines."""
        if found := _STEP.match(text):
            self._step = found[0].strip()
            self._cached = False
            self._reporter.progress(int(found[1]) - 1, int(found[2]), "steps", found[3].strip()[:200])
        elif found := _RUNNING.match(text):
            self.containers.append(found[1])
        elif text.startswith(" ---> Using cache"):
            self._cached = True
        elif found := _IMAGE.match(text):
            # The one of `FROM` is the base image.
            if not self._cached and not self._step.partition(" : ")[2].upper().startswith("FROM "):
                self.images.append(found[1])
            self._cached = False
        elif found := _BUILT.match(text):
            self._id = self._id or found[1]
        elif found := _BARE_ID.fullmatch(text.strip()):
            self._id = self._id or f"sha256:{found[1]}"

    def _layer(self, message: Message) -> None:
        last = self._layers.seen.get(message.id, ("", 0, 0))
        if message.status != last[0]:
            prefix = f"{message.id}: " if message.id else ""
            self.redactor.write(f"{prefix}{message.status}\n".encode("utf-8", "replace"))
        self._layers.seen[message.id] = (message.status, message.current, message.total)

    def finish(self) -> str:
        """The id of the image. Raises NuvError where the build failed, or ended without one."""
        if self._error:
            raise NuvError(
                "The build failed",
                self.redactor.text(f"{self._step}: {self._error}" if self._step else self._error),
                _hint(self._error),
            )
        if not self._id:
            raise NuvError("The build failed", "the engine ended it without naming an image")
        return self._id


class _Reader:
    """A file to read from, over pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int) -> bytes:
        parts, length = [self._held], len(self._held)
        while length < size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            length += len(piece)
        data = b"".join(parts)
        self._held = data[size:]
        return data[:size]


def _frames(pieces: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Stream (1 output, 2 error) and data of a container's log: 8 bytes of header, then the data."""
    reader = _Reader(pieces)
    while header := reader.read(8):
        if len(header) < 8:
            raise ConnectionLostError("it was closed in the middle of the output")
        yield header[0], reader.read(int.from_bytes(header[4:], "big"))


def _name(image: str) -> str:
    """A reference or id as part of a path."""
    return quote(image, safe="/:@")


def _auth(auth: Credentials | None) -> dict[str, str]:
    value = json.dumps(auth.engine_header() if auth else {})
    return {"X-Registry-Auth": base64.urlsafe_b64encode(value.encode()).decode()}


def _facts(found: dict[str, Any], history: list[dict[str, Any]]) -> ImageFacts:
    config = found.get("Config") or {}
    pairs = (entry.partition("=") for entry in config.get("Env") or [])
    return ImageFacts(
        id=str(found["Id"]) if str(found["Id"]).startswith("sha256:") else f"sha256:{found['Id']}",
        size=int(found.get("Size") or 0),
        labels=dict(config.get("Labels") or {}),
        env={name: value for name, _, value in pairs},
        command=list(config.get("Cmd") or []),
        entrypoint=list(config.get("Entrypoint") or []),
        exposed=sorted(config.get("ExposedPorts") or {}),
        workdir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        layers=list((found.get("RootFS") or {}).get("Layers") or []),
        tags=list(found.get("RepoTags") or []),
        digests=list(found.get("RepoDigests") or []),
        architecture=str(found.get("Architecture") or ""),
        created=str(found.get("Created") or ""),
        history=[Step(str(step.get("CreatedBy") or ""), not step.get("Size")) for step in reversed(history)],
    )


def _file_fact(member: tarfile.TarInfo, parent: str) -> FileFact:
    kind = FOLDER if member.isdir() else LINK if member.issym() else FILE
    name = "/".join(part for part in (parent, member.name.strip("/")) if part and part != ".")
    return FileFact(name, kind, member.size, member.mode & 0o7777, member.uid, member.gid, member.linkname)


def _refused(title: str, message: str, host: str) -> NuvError:
    denied = re.search(
        r"denied|unauthorized|authentication|authorization|forbidden|no basic auth", message, re.I
    )
    hint = f"Sign in with the Docker CLI: `docker login {host}`. Does the repository exist, and is it yours?"
    return NuvError(title, message, hint if denied else _hint(message))


def _hint(message: str) -> str:
    if re.search(r"no space left", message, re.I):
        return "The engine's disk is full: `docker system df` shows what could go."
    if re.search(r"network (?:bridge|mode).*not found|failed to create endpoint", message, re.I):
        return "The engine has no bridge network: set `build_network: host` (NUVTUI_BUILD_NETWORK=host)."
    if re.search(r"no such host|name resolution|i/o timeout|connection refused|TLS handshake", message, re.I):
        return "Is the network reachable from the engine? Settings: ca_bundle, pip_index, apt_mirror, build_network."
    return "The log's last lines say more."


def _proxies(url: str) -> dict[str, str]:
    """The proxies of the Docker CLI's config, as it hands them to builds: predefined arguments, in no
    image.
    """
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        proxies = json.loads(path.read_text("utf-8")).get("proxies") or {}
        found = proxies.get(url) or proxies.get("default") or {}
        pairs = [("httpProxy", "http_proxy"), ("httpsProxy", "https_proxy"), ("noProxy", "no_proxy")]
        values = {name: str(found[key]) for key, name in pairs if found.get(key)}
    except (OSError, ValueError, AttributeError):
        return {}
    return values | {name.upper(): value for name, value in values.items()}
