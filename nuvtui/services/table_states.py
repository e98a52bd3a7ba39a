"""Comparing the tables of two states, where either may be live and neither may be written to the store.

Tables with equal fingerprints are equal. Only of the others the rows are compared; a live table is laid out as a
Parquet file for that, in a folder that is gone afterwards.
"""

import tempfile
from pathlib import Path
from types import TracebackType

from nuvtui import atomic
from nuvtui.model.diff import TableChange
from nuvtui.model.snapshot import TablePart
from nuvtui.model.stage import StateRef
from nuvtui.services.context import Context
from nuvtui.services.states import table_memory
from nuvtui.tables import capture, parquet
from nuvtui.tables.database import Tables


class TableStates:
    """The tables of an old and a new state; a context manager that owns the temporary folder."""

    def __init__(self, context: Context, old: StateRef | None, new: StateRef) -> None:
        self._context = context
        self._old = old
        self._new = new
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "TableStates":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def changes(self, only: list[str] | None = None) -> list[TableChange]:
        """Tables that differ, by name (of `only`, where given)."""
        old = {part.name: part for part in self._parts(self._old)} if self._old else {}
        new = {part.name: part for part in self._parts(self._new)}
        changes = []
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name), new.get(name)
            if only is not None and name not in only:
                continue
            if before is not None and after is not None and before.fingerprint == after.fingerprint:
                continue
            changes.append(
                parquet.compare_files(
                    before,
                    after,
                    self._file(self._old, before) if before and after and self._old else None,
                    self._file(self._new, after) if before and after else None,
                )
            )
        return changes

    def _parts(self, ref: StateRef) -> list[TablePart]:
        if ref.snapshot is not None:
            return self._context.manifest(ref).tables
        view = self._context.view()
        tables = self._live(ref)
        newest = self._context.newest_sound(view, ref.instance)
        return capture.describe(
            tables, newest.tables if newest else [], table_memory(self._context, ref.instance)
        )

    def _live(self, ref: StateRef) -> Tables:
        view = self._context.view()
        return Tables(self._context.workspace(self._context.instance(view, ref.instance)))

    def _file(self, ref: StateRef, part: TablePart) -> Path:
        if ref.snapshot is not None:
            return parquet.Captured(self._context.store, part, self._context.home.cache / "tables").file()
        if self._folder is None:
            atomic.make_folder(self._context.home.tmp)
            self._folder = tempfile.TemporaryDirectory(
                dir=self._context.home.tmp, prefix="tables-", ignore_cleanup_errors=True
            )
        target = Path(self._folder.name) / f"{len(list(Path(self._folder.name).iterdir()))}.parquet"
        capture.lay_out(self._live(ref), part.name, target)
        return target
