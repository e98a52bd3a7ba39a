"""The catalog as readers see it: records by key, decoded straight from the file.

This is a cache of what TinyDB would read, keyed by the stamp of the file: whoever only reads needs no TinyDB.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from nuvtui.catalog import codec
from nuvtui.errors import Exit, NuvError
from nuvtui.model import order
from nuvtui.model.distribution import Distribution
from nuvtui.model.export import ExportRecord
from nuvtui.model.policy import Policy
from nuvtui.model.remote import RemoteRecord
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance, Member, Message, Space
from nuvtui.model.stage import Stage

T = TypeVar("T")


class RecordTable(Generic[T]):
    """Records that do not change any more, decoded when they are first asked for."""

    def __init__(self, data: msgspec.Raw | None, record: type[T]) -> None:
        self._data = data
        self._record = record

    @functools.cached_property
    def _rows(self) -> Mapping[str, T]:
        if self._data is None:
            return {}
        try:
            with codec.collector_off():
                return msgspec.json.decode(self._data, type=dict[str, self._record])  # type: ignore[name-defined]
        except msgspec.DecodeError as error:
            raise unreadable(error) from error

    def get(self, key: str) -> T | None:
        """The record under `key`, or None."""
        return self._rows.get(key)

    def all(self) -> list[T]:
        """All records, in the order in which they were first put; a new list."""
        return list(self._rows.values())

    def select(self, **fields: object) -> list[T]:
        """The records of which each of `fields` has the value given."""
        found = self.all()
        for name, value in fields.items():
            found = [record for record in found if getattr(record, name) == value]
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows


def unreadable(error: Exception) -> NuvError:
    """A whole file with a record in it that this program cannot read: an older file would not heal it."""
    return NuvError(
        "The state file holds a record that cannot be read",
        str(error),
        "Was it changed by hand, or by another version of nuvtui? The file is left as it is.",
        Exit.REFUSED,
    )


class Moment(msgspec.Struct, gc=False):
    """What tells the newest snapshot of an instance: a third of the cost of whole records."""

    id: str
    instance: str
    created: str
    parent: str | None
    number: int = 0


class View:
    """The state at one moment. Immutable: may be kept, and read from several threads."""

    def __init__(self, data: bytes) -> None:
        """`data`: a state file that was verified. Raises NuvError where it is not JSON of tables."""
        try:
            tables = codec.tables(data)
        except codec.DamagedError as error:
            raise unreadable(error) from error
        self.spaces = RecordTable(tables.get("spaces"), Space)
        self.instances = RecordTable(tables.get("instances"), Instance)
        self.members = RecordTable(tables.get("members"), Member)
        self.snapshots = RecordTable(tables.get("snapshots"), SnapshotRecord)
        self.stages = RecordTable(tables.get("stages"), Stage)
        self.distributions = RecordTable(tables.get("distributions"), Distribution)
        self.exports = RecordTable(tables.get("exports"), ExportRecord)
        self.messages = RecordTable(tables.get("messages"), Message)
        self.remotes = RecordTable(tables.get("remotes"), RemoteRecord)
        self.policies = RecordTable(tables.get("policies"), Policy)
        self._moments = RecordTable(tables.get("snapshots"), Moment)

    def newest(self, instance: str) -> str | None:
        """Id of the newest snapshot of an instance, or None."""
        found = order.newest(self._of(instance))
        return found.id if found is not None else None

    def next_number(self, instance: str) -> int:
        """The number of the next snapshot of an instance."""
        return 1 + max([record.number for record in self._of(instance)], default=0)

    def back_from_newest(self, instance: str) -> list[str]:
        """Ids of the snapshots of an instance, newest first."""
        return [record.id for record in order.newest_first(self._of(instance))]

    def _of(self, instance: str) -> Sequence[Moment | SnapshotRecord]:
        return self._moments.select(instance=instance)
