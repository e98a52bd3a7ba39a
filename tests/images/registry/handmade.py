"""Images made by hand, and the smallest places that blobs can come from and go to."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from nuvtui.errors import NuvError
from nuvtui.images.oci.descriptor import Descriptor

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
AMD64 = ("linux", "amd64", "")


def digest(data: bytes) -> str:
    """The digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def noise_layer(size: int) -> tuple[bytes, str]:
    """A layer (compressed) with one file of `size` random bytes, and the digest of its tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("noise.bin")
        member.size = size
        archive.addfile(member, io.BytesIO(os.urandom(size)))
    return gzip.compress(file.getvalue(), 0, mtime=0), digest(file.getvalue())


@dataclass
class Image:
    """An image in memory; also a BlobSource."""

    manifest: bytes
    blobs: dict[str, bytes]
    descriptors: list[Descriptor]
    """The layers, then the config."""
    media_type: str = OCI
    opened: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Of the manifest."""
        return digest(self.manifest)

    def open(self, digest: str) -> BinaryIO:
        self.opened.append(digest)
        return io.BytesIO(self.blobs[digest])

    def size(self, digest: str) -> int:
        return len(self.blobs[digest])


def image(
    *sizes: int, layers: Sequence[tuple[bytes, str]] = (), architecture: str = "amd64", **config: object
) -> Image:
    """An image with layers of noise of `sizes`, or with `layers`; `config` goes into its configuration."""
    layers = [*layers, *(noise_layer(size) for size in sizes)]
    data = json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
        }
    ).encode()
    parts = [Descriptor(LAYER, digest(layer), len(layer)) for layer, _ in layers]
    parts.append(Descriptor(CONFIG, digest(data), len(data)))
    entries = [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in parts]
    manifest = {"schemaVersion": 2, "mediaType": OCI, "config": entries[-1], "layers": entries[:-1]}
    blobs = {digest(layer): layer for layer, _ in layers} | {digest(data): data}
    return Image(json.dumps(manifest).encode(), blobs, parts)


def index(*images: tuple[Image, dict[str, str]]) -> bytes:
    """An image index of `images` with their platforms."""
    entries = [
        {"mediaType": OCI, "digest": one.digest, "size": len(one.manifest), "platform": platform}
        for one, platform in images
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


class Sink:
    """A BlobSink: a folder with a file for each blob."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def has(self, digest: str) -> bool:
        return self._file(digest).is_file()

    def write(self, descriptor: Descriptor, pieces: Iterator[bytes]) -> None:
        data = b"".join(pieces)
        if (len(data), digest(data)) != (descriptor.size, descriptor.digest):
            raise NuvError("damaged", descriptor.digest)
        self._file(descriptor.digest).write_bytes(data)

    def partial(self, digest: str) -> Path:
        return self._file(digest).with_suffix(".partial")

    def blobs(self) -> dict[str, bytes]:
        """Everything in it, by digest; partial ones too."""
        return {f"sha256:{file.name}": file.read_bytes() for file in self.folder.iterdir()}

    def _file(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")
