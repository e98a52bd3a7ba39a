"""The engine `docker`: Docker Engine, or Podman's compatible socket."""

import contextlib
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from docker import auth as sign_in

from nuvtui import atomic
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import reference as references
from nuvtui.images.engine.classic_builder import LayerLog, hint
from nuvtui.images.engine.client import Endpoint, StatusError
from nuvtui.images.engine.docker_build import DockerBuild
from nuvtui.images.engine.docker_daemon import DockerDaemon, LoadError, missing, name_in_path
from nuvtui.images.engine.protocol import Built
from nuvtui.images.engine.trial import Trial
from nuvtui.images.facts import FileFact, ImageFacts
from nuvtui.images.oci import archive
from nuvtui.images.oci.layers import Layer
from nuvtui.images.oci.layout import Layout
from nuvtui.images.recipe import Recipe
from nuvtui.images.redact import Redactor
from nuvtui.images.registry.credentials import Credentials, credentials
from nuvtui.images.registry.pull import resolve
from nuvtui.images.registry.tags import delete_tag, head_digest
from nuvtui.model.tree import FILE, FOLDER, LINK
from nuvtui.reporter import Reporter

_UNKNOWN = "?"


class DockerEngine(DockerDaemon):
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
        super().__init__(endpoint, settings or Settings(), tmp)
        self._network = network
        self._layout = layout

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
        platform = (facts.os, facts.architecture, facts.variant)
        for asked in (reference, *(str(parsed.pinned(digest)) for digest in own)):
            with contextlib.suppress(NuvError):
                auth = credentials(parsed.registry)
                named = resolve(asked, platform, auth, self.settings)
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
            for message in self.messages("/images/create", reporter, params=named, headers=_header(auth)):
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
        """Put an image together and tag it (`DockerBuild.run`). Raises Cancelled, NuvError."""
        return DockerBuild(self, recipe, base, reporter, self._network, self._layout).run(layers, tag, fresh)

    def list_files(self, image: str, path: str, reporter: Reporter) -> Iterator[FileFact]:
        """Everything at and below `path` in `image`, in the engine's order; nothing where there is no such
        path.
        """
        parent = path.strip("/").rpartition("/")[0]
        with (
            self.container({"Image": image, "Cmd": ["nuvtui"]}) as container,
            missing(),
            self.long_call(reporter) as call,
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
            loaded = self.load_pieces(pieces, reporter)
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
            path = f"/images/{name_in_path(parsed.name)}/push"
            for message in self.messages(path, reporter, params={"tag": parsed.tag}, headers=_header(auth)):
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

    def _unpush(
        self, reference: str, auth: Credentials | None, insecure: Iterable[str], before: str | None
    ) -> None:
        """Take back a tag that a broken-off push may have made."""
        with contextlib.suppress(NuvError):
            if before is None and self._remote(reference, auth, insecure) is not None:
                delete_tag(reference, auth, insecure, self.settings)

    def _remote(self, reference: str, auth: Credentials | None, insecure: Iterable[str]) -> str | None:
        return head_digest(reference, auth, insecure, self.settings)

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
        with self.container(config) as container:
            with self.call() as call:
                call.api.start(container)
            yield Trial(self.long_call, container, reporter)


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


def _header(auth: Credentials | None) -> dict[str, str]:
    """Sign-in for the engine to use. A sign-in that it looks up itself would be another one than was looked at."""
    return {"X-Registry-Auth": sign_in.encode_header(auth.engine_header() if auth else {}).decode()}


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
