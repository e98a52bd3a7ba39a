"""Tables of an instance's Current State, with the roles checked; and queries over any state."""

import builtins
from pathlib import Path

from nuvtui.errors import Exit, NuvError
from nuvtui.model.roles import Action
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.states import StatesService, TableView
from nuvtui.tables import parquet
from nuvtui.tables.database import ColumnInfo, Rows, TableInfo, Tables
from nuvtui.tables.values import Distribution


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

    def distributions(self, ref: StateRef, table: str) -> builtins.list[Distribution]:
        """Columns of a table with how their values are spread."""
        return self._states.reader(ref).distributions(table)

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

    def import_file(
        self,
        instance: str,
        file: Path,
        name: str | None = None,
        *,
        replace: bool = False,
        reporter: Reporter | None = None,
    ) -> TableInfo:
        """Read a CSV, TSV, Parquet or JSON file into a table. Needs the editor role (4)."""
        return self._open(instance, Action.MODIFY).import_file(file, name, replace, reporter or Silent())

    def export(self, ref: StateRef, table: str, file: Path, reporter: Reporter | None = None) -> None:
        """Write a table of a state to a CSV, TSV or Parquet file, by the file's ending."""
        if ref.snapshot is None:
            self._open(ref.instance, Action.VIEW).export(table, file, reporter or Silent())
            return
        view = self._context.view()
        instance = self._context.instance(view, ref.instance)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        for part in self._context.manifest(ref).tables:
            if part.name == table:
                parquet.Captured(self._context.store, part, self._context.home.cache / "tables").export(file)
                return
        raise NuvError(f"No table {table!r} in snapshot {ref.snapshot[:8]}", "", "", Exit.NOT_FOUND)

    def rename(self, instance: str, old: str, new: str) -> None:
        """Rename a table. Needs the editor role (4)."""
        self._open(instance, Action.MODIFY).rename(old, new)

    def delete(self, instance: str, table: str) -> None:
        """Delete a table of the Current State. Needs the editor role (4)."""
        self._open(instance, Action.MODIFY).delete(table)
