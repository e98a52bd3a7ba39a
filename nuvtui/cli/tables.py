"""`tables`."""

from collections.abc import Sequence
from pathlib import Path

import click

from nuvtui.cli.common import Scope, confirm, detachable, formatted, from_snapshot, run_task, scoped
from nuvtui.cli.output import emit, say
from nuvtui.model.names import path_to_text


@click.group()
def tables() -> None:
    """Import, look at, query, export tables."""


@tables.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-n", "--name", help="Name of the table (default: from the file's name).")
@click.option("--replace", is_flag=True, help="Replace a table of that name.")
@detachable
@formatted
@scoped
def import_(scope: Scope, file: Path, name: str | None, replace: bool, wait: bool, form: str) -> None:
    """Read a CSV, TSV, Parquet or JSON file into a table."""
    result = run_task(
        scope.services,
        "import-table",
        {
            "instance": scope.instance.id,
            "file": path_to_text(str(file.absolute())),
            "name": name,
            "replace": replace,
        },
        f"Import {file.name}",
        space=scope.space.id,
        instance=scope.instance.id,
        wait=wait,
    )
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            say(f"Table {result['name']}: {result['rows']:,} rows, {len(result['columns'])} columns.")


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
    emit(found, form, [[_cell(v) for v in row] for row in found.rows], [c.name for c in found.columns])


@tables.command("query")
@click.argument("sql")
@click.option("--limit", default=1000, type=click.IntRange(1))
@from_snapshot
@formatted
@scoped
def query(scope: Scope, sql: str, limit: int, snapshot_key: str | None, form: str) -> None:
    """Run a read-only SQL query over the tables."""
    found = scope.services.tables.query(scope.state(snapshot_key), sql, limit)
    emit(found, form, [[_cell(v) for v in row] for row in found.rows], [c.name for c in found.columns])


@tables.command("export")
@click.argument("table")
@click.argument("file", type=click.Path(path_type=Path))
@from_snapshot
@scoped
def export(scope: Scope, table: str, file: Path, snapshot_key: str | None) -> None:
    """Write a table to a CSV, TSV or Parquet file, by its ending."""
    scope.services.tables.export(scope.state(snapshot_key), table, file.absolute())
    say(f"Table {table} is in {file}.")


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
@click.option("--yes", is_flag=True, help="Do not ask.")
@scoped
def delete(scope: Scope, table: str, yes: bool) -> None:
    """Delete a table of the Current State."""
    confirm(yes, f"Table {table} will be deleted from the Current State; snapshots keep it.")
    scope.services.tables.delete(scope.instance.id, table)
    say(f"Table {table} is deleted from the Current State.")


def _cell(value: object) -> str:
    return "" if value is None else str(value)
