"""What differs between two states."""

from typing import Literal

import msgspec

from nuvtui.model.application import Package
from nuvtui.model.kept import KeptFolder
from nuvtui.model.snapshot import Column

ChangeKind = Literal["added", "changed", "removed"]


class FileChange(msgspec.Struct, frozen=True):
    """A path that differs."""

    path: str
    """In text form."""
    change: ChangeKind
    old_size: int | None = None
    new_size: int | None = None
    detail: str = ""
    """What changed where it is not the content: `mode 644 → 755`, `file → link`."""


class TableChange(msgspec.Struct, frozen=True):
    """A table that differs."""

    name: str
    change: ChangeKind
    old_rows: int | None = None
    new_rows: int | None = None
    columns_added: list[Column] = []
    columns_removed: list[Column] = []
    columns_retyped: list[tuple[Column, Column]] = []
    rows_added: int | None = None
    """Rows of the new table that the old one lacks (multiset difference over the common columns)."""
    rows_removed: int | None = None
    described: list[str] = []
    """Columns whose descriptions differ."""
    description_changed: bool = False
    """True where the table's own description differs."""
    constraints_changed: bool = False


class PackageChange(msgspec.Struct, frozen=True):
    """A package of an application's lock that differs."""

    name: str
    old: Package | None
    new: Package | None


class ApplicationChange(msgspec.Struct, frozen=True):
    """An application that differs."""

    slug: str
    change: ChangeKind
    configuration: list[str] = []
    """Unified diff of the two files, line by line."""
    packages: list[PackageChange] = []


class Diff(msgspec.Struct, frozen=True):
    """All that differs between an old and a new state."""

    old: str
    """What the old state is called (`snapshot 1a2b3c4d paper-1`, `Current State`)."""
    new: str
    files: list[FileChange]
    tables: list[TableChange]
    applications: list[ApplicationChange]
    kept: list[KeptFolder] = []
    """Of the Current State: what was kept of files that a restore or a distribution would have overwritten."""

    @property
    def empty(self) -> bool:
        """True where the two states are equal."""
        return not (self.files or self.tables or self.applications)
