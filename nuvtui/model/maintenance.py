"""What the upkeep of the store found and did: check, gc, repair and the store's figures, for all that show it."""

import msgspec


class Problem(msgspec.Struct):
    """Something missing or damaged in the store, with the snapshots and paths that depend on it."""

    what: str
    """`pack 1a2b…`, `index 1a2b…`, `snapshot 1a2b…`, `object 1a2b…`."""
    detail: str
    snapshots: list[str] = []
    """Ids of the snapshots that suffer, sorted."""
    paths: list[str] = []
    """What suffers in them, sorted: `<snapshot>: <path in text form>` or `<snapshot>: table <name>`."""


class CheckReport(msgspec.Struct, frozen=True):
    """The problems that a check found, and how much it looked at."""

    problems: list[Problem]
    """Empty: all is well."""
    objects: int
    """Objects in the indexes, each once."""
    packs: int
    bytes: int
    """Bytes of all packs."""
    snapshots: int
    read: int
    """Bytes of objects that were read and verified."""


class PruneReport(msgspec.Struct, frozen=True):
    """What garbage collection did, or would do."""

    freed_bytes: int
    removed_packs: int
    rewritten_packs: int
    kept_packs: int
    waiting_packs: int
    """Packs that nothing refers to, younger than the grace period."""
    dry_run: bool


class IndexRepair(msgspec.Struct):
    """What repair did to the store's indexes and packs, or would do."""

    dry_run: bool
    packs: int = 0
    """Sound packs that the new index lists."""
    objects: int = 0
    damaged_packs: list[str] = []
    """Moved to the quarantine."""
    rescued_objects: int = 0
    """Sound objects that were copied out of damaged packs."""
    lost_objects: int = 0
    damaged_snapshots: list[str] = []
    """Manifests that were moved to the quarantine."""
    removed_temporaries: int = 0


class StateRepair(msgspec.Struct, frozen=True):
    """What repair did to the state, or would do."""

    spaces: list[str]
    instances: list[str]
    snapshots_added: list[str]
    snapshots_dropped: list[str]
    """Listed without a readable manifest."""


class RepairReport(msgspec.Struct, frozen=True):
    """What repair did to store and state, or would do."""

    dry_run: bool
    store: IndexRepair
    state: StateRepair


class StoreInfo(msgspec.Struct, frozen=True):
    """Counts and sizes of a store: packs, objects, snapshots, temporary files and caches."""

    packs: int
    objects: int
    stored_bytes: int
    """Bytes of the packs and indexes."""
    logical_bytes: int
    """Bytes that all snapshots together would take as plain copies: files and tables."""
    deduplicated_bytes: int
    """How much less is stored than that: by equal content, kept once, and by compression."""
    snapshots: int
    unique_bytes: dict[str, int]
    """Of every snapshot what it alone needs: what deleting it and nothing else would free, closely."""
    damaged: list[str]
    """Ids of the snapshots that cannot be read, and are left out of the sums."""
    tmp_bytes: int
    """Bytes of unfinished work, that of killed processes included, which gc clears."""
    cache_bytes: int
    """Bytes of what can be thrown away at any time."""
