"""Taking a snapshot: the one path from a Current State to a manifest, for every kind of snapshot.

Order of commitment: objects (durable) → manifest (the commit point) → state. The caller holds the instance's lock.
"""

import operator
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from nuvtui import atomic, clock, config
from nuvtui.errors import StoreError
from nuvtui.model.application import Package
from nuvtui.model.cause import Cause
from nuvtui.model.names import short
from nuvtui.model.snapshot import (
    ApplicationPart,
    Changes,
    FilesPart,
    Kind,
    Ref,
    Snapshot,
    TablePart,
    Warning,
    same_table,
    summarise,
)
from nuvtui.model.space import Instance
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.paths import DOT, Workspace
from nuvtui.reporter import Reporter
from nuvtui.services.applications import applications
from nuvtui.services.context import Context
from nuvtui.services.snapshots import provenance
from nuvtui.services.states.service import stat_cache, table_memory
from nuvtui.store import scanner, staging, trees
from nuvtui.store.statcache import StatCache
from nuvtui.store.writer import ObjectWriter, writing
from nuvtui.tables.connection import DamagedDatabaseError

_T = TypeVar("_T")


class Taken(NamedTuple):
    """A snapshot that was just taken."""

    snapshot: Snapshot
    seen: StatCache | None
    """What its scan saw of the files; None where that is not known."""


def take(
    context: Context,
    instance: Instance,
    kind: Kind,
    reporter: Reporter,
    *,
    name: str = "",
    description: str = "",
    next_phase: str = "",
    cause: Cause | None = None,
    sentence: str = "",
    over_damage: bool = False,
    reread: bool = False,
) -> Taken:
    """Record the Current State of `instance` as a snapshot.

    `sentence`: why an automatic snapshot was taken, where it has no `cause`.
    `over_damage`: a database that cannot be read is named in the warnings and left out, instead of stopping it.
    `reread`: read every file, whatever its times say; else where the setting `reread_every` says that it is time.
    Raises NuvError where the workspace or its database cannot be read, StoreError where the store fails; then
    nothing is listed.
    """
    view = context.view()
    workspace = context.workspace(instance)
    context.mark(instance, workspace)
    space = context.space(view, instance.space)
    parent = context.newest_sound(view, instance.id, reporter)
    created = clock.now()
    for kept in staging.recover(workspace.root, context.store.tree):
        reporter.warning(
            f"A change of this workspace was stopped half-way: {kept.path}, which is in no snapshot, "
            f"is kept as {kept.kept_as}"
        )
    with writing(context.store) as writer:
        reporter.step("files", "Reading workspace files")
        files = scanner.scan(
            workspace.root,
            writer,
            stat_cache(context, instance.id),
            reporter,
            reread=0 if reread else config.reread_seconds(context.settings),
        )
        reporter.step("tables", "Capturing tables")
        unread: DamagedDatabaseError | None = None
        try:
            captured, table_warnings = _tables(context, instance, workspace, parent, writer, reporter)
        except DamagedDatabaseError as error:
            if not over_damage:
                raise
            unread, captured = error, []
            table_warnings = [Warning(f"{DOT}/{workspace.tables.name}", f"its tables are not kept: {error}")]
        reporter.step("applications", "Capturing applications")
        atomic.remove_abandoned(workspace.applications)
        apps, app_warnings = applications.capture(workspace)
        reporter.check()
        reporter.step("commit", "Writing the snapshot")
        writer.commit()
        stored = writer.stored_bytes
        warnings: list[Warning] = [*files.warnings, *table_warnings, *app_warnings]
        part = FilesPart(files.root.hex(), files.count, files.bytes)
        snapshot = Snapshot(
            id=clock.new_id(),
            space=Ref(space.id, space.name),
            instance=Ref(instance.id, instance.name),
            name=name,
            kind=kind,
            created=created,
            author=context.user,
            description=description,
            next_phase=next_phase,
            parent=parent.id if parent else None,
            provenance=provenance.collect(workspace, context.user),
            cause=cause,
            sentence=sentence,
            files=part,
            tables=captured,
            applications=apps,
            warnings=warnings,
            changes=_changes(context, parent, part, captured, apps, reporter),
            stored_bytes=stored,
            tables_unread=unread is not None,
            number=view.next_number(instance.id),
        )
        # Inside the writer's protection: gc may not run between the objects and the manifest that needs them.
        context.store.write_manifest(snapshot)
    with context.state.transaction() as tx:
        tx.snapshots.put(summarise(snapshot))
    return Taken(snapshot, files.seen())


def _tables(
    context: Context,
    instance: Instance,
    workspace: Workspace,
    parent: Snapshot | None,
    writer: ObjectWriter,
    reporter: Reporter,
) -> tuple[list[TablePart], list[Warning]]:
    if not os.path.lexists(workspace.tables):
        return [], []
    from nuvtui.tables import capture  # here: many workspaces have no tables
    from nuvtui.tables.database import Tables

    return capture.capture(
        Tables(workspace),
        parent.tables if parent else [],
        writer,
        context.home.tmp,
        reporter,
        table_memory(context, instance.id),
    )


class _ParentError(Exception):
    """The files of a snapshot that is only compared with cannot be read."""


def _changes(
    context: Context,
    parent: Snapshot | None,
    files: FilesPart,
    tables: list[TablePart],
    apps: list[ApplicationPart],
    reporter: Reporter,
) -> Changes:
    """As `count_changes`; damage to the parent is no reason to have no snapshot at all.

    Raises StoreError where the new snapshot itself could not be read.
    """
    try:
        return count_changes(context, parent, files, tables, apps)
    except _ParentError as error:
        assert parent is not None
        reporter.warning(
            f"What changed since snapshot {short(parent.id)} is not known ({error}). `nuvtui store check` says more"
        )
        return count_changes(context, None, files, tables, apps)


def count_changes(
    context: Context,
    parent: Snapshot | None,
    files: FilesPart,
    tables: list[TablePart],
    apps: list[ApplicationPart],
) -> Changes:
    """How many objects differ from the parent (None: everything is new)."""
    store = context.store
    added = changed = removed = 0
    if parent is None:
        added = files.count
    elif parent.files.root != files.root:
        old, new = bytes.fromhex(parent.files.root), bytes.fromhex(files.root)
        for _path, before, after in trees.diff(_of_parent(store.tree), old, store.tree, new):
            before_file = before is not None and before.kind != FOLDER
            after_file = after is not None and after.kind != FOLDER
            added += after_file and not before_file
            removed += before_file and not after_file
            changed += before_file and after_file
    return Changes(
        (added, changed, removed),
        _count(
            {t.name: t for t in parent.tables} if parent else {},
            {t.name: t for t in tables},
            lambda old, new: not same_table(old, new),
        ),
        _count(
            {a.slug: _application_token(a) for a in parent.applications} if parent else {},
            {a.slug: _application_token(a) for a in apps},
        ),
    )


def _of_parent(tree: trees.Tree) -> trees.Tree:
    def read(identifier: bytes) -> list[Entry]:
        try:
            return tree(identifier)
        except StoreError as error:
            raise _ParentError(str(error)) from error

    return read


def _application_token(part: ApplicationPart) -> tuple[str, tuple[Package, ...]]:
    return part.text, tuple(part.lock.packages) if part.lock else ()


def _count(
    old: Mapping[str, _T], new: Mapping[str, _T], differ: Callable[[_T, _T], bool] = operator.ne
) -> tuple[int, int, int]:
    both = old.keys() & new.keys()
    changed = sum(differ(old[k], new[k]) for k in both)
    return len(new.keys() - old.keys()), changed, len(old.keys() - new.keys())
