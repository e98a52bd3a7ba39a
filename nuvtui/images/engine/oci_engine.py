"""The engine `oci`: images put together without daemon, root or outside program.

An image is a manifest, a configuration and layers in nuvtui's own layout (`layout`). Base layers come from a
registry, an archive or another engine; all others are streamed straight from the snapshot's objects into the
layout, once: a layer whose key is known, and whose blob is there, is not made again. It cannot run anything,
and so cannot take a recipe with install steps other than pip's wheels, which come as a layer (`python.install`).
"""

import json
import os
import platform
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import facts
from nuvtui.images import reference as references
from nuvtui.images.engine.image_tree import ImageTree, allowed, image_tree, unpack
from nuvtui.images.engine.protocol import Built
from nuvtui.images.facts import ImageFacts
from nuvtui.images.oci import archive
from nuvtui.images.oci.config import image_config
from nuvtui.images.oci.descriptor import Descriptor, digest_of
from nuvtui.images.oci.layers import Layer
from nuvtui.images.oci.layout import Layout
from nuvtui.images.recipe import Recipe
from nuvtui.images.registry.credentials import Credentials
from nuvtui.model import export as model
from nuvtui.reporter import Reporter

_ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x",
    "i686": "386", "riscv64": "riscv64",
}  # fmt: skip


