"""The images that nuvtui itself keeps: an OCI image layout in the store home, shared by all exports.

```
images/oci-layout, index.json       which images there are, by reference (`org.opencontainers.image.ref.name`)
images/blobs/sha256/<digest>        manifests, configurations, layers: once each, never changed
images/layers/<key>.json            what a layer with this key turned out to be: its digest and size
images/partial/<digest>             a download that broke off, to be continued
```
Format: OCI image layout specification 1.0; `skopeo`, `podman` and others read the folder as it is. A blob is
written under a temporary name, verified, made durable and then named; the index is replaced whole, under a lock.
Who builds holds the layout (shared); blobs that no image refers to are removed only by who holds it alone.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nuvtui import atomic
from nuvtui.errors import NuvError, StoreError
from nuvtui.images.oci.descriptor import Descriptor

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REFERENCE = "org.opencontainers.image.ref.name"
ROLE = "io.nuvtui.role"
"""Annotation in the index: `image`, or `base` for what images were built on."""
ORIGIN = "io.nuvtui.origin"
"""Annotation of a base image: the digest that the registry names it by."""
_READ = 1 << 20


class Layout:
    """The layout in `folder`, created on first writing."""

    def __init__(self, folder: Path, *, shared: bool = False) -> None:
        """`shared`: the group may write too."""
        self.folder = folder
        self._folder_mode, self._file_mode, self._blob_mode = (
            (0o2770, 0o660, 0o440) if shared else (0o700, 0o600, 0o400)
        )

    # Blobs

    def has(self, digest: str) -> bool:
        """True where the blob is there."""
        return self._blob(digest).exists()

    def size(self, digest: str) -> int:
        """Bytes of a blob. Raises StoreError where it is missing."""
        try:
            return self._blob(digest).stat().st_size
        except OSError as error:
            raise _missing(digest) from error

    def open(self, digest: str) -> BinaryIO:
        """A blob to read from. Raises StoreError where it is missing."""
        try:
            return self._blob(digest).open("rb")
        except OSError as error:
            raise _missing(digest) from error

    def read(self, digest: str, limit: int = 8 << 20) -> bytes:
        """A small blob, verified. Raises StoreError where it is missing, larger than `limit` or damaged."""
        with self.open(digest) as file:
            data = file.read(limit + 1)
        if len(data) > limit or f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise StoreError(
                f"Blob {digest[:19]} of an image is damaged",
                "its content is not what its name says",
                "Delete the export and export again: the snapshot has everything.",
            )
        return data

    def pieces(self, digest: str) -> Iterator[bytes]:
        """A blob piece by piece, its digest checked at the end. Raises StoreError."""
        hashed = hashlib.sha256()
        with self.open(digest) as file:
            while piece := file.read(_READ):
                hashed.update(piece)
                yield piece
        if f"sha256:{hashed.hexdigest()}" != digest:
            raise StoreError(
                f"Blob {digest[:19]} of an image is damaged",
                "its content is not what its name says",
                "Delete the export and export again: the snapshot has everything.",
            )

    def put(self, pieces: Iterable[bytes], media_type: str = LAYER) -> Descriptor:
        """Keep a blob whose digest is not known before. Raises StoreError (full disk and so on)."""
        with self._writing() as (file, temporary):
            hashed, size = hashlib.sha256(), 0
            for piece in pieces:
                hashed.update(piece)
                size += len(piece)
                _write(file, piece)
            digest = f"sha256:{hashed.hexdigest()}"
            self._publish(file, temporary, digest)
        return Descriptor(media_type, digest, size)

    def write(self, descriptor: Descriptor, pieces: Iterator[bytes]) -> None:
        """Keep a blob, which has to be what `descriptor` says. Raises NuvError where it is not, StoreError."""
        if self.has(descriptor.digest):
            return
        with self._writing() as (file, temporary):
            hashed, size = hashlib.sha256(), 0
            for piece in pieces:
                hashed.update(piece)
                size += len(piece)
                if size > descriptor.size >= 0:
                    break
                _write(file, piece)
            digest = f"sha256:{hashed.hexdigest()}"
            if digest != descriptor.digest or (descriptor.size >= 0 and size != descriptor.size):
                raise NuvError(
                    "A part of an image is not what it was announced as",
                    f"expected {descriptor.digest} of {descriptor.size:,} bytes, found {digest} of {size:,}",
                    "Try again; if it stays so, the registry or the archive is damaged.",
                )
            self._publish(file, temporary, digest)

    def partial(self, digest: str) -> Path:
        """Where a download of `digest` is kept until it is whole."""
        folder = self._made(self.folder / "partial")
        return folder / _hex(digest)

    # What layers turned out to be

    def remember(self, key: str, descriptor: Descriptor) -> None:
        """Note what the layer with this key is. Where that cannot be written, it is made again next time."""
        data = json.dumps(descriptor._asdict()).encode()
        with contextlib.suppress(OSError):
            folder = self._made(self.folder / "layers")
            atomic.write_file(folder / f"{_safe(key)}.json", data, self._file_mode, durable=False)

    def recall(self, key: str) -> Descriptor | None:
        """What the layer with this key is, where that is known; its blob may be gone."""
        try:
            found = json.loads((self.folder / "layers" / f"{_safe(key)}.json").read_bytes())
            known = Descriptor(str(found["media_type"]), str(found["digest"]), int(found["size"]))
            _hex(known.digest)
        except (OSError, ValueError, KeyError, TypeError, StoreError):
            return None
        return known

    # Images by reference

    def find(self, reference: str) -> Descriptor | None:
        """The manifest of an image; None where there is none of that reference."""
        for entry in self._index():
            if entry.get("annotations", {}).get(REFERENCE) == reference:
                return Descriptor(str(entry["mediaType"]), str(entry["digest"]), int(entry["size"]))
        return None

    def origin(self, reference: str) -> str:
        """The registry's digest of a base image (`sha256:…`); empty where it came from no registry."""
        for entry in self._index():
            if entry.get("annotations", {}).get(REFERENCE) == reference:
                return str(entry["annotations"].get(ORIGIN, ""))
        return ""

    def tag(self, reference: str, manifest: Descriptor, role: str = "image", origin: str = "") -> None:
        """Name an image; whatever had the name before loses it. `origin`: the registry's digest of a base image."""
        annotations = {REFERENCE: reference, ROLE: role} | ({ORIGIN: origin} if origin else {})
        entry = {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.size,
            "annotations": annotations,
        }
        with self._changing() as entries:
            entries[:] = [e for e in entries if e.get("annotations", {}).get(REFERENCE) != reference]
            entries.append(entry)

    def untag(self, reference: str) -> bool:
        """Take a name away; what no other image shares is removed. False where there was none."""
        with self._changing() as entries:
            left = [e for e in entries if e.get("annotations", {}).get(REFERENCE) != reference]
            found = len(left) != len(entries)
            entries[:] = left
        if found:
            self.sweep()
        return found

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """While this lasts, nothing is removed: for who builds, archives or pushes."""
        with atomic.locked(self._made(self.folder) / "using.lock", shared=True, mode=self._file_mode):
            yield

    def sweep(self, bases: bool = False) -> int:
        """Remove blobs that no image needs; with `bases`, base images too that nothing is built on any more.

        Returns the bytes that came free; 0 where somebody is using the layout: then it is for the next time.
        """
        if not self.folder.exists():
            return 0
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(
                    atomic.locked(self.folder / "using.lock", timeout=0, mode=self._file_mode)
                )
            except NuvError:
                return 0
            if bases:
                with self._changing() as entries:
                    entries[:] = [e for e in entries if e.get("annotations", {}).get(ROLE) != "base"]
            needed = self._needed()
            freed = 0
            blobs = self.folder / "blobs" / "sha256"
            for folder in (blobs, self.folder / "partial"):
                for entry in os.scandir(folder) if folder.exists() else ():
                    if folder is not blobs or entry.name not in needed:
                        with contextlib.suppress(FileNotFoundError, PermissionError):
                            size = entry.stat(follow_symlinks=False).st_size
                            os.unlink(entry.path)
                            freed += size
            return freed

    def _needed(self) -> set[str]:
        """Hex digests of all that the index leads to. Raises StoreError where that cannot be told."""
        needed: set[str] = set()
        for entry in self._index():
            digest = str(entry["digest"])
            needed.add(_hex(digest))
            manifest = json.loads(self.read(digest))
            parts = [
                manifest.get("config"),
                *(manifest.get("layers") or []),
                *(manifest.get("manifests") or []),
            ]
            needed.update(_hex(str(part["digest"])) for part in parts if part)
        return needed

    # Inside

    def _index(self) -> list[dict[str, Any]]:
        try:
            data = (self.folder / "index.json").read_bytes()
        except FileNotFoundError:
            return []
        try:
            return list(json.loads(data)["manifests"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.folder / 'index.json'} cannot be read",
                f"expected the index of an OCI image layout: {error}",
                "Move the folder away; images are made again from their snapshots.",
            ) from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[dict[str, Any]]]:
        try:
            folder = self._made(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error
        with atomic.locked(folder / "index.lock", mode=self._file_mode):
            entries = self._index()
            before = list(entries)
            yield entries
            if entries == before:
                return
            try:
                self._write_index(entries)
            except OSError as error:
                raise self._unwritable(error) from error

    def _write_index(self, entries: list[dict[str, Any]]) -> None:
        folder = self.folder
        if not (folder / "oci-layout").exists():
            atomic.write_file(folder / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}', self._file_mode)
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        }
        atomic.write_file(folder / "index.json", json.dumps(index).encode(), self._file_mode)

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            "The list of images cannot be written",
            f"{self.folder}: {error.strerror or error}",
            "Is the disk full, or may you not write there? `nuvtui store gc` frees what is not needed.",
        )

    def _made(self, folder: Path) -> Path:
        if not folder.is_dir():
            if folder != self.folder:
                self._made(folder.parent)
            atomic.make_folder(folder, self._folder_mode)
            with contextlib.suppress(PermissionError):  # somebody else's, made at the same time
                folder.chmod(self._folder_mode)
        return folder

    def _blob(self, digest: str) -> Path:
        return self.folder / "blobs" / "sha256" / _hex(digest)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        self._made(self.folder / "blobs")
        folder = self._made(self.folder / "blobs" / "sha256")
        atomic.remove_abandoned(folder)
        temporary = atomic.temporary_name(folder / "blob")
        try:
            with temporary.open("xb", buffering=0) as file:
                yield file, temporary
        except OSError as error:
            raise StoreError(
                "A part of the image cannot be written",
                f"{folder}: {error.strerror or error}",
                "Is the disk full? `nuvtui store gc` frees what is not needed; `nuvtui exports delete EXPORT` an image.",
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _publish(self, file: BinaryIO, temporary: Path, digest: str) -> None:
        os.fchmod(file.fileno(), self._blob_mode)
        os.fsync(file.fileno())
        temporary.replace(self._blob(digest))
        atomic.fsync_folder(temporary.parent)


def _write(file: BinaryIO, piece: bytes) -> None:
    atomic.write_all(file.fileno(), piece)


def _hex(digest: str) -> str:
    """The file name of a digest: nothing else gets into a path."""
    name = digest.removeprefix("sha256:")
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise StoreError("Not a digest", f"expected sha256: and 64 hex digits, found {digest[:80]!r}")
    return name


def _safe(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _missing(digest: str) -> StoreError:
    return StoreError(
        f"Blob {digest[:19]} of an image is missing",
        "the image is not whole any more",
        "Export again: the snapshot has everything.",
    )
