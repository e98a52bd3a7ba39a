"""Tables of an instance's Current State, with the roles checked; and queries over any state."""

import builtins
import os
from pathlib import Path

from nuvtui.errors import Exit, NuvError
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Column, TablePart
from nuvtui.model.stage import StateRef
from nuvtui.model.table import ColumnStats
from nuvtui.model.table_import import ImportOptions, ImportReport
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.states.service import StatesService, TableView
from nuvtui.tables import connection, intake, parquet
from nuvtui.tables.codebook import Codebook, refuse_other, write_codebook
from nuvtui.tables.database import ColumnInfo, Rows, Tables, rehearse


class TablesService:
    """Tables by instance."""

    def __init__(self, context: Context, states: StatesService) -> None:
        self._context = context
        self._states = states

    def _open(self, instance: str, action: Action) -> Tables:
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, action, found.space, instance)
        return Tables(self._context.workspace(found))

    def list(self, ref: StateRef) -> builtins.list[TableView]:
        """Tables of a state, by name."""
        return self._states.reader(ref).tables()

    def columns(self, ref: StateRef, table: str) -> builtins.list[ColumnInfo]:
        """Columns of a table with their facts."""
        return self._states.reader(ref).columns(table)

    def distributions(self, ref: StateRef, table: str) -> builtins.list[ColumnStats]:
        """Columns of a table with how their values are spread."""
        return self._states.reader(ref).distributions(table)

    def bound(self, memory: str) -> None:
        """Hold the SQL of this process to a part of this machine: nobody knows what it asks for."""
        connection.bound(memory, max(1, (os.cpu_count() or 2) - 1))

    def preview(self, ref: StateRef, table: str, offset: int = 0, limit: int = 100) -> Rows:
        """A page of a table's rows."""
        return self._states.reader(ref).rows(table, offset, limit)

    def query(self, ref: StateRef, sql: str, limit: int = 1000, clip: int | None = None) -> Rows:
        """The result of a read-only query over the tables of a state; `clip`: longest cell, in characters."""
        if ref.snapshot is None:
            return self._open(ref.instance, Action.VIEW).query(sql, limit, clip)
        view = self._context.view()
        instance = self._context.instance(view, ref.instance)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        manifest = self._context.manifest(ref)
        return parquet.query(
            manifest.tables, self._context.store, self._context.home.cache / "tables", sql, limit, clip
        )

    def check_import(self, instance: str, file: Path, name: str | None) -> None:
        """Raise NuvError where a file cannot become a table: role (4), no such file (3), of no known format or name (2)."""
        self._open(instance, Action.MODIFY)
        if name is not None:
            intake.checked_name(name)
        with intake.opened(file):
            pass

    def import_file(
        self,
        instance: str,
        file: Path,
        name: str | None = None,
        *,
        replace: bool = False,
        options: ImportOptions | None = None,
        reporter: Reporter | None = None,
    ) -> ImportReport:
        """Read a file into a table, with what is doubtful in it told. Needs the editor role (4)."""
        tables = self._open(instance, Action.MODIFY)
        return tables.import_file(file, name, replace, reporter or Silent(), options)

    def rehearse_import(
        self, instance: str, file: Path, name: str | None = None, options: ImportOptions | None = None
    ) -> ImportReport:
        """What `import_file` would make and tell, with the first rows; nothing is changed. Needs the viewer role."""
        self._open(instance, Action.VIEW)
        return rehearse(file, name, options)

    def describe(self, instance: str, table: str, description: str | None, columns: dict[str, str]) -> None:
        """Describe a table (None: leave its description) and its columns; an empty text removes a description.

        Needs the editor role (4).
        """
        self._open(instance, Action.MODIFY).describe(table, description, columns)

    def described(self, ref: StateRef, table: str) -> Codebook:
        """What a table of a state and its columns are about."""
        if ref.snapshot is None:
            description, columns = self._open(ref.instance, Action.VIEW).described(table)
            return Codebook(table, description, columns)
        part = self._captured(ref, table)
        return Codebook(
            part.name, part.description, {c.name: c.description for c in part.columns if c.description}
        )

    def _captured(self, ref: StateRef, table: str) -> TablePart:
        view = self._context.view()
        instance = self._context.instance(view, ref.instance)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        for part in self._context.manifest(ref).tables:
            if part.name == table:
                return part
        raise NuvError(f"No table {table!r} in snapshot {(ref.snapshot or '')[:8]}", "", "", Exit.NOT_FOUND)

    def export(self, ref: StateRef, table: str, file: Path, reporter: Reporter | None = None) -> Path | None:
        """Write a table of a state to a CSV, TSV or Parquet file, by the file's ending.

        Where table or columns are described, a codebook is written beside it: `data.csv` gets `data.codebook.csv`.
        Returns the codebook's path, None where there is none.
        """
        book = self.described(ref, table)
        if book.description or book.columns:
            refuse_other(file)
        if ref.snapshot is None:
            self._open(ref.instance, Action.VIEW).export(table, file, reporter or Silent())
        else:
            part = self._captured(ref, table)
            parquet.Captured(self._context.store, part, self._context.home.cache / "tables").export(file)
        return write_codebook(book, self._columns_of(ref, table), file)

    def _columns_of(self, ref: StateRef, table: str) -> builtins.list[Column]:
        """Names and types of a table's columns."""
        found = [view for view in self.list(ref) if view.name.lower() == table.lower()]
        exact = [view for view in found if view.name == table] or found
        return exact[0].columns if exact else []

    def rename(self, instance: str, old: str, new: str) -> None:
        """Rename a table. Needs the editor role (4)."""
        self._open(instance, Action.MODIFY).rename(old, new)

    def delete(self, instance: str, table: str) -> None:
        """Delete a table of the Current State. Needs the editor role (4)."""
        self._open(instance, Action.MODIFY).delete(table)
