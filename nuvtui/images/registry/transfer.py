"""Images from and to a registry without any engine: pull, push, and what a name stands for.

Formats: the OCI distribution specification for the conversation, the OCI image specification and Docker's
"Image Manifest Version 2, Schema 2" for what is carried. Cheap to import: the client is loaded when used.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from nuvtui.config import Settings
from nuvtui.images.registry.tags import Credentials
from nuvtui.reporter import Reporter


class Descriptor(NamedTuple):
    """A blob, as a manifest names it."""

    media_type: str
    digest: str
    """`sha256:` and 64 hexadecimal digits."""
    size: int
    """Bytes."""


class BlobSink(Protocol):
    """Where pulled blobs go. The methods are called from several threads, for different blobs at a time."""

    def has(self, digest: str) -> bool:
        """True where the whole blob is there: it is not asked for again."""

    def write(self, descriptor: Descriptor, pieces: Iterator[bytes]) -> None:
        """Take a blob: wholly and durably, or not at all.

        Verifies size and digest; raises NuvError. Must read from `pieces` no later than it returns, and not
        touch the file that `partial` names.
        """

    def partial(self, digest: str) -> Path:
        """A private file in an existing folder, in which `pull` collects the blob until it is complete.

        `pull` makes, continues, locks and removes it; it is left where the pull breaks off, and the next one
        goes on from there.
        """


class BlobSource(Protocol):
    """Where the blobs are that are pushed."""

    def open(self, digest: str) -> BinaryIO:
        """The blob, open at its first byte, seekable; closed by the caller."""

    def size(self, digest: str) -> int:
        """Its bytes."""


@dataclass(frozen=True)
class Pulled:
    """What a reference named, verified by digest."""

    digest: str
    """Of what the reference names, be it an index or a manifest: what a base is pinned by."""
    manifest: bytes = field(repr=False)
    """The manifest for the platform, as the registry has it."""
    manifest_digest: str
    media_type: str
    """Of the manifest."""
    config: bytes = field(repr=False)


Platform = tuple[str, str, str]
"""Operating system, architecture and variant (or empty), in the words of image manifests."""


def pull(
    reference: str,
    platform: Platform,
    auth: Credentials | None,
    sink: BlobSink,
    reporter: Reporter,
    settings: Settings,
    insecure: Iterable[str] = (),
) -> Pulled:
    """Fetch the image `reference` for `platform`: config and layers into `sink`, what it has already left out.

    Up to three layers come at once; each one's state goes to the log, the bytes of all to the progress. Lost
    connections are taken up where they broke off. `insecure`: hosts that may be spoken to in plain HTTP.
    Raises Cancelled; NuvError where the image cannot be had or is none that can be used.
    """
    from nuvtui.images.registry.pull import pull as pulled

    return pulled(reference, platform, auth, sink, reporter, settings, insecure)


def resolve(
    reference: str,
    platform: Platform,
    auth: Credentials | None,
    settings: Settings,
    insecure: Iterable[str] = (),
) -> tuple[str, str]:
    """Digest of what `reference` names now, and of its manifest for `platform`, without fetching layers.

    Answers within seconds, as a preflight must. Raises NuvError where the registry cannot be asked or has no
    such image.
    """
    from nuvtui.images.registry.pull import resolve as resolved

    return resolved(reference, platform, auth, settings, insecure)


def push(
    reference: str,
    manifest: bytes,
    media_type: str,
    blobs: Sequence[Descriptor],
    source: BlobSource,
    auth: Credentials | None,
    reporter: Reporter,
    settings: Settings,
    insecure: Iterable[str] = (),
    mount_from: Iterable[str] = (),
) -> str:
    """Upload what the registry lacks of `blobs` (the config last), then `manifest` under the tag.

    `mount_from`: repositories (`path`, or `host/path`) of which the same registry may take blobs that it has
    there. Returns the digest that the registry confirms. Each blob's state goes to the log (`waiting`,
    `exists`, `mounted`, `pushing`, `pushed`), the bytes of all to the progress. Lost connections are taken up
    where the registry says that they broke off.
    Raises Cancelled (then no tag is there that was not there before); NuvError where the registry refused or
    has something else.
    """
    from nuvtui.images.registry.push import push as pushed

    return pushed(
        reference, manifest, media_type, blobs, source, auth, reporter, settings, insecure, mount_from
    )
