"""Changing a Current State, all or nothing: what restore, distribution and recall have in common.

A `Transition` lists what is put and what is removed. `run` takes an automatic snapshot of the target first, applies,
and where anything fails goes back to that snapshot. Killed half-way, the automatic snapshot is what leads back; the
caller has recorded its id by then (`announce`).
"""

import os
import stat
from collections.abc import Callable, Iterator

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.snapshot import ApplicationPart, Snapshot, TablePart
from nuvtui.model.space import Instance
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter, Silent
from nuvtui.services import applications, capture
from nuvtui.services.context import Context
from nuvtui.services.states import describe, stat_cache
from nuvtui.store import apply, scan, trees
from nuvtui.tables import capture as table_capture
from nuvtui.tables.database import Tables

Tree = Callable[[bytes], list[Entry]]


class HalfDoneError(NuvError):
    """A Current State could be brought neither to where it should be nor back; the hint says what leads back."""


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
    """The transition that turns the state recorded as `old` into the one recorded as `new`.

    What `new` names as impossible to hold (unreadable then) is not removed: the snapshot does not know about it.
    """
    unheld = {text_to_path(warning.path) for warning in new.warnings}
    tree = context.store.tree
    puts, removals = trees.changes(tree, bytes.fromhex(old.files.root), tree, bytes.fromhex(new.files.root))
    old_tables = {t.name: t.fingerprint for t in old.tables}
    new_tables = {t.name for t in new.tables}
    old_apps = {a.slug: a.text for a in old.applications}
    new_apps = {a.slug for a in new.applications}
    return Transition(
        puts,
        [path for path in removals if not _touches(path, unheld)],
        [t for t in new.tables if old_tables.get(t.name) != t.fingerprint],
        sorted(old_tables.keys() - new_tables),
        [a for a in new.applications if old_apps.get(a.slug) != a.text],
        sorted(slug for slug in old_apps.keys() - new_apps if f"{DOT}/apps/{slug}.yaml" not in unheld),
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
    for warning in backup.warnings:
        reporter.warning(f"{warning.path} is not in the automatic snapshot: {warning.reason}")
    transition = make(backup)
    _refuse_unrecorded(context, instance, backup, transition)
    reporter.check()
    announce(backup)
    try:
        _apply(context, instance, transition, reporter)
    except BaseException as error:
        _go_back(context, instance, backup, transition, error)
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


def _go_back(
    context: Context, instance: Instance, backup: Snapshot, transition: Transition, error: BaseException
) -> None:
    """Return to `backup` after a failure. Raises HalfDoneError that names the automatic snapshot where that fails too."""
    try:
        # Compare what is there now with the backup and undo the difference, as far as it is this transition's. Nothing
        # is written to the store: it may be full, and no snapshot of the broken middle is kept.
        now = scan.scan(
            context.workspace(instance).root,
            scan.TreeOnlyWriter(context.store),
            stat_cache(context, instance.id),
            Silent(),
        )
        puts, removals = trees.changes(
            now.tree, now.root, context.store.tree, bytes.fromhex(backup.files.root)
        )
        touched = {path for path, _entry in transition.files} | set(transition.files_removed)
        undo = Transition(
            [put for put in puts if _touches(put[0], touched)],
            [path for path in removals if _touches(path, touched)],
            *_tables_back(context, instance, backup, transition),
            *_applications_back(backup, transition),
        )
        _apply(context, instance, undo, Silent())
    except Exception as second:
        raise HalfDoneError(
            f"{instance.name} is neither as it was nor as it should be",
            f"{error}; going back failed as well: {second}",
            f"Everything it held is in the automatic {describe(backup)}: `nuvtui snapshots restore {backup.id[:8]}`.",
        ) from error


def _touches(path: str, touched: set[str]) -> bool:
    """True where `path`, or a folder it lies in, is one of `touched`."""
    return path in touched or any(above in touched for above in _above(path))


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _tables_back(
    context: Context, instance: Instance, backup: Snapshot, transition: Transition
) -> tuple[list[TablePart], list[str]]:
    """Tables to put back and to remove, of those that the transition was to change."""
    names = {part.name for part in transition.tables} | set(transition.tables_removed)
    if not names:
        return [], []
    live = table_capture.describe(Tables(context.workspace(instance)), backup.tables)
    now = {part.name: part.fingerprint for part in live}
    held = {part.name for part in backup.tables}
    return (
        [p for p in backup.tables if p.name in names and now.get(p.name) != p.fingerprint],
        sorted(name for name in names if name in now and name not in held),
    )


def _applications_back(backup: Snapshot, transition: Transition) -> tuple[list[ApplicationPart], list[str]]:
    slugs = {part.slug for part in transition.applications} | set(transition.applications_removed)
    held = {part.slug for part in backup.applications}
    return [part for part in backup.applications if part.slug in slugs], sorted(slugs - held)


def _refuse_unrecorded(
    context: Context, instance: Instance, backup: Snapshot, transition: Transition
) -> None:
    """Refuse to write over what the automatic snapshot does not hold: ignored, unreadable, or new since.

    Raises NuvError (5) before anything is touched.
    """
    workspace = context.workspace(instance)
    recorded = bytes.fromhex(backup.files.root)
    folders: dict[str, bool] = {}

    def free(path: str, folder: bool) -> bool:
        """True where something may be put at `path` (`folder`: or a folder is there already)."""
        above = path.rpartition("/")[0]
        if above and not is_folder(above):
            return True  # of another kind, and recorded: it makes way with all that is seen behind it
        try:
            found = os.lstat(os.path.join(workspace.root, path))
        except (FileNotFoundError, NotADirectoryError):
            return True
        if folder and stat.S_ISDIR(found.st_mode):
            return True
        return trees.lookup(context.store.tree, recorded, path) is not None

    def is_folder(path: str) -> bool:
        """True where `path` is a folder or not there. Raises NuvError (5) where it is something unrecorded."""
        if path not in folders:
            if not free(path, True):
                raise _unrecorded(path, instance)
            above = path.rpartition("/")[0]
            real = workspace.root / path
            folders[path] = (not above or is_folder(above)) and (
                not os.path.lexists(real) or (real.is_dir() and not real.is_symlink())
            )
        return folders[path]

    for path, entry in transition.files:
        if not free(path, entry.kind == FOLDER):
            raise _unrecorded(path, instance)
    slugs = {part.slug for part in backup.applications}
    for part in transition.applications:
        file = workspace.application(part.slug)
        if part.slug not in slugs and os.path.lexists(file):
            raise _unrecorded(str(file.relative_to(workspace.root)), instance)


def _unrecorded(path: str, instance: Instance) -> NuvError:
    return NuvError(
        f"{path_to_text(path)} in {instance.name} would be overwritten",
        "the automatic snapshot does not hold it (ignored there, unreadable, or new this moment)",
        "Move it away or take it out of `.nuvtui/ignore`, then try again. Nothing was changed.",
        Exit.CONFLICT,
    )
