"""Images as files: archives that every engine loads, and archives that images are built on.

What is written is an OCI image layout in a tar, with `manifest.json` beside it, which is what `docker load`
read before it knew OCI. Layers are plain tars, as `docker save` writes them: no compressor's version decides
what an image's digest is. The order is manifests first, so that a reader knows what is coming.
What is read is either form, as OCI or as `docker save` of any age wrote it.
"""

import contextlib
import itertools
import json
import os
import posixpath
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError
from nuvtui.images.oci import layout as layouts
from nuvtui.images.oci.descriptor import Descriptor
from nuvtui.images.oci.layout import Layout
from nuvtui.reporter import Reporter

_BLOCK = 512
_READ = 1 << 20
_JSON_LIMIT = 8 << 20


def pieces(layout: Layout, manifest: Descriptor, reference: str, mtime: int = 0) -> Iterator[bytes]:
    """The archive of an image, piece by piece; every blob is verified on its way. Raises StoreError."""
    described = json.loads(layout.read(manifest.digest))
    parts = [described["config"], *described["layers"]]
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": manifest.media_type,
                "digest": manifest.digest,
                "size": manifest.size,
                "annotations": {
                    "io.containerd.image.name": reference,
                    layouts.REFERENCE: reference.rpartition(":")[2],
                },
            }
        ],
    }
    docker = [
        {
            "Config": _path(described["config"]["digest"]),
            "RepoTags": [reference],
            "Layers": [_path(layer["digest"]) for layer in described["layers"]],
        }
    ]
    for name, value in (
        ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        ("index.json", index),
        ("manifest.json", docker),
    ):
        data = json.dumps(value, separators=(",", ":")).encode()
        yield _header(name, len(data), mtime) + _padded(data)
    for folder in ("blobs", "blobs/sha256"):
        yield _header(folder, 0, mtime, tarfile.DIRTYPE)
    done: set[str] = set()
    for digest in [manifest.digest, *(str(part["digest"]) for part in parts)]:
        if digest in done:
            continue
        done.add(digest)
        size = layout.size(digest)
        yield _header(_path(digest), size, mtime)
        yield from layout.pieces(digest)
        if size % _BLOCK:
            yield bytes(_BLOCK - size % _BLOCK)
    yield bytes(2 * _BLOCK)


