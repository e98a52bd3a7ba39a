"""Manifests of images as registries hand them out: which kind, for which platform, made of what.

Formats: OCI image specification (image index, image manifest); Docker "Image Manifest Version 2, Schema 2"
(manifest list, manifest). All that is read here comes from somebody else: every field is checked.
"""

import json
from dataclasses import dataclass
from typing import Any

from nuvtui import sanitise
from nuvtui.images.oci.descriptor import Descriptor, Platform, is_digest

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
IMAGES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPTED = ", ".join((*INDEXES, *IMAGES))
"""What a registry is asked for: the header `Accept`."""
_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
)
_MOST_LAYERS = 500
_MOST_BYTES = 1 << 50


class ManifestError(Exception):
    """A manifest that cannot be used. `words`: why, for people."""

    def __init__(self, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint


@dataclass(frozen=True)
class Image:
    """What an image is made of."""

    config: Descriptor
    layers: list[Descriptor]
    """The lowest first."""


def read(data: bytes, content_type: str) -> tuple[str, dict[str, Any]]:
    """Media type and content of a manifest that came with the header `content_type`. Raises ManifestError."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ManifestError("the registry's manifest is no JSON") from None
    if not isinstance(found, dict):
        raise ManifestError("the registry's manifest is no JSON object")
    declared = content_type.partition(";")[0].strip().lower()
    inside = found.get("mediaType")
    if found.get("schemaVersion") == 1 or "distribution.manifest.v1+" in declared:
        raise ManifestError(
            "it is in the format of before 2016 (manifest schema 1), which is not supported",
            "Have the image pushed again with a present version of its tool.",
        )
    kind = inside if isinstance(inside, str) and inside else declared
    if kind not in (*INDEXES, *IMAGES):
        raise ManifestError(f"it is no image but {_shown(kind or 'something without a type')}")
    if isinstance(inside, str) and declared in (*INDEXES, *IMAGES) and declared != inside:
        # Two kinds in one: what it is would depend on who reads it.
        raise ManifestError(f"the registry calls it {_shown(declared)}, itself it says {_shown(inside)}")
    if ("manifests" in found) == ("layers" in found) or ("manifests" in found) != (kind in INDEXES):
        raise ManifestError(f"its content is not that of {_shown(kind)}")
    return kind, found


def choose(index: dict[str, Any], platform: Platform) -> Descriptor:
    """The manifest in `index` that fits `platform` best. Raises ManifestError that lists what there is."""
    fitting: list[tuple[int, Descriptor]] = []
    there: list[str] = []
    for entry in _list(index, "manifests"):
        known = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(known, dict) or entry.get("mediaType") not in IMAGES:
            continue
        system, architecture, variant = (
            str(known.get(key) or "") for key in ("os", "architecture", "variant")
        )
        if system == "unknown":  # an attestation about another one
            continue
        there.append("/".join(part for part in (system, architecture, variant) if part))
        if (system, architecture) == platform[:2]:
            distance = _distance(architecture, platform[2], variant)
            if distance is not None:
                fitting.append((distance, _descriptor(entry)))
    if fitting:
        return min(fitting, key=lambda found: found[0])[1]
    wanted = "/".join(part for part in platform if part)
    listed = ", ".join(dict.fromkeys(there)) or "none"
    raise ManifestError(f"expected it for {wanted}, found only: {_shown(listed, 500)}")


def image(manifest: dict[str, Any]) -> Image:
    """Config and layers of an image's manifest. Raises ManifestError where they cannot be used."""
    config = _descriptor(manifest.get("config"))
    if config.media_type not in _CONFIGS:
        raise ManifestError(f"it is no image but {_shown(config.media_type)}")
    layers = [_descriptor(entry) for entry in _list(manifest, "layers")]
    if len(layers) > _MOST_LAYERS:
        raise ManifestError(f"it has {len(layers):,} layers, expected at most {_MOST_LAYERS}")
    for layer in layers:
        if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
            raise ManifestError(
                "it has layers that its licence keeps out of registries (foreign, as in Windows images)",
                "Such an image cannot be pulled without an engine.",
            )
        if layer.media_type not in _LAYERS:
            raise ManifestError(f"it has a layer of unknown kind: {_shown(layer.media_type)}")
    return Image(config, layers)


def platform_of(config: bytes) -> Platform:
    """The platform that an image's config names; empty where it does not. Raises ManifestError."""
    try:
        found = json.loads(config)
    except (ValueError, RecursionError):
        raise ManifestError("the image's config is no JSON") from None
    if not isinstance(found, dict):
        raise ManifestError("the image's config is no JSON object")
    return str(found.get("os") or ""), str(found.get("architecture") or ""), str(found.get("variant") or "")


def fits(platform: Platform, found: Platform) -> bool:
    """True where an image for `found` runs on `platform`, as far as they say."""
    return (
        found[0] in ("", platform[0])
        and found[1] in ("", platform[1])
        and (not found[1] or _distance(platform[1], platform[2], found[2]) is not None)
    )


def _distance(architecture: str, wanted: str, found: str) -> int | None:
    """How far a variant is from what is wanted: 0 fits exactly; None: it does not run there."""
    usual = {"arm64": "v8", "arm": "v7", "amd64": "v1"}.get(architecture, "")
    wanted, found = wanted or usual, found or usual
    if wanted == found:
        return 0
    pair = (wanted.removeprefix("v"), found.removeprefix("v"))
    if architecture in ("arm", "amd64", "arm64") and all(one.isdigit() and one.isascii() for one in pair):
        # A newer processor runs what was made for an older one.
        distance = int(pair[0][:3]) - int(pair[1][:3])
        return distance if distance > 0 else None
    return None


def _descriptor(entry: Any) -> Descriptor:
    if not isinstance(entry, dict):
        raise ManifestError("its manifest names a part that is none")
    kind, digest, size = entry.get("mediaType"), entry.get("digest"), entry.get("size")
    if not is_digest(digest):
        raise ManifestError(f"its manifest has a digest that is no SHA-256: {_shown(str(digest))}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MOST_BYTES:
        raise ManifestError(f"its manifest has a size that is none: {_shown(str(size))}")
    return Descriptor(str(kind), str(digest), size)


def _list(found: dict[str, Any], key: str) -> list[Any]:
    value = found.get(key)
    if not isinstance(value, list):
        raise ManifestError(f"its manifest has no list {key}")
    return value


def _shown(text: str, length: int = 100) -> str:
    return sanitise.line(text[:length])
