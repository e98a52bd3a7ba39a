"""The tables as readers and writers of the state see them: records by key."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from nuvtui.catalog import codec, schema
from nuvtui.errors import Exit, NuvError
from nuvtui.model import order
from nuvtui.model.distribution import Distribution
from nuvtui.model.export import ExportRecord
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance, Member, Message, Space
from nuvtui.model.stage import Stage

if TYPE_CHECKING:
    from nuvtui.catalog.storage import Database, KeyedTable

T = TypeVar("T")


class Table(Generic[T]):
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


class _Moment(msgspec.Struct, gc=False):
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
        self.spaces = Table(tables.get("spaces"), Space)
        self.instances = Table(tables.get("instances"), Instance)
        self.members = Table(tables.get("members"), Member)
        self.snapshots = Table(tables.get("snapshots"), SnapshotRecord)
        self.stages = Table(tables.get("stages"), Stage)
        self.distributions = Table(tables.get("distributions"), Distribution)
        self.exports = Table(tables.get("exports"), ExportRecord)
        self.messages = Table(tables.get("messages"), Message)
        self._moments = Table(tables.get("snapshots"), _Moment)

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

    def _of(self, instance: str) -> list[_Moment]:
        return [record for record in self._moments.all() if record.instance == instance]


class MutableTable(Table[T]):
    """Records within a transaction: what was put or deleted is seen at once, by this transaction alone."""

    def __init__(self, table: "KeyedTable", record: type[T]) -> None:
        self._table = table
        self._record = record
        self._decoder = msgspec.json.Decoder(record)
        self._puts: dict[str, tuple[T, bytes]] = {}
        self._removals: set[str] = set()

    def get(self, key: str) -> T | None:
        """The record under `key`, or None."""
        if key in self._puts:
            return self._puts[key][0]
        if key in self._removals:
            return None
        raw = self._table.raw(key)
        return None if raw is None else self._decode(raw)

    def all(self) -> list[T]:
        """All records; those put new come last."""
        rows = {schema.key(record): record for record in map(self._decode, self._table.raws())}
        for key in self._removals:
            rows.pop(key, None)
        rows.update((key, record) for key, (record, _) in self._puts.items())
        return list(rows.values())

    def __len__(self) -> int:
        return len(self.all())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def put(self, record: T) -> None:
        """Keep `record` under its key, in place of what is there.

        Raises TypeError or ValueError where it would not come back from the file as it is: a field of another
        type, text that is not Unicode (a path that is not in text form).
        """
        if type(record) is not self._record:
            raise TypeError(f"a {self._record.__name__} belongs here, not a {type(record).__name__}")
        data = msgspec.json.encode(record)
        if self._decoder.decode(data) != record:
            raise ValueError(f"{self._record.__name__} does not survive being written: {record!r}")
        key = schema.key(record)
        self._puts[key] = (record, data)
        self._removals.discard(key)

    def delete(self, key: str) -> None:
        """Remove the record under `key`, where there is one."""
        self._puts.pop(key, None)
        self._removals.add(key)

    def _decode(self, raw: msgspec.Raw) -> T:
        try:
            return self._decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise unreadable(error) from error

    def flush(self) -> None:
        """Hand all changes to TinyDB, as one."""
        if self._puts or self._removals:
            self._table.change({key: data for key, (_, data) in self._puts.items()}, self._removals)


class Transaction(View):
    """The state while it is being changed; may be read wherever a view may."""

    spaces: MutableTable[Space]
    instances: MutableTable[Instance]
    members: MutableTable[Member]
    snapshots: MutableTable[SnapshotRecord]
    stages: MutableTable[Stage]
    distributions: MutableTable[Distribution]
    exports: MutableTable[ExportRecord]
    messages: MutableTable[Message]

    def __init__(self, database: "Database") -> None:
        def table(name: str, record: type[T]) -> MutableTable[T]:
            return MutableTable(database.keyed(name), record)

        self.spaces = table("spaces", Space)
        self.instances = table("instances", Instance)
        self.members = table("members", Member)
        self.snapshots = table("snapshots", SnapshotRecord)
        self.stages = table("stages", Stage)
        self.distributions = table("distributions", Distribution)
        self.exports = table("exports", ExportRecord)
        self.messages = table("messages", Message)

    def flush(self) -> None:
        """Hand all changes to TinyDB."""
        for table in vars(self).values():
            table.flush()
