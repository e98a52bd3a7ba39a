"""The tables as readers and writers of the state see them: records by key."""

import functools
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

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
    from nuvtui.catalog.storage import Database, KeyedTable, Row

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

    def _of(self, instance: str) -> Sequence[_Moment | SnapshotRecord]:
        return self._moments.select(instance=instance)


class StoredTable(Table[T]):
    """Records within a transaction, kept by TinyDB: what was put or deleted is seen at once, by this transaction alone."""

    def __init__(self, table: "KeyedTable", record: type[T]) -> None:
        self._table = table
        self._record = record
        self._decoder = msgspec.json.Decoder(record)

    def get(self, key: str) -> T | None:
        """The record under `key`, or None."""
        row = self._table.get(doc_id=cast(int, key))
        return None if row is None else self._decode(cast("Row", row))

    def all(self) -> list[T]:
        """All records, in the order in which they were first put."""
        return [self._decode(cast("Row", row)) for row in self._table]

    def select(self, **fields: object) -> list[T]:
        """The records of which each of `fields` has the value given."""
        from tinydb import Query

        return [self._decode(cast("Row", row)) for row in self._table.search(Query().fragment(fields))]

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, key: object) -> bool:
        return self._table.contains(doc_id=cast(int, key))

    def put(self, *records: T) -> None:
        """Keep each record under its key, in place of what is there.

        Raises TypeError or ValueError where one would not come back from the file as it is: a field of another
        type, text that is not Unicode (a path that is not in text form).
        """
        from nuvtui.catalog.storage import Row

        new = {schema.key(record): Row(msgspec.Raw(self._encode(record))) for record in records}
        for key in [key for key in new if key in self]:
            fields = new.pop(key).data

            def replace(row: MutableMapping[str, Any], fields: dict[str, Any] = fields) -> None:
                row.clear()
                row.update(fields)

            self._table.update(replace, doc_ids=[cast(int, key)])
        if new:
            self._table.insert_multiple(Row(row, key) for key, row in new.items())

    def delete(self, *keys: str) -> None:
        """Remove the records under `keys`, those that there are."""
        self._table.remove(doc_ids=cast("list[int]", keys))

    def _encode(self, record: T) -> bytes:
        if type(record) is not self._record:
            raise TypeError(f"a {self._record.__name__} belongs here, not a {type(record).__name__}")
        data = msgspec.json.encode(record)
        if self._decoder.decode(data) != record:
            raise ValueError(f"{self._record.__name__} does not survive being written: {record!r}")
        return data

    def _decode(self, row: "Row") -> T:
        stored = row.stored
        try:
            if isinstance(stored, msgspec.Raw):
                return self._decoder.decode(stored)
            return msgspec.convert(stored, self._record)
        except msgspec.MsgspecError as error:
            raise unreadable(error) from error


class Transaction(View):
    """The state while it is being changed; may be read wherever a view may."""

    spaces: StoredTable[Space]
    instances: StoredTable[Instance]
    members: StoredTable[Member]
    snapshots: StoredTable[SnapshotRecord]
    stages: StoredTable[Stage]
    distributions: StoredTable[Distribution]
    exports: StoredTable[ExportRecord]
    messages: StoredTable[Message]

    def __init__(self, database: "Database") -> None:
        def table(name: str, record: type[T]) -> StoredTable[T]:
            return StoredTable(cast("KeyedTable", database.table(name)), record)

        self.spaces = table("spaces", Space)
        self.instances = table("instances", Instance)
        self.members = table("members", Member)
        self.snapshots = table("snapshots", SnapshotRecord)
        self.stages = table("stages", Stage)
        self.distributions = table("distributions", Distribution)
        self.exports = table("exports", ExportRecord)
        self.messages = table("messages", Message)

    def _of(self, instance: str) -> Sequence[_Moment | SnapshotRecord]:
        return self.snapshots.select(instance=instance)
