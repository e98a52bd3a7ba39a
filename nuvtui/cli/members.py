"""`members`."""

import click

from nuvtui.cli.common import Scope, formatted, scoped
from nuvtui.cli.output import emit, say
from nuvtui.model.roles import Role

ROLES = {
    "administrator": Role.ADMINISTRATOR,
    "editor": Role.EDITOR,
    "viewer": Role.VIEWER,
    "observer": Role.OBSERVER,
}


@click.group()
def members() -> None:
    """Who may do what in a space."""


@members.command("list")
@formatted
@scoped
def members_list(scope: Scope, form: str) -> None:
    """List members and their roles."""
    found = scope.services.members.list(scope.space.id)
    names = {i.id: i.name for i in scope.services.instances.list(scope.space.id)}
    rows = [
        (m.user, m.role, names.get(m.instance, m.instance) if m.instance else "whole space") for m in found
    ]
    emit(found, form, rows, ("user", "role", "where"))


@members.command("set")
@click.argument("user")
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--only", "only", metavar="INSTANCE", help="In this instance only (default: the whole space).")
@formatted
@scoped
def members_set(scope: Scope, user: str, role: str, only: str | None, form: str) -> None:
    """Give USER a role."""
    instance = scope.target(only).id if only else None
    member = scope.services.members.set(scope.space.id, user, ROLES[role], instance)
    emit(member, form)
    if form == "tabulated":
        say(f"{user} is {member.role} of {scope.space.name}{f'/{only}' if only else ''}.")


@members.command("remove")
@click.argument("user")
@click.option(
    "--only", "only", metavar="INSTANCE", help="The role in this instance (default: that in the whole space)."
)
@scoped
def members_remove(scope: Scope, user: str, only: str | None) -> None:
    """Take USER's role away."""
    scope.services.members.remove(scope.space.id, user, scope.target(only).id if only else None)
    say(f"{user} has no role in {scope.space.name}{f'/{only}' if only else ''} any more.")
