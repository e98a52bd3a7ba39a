"""`snapshots` and `status`."""

import datetime
import sys

import click
import msgspec

from nuvtui import clock, sanitise
from nuvtui.cli.common import CURRENT, Scope, asks, confirm, detachable, formatted, run_task, scoped
from nuvtui.cli.output import counted, emit, moment, pairs, say, size
from nuvtui.errors import Exit, NuvError
from nuvtui.model.diff import Diff
from nuvtui.model.names import path_to_text, short, text_to_path
from nuvtui.model.operations import Restore, TakeSnapshot
from nuvtui.model.remote import DamagedManifest
from nuvtui.model.snapshot import SnapshotRecord

PLAN = "Only as the dry run with this digest said; refused (exit code 5) where that changed since."
SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@click.command()
@formatted
@scoped
def status(scope: Scope, form: str) -> None:
    """What changed in the Current State since the newest snapshot."""
    diff = scope.services.changes.status(scope.instance.id)
    show_diff(diff, form)
    for kept in diff.kept if form == "tabulated" else ():
        say(
            f"Kept in {sanitise.line(text_to_path(kept.path))}: {kept.files:,} file{'s' if kept.files != 1 else ''} "
            "that a change would have overwritten. "
            "Take from there what you need, then delete the folder."
        )
    if form == "tabulated" and scope.services.context.view().policies:
        from nuvtui.cli.policy import tell_missed

        tell_missed(scope.services)


@click.group()
def snapshots() -> None:
    """Take, look into, compare, restore snapshots."""


@snapshots.command("create")
@click.option("-n", "--name", default="", help="A name that says what this is (default: a quick snapshot).")
@click.option("-d", "--description", default="", metavar="TEXT", help="What it holds and why it was taken.")
@click.option("--next", "next_phase", default="", metavar="TEXT", help="What the next phase of work will be.")
@click.option(
    "--reread", is_flag=True, help="Read every file, also those whose size and times are as before."
)
@detachable
@formatted
@scoped
def create(
    scope: Scope, name: str, description: str, next_phase: str, reread: bool, wait: bool, form: str
) -> None:
    """Take a snapshot of files, tables and applications."""
    from nuvtui.services.snapshots.service import naming_hint

    hint = naming_hint(name) if name else None
    if hint and form == "tabulated":
        say(f"note: {hint}")
    result = run_task(
        scope.services,
        TakeSnapshot(scope.instance.id, name, description, next_phase, reread),
        f"Snapshot {name}".strip() + f" of {scope.instance.name}",
        space=scope.space.id,
        instance=scope.instance.id,
        wait=wait,
    )
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            _announce(result)


def _announce(record: SnapshotRecord) -> None:
    print(record.id)
    say(
        f"{record.kind.capitalize()} snapshot {short(record.id)}{f' ({record.name})' if record.name else ''}: "
        f"{record.files.count:,} files, {size(record.files.bytes)}, {len(record.tables)} tables, "
        f"{len(record.applications)} applications; files {_changed(record)}; "
        f"{size(record.stored_bytes)} stored."
    )
    if record.warnings:
        say(
            f"{record.warnings} things could not be held as they are: nuvtui snapshots show {short(record.id)}"
        )


def _changed(record: SnapshotRecord) -> str:
    """How many files differ from the snapshot before, and how many tables, where any do."""
    files, tables = (
        "+{} ~{} -{}".format(*counts) for counts in (record.changes.files, record.changes.tables)
    )
    return f"{files}, tables {tables}" if any(record.changes.tables) else files


