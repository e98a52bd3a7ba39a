"""Blobs by what names them: their digest, and the descriptor that a manifest has of each."""

import hashlib
import re
from typing import NamedTuple

Platform = tuple[str, str, str]
"""Operating system, architecture and variant (or empty), in the words of image manifests."""


class Descriptor(NamedTuple):
    """A blob, as a manifest names it."""

    media_type: str
    digest: str
    """`sha256:` and 64 hexadecimal digits."""
    size: int
    """Bytes."""


def digest_of(data: bytes) -> str:
    """The digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: object) -> bool:
    """True where `text` is a SHA-256 digest, the one kind that is used here, and so safe as part of a path."""
    return isinstance(text, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", text) is not None


def short(digest: str) -> str:
    """A digest as people are shown it."""
    return f"{digest[:19]}…"
