"""The engine `docker`: Docker Engine, or Podman's compatible socket.

An image is tagged by nuvtui itself, after the engine named its id and confirmed what is in it: until then nothing
can be left behind under a name.
"""

import contextlib
import functools
import json
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import msgspec
from docker import auth as sign_in
from docker.utils.config import load_general_config
from docker.utils.proxy import ProxyConfig

from nuvtui import atomic
from nuvtui.config import Settings
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.images import compare, site
from nuvtui.images import reference as references
from nuvtui.images.engine import buildkit
from nuvtui.images.engine.build_context import context
from nuvtui.images.engine.classic_builder import ClassicBuild, LayerLog, hint
from nuvtui.images.engine.client import Call, Endpoint, StatusError, negotiated
from nuvtui.images.engine.load import Load
from nuvtui.images.engine.messages import Decoder, Message
from nuvtui.images.engine.oci_engine import OciEngine
from nuvtui.images.engine.probe import Product, ping, product
from nuvtui.images.engine.protocol import Built
from nuvtui.images.engine.trial import Trial
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
from nuvtui.reporter import Reporter

STALL_SECONDS = 30.0
"""After so long without a byte, the engine is asked whether it is still there."""
STALL_TRIES = 3
"""After so many questions without an answer, one every `STALL_SECONDS`, it counts as gone."""
CANCEL_SECONDS = 10.0
"""So long the engine has to end what was cancelled, before nuvtui removes it itself."""

_UNKNOWN = "?"
_TAR = {"Content-Type": "application/x-tar"}


