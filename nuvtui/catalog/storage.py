"""TinyDB over the state file: a storage that is read once and written once a transaction.

TinyDB's own storage rewrites its file in place at every change, without a lock. This one is opened under the
lock of the state, gives TinyDB the tables from memory, collects what TinyDB writes, and has the whole put in
place durably by `commit`, or not at all. Documents stay JSON until somebody looks into them: a transaction on
ten thousand snapshots decodes only the records it asks for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table as TinyTable

from nuvtui import clock
from nuvtui.catalog import codec
from nuvtui.catalog.files import CatalogFile


class Stored(Mapping[str, Any]):
    """A document as JSON, decoded when it is looked into: what TinyDB takes for a document."""

    __slots__ = ("raw",)

    def __init__(self, raw: msgspec.Raw) -> None:
        self.raw = raw

    def __getitem__(self, name: str) -> Any:
        return msgspec.json.decode(self.raw)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(msgspec.json.decode(self.raw))

    def __len__(self) -> int:
        return len(msgspec.json.decode(self.raw))


class CatalogStorage(Storage):
    """The state file as TinyDB's storage, for the length of one transaction. The caller holds the lock."""

    def __init__(self, file: CatalogFile, whole: codec.Whole) -> None:
        super().__init__()
        self._file = file
        self._meta = whole.meta
        with codec.collector_off():
            self._tables: dict[str, Any] = {
                name: {key: Stored(raw) for key, raw in rows.items()} for name, rows in whole.tables.items()
            }
        self._written = False

    def read(self) -> dict[str, dict[str, Any]]:
        """The tables as they are in this transaction."""
        return self._tables

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Take over what TinyDB wants written; it reaches the disk with `commit`."""
        self._tables = data
        self._written = True

    def commit(self) -> None:
        """Put everything in place durably, where TinyDB wrote at all. Raises OSError: nothing changed."""
        if not self._written:
            return
        tables = {
            name: {key: document.raw for key, document in rows.items()} for name, rows in self._tables.items()
        }
        meta = self._meta
        data = codec.encode(tables, meta.version, meta.generation + 1, clock.now())
        # Parsed back before it may replace anything: what cannot be read again is not written.
        codec.raw(data)
        self._file.replace(data)


class KeyedTable(TinyTable):
    """A table whose documents are kept under our own keys, changed any number at a time."""

    document_id_class = str  # type: ignore[assignment]  # TinyDB's documented way to other ids

    def raw(self, key: str) -> msgspec.Raw | None:
        """The JSON of document `key`, or None."""
        document = self._read_table().get(key)
        return document.raw if isinstance(document, Stored) else None

    def raws(self) -> list[msgspec.Raw]:
        """The JSON of all documents."""
        return [d.raw for d in self._read_table().values() if isinstance(d, Stored)]

    def change(self, puts: Mapping[str, bytes], removals: set[str]) -> None:
        """Put and remove documents in one go; replaced ones keep their place. No difference, no write."""
        old: Mapping[str, Any] = self._read_table()
        removals = removals & old.keys()
        puts = {key: data for key, data in puts.items() if key not in old or bytes(old[key].raw) != data}
        if not puts and not removals:
            return

        def update(table: dict[Any, Any]) -> None:
            for key in removals:
                table.pop(key, None)
            for key, data in puts.items():
                table[key] = Stored(msgspec.Raw(data))

        self._update_table(update)


class Database(TinyDB):
    """TinyDB with keyed tables."""

    table_class = KeyedTable

    def keyed(self, name: str) -> KeyedTable:
        """The table called `name`; made where missing."""
        table = self.table(name)
        assert isinstance(table, KeyedTable)
        return table
