"""`remotes`, `push`, `pull` and `clone`."""

import sys
from pathlib import Path

import click

from nuvtui import atomic, sanitise
from nuvtui.bootstrap import Services
from nuvtui.cli.common import F, Scope, asks, confirm, detachable, formatted, run_task, scoped, services
from nuvtui.cli.output import counted, emit, moment, pairs, say, size
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text, short, text_to_path
from nuvtui.model.operations import CheckRemote, Clone, PruneRemote, PullSnapshots, PushSnapshots
from nuvtui.model.remote import PullResult, PushResult, RemoteSettings, RemoteStatus

OPEN = "Whoever can read the object store will be able to read everything that is pushed there."


def reached(command: F) -> F:
    """Add the options that say how a remote is reached, passed as `endpoint`, `region`, `profile`, `command`."""
    for option in (
        click.option("--command", default="", help="How nuvtui is called on the other server (SSH)."),
        click.option("--profile", default="", help="Profile in ~/.aws (object stores)."),
        click.option("--region", default="", help="Region of the bucket."),
        click.option("--endpoint", default="", metavar="URL", help="Address of the object store."),
    ):
        command = option(command)
    return command


@click.group()
def remotes() -> None:
    """Places outside this machine that hold snapshots."""


@remotes.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--encrypt/--no-encrypt", default=None, help="Default: yes for object stores, else no.")
@click.option(
    "--recipient", "recipients", multiple=True, metavar="KEY", help="Public key (age, SSH) that can read it."
)
@click.option("--write-only", is_flag=True, help="This machine can push and not read: it gets no key.")
@click.option(
    "--recovery", type=click.Path(path_type=Path), metavar="FILE", help="Recovery sheet that opens it."
)
@reached
@asks
@formatted
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    url: str,
    encrypt: bool | None,
    recipients: tuple[str, ...],
    write_only: bool,
    recovery: Path | None,
    endpoint: str,
    region: str,
    profile: str,
    command: str,
    yes: bool,
    form: str,
) -> None:
    """Add a remote: a folder, s3://bucket/prefix, gs://, az://, or ssh://host/path."""
    from nuvtui.services.remotes import addresses

    opened = services(ctx)
    address = addresses.typed(url, Path.cwd())
    in_bucket = address.in_bucket
    if encrypt is None:
        encrypt = in_bucket or bool(recipients) or write_only
    elif not encrypt and (recipients or write_only):
        raise NuvError("--no-encrypt has no recipients", "", "Leave out one of them.", Exit.USAGE)
    elif not encrypt and in_bucket:
        confirm(yes, OPEN)
    own = ""
    if encrypt and not recipients and not recovery and not write_only:
        own = opened.remotes.own_recipient()
    record = opened.remotes.add(
        name,
        address.url,
        [own] if own else recipients,
        write_only=write_only,
        settings=RemoteSettings(endpoint, region, profile, command),
        recovery=_text(recovery) if recovery else "",
    )
    status = next(each for each in opened.remotes.list() if each.name == record.id)
    emit(status, form, [(record.id, record.url)])
    if form == "tabulated":
        _explain(opened, status, own)


def _text(file: Path) -> str:
    try:
        return atomic.read_file(file).decode("utf-8", "replace")
    except OSError as error:
        raise NuvError(f"{file} cannot be read", error.strerror or str(error), "", Exit.USAGE) from error


def _explain(opened: Services, status: RemoteStatus, own: str) -> None:
    """What an encrypted remote means for who added it."""
    if not status.encrypted:
        return
    if status.write_only:
        say("Encrypted. This machine can push to it, and cannot read what is there.")
        return
    who = "; ".join(opened.remotes.recipients(status.name))
    say(f"Encrypted. It can be read with: {who}")
    if own:
        from nuvtui.remote import keys

        say(f"Your key is in {keys.own_identity()}: keep a copy of it elsewhere.")
    say(
        "Lost keys are lost data: without one of them nobody can read what is there. "
        f"A sheet to print: nuvtui remotes recovery {status.name} FILE"
    )


def _rows(found: list[RemoteStatus]) -> list[tuple[str, ...]]:
    def word(flag: bool | None) -> str:
        return "?" if flag is None else "yes" if flag else "no"

    return [
        (
            each.name,
            each.kind,
            word(each.encrypted) + (", write only" if each.write_only else ""),
            "" if each.snapshots is None else f"{each.snapshots:,}",
            size(each.bytes),
            word(each.reachable),
            moment(each.pushed),
            each.url,
        )
        for each in found
    ]


HEADINGS = ("name", "kind", "encrypted", "snapshots#", "size#", "reachable", "last push", "url")


@remotes.command("list")
@click.option("--ask", is_flag=True, help="Ask each of them what it holds.")
@formatted
@click.pass_context
def list_(ctx: click.Context, ask: bool, form: str) -> None:
    """List the remotes of this store."""
    opened = services(ctx)
    found = opened.remotes.list()
    if ask:
        found = [opened.remotes.status(each.name) for each in found]
    emit(found, form, _rows(found), HEADINGS)


