"""`apps`."""

import click
import msgspec

from nuvtui import sanitise
from nuvtui.cli.common import Scope, asks, confirm, formatted, from_snapshot, scoped
from nuvtui.cli.output import emit, say
from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import ApplicationKind
from nuvtui.model.names import is_slug, slugify


@click.group()
def apps() -> None:
    """Applications and their configuration."""


@apps.command("list")
@from_snapshot
@formatted
@scoped
def list_(scope: Scope, snapshot_key: str | None, form: str) -> None:
    """List applications."""
    found = scope.services.applications.list(scope.state(snapshot_key))
    values = [
        {
            "slug": a.slug,
            "name": a.name,
            "kind": a.kind,
            "packages": len(a.lock.packages) if a.lock else None,
            "note": a.lock_note,
        }
        for a in found
    ]
    rows = [(a.slug, a.name, a.kind, str(len(a.lock.packages)) if a.lock else "", a.lock_note) for a in found]
    emit(values, form, rows, ("slug", "name", "kind", "packages#", "note"))


@apps.command("new")
@click.argument("slug")
@click.option("--template", "kind", type=click.Choice([k.value for k in ApplicationKind]), required=True)
@scoped
def new(scope: Scope, slug: str, kind: str) -> None:
    """Write .nuvtui/apps/SLUG.yaml from a template."""
    if not is_slug(slug):
        raise NuvError(
            f"{slug!r} cannot name an application",
            "expected lower-case letters, digits, `.`, `_`, `-`",
            f"For example {slugify(slug)!r}.",
            Exit.USAGE,
        )
    scope.services.applications.new(scope.instance.id, slug, ApplicationKind(kind))
    say(f"Application {slug}: edit .nuvtui/apps/{slug}.yaml, then `nuvtui apps check {slug}`.")


@apps.command("show")
@click.argument("slug")
@from_snapshot
@formatted
@scoped
def show(scope: Scope, slug: str, snapshot_key: str | None, form: str) -> None:
    """Show an application's configuration and lock."""
    part, application = scope.services.applications.get(scope.state(snapshot_key), slug)
    emit(
        {
            "slug": slug,
            "configuration": msgspec.to_builtins(application),
            "lock": msgspec.to_builtins(part.lock),
        },
        form,
    )
    if form == "tabulated":
        print(sanitise.block(part.text.rstrip("\n")))
        if part.lock:
            print(f"\n# {sanitise.line(part.lock.interpreter)}, {len(part.lock.packages)} packages")
            for package in part.lock.packages:
                print(f"# {sanitise.line(package.name)} {sanitise.line(package.version)} ({package.source})")


@apps.command("check")
@click.argument("slug")
@formatted
@scoped
def check(scope: Scope, slug: str, form: str) -> None:
    """Say what is wrong with an application's file."""
    found = scope.services.applications.check(scope.instance.id, slug)
    emit(
        found,
        form,
        [(f.level, f.subject, f.text, f.hint) for f in found],
        ("level", "about", "finding", "what to do"),
    )
    if form == "tabulated" and not found:
        say(f"{slug}.yaml is in order.")
    if any(f.level == "stop" for f in found):
        raise click.exceptions.Exit(Exit.REFUSED)


@apps.command("delete")
@click.argument("slug")
@asks
@scoped
def delete(scope: Scope, slug: str, yes: bool) -> None:
    """Delete an application of the Current State."""
    confirm(yes, f"Application {slug} will be deleted from the Current State; snapshots keep it.")
    scope.services.applications.delete(scope.instance.id, slug)
    say(f"Application {slug} is deleted from the Current State.")
