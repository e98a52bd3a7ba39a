"""`tables`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from nuvtui.cli.common import Scope, asks, confirm, detachable, formatted, from_snapshot, run_task, scoped
from nuvtui.cli.exit_status import show
from nuvtui.cli.output import emit, pairs, say, table
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.operations import ImportTable
from nuvtui.model.table_import import ImportOptions, ImportReport


@click.group()
def tables() -> None:
    """Import, look at, query, export tables."""


@tables.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("-n", "--name", help="Name of the table (default: from the file's name); for one file.")
@click.option("--replace", is_flag=True, help="Replace a table of that name.")
@click.option("--dry-run", is_flag=True, help="Only show dialect, types, doubts and ten rows.")
@click.option("--delimiter", metavar="TEXT", help="What separates fields: one character or more, or \\t.")
@click.option("--quote", metavar="CHAR", help='What quotes fields; "" where nothing is quoted.')
@click.option("--decimal", type=click.Choice([".", ","]), help="Decimal mark of numbers.")
@click.option("--encoding", metavar="NAME", help="Encoding of the text: windows-1252, utf-16, …")
@click.option("--header/--no-header", default=None, help="Whether the first line holds the columns' names.")
@click.option("--skip", type=click.IntRange(0), metavar="N", help="Lines before the header to leave out.")
@click.option("--comment", metavar="TEXT", help="Leave out lines that begin so.")
@click.option("--null", "nulls", multiple=True, metavar="WORD", help="Word for a missing value; repeat it.")
@click.option("--types", multiple=True, metavar="COL=TYPE", help="DuckDB type of a column; repeat it.")
@click.option("--dates", multiple=True, metavar="FORMAT", help="Format of dates: %d/%m/%Y; repeat it.")
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook, table of an SQLite database.")
@click.option("--range", "cells", metavar="B3:F20", help="Cells of a sheet.")
@detachable
@formatted
@scoped
def import_(
    scope: Scope,
    files: tuple[Path, ...],
    name: str | None,
    replace: bool,
    dry_run: bool,
    wait: bool,
    form: str,
    types: tuple[str, ...],
    nulls: tuple[str, ...],
    dates: tuple[str, ...],
    cells: str | None,
    delimiter: str | None,
    **said: Any,
) -> None:
    """Read files into tables, one each: CSV and other text, Parquet, JSON, Excel, Stata, SPSS, SAS, R, Arrow, SQLite.

    A type is taken only where every value written back is the same; what is doubtful stays text, and is told.
    """
    options = ImportOptions(
        delimiter=_delimiter(delimiter),
        null=list(nulls),
        types=_types(types),
        dates=list(dates),
        range=cells,
        **said,
    )
    if name is not None and len(files) > 1:
        raise NuvError(
            "One name for several files",
            f"{len(files)} files are given with --name {name}",
            "Leave --name out: each table is named after its file.",
            Exit.USAGE,
        )
    _refuse_same_names(files)

    def one(file: Path) -> Any:
        if dry_run:
            return _rehearse(scope, file, name, options, form)
        return _import_one(scope, file, name, replace, options, wait, form)

    if len(files) == 1:
        result = one(files[0])
        if result is not None and (form != "tabulated" or not dry_run):
            emit(result, form)
        return
    results = []
    failed = 0
    for file in files:
        try:
            results.append(one(file))
        except NuvError as error:
            if error.exit_code in (Exit.CANCELLED, Exit.ROLE):
                raise
            failed += 1
            show(error)
            failure = {"title": error.title, "message": error.message, "hint": error.hint}
            results.append({"file": path_to_text(str(file)), "error": failure})
    if wait or dry_run:
        emit(results, form)
    if failed:
        raise NuvError(
            f"{failed} of {len(files)} files could not be imported",
            "each is told above; the others are tables now" if not dry_run else "each is told above",
        )


def _delimiter(text: str | None) -> str | None:
    if text is None:
        return None
    made = text.replace("\\t", "\t")
    if not made or len(made.encode()) > 4 or set(made) & set('\r\n"'):
        raise NuvError(
            f"{text!r} cannot separate fields",
            "expected one to four characters",
            "Say \\t for a tab.",
            Exit.USAGE,
        )
    return made


def _types(said: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in said:
        column, mark, kind = each.rpartition("=")
        if not mark or not column or not kind:
            raise NuvError(
                f"{each!r} names no type", "expected COLUMN=TYPE", "As in --types id=VARCHAR.", Exit.USAGE
            )
        found[column] = kind
    return found


def _refuse_same_names(files: tuple[Path, ...]) -> None:
    """Two files that make one table would replace each other, or the second would fail halfway."""
    from nuvtui.tables.intake import name_of

    named: dict[str, Path] = {}
    for file in files:
        other = named.setdefault(name_of(file).lower(), file)
        if other != file:
            raise NuvError(
                "Two files would be one table",
                f"{path_to_text(str(other))} and {path_to_text(str(file))} are both named {name_of(file)!r}",
                "Import them one by one with --name.",
                Exit.USAGE,
            )


def _import_one(
    scope: Scope,
    file: Path,
    name: str | None,
    replace: bool,
    options: ImportOptions,
    wait: bool,
    form: str,
) -> ImportReport | None:
    result = run_task(
        scope.services,
        ImportTable(scope.instance.id, path_to_text(str(file.absolute())), name, replace, options),
        f"Import {file.name}",
        space=scope.space.id,
        instance=scope.instance.id,
        wait=wait,
    )
    if result is not None and form == "tabulated":
        say(f"Table {result.name}: {result.rows:,} rows, {len(result.columns)} columns.")
    return result


def _rehearse(scope: Scope, file: Path, name: str | None, options: ImportOptions, form: str) -> ImportReport:
    from nuvtui.tables.intake import sentences

    report = scope.services.tables.rehearse_import(scope.instance.id, file.absolute(), name, options)
    if form == "tabulated":
        if report.dialect is not None:
            pairs([(key, _shown(value)) for key, value in msgspec.structs.asdict(report.dialect).items()])
            print()
        table([(column.name, column.type) for column in report.columns], ("column", "type"))
        print()
        table([[_cell(v) for v in row] for row in report.sample], names=[c.name for c in report.columns])
        for sentence in sentences(report):
            say(f"warning: {sentence}")
        say(f"Would be table {report.name}: {report.rows:,} rows, {len(report.columns)} columns.")
    return report


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if isinstance(value, str) else str(value)


@tables.command("list")
@from_snapshot
@formatted
@scoped
def list_(scope: Scope, snapshot_key: str | None, form: str) -> None:
    """List tables."""
    found = scope.services.tables.list(scope.state(snapshot_key))
    rows = [[t.name, f"{t.rows:,}", str(len(t.columns))] for t in found]
    emit(found, form, *_described(rows, ["name", "rows#", "columns#"], [t.description for t in found]))


@tables.command("columns")
@click.argument("table")
@click.option("--distribution", is_flag=True, help="With how the values are spread.")
@from_snapshot
@formatted
@scoped
def columns(scope: Scope, table: str, distribution: bool, snapshot_key: str | None, form: str) -> None:
    """List the columns of a table with types, nulls and range."""
    if distribution:
        _distributions(scope, table, snapshot_key, form)
        return
    found = scope.services.tables.columns(scope.state(snapshot_key), table)
    rows = [[c.name, c.type, f"{c.nulls:,}", _cell(c.min), _cell(c.max)] for c in found]
    headings = ["name", "type", "nulls#", "min", "max"]
    emit(found, form, *_described(rows, headings, [c.description for c in found]))


def _described(
    rows: Sequence[list[str]], headings: list[str], descriptions: Sequence[str]
) -> tuple[Sequence[list[str]], list[str]]:
    """`rows` and `headings` with the descriptions, where there are any."""
    if not any(descriptions):
        return rows, headings
    return [[*row, text] for row, text in zip(rows, descriptions, strict=True)], [*headings, "description"]


def _distributions(scope: Scope, table: str, snapshot_key: str | None, form: str) -> None:
    found = scope.services.tables.distributions(scope.state(snapshot_key), table)
    rows = [
        (
            c.name,
            c.type,
            f"{c.nulls:,}",
            "" if c.distinct is None else f"{c.distinct:,}",
            " ".join(map(str, c.bins)) or ", ".join(f"{value}: {count:,}" for value, count in c.top),
            _cell(c.min),
            _cell(c.max),
        )
        for c in found
    ]
    emit(found, form, rows, ("name", "type", "nulls#", "distinct#", "values", "min", "max"))


@tables.command("preview")
@click.argument("table")
@click.option("--offset", default=0, type=click.IntRange(0))
@click.option("--limit", default=20, type=click.IntRange(1, 100000))
@from_snapshot
@formatted
@scoped
def preview(scope: Scope, table: str, offset: int, limit: int, snapshot_key: str | None, form: str) -> None:
    """Show rows of a table."""
    found = scope.services.tables.preview(scope.state(snapshot_key), table, offset, limit)
    rows = [[_cell(v) for v in row] for row in found.rows]
    emit(found, form, rows, names=[c.name for c in found.columns])


@tables.command("query")
@click.argument("sql")
@click.option("--limit", default=1000, type=click.IntRange(1))
@from_snapshot
@formatted
@scoped
def query(scope: Scope, sql: str, limit: int, snapshot_key: str | None, form: str) -> None:
    """Run a read-only SQL query over the tables."""
    found = scope.services.tables.query(scope.state(snapshot_key), sql, limit)
    rows = [[_cell(v) for v in row] for row in found.rows]
    emit(found, form, rows, names=[c.name for c in found.columns])


@tables.command("export")
@click.argument("table")
@click.argument("file", type=click.Path(path_type=Path))
@from_snapshot
@scoped
def export(scope: Scope, table: str, file: Path, snapshot_key: str | None) -> None:
    """Write a table to a CSV, TSV or Parquet file, by its ending."""
    book = scope.services.tables.export(scope.state(snapshot_key), table, file.absolute())
    say(f"Table {table} is in {file}.")
    if book is not None:
        say(f"What its columns are about is in {book.name}, beside it.")


@tables.command("describe")
@click.argument("table")
@click.argument("text", required=False)
@click.option("-c", "--column", help="Describe this column instead of the table.")
@from_snapshot
@formatted
@scoped
def describe(
    scope: Scope, table: str, text: str | None, column: str | None, snapshot_key: str | None, form: str
) -> None:
    """Say what a table, or one of its columns, is about; without TEXT: show what is said. "" removes it."""
    ref = scope.state(snapshot_key)
    if text is not None:
        if ref.snapshot is not None:
            raise NuvError(
                "A snapshot is not changed",
                "descriptions are written in the Current State only",
                "Leave -p out.",
                Exit.USAGE,
            )
        columns = {} if column is None else {column: text}
        scope.services.tables.describe(ref.instance, table, text if column is None else None, columns)
        say(f"Described: {table if column is None else f'column {column} of table {table}'}.")
        return
    book = scope.services.tables.described(ref, table)
    if column is not None:
        known = {name.lower(): name for name in (c.name for c in scope.services.tables.columns(ref, table))}
        if column.lower() not in known:
            raise NuvError(
                f"Table {table!r} has no column {column!r}",
                "",
                f"There is: {', '.join(known.values())}.",
                Exit.NOT_FOUND,
            )
        own = book.columns.get(known[column.lower()], "")
        emit({"table": book.table, "column": known[column.lower()], "description": own}, form, [(own,)])
        return
    rows = [
        (book.table, "", book.description),
        *((book.table, name, said) for name, said in book.columns.items()),
    ]
    emit(book, form, rows, ("table", "column", "description"))


@tables.command("rename")
@click.argument("old")
@click.argument("new")
@scoped
def rename(scope: Scope, old: str, new: str) -> None:
    """Rename a table."""
    scope.services.tables.rename(scope.instance.id, old, new)
    say(f"Table {old} is called {new}.")


@tables.command("delete")
@click.argument("table")
@asks
@scoped
def delete(scope: Scope, table: str, yes: bool) -> None:
    """Delete a table of the Current State."""
    confirm(yes, f"Table {table} will be deleted from the Current State; snapshots keep it.")
    scope.services.tables.delete(scope.instance.id, table)
    say(f"Table {table} is deleted from the Current State.")


def _cell(value: object) -> str:
    return "" if value is None else str(value)
