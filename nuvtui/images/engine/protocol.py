"""What nuvtui wants of an engine: one protocol for all, and one for each thing that only some can do."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nuvtui.images.facts import FileFact, ImageFacts
from nuvtui.images.oci.layers import Layer
from nuvtui.images.recipe import Recipe
from nuvtui.images.registry.credentials import Credentials
from nuvtui.model import export as model
from nuvtui.reporter import Reporter

if TYPE_CHECKING:
    from nuvtui.images.engine.trial import Trial


@dataclass(frozen=True)
class Built:
    """An image that was made."""

    image: str
    """Id: the digest of its configuration (`sha256:…`)."""
    layers: list[model.Layer]
    """What it is made of, base first."""
    steps: str = ""
    """Id of the engine's own image that the install steps led to, which has no name; empty: there is none."""


class Engine(Protocol):
    """Builds, keeps and pushes images."""

    @property
    def name(self) -> str:
        """`docker` or `oci`."""

    @property
    def insecure_registries(self) -> tuple[str, ...]:
        """`host[:port]` or networks that the engine speaks plain HTTP to. Raises NuvError."""

    def inspect(self, image: str) -> ImageFacts | None:
        """What is known of an image; None where the engine does not have it."""

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

        `fresh`: layers are made anew, also where they are known from before. Raises NuvError; Cancelled:
        nothing is tagged then.
        """

    def layers(self, image: str, reporter: Reporter) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Digest of each plain layer of an image (base first) and its tar, piece by piece."""

    def push(self, reference: str, auth: Credentials | None, reporter: Reporter) -> str:
        """Push an image. Returns the digest that the registry confirms. Raises NuvError; Cancelled."""

    def save(self, image: str, path: Path, reporter: Reporter) -> None:
        """Write an archive that `load` reads: wholly, or not at all. Raises NuvError (5) where the file exists."""

    def load(self, path: Path, reporter: Reporter) -> list[str]:
        """Read an archive. Returns the references (or ids) in it. Raises NuvError."""

    def remove(self, reference: str) -> bool:
        """Remove a tag, and the image with its last one. False where there was none."""


@runtime_checkable
class KeepsUnnamed(Protocol):
    """Has images without a name, which the install steps of a build leave."""

    def forget(self, image: str) -> None:
        """Remove an image by its id, where nothing has named it."""


class Streams(Protocol):
    """Hands images out and takes them in without a file in between."""

    def saved(self, image: str, reporter: Reporter) -> Iterator[bytes]:
        """The archive of an image, piece by piece. Raises NuvError."""

    def load_from(self, pieces: Iterable[bytes], name: str, reporter: Reporter) -> list[str]:
        """Read the archive `name`, which comes in pieces. Returns references or ids. Raises NuvError."""


class Runs(Protocol):
    """Can run images, and look into them so."""

    def list_files(self, image: str, path: str, reporter: Reporter) -> Iterator[FileFact]:
        """Everything at and below `path` in an image."""

    def trial(self, image: str, reporter: Reporter, user: str) -> "AbstractContextManager[Trial]":
        """Start the image's own command as `user`, without network, on a read-only system but for `/tmp`.

        Raises NuvError where it does not start.
        """


class Daemon(Engine, KeepsUnnamed, Streams, Runs, Protocol):
    """An engine of this machine or another one: Docker Engine or Podman."""