class DockerEngine:
    """A Docker-compatible engine at one endpoint."""

    name = "docker"

    def __init__(
        self,
        endpoint: Endpoint,
        network: str = "",
        settings: Settings | None = None,
        layout: Layout | None = None,
        tmp: Path | None = None,
    ) -> None:
        """`network`: network mode of build steps, empty: the engine's default; `settings`: for registries.

        `layout` remembers layers, so that none is read again that the engine has; `tmp`: to unpack in.
        """
        self.endpoint = endpoint
        self.stall_seconds = STALL_SECONDS
        self._network = network
        self._settings = settings or Settings()
        self._layout = layout
        self._tmp = tmp

    @property
    def product(self) -> Product:
        """What the engine says it is. Raises NuvError."""
        with self._call() as call:
            return product(call.api.version(api_version=False))

    @property
    def insecure_registries(self) -> tuple[str, ...]:
        """`host[:port]` or networks that the engine speaks plain HTTP to. Raises NuvError."""
        with self._call() as call:
            settings = call.api.info().get("RegistryConfig") or {}
        indexes = settings.get("IndexConfigs") or {}
        insecure = [name for name, index in indexes.items() if index.get("Secure") is False]
        return (*insecure, *(settings.get("InsecureRegistryCIDRs") or []))

    # Images

    def inspect(self, image: str) -> ImageFacts | None:
        """What the engine knows of `image` (reference or id); None where it does not have it."""
        found: dict[str, Any] | None = None
        history: list[dict[str, Any]] = []
        with _missing(), self._call() as call:
            found = call.api.inspect_image(image)
        if found is None:
            return None
        with _missing(), self._call() as call:
            history = call.api.history(image)
        return _facts(found, history)

    def base_digest(self, reference: str) -> str:
        """The registry's digest of an image that the engine has; empty where it came from no registry."""
        facts = self.inspect(reference)
        own = _own_digests(reference, facts)
        if facts is None or not own:
            return ""
        if self.product.name == "Podman":
            # Podman gives digests to images that came from no registry as well: only the registry knows.
            return self._registry_digest(reference, facts, own)
        return own[0]

    def _registry_digest(self, reference: str, facts: ImageFacts, own: list[str]) -> str:
        """Of the digests that the engine has for an image the one that the registry knows: the tag may name
        another image by now.
        """
        parsed = references.parse(reference)
        from nuvtui.images.registry.pull import resolve

        platform = (facts.os, facts.architecture, facts.variant)
        for asked in (reference, *(str(parsed.pinned(digest)) for digest in own)):
            with contextlib.suppress(NuvError):
                auth = credentials(parsed.registry)
                named = resolve(asked, platform, auth, self._settings)
                if set(named) & set(own):
                    return named[0]
        return ""

    def pull_if_missing(self, reference: str, auth: Credentials | None, reporter: Reporter) -> ImageFacts:
        """Make sure that the engine has `reference`. Raises NuvError where it cannot be had."""
        if facts := self.inspect(reference):
            return facts
        parsed = references.parse(reference)
        layers = LayerLog(reporter, reporter.log)
        named = {"fromImage": parsed.name, "tag": parsed.digest or parsed.tag}
        try:
            for message in self._messages("/images/create", reporter, params=named, headers=_header(auth)):
                layers.take(message)
                if message.error:
                    raise _refused(f"{reference} cannot be pulled", message.error, parsed.registry)
        except StatusError as error:
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
        proxies = self._proxies()
        secrets = [*recipe.secret_values, *site.url_secrets(proxies.values())]
        build = ClassicBuild(reporter, Redactor(reporter.log, secrets))
        try:
            below = [model.Layer("base", diff_id) for diff_id in base.layers]
            source = base.id
            if recipe.dockerfile:
                stepped = self._steps(recipe, build, proxies, reporter)
                if stepped.layers[: len(below)] != base.layers:
                    raise NuvError(
                        "The build failed", "what the engine made does not stand on the base image"
                    )
                below += [model.Layer("packages", diff_id) for diff_id in stepped.layers[len(below) :]]
                source = stepped.id
            made = self._stacked(recipe, base, below, source, layers, reporter, fresh)
            try:
                reporter.check()
                self.tag(made.image, tag)
            except BaseException:
                self.forget(made.image)
                raise
            return replace(made, steps=source if recipe.dockerfile else "")
        except BaseException as error:
            with contextlib.suppress(NuvError):
                self._undo(build, before, tag, cancelled=isinstance(error, Cancelled))
            raise

    def _steps(
        self, recipe: Recipe, build: ClassicBuild, proxies: Mapping[str, str], reporter: Reporter
    ) -> ImageFacts:
        """The image that the install steps lead to."""
        try:
            image = self._by_buildkit(recipe, build, reporter)
            if not image:
                self._run_build(recipe, build, proxies, reporter)
                image = build.finish()
        finally:
            build.redactor.flush()
        facts = self.inspect(image)
        if facts is None:
            raise NuvError("The build failed", f"the engine says it made {image}, but does not have it")
        return facts

    def _by_buildkit(self, recipe: Recipe, build: ClassicBuild, reporter: Reporter) -> str:
        """The image as `docker buildx` makes it; empty where it is not there: then the classic builder is used."""
        if buildkit.find().problem or self.endpoint.tls is not None or self.product.name != "Docker Engine":
            return ""
        try:
            return buildkit.BuildxBuild().run(
                self.endpoint.url,
                [context(recipe)],
                recipe.build_arguments,
                self._network,
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
            except LoadError as error:
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
                with self._call() as call:
                    call.api.remove_image(image)

    def _load(self, pieces: Iterable[bytes], reporter: Reporter) -> list[str]:
        """Hand an archive over. Returns what the engine names. Raises LoadError where it does not take it."""
        loaded: list[str] = []
        quiet = {"quiet": "1"}
        try:
            for message in self._messages("/images/load", reporter, pieces, params=quiet, headers=_TAR):
                if message.error:
                    raise LoadError(message.error)
                loaded += re.findall(r"Loaded image(?: ID)?: (\S+)", message.stream)
        except StatusError as error:
            raise LoadError(error.message) from error
        return loaded

    def layers(self, image: str, reporter: Reporter) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Digest of each plain layer of an image (base first) and its tar, as the engine saves them."""
        with tempfile.TemporaryDirectory(dir=self._tmp, prefix="nuvtui-") as folder:
            engine = OciEngine(Layout(Path(folder)), self._settings, Path(folder))
            with engine.keep(self.saved(image, reporter)) as file:
                engine.adopt(image, file, reporter)
            yield from engine.layers(image, reporter)

    def saved(self, image: str, reporter: Reporter) -> Iterator[bytes]:
        """The engine's archive of an image, piece by piece."""
        with self._long_call(reporter) as call:
            yield from call.stream("GET", f"/images/{_name(image)}/get")

    def tag(self, image: str, reference: str) -> None:
        """Give `image` another name."""
        parsed = references.parse(reference)
        with self._call() as call:
            call.api.tag(image, parsed.name, parsed.tag)

    def remove(self, reference: str) -> bool:
        """Remove tag `reference`, and the image with its last tag. False where the engine has no such tag.

        Raises NuvError (exit code 5) where a container uses the image.
        """
        try:
            with self._call() as call:
                call.api.remove_image(reference)
        except StatusError as error:
            if error.status == 404:
                return False
            if error.status == 409:
                raise NuvError(
                    f"{reference} is in use", error.message, "Remove its containers first.", Exit.CONFLICT
                ) from error
            raise
        return True

    def list_files(self, image: str, path: str, reporter: Reporter) -> Iterator[FileFact]:
        """Everything at and below `path` in `image`, in the engine's order; nothing where there is no such
        path.
        """
        parent = path.strip("/").rpartition("/")[0]
        with (
            self._container({"Image": image, "Cmd": ["nuvtui"]}) as container,
            _missing(),
            self._long_call(reporter) as call,
        ):
            pieces = call.stream("GET", f"/containers/{container}/archive", params={"path": path})
            with tarfile.open(fileobj=cast(BinaryIO, _Reader(pieces)), mode="r|", errorlevel=2) as listed:
                for member in listed:
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
        except LoadError as error:
            raise NuvError(f"Archive {name} cannot be loaded", error.message, hint(error.message)) from error
        if not loaded:
            raise NuvError(f"Archive {name} cannot be loaded", "the engine names no image in it")
        return loaded

    def push(self, reference: str, auth: Credentials | None, reporter: Reporter) -> str:
        """Push `reference`. Returns the digest that engine and registry agree on.

        Raises Cancelled (then the tag in the registry is what it was before), NuvError where the registry
        refused or has another digest.
        """
        parsed = references.parse(reference)
        insecure = self.insecure_registries
        before: str | None = _UNKNOWN
        # A registry may hide what does not exist yet behind a refusal: that is no reason not to push.
        with contextlib.suppress(NuvError):
            before = self._remote(reference, auth, insecure)
        digest, error = "", ""
        redactor = Redactor(reporter.log, auth.secrets() if auth else [])
        layers = LayerLog(reporter, redactor.write)
        try:
            path = f"/images/{_name(parsed.name)}/push"
            for message in self._messages(path, reporter, params={"tag": parsed.tag}, headers=_header(auth)):
                layers.take(message)
                error = error or message.error
                # Podman names it in a sentence only.
                said = re.search(r"digest: (sha256:[0-9a-f]{64}) size:", message.status)
                digest = str(message.aux.get("Digest") or (said and said[1]) or digest)
        except StatusError as problem:
            raise _refused(f"{reference} cannot be pushed", problem.message, parsed.registry) from problem
        except BaseException:
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
        if (found := self._remote(reference, auth, insecure)) != digest:
            raise NuvError(
                f"{reference} was pushed, but the registry has something else",
                f"expected digest {digest}, found {found or 'no such image'}",
                "Somebody else may have pushed to the same name at the same time: push again.",
            )
        return digest

    # Containers

    @contextlib.contextmanager
    def trial(self, image: str, reporter: Reporter, user: str) -> Iterator[Trial]:
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
            with self._call() as call:
                call.api.start(container)
            yield Trial(self._long_call, container, reporter)

    @contextlib.contextmanager
    def _container(self, config: Mapping[str, Any]) -> Iterator[str]:
        try:
            with self._call() as call:
                container = str(call.api.create_container_from_config(dict(config))["Id"])
        except StatusError as error:
            raise NuvError(f"No container of {config['Image']} can be made", error.message) from error
        try:
            yield container
        finally:
            self._remove_container(container)

    def _remove_container(self, container: str) -> None:
        with contextlib.suppress(StatusError), self._call() as call:
            call.api.remove_container(container, v=True, force=True)

    # Build

    def _run_build(
        self, recipe: Recipe, build: ClassicBuild, proxies: Mapping[str, str], reporter: Reporter
    ) -> None:
        # Not `APIClient.build`: it hands every sign-in of this machine to the engine, and does not look at
        # the status of an answer that comes in pieces.
        query = {"dockerfile": "Dockerfile", "rm": "1", "forcerm": "1", "q": "0"}
        if self._network:
            query["networkmode"] = self._network
        if arguments := {**proxies, **recipe.build_arguments}:
            query["buildargs"] = json.dumps(arguments)
        try:
            sent = [context(recipe)]
            for message in self._messages("/build", reporter, sent, params=query, headers=_TAR):
                build.take(message)
        except StatusError as error:
            raise NuvError("The build was refused", build.redactor.text(error.message)) from error

    def _proxies(self) -> dict[str, str]:
        """The proxies of the Docker CLI's settings, as it hands them to builds: predefined arguments, in no
        image. They may carry credentials.
        """
        with contextlib.suppress(AttributeError, TypeError):
            known: dict[str, Any] = load_general_config().get("proxies") or {}
            found = ProxyConfig.from_dict(
                known.get(self.endpoint.url) or known.get("default") or cast(Any, {})
            )
            # The one for FTP is a carrier of the recipe's own.
            return {
                name: str(value)
                for name, value in found.get_environment().items()
                if "ftp" not in name.lower()
            }
        return {}

    def _tagged(self, reference: str) -> str | None:
        facts = self.inspect(reference)
        return facts.id if facts else None

    def _undo(self, build: ClassicBuild, before: str | None, tag: str, *, cancelled: bool) -> None:
        """Nothing of a build that did not come to its end may be left: containers, a new tag, and if it was
        cancelled its untagged images. (After a failure those are the cache of the next try.)
        """
        ends = time.monotonic() + CANCEL_SECONDS / 2
        for container in build.containers:
            while self._has_container(container):
                if time.monotonic() > ends:
                    self._remove_container(container)
                    break
                time.sleep(0.05)
        now = self._tagged(tag)
        if now is not None and now != before:
            self.remove(tag)
        if cancelled:
            for image in reversed(build.images):
                with contextlib.suppress(NuvError), self._call() as call:
                    call.api.remove_image(image, noprune=True)

    def _has_container(self, container: str) -> bool:
        with _missing(), self._call() as call:
            return bool(call.api.inspect_container(container))
        return False

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

    # Calls

    @functools.cached_property
    def _version(self) -> str:
        return negotiated(self.endpoint)

    def _call(self, reporter: Reporter | None = None) -> Call:
        return Call(self.endpoint, self._version, reporter=reporter)

    def _long_call(self, reporter: Reporter) -> Call:
        return Call(self.endpoint, self._version, reporter=reporter, watch=self._watchdog())

    def _messages(
        self, path: str, reporter: Reporter, pieces: Iterable[bytes] | None = None, **request: Any
    ) -> Iterator[Message]:
        """The messages of a long call; ends with the connection closed, whatever happens."""
        decoder = Decoder()
        with self._long_call(reporter) as call:
            for piece in call.stream("POST", path, pieces, **request):
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


class LoadError(NuvError):
    """The engine does not take an archive."""

    def __init__(self, message: str) -> None:
        super().__init__("The engine does not take the image", message.strip(), hint(message))


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


@contextlib.contextmanager
def _missing() -> Iterator[None]:
    """Goes on after the context where the engine has no such thing."""
    try:
        yield
    except StatusError as error:
        if error.status != 404:
            raise


def _name(image: str) -> str:
    """A reference or id as part of a path."""
    return quote(image, safe="/:@")


def _header(auth: Credentials | None) -> dict[str, str]:
    """Sign-in for the engine to use. A sign-in that it looks up itself would be another one than was looked at."""
    return {"X-Registry-Auth": sign_in.encode_header(auth.engine_header() if auth else {}).decode()}


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
    sign_in_hint = (
        f"Sign in with the Docker CLI: `docker login {host}`. Does the repository exist, and is it yours?"
    )
    return NuvError(title, message, sign_in_hint if denied else hint(message))


def _own_digests(reference: str, facts: ImageFacts | None) -> list[str]:
    """The digests that an engine knows an image by in the repository of `reference`."""
    name = references.parse(reference).name
    own: list[str] = []
    for known in facts.digests if facts else []:
        with contextlib.suppress(NuvError):
            if (found := references.parse(known)).name == name:
                own.append(found.digest)
    return own
