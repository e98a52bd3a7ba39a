"""`init`, `spaces` and `instances`."""

from pathlib import Path

import click

from nuvtui.cli.common import Scope, asks, confirm, formatted, scoped, services
from nuvtui.cli.output import emit, moment, say
from nuvtui.model.names import text_to_path


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--space", metavar="NAME", help="Name of the space (default: the folder's).")
@formatted
@click.pass_context
def init(ctx: click.Context, path: Path, space: str | None, form: str) -> None:
    """Make PATH (default: here) the workspace of a new space's Master."""
    location = services(ctx).spaces.init(path, space)
    emit({"space": location.space, "instance": location.instance}, form)
    if form == "tabulated":
        say(
            f"Space {location.space.name!r} begins; Master works in {text_to_path(location.instance.workspace)}."
        )
        say("Take the first snapshot: nuvtui snapshots create -n NAME")


@click.group()
def spaces() -> None:
    """List, show, create and delete spaces."""


@spaces.command("list")
@formatted
@click.pass_context
def spaces_list(ctx: click.Context, form: str) -> None:
    """List spaces."""
    services(ctx).context.require_store()
    found = services(ctx).spaces.list()
    rows = [
        (s.name, s.id[:8], str(s.instances), str(s.snapshots), s.role or "", moment(s.created)) for s in found
    ]
    emit(found, form, rows, ("name", "id", "instances#", "snapshots#", "your role", "created"))


@spaces.command("show")
@click.argument("space", required=False)
@formatted
@click.pass_context
def spaces_show(ctx: click.Context, space: str | None, form: str) -> None:
    """SPACE (default: that of the current folder) at a glance, as the screen `o` shows it.

    Instances, newest snapshots, storage, exports, messages, and what finished since you last closed the screens.
    """
    from nuvtui.cli.overview import show

    show(Scope(services(ctx), space, None), form)


@spaces.command("create")
@click.argument("name")
@click.option(
    "--path", type=click.Path(path_type=Path), required=True, help="Folder of the Master's workspace."
)
@formatted
@click.pass_context
def spaces_create(ctx: click.Context, name: str, path: Path, form: str) -> None:
    """Create a space NAME with the workspace of its Master at --path."""
    location = services(ctx).spaces.init(path, name)
    emit({"space": location.space, "instance": location.instance}, form, [(location.space.id,)])


@spaces.command("delete")
@click.argument("space")
@asks
@click.pass_context
def spaces_delete(ctx: click.Context, space: str, yes: bool) -> None:
    """Delete a space: its instances, snapshots and history. Workspaces on disk stay."""
    found = services(ctx).spaces.find(space)
    count = next(s.snapshots for s in services(ctx).spaces.list() if s.id == found.id)
    confirm(
        yes,
        f"Space {found.name!r} with {count} snapshots will be deleted; no snapshot of it can be restored.",
    )
    services(ctx).spaces.delete(found.id)
    say(f"Space {found.name!r} is deleted; its workspaces stay on disk. `nuvtui store gc` frees the storage.")


@click.group()
def instances() -> None:
    """List, create and delete instances of a space."""


@instances.command("list")
@formatted
@scoped
def instances_list(scope: Scope, form: str) -> None:
    """List the instances of the space."""
    found = scope.services.instances.list(scope.space.id)
    rows = [
        (i.name, i.id[:8], scope.services.members.role(scope.space.id, i.id) or "", text_to_path(i.workspace))
        for i in found
    ]
    emit(found, form, rows, ("name", "id", "your role", "workspace"))


@instances.command("create")
@click.argument("name")
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the workspace (new or existing).",
)
@formatted
@scoped
def instances_create(scope: Scope, name: str, path: Path, form: str) -> None:
    """Create an instance NAME with its workspace at --path."""
    instance = scope.services.instances.create(scope.space.id, name, path)
    emit(instance, form, [(instance.id,)])
    if form == "tabulated":
        say(f"Instance {scope.space.name}/{instance.name} begins in {text_to_path(instance.workspace)}.")


@instances.command("move")
@click.argument("instance")
@click.option("--path", type=click.Path(path_type=Path), required=True, help="Where its workspace is now.")
@formatted
@scoped
def instances_move(scope: Scope, instance: str, path: Path, form: str) -> None:
    """Say where the workspace of INSTANCE is, after its folder was moved."""
    moved = scope.services.instances.move(scope.target(instance).id, path)
    emit(moved, form, [(moved.id,)])
    if form == "tabulated":
        say(f"{moved.name} works in {text_to_path(moved.workspace)}.")


@instances.command("delete")
@click.argument("instance")
@asks
@scoped
def instances_delete(scope: Scope, instance: str, yes: bool) -> None:
    """Delete an instance and its snapshots. Its workspace on disk stays."""
    found = scope.target(instance)
    confirm(yes, f"Instance {found.name!r} and its snapshots will be deleted; its workspace on disk stays.")
    scope.services.instances.delete(found.id)
    say(f"Instance {found.name!r} is deleted.")
