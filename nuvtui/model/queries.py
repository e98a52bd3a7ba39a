"""Queries: what a child process looks up for somebody who may stop waiting, with the type of each answer."""

from typing import Generic, TypeVar

import msgspec

from nuvtui.model.diff import Diff
from nuvtui.model.distribution import Strategies, TargetPlan
from nuvtui.model.export import Excluded, ExportPlan, ExportSpec, Finding
from nuvtui.model.remote import Listing, RemoteAnswer, RemotePrune, RemoteRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.table import ColumnStats, Rows

R = TypeVar("R")


class Query(msgspec.Struct, Generic[R], frozen=True, tag_field="what"):
    """A question with the answer `R`. Paths are absolute, in text form."""


class Checked(msgspec.Struct, frozen=True):
    """What preflight says of an export."""

    findings: list[Finding]
    engine: str = ""
    """The engine that would be taken; empty: none."""


class Outlook(msgspec.Struct, frozen=True):
    """What the dry run of an export says, without the list of its files."""

    findings: list[Finding]
    """Of the content guard, and from which snapshot it was planned."""
    files: int
    bytes: int
    left_out: int
    excluded: list[Excluded]
    """The first of those left out."""


class RestorePlan(msgspec.Struct, frozen=True):
    """What a restore would do."""

    plan: str
    """Digest of all that it depends on: what the restore is to be held to."""
    changes: Diff
    """From the Current State to the snapshot."""


class Status(Query[Diff], frozen=True, tag="status"):
    """What changed in the Current State of an instance since its newest snapshot."""

    instance: str


class Compare(Query[Diff], frozen=True, tag="diff"):
    """What differs from one state (None: an empty one) to another."""

    old: StateRef | None
    new: StateRef


class Sql(Query[Rows], frozen=True, tag="query"):
    """The rows of a query over a state's tables."""

    state: StateRef
    sql: str
    limit: int


class Spread(Query[list[ColumnStats]], frozen=True, tag="column-stats"):
    """How the values of a table's columns are spread."""

    state: StateRef
    table: str


class Freed(Query[int], frozen=True, tag="freed"):
    """Bytes that deleting snapshots would free."""

    snapshots: list[str]


class DryRun(Query[list[TargetPlan]], frozen=True, tag="dry-run"):
    """What a distribution of the stage would do to each target."""

    space: str
    targets: list[str]
    strategies: Strategies


class PlanRestore(Query[RestorePlan], frozen=True, tag="plan-restore"):
    """What restoring a snapshot to an instance would do."""

    snapshot: str
    instance: str


class Preflight(Query[Checked], frozen=True, tag="preflight"):
    """What stands in the way of an export."""

    spec: ExportSpec


class Foresee(Query[Outlook], frozen=True, tag="outlook"):
    """What must not leave with an export, and how much would go in."""

    spec: ExportSpec


class PlanExport(Query[ExportPlan], frozen=True, tag="plan"):
    """The dry run of an export."""

    spec: ExportSpec


class LayOutDemo(Query[str], frozen=True, tag="demo"):
    """Lay out the demo study in a folder; the id of its Master."""

    folder: str


class AskRemote(Query[RemoteAnswer], frozen=True, tag="ask-remote"):
    """What a remote holds, and who can read it."""

    remote: str


class ListRemote(Query[Listing], frozen=True, tag="list-remote"):
    """The snapshots on a remote, the newest first, and those that cannot be read."""

    remote: str


class PlanRemotePrune(Query[RemotePrune], frozen=True, tag="plan-remote-prune"):
    """What a prune of a remote would free."""

    remote: str


class RecoverySheet(Query[str], frozen=True, tag="recovery-sheet"):
    """The text of a remote's recovery sheet."""

    remote: str


class AddRemote(Query[RemoteRecord], frozen=True, tag="add-remote"):
    """Add a remote; `encrypt`: sealed for this account's own key, where it is new."""

    name: str
    url: str
    encrypt: bool


AnyQuery = (
    Status
    | Compare
    | Sql
    | Spread
    | Freed
    | DryRun
    | PlanRestore
    | Preflight
    | Foresee
    | PlanExport
    | LayOutDemo
    | AskRemote
    | ListRemote
    | PlanRemotePrune
    | RecoverySheet
    | AddRemote
)
"""Every query."""
