"""Captured tables as files: laid out from the store, decoded, and their prints computed anew."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.model.snapshot import TablePart
from nuvtui.reporter import Reporter
from nuvtui.store.failure import store_errors
from nuvtui.store.store import Store
from nuvtui.tables import fingerprint, schema, scratch, types
from nuvtui.tables.fingerprint import Print
from nuvtui.tables.schema import Schema
from nuvtui.tables.types import Type, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection


@contextlib.contextmanager
def unfinished(tmp: Path) -> Iterator[Path]:
    """A folder in the home's `tmp` for unfinished files. Raises StoreError where it cannot be made."""
    with contextlib.ExitStack() as stack:
        with store_errors("making a folder for unfinished files"):
            folder = stack.enter_context(scratch.folder(tmp))
        yield folder


def lay_out(part: TablePart, store: Store, file: Path, reporter: Reporter) -> None:
    """Write the Parquet file of a captured table to `file`. Raises StoreError."""
    with store_errors(f"reading table {part.name!r}"), open(file, "wb") as out:
        for piece in store.stream([bytes.fromhex(chunk) for chunk in part.content]):
            reporter.check()
            out.write(piece)


def decoded(part: TablePart) -> tuple[list[Type], list[str]]:
    """The column types of a captured table, and the SQL that restores each column from its Parquet file."""
    kinds = schema.column_types(part.name, part.columns)
    return kinds, [types.decode(kind, f"c{position}") for position, kind in enumerate(kinds)]


def shape(part: TablePart) -> Schema:
    """What a captured table is made of."""
    return Schema(part.name, part.columns, part.constraints, part.description)


def print_of(connection: "Connection", part: TablePart, file: Path, reporter: Reporter) -> Print:
    """The print, as it is made now, of a captured table that is laid out in `file`."""
    _kinds, values = decoded(part)
    return fingerprint.of(connection, shape(part), f"read_parquet({literal(str(file))})", values, reporter)
