"""`distribution`."""

from typing import Any

import click
import msgspec

from nuvtui import clock, sanitise
from nuvtui.cli.common import Scope, asks, confirm, detachable, formatted, planned, run_task, scoped
from nuvtui.cli.output import emit, moment, pairs, say
from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import Distribution, Server, Strategies, Strategy, TargetPlan
from nuvtui.model.far import FarInstance
from nuvtui.model.names import text_to_path
from nuvtui.model.operations import Distribute, Recall
from nuvtui.model.space import Instance

STRATEGY = click.Choice([s.value for s in Strategy])


@click.group()
def distribution() -> None:
    """Distribute the stage to other instances."""


@distribution.command("distribute")
@click.option(
    "--targets",
    required=True,
    metavar="[SPACE/]INSTANCE,…",
    help="Instances, or `all` for all of the space; on another server: HOST:SPACE/INSTANCE,….",
)
@click.option("--command", default="", metavar="COMMAND", help="How nuvtui is called on the other server.")
@click.option("--files-strategy", type=STRATEGY, default=Strategy.OVERWRITE.value, show_default=True)
@click.option("--tables-strategy", type=STRATEGY, default=Strategy.OVERWRITE.value, show_default=True)
@click.option("--apps-strategy", type=STRATEGY, default=Strategy.OVERWRITE.value, show_default=True)
@click.option("--message", default="", metavar="TEXT", help="What the users of the targets are told.")
@click.option(
    "--dry-run", is_flag=True, help="List what would be created, replaced, removed and kept; change nothing."
)
@planned
@detachable
@formatted
@scoped
def distribute(
    scope: Scope,
    targets: str,
    command: str,
    files_strategy: str,
    tables_strategy: str,
    apps_strategy: str,
    message: str,
    dry_run: bool,
    plan: tuple[str, ...],
    wait: bool,
    form: str,
) -> None:
    """Push what is staged to the Current State of the targets; a snapshot of each is taken first."""
    strategies = Strategies(Strategy(files_strategy), Strategy(tables_strategy), Strategy(apps_strategy))
    server, names = _targets(scope, targets, command)
    ids = list(names)
    if dry_run:
        space = scope.space.id
        plans = (
            scope.services.far.dry_run(space, server, ids, strategies)
            if server is not None
            else scope.services.distribution.dry_run(space, ids, strategies)
        )
        _show_plans(names, plans, form)
        return
    identifier = clock.new_id()
    try:
        result = run_task(
            scope.services,
            Distribute(scope.space.id, ids, strategies, message, identifier, list(plan), server),
            f"Distribute to {len(ids)} instance{'s' if len(ids) != 1 else ''}",
            space=scope.space.id,
            instance=scope.instance.id,
            subject=identifier,
            wait=wait,
        )
    except NuvError:
        # Some targets may be done: what became of each is data, whatever the exit code.
        for found in scope.services.distribution.list(scope.space.id):
            if found.id == identifier:
                _print(found, form)
        raise
    if result is not None:
        _print(result, form)


def _print(done: Distribution, form: str) -> None:
    emit(_value(done), form)
    if form == "tabulated":
        _show(done)


def _targets(scope: Scope, targets: str, command: str) -> tuple[Server | None, dict[str, str]]:
    """The server that the targets are on (None: here), and their names by id."""
    if targets == "all":
        staged = scope.services.staging.get(scope.space.id)
        source = staged.source if staged else None
        return None, {
            i.id: i.name
            for i in scope.services.instances.list(scope.space.id)
            if source is None or source.instance != i.id
        }
    keys = [key.strip() for key in targets.split(",") if key.strip()]
    elsewhere = _elsewhere(scope, keys)
    found: list[Instance] | list[FarInstance]
    if elsewhere is None:
        server, found = None, [scope.target(key) for key in keys]
    else:
        server = Server(elsewhere[0], command)
        found = scope.services.far.targets(server, elsewhere[1])
    names = {instance.id: instance.name for instance in found}
    if len(names) != len(found):
        raise NuvError("A target is named twice", targets, "Name each instance once.", Exit.USAGE)
    return server, names


