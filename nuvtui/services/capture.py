"""Taking a snapshot: the one path from a Current State to a manifest, for every kind of snapshot.

Order of commitment: objects (durable) → manifest (the commit point) → state. The caller holds the instance's lock.
"""

import os
from collections.abc import Mapping

from nuvtui import atomic, clock, config
from nuvtui.model.application import Package
from nuvtui.model.snapshot import (
    ApplicationPart,
    Changes,
    FilesPart,
    Kind,
    Ref,
    Snapshot,
    TablePart,
    Warning,
    summarise,
)
from nuvtui.model.space import Instance
from nuvtui.model.tree import FOLDER
from nuvtui.paths import Workspace
from nuvtui.reporter import Reporter
from nuvtui.services import applications, provenance
from nuvtui.services.context import Context
from nuvtui.services.states import stat_cache, table_memory
from nuvtui.store import scan, trees
from nuvtui.store.writer import Writer


def take(
    context: Context,
    instance: Instance,
    kind: Kind,
    reporter: Reporter,
    *,
    name: str = "",
    description: str = "",
    next_phase: str = "",
    cause: str = "",
    reread: bool = False,
) -> Snapshot:
    """Record the Current State of `instance` as a snapshot and return its manifest.

    `reread`: read every file, whatever its times say; else where the setting `reread_every` says that it is time.

    Raises NuvError where the workspace or its database cannot be read, StoreError where the store fails; then
    nothing is listed.
    """
    view = context.view()
    workspace = context.workspace(instance)
    space = context.space(view, instance.space)
    newest = view.newest(instance.id)
    parent = context.store.read_manifest(newest) if newest else None
    created = clock.now()
    with context.store.writer() as writer:
        reporter.step("files", "Reading workspace files")
        files = scan.scan(
            workspace.root,
            writer,
            stat_cache(context, instance.id),
            reporter,
            reread=0 if reread else config.reread_seconds(context.settings),
        )
        reporter.step("tables", "Capturing tables")
        captured, table_warnings = _tables(context, instance, workspace, parent, writer, reporter)
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
            cause=cause,
            parent=parent.id if parent else None,
            provenance=provenance.collect(workspace, context.user),
            files=part,
            tables=captured,
            applications=apps,
            warnings=warnings,
            changes=count_changes(context, parent, part, captured, apps),
            stored_bytes=stored,
        )
        # Inside the writer's protection: gc may not run between the objects and the manifest that needs them.
        context.store.write_manifest(snapshot)
    with context.state.transaction() as tx:
        tx.snapshots.put(summarise(snapshot))
    return snapshot


def _tables(
    context: Context,
    instance: Instance,
    workspace: Workspace,
    parent: Snapshot | None,
    writer: Writer,
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
        for _path, before, after in trees.diff(store.tree, old, store.tree, new):
            before_file = before is not None and before.kind != FOLDER
            after_file = after is not None and after.kind != FOLDER
            added += after_file and not before_file
            removed += before_file and not after_file
            changed += before_file and after_file
    return Changes(
        (added, changed, removed),
        _count(
            {t.name: t.fingerprint for t in parent.tables} if parent else {},
            {t.name: t.fingerprint for t in tables},
        ),
        _count(
            {a.slug: _application_token(a) for a in parent.applications} if parent else {},
            {a.slug: _application_token(a) for a in apps},
        ),
    )


def _application_token(part: ApplicationPart) -> tuple[str, tuple[Package, ...]]:
    return part.text, tuple(part.lock.packages) if part.lock else ()


def _count(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[int, int, int]:
    both = old.keys() & new.keys()
    return len(new.keys() - old.keys()), sum(old[k] != new[k] for k in both), len(old.keys() - new.keys())
