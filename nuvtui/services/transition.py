"""Changing a Current State, all or nothing: what restore, distribution and recall have in common.

A `Transition` lists what is put and what is removed. `run` takes an automatic snapshot of the target first, applies,
and where anything fails goes back to that snapshot. Killed half-way, the automatic snapshot is what leads back; the
caller has recorded its id by then (`announce`).
"""

import os
from collections.abc import Callable

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import ApplicationPart, Snapshot, TablePart
from nuvtui.model.space import Instance
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.reporter import Reporter, Silent
from nuvtui.services import applications, capture
from nuvtui.services.context import Context
from nuvtui.services.states import describe, stat_cache
from nuvtui.store import apply, trees
from nuvtui.tables import capture as table_capture
from nuvtui.tables.database import Tables


class Transition(msgspec.Struct):
    """What is put into a Current State and what is removed from it."""

    files: list[tuple[str, Entry]] = []
    """Paths (str with surrogateescape) with the entry to put there; parents before children."""
    files_removed: list[str] = []
    tables: list[TablePart] = []
    tables_removed: list[str] = []
    applications: list[ApplicationPart] = []
    applications_removed: list[str] = []

    @property
    def empty(self) -> bool:
        """True where nothing would change."""
        return not any(getattr(self, field) for field in self.__struct_fields__)


def between(context: Context, old: Snapshot, new: Snapshot) -> Transition:
    """The transition that turns the state recorded as `old` into the one recorded as `new`."""
    tree = context.store.tree
    puts, removals = [], []
    for path, before, after in trees.diff(
        tree, bytes.fromhex(old.files.root), tree, bytes.fromhex(new.files.root)
    ):
        if after is None:
            removals.append(path)
        elif before is None or after.kind != FOLDER or (before.kind, before.mode) != (FOLDER, after.mode):
            puts.append((path, after))
    old_tables = {t.name: t.fingerprint for t in old.tables}
    new_tables = {t.name for t in new.tables}
    old_apps = {a.slug: a.text for a in old.applications}
    new_apps = {a.slug for a in new.applications}
    return Transition(
        puts,
        removals,
        [t for t in new.tables if old_tables.get(t.name) != t.fingerprint],
        sorted(old_tables.keys() - new_tables),
        [a for a in new.applications if old_apps.get(a.slug) != a.text],
        sorted(old_apps.keys() - new_apps),
    )


def run(
    context: Context,
    instance: Instance,
    cause: str,
    make: Callable[[Snapshot], Transition],
    reporter: Reporter,
    announce: Callable[[Snapshot], None] = lambda _backup: None,
) -> tuple[Snapshot, Transition]:
    """Bring `instance` into the state that `make(automatic snapshot)` asks for. The caller holds its lock.

    Returns the automatic snapshot and what was done. Raises NuvError where it could not be done; its message says
    whether the target is as it was or has to be brought back by restoring the automatic snapshot.
    """
    backup = capture.take(context, instance, "automatic", reporter, cause=cause)
    transition = make(backup)
    _refuse_unrecorded(context, instance, backup, transition)
    reporter.check()
    announce(backup)
    try:
        _apply(context, instance, transition, reporter)
    except BaseException as error:
        _go_back(context, instance, backup, error)
        raise
    return backup, transition


def _apply(context: Context, instance: Instance, transition: Transition, reporter: Reporter) -> None:
    workspace = context.workspace(instance)
    if transition.files or transition.files_removed:
        reporter.step("apply-files", f"Writing files of {instance.name}")
        apply.apply(
            context.store,
            workspace.root,
            transition.files,
            transition.files_removed,
            reporter,
            stat_cache(context, instance.id),
        )
    if transition.tables or transition.tables_removed:
        reporter.step("apply-tables", f"Writing tables of {instance.name}")
        table_capture.replace(
            Tables(workspace),
            transition.tables,
            transition.tables_removed,
            context.store,
            context.home.tmp,
            reporter,
        )
    if transition.applications or transition.applications_removed:
        reporter.step("apply-applications", f"Writing applications of {instance.name}")
        applications.apply(workspace, transition.applications, transition.applications_removed)


def _go_back(context: Context, instance: Instance, backup: Snapshot, error: BaseException) -> None:
    """Return to `backup` after a failure. Raises NuvError that names the automatic snapshot where that fails too."""
    try:
        # Compare what is there now with the backup and undo the difference; no snapshot of the broken middle is kept.
        with context.store.writer() as writer:
            from nuvtui.store import scan

            now = scan.scan(
                context.workspace(instance).root, writer, stat_cache(context, instance.id), Silent()
            )
            writer.commit()
        tree = context.store.tree
        puts, removals = [], []
        for path, before, after in trees.diff(now.tree, now.root, tree, bytes.fromhex(backup.files.root)):
            if after is None:
                removals.append(path)
            elif before is None or after.kind != FOLDER or (before.kind, before.mode) != (FOLDER, after.mode):
                puts.append((path, after))
        workspace = context.workspace(instance)
        tables = Tables(workspace)
        present = {t.name for t in tables.list()} if tables.exists() else set()
        wanted = {a.slug for a in backup.applications}
        slugs = {slug for slug, _text, _application in applications.load_all(workspace)}
        undo = Transition(
            puts,
            removals,
            backup.tables if _tables_differ(context, instance, backup) else [],
            sorted(present - {t.name for t in backup.tables}),
            backup.applications,
            sorted(slugs - wanted),
        )
        _apply(context, instance, undo, Silent())
    except Exception as second:
        raise NuvError(
            f"{instance.name} is neither as it was nor as it should be",
            f"{error}; going back failed as well: {second}",
            f"Everything it held is in the automatic {describe(backup)}: `nuvtui snapshots restore {backup.id[:8]}`.",
        ) from error


def _tables_differ(context: Context, instance: Instance, backup: Snapshot) -> bool:
    """True where the live tables are not those of `backup`."""
    live = table_capture.describe(Tables(context.workspace(instance)), backup.tables)
    return {t.name: t.fingerprint for t in live} != {t.name: t.fingerprint for t in backup.tables}


def _refuse_unrecorded(
    context: Context, instance: Instance, backup: Snapshot, transition: Transition
) -> None:
    """Refuse to write over what the automatic snapshot does not hold: ignored, unreadable, or new since.

    Raises NuvError (5) before anything is touched.
    """
    root = os.fsencode(context.workspace(instance).root)
    recorded = bytes.fromhex(backup.files.root)
    for path, entry in transition.files:
        if not os.path.lexists(os.path.join(root, os.fsencode(path))):
            continue
        if trees.lookup(context.store.tree, recorded, path) is not None or entry.kind == FOLDER:
            continue
        raise NuvError(
            f"{path_to_text(path)} in {instance.name} would be overwritten",
            "the automatic snapshot does not hold it (ignored there, unreadable, or new this moment)",
            "Move it away or take it out of `.nuvtui/ignore`, then try again. Nothing was changed.",
            Exit.CONFLICT,
        )