@snapshots.command("list")
@click.option(
    "--filter", "text", metavar="TEXT", default="", help="Only those with all these words and terms."
)
@click.option("--remote", default="", metavar="NAME", help="Those of the space that a remote holds.")
@formatted
@scoped
def list_(scope: Scope, text: str, remote: str, form: str) -> None:
    """List the snapshots of the instance, newest first.

    TEXT: words, and terms that look at one thing: name:paper, author:ada, kind:named (or what an automatic one was
    taken for, as kind:restored), after:7d, before:2026-03, on:2026-03-01. Quotes hold words together.
    """
    damaged: list[DamagedManifest] = []
    if remote:
        there = scope.services.remotes.snapshots(remote)
        found = [record for record in there.snapshots if record.space == scope.space.id]
        damaged = there.damaged
    else:
        found = _filtered(scope, text) if text else scope.services.snapshots.list(scope.instance.id)
    # Where there is no remote, nothing about remotes is imported.
    held = scope.services.remotes.held() if scope.services.context.view().remotes.all() else {}
    rows = [
        (
            short(s.id),
            s.name or f"({s.sentence or s.kind})",
            s.kind,
            moment(s.created),
            s.author,
            f"{s.files.count:,}",
            size(s.files.bytes),
            str(len(s.tables)),
            str(len(s.applications)),
            _changed(s),
            *([", ".join(held.get(s.id, []))] if held else []),
        )
        for s in found
    ]
    headings = ("id", "name", "kind", "created", "author", "files#", "size#", "tables#", "apps#", "changed")
    if form != "tabulated":
        emit([msgspec.to_builtins(s) | {"remotes": held.get(s.id, [])} for s in found], form)
    else:
        emit(found, form, rows, (*headings, "remotes") if held else headings)
    for fault in damaged:
        say(f"warning: snapshot {short(fault.id)} on {remote} cannot be read: {fault.reason}")
    if damaged:
        say(f"What suffers: nuvtui remotes check {remote}")
        raise click.exceptions.Exit(Exit.FAILED)


def _filtered(scope: Scope, text: str) -> list[SnapshotRecord]:
    from nuvtui.model.snapshot_filter import FilterError, parse

    try:
        wanted = parse(text, clock.parse(clock.now()).astimezone())
    except FilterError as error:
        raise NuvError("This filter cannot be understood", str(error), "", Exit.USAGE) from None
    timeline = scope.services.snapshots.timeline(scope.instance.id)
    return [s for s in timeline.records if wanted.accepts(s, timeline.traces.get(s.id))]


@snapshots.command("show")
@click.argument("snapshot")
@formatted
@scoped
def show(scope: Scope, snapshot: str, form: str) -> None:
    """Show all that is recorded of a snapshot."""
    record = scope.services.snapshots.find(scope.instance.id, snapshot)
    manifest = scope.services.snapshots.manifest(record.id)
    if form != "tabulated":
        summary = msgspec.to_builtins(record)
        summary |= {
            "unique_bytes": scope.services.snapshots.freed_by([record.id]),
            "provenance": msgspec.to_builtins(manifest.provenance),
            "tables": [
                {"name": t.name, "rows": t.rows, "columns": msgspec.to_builtins(t.columns)}
                for t in manifest.tables
            ],
            "locks": {a.slug: msgspec.to_builtins(a.lock) for a in manifest.applications},
            "warnings": msgspec.to_builtins(manifest.warnings),
        }
        emit(summary, form)
        return
    code = manifest.provenance.code
    rows = [
        ("Snapshot", manifest.id),
        ("Name", manifest.name or f"({manifest.kind})"),
        ("Kind", manifest.kind + (f": {manifest.sentence}" if manifest.sentence else "")),
        ("Created", moment(manifest.created)),
        ("Author", f"{manifest.author} on {manifest.provenance.host}"),
        ("Instance", f"{manifest.space.name}/{manifest.instance.name}"),
        ("Files", f"{manifest.files.count:,}, {size(manifest.files.bytes)}"),
        ("Tables", ", ".join(f"{t.name} ({t.rows:,} rows)" for t in manifest.tables) or "none"),
        ("Applications", ", ".join(a.slug for a in manifest.applications) or "none"),
        ("Changed", "files +{} ~{} -{}".format(*manifest.changes.files)),
        ("Stored", f"{size(manifest.stored_bytes)} new in the store"),
        ("Unique", f"{size(scope.services.snapshots.freed_by([record.id]))}: what deleting it alone frees"),
        (
            "Code",
            f"{code.commit[:12]} on {code.branch or 'no branch'}{', with changes' if code.dirty else ''}"
            if code
            else "",
        ),
        (
            "Made with",
            f"nuvtui {manifest.provenance.nuvtui}, Python {manifest.provenance.python}, {manifest.provenance.platform}",
        ),
        ("Description", manifest.description),
        ("Next phase", manifest.next_phase),
    ]
    pairs([(name, value) for name, value in rows if value])
    for app in manifest.applications:
        if app.lock:
            print(
                f"Packages of {sanitise.line(app.slug)}: {len(app.lock.packages)} ({sanitise.line(app.lock.interpreter)})"
            )
        elif app.lock_note:
            print(f"Packages of {sanitise.line(app.slug)}: not recorded, {sanitise.line(app.lock_note)}")
    for warning in manifest.warnings:
        print(f"warning: {sanitise.line(text_to_path(warning.path))}: {sanitise.line(warning.reason)}")


