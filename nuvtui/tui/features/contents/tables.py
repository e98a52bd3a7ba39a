"""Tables of a state: the list, the rows of any, its columns, and read-only SQL."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.operations import ImportTable
from nuvtui.model.queries import Spread, Sql
from nuvtui.model.stage import StateRef
from nuvtui.services.states.service import TableView
from nuvtui.tui.common import describe, state_actions
from nuvtui.tui.common.submit import submit
from nuvtui.tui.features.contents.rows import show_row
from nuvtui.tui.features.contents.section import Section
from nuvtui.tui.features.contents.sql_prompt import SqlPrompt
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, line, row
from nuvtui.tui.toolkit.row_table import RowTable
from nuvtui.worker.queries import Queries

if TYPE_CHECKING:
    from nuvtui.model.table import ColumnStats, Rows


QUERY_LIMIT = 10_000
"""Rows of a query that are shown."""


class Tables(Section):
    """The list; Enter shows rows."""

    SCOPES = ("tables",)
    BINDINGS = bindings("tables")
    NAME = "Tables"
    HELP = (
        "The tables of the state. Enter shows the rows (h and l move through the columns), c what the columns hold, "
        "s asks for SQL that reads, H shows the history. In the Current State i imports CSV, TSV, Parquet or JSON."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tables: list[TableView] = []
        self._shown = ""
        """The table whose rows are shown."""
        self._queries = Queries()
        self._kept = ""
        """The table to be shown again in another state."""
        self._clock: Timer | None = None

    def compose(self) -> ComposeResult:
        """List and rows."""
        yield LineList(id="tables", classes="outer", markable=True, empty="Reading", heading=_heading)
        with Vertical(id="table-view", classes="inner"):
            yield SqlPrompt(id="sql")
            yield DetailPane(id="said", can_focus=False)
            yield RowTable(id="rows")

    @property
    def tables(self) -> LineList:
        """The list."""
        return self.query_one("#tables", LineList)

    @property
    def rows(self) -> RowTable:
        """The rows."""
        return self.query_one(RowTable)

    def first_focus(self) -> Widget | None:
        """The rows where they are shown, else the list."""
        return self.rows if self.has_class("-inner") else self.tables

    def open(self, ref: StateRef, label: str) -> None:
        """Another state: the table that is shown stays open where it is there too."""
        if ref != self.ref and self.has_class("-inner") and not self.has_class("-sql"):
            self._kept = self._shown
        super().open(ref, label)

    def show_thing(self, name: str) -> None:
        """Show the rows of a table."""
        self._kept = name
        self.reread()

    def clear(self) -> None:
        """Another state has other tables."""
        self._queries.stop()
        self._waited()
        self.set_class(False, "-sql")
        self._say()
        self._tables = []
        self.tables.empty = "Reading"
        self.tables.set_marked(set())
        self._show([])

    def reread(self) -> None:
        """Read the list."""
        ref = self.ref
        if ref is not None:
            self.load(
                lambda: self.nuv.services.tables.list(ref), self._read, group="tables", failed=self._failed
            )

    def _read(self, tables: Sequence[TableView]) -> None:
        self.tables.empty = (
            "No tables. i imports a CSV, TSV, Parquet or JSON file." if self.is_current else "No tables."
        )
        self._show(tables)
        kept, self._kept = self._kept, ""
        if kept and self.tables.move_to_key(kept) | (self.tables.current_key == kept):
            self._show_rows(next(each for each in tables if each.name == kept))
        elif kept:
            self.nuv.notify(f"Table {kept} is not in {self.label}.", timeout=3)

    def _failed(self, error: NuvError) -> None:
        self.tables.empty = f"{error.title}: {error.message}"
        self._show([])
        self.nuv.show_error(error)

    def _show(self, tables: Sequence[TableView]) -> None:
        self._tables = list(tables)
        self.tables.set_source(Items(self._tables, _draw, key=lambda t: t.name, text=lambda t: t.name))

    @property
    def table(self) -> str | None:
        """The table that is shown, else the one under the cursor."""
        if not self.is_mounted:
            return None
        if self.has_class("-inner"):
            return self._shown or None
        at = self.tables.current
        return self._tables[at].name if at is not None else None

    def command_values(self) -> Mapping[str, str]:
        """The table under the cursor."""
        return {**super().command_values(), "table": self.table or ""}

    @property
    def can_stage(self) -> bool:
        """Where there is a table."""
        return self.table is not None

    def staged(self) -> Mapping[str, Sequence[str]]:
        """The marked tables, else that under the cursor."""
        if self.tables.marked and not self.has_class("-inner"):
            return {"tables": sorted(map(str, self.tables.marked))}
        return {"tables": [self.table] if self.table else []}

    def done_staging(self) -> None:
        """Unmark."""
        self.tables.set_marked(set())

    # rows

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: show the rows; on a row: all of its values."""
        message.stop()
        ref = self.ref
        if message.list is self.rows:
            show_row(self.rows)
            return
        at = self.tables.current
        if at is None or ref is None:
            return
        self._show_rows(self._tables[at])

    def _show_rows(self, table: TableView) -> None:
        ref = self.ref
        if ref is None:
            return

        def fetch(offset: int, limit: int) -> Sequence[Sequence[Any]]:
            return self.nuv.services.tables.preview(ref, table.name, offset, limit).rows

        self._shown = table.name
        self._prompting(False)
        self.rows.empty = "No rows."
        self.rows.set_table([(column.name, column.type) for column in table.columns], table.rows, fetch)
        self.show_inner(True, f"table {table.name}")

    def action_columns(self) -> None:
        """The columns of the table, with how their values are spread."""
        ref, table = self.ref, self.table
        if ref is None or table is None:
            return
        pending = self._queries.begin()
        rows = next((each.rows for each in self._tables if each.name == table), 0)
        self._shown = table
        self._prompting(False)
        self.show_inner(True, f"columns of {table}")
        known = next((each.columns for each in self._tables if each.name == table), [])
        self._show_columns([(c.name, c.type) for c in known], None)
        self._wait(f"Counting the values of {describe.plural(rows, 'row')}")
        self.load(
            lambda: pending.ask(self.nuv.services, Spread(ref, table)),
            self._counted,
            group="columns",
            failed=self._not_counted,
        )

    def _counted(self, found: "Sequence[ColumnStats]") -> None:
        self._waited()
        if self.note.startswith("columns of"):
            self._show_columns([(each.name, each.type) for each in found], found)

    def _not_counted(self, error: NuvError) -> None:
        if self._waited():
            self._say(line((f"{error.title}: ", "bad"), error.message))

    def _show_columns(
        self, columns: Sequence[tuple[str, str]], found: "Sequence[ColumnStats] | None"
    ) -> None:
        levels = self.rows.glyphs.levels
        known: Sequence[ColumnStats | None] = found or [None] * len(columns)
        rows: list[list[Any]] = [
            [
                name,
                kind,
                each.nulls if each else None,
                each.distinct if each else None,
                describe.spread(each, levels) if each else None,
                each.min if each else None,
                each.max if each else None,
            ]
            for (name, kind), each in zip(columns, known, strict=True)
        ]
        heads = [
            ("column", ""),
            ("type", ""),
            ("missing", "#"),
            ("distinct", "#"),
            ("values", ""),
            ("smallest", ""),
            ("largest", ""),
        ]
        at = self.rows.cursor if found else 0
        self.rows.set_table(heads, len(rows), lambda offset, limit: rows[offset : offset + limit])
        self.rows.move_to(at)

    # SQL

    @property
    def prompt(self) -> SqlPrompt:
        """Where SQL is asked."""
        return self.query_one(SqlPrompt)

    def _prompting(self, on: bool) -> None:
        self.set_class(on, "-sql")
        self._say(None)

    def action_query(self) -> None:
        """Ask for SQL: the statement of before, or one to begin with."""
        if self.ref is None:
            return
        name = (self.table or "").replace('"', '""')
        if not self.prompt.value:
            self.prompt.ask(f'FROM "{name}" LIMIT 100' if name else "FROM ")
        if not self.has_class("-sql"):
            self.rows.set_table([], 0, lambda _offset, _limit: [])
            self.rows.empty = "Enter runs the statement."
        self._shown = ""
        self.show_inner(True, "SQL")
        self._prompting(True)
        self._say(line((f"One statement that reads the tables of {self.label}. Up: earlier ones.", "muted")))
        self.prompt.focus()

    def on_sql_prompt_run(self, message: SqlPrompt.Run) -> None:
        """Run it in a process of its own: one that does not end is ended by Esc."""
        message.stop()
        ref, sql = self.ref, message.sql
        if ref is None:
            return
        pending = self._queries.begin()
        self._wait("Running the query")
        self.load(
            lambda: pending.ask(self.nuv.services, Sql(ref, sql, QUERY_LIMIT)),
            self._show_result,
            group="query",
            failed=self._refused,
        )

    def _refused(self, error: NuvError) -> None:
        if self._waited():
            text = f"{error.title}: {error.message}" if error.message else error.title
            self._say(*(line((part, "bad")) for part in text.split("\n")[:4]))
            self.prompt.focus()

    def _show_result(self, result: "Rows") -> None:
        if not self._waited() or not self.has_class("-sql"):
            return

        def fetch(offset: int, limit: int) -> Sequence[Sequence[Any]]:
            return result.rows[offset : offset + limit]

        self.rows.empty = "No row."
        self.rows.set_table([(c.name, c.type) for c in result.columns], len(result.rows), fetch)
        count = describe.plural(len(result.rows), "row")
        more = f"The first {count}; LIMIT and OFFSET show others." if result.truncated else f"{count}."
        self._say(line((f"{more} s: the statement again; Esc: the tables.", "muted")))
        self.tell("result of the query")
        self.rows.focus()
        self.refresh_bindings()

    # waiting

    def _say(self, *lines: Line | None) -> None:
        said = [each for each in lines if each is not None]
        self.query_one("#said", DetailPane).show(said)
        self.set_class(bool(said), "-said")

    def _wait(self, what: str) -> None:
        """Say what is waited for, and since when."""
        self._waited()
        began = time.monotonic()

        def tell() -> None:
            seconds = int(time.monotonic() - began)
            since = f", {seconds} s" if seconds else ""
            self._say(line((f"{what}{since}", "accent"), ("; Esc gives up", "muted")))

        tell()
        self._clock = self.set_interval(1, tell)

    def _waited(self) -> bool:
        """Nothing is waited for any more; True where something was."""
        clock, self._clock = self._clock, None
        if clock is None:
            return False
        clock.stop()
        self._say()
        return True

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._queries.stop()

    def go_back(self) -> bool:
        """Esc: give up what is waited for, then back to the tables."""
        if self._waited():
            self._queries.stop()
            self._say(line(("Given up.", "warn")))
            return True
        if self.has_class("-sql"):
            self._prompting(False)
        return super().go_back()

    def show_inner(self, inner: bool, note: str = "") -> None:
        """Back at the list nothing is asked any more."""
        if not inner:
            self.set_class(False, "-sql")
            self._say()
        super().show_inner(inner, note)
        if inner:
            self.rows.focus()

    def action_history(self) -> None:
        """Where the table changed."""
        from nuvtui.tui.features.contents.history import open_history

        if self.ref is not None and self.table is not None:
            open_history(self, self.ref, table=self.table)

    # changing

    def action_import_file(self) -> None:
        """Ask for a file, then import it as a task."""
        from nuvtui.tui.features.contents.import_table import ImportDialog

        nuv, ref, space = self.nuv, self.ref, self.nuv.context.space
        if ref is None or not self.is_current or space is None:
            return

        def answered(texts: Any) -> None:
            if texts is None:
                return
            file = state_actions.file_at(nuv.start, texts["file"])
            operation = ImportTable(
                ref.instance, path_to_text(str(file)), texts["name"] or None, texts["replace"] == "yes"
            )
            title = f"Import {file.name}"
            submit(
                self,
                operation,
                title,
                lambda _task: nuv.notify(f"{title}: started", timeout=3),
                space=space.id,
                instance=ref.instance,
            )

        instance = nuv.context.instance
        folder = text_to_path(instance.workspace) if instance else ""
        nuv.push_screen(ImportDialog(folder, [table.name for table in self._tables]), answered)

    def action_export(self) -> None:
        """Ask for a file, then write the table to it."""
        ref, table, nuv = self.ref, self.table, self.nuv
        if ref is None or table is None:
            return

        def answered(texts: Any) -> None:
            if texts is None:
                return
            file = state_actions.file_at(nuv.start, texts["file"])
            self.load(
                lambda: nuv.services.tables.export(ref, table, file),
                lambda _: nuv.notify(f"Table {table} is in {file}"),
                group="export",
            )

        text = [f"Table {table} of {self.label}. The ending says how: .csv, .tsv or .parquet.", ""]
        nuv.push_screen(
            TextDialog(
                "Write to a file",
                [TextField("file", f"File (relative to {nuv.start})", f"{table}.csv")],
                "Write",
                text=text,
                refuse=lambda texts: None if texts["file"] else "A file name is missing.",
            ),
            answered,
        )

    def action_rename(self) -> None:
        """Ask for another name, then rename."""
        ref, table = self.ref, self.table
        if ref is None or table is None:
            return

        def answered(texts: Any) -> None:
            if texts is not None:
                self._change(
                    lambda: self.nuv.services.tables.rename(ref.instance, table, texts["name"]),
                    f"Table {table} is called {texts['name']}.",
                )

        self.nuv.push_screen(
            TextDialog(
                "Rename the table",
                [TextField("name", "Name", table)],
                "Rename",
                refuse=lambda texts: None if texts["name"] else "A name is missing.",
            ),
            answered,
        )

    def action_delete(self) -> None:
        """Ask, then delete."""
        ref, table = self.ref, self.table
        if ref is None or table is None:
            return
        rows = next((t.rows for t in self._tables if t.name == table), 0)
        self.nuv.push_screen(
            ConfirmDialog(
                "Delete the table",
                [f"Deletes table {table} ({describe.plural(rows, 'row')}) from the Current State."],
                "Delete",
                backup="Snapshots keep theirs; without a snapshot there is no way back.",
                destructive=True,
            ),
            lambda yes: (
                self._change(
                    lambda: self.nuv.services.tables.delete(ref.instance, table), f"Table {table} is deleted."
                )
                if yes
                else None
            ),
        )

    def _change(self, call: Any, told: str) -> None:
        def done(_: object) -> None:
            self.nuv.notify(told)
            self.show_inner(False)
            self.reread()

        self.load(call, done, group="change")


def _heading(width: int) -> Line:
    return row(width, Cell("table", 0), Cell("columns", 8, "", "right"), Cell("rows", 14, "", "right"))


def _draw(table: TableView, width: int) -> Line:
    return row(
        width,
        Cell(table.name, 0),
        Cell(f"{len(table.columns):,}", 8, "muted", "right"),
        Cell(f"{table.rows:,}", 14, "", "right"),
    )
