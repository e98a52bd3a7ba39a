"""Operations: what a task does, as values that command line, screens and worker share, with the type of each result."""

import typing
from typing import Any, Generic, TypeVar

import msgspec

from nuvtui.model.distribution import Distribution, Server, Strategies
from nuvtui.model.export import ExportRecord, ExportSpec
from nuvtui.model.kept import KeptFile
from nuvtui.model.maintenance import CheckReport, PruneReport, RepairReport
from nuvtui.model.policy import PolicyRun
from nuvtui.model.remote import CloneResult, PullResult, PushResult, RemoteCheck, RemotePrune, RemoteSettings
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.table_import import ImportOptions, ImportReport
from nuvtui.model.task import TaskView
from nuvtui.model.typed import result_type

R = TypeVar("R")


class Operation(msgspec.Struct, Generic[R], frozen=True, tag_field="kind"):
    """Something that a task does, with the result `R`. Paths are absolute, in text form (`names.path_to_text`)."""

    @property
    def kind(self) -> str:
        """The word for it in task lists: `snapshot`, `restore`, …"""
        return str(self.__struct_config__.tag)


class RestoreResult(msgspec.Struct, frozen=True):
    """What a restore did."""

    snapshot: str
    instance: str
    backup: str
    """Id of the automatic snapshot of what was there: restoring it undoes this restore."""
    files: int
    """Files, links and folders written."""
    files_removed: int
    tables: int
    tables_removed: int
    applications: int
    applications_removed: int
    kept: list[KeptFile] = []
    """Files that were written meanwhile and that no snapshot holds, with where they are now."""
    skipped: list[str] = []
    """Paths, in text form, that the target's file system cannot hold."""


class Loaded(msgspec.Struct, frozen=True):
    """What an archive held."""

    images: list[str]
    """References."""


class TakeSnapshot(Operation[SnapshotRecord], frozen=True, tag="snapshot"):
    """Take a snapshot: a quick one where no name is given."""

    instance: str
    name: str = ""
    description: str = ""
    next_phase: str = ""
    reread: bool = False
    """Read every file, whatever its times say."""


class Restore(Operation[RestoreResult], frozen=True, tag="restore"):
    """Replace the Current State of an instance by a snapshot."""

    snapshot: str
    instance: str
    plan: str = ""
    """Digest of the dry run that was approved; empty: whatever the target holds."""


class Distribute(Operation[Distribution], frozen=True, tag="distribute"):
    """Distribute the stage of a space."""

    space: str
    targets: list[str]
    strategies: Strategies = Strategies()
    message: str = ""
    distribution: str = ""
    """Id to give it; empty: a new one."""
    plans: list[str] = []
    """Digests of the dry runs that were approved, one a target; empty: whatever the targets hold."""
    server: Server | None = None
    """Where the targets are; None: here."""


class Recall(Operation[Distribution], frozen=True, tag="recall"):
    """Remove what a distribution brought."""

    distribution: str


class Export(Operation[ExportRecord], frozen=True, tag="export"):
    """Export an application."""

    spec: ExportSpec
    export: str = ""
    """Id to give it; empty: a new one."""


class Archive(Operation[ExportRecord], frozen=True, tag="archive"):
    """Write the image of an export to a file."""

    export: str
    path: str


class Push(Operation[ExportRecord], frozen=True, tag="push"):
    """Push the image of an export."""

    export: str
    public_ok: bool = False


class Verify(Operation[ExportRecord], frozen=True, tag="verify"):
    """Run the image of an export and compare it with its plan."""

    export: str
    again: bool = False
    """Also build it again, and compare."""


class Load(Operation[Loaded], frozen=True, tag="load"):
    """Read an archive of images back."""

    space: str
    path: str


class ImportTable(Operation[ImportReport], frozen=True, tag="import-table"):
    """Import a file as a table."""

    instance: str
    file: str
    name: str | None = None
    replace: bool = False
    options: ImportOptions = ImportOptions()


class Check(Operation[CheckReport], frozen=True, tag="check"):
    """Check the store."""

    read_data: bool = False


class Prune(Operation[PruneReport], frozen=True, tag="gc"):
    """Free what no snapshot refers to."""

    dry_run: bool = False
    grace: float | None = None


class Repair(Operation[RepairReport], frozen=True, tag="repair"):
    """Rebuild index and state."""

    dry_run: bool = False


class PushSnapshots(Operation[PushResult], frozen=True, tag="push-snapshots"):
    """Send snapshots to a remote."""

    remote: str
    snapshots: list[str]


class PullSnapshots(Operation[PullResult], frozen=True, tag="pull-snapshots"):
    """Bring snapshots from a remote into the store."""

    remote: str
    snapshots: list[str]


class Clone(Operation[CloneResult], frozen=True, tag="clone"):
    """Make a space of this store from a remote."""

    url: str
    path: str
    snapshot: str = ""
    """What the workspace becomes; empty: the newest snapshot of Master."""
    name: str = ""
    """Of the space here; empty: as it is called there."""
    space: str = ""
    """Name or id, where the remote holds several."""
    settings: RemoteSettings = RemoteSettings()


class CheckRemote(Operation[RemoteCheck], frozen=True, tag="check-remote"):
    """Check what a remote holds."""

    remote: str
    read_data: bool = False


class PruneRemote(Operation[RemotePrune], frozen=True, tag="prune-remote"):
    """Free what no snapshot on a remote needs."""

    remote: str
    dry_run: bool = False
    grace: float | None = None
    """Seconds between the two phases; None: a day."""


class RunPolicy(Operation[PolicyRun], frozen=True, tag="policy"):
    """Do what the policy of an instance says: hooks, snapshot, push, delete what no rule keeps."""

    instance: str
    plan: str = ""
    """Digest of the dry run that was approved; empty: whatever the rules do not keep goes."""


Task = (
    TakeSnapshot
    | Restore
    | Distribute
    | Recall
    | Export
    | Archive
    | Push
    | Verify
    | Load
    | ImportTable
    | Check
    | Prune
    | Repair
    | PushSnapshots
    | PullSnapshots
    | Clone
    | CheckRemote
    | PruneRemote
    | RunPolicy
)
"""Every operation."""


def result_of(task: TaskView) -> Any:
    """The result of a completed task as its operation's type; None where it has none that this nuvtui knows."""
    for operation in typing.get_args(Task):
        if operation.__struct_config__.tag == task.kind and task.result is not None:
            try:
                return msgspec.convert(task.result, result_type(operation))
            except msgspec.ValidationError:
                return None  # of another version
    return None