@snapshots.command("files")
@click.argument("snapshot")
@click.argument("path", default="")
@click.option("-r", "--recursive", is_flag=True, help="With all folders below.")
@formatted
@scoped
def files(scope: Scope, snapshot: str, path: str, recursive: bool, form: str) -> None:
    """List the files of a snapshot (or `current`), at PATH."""
    reader = scope.services.states.reader(scope.state(snapshot))
    views = []
    waiting = [path]
    while waiting:
        for view in reader.folder(waiting.pop()):
            views.append(view)
            if recursive and view.kind == "d":
                waiting.append(view.path)
    if recursive:
        views.sort(key=lambda view: view.path)
    values = [
        {
            "path": path_to_text(v.path),
            "kind": v.kind,
            "size": v.size,
            "mode": f"{v.mode:04o}",
            "mtime_ns": v.mtime_ns,
            "target": path_to_text(v.target),
            "status": v.status,
        }
        for v in views
    ]
    rows = [
        (
            f"{v.mode:04o}",
            size(v.size),
            v.status,
            v.path + ("/" if v.kind == "d" else f" -> {v.target}" if v.kind == "l" else ""),
        )
        for v in views
    ]
    emit(values, form, rows, ("mode", "size#", "status", "path"))


@snapshots.command("cat")
@click.argument("snapshot")
@click.argument("path")
@scoped
def cat(scope: Scope, snapshot: str, path: str) -> None:
    """Write a file of a snapshot (or `current`) to standard output."""
    reader = scope.services.states.reader(scope.state(snapshot))
    terminal = sys.stdout.isatty()
    for piece in reader.stream(path):
        if terminal:
            sys.stdout.write(sanitise.block(piece.decode("utf-8", "replace")))
        else:
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()


@snapshots.command("diff")
@click.argument("old")
@click.argument("new", default="current")
@click.option("--text", "path", metavar="PATH", help="Show the text diff of this file.")
@formatted
@scoped
def diff(scope: Scope, old: str, new: str, path: str | None, form: str) -> None:
    """What differs from snapshot OLD to NEW (default: the Current State)."""
    a, b = scope.state(old), scope.state(new)
    if path is not None:
        lines = scope.services.changes.text_diff(a, b, path)
        emit(lines, form)
        if form == "tabulated":
            print("\n".join(lines))
        return
    show_diff(scope.services.changes.diff(a, b), form)