def write(
    layout: Layout, manifest: Descriptor, reference: str, path: Path, reporter: Reporter, mtime: int = 0
) -> None:
    """Write an image to the new archive `path`: wholly, or not at all.

    Raises NuvError, exit code 5 where there is a file of that name; Cancelled.
    """
    described = json.loads(layout.read(manifest.digest))
    total = sum(int(part["size"]) for part in (described["config"], *described["layers"]))
    with new_file(path) as file:
        done = 0
        for piece in pieces(layout, manifest, reference, mtime):
            reporter.check()
            atomic.write_all(file.fileno(), piece)
            done += len(piece)
            reporter.progress(done, max(total, done), "bytes", path.name)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that gets the name `path` once it is whole and on the disk, never before.

    Raises NuvError where it cannot be written, exit code 5 where there is a file of that name.
    """
    if os.path.lexists(path):
        raise exists(path)
    temporary = atomic.temporary_name(path)
    try:
        with temporary.open("xb", buffering=0) as file:
            yield cast(BinaryIO, file)
            os.fsync(file.fileno())
        atomic.publish_new(temporary, path)
    except FileExistsError as error:
        raise exists(path) from error
    except OSError as error:
        raise NuvError(f"Archive {path} cannot be written", str(error.strerror or error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    atomic.fsync_folder(path.parent)


def exists(path: Path) -> NuvError:
    """What is said where an archive would replace a file."""
    return NuvError(f"{path} exists already", "", "Name another file.", Exit.CONFLICT)


def read(
    layout: Layout, path: Path, reporter: Reporter, platform: tuple[str, str]
) -> tuple[Descriptor, list[str]]:
    """Take the image of an archive into the layout: its manifest, and the references that it has in the archive.

    `platform`: operating system and architecture, where there are several. Raises NuvError where the archive
    cannot be read or has no such image.
    """
    try:
        with path.open("rb") as file:
            return read_from(layout, file, str(path), reporter, platform)
    except OSError as error:
        raise NuvError(
            f"Archive {path} cannot be read", str(error.strerror or error), "", Exit.NOT_FOUND
        ) from error


def read_from(
    layout: Layout, file: BinaryIO, name: str, reporter: Reporter, platform: tuple[str, str]
) -> tuple[Descriptor, list[str]]:
    """As `read`, from an open file that can seek."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = {
                member.name.removeprefix("./"): member
                for member in archive
                if member.isreg() or member.issym()
            }
            return _ArchiveReader(layout, archive, members, name, reporter).image(platform)
    except (tarfile.TarError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise NuvError(
            f"Archive {name} cannot be used",
            f"expected what `docker save` or an OCI tool writes, found: {str(error)[:200] or type(error).__name__}",
            "A compressed archive has to be unpacked first.",
        ) from error


class _ArchiveReader:
    """An archive that is being read."""

    def __init__(
        self,
        layout: Layout,
        archive: tarfile.TarFile,
        members: dict[str, tarfile.TarInfo],
        name: str,
        reporter: Reporter,
    ) -> None:
        self._layout, self._archive, self._members = layout, archive, members
        self._name, self._reporter = name, reporter

    def image(self, platform: tuple[str, str]) -> tuple[Descriptor, list[str]]:
        if "manifest.json" in self._members:
            described = json.loads(self._small("manifest.json"))[0]
            layers = [str(layer) for layer in described["Layers"]]
            return self._docker(str(described["Config"]), layers), list(described.get("RepoTags") or [])
        if "index.json" in self._members:
            return self._oci(json.loads(self._small("index.json"))["manifests"], platform), []
        raise ValueError("neither manifest.json nor index.json is in it")

    def _docker(self, config: str, layers: list[str]) -> Descriptor:
        data = self._small(config)
        diff_ids = json.loads(data)["rootfs"]["diff_ids"]
        if len(diff_ids) != len(layers):
            raise ValueError(f"{len(layers)} layers where the configuration has {len(diff_ids)}")
        found = []
        for diff_id, layer in zip(diff_ids, layers, strict=True):
            known = self._layout.recall(f"diff-{diff_id}")
            if known is None or not self._layout.has(known.digest):
                known = self._layer(layer)
                if known.media_type == layouts.LAYER and known.digest != diff_id:
                    raise ValueError(f"layer {layer} has another digest than the configuration says")
                self._layout.remember(f"diff-{diff_id}", known)
            found.append(known)
        return put_image(self._layout, data, found)

    def _oci(self, manifests: list[dict[str, Any]], platform: tuple[str, str]) -> Descriptor:
        for entry in manifests:
            at = entry.get("platform") or {}
            if at and (at.get("os"), at.get("architecture")) != platform:
                continue
            described = json.loads(self._small(_path(entry["digest"])))
            if "manifests" in described:
                return self._oci(described["manifests"], platform)
            found = []
            for layer in described["layers"]:
                one = Descriptor(
                    layer_type(str(layer["mediaType"])), str(layer["digest"]), int(layer["size"])
                )
                self._layout.write(one, self._pieces(_path(one.digest)))
                found.append(one)
            return put_image(self._layout, self._small(_path(described["config"]["digest"])), found)
        raise ValueError(f"it has no image for {'/'.join(platform)}")

    def _layer(self, name: str) -> Descriptor:
        data = self._pieces(name)
        first = next(data, b"")
        kind = f"{layouts.LAYER}+gzip" if first[:2] == b"\x1f\x8b" else layouts.LAYER
        return self._layout.put(itertools.chain((first,), data), kind)

    def _small(self, name: str) -> bytes:
        data = self._open(name).read(_JSON_LIMIT + 1)
        if len(data) > _JSON_LIMIT:
            raise ValueError(f"{name} is too large")
        return data

    def _pieces(self, name: str) -> Iterator[bytes]:
        file = self._open(name)
        while piece := file.read(_READ):
            self._reporter.check()
            yield piece

    def _open(self, name: str) -> IO[bytes]:
        member = self._members.get(name)
        if member is not None and member.issym():
            # Podman keeps the old names as links; they lead to members, never to the disk.
            member = self._members.get(
                posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            )
        if member is None or not member.isreg():
            raise ValueError(f"{name} is not in it")
        file = self._archive.extractfile(member)
        if file is None:
            raise ValueError(f"{name} is no file in it")
        return file


def put_image(layout: Layout, config: bytes, layers: list[Descriptor]) -> Descriptor:
    """Keep configuration and manifest of an image whose layers are in the layout. Returns the manifest."""
    kept = layout.put([config], layouts.CONFIG)
    return layout.put([manifest_of(kept, layers)], layouts.MANIFEST)


def manifest_of(config: Descriptor, layers: list[Descriptor]) -> bytes:
    """The OCI manifest of an image, as canonical JSON."""

    def entry(blob: Descriptor) -> dict[str, object]:
        return {"digest": blob.digest, "mediaType": blob.media_type, "size": blob.size}

    value = {
        "config": entry(config),
        "layers": [entry(layer) for layer in layers],
        "mediaType": layouts.MANIFEST,
        "schemaVersion": 2,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def layer_type(media_type: str) -> str:
    """The OCI name of a layer's format, whether it is named in Docker's way or in OCI's."""
    for ending in ("gzip", "zstd"):
        if media_type.endswith(ending):
            return f"{layouts.LAYER}+{ending}"
    return layouts.LAYER


def _path(digest: str) -> str:
    """Where a blob is in an archive. Raises ValueError where `digest` is none."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", str(digest)):
        raise ValueError(f"{str(digest)[:80]!r} is no digest")
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _header(name: str, size: int, mtime: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, size, mtime
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)
