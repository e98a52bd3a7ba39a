"""A space at a glance: instances, newest snapshots, storage, exports, messages. Reads the state file only."""

import os
from typing import TypeVar

import msgspec

from nuvtui.model import order, roles
from nuvtui.model.export import ExportRecord, ExportStatus
from nuvtui.model.names import text_to_path
from nuvtui.model.roles import Action, Role
from nuvtui.model.snapshot import Kind, SnapshotRecord
from nuvtui.model.space import DISTRIBUTED, MASTER, Instance, Message
from nuvtui.services.context import Context

T = TypeVar("T", ExportRecord, Message)

NEWEST = 10
"""Snapshots, exports and messages that are listed of each."""
_ORDER = {MASTER: 0, DISTRIBUTED: 2}


class SnapshotLine(msgspec.Struct, frozen=True):
    """A snapshot as the overview lists it."""

    id: str
    instance: str
    """Name of the instance."""
    name: str
    kind: Kind
    created: str
    author: str
    cause: str


class InstanceLine(msgspec.Struct, frozen=True):
    """An instance as the overview lists it."""

    id: str
    name: str
    workspace: str
    role: Role | None
    snapshots: int | None
    """None: the role does not show them."""
    newest: SnapshotLine | None
    stored_bytes: int
    """What its snapshots added to the store when they were taken."""


class ExportLine(msgspec.Struct, frozen=True):
    """An export as the overview lists it."""

    id: str
    name: str
    application: str
    instance: str
    """Name of the instance."""
    status: ExportStatus
    created: str
    size: int
    image: str


class MessageLine(msgspec.Struct, frozen=True):
    """A message that came with a distribution."""

    id: str
    instance: str
    """Name of the instance that it came to."""
    sender: str
    text: str
    created: str
    read: bool
    """By the acting user."""


class Storage(msgspec.Struct, frozen=True):
    """What the snapshots of the space take, as far as the acting user may see them."""

    named: int
    quick: int
    automatic: int
    """Bytes that the snapshots of each kind added to the store when they were taken."""
    newest_files: int
    """Bytes of the workspace files of the newest snapshot of each instance, as plain copies."""

    @property
    def total(self) -> int:
        """All kinds together."""
        return self.named + self.quick + self.automatic


class Overview(msgspec.Struct, frozen=True):
    """A space at a glance; of what is many only the newest."""

    id: str
    name: str
    role: Role | None
    instances: list[InstanceLine]
    snapshots: list[SnapshotLine]
    storage: Storage
    exports: list[ExportLine]
    messages: list[MessageLine]


class OverviewService:
    """Overviews of spaces."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def show(self, space: str) -> Overview:
        """The overview of a space (its id). What the acting user's role does not show is left out.

        Raises NuvError: no such space (3), no role in it (4).
        """
        view = self._context.view()
        found = self._context.space(view, space)
        self._context.require_somewhere(view, Action.READ_README, space)
        instances = sorted(
            (each for each in view.instances.all() if each.space == space),
            key=lambda each: (_ORDER.get(each.name, 1), each.name),
        )
        role_of = {each.id: self._context.role(view, space, each.id) for each in instances}
        seen = {each.id: each for each in instances if roles.allows(role_of[each.id], Action.VIEW)}
        records = order.newest_first(record for record in view.snapshots.all() if record.instance in seen)
        of: dict[str, list[SnapshotRecord]] = {}
        for record in records:
            of.setdefault(record.instance, []).append(record)
        names = {each.id: each.name for each in instances}
        exports = [each for each in view.exports.all() if each.space == space and each.instance in seen]
        messages = [each for each in view.messages.all() if each.instance in seen]
        return Overview(
            id=found.id,
            name=found.name,
            role=self._context.role(view, space, None),
            instances=[
                _instance(each, role_of[each.id], of.get(each.id, []), each.id in seen) for each in instances
            ],
            snapshots=[_snapshot(record, names[record.instance]) for record in records[:NEWEST]],
            storage=_storage(records, sum(found[0].files.bytes for found in of.values())),
            exports=[_export(each, names) for each in _newest(exports)],
            messages=[
                MessageLine(
                    each.id,
                    names[each.instance],
                    each.sender,
                    each.text,
                    each.created,
                    self._context.user in each.read_by,
                )
                for each in _newest(messages)
            ],
        )

    def messages(self, identifiers: list[str]) -> list[Message]:
        """The messages with these ids that are still there."""
        view = self._context.view()
        return [found for each in identifiers if (found := view.messages.get(each)) is not None]

    def store_bytes(self) -> int:
        """Bytes of all packs of the store, of all spaces: a look at each file, so not for the event loop."""
        return _folder_bytes(str(self._context.home.packs))


def _newest(found: list[T]) -> list[T]:
    return sorted(found, key=lambda each: each.created, reverse=True)[:NEWEST]


def _instance(instance: Instance, role: Role | None, found: list[SnapshotRecord], seen: bool) -> InstanceLine:
    return InstanceLine(
        instance.id,
        instance.name,
        text_to_path(instance.workspace),
        role,
        len(found) if seen else None,
        _snapshot(found[0], instance.name) if found else None,
        sum(record.stored_bytes for record in found),
    )


def _storage(records: list[SnapshotRecord], newest_files: int) -> Storage:
    added = dict.fromkeys(("named", "quick", "automatic"), 0)
    for record in records:
        added[record.kind] += record.stored_bytes
    return Storage(added["named"], added["quick"], added["automatic"], newest_files)


def _snapshot(record: SnapshotRecord, instance: str) -> SnapshotLine:
    return SnapshotLine(
        record.id, instance, record.name, record.kind, record.created, record.author, record.sentence
    )


def _export(record: ExportRecord, names: dict[str, str]) -> ExportLine:
    return ExportLine(
        record.id,
        record.name,
        record.application,
        names[record.instance],
        record.status,
        record.finished or record.created,
        record.size,
        record.image,
    )


def _folder_bytes(folder: str) -> int:
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _folder_bytes(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return total  # no store yet, or gc at work
    return total