@snapshots.command("history")
@click.argument("path", default="")
@click.option("--table", metavar="NAME", help="Of a table in place of a file or folder.")
@formatted
@scoped
def history(scope: Scope, path: str, table: str | None, form: str) -> None:
    """In which snapshots the file or folder PATH is, and where it changed, newest first."""
    if bool(path) == (table is not None):
        raise click.UsageError("Give a PATH, or --table NAME.")
    service = scope.services.history
    instance = scope.instance.id
    found = service.of_table(instance, table) if table is not None else service.of_path(instance, path)
    rows = [
        (
            SIGNS[v.change],
            short(v.first) if v.first else "current",
            v.name,
            moment(v.created),
            v.author,
            "" if v.rows is None else f"{v.rows:,}",
            size(v.size),
            f"{v.snapshots:,}" + (" + current" if v.current and v.first else ""),
        )
        for v in found.versions
    ]
    emit(found, form, rows, ("", "since", "name", "created", "author", "rows#", "size#", "snapshots"))
    for snapshot in found.unreadable:
        say(f"warning: snapshot {short(snapshot)} cannot be read: nuvtui store check")


def show_diff(found: Diff, form: str) -> None:
    """Print a diff."""
    if form != "tabulated":
        emit(msgspec.to_builtins(found), form)
        return
    if found.empty:
        say(f"Nothing differs between {found.old} and {found.new}.")
        return
    say(f"From {found.old} to {found.new}:")
    for file in found.files:
        sizes = " → ".join(size(s) for s in (file.old_size, file.new_size) if s is not None)
        detail = f"{sizes}{', ' if sizes and file.detail else ''}{file.detail}"
        print(f"{SIGNS[file.change]} {sanitise.line(text_to_path(file.path))}  ({sanitise.line(detail)})")
    for table in found.tables:
        parts = []
        if table.change == "changed":
            parts.append(f"{table.old_rows:,} → {table.new_rows:,} rows")
            if table.rows_added is not None:
                parts.append(f"+{table.rows_added:,} -{table.rows_removed:,}")
        else:
            rows = table.new_rows if table.new_rows is not None else table.old_rows
            parts.append(f"{rows:,} rows")
        parts += [f"+ column {c.name} {c.type}" for c in table.columns_added]
        parts += [f"- column {c.name}" for c in table.columns_removed]
        parts += [f"column {a.name}: {a.type} → {b.type}" for a, b in table.columns_retyped]
        parts += [f"description of column {name}" for name in table.described]
        parts += ["description"] if table.description_changed else []
        parts += ["keys"] if table.constraints_changed else []
        print(f"{SIGNS[table.change]} table {sanitise.line(table.name)}  ({sanitise.line(', '.join(parts))})")
    for app in found.applications:
        print(f"{SIGNS[app.change]} application {sanitise.line(app.slug)}")
        for line in app.configuration:
            print(f"    {line}")
        for package in app.packages:
            old = package.old.version if package.old else "none"
            new = package.new.version if package.new else "none"
            print(f"    {sanitise.line(package.name)}: {sanitise.line(old)} → {sanitise.line(new)}")


@snapshots.command("restore")
@click.argument("snapshot")
@click.option(
    "--to",
    "to",
    metavar="[SPACE/]INSTANCE",
    help="Instance whose Current State is replaced (default: its own).",
)
@click.option("--dry-run", is_flag=True, help="List what would be changed; change nothing.")
@click.option("--plan", default="", metavar="DIGEST", help=PLAN)
@asks
@detachable
@formatted
@scoped
def restore(
    scope: Scope, snapshot: str, to: str | None, dry_run: bool, plan: str, yes: bool, wait: bool, form: str
) -> None:
    """Replace the whole Current State by a snapshot; an automatic snapshot is taken first."""
    record = scope.services.snapshots.find(scope.instance.id, snapshot)
    target = scope.target(to) if to else scope.instance
    if dry_run:
        found = scope.services.restore.dry_run(record.id, target.id)
        emit(found, form)
        if form == "tabulated":
            show_diff(found.changes, form)
            print(f"plan: {found.plan}")
        return
    confirm(
        yes,
        f"The Current State of {target.name} will be replaced by snapshot {short(record.id)}; "
        "an automatic snapshot of it is taken first.",
    )
    result = run_task(
        scope.services,
        Restore(record.id, target.id, plan),
        f"Restore {record.name or short(record.id)} to {target.name}",
        space=target.space,
        instance=target.id,
        subject=record.id,
        wait=wait,
    )
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            say(
                f"{target.name} is as in snapshot {short(record.id)}: {result.files} files written, "
                f"{result.files_removed} removed, {result.tables} tables, {result.applications} applications."
            )
            say(f"To undo: nuvtui snapshots restore {short(result.backup)}")


