"""What an engine says of an image: the values that plan and reality are compared by."""

import msgspec


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
    created: str = ""
    history: list[Step] = []


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
