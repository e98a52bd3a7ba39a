"""TinyDB over the catalog file: a storage that is read once and written once a transaction.

TinyDB's own storage rewrites its file in place at every change, without a lock. This one is opened under the
lock of the catalog, gives TinyDB the tables from memory, collects what TinyDB writes, and has the whole put in
place durably by `commit`, or not at all. Documents stay JSON until somebody looks into them: a transaction on
ten thousand snapshots decodes only the records it asks for.
"""

from collections import UserDict
from collections.abc import Mapping
from typing import Any

import msgspec
from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table

from nuvtui import clock
from nuvtui.catalog import codec
from nuvtui.catalog.files import CatalogFile


class StoredRow(UserDict[str, Any]):
    """A document of TinyDB: JSON, which is decoded when somebody looks into it."""

    def __init__(self, value: msgspec.Raw | Mapping[str, Any], doc_id: str = "") -> None:
        """TinyDB makes one of another one, or of a dictionary that it keeps."""
        self.doc_id = doc_id
        self.stored: Any = value.stored if type(value) is StoredRow else value
        """JSON (`msgspec.Raw`) or the fields as a dictionary."""

    @property
    def data(self) -> dict[str, Any]:  # type: ignore[override]
        """The fields, to be changed in place."""
        if isinstance(self.stored, msgspec.Raw):
            self.stored = msgspec.json.decode(self.stored)
        fields: dict[str, Any] = self.stored
        return fields


class KeyedTable(Table):
    """A table whose documents are kept under keys of our own, as TinyDB lets its users choose."""

    document_class = StoredRow  # type: ignore[assignment]
    document_id_class = str  # type: ignore[assignment]


class Database(TinyDB):
    """A TinyDB database whose tables are keyed by strings of our own."""

    table_class = KeyedTable


class _Tables(dict[str, dict[str, Any]]):
    """Tables by name; one that is in the file is made of rows when TinyDB first asks for it."""

    def __init__(self, raw: codec.RawTables) -> None:
        self._raw = raw

    def __missing__(self, name: str) -> dict[str, Any]:
        with codec.collector_off():
            rows = self[name] = {key: StoredRow(raw, key) for key, raw in self._raw[name].items()}
        return rows

    def plain(self) -> dict[str, dict[str, Any]]:
        """All tables as the encoder takes them."""
        used = {
            name: {key: row.stored if type(row) is StoredRow else row for key, row in rows.items()}
            for name, rows in self.items()
        }
        return self._raw | used


class CatalogStorage(Storage):
    """The catalog file as TinyDB's storage, for the length of one transaction. The caller holds the lock."""

    def __init__(self, file: CatalogFile, whole: codec.Whole) -> None:
        super().__init__()
        self._file = file
        self._whole = whole
        self._tables = _Tables(whole.tables)
        self._written = False

    def read(self) -> dict[str, dict[str, Any]]:
        """The tables as they are in this transaction."""
        return self._tables

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Note that TinyDB has changed the tables; they reach the disk with `commit`."""
        assert data is self._tables  # changed in place
        self._written = True

    def commit(self) -> None:
        """Put everything in place durably, where anything differs. Raises OSError: nothing changed."""
        if not self._written:
            return
        meta = self._whole.meta
        data = codec.encode(self._tables.plain(), meta.version, meta.generation + 1, clock.now())
        if codec.same_tables(data, self._whole.data):
            return
        # Parsed back before it may replace anything: what cannot be read again is not written.
        codec.tables(data)
        self._file.replace(data)