@snapshots.command("rename")
@click.argument("snapshot")
@click.argument("name")
@formatted
@scoped
def rename(scope: Scope, snapshot: str, name: str, form: str) -> None:
    """Give a snapshot the name NAME."""
    record = scope.services.snapshots.find(scope.instance.id, snapshot)
    emit(scope.services.snapshots.rename(record.id, name), form)
    if form == "tabulated":
        say(f"Snapshot {short(record.id)} is called {name.strip()!r}.")


_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def _age(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> datetime.timedelta | None:
    """The time that an age like 30d means."""
    if value is None:
        return None
    number, unit = value[:-1], value[-1:]
    if not number.isascii() or not number.isdigit() or len(number) > 5 or unit not in _UNITS:
        raise click.BadParameter(f"{value!r} is no age; expected a number with h, d or w, like 30d.")
    return datetime.timedelta(seconds=int(number) * _UNITS[unit])


@snapshots.command("delete")
@click.argument("snapshot", nargs=-1)
@click.option("--kind", type=click.Choice(["automatic", "quick"]), help="All of this kind.")
@click.option("--older-than", "age", callback=_age, metavar="AGE", help="Only those: 12h, 30d, 8w.")
@click.option("--dry-run", is_flag=True, help="Say what would go and what that frees; delete nothing.")
@click.option("--plan", default="", metavar="DIGEST", help=PLAN)
@asks
@formatted
@scoped
def delete(
    scope: Scope,
    snapshot: tuple[str, ...],
    kind: str | None,
    age: datetime.timedelta | None,
    dry_run: bool,
    plan: str,
    yes: bool,
    form: str,
) -> None:
    """Delete snapshots: those given, or all that --kind and --older-than mean.

    A filter never takes a named snapshot. Storage comes free only where no state refers to the data any more.
    """
    from nuvtui.services.snapshots.service import deletion

    filtered = kind is not None or age is not None
    if bool(snapshot) == filtered:
        raise click.UsageError("Give snapshots, or --kind and --older-than.")
    if any(key.lower() in CURRENT for key in snapshot):
        raise click.UsageError("The Current State is not a snapshot.")
    found = scope.services.snapshots
    if filtered:
        records = found.disposable(scope.instance.id, kind or "", age)
    else:
        records = list({r.id: r for r in (found.find(scope.instance.id, key) for key in snapshot)}.values())
    ids = [r.id for r in records]
    freed = found.freed_by(ids) if ids else 0
    names = ", ".join(f"{short(r.id)}{f' ({r.name})' if r.name else ''}" for r in records)
    coming = f"{size(freed)} come free at the next `nuvtui store gc`."
    if form == "tabulated" and (dry_run or filtered):
        for r in records:
            say(f"{short(r.id)}  {moment(r.created)}  {r.name or r.sentence or r.kind}")
        names = counted(len(records), "snapshot") if filtered else names
    if plan and not dry_run and not records:
        found.delete(ids, plan)
    if dry_run or not records:
        digest = deletion(records)
        emit({"deleted": [], "would_delete": ids, "freed_bytes": freed, "plan": digest}, form)
        if form == "tabulated":
            say(f"Would delete {names}; {coming}" if records else "There is nothing to delete.")
            if records:
                print(f"plan: {digest}")
        return
    confirm(yes, f"Deletes for ever: {names}. {coming}")
    found.delete(ids, plan)
    emit({"deleted": ids, "freed_bytes": freed}, form)
    if form == "tabulated":
        say(f"Deleted {names}; {coming}")
