"""`policy`."""

from typing import Any, Literal

import click
import msgspec

from nuvtui import clock
from nuvtui.bootstrap import Services
from nuvtui.cli.common import Scope, asks, confirm, formatted, run_task, scoped
from nuvtui.cli.output import counted, emit, moment, pairs, say, size, table
from nuvtui.errors import NuvError
from nuvtui.model import schedule as schedules
from nuvtui.model.names import short
from nuvtui.model.operations import RunPolicy
from nuvtui.model.policy import Hook, Keep, Policy, PolicyPlan, PolicyRun
from nuvtui.model.schedule import Schedule

COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


@click.group()
def policy() -> None:
    """Snapshots by a schedule, which of them stay, pushes and hooks."""


def _schedule(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Schedule | None:
    if value is None or value == "none":
        return None
    try:
        return schedules.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    number, unit = value[:-1], value[-1:]
    if not number.isascii() or not number.isdigit() or len(number) > 5 or unit not in _UNITS:
        raise click.BadParameter(f"{value!r} is no age; expected a number with h, d or w, like 30d.")
    return int(number) * _UNITS[unit]


@policy.command("set")
@click.option("--schedule", callback=_schedule, metavar="WHEN", help=f"{schedules.EXAMPLES}, or none.")
@click.option("--keep-last", "last", type=click.IntRange(0, 100_000), metavar="N", help="Keep the newest N.")
@click.option(
    "--keep-hourly", "hourly", type=click.IntRange(0, 100_000), metavar="N", help="The newest of N hours."
)
@click.option(
    "--keep-daily", "daily", type=click.IntRange(0, 100_000), metavar="N", help="The newest of N days."
)
@click.option("--keep-weekly", "weekly", type=click.IntRange(0, 100_000), metavar="N", help="Of N weeks.")
@click.option("--keep-monthly", "monthly", type=click.IntRange(0, 100_000), metavar="N", help="Of N months.")
@click.option("--keep-yearly", "yearly", type=click.IntRange(0, 100_000), metavar="N", help="Of N years.")
@click.option(
    "--keep-within", "within", callback=_seconds, metavar="AGE", help="All younger than 12h, 30d, 8w."
)
@click.option(
    "--kind",
    type=click.Choice(["quick", "automatic"]),
    help="Kind that these keep rules are for (default: both); they replace those that it had.",
)
@click.option("--keep-all", is_flag=True, help="No keep rules: nothing is deleted.")
@click.option("--push", "remotes", multiple=True, metavar="REMOTE", help="Push to it after a snapshot.")
@click.option("--no-push", is_flag=True, help="Push to no remote.")
@click.option(
    "--before", metavar="COMMAND", help="Shell command before the snapshot; its failure stops the run."
)
@click.option("--after", metavar="COMMAND", help="Shell command at the end. Empty text: none.")
@click.option(
    "--hook-limit", type=click.IntRange(1, 86_400), metavar="SECONDS", default=600, show_default=True,
    help="So long may each of these commands take.",
)  # fmt: skip
@formatted
@scoped
def set_(
    scope: Scope,
    schedule: Schedule | None,
    kind: Literal["quick", "automatic"] | None,
    keep_all: bool,
    remotes: tuple[str, ...],
    no_push: bool,
    before: str | None,
    after: str | None,
    hook_limit: int,
    form: str,
    **keep: int | None,
) -> None:
    """Give the instance a policy, or change what is said here; the rest stays."""
    fields: dict[str, Any] = {}
    given = {name: number for name, number in keep.items() if number is not None}
    if given and keep_all:
        raise click.UsageError("--keep-all goes with no other --keep.")
    if kind and not given and not keep_all:
        raise click.UsageError("--kind says what keep rules are for: give one.")
    if given and not any(given.values()):
        raise click.UsageError("These rules would keep nothing: give one that is not 0.")
    if remotes and no_push:
        raise click.UsageError("Give --push or --no-push.")
    if _said("schedule"):
        fields["schedule"] = schedule
    if given or keep_all:
        rules = None if keep_all else Keep(**given)
        fields |= dict.fromkeys((kind,) if kind else ("quick", "automatic"), rules)
    if remotes or no_push:
        fields["push"] = list(remotes)
    for name, command in (("before", before), ("after", after)):
        if command is not None:
            fields[name] = Hook(command, hook_limit) if command.strip() else None
    if not fields:
        raise click.UsageError(
            "Say what the policy shall be: --schedule, --keep-…, --push, --before, --after."
        )
    services = scope.services
    found = services.policies.set(scope.instance.id, **fields)
    _show(services, found, services.policies.plan(found.id, look=False), form)
    if form == "tabulated" and found.schedule is not None:
        if found.installed is None:
            say("Nothing runs it yet: nuvtui policy install")
        elif found.installed.schedule != found.schedule:
            say("It still runs as it was installed; the new schedule: nuvtui policy install")


def _said(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


@policy.command("show")
@formatted
@scoped
def show(scope: Scope, form: str) -> None:
    """Show the policy of the instance, its last run, and which snapshots its rules do not keep."""
    found = scope.services.policies.get(scope.instance.id)
    _show(scope.services, found, scope.services.policies.plan(found.id, look=False), form)
    if form == "tabulated":
        tell_missed(scope.services)


def _show(services: Services, found: Policy, plan: PolicyPlan, form: str) -> None:
    if form != "tabulated":
        missed = [each for each in services.policies.missed() if each.instance_id == found.id]
        emit(_value(found, plan, missed[0].count if missed else 0), form)
        return
    installed = found.installed
    rows = [
        ("Schedule", found.schedule.text if found.schedule else "none"),
        (
            "Installed",
            f"{installed.where} of {installed.user} on {installed.host}, {installed.schedule.text}"
            if installed
            else "no",
        ),
        ("Keep quick", _rules(found.quick)),
        ("Keep automatic", _rules(found.automatic)),
        ("Push to", ", ".join(found.push) or "none"),
        *(
            (f"Hook {when}", f"{hook.command} (at most {hook.seconds} s)")
            for when, hook in (("before", found.before), ("after", found.after))
            if hook
        ),
        ("Set", f"{moment(found.changed)} by {found.author}"),
        ("Last run", _last(services, found)),
    ]
    pairs(rows)
    if found.last is not None:
        _print_hooks(found.last)
    _print_plan(plan, taking=False)


def _value(found: Policy, plan: PolicyPlan, missed: int) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(found)
    value["instance"] = value.pop("id")
    value["schedule"] = found.schedule.text if found.schedule else None
    if found.installed is not None:
        value["installed"]["schedule"] = found.installed.schedule.text
    return value | {"missed": missed} | _plan_value(plan)


def _plan_value(plan: PolicyPlan) -> dict[str, Any]:
    return {
        "snapshots": [
            {
                "id": each.snapshot.id,
                "name": each.snapshot.name,
                "kind": each.snapshot.kind,
                "created": each.snapshot.created,
                "kept_by": each.kept_by,
            }
            for each in plan.verdicts
        ],
        "would_delete": [each.id for each in plan.going],
        "freed_bytes": plan.freed_bytes,
        "plan": plan.plan,
    }


def _rules(keep: Keep | None) -> str:
    if keep is None:
        return "all"
    parts = [f"{name} {getattr(keep, name)}" for name in COUNTS if getattr(keep, name)]
    if keep.within:
        hours = keep.within // 3600
        parts.append(f"within {hours // 24}d" if hours % 24 == 0 else f"within {hours}h")
    return ", ".join(parts)


def _last(services: Services, found: Policy) -> str:
    last = found.last
    if last is None:
        return "none yet"
    if not last.finished:
        how = "running" if services.policies.running(found.id) else "interrupted"
        return f"{moment(last.started)}: {how}"
    return f"{moment(last.started)}: {'; '.join(last.problems) if last.problems else _did(last)}"


def _did(run: PolicyRun) -> str:
    """What a run did, in a line."""
    parts = {
        "taken": [f"snapshot {short(run.snapshot)} taken"],
        "unchanged": [f"no snapshot: nothing changed since {short(run.snapshot)}"],
    }.get(run.outcome, [])
    for push in run.pushed:
        if not push.problem:
            parts.append(f"pushed to {push.remote}" if push.snapshots else f"{push.remote} held it already")
    if run.deleted:
        parts.append(f"{counted(len(run.deleted), 'snapshot')} deleted")
    return "; ".join(parts)


def _print_hooks(run: PolicyRun) -> None:
    for hook in run.hooks:
        if hook.problem:
            print(f"The hook {hook.when} {hook.problem}:")
            table([("", line) for line in hook.output])


def _print_plan(plan: PolicyPlan, *, taking: bool) -> None:
    if taking:
        say(
            "Would take a snapshot."
            if plan.takes
            else "Would take no snapshot: nothing changed since the newest."
        )
        for name in plan.push:
            say(f"Would push it to {name}.")
    rows = [
        (
            short(each.snapshot.id),
            moment(each.snapshot.created),
            each.snapshot.kind,
            each.snapshot.name or each.snapshot.sentence,
            ", ".join(each.kept_by) or "goes",
        )
        for each in plan.verdicts
    ]
    table(rows, ("id", "created", "kind", "name", "kept by"))
    say(
        f"{counted(len(plan.going), 'snapshot')} would go; {size(plan.freed_bytes)} come free at the next "
        "`nuvtui store gc`."
        if plan.going
        else "No snapshot would go."
    )


@policy.command("run")
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing, run no hook.")
@click.option(
    "--plan", default="", metavar="DIGEST",
    help="Delete only what the dry run with this digest said; refused (exit code 5) where that changed since.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.option(
    "--wait/--detach", "wait", default=True, help="Wait for the task to end (default), or print its id."
)
@asks
@formatted
@scoped
def run(scope: Scope, dry_run: bool, plan: str, quiet: bool, wait: bool, yes: bool, form: str) -> None:
    """Do now what the policy says: hook, snapshot where anything changed, pushes, deletion, hook."""
    services, instance = scope.services, scope.instance
    policies = services.policies
    if dry_run:
        outlook = policies.plan(instance.id, look=True)
        value = {"would_take": outlook.takes, "would_push": outlook.push} | _plan_value(outlook)
        emit(value, form)
        if form == "tabulated":
            _print_plan(outlook, taking=True)
            print(f"plan: {outlook.plan}")
        return
    if not yes and not plan:
        outlook = policies.plan(instance.id, look=True)
        if outlook.going:
            names = ", ".join(short(each.id) for each in outlook.going)
            confirm(yes, f"Deletes for ever what no rule keeps: {names}.")
            plan = outlook.plan
    begun = clock.now()
    try:
        result = run_task(
            services,
            RunPolicy(instance.id, plan),
            f"Policy of {instance.name}",
            space=scope.space.id,
            instance=instance.id,
            wait=wait,
        )
    except NuvError:
        # What was done before it went wrong.
        last = policies.get(instance.id).last
        if last is not None and last.started >= begun:
            _tell_run(last, form, quiet=False)
        raise
    if result is not None:
        _tell_run(result, form, quiet)


def _tell_run(run: PolicyRun, form: str, quiet: bool) -> None:
    if form != "tabulated":
        emit(run, form)
        return
    _print_hooks(run)
    if not quiet and _did(run):
        say(f"{_did(run)}.".capitalize())


@policy.command("install")
@click.option(
    "--with", "where", type=click.Choice(["systemd", "crontab"]), help="Default: systemd where it answers."
)
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
@asks
@formatted
@scoped
def install(
    scope: Scope, where: Literal["systemd", "crontab"] | None, dry_run: bool, yes: bool, form: str
) -> None:
    """Have the schedule run by the user's systemd or crontab; what is written is shown first."""
    policies = scope.services.policies
    planned = policies.installation(scope.instance.id, where)
    written = {
        "where": planned.installed.where,
        "schedule": planned.installed.schedule.text,
        "files": planned.files,
    }
    if form == "tabulated":
        for path, text in planned.files.items():
            print(f"{'At the top of your crontab' if path == 'crontab' else path}:")
            table([("", line) for line in text.splitlines()])
    if dry_run:
        emit(written | {"installed": False}, form)
        return
    what = "your crontab" if planned.installed.where == "crontab" else "a timer of your systemd"
    confirm(yes, f"This is written as {what}.")
    policies.install(scope.instance.id, planned)
    emit(written | {"installed": True}, form)
    if form == "tabulated":
        say(f"Installed: {planned.installed.schedule.text}.")
        if planned.installed.where == "systemd":
            say("To have it run while you are not logged in: loginctl enable-linger")


@policy.command("remove")
@click.option("--schedule-only", is_flag=True, help="Only what `policy install` wrote; the policy stays.")
@click.option(
    "--elsewhere", is_flag=True, help="Even where it is installed on another machine: it stays there."
)
@asks
@formatted
@scoped
def remove(scope: Scope, schedule_only: bool, elsewhere: bool, yes: bool, form: str) -> None:
    """Remove the policy of the instance, and its schedule from systemd or the crontab. Snapshots stay."""
    found = scope.services.policies.get(scope.instance.id)
    gone = "The schedule" if schedule_only else "The policy"
    confirm(yes, f"{gone} of {scope.instance.name} is removed; its snapshots stay.")
    scope.services.policies.remove(found.id, schedule_only=schedule_only, elsewhere=elsewhere)
    emit({"removed": found.id, "schedule_only": schedule_only}, form)


def tell_missed(services: Services) -> None:
    """Say on standard error which scheduled runs did not take place."""
    for each in services.policies.missed():
        due = clock.parse(each.due).astimezone().strftime("%Y-%m-%d %H:%M")
        count = "a run" if each.count == 1 else f"{each.count} runs"
        say(
            f"Missed: {count} of the policy of {each.space}/{each.instance}, last due {due}: nuvtui policy run"
        )
