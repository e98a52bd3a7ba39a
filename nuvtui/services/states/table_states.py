"""Comparing the tables of two states, where either may be live and neither may be written to the store.

Tables with equal fingerprints are equal. Only of the others the rows are compared, and of those only the blocks that differ;
a live table is read where it is.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nuvtui.model.diff import TableChange
from nuvtui.model.snapshot import TablePart, same_table
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.states.service import table_memory
from nuvtui.tables import capture, compare, fingerprint, parquet
from nuvtui.tables.compare import Side
from nuvtui.tables.database import Tables


class TableStates:
    """The tables of an old (None: an empty) and a new state."""

    def __init__(
        self, context: Context, old: StateRef | None, new: StateRef, reporter: Reporter | None = None
    ) -> None:
        self._context = context
        self._old = old
        self._new = new
        self._reporter = reporter or Silent()
        self._cache = context.home.cache / "tables"

    def changes(self, only: list[str] | None = None) -> list[TableChange]:
        """Tables that differ, by name (of `only`, where given)."""
        old = {part.name: part for part in self._parts(self._old)} if self._old else {}
        new = {part.name: part for part in self._parts(self._new)}
        changes = []
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name), new.get(name)
            if only is not None and name not in only:
                continue
            self._reporter.check()
            if before is None or after is None or self._old is None:
                changes.append(
                    compare.change(Side(before) if before else None, Side(after) if after else None)
                )
            elif not same_table(before, after):
                change = self._compared(self._old, before, after)
                if change is not None:
                    changes.append(change)
        return changes

    def _compared(self, old: StateRef, before: TablePart, after: TablePart) -> TableChange | None:
        """How a table differs; None where it does not, but the fingerprints could not tell."""
        both_live = old.snapshot is None and self._new.snapshot is None
        with (
            parquet.spill(self._cache) as folder,
            self._side(old, before, folder if both_live else None) as one,
            self._side(self._new, after, None) as other,
        ):
            if not fingerprint.comparable(before.fingerprint, after.fingerprint):
                one, other = (compare.reprinted(side, self._reporter) for side in (one, other))
                if one.part.fingerprint == other.part.fingerprint:
                    return None
            return compare.change(one, other, folder, self._reporter)

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

    @contextlib.contextmanager
    def _side(self, ref: StateRef, part: TablePart, folder: Path | None) -> Iterator[Side]:
        """A table of a state; a live one is laid out in `folder`, where one is given."""
        if ref.snapshot is not None:
            with parquet.Captured(self._context.store, part, self._cache).laid_out() as file:
                yield Side(part, file)
        elif folder is not None:
            file = folder / "live.parquet"
            capture.lay_out(self._live(ref), part.name, file)
            yield Side(part, file)
        else:
            yield Side(part, live=self._live(ref))