@remotes.command("show")
@click.argument("name")
@formatted
@click.pass_context
def show(ctx: click.Context, name: str, form: str) -> None:
    """Ask a remote what it holds. Exit code 1 where it cannot be reached."""
    found = services(ctx).remotes.status(name)
    emit(found, form)
    if form == "tabulated":
        pairs(list(zip(HEADINGS, _rows([found])[0], strict=True)))
    if not found.reachable:
        raise NuvError(f"{found.name} cannot be used now", found.problem, "", Exit.FAILED)


@remotes.command("remove")
@click.argument("name")
@asks
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool) -> None:
    """Forget a remote. What lies there stays."""
    opened = services(ctx)
    record = opened.remotes.find(name)
    confirm(yes, f"This store forgets the remote {record.id}; what lies at {record.url} stays.")
    opened.remotes.remove(record.id)


@remotes.command("check")
@click.argument("name", default="")
@click.option("--read-data", is_flag=True, help="Read every byte, and compare it.")
@detachable
@formatted
@click.pass_context
def check(ctx: click.Context, name: str, read_data: bool, wait: bool, form: str) -> None:
    """Check that a remote holds all that its snapshots need."""
    opened = services(ctx)
    record = opened.remotes.find(name)
    result = run_task(
        opened, CheckRemote(record.id, read_data), f"Check of {record.id}", subject=record.id, wait=wait
    )
    if result is None:
        return
    emit(result, form, [(each.what, each.detail, ", ".join(each.paths)) for each in result.problems])
    say(
        f"{counted(result.snapshots, 'snapshot')}, {counted(result.objects, 'object')} in "
        f"{counted(result.packs, 'pack')}: {'all there' if result.ok else counted(len(result.problems), 'problem')}."
        + (
            f" {size(result.read)} read and compared."
            if read_data
            else " Their bytes were not read (--read-data)."
        )
    )
    if not result.ok:
        hurt = sorted({snapshot for each in result.problems for snapshot in each.snapshots})
        raise NuvError(
            f"{record.id} is damaged",
            f"affected: {', '.join(short(each) for each in hurt)}",
            f"Where this store holds them, `nuvtui push --to {record.id} SNAPSHOT` sends again what is missing.",
        )


@remotes.command("prune")
@click.argument("name", default="")
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
@click.option(
    "--grace", type=float, default=None, metavar="SECONDS", help="Between the two phases (default: a day)."
)
@detachable
@formatted
@click.pass_context
def prune(ctx: click.Context, name: str, dry_run: bool, grace: float | None, wait: bool, form: str) -> None:
    """Free what no snapshot on a remote needs, in two phases with a grace period between them."""
    opened = services(ctx)
    record = opened.remotes.find(name)
    result = run_task(
        opened, PruneRemote(record.id, dry_run, grace), f"Prune of {record.id}", subject=record.id, wait=wait
    )
    if result is None:
        return
    emit(result, form)
    if form == "tabulated":
        say(
            f"{'Would free' if dry_run else 'Freed'} {size(result.freed)} in {counted(result.packs, 'pack')}; "
            f"{size(result.condemned)} more go after the grace period."
        )
        if result.waiting:
            say(f"{counted(len(result.waiting), 'push')} under way: what it may need stays.")


@remotes.command("forget")
@click.argument("name")
@click.argument("snapshots", nargs=-1, required=True)
@asks
@formatted
@click.pass_context
def forget(ctx: click.Context, name: str, snapshots: tuple[str, ...], yes: bool, form: str) -> None:
    """Take snapshots off a remote; their room comes free by prune."""
    opened = services(ctx)
    found = opened.remotes.find_snapshots(name, snapshots)
    confirm(yes, f"{counted(len(found), 'snapshot')} on {name} will be gone: {', '.join(map(short, found))}.")
    opened.remotes.forget(name, found)
    emit({"snapshots": found}, form, [(each,) for each in found])


@remotes.command("recovery")
@click.argument("name")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def recovery(ctx: click.Context, name: str, file: Path | None) -> None:
    """Write the recovery sheet of an encrypted remote to FILE (default: standard output)."""
    if file is None:
        sys.stdout.write(services(ctx).remotes.recovery_sheet(name))
        return
    services(ctx).remotes.write_recovery_sheet(name, file)
    say(f"Print {file}, put the paper where it is safe, and delete the file.")


@remotes.group("recipients")
def recipients() -> None:
    """Who can read an encrypted remote."""


def _recipients(ctx: click.Context, name: str, form: str, add: list[str], remove: list[str]) -> None:
    found = services(ctx).remotes.recipients(name, add, remove)
    emit(found, form, [(each,) for each in found])


@recipients.command("list")
@click.argument("name")
@formatted
@click.pass_context
def recipients_list(ctx: click.Context, name: str, form: str) -> None:
    """List who can read what is pushed from now on."""
    _recipients(ctx, name, form, [], [])


@recipients.command("add")
@click.argument("name")
@click.argument("key")
@formatted
@click.pass_context
def recipients_add(ctx: click.Context, name: str, key: str, form: str) -> None:
    """Let the public KEY read what is there and what comes."""
    _recipients(ctx, name, form, [key], [])