def machine() -> str:
    """The architecture of this machine in OCI's words."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


class OciEngine:
    """Images in a layout of nuvtui's own."""

    name = "oci"
    insecure_registries = ()

    def __init__(self, layout: Layout, settings: Settings, tmp: Path) -> None:
        """`tmp`: a private folder for what has to be unpacked for a moment."""
        self.layout = layout
        self._settings = settings
        self.tmp = tmp

    # Images

    def inspect(self, image: str) -> ImageFacts | None:
        """What is known of an image by its reference; None where there is none, or parts of it are gone."""
        manifest = self.layout.find(image)
        return None if manifest is None or not self._whole(manifest) else self._facts(image, manifest)

    def _whole(self, manifest: Descriptor) -> bool:
        """True where every part of an image is there."""
        if not self.layout.has(manifest.digest):
            return False
        described = json.loads(self.layout.read(manifest.digest))
        return all(self.layout.has(str(e["digest"])) for e in (described["config"], *described["layers"]))

    def _facts(self, reference: str, manifest: Descriptor) -> ImageFacts:
        described = json.loads(self.layout.read(manifest.digest))
        config = described["config"]["digest"]
        return facts.from_config(
            json.loads(self.layout.read(config)),
            id=config,
            size=sum(int(layer["size"]) for layer in described["layers"]),
            tags=[reference],
            digests=[manifest.digest],
        )

    def base_digest(self, reference: str) -> str:
        """The registry's digest that a base image was pulled by; empty where it came from none."""
        return self.layout.origin(reference)

    def pull_if_missing(self, reference: str, auth: Credentials | None, reporter: Reporter) -> ImageFacts:
        """Have a base image in the layout. Raises NuvError where it cannot be had; Cancelled.

        `reference` names an image of a registry, or an archive (`docker-archive:PATH`, `oci-archive:PATH`).
        """
        with self.layout.using():
            return self._pulled(reference, auth, reporter)

    def _pulled(self, reference: str, auth: Credentials | None, reporter: Reporter) -> ImageFacts:
        if (path := references.archive_path(reference)) is not None:
            manifest, _ = archive.read(self.layout, Path(path), reporter, ("linux", machine()))
            self.layout.tag(reference, manifest, "base")
            return self._facts(reference, manifest)
        known = self.layout.find(reference)
        if known is not None and self._whole(known):
            return self._facts(reference, known)
        from nuvtui.images.registry.pull import pull

        pulled = pull(reference, ("linux", machine(), ""), auth, self.layout, reporter, self._settings)
        described = json.loads(pulled.manifest)
        layers = [
            Descriptor(archive.layer_type(str(e["mediaType"])), str(e["digest"]), int(e["size"]))
            for e in described["layers"]
        ]
        manifest = archive.put_image(self.layout, pulled.config, layers)
        self.layout.tag(reference, manifest, "base", pulled.digest)
        return self._facts(reference, manifest)

    def adopt(self, reference: str, image: BinaryIO, reporter: Reporter, origin: str = "") -> ImageFacts:
        """Take an image as another engine saves it for the base image `reference`. Raises NuvError.

        `origin`: the registry's digest of it, where that is known.
        """
        with self.layout.using():
            manifest, _ = archive.read_from(self.layout, image, reference, reporter, ("linux", machine()))
            self.layout.tag(reference, manifest, "base", origin)
        return self._facts(reference, manifest)

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
        """Put an image together and name it `tag`. Raises NuvError, StoreError; Cancelled: nothing is named then.

        Layers that were made before are taken as they are, unless it is to be `fresh`.
        """
        with self.layout.using():
            below = self._layers_of(base)
            made = [self._made(layer, reporter, fresh) for layer in layers]
            parts = [
                *(model.Layer("base", diff_id) for diff_id in base.layers),
                *(
                    model.Layer(layer.what, blob.digest, blob.size)
                    for layer, blob in zip(layers, made, strict=True)
                ),
            ]
            config = image_config(base, recipe, parts)
            manifest = archive.put_image(self.layout, config, [*below, *made])
            reporter.check()
            self.layout.tag(tag, manifest)
        return Built(digest_of(config), parts)

    def _layers_of(self, base: ImageFacts) -> list[Descriptor]:
        """The base image's layers as blobs; none where it stands on nothing."""
        if not base.layers:
            return []
        manifest = self.layout.find(base.tags[0])
        described = json.loads(self.layout.read(manifest.digest)) if manifest is not None else None
        if described is None or described["config"]["digest"] != base.id:
            raise NuvError(
                f"The base image {base.tags[0]} is gone",
                "it was removed or replaced meanwhile",
                "Export again.",
            )
        return [
            Descriptor(str(e["mediaType"]), str(e["digest"]), int(e["size"])) for e in described["layers"]
        ]

    def _made(self, layer: Layer, reporter: Reporter, fresh: bool) -> Descriptor:
        known = None if fresh else self.layout.recall(layer.key)
        if known is not None and self.layout.has(known.digest):
            reporter.log(f"{layer.what}: {known.digest} is there already, {known.size:,} bytes\n".encode())
            return known
        total = layer.size

        def counted() -> Iterator[bytes]:
            done = 0
            for piece in layer.stream():
                reporter.check()
                yield piece
                done += len(piece)
                reporter.progress(done, total, "bytes", f"layer {layer.what}")

        blob = self.layout.put(counted())
        self.layout.remember(layer.key, blob)
        reporter.log(f"{layer.what}: {blob.digest}, {blob.size:,} bytes\n".encode())
        return blob

    def remove(self, reference: str) -> bool:
        """Remove an image, and what no other one shares with it. False where there is none."""
        return self.layout.untag(reference)

    def blobs(self, image: str) -> list[Descriptor]:
        """The layers of an image, base first. Raises NuvError where there is no such image."""
        manifest = self._required(image)
        described = json.loads(self.layout.read(manifest.digest))
        return [
            Descriptor(str(e["mediaType"]), str(e["digest"]), int(e["size"])) for e in described["layers"]
        ]

    def _required(self, image: str) -> Descriptor:
        manifest = self.layout.find(image)
        if manifest is None:
            raise NuvError(f"No image {image} in the store", "it may have been removed", "", Exit.NOT_FOUND)
        return manifest

    def tree(self, image: str, reporter: Reporter) -> ImageTree:
        """The file system of an image, to be closed by the caller."""
        return image_tree(self.layout, self.blobs(image), self.tmp, reporter.check)

    def layers(self, image: str, reporter: Reporter) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Digest of each plain layer (base first) and its tar, piece by piece."""
        known = self.inspect(image)
        for diff_id, blob in zip(known.layers if known else [], self.blobs(image), strict=True):
            reporter.check()
            with self.layout.open(blob.digest) as packed:
                yield diff_id, unpack(packed, blob.media_type, allowed(blob.size))

    def save(self, image: str, path: Path, reporter: Reporter) -> None:
        """Write an archive, wholly or not at all. Raises NuvError (5) where the file is there already."""
        with self.layout.using():
            archive.write(self.layout, self._required(image), image, path, reporter)

    def pieces(self, image: str) -> Iterator[bytes]:
        """The archive of an image as a stream: for another engine to load."""
        with self.layout.using():
            yield from archive.pieces(self.layout, self._required(image), image)

    def load(self, path: Path, reporter: Reporter) -> list[str]:
        """Read an archive. Returns the references in it. Raises NuvError where it names none."""
        with self.layout.using():
            manifest, found = archive.read(self.layout, path, reporter, ("linux", machine()))
            for reference in found:
                other = self.layout.find(reference)
                if "@" in reference or (other is not None and other != manifest):
                    raise NuvError(
                        f"{reference} is here already",
                        "the archive has another image of that name",
                        "Delete the export of that name first, if it is not needed.",
                        Exit.CONFLICT,
                    )
            for reference in found:
                self.layout.tag(reference, manifest)
        if not found:
            raise NuvError(f"Archive {path} cannot be loaded", "it names no image")
        return found

    def push(self, reference: str, auth: Credentials | None, reporter: Reporter) -> str:
        """Push an image. Returns the digest that the registry confirms. Raises NuvError; Cancelled."""
        from nuvtui.images.registry.push import push

        with self.layout.using():
            manifest = self._required(reference)
            data = self.layout.read(manifest.digest)
            described = json.loads(data)
            parts = [*described["layers"], described["config"]]
            blobs = [Descriptor(str(e["mediaType"]), str(e["digest"]), int(e["size"])) for e in parts]
            return push(
                reference, data, manifest.media_type, blobs, self.layout, auth, reporter, self._settings
            )

    def keep(self, pieces: Iterable[bytes]) -> BinaryIO:
        """`pieces` in an unnamed file that can seek."""
        file = tempfile.TemporaryFile(dir=self.tmp)  # noqa: SIM115 - handed to the caller
        try:
            for piece in pieces:
                file.write(piece)
            file.seek(0, os.SEEK_SET)
        except BaseException:
            file.close()
            raise
        return cast(BinaryIO, file)
