"""The five verbs that every kind of remote has; nothing else is ever asked of one.

No rename, no append, no overwrite and no lock: so a remote is right on stores that have nothing more.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from nuvtui.remote.failure import DamagedError

MAXIMUM = 80 << 20
"""Bytes that a blob has at most; what is longer is not read."""
LISTED = 2_000_000
"""Entries that a listing has at most: with packs of 16 MiB, 30 TB."""

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,4}")


def is_key(text: str) -> bool:
    """True where `text` can be a blob's key: nothing hidden, no way up, no sign that a store would change."""
    return len(text) <= 200 and _KEY.fullmatch(text) is not None


def checked_key(key: str) -> str:
    """`key`. Raises ValueError where it can be none: a fault of this program."""
    if not is_key(key):
        raise ValueError(f"no key of a blob: {key!r}")
    return key


class Blob(NamedTuple):
    """A blob as a remote lists it."""

    key: str
    """Its name: ASCII letters, digits, `.`, `-` and `_`, in parts joined by `/`."""
    size: int


def checked_listing(url: str, prefix: str, found: Iterable[tuple[str, int]]) -> Iterator[Blob]:
    """The blobs under `prefix` among the keys and sizes that the remote at `url` named, each once.

    Names that can be no blob's are left out: others may keep things there. Raises DamagedError where a size cannot be,
    or where there is no end.
    """
    seen: set[str] = set()
    for number, (key, size) in enumerate(found):
        if number >= LISTED:
            raise DamagedError(
                f"The listing of {url} has no end",
                f"it named {LISTED:,} things and went on",
                "Is it the right address, and nobody else's place?",
            )
        if key in seen or not key.startswith(prefix) or not is_key(key):
            continue
        if not 0 <= size <= 1 << 50:
            raise DamagedError(
                f"The listing of {url} is wrong",
                f"it gives {key} {size} bytes",
                "Ask who runs the place: what it says cannot be.",
            )
        seen.add(key)
        yield Blob(key, size)


class Blobs(Protocol):
    """Immutable blobs by key. Safe for several threads.

    Every verb raises `failure.RemoteError`: its subclass says whether trying again may help. A kind tries once; the
    wrappers of `wrappers` try again, keep to a rate and count.
    """

    @property
    def url(self) -> str:
        """Where it is, as the user wrote it, without credentials."""

    @property
    def conditional(self) -> bool:
        """True where of several writers of one key exactly one wins: `put_if_absent` is decided by the store."""

    def list(self, prefix: str) -> Iterator[Blob]:
        """Every blob whose key begins with `prefix`, each once; bounded in number by the kind."""

    def stat(self, key: str) -> Blob:
        """One blob. Raises AbsentError where there is none."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a blob: `length` of them from `start` (None: to its end), fewer only where it ends before.

        Raises AbsentError.
        """

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """Write a blob, durably and as a whole or not at all; False where there is one already, which stays."""

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def close(self) -> None:
        """Let go of connections and processes."""
