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
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode

import msgspec

from nuvtui import atomic
from nuvtui.config import Settings
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.images import compare, site
from nuvtui.images import reference as references
from nuvtui.images.engine import build_context
from nuvtui.images.engine.discovery import Built, EngineInfo, RunResult, ping
from nuvtui.images.engine.load import Load
from nuvtui.images.engine.messages import Decoder, Message
from nuvtui.images.engine.wire import ConnectionLostError, Endpoint, Exchange, phrase
from nuvtui.images.facts import FileFact, ImageFacts, Step, from_config
from nuvtui.images.oci import archive
from nuvtui.images.oci.config import image_config
from nuvtui.images.oci.descriptor import Descriptor, digest_of
from nuvtui.images.oci.layers import Layer
from nuvtui.images.oci.layout import LAYER, Layout
from nuvtui.images.recipe import Recipe
from nuvtui.images.redact import Redactor
from nuvtui.images.registry.credentials import Credentials, credentials
from nuvtui.model import export as model
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

    def __init__(
        self,
        endpoint: Endpoint | str,
        network: str = "",
        settings: Settings | None = None,
    ) -> None:
        """`endpoint` or its URL; `network`: network mode of build steps, empty: the engine's default.

        `settings`: for the registry that is asked after a push.
        """
        self._settings = settings
        self._layout: Layout | None = None
        self._tmp: Path | None = None
        self.endpoint = Endpoint(endpoint) if isinstance(endpoint, str) else endpoint
        self.network = network
        self.stall_seconds = STALL_SECONDS

    def keep_in(self, layout: Layout, tmp: Path) -> None:
        """Remember layers in `layout`, so that none is read again that the engine has; unpack in `tmp`."""
        self._layout, self._tmp = layout, tmp

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
        if self.info().name == "Podman":
            # Podman gives digests to images that came from no registry as well: only the registry knows.
            return self._registry_digest(reference, facts)
        for known in facts.digests if facts else []:
            with contextlib.suppress(NuvError):
                parsed = references.parse(known)
                if parsed.name == name:
                    return parsed.digest
        return ""

    def _registry_digest(self, reference: str, facts: ImageFacts | None) -> str:
        """Of the digests that the engine has for an image the one that the registry knows: the tag may name
        another image by now.
        """
        parsed = references.parse(reference)
        own: list[str] = []
        for known in facts.digests if facts else []:
            with contextlib.suppress(NuvError):
                if (found := references.parse(known)).name == parsed.name:
                    own.append(found.digest)
        if facts is None or not own:
            return ""
        from nuvtui.images.registry.pull import resolve

        platform = (facts.os, facts.architecture, facts.variant)
        for asked in (reference, *(str(parsed.pinned(digest)) for digest in own)):
            with contextlib.suppress(NuvError):
                auth = credentials(parsed.registry)
                named = resolve(asked, platform, auth, self._settings or Settings())
                if set(named) & set(own):
                    return named[0]
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
        """Run the recipe's install steps on `base`, lay `layers` on top and tag the image.

        Layers and configuration are nuvtui's own, handed to the engine as an archive whose id is known before:
        the engine checks every layer against its digest. An image that it has already is only tagged.
        Raises Cancelled (then nothing is tagged and no container is left), NuvError where the build failed.
        """
        before = self._tagged(tag)
        build = _Build(recipe, reporter, _proxies(self.endpoint.url))
        try:
            below = [model.Layer("base", diff_id) for diff_id in base.layers]
            source = base.id
            if recipe.dockerfile:
                stepped = self._steps(recipe, build, reporter)
                if stepped.layers[: len(below)] != base.layers:
                    raise NuvError(
                        "The build failed", "what the engine made does not stand on the base image"
                    )
                below += [model.Layer("packages", diff_id) for diff_id in stepped.layers[len(below) :]]
                source = stepped.id
            made = self._stacked(recipe, base, below, source, layers, reporter, fresh)
            try:
                reporter.check()
                self._tag(made.image, tag)
            except BaseException:
                self.forget(made.image)
                raise
            return replace(made, steps=source if recipe.dockerfile else "")
        except BaseException as error:
            with contextlib.suppress(NuvError):
                self._undo(build, before, tag, cancelled=isinstance(error, Cancelled))
            raise

    def _steps(self, recipe: Recipe, build: "_Build", reporter: Reporter) -> ImageFacts:
        """The image that the install steps lead to."""
        try:
            image = self._by_buildkit(recipe, build, reporter)
            if not image:
                self._run_build(recipe, build, reporter)
                image = build.finish()
        finally:
            build.redactor.flush()
        facts = self.inspect(image)
        if facts is None:
            raise NuvError("The build failed", f"the engine says it made {image}, but does not have it")
        return facts

    def _by_buildkit(self, recipe: Recipe, build: "_Build", reporter: Reporter) -> str:
        """The image as `docker buildx` makes it; empty where it is not there: then the classic builder is used."""
        from nuvtui.images.engine import buildkit

        if buildkit.find().problem or self.endpoint.tls is not None or self.info().name != "Docker Engine":
            return ""
        try:
            return buildkit.BuildxBuild().run(
                self.endpoint.url,
                [build_context.context(recipe)],
                recipe.build_arguments,
                self.network,
                reporter,
                build.redactor.write,
            )
        except buildkit.UnusableError as error:
            reporter.log(f"{error.message}: the classic builder is used\n".encode("utf-8", "replace"))
            return ""
        except NuvError as error:
            if isinstance(error, Cancelled):
                raise
            raise NuvError(error.title, build.redactor.text(error.message), error.hint) from None

    def _stacked(
        self,
        recipe: Recipe,
        base: ImageFacts,
        below: list[model.Layer],
        source: str,
        layers: Sequence[Layer],
        reporter: Reporter,
        fresh: bool,
    ) -> Built:
        """Lay `layers` on the layers `below`, which the image `source` in the engine has."""
        known = [self._layout.recall(layer.key) if self._layout else None for layer in layers]
        if all(known) and not fresh:
            parts = [
                *below,
                *(
                    model.Layer(layer.what, found.digest, found.size)
                    for layer, found in zip(layers, known, strict=True)
                    if found
                ),
            ]
            image = digest_of(image_config(base, recipe, parts))
            if self.inspect(image) is not None:
                reporter.log(b"The engine has this image already.\n")
                return Built(image, parts)
        load = Load(recipe, base, below, layers, reporter, self._tmp)
        pieces = load.pieces()
        if not below:
            self._load(pieces, reporter)
        else:
            try:
                self._load(pieces, reporter)
            except _LoadError as error:
                if re.search(r"no space left", error.message, re.I):
                    raise
                # An engine that wants every layer gets every layer.
                reporter.log(
                    f"The engine wants all layers: {error.message[:500]}\n".encode("utf-8", "replace")
                )
                self._load(load.pieces(self.layers(source, reporter)), reporter)
        built = load.built()
        try:
            return self._checked(recipe, built)
        except BaseException:
            self.forget(built.image)
            raise
        finally:
            self._remember(layers, built, len(below))

    def _remember(self, layers: Sequence[Layer], built: Built, below: int) -> None:
        if self._layout:
            for layer, part in zip(layers, built.layers[below:], strict=True):
                self._layout.remember(layer.key, Descriptor(LAYER, part.diff_id, part.size))

    def _checked(self, recipe: Recipe, built: Built) -> Built:
        """What was loaded, as the engine has it. Raises NuvError where that is something else."""
        facts = self.inspect(built.image)
        if facts is None or facts.layers != [part.diff_id for part in built.layers]:
            raise NuvError(
                "The image is not what was planned",
                "the engine has other layers than it was given, or counts images otherwise (containerd's store does)",
                "Nothing was tagged. Export with --engine oci, and load the archive: `docker load -i FILE`.",
            )
        if wrong := compare.differences(recipe, facts):
            raise NuvError(
                "The image is not what was planned",
                "; ".join(wrong[:5]),
                "Nothing was tagged. Please report this with the export's log.",
            )
        return Built(facts.id, built.layers)

    def forget(self, image: str) -> None:
        """Remove an image that nothing has named, and what was built on the way to it and for nothing else."""
        with contextlib.suppress(NuvError):
            facts = self.inspect(image)
            if facts is not None and not facts.tags:
                self._json("DELETE", f"/images/{_name(image)}")

    def _load(self, pieces: Iterable[bytes], reporter: Reporter) -> list[str]:
        """Hand an archive over. Returns what the engine names. Raises _LoadError where it does not take it."""
        loaded: list[str] = []
        headers = {"Content-Type": "application/x-tar"}
        try:
            for message in self._messages("POST", "/images/load?quiet=1", reporter, headers, pieces):
                if message.error:
                    raise _LoadError(message.error)
                loaded += re.findall(r"Loaded image(?: ID)?: (\S+)", message.stream)
        except _StatusError as error:
            raise _LoadError(error.message) from error
        return loaded

    def layers(self, image: str, reporter: Reporter) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Digest of each plain layer of an image (base first) and its tar, as the engine saves them."""
        from nuvtui.images.engine.oci_engine import OciEngine
        from nuvtui.images.oci.layout import Layout

        with tempfile.TemporaryDirectory(dir=self._tmp, prefix="nuvtui-") as folder:
            engine = OciEngine(Layout(Path(folder)), self._settings or Settings(), Path(folder))
            with engine.keep(self.saved(image, reporter)) as file:
                engine.adopt(image, file, reporter)
            yield from engine.layers(image, reporter)

    def saved(self, image: str, reporter: Reporter) -> Iterator[bytes]:
        """The engine's archive of an image, piece by piece."""
        with self._exchange(reporter, self._watchdog()) as exchange, reporter.on_cancel(exchange.stop):
            exchange.request("GET", f"/images/{_name(image)}/get")
            self._expect(exchange)
            yield from exchange.body()

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

    def list_files(self, image: str, path: str = "/", reporter: Reporter | None = None) -> Iterator[FileFact]:
        """Everything at and below `path` in `image`, in the engine's order; nothing where there is no such
        path.
        """
        with (
            self._container({"Image": image, "Cmd": ["nuvtui"]}) as container,
            self._exchange(reporter) as exchange,
        ):
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
        facts = self.inspect(image)
        if os.path.lexists(path):
            raise archive.exists(path)
        if facts is None:
            raise NuvError(f"No image {image} in the engine", "it may have been removed", "", Exit.NOT_FOUND)
        with archive.new_file(path) as file:
            done = 0
            for piece in self.saved(image, reporter):
                atomic.write_all(file.fileno(), piece)
                done += len(piece)
                reporter.progress(done, max(facts.size, done), "bytes", path.name)
            try:
                with tarfile.open(f"/proc/self/fd/{file.fileno()}") as written:
                    if "manifest.json" not in written.getnames():
                        raise NuvError(f"The archive of {image} is incomplete", "it has no manifest.json")
            except tarfile.TarError as error:
                raise NuvError(f"The archive of {image} is incomplete", str(error)) from error

    def load(self, path: Path, reporter: Reporter) -> list[str]:
        """Read archive `path`. Returns references (ids, where an image has no tag) of what was in it."""
        size = path.stat().st_size

        def pieces() -> Iterator[bytes]:
            done = 0
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    done += len(piece)
                    reporter.progress(done, size, "bytes", path.name)
                    yield piece

        return self.load_from(pieces(), str(path), reporter)

    def load_from(self, pieces: Iterable[bytes], name: str, reporter: Reporter) -> list[str]:
        """Read an archive that comes in pieces. Returns references or ids. Raises NuvError."""
        try:
            loaded = self._load(pieces, reporter)
        except _LoadError as error:
            raise NuvError(f"Archive {name} cannot be loaded", error.message, _hint(error.message)) from error
        if not loaded:
            raise NuvError(f"Archive {name} cannot be loaded", "the engine names no image in it")
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
                # Podman names it in a sentence only.
                said = re.search(r"digest: (sha256:[0-9a-f]{64}) size:", message.status)
                digest = str(message.aux.get("Digest") or (said and said[1]) or digest)
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

    @contextlib.contextmanager
    def trial(self, image: str, reporter: Reporter, user: str) -> Iterator["Trial"]:
        """Start the image's own command as `user`, without network, on a read-only system but for `/tmp`.

        The workspace is a volume of its own, filled from the image: there the command may write. The container is
        removed afterwards, volume included. Raises NuvError where it does not start.
        """
        config: dict[str, Any] = {
            "Image": image,
            "User": user,
            "Volumes": {"/files": {}},
            "HostConfig": {
                "NetworkMode": "none",
                "ReadonlyRootfs": True,
                "Tmpfs": {"/tmp": "rw,mode=1777,exec"},  # noqa: S108 - a path in the container
            },
        }
        with self._container(config) as container:
            self._json("POST", f"/containers/{container}/start")
            yield Trial(self, container, reporter)

    def run(
        self,
        image: str,
        reporter: Reporter,
        command: list[str] | None = None,
        user: str = "",
        variables: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        read_only: bool = True,
        network: str = "none",
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

    def _run_build(self, recipe: Recipe, build: "_Build", reporter: Reporter) -> None:
        query = {"dockerfile": "Dockerfile", "rm": "1", "forcerm": "1", "q": "0"}
        if self.network:
            query["networkmode"] = self.network
        arguments = {**build.proxies, **recipe.build_arguments}
        if arguments:
            query["buildargs"] = json.dumps(arguments)
        headers = {"Content-Type": "application/x-tar"}
        try:
            for message in self._messages(
                "POST",
                f"/build?{urlencode(query, quote_via=quote)}",
                reporter,
                headers,
                [build_context.context(recipe)],
            ):
                build.take(message)
        except _StatusError as error:
            raise NuvError("The build was refused", build.redactor.text(error.message)) from error

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
        from nuvtui.images.registry.tags import delete_tag

        with contextlib.suppress(NuvError):
            if before is None and self._remote(reference, auth, insecure) is not None:
                delete_tag(reference, auth, insecure, self._settings)

    def _remote(self, reference: str, auth: Credentials | None, insecure: Iterable[str]) -> str | None:
        from nuvtui.images.registry.tags import head_digest

        return head_digest(reference, auth, insecure, self._settings)

    # Exchanges

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of a short request. Raises NuvError."""
        return self._json(method, path, body)

    def discard(self, method: str, path: str, body: Any, reporter: Reporter) -> None:
        """Make a request and wait for the end of its answer. Raises NuvError."""
        with self._exchange(reporter, self._watchdog()) as exchange, reporter.on_cancel(exchange.stop):
            exchange.request(method, path, {"Content-Type": "application/json"}, json.dumps(body).encode())
            self._expect(exchange)
            for _ in exchange.body():
                reporter.check()

    def output(self, container: str, reporter: Reporter, lines: int = 100) -> bytes:
        """The last lines of a container's output and errors."""
        with self._exchange(reporter) as exchange, reporter.on_cancel(exchange.stop):
            exchange.request("GET", f"/containers/{container}/logs?stdout=1&stderr=1&tail={lines}")
            self._expect(exchange)
            return b"".join(piece for _, piece in _frames(exchange.body()))[-(1 << 16) :]

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


class _LoadError(NuvError):
    """The engine does not take an archive."""

    def __init__(self, message: str) -> None:
        super().__init__("The engine does not take the image", message.strip(), _hint(message))


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


@dataclass(frozen=True)
class State:
    """Whether a container runs."""

    running: bool
    exit_code: int
    """Of one that has ended."""


class Trial:
    """A container that runs an image to see whether it works."""

    def __init__(self, engine: DockerEngine, container: str, reporter: Reporter) -> None:
        self._engine, self._container, self._reporter = engine, container, reporter
        self._started = time.monotonic()

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def state(self) -> State:
        """Whether it still runs."""
        found = self._engine.ask("GET", f"/containers/{self._container}/json")["State"]
        return State(bool(found.get("Running")), int(found.get("ExitCode") or 0))

    def execute(self, command: list[str]) -> int:
        """Exit code of `command` inside it; 126 where it cannot be run."""
        try:
            made = self._engine.ask(
                "POST",
                f"/containers/{self._container}/exec",
                {"Cmd": command, "AttachStdout": True, "AttachStderr": True},
            )
            self._engine.discard(
                "POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False}, self._reporter
            )
            return int(self._engine.ask("GET", f"/exec/{made['Id']}/json").get("ExitCode") or 0)
        except NuvError as error:
            if error.exit_code == Exit.CANCELLED:
                raise
            return 126

    def output(self) -> bytes:
        """What it printed last."""
        return self._engine.output(self._container, self._reporter)


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
    id_ = str(found["Id"])
    facts = from_config(
        found,
        id=id_ if id_.startswith("sha256:") else f"sha256:{id_}",
        size=int(found.get("Size") or 0),
        tags=list(found.get("RepoTags") or []),
        digests=list(found.get("RepoDigests") or []),
    )
    steps = [Step(str(step.get("CreatedBy") or ""), not step.get("Size")) for step in reversed(history)]
    return msgspec.structs.replace(facts, history=steps)


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
