"""The catalog as writers see it: TinyDB's queries and updates, with records in place of documents."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TypeVar, cast

import msgspec
from tinydb import Query

from nuvtui.catalog import schema
from nuvtui.catalog.storage import Database, KeyedTable, StoredRow
from nuvtui.catalog.view import Moment, RecordTable, View, unreadable
from nuvtui.model.distribution import Distribution
from nuvtui.model.export import ExportRecord
from nuvtui.model.policy import Policy
from nuvtui.model.remote import RemoteRecord
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance, Member, Message, Space
from nuvtui.model.stage import Stage

T = TypeVar("T")


class StoredTable(RecordTable[T]):
    """Records within a transaction, kept by TinyDB: what was put or deleted is seen at once, by this transaction alone."""

    def __init__(self, table: KeyedTable, record: type[T]) -> None:
        self._table = table
        self._record = record
        self._decoder = msgspec.json.Decoder(record)

    def get(self, key: str) -> T | None:
        """The record under `key`, or None."""
        row = self._table.get(doc_id=cast(int, key))
        return None if row is None else self._decode(row)

    def all(self) -> list[T]:
        """All records, in the order in which they were first put."""
        return [self._decode(row) for row in self._table]

    def select(self, **fields: object) -> list[T]:
        """The records of which each of `fields` has the value given."""
        return [self._decode(row) for row in self._table.search(Query().fragment(fields))]

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, key: object) -> bool:
        return self._table.contains(doc_id=cast(int, key))

    def put(self, *records: T) -> None:
        """Keep each record under its key, in place of what is there.

        Raises TypeError or ValueError where one would not come back from the file as it is: a field of another
        type, text that is not Unicode (a path that is not in text form).
        """
        new = {schema.key(record): StoredRow(msgspec.Raw(self._encode(record))) for record in records}
        for key in [key for key in new if key in self]:
            fields = new.pop(key).data

            def replace(row: MutableMapping[str, Any], fields: dict[str, Any] = fields) -> None:
                row.clear()
                row.update(fields)

            self._table.update(replace, doc_ids=[cast(int, key)])
        if new:
            self._table.insert_multiple(StoredRow(row, key) for key, row in new.items())

    def delete(self, *keys: str) -> None:
        """Remove the records under `keys`, those that there are."""
        self._table.remove(doc_ids=cast("list[int]", keys))

    def delete_where(self, **fields: object) -> None:
        """Remove the records of which each of `fields` has the value given."""
        self._table.remove(Query().fragment(fields))

    def _encode(self, record: T) -> bytes:
        if type(record) is not self._record:
            raise TypeError(f"a {self._record.__name__} belongs here, not a {type(record).__name__}")
        data = msgspec.json.encode(record)
        if self._decoder.decode(data) != record:
            raise ValueError(f"{self._record.__name__} does not survive being written: {record!r}")
        return data

    def _decode(self, row: Mapping[str, Any]) -> T:
        stored = cast(StoredRow, row).stored
        try:
            return self._decoder.decode(
                stored if isinstance(stored, msgspec.Raw) else msgspec.json.encode(stored)
            )
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
    remotes: StoredTable[RemoteRecord]
    policies: StoredTable[Policy]

    def __init__(self, database: Database) -> None:
        def table(name: str, record: type[T]) -> StoredTable[T]:
            return StoredTable(cast(KeyedTable, database.table(name)), record)

        self.spaces = table("spaces", Space)
        self.instances = table("instances", Instance)
        self.members = table("members", Member)
        self.snapshots = table("snapshots", SnapshotRecord)
        self.stages = table("stages", Stage)
        self.distributions = table("distributions", Distribution)
        self.exports = table("exports", ExportRecord)
        self.messages = table("messages", Message)
        self.remotes = table("remotes", RemoteRecord)
        self.policies = table("policies", Policy)

    def _of(self, instance: str) -> Sequence[Moment | SnapshotRecord]:
        return self.snapshots.select(instance=instance)
