"""`exports`."""

import shlex
import sys
import time
from pathlib import Path

import click

from nuvtui import clock, sanitise
from nuvtui.cli.common import Scope, asks, confirm, detachable, formatted, from_snapshot, run_task, scoped
from nuvtui.cli.output import emit, moment, pairs, say, size
from nuvtui.errors import Exit, NuvError
from nuvtui.model.export import Accepted, ExportRecord, ExportSpec, Verification
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.operations import Archive, Export, Load, Operation, Push, Verify
from nuvtui.model.stage import StateRef


@click.group()
def exports() -> None:
    """Turn applications into portable Docker images."""


@exports.command("create")
@click.argument("app")
@from_snapshot
@click.option("-n", "--name", default="", help="Last part of the image's name (default: the application).")
@click.option("--with-files", is_flag=True, help="With the workspace files (default: the application only).")
@click.option(
    "--engine", type=click.Choice(["auto", "docker", "oci"]), default=None, help="Default: from the settings."
)
@click.option("--registry", default="", metavar="HOST/PATH", help="Registry (default: from the settings).")
@click.option("--push", is_flag=True, help="Push the image to the registry.")
@click.option("--public-ok", is_flag=True, help="Yes, the image may be public.")
@click.option("--without-license", is_flag=True, help="Export a licensed application without its licence.")
@click.option(
    "--tables", default="", metavar="NAME,…|all", help="Tables that go along as files, under tables/."
)
@click.option("--tables-format", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option(
    "--accept",
    multiple=True,
    metavar="FINDING=REASON",
    help="Let a finding of the content guard (its key, or the file) pass; the reason goes into the report.",
)
@click.option("--verify", is_flag=True, help="Run the image once it is built: no network, an unknown user.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write an archive as well.")
@click.option("--dry-run", is_flag=True, help="Show what would be in the image; build nothing.")
@detachable
@formatted
@scoped
def create(
    scope: Scope,
    app: str,
    snapshot_key: str | None,
    name: str,
    with_files: bool,
    engine: str | None,
    registry: str,
    push: bool,
    public_ok: bool,
    without_license: bool,
    tables: str,
    tables_format: str,
    accept: tuple[str, ...],
    verify: bool,
    output: Path | None,
    dry_run: bool,
    wait: bool,
    form: str,
) -> None:
    """Export the application APP, from the Current State or (-p) a snapshot."""
    state = scope.state(snapshot_key)
    spec = ExportSpec(
        application=app,
        instance=scope.instance.id,
        snapshot=state.snapshot,
        name=name,
        with_files=with_files,
        engine=engine or scope.services.settings.engine,  # type: ignore[arg-type]
        registry=registry,
        push=push,
        public_ok=public_ok,
        without_license=without_license,
        output=path_to_text(str(output.absolute())) if output else "",
        verify=verify,
        tables=_tables(scope, state, tables),
        tables_format=tables_format,  # type: ignore[arg-type]
        accepted=[_accepted(text) for text in accept],
    )
    if dry_run:
        _show_plan(scope, spec, form)
        return
    export = clock.new_id()
    result = run_task(
        scope.services,
        Export(spec, export),
        f"Export {app}",
        space=scope.space.id,
        instance=scope.instance.id,
        subject=export,
        wait=wait,
        log=form == "tabulated" and sys.stderr.isatty(),
    )
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            _show(result)


def _run(
    scope: Scope, record: ExportRecord, operation: Operation[ExportRecord], title: str, wait: bool
) -> ExportRecord | None:
    """Run a task on an export. Returns its record then; None where it is not waited for."""
    return run_task(
        scope.services,
        operation,
        title,
        space=scope.space.id,
        instance=record.instance,
        subject=record.id,
        wait=wait,
    )


def _tables(scope: Scope, state: StateRef, names: str) -> list[str]:
    if names == "all":
        return [table.name for table in scope.services.tables.list(state)]
    return [name for name in names.split(",") if name]


def _accepted(text: str) -> Accepted:
    finding, equals, reason = text.partition("=")
    if not equals or not reason.strip():
        raise NuvError(
            f"--accept {text}",
            "expected FINDING=REASON: what is let pass, and why",
            "For example --accept notes.txt='a made-up token for the manual'. `--dry-run` lists the findings.",
            Exit.USAGE,
        )
    return Accepted(finding.strip(), reason.strip())


def _show_plan(scope: Scope, spec: ExportSpec, form: str) -> None:
    plan = scope.services.exports.plan(spec)
    emit(plan, form)
    if form == "tabulated":
        pairs(
            [("Image", plan.image), ("Engine", plan.engine), ("Files", f"{plan.files:,}, {size(plan.bytes)}")]
        )
        for finding in plan.findings:
            level = "stops a push" if finding.level == "push" else finding.level
            print(sanitise.line(f"{level}: {finding.subject}: {finding.text}"))
            if finding.key:
                print(sanitise.line(f"  accept it: --accept {shlex.quote(finding.key)}=REASON"))
            if finding.hint:
                print(sanitise.line(f"  {finding.hint}"))
        for excluded in plan.excluded:
            print(sanitise.line(f"left out: {text_to_path(excluded.what)}: {excluded.reason}"))
        print(sanitise.line(f"layers: {', '.join(plan.layers)}"))
        for path, count in plan.members[:20]:
            print(sanitise.line(f"in: /{text_to_path(path)}  {size(count)}"))
        if len(plan.members) > 20:
            print(f"in: {len(plan.members) - 20:,} more, smaller ones (-f json lists all)")
        if plan.dockerfile:
            print("\n" + sanitise.block(plan.dockerfile))
    if any(f.level == "stop" for f in plan.findings):
        raise click.exceptions.Exit(Exit.REFUSED)


def _show(record: ExportRecord) -> None:
    pairs(
        [
            row
            for row in (
                ("Export", record.id),
                ("Application", record.application),
                ("Status", record.status + (f" at {record.failed_stage}" if record.failed_stage else "")),
                ("Error", record.error),
                ("Snapshot", record.snapshot or ""),
                ("Image", record.image),
                ("Id", record.image_id),
                ("Digest", record.digest),
                ("Size", size(record.size) if record.size else ""),
                ("With files", "yes" if record.with_files else "no"),
                ("Base", record.base_digest),
                ("Tables", ", ".join(record.tables)),
                ("Archive", text_to_path(record.archive) if record.archive else ""),
                ("Created", moment(record.created)),
                ("First", loading(record) if record.needs_loading else ""),
                ("Run it", record.run_command),
            )
            if row[1]
        ]
    )
    for excluded in record.excluded:
        print(sanitise.line(f"left out: {text_to_path(excluded.what)}: {excluded.reason}"))
    for warning in record.warnings:
        print(sanitise.line(f"warning: {warning}"))
    for finding in record.findings:
        print(sanitise.line(f"stops a push: {finding.subject}: {finding.text}"))
    if record.verification is not None:
        _show_verification(record.verification)


def _show_verification(verification: Verification) -> None:
    for check in verification.checks:
        print(sanitise.line(f"{check.status}: {check.name}: {check.text}"))


@exports.command("list")
@click.option("--all", "all_states", is_flag=True, help="With failed, cancelled and deleted ones.")
@formatted
@scoped
def list_(scope: Scope, all_states: bool, form: str) -> None:
    """List exports, newest first."""
    found = scope.services.exports.list(scope.space.id, all_states=all_states)
    rows = [
        (
            e.id[:8],
            e.application,
            e.status,
            moment(e.created),
            e.author,
            "yes" if e.with_files else "no",
            size(e.size) if e.size else "",
            "pushed" if e.pushed else "",
            e.image,
        )
        for e in found
    ]
    emit(
        found, form, rows, ("id", "application", "status", "created", "author", "files", "size#", "", "image")
    )


@exports.command("show")
@click.argument("export")
@formatted
@scoped
def show(scope: Scope, export: str, form: str) -> None:
    """Show an export: image, digest, what was left out and why."""
    record = scope.services.exports.find(scope.space.id, export)
    emit(record, form)
    if form == "tabulated":
        _show(record)


@exports.command("report")
@click.argument("export")
@scoped
def report(scope: Scope, export: str) -> None:
    """Print the report of an export (Markdown)."""
    record = scope.services.exports.find(scope.space.id, export)
    print(sanitise.block(scope.services.exports.report(record.id)))


@exports.command("logs")
@click.argument("export")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the export ends.")
@scoped
def logs(scope: Scope, export: str, following: bool) -> None:
    """Print the build log of an export."""
    from nuvtui.worker.events import read_log
    from nuvtui.worker.lifecycle import view

    record = scope.services.exports.find(scope.space.id, export, "running")
    if not record.task:
        raise NuvError(f"Export {record.id[:8]} has no log", "it did not run as a task", "", Exit.NOT_FOUND)
    folder = scope.services.home.task(record.task)
    terminal = sys.stdout.isatty()
    offset = 0
    rest = b""
    while True:
        ended = view(scope.services.home, record.task).status.ended
        while data := read_log(folder, offset, 1 << 16):
            offset += len(data)
            if terminal:
                # A line without end is shown in pieces: what is held back stays small.
                whole, cut, rest = (
                    (rest + data).rpartition(b"\n") if len(rest) < 1 << 20 else (rest, b"\n", data)
                )
                for line in (whole + cut).decode("utf-8", "replace").splitlines():
                    print(sanitise.log_line(line))
            else:
                sys.stdout.buffer.write(data)
        sys.stdout.flush()
        if ended or not following:
            break
        time.sleep(0.2)
    if rest:
        print(sanitise.log_line(rest.decode("utf-8", "replace")))


@exports.command("cancel")
@click.argument("export")
@scoped
def cancel(scope: Scope, export: str) -> None:
    """Cancel a running export."""
    from nuvtui.worker import lifecycle

    record = scope.services.exports.find(scope.space.id, export, "running")
    if record.status != "running" or not record.task:
        raise NuvError(f"Export {record.id[:8]} is not running", f"it is {record.status}", "", Exit.CONFLICT)
    lifecycle.cancel(scope.services.home, record.task)
    say(f"Export {record.id[:8]}: {scope.services.exports.find(scope.space.id, record.id).status}.")


@exports.command("run-command")
@click.argument("export")
@scoped
def run_command(scope: Scope, export: str) -> None:
    """Print the `docker run` command for the image, and what has to come before it."""
    record = scope.services.exports.find(scope.space.id, export)
    if not record.run_command or record.status != "completed":
        raise NuvError(f"Export {record.id[:8]} has no image", f"it is {record.status}", "", Exit.REFUSED)
    if record.needs_loading:
        say(f"It works once the image was loaded: {loading(record)}.")
    print(sanitise.line(record.run_command))


def loading(record: ExportRecord) -> str:
    """How the image of an export comes from nuvtui's own store to an engine."""
    if record.archive:
        return sanitise.line(record.load_command)
    return f"nuvtui exports archive {record.id[:8]} FILE, then {record.load_command}"


@exports.command("verify")
@click.argument("export")
@click.option("--rebuild", is_flag=True, help="Also build it again from its snapshot, and compare.")
@detachable
@formatted
@scoped
def verify(scope: Scope, export: str, rebuild: bool, wait: bool, form: str) -> None:
    """Run the image as strangers will: no network, read-only, an unknown user; compare packages with the lock."""
    record = scope.services.exports.find(scope.space.id, export)
    result = _run(scope, record, Verify(record.id, rebuild), f"Verify {record.name}", wait)
    if result is None:
        return
    emit(result, form)
    verification = result.verification
    assert verification is not None
    if form == "tabulated":
        _show_verification(verification)
    if not verification.passed:
        raise click.exceptions.Exit(Exit.FAILED)


@exports.command("load")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@detachable
@formatted
@scoped
def load(scope: Scope, file: Path, wait: bool, form: str) -> None:
    """Read an archive back, into the engine that answers, else into the store."""
    result = run_task(
        scope.services,
        Load(scope.space.id, path_to_text(str(file.absolute()))),
        f"Load {file.name}",
        space=scope.space.id,
        instance=scope.instance.id,
        wait=wait,
    )
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            for name in result.images:
                print(sanitise.line(name))


@exports.command("exclude")
@click.argument("app")
@click.argument("path")
@scoped
def exclude(scope: Scope, app: str, path: str) -> None:
    """Leave PATH out of exports of the application APP: it is added to `exclude` in the application's file."""
    scope.services.exports.exclude(scope.instance.id, app, path)
    say(f"{path} is left out of exports of {app} from the next snapshot on.")


@exports.command("archive")
@click.argument("export")
@click.argument("file", type=click.Path(path_type=Path))
@detachable
@formatted
@scoped
def archive(scope: Scope, export: str, file: Path, wait: bool, form: str) -> None:
    """Write the image to FILE, as `docker load` reads it."""
    record = scope.services.exports.find(scope.space.id, export)
    operation = Archive(record.id, path_to_text(str(file.absolute())))
    result = _run(scope, record, operation, f"Archive {record.name}", wait)
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            say(f"The archive is in {text_to_path(result.archive or '')}. Load it with: docker load -i FILE")


@exports.command("push")
@click.argument("export")
@click.option("--public-ok", is_flag=True, help="Yes, the image may be public.")
@detachable
@formatted
@scoped
def push(scope: Scope, export: str, public_ok: bool, wait: bool, form: str) -> None:
    """Push the image to its registry."""
    record = scope.services.exports.find(scope.space.id, export)
    result = _run(scope, record, Push(record.id, public_ok), f"Push {record.image}", wait)
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            say(f"Pushed: {result.image}@{result.digest}")


@exports.command("delete")
@click.argument("export")
@asks
@formatted
@scoped
def delete(scope: Scope, export: str, yes: bool, form: str) -> None:
    """Delete the image and, where the registry allows, its tag."""
    record = scope.services.exports.find(scope.space.id, export)
    confirm(
        yes, f"Deletes the image {record.image}{' and its tag in the registry' if record.pushed else ''}."
    )
    record, problems = scope.services.exports.delete(record.id)
    emit({"export": record, "not_deleted": problems}, form)
    for problem in problems:
        say(f"warning: {problem}")
    if form == "tabulated":
        say(f"Export {record.id[:8]} is deleted.")