@recipients.command("remove")
@click.argument("name")
@click.argument("key")
@asks
@formatted
@click.pass_context
def recipients_remove(ctx: click.Context, name: str, key: str, yes: bool, form: str) -> None:
    """Let KEY read nothing that comes from now on."""
    confirm(
        yes,
        "What is pushed from now on is sealed with new keys. What that key could read until now it can still read, "
        "wherever a copy of it is. Machines that can only write keep to the recipients that they were given: there, remove "
        "the remote and add it anew. Recovery sheets of before do not open what comes: print a new one.",
    )
    _recipients(ctx, name, form, [], [key])


def _announce(result: PushResult | PullResult, form: str, did: str) -> None:
    emit(result, form, [(each.id, each.name) for each in result.snapshots])
    if form == "tabulated":
        rate = result.bytes / result.seconds if result.seconds > 0.05 else 0
        say(
            f"{did} {counted(len(result.snapshots), 'snapshot')}, {counted(result.objects, 'object')}, "
            f"{size(result.bytes)} in {result.seconds:.1f} s" + (f" ({size(int(rate))}/s)." if rate else ".")
        )


@click.command()
@click.argument("snapshots", nargs=-1)
@click.option("--to", "remote", default="", metavar="REMOTE", help="Default: the only one.")
@click.option("--all", "every", is_flag=True, help="Every snapshot of the space.")
@detachable
@formatted
@scoped
def push(scope: Scope, snapshots: tuple[str, ...], remote: str, every: bool, wait: bool, form: str) -> None:
    """Send snapshots (default: the newest of the instance) to a remote."""
    record = scope.services.remotes.find(remote)
    listed = scope.services.snapshots.list(scope.instance.id)
    if every:
        instances = scope.services.instances.list(scope.space.id)
        chosen = [each.id for one in instances for each in reversed(scope.services.snapshots.list(one.id))]
    elif snapshots:
        chosen = [scope.services.snapshots.find(scope.instance.id, each).id for each in snapshots]
    else:
        chosen = [each.id for each in listed[:1]]
    result = run_task(
        scope.services,
        PushSnapshots(record.id, chosen),
        f"Push to {record.id}",
        space=scope.space.id,
        instance=scope.instance.id,
        subject=record.id,
        wait=wait,
    )
    if result is not None:
        _announce(result, form, "Pushed")


@click.command()
@click.argument("snapshots", nargs=-1)
@click.option("--from", "remote", default="", metavar="REMOTE", help="Default: the only one.")
@click.option("--all", "every", is_flag=True, help="Every snapshot of the space.")
@detachable
@formatted
@scoped
def pull(scope: Scope, snapshots: tuple[str, ...], remote: str, every: bool, wait: bool, form: str) -> None:
    """Bring snapshots (default: the newest of the space) from a remote into this store."""
    record = scope.services.remotes.find(remote)
    chosen = scope.services.remotes.resolve(record.id, snapshots, every=every, space=scope.space.id)
    if not chosen:
        raise NuvError(
            f"{record.id} holds no snapshot of {scope.space.name}",
            "",
            "Push one from where it is.",
            Exit.NOT_FOUND,
        )
    result = run_task(
        scope.services,
        PullSnapshots(record.id, chosen),
        f"Pull from {record.id}",
        space=scope.space.id,
        instance=scope.instance.id,
        subject=record.id,
        wait=wait,
    )
    if result is not None:
        _announce(result, form, "Pulled")


@click.command()
@click.argument("url")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--snapshot", default="", metavar="SNAPSHOT", help="What the folder becomes (default: the newest)."
)
@click.option("--space", default="", metavar="SPACE", help="Which space, where the remote holds several.")
@click.option("--name", default="", help="What the space is called here.")
@click.option(
    "--recovery", type=click.Path(path_type=Path), metavar="FILE", help="Recovery sheet that opens it."
)
@reached
@detachable
@formatted
@click.pass_context
def clone(
    ctx: click.Context,
    url: str,
    path: Path | None,
    snapshot: str,
    space: str,
    name: str,
    recovery: Path | None,
    endpoint: str,
    region: str,
    profile: str,
    command: str,
    wait: bool,
    form: str,
) -> None:
    """Make a space here from a remote: all its snapshots, and in PATH files, tables and applications."""
    from nuvtui.services.remotes import addresses

    opened = services(ctx)
    address = addresses.typed(url, Path.cwd())
    folder = (path or Path(name or address.last)).expanduser().absolute()
    settings = RemoteSettings(endpoint, region, profile, command)
    operation = Clone(address.url, path_to_text(str(folder)), snapshot, name, space, settings)
    opened.clones.check(operation)
    opened.context.establish()
    if recovery:
        opened.clones.unlock(operation, _text(recovery))
    result = run_task(opened, operation, f"Clone of {address.url}", wait=wait)
    if result is not None:
        emit(result, form, [(result.space.id, result.space.name)])
        if form == "tabulated":
            say(
                f"{result.space.name} is in {sanitise.line(text_to_path(result.workspace))}, as of snapshot "
                f"{short(result.restored)}; {counted(len(result.pulled.snapshots), 'snapshot')} in this store."
            )