def _elsewhere(scope: Scope, keys: list[str]) -> tuple[str, list[str]] | None:
    """Server and names of targets on another server; None where an instance here is called so, or none names one."""
    from nuvtui.services.remotes.far import parse_targets

    try:
        for key in keys:
            scope.target(key)
    except NuvError as error:
        if error.exit_code != Exit.NOT_FOUND:
            raise
        return parse_targets(keys)
    return None


def _show_plans(names: dict[str, str], plans: list[TargetPlan], form: str) -> None:
    emit(plans, form)
    if form != "tabulated":
        return
    for plan in plans:
        print(f"{sanitise.line(names.get(plan.instance, plan.instance))}:")
        print(f"  plan: {plan.plan}")
        for kind in ("files", "tables", "applications"):
            part = getattr(plan, kind)
            counts = ", ".join(
                f"{len(getattr(part, what))} {what}" for what in ("created", "replaced", "removed", "kept")
            )
            print(f"  {kind}: {counts}")
            for what, sign in (("created", "+"), ("replaced", "~"), ("removed", "-")):
                for name in getattr(part, what):
                    print(f"    {sign} {sanitise.line(text_to_path(name) if kind == 'files' else name)}")


@distribution.command("list")
@formatted
@scoped
def list_(scope: Scope, form: str) -> None:
    """List past distributions, newest first."""
    found = scope.services.distribution.list(scope.space.id)
    rows = [
        (d.id[:8], moment(d.created), d.author, d.status, ", ".join(t.name for t in d.targets), d.message)
        for d in found
    ]
    emit([_value(d) for d in found], form, rows, ("id", "when", "who", "status", "targets", "message"))


@distribution.command("show")
@click.argument("distribution_key", metavar="DISTRIBUTION")
@formatted
@scoped
def show(scope: Scope, distribution_key: str, form: str) -> None:
    """Show a distribution."""
    found = scope.services.distribution.find(scope.space.id, distribution_key)
    emit(_value(found), form)
    if form == "tabulated":
        pairs(
            [
                ("Distribution", found.id),
                ("When", moment(found.created)),
                ("Who", found.author),
                ("From", scope.services.staging.label(found.source)),
                ("Message", found.message),
            ]
        )
        _show(found)


@distribution.command("recall")
@click.argument("distribution_key", metavar="DISTRIBUTION")
@asks
@detachable
@formatted
@scoped
def recall(scope: Scope, distribution_key: str, yes: bool, wait: bool, form: str) -> None:
    """Remove what a distribution brought from its targets again."""
    found = scope.services.distribution.find(scope.space.id, distribution_key)
    confirm(
        yes,
        f"What distribution {found.id[:8]} brought will be removed from "
        f"{', '.join(target.name for target in found.targets)}; an automatic snapshot of each is taken first.",
    )
    result = run_task(
        scope.services,
        Recall(found.id),
        f"Recall distribution {found.id[:8]}",
        space=scope.space.id,
        subject=found.id,
        wait=wait,
    )
    if result is not None:
        _print(result, form)


def _value(found: Distribution) -> dict[str, Any]:
    """JSON of a distribution: per target the sums over the three types, as the contract names them."""
    value: dict[str, Any] = msgspec.to_builtins(found)
    for target, raw in zip(found.targets, value["targets"], strict=True):
        for what in ("created", "replaced", "removed", "kept"):
            raw[what] = sum(
                getattr(getattr(target, kind), what) for kind in ("files", "tables", "applications")
            )
    return value


def _show(found: Distribution) -> None:
    say(f"Distribution {found.id[:8]}: {found.status}")
    for target in found.targets:
        line = f"{target.name}: {target.status}"
        for kind in ("files", "tables", "applications"):
            counts = getattr(target, kind)
            if counts.created or counts.replaced or counts.removed:
                line += f"; {kind} +{counts.created} ~{counts.replaced} -{counts.removed} ={counts.kept}"
        if target.error:
            line += f"; {target.error}"
        elif target.backup:
            line += f"; before: snapshot {target.backup[:8]}"
        print(sanitise.line(line))
