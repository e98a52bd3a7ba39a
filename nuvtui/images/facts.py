"""What an engine says of an image: the values that plan and reality are compared by."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nuvtui.errors import NuvError


class Step(msgspec.Struct, frozen=True):
    """One entry of an image's history, oldest first."""

    created_by: str
    empty: bool
    """True where it made no layer."""


class ImageFacts(msgspec.Struct, frozen=True):
    """An image as the engine has it."""

    id: str
    """`sha256:…`"""
    size: int
    """Bytes, unpacked, as the engine counts them."""
    labels: dict[str, str] = {}
    env: dict[str, str] = {}
    command: list[str] = []
    entrypoint: list[str] = []
    exposed: list[str] = []
    """`8888/tcp`, sorted."""
    workdir: str = ""
    user: str = ""
    layers: list[str] = []
    """Digests of the unpacked layers, base first."""
    tags: list[str] = []
    digests: list[str] = []
    """`name@sha256:…` of registries that the engine knows the image from."""
    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    """Of the architecture: `v8`; usually empty."""
    volumes: list[str] = []
    stop_signal: str = ""
    healthcheck: dict[str, Any] = {}
    """As in Docker's configuration of an image: `Test`, `Interval` and so on."""
    created: str = ""
    history: list[Step] = []


def from_config(
    found: Mapping[str, Any],
    *,
    id: str,
    size: int = 0,
    tags: Sequence[str] = (),
    digests: Sequence[str] = (),
) -> ImageFacts:
    """The facts in an image's configuration (OCI image specification; what an engine tells has the same names).

    Raises NuvError where it is none.
    """
    try:
        config = found.get("config") or found.get("Config") or {}
        rootfs = found.get("rootfs") or found.get("RootFS") or {}
        pairs = (str(entry).partition("=") for entry in config.get("Env") or [])
        return ImageFacts(
            id=id,
            size=size,
            labels={str(k): str(v) for k, v in (config.get("Labels") or {}).items()},
            env={name: value for name, _, value in pairs},
            command=[str(word) for word in config.get("Cmd") or []],
            entrypoint=[str(word) for word in config.get("Entrypoint") or []],
            exposed=sorted(config.get("ExposedPorts") or {}),
            workdir=str(config.get("WorkingDir") or ""),
            user=str(config.get("User") or ""),
            layers=[str(layer) for layer in rootfs.get("diff_ids") or rootfs.get("Layers") or []],
            tags=list(tags),
            digests=list(digests),
            architecture=str(found.get("architecture") or found.get("Architecture") or ""),
            os=str(found.get("os") or found.get("Os") or "linux"),
            variant=str(found.get("variant") or found.get("Variant") or ""),
            volumes=sorted(config.get("Volumes") or {}),
            stop_signal=str(config.get("StopSignal") or ""),
            healthcheck=dict(config.get("Healthcheck") or {}),
            created=str(found.get("created") or found.get("Created") or ""),
            history=[
                Step(str(step.get("created_by") or ""), bool(step.get("empty_layer")))
                for step in found.get("history") or []
            ],
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise NuvError("The configuration of an image cannot be read", str(error)[:200]) from error


class FileFact(msgspec.Struct, frozen=True):
    """A path inside an image."""

    path: str
    """Without leading slash; str with surrogateescape."""
    kind: str
    """As `model.tree`: `f`, `d`, `l`."""
    size: int
    mode: int
    uid: int
    gid: int
    target: str = ""
