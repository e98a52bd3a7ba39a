"""Snapshots: the manifest on disk (the truth) and the short record of it that the state file lists."""

from typing import Literal

import msgspec

from nuvtui.model import cause
from nuvtui.model.application import Lock
from nuvtui.model.cause import Cause

MANIFEST_VERSION = 1
Kind = Literal["named", "quick", "automatic"]


class Ref(msgspec.Struct, frozen=True):
    """An id with the name it had."""

    id: str
    name: str


class CodeRevision(msgspec.Struct, frozen=True):
    """The state of a git workspace."""

    commit: str
    branch: str | None
    dirty: bool
    remote: str = ""
    """URL of the remote `origin`, without credentials."""


class Provenance(msgspec.Struct, frozen=True):
    """Who, where, when and with what a snapshot was taken."""

    user: str
    host: str
    platform: str
    workspace: str
    """Absolute path in text form."""
    nuvtui: str
    python: str
    code: CodeRevision | None = None


class Column(msgspec.Struct, frozen=True):
    """A table's column: name, DuckDB type, and what it is said to hold."""

    name: str
    type: str
    description: str = ""
    """DuckDB's comment on the column."""


class FilesPart(msgspec.Struct, frozen=True):
    """The workspace files of a snapshot."""

    root: str
    """Hex id of the root tree object."""
    count: int
    """Files and links."""
    bytes: int
    """Logical bytes, before deduplication and compression."""


class TableConstraint(msgspec.Struct, frozen=True):
    """A constraint of a table that a snapshot keeps."""

    kind: Literal["primary key", "unique", "not null"]
    columns: list[str]


class TablePart(msgspec.Struct, frozen=True):
    """One table of a snapshot, captured as Parquet."""

    name: str
    rows: int
    columns: list[Column]
    fingerprint: str
    content: list[str]
    """Hex ids of the chunks of the Parquet file, in order."""
    bytes: int
    """Bytes of the Parquet file."""
    constraints: list[TableConstraint] = []
    description: str = ""
    """DuckDB's comment on the table."""
    blocks: str = ""
    """Of a table of more than one block of rows: 16 hex digits for each, equal where the rows of the block are."""


def same_table(one: TablePart, other: TablePart) -> bool:
    """True where two parts are known to be one table, but for its name.

    Fingerprints of different versions of nuvtui or DuckDB say nothing about each other; the stored rows do.
    """
    return one.fingerprint == other.fingerprint or (
        bool(one.content)
        and one.content == other.content
        and one.columns == other.columns
        and one.constraints == other.constraints
        and one.description == other.description
    )


class ApplicationPart(msgspec.Struct, frozen=True):
    """One application of a snapshot: its file, word for word, and its lock."""

    slug: str
    name: str
    kind: str
    text: str
    lock: Lock | None = None
    lock_note: str = ""
    """Why there is no lock, where an environment is configured."""
    base_digest: str = ""
    """Digest that the base image was pinned by at its first use (`sha256:…`); empty: not pinned yet."""


class Warning(msgspec.Struct, frozen=True):
    """Something that a snapshot could not hold as it is."""

    path: str
    """In text form, relative to the workspace."""
    reason: str


class Changes(msgspec.Struct, frozen=True, gc=False):
    """How many objects differ from the snapshot before: added, changed, removed."""

    files: tuple[int, int, int] = (0, 0, 0)
    tables: tuple[int, int, int] = (0, 0, 0)
    applications: tuple[int, int, int] = (0, 0, 0)


class Snapshot(msgspec.Struct, frozen=True):
    """A manifest: one complete, immutable record of a Current State."""

    id: str
    space: Ref
    instance: Ref
    name: str
    kind: Kind
    created: str
    author: str
    description: str
    next_phase: str
    parent: str | None
    """Id of the newest snapshot of the instance when this one was taken."""
    provenance: Provenance
    files: FilesPart
    tables: list[TablePart]
    """Sorted by name."""
    applications: list[ApplicationPart]
    """Sorted by slug."""
    warnings: list[Warning]
    changes: Changes
    stored_bytes: int
    """Bytes that this snapshot added to the store's packs."""
    version: int = MANIFEST_VERSION
    tables_unread: bool = False
    """True where the database could not be read: what tables there were is not known."""
    number: int = 0
    """One more than that of any snapshot of the instance before it (`model.order`); 0: taken by an older nuvtui."""
    cause: Cause | None = msgspec.field(default=None, name="taken_for")
    """Why an automatic snapshot was taken; of an older manifest, as its sentence tells."""
    sentence: str = msgspec.field(default="", name="cause")
    """The cause in words: version 1 of the manifest has it."""

    def __post_init__(self) -> None:
        _complete(self)


class TableSummary(msgspec.Struct, frozen=True, gc=False):
    """A table as the timeline shows it."""

    name: str
    rows: int


class FilesSummary(msgspec.Struct, frozen=True, gc=False):
    """Workspace files as the timeline shows them."""

    count: int
    bytes: int


class SnapshotRecord(msgspec.Struct, frozen=True, gc=False):
    """What the state file keeps of a snapshot: enough for the timeline, without reading its manifest."""

    id: str
    space: str
    instance: str
    name: str
    kind: Kind
    created: str
    author: str
    description: str
    next_phase: str
    parent: str | None
    files: FilesSummary
    tables: list[TableSummary]
    applications: list[str]
    changes: Changes
    warnings: int
    stored_bytes: int
    number: int = 0
    cause: Cause | None = msgspec.field(default=None, name="taken_for")
    sentence: str = msgspec.field(default="", name="cause")

    def __post_init__(self) -> None:
        _complete(self)


def _complete(record: Snapshot | SnapshotRecord) -> None:
    """Add the one of cause and sentence that is missing."""
    if record.cause is None:
        if record.sentence:
            msgspec.structs.force_setattr(record, "cause", cause.read(record.sentence))
    elif not record.sentence:
        msgspec.structs.force_setattr(record, "sentence", record.cause.sentence)


def summarise(snapshot: Snapshot) -> SnapshotRecord:
    """The record of a manifest; the state's snapshot table is rebuilt with it."""
    return SnapshotRecord(
        id=snapshot.id,
        space=snapshot.space.id,
        instance=snapshot.instance.id,
        name=snapshot.name,
        kind=snapshot.kind,
        created=snapshot.created,
        author=snapshot.author,
        description=snapshot.description,
        next_phase=snapshot.next_phase,
        parent=snapshot.parent,
        files=FilesSummary(snapshot.files.count, snapshot.files.bytes),
        tables=[TableSummary(t.name, t.rows) for t in snapshot.tables],
        applications=[a.slug for a in snapshot.applications],
        changes=snapshot.changes,
        warnings=len(snapshot.warnings),
        stored_bytes=snapshot.stored_bytes,
        number=snapshot.number,
        cause=snapshot.cause,
        sentence=snapshot.sentence,
    )
