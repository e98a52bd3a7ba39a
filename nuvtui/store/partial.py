"""A store that reads what it lacks from elsewhere, as git's partial clones do from their promisor remote.

Only reading looks elsewhere. What is *here* (`has`, `locate`, `manifest_ids`, the indexes) is told of this store alone;
whoever checks, frees, repairs or pushes takes a plain `Store`, which knows of nowhere else.
"""

from collections.abc import Callable
from typing import Protocol

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model.snapshot import Snapshot
from nuvtui.paths import Home
from nuvtui.store.store import Store


class ObjectSource(Protocol):
    """Where objects and manifests are read that are not here. Everything that it gives is checked already."""

    def read(self, object_id: bytes) -> bytes:
        """The bytes of an object. Raises NuvError."""

    def length(self, object_id: bytes) -> int:
        """Its length. Raises NuvError."""

    def manifest(self, snapshot: str) -> Snapshot:
        """The manifest of a snapshot. Raises NuvError."""


class PartialStore(Store):
    """A store whose missing objects are read elsewhere."""

    def __init__(self, home: Home, elsewhere: Callable[[], ObjectSource | None]) -> None:
        """`elsewhere` is called when something is missing, and not before; None: nowhere."""
        super().__init__(home)
        self._elsewhere = elsewhere

    def read(self, object_id: bytes) -> bytes:
        """The bytes of an object, from here or elsewhere. Raises StoreError, and what the source raises."""
        try:
            return super().read(object_id)
        except StoreError:
            source = self._elsewhere()
            if source is None:
                raise
            return source.read(object_id)

    def length(self, object_id: bytes) -> int:
        """Bytes of an object, from an index here or elsewhere."""
        try:
            return super().length(object_id)
        except StoreError:
            source = self._elsewhere()
            if source is None:
                raise
            return source.length(object_id)

    def read_manifest(self, snapshot_id: str) -> Snapshot:
        """A snapshot's manifest, from here or elsewhere."""
        try:
            return super().read_manifest(snapshot_id)
        except NuvError as error:
            source = self._elsewhere() if error.exit_code == Exit.NOT_FOUND else None
            if source is None:
                raise
            return source.manifest(snapshot_id)
