"""Remotes: places outside this machine that hold snapshots."""

from typing import Literal

import msgspec

from nuvtui.model.maintenance import Problem
from nuvtui.model.snapshot import Ref, SnapshotRecord

Kind = Literal["folder", "s3", "gs", "az", "ssh"]


class RemoteSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a remote is reached, besides its address; nothing secret."""

    endpoint: str = ""
    """Of an object store; empty: from the environment or profile, else the usual one."""
    region: str = ""
    profile: str = ""
    """Profile in the files that the provider's own tools read."""
    command: str = ""
    """How nuvtui is called on the other server; empty: `nuvtui`."""


class RemoteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the state file keeps of a remote."""

    id: str
    """Its name: a slug."""
    url: str
    kind: Kind
    repository: str
    """Id of what lies there: another one at the same address is not this remote."""
    encrypted: bool
    recipients: list[str] = []
    """Public keys, for a machine that can only write."""
    write_only: bool = False
    settings: RemoteSettings = RemoteSettings()
    added: str
    pushed: str = ""
    """When it was last pushed to from here; empty: never."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.id


class RemoteStatus(msgspec.Struct, frozen=True):
    """A remote, and what was found there."""

    name: str
    url: str
    kind: Kind
    encrypted: bool
    write_only: bool
    added: str
    pushed: str
    snapshots: int | None = None
    """None: not known, since it could not be asked."""
    bytes: int | None = None
    reachable: bool | None = None
    """None: it was not tried."""
    problem: str = ""
    """Why it is not reachable."""


class RemoteAnswer(msgspec.Struct, frozen=True):
    """What a remote said when it was asked."""

    status: RemoteStatus
    recipients: list[str] = []
    """Who can read what is pushed from now on, as far as this machine can tell."""


class PushResult(msgspec.Struct, frozen=True):
    """What a push sent."""

    remote: str
    snapshots: list[Ref]
    """Those that the remote did not hold before."""
    objects: int
    bytes: int
    """As they lie on the remote."""
    seconds: float


class PullResult(msgspec.Struct, frozen=True):
    """What a pull brought."""

    remote: str
    snapshots: list[Ref]
    """Those that the store did not hold before."""
    objects: int
    bytes: int
    """As they came."""
    seconds: float


class CloneResult(msgspec.Struct, frozen=True):
    """What a clone made."""

    space: Ref
    instance: Ref
    workspace: str
    restored: str
    """Id of the snapshot whose files, tables and applications are in the workspace."""
    pulled: PullResult


class DamagedManifest(msgspec.Struct, frozen=True):
    """A snapshot on a remote of which only the id is known: its manifest cannot be read."""

    id: str
    reason: str

    @property
    def name(self) -> str:
        """Nobody knows it: empty."""
        return ""


class Listing(msgspec.Struct, frozen=True):
    """The snapshots on a remote."""

    snapshots: list[SnapshotRecord]
    damaged: list[DamagedManifest]


class RemoteCheck(msgspec.Struct, frozen=True):
    """What a check of a remote found."""

    remote: str
    snapshots: int
    packs: int
    objects: int
    read: int
    """Bytes of objects that were read and compared with their ids."""
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """True where nothing is wrong in what was looked at."""
        return not self.problems


class RemotePrune(msgspec.Struct, frozen=True):
    """What a prune of a remote freed, or would free."""

    remote: str
    dry_run: bool
    condemned: int
    """Bytes of packs that nothing needs: they go once the grace period is over."""
    freed: int
    """Bytes of packs that went, or would go now."""
    packs: int
    """Packs that went, or would go now."""
    waiting: list[str] = []
    """Leases of those who are writing: nothing goes while they do."""
