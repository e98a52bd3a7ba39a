"""`stage`."""

import sys

import click
import msgspec

from nuvtui.cli.common import Scope, formatted, from_snapshot, scoped
from nuvtui.cli.output import emit, say, size
from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import ObjectType
from nuvtui.model.names import text_to_path
from nuvtui.model.stage import Stage


@click.group()
def stage() -> None:
    """Collect what is to be distributed, from one source state."""


_files = click.option(
    "--files", multiple=True, metavar="PATH", help="A file or folder, relative to the workspace."
)
_tables = click.option("--tables", multiple=True, metavar="TABLE", help="A table.")
_apps = click.option("--apps", multiple=True, metavar="APP", help="An application.")


@stage.command("add")
@_files
@_tables
@_apps
@click.option("--all", "everything", is_flag=True, help="The whole state.")
@click.option("--replace", is_flag=True, help="Drop what is staged from another state.")
@from_snapshot
@formatted
@scoped
def add(
    scope: Scope,
    files: tuple[str, ...],
    tables: tuple[str, ...],
    apps: tuple[str, ...],
    everything: bool,
    replace: bool,
    snapshot_key: str | None,
    form: str,
) -> None:
    """Add to the stage, from the Current State or (-p) a snapshot."""
    if not (files or tables or apps or everything):
        raise click.UsageError("Nothing named: give --files, --tables, --apps or --all.")
    source = scope.state(snapshot_key)
    staging = scope.services.staging
    chosen = staging.choose(source, list(files), list(tables), list(apps), everything=everything)
    try:
        staged = staging.put(chosen, replace=replace)
    except NuvError as error:
        asked = sys.stdin.isatty() and sys.stderr.isatty()
        if error.exit_code != Exit.CONFLICT or not asked:
            raise
        say(f"{error.title}; {error.message}.")
        if not click.confirm("Begin a new stage and drop what is staged?", default=False, err=True):
            raise
        staged = staging.put(chosen, replace=True)
    _show(scope, staged, form)


@stage.command("list")
@formatted
@scoped
def list_(scope: Scope, form: str) -> None:
    """Show what is staged."""
    staged = scope.services.staging.get(scope.space.id)
    if staged is None or staged.empty:
        emit(None, form)
        say("Nothing is staged.")
        return
    _show(scope, staged, form)


@stage.command("remove")
@_files
@_tables
@_apps
@click.option("--all", "everything", is_flag=True, help="Where the whole state is staged.")
@formatted
@scoped
def remove(
    scope: Scope,
    files: tuple[str, ...],
    tables: tuple[str, ...],
    apps: tuple[str, ...],
    everything: bool,
    form: str,
) -> None:
    """Take out of the stage."""
    staged = scope.services.staging.remove(
        scope.space.id, list(files), list(tables), list(apps), everything=everything
    )
    _show(scope, staged, form)


@stage.command("clear")
@scoped
def clear(scope: Scope) -> None:
    """Empty the stage."""
    scope.services.staging.clear(scope.space.id)
    say("Nothing is staged.")


def _show(scope: Scope, staged: Stage, form: str) -> None:
    items = scope.services.staging.contents(staged)
    value = msgspec.to_builtins(staged) | {"items": msgspec.to_builtins(items)}
    rows = [
        (
            i.type.value,
            "all files" if i.name == "." else text_to_path(i.name),
            f"{i.size:,} rows" if i.type is ObjectType.TABLES else size(i.size) if i.size else "",
            "missing" if i.missing else "",
        )
        for i in items
    ]
    if form == "tabulated":
        say(f"Staged from {scope.services.staging.label(staged.source)}:")
    emit(value, form, rows)
