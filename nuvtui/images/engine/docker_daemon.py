"""A Docker-compatible engine, call by call: its images, containers and streams."""

import contextlib
import functools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import reference as references
from nuvtui.images.engine.classic_builder import hint
from nuvtui.images.engine.client import Call, Endpoint, StatusError, negotiated
from nuvtui.images.engine.messages import Decoder, Message
from nuvtui.images.engine.oci_engine import OciEngine
from nuvtui.images.engine.probe import Product, ping, product
from nuvtui.images.facts import ImageFacts, Step, from_config
from nuvtui.images.oci.layout import Layout
from nuvtui.reporter import Reporter

STALL_SECONDS = 30.0
"""After so long without a byte, the engine is asked whether it is still there."""
STALL_TRIES = 3
"""After so many questions without an answer, one every `STALL_SECONDS`, it counts as gone."""
TAR = {"Content-Type": "application/x-tar"}


class LoadError(NuvError):
    """The engine does not take an archive."""

    def __init__(self, message: str) -> None:
        super().__init__("The engine does not take the image", message.strip(), hint(message))


class DockerDaemon:
    """The engine at one endpoint."""

    def __init__(self, endpoint: Endpoint, settings: Settings, tmp: Path | None) -> None:
        """`settings`: for registries; `tmp`: to unpack in."""
        self.endpoint = endpoint
        self.settings = settings
        self.tmp = tmp
        self.stall_seconds = STALL_SECONDS

    @property
    def product(self) -> Product:
        """What the engine says it is. Raises NuvError."""
        with self.call() as call:
            return product(call.api.version(api_version=False))

    @property
    def insecure_registries(self) -> tuple[str, ...]:
        """`host[:port]` or networks that the engine speaks plain HTTP to. Raises NuvError."""
        with self.call() as call:
            settings = call.api.info().get("RegistryConfig") or {}
        indexes = settings.get("IndexConfigs") or {}
        insecure = [name for name, index in indexes.items() if index.get("Secure") is False]
        return (*insecure, *(settings.get("InsecureRegistryCIDRs") or []))

    # Images

    def inspect(self, image: str) -> ImageFacts | None:
        """What the engine knows of `image` (reference or id); None where it does not have it."""
        found: dict[str, Any] | None = None
        history: list[dict[str, Any]] = []
        with missing(), self.call() as call:
            found = call.api.inspect_image(image)
        if found is None:
            return None
        with missing(), self.call() as call:
            history = call.api.history(image)
        return _facts(found, history)

    def tag(self, image: str, reference: str) -> None:
        """Give `image` another name."""
        parsed = references.parse(reference)
        with self.call() as call:
            call.api.tag(image, parsed.name, parsed.tag)

    def remove(self, reference: str) -> bool:
        """Remove tag `reference`, and the image with its last tag. False where the engine has no such tag.

        Raises NuvError (exit code 5) where a container uses the image.
        """
        try:
            with self.call() as call:
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

    def forget(self, image: str) -> None:
        """Remove an image that nothing has named, and what was built on the way to it and for nothing else."""
        with contextlib.suppress(NuvError):
            facts = self.inspect(image)
            if facts is not None and not facts.tags:
                with self.call() as call:
                    call.api.remove_image(image)

    def load_pieces(self, pieces: Iterable[bytes], reporter: Reporter) -> list[str]:
        """Hand an archive over. Returns what the engine names. Raises LoadError where it does not take it."""
        loaded: list[str] = []
        quiet = {"quiet": "1"}
        try:
            for message in self.messages("/images/load", reporter, pieces, params=quiet, headers=TAR):
                if message.error:
                    raise LoadError(message.error)
                loaded += re.findall(r"Loaded image(?: ID)?: (\S+)", message.stream)
        except StatusError as error:
            raise LoadError(error.message) from error
        return loaded

    def saved(self, image: str, reporter: Reporter) -> Iterator[bytes]:
        """The engine's archive of an image, piece by piece."""
        with self.long_call(reporter) as call:
            yield from call.stream("GET", f"/images/{name_in_path(image)}/get")

    def layers(self, image: str, reporter: Reporter) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Digest of each plain layer of an image (base first) and its tar, as the engine saves them."""
        with tempfile.TemporaryDirectory(dir=self.tmp, prefix="nuvtui-") as folder:
            engine = OciEngine(Layout(Path(folder)), self.settings, Path(folder))
            with engine.keep(self.saved(image, reporter)) as file:
                engine.adopt(image, file, reporter)
            yield from engine.layers(image, reporter)

    # Containers

    @contextlib.contextmanager
    def container(self, config: Mapping[str, Any]) -> Iterator[str]:
        try:
            with self.call() as call:
                container = str(call.api.create_container_from_config(dict(config))["Id"])
        except StatusError as error:
            raise NuvError(f"No container of {config['Image']} can be made", error.message) from error
        try:
            yield container
        finally:
            self.remove_container(container)

    def remove_container(self, container: str) -> None:
        with contextlib.suppress(StatusError), self.call() as call:
            call.api.remove_container(container, v=True, force=True)

    def has_container(self, container: str) -> bool:
        with missing(), self.call() as call:
            return bool(call.api.inspect_container(container))
        return False

    # Calls

    def call(self, reporter: Reporter | None = None) -> Call:
        return Call(self.endpoint, self._version, reporter=reporter)

    def long_call(self, reporter: Reporter) -> Call:
        return Call(self.endpoint, self._version, reporter=reporter, watch=self._watchdog())

    def messages(
        self, path: str, reporter: Reporter, pieces: Iterable[bytes] | None = None, **request: Any
    ) -> Iterator[Message]:
        """The messages of a long call; ends with the connection closed, whatever happens."""
        decoder = Decoder()
        with self.long_call(reporter) as call:
            for piece in call.stream("POST", path, pieces, **request):
                yield from decoder.feed(piece)
            yield from decoder.end()

    @functools.cached_property
    def _version(self) -> str:
        return negotiated(self.endpoint)

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


@contextlib.contextmanager
def missing() -> Iterator[None]:
    """Goes on after the context where the engine has no such thing."""
    try:
        yield
    except StatusError as error:
        if error.status != 404:
            raise


def name_in_path(image: str) -> str:
    """A reference or id as part of a path."""
    return quote(image, safe="/:@")


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
