"""`store`."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nuvtui import sanitise
from nuvtui.cli.common import detachable, formatted, run_task, services
from nuvtui.cli.output import counted, emit, pairs, say, size
from nuvtui.errors import Exit
from nuvtui.model.names import short
from nuvtui.model.operations import Check, Prune, Repair

if TYPE_CHECKING:
    from nuvtui.remote.blobs import Blobs

SHOWN = 20
"""So many snapshots `store info` lists, those that need most alone."""


@click.group()
def store() -> None:
    """The snapshot store: check, free, repair."""


@store.command("init")
@click.option("--shared", is_flag=True, help="For a group of users: the home folder's group may use it.")
@formatted
@click.pass_context
def init(ctx: click.Context, shared: bool, form: str) -> None:
    """Make the store home now; needed only for one that several users share."""
    opened = services(ctx)
    is_shared = opened.maintenance.init(shared)
    emit({"home": str(opened.home.root), "shared": is_shared}, form)
    if form == "tabulated":
        who = "its group" if is_shared else "you alone"
        say(f"The store in {opened.home.root} is for {who}.")


@store.command("info")
@formatted
@click.pass_context
def info(ctx: click.Context, form: str) -> None:
    """How much the store holds."""
    found = services(ctx).maintenance.info()
    emit(found, form)
    if form == "tabulated":
        pairs(
            [
                ("Home", str(services(ctx).home.root)),
                ("Snapshots", f"{found.snapshots:,}"),
                ("Objects", f"{found.objects:,} in {found.packs:,} packs"),
                ("Stored", size(found.stored_bytes)),
                ("Logical", f"{size(found.logical_bytes)}: all snapshots as plain copies"),
                ("Unfinished", f"{size(found.tmp_bytes)}: work under way, or left by what was killed"),
                ("Cache", size(found.cache_bytes)),
                ("Deduplicated", f"{size(found.deduplicated_bytes)} saved by equal content and compression"),
            ]
        )
        for snapshot in found.damaged:
            print(f"Snapshot {short(snapshot)} cannot be read: nuvtui store check")
        unique = sorted(found.unique_bytes.items(), key=lambda item: -item[1])
        for snapshot, bytes_ in unique[:SHOWN]:
            print(f"Snapshot {short(snapshot)} alone needs {size(bytes_)}")
        if len(unique) > SHOWN:
            print(f"and {len(unique) - SHOWN:,} snapshots less each: nuvtui store info -f json")


@store.command("check")
@click.option("--read-data", is_flag=True, help="Read and verify every byte.")
@detachable
@formatted
@click.pass_context
def check(ctx: click.Context, read_data: bool, wait: bool, form: str) -> None:
    """Check the store and name affected snapshots and paths."""
    result = run_task(services(ctx), Check(read_data), "Check the store", wait=wait)
    if result is None:
        return
    emit(result, form)
    problems = result.problems
    if form == "tabulated":
        for problem in problems:
            print(sanitise.line(f"{problem.what}: {problem.detail}"))
            for snapshot in problem.snapshots:
                print(sanitise.line(f"  affects snapshot {snapshot}"))
            for path in problem.paths:
                print(sanitise.line(f"  affects {path}"))
        say(f"{counted(len(problems), 'problem')}." if problems else "The store is in order.")
    if problems:
        raise click.exceptions.Exit(Exit.FAILED)


@store.command("gc")
@click.option("--dry-run", is_flag=True, help="Say what would come free; change nothing.")
@click.option(
    "--grace",
    type=float,
    default=None,
    metavar="SECONDS",
    help="Leave alone what is younger (default: a day).",
)
@detachable
@formatted
@click.pass_context
def gc(ctx: click.Context, dry_run: bool, grace: float | None, wait: bool, form: str) -> None:
    """Free what no snapshot refers to."""
    result = run_task(services(ctx), Prune(dry_run, grace), "Free storage", wait=wait)
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            say(f"{size(result.freed_bytes)} {'would come' if dry_run else 'came'} free.")


@store.command("repair")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@detachable
@formatted
@click.pass_context
def repair(ctx: click.Context, dry_run: bool, wait: bool, form: str) -> None:
    """Rebuild the index from the packs and the state from the manifests. Nothing is deleted."""
    result = run_task(services(ctx), Repair(dry_run), "Repair the store", wait=wait)
    if result is not None:
        emit(result, form)
        if form == "tabulated":
            found, state = result.store, result.state
            would = "would be " if dry_run else ""
            say(
                f"Index {would}made again from {counted(found.packs, 'sound pack')} "
                f"with {counted(found.objects, 'object')}."
            )
            for pack in found.damaged_packs:
                print(f"pack {pack[:16]}: {would}moved to the quarantine")
            for snapshot in found.damaged_snapshots:
                print(f"snapshot {snapshot}: its manifest {would}moved to the quarantine")
            if found.damaged_packs:
                say(
                    f"{counted(found.rescued_objects, 'sound object')} {would}rescued from damaged packs, "
                    f"{counted(found.lost_objects, 'object')} lost: `nuvtui store check` says what needs them."
                )
            say(
                f"{counted(len(state.snapshots_added), 'snapshot')} {would}listed again, "
                f"{len(state.snapshots_dropped)} without a manifest {would}taken off the list; "
                f"spaces {would}made: {len(state.spaces)}, instances {would}made: {len(state.instances)}."
            )


@store.command("serve")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--create", is_flag=True, help="Make the folder where it is not there.")
@click.pass_context
def serve(ctx: click.Context, path: Path | None, create: bool) -> None:
    """Serve a remote over standard input and output: what `ssh` runs for an ssh:// remote.

    PATH is the folder of a remote, or a store home (default: this account's): then what is pushed appears in the
    timelines there, as far as the roles of this account allow.
    """
    from nuvtui.remote.folder import FolderBlobs
    from nuvtui.remote.frames import CutError
    from nuvtui.remote.serve import no_home
    from nuvtui.remote.serve import serve as answer_requests

    home = services(ctx, path and path.expanduser().absolute())
    blobs: Blobs
    called: Callable[[bytes], bytes]
    root = home.home.root
    if path is None or (
        home.context.exists and not (root / "config").exists()
    ):  # both have a folder `snapshots`
        home.context.require_store()
        blobs, called = home.served, home.receiver
    else:
        blobs, called = FolderBlobs(root, create=create), no_home
    # The client has gone where it broke off: nothing half was written.
    with contextlib.closing(blobs), contextlib.suppress(CutError, BrokenPipeError):
        answer_requests(blobs, sys.stdin.buffer, sys.stdout.buffer, called)
