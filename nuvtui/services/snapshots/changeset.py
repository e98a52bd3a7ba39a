"""Changing a Current State, all or nothing: what restore, distribution and recall have in common.

A `Transition` lists what is put and what is removed. `run` takes an automatic snapshot of the target first, applies,
and where anything fails puts back what it changed itself. What others write meanwhile is never overwritten unseen: it
is refused before anything is touched, or kept. Killed half-way, the automatic snapshot is what leads back; the caller
has recorded its id by then (`announce`).
"""

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Sequence

import msgspec

from nuvtui.errors import NuvError, PlanChangedError
from nuvtui.model.cause import Cause
from nuvtui.model.kept import KeptFile
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.snapshot import ApplicationPart, Snapshot, TablePart, same_table
from nuvtui.model.space import Instance
from nuvtui.model.tree import FILE, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.services.applications import applications
from nuvtui.services.context import Context
from nuvtui.services.snapshots import archiver
from nuvtui.services.states.service import describe
from nuvtui.store import ignore, trees
from nuvtui.store.recorded import Recorded
from nuvtui.store.restorer import Replacement, RollBackError
from nuvtui.store.store import Store
from nuvtui.tables import connection as access
from nuvtui.tables.database import Tables
from nuvtui.tables.replace import replacing

IGNORE = f"{DOT}/ignore"


class HalfDoneError(NuvError):
    """A Current State could be brought neither to where it should be nor back; the hint says what leads back."""


class Transition(msgspec.Struct):
    """What is put into a Current State and what is removed from it."""

    files: list[tuple[str, Entry]] = []
    """Paths (str with surrogateescape) with the entry to put there; parents before children."""
    files_removed: list[str] = []
    times: list[tuple[str, Entry]] = []
    """Files, links and folders whose entries differ in the time alone."""
    known: dict[str, Entry] = {}
    """What a snapshot beside the automatic one holds of paths that are removed."""
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

    What `new` does not speak of is not removed: what it names as impossible to hold (unreadable then), and what its
    own ignore rules left out.
    """
    unheld = {text_to_path(warning.path) for warning in new.warnings}
    rules = rules_of(context.store, bytes.fromhex(new.files.root))
    tree = context.store.tree
    roots = (tree, bytes.fromhex(old.files.root), tree, bytes.fromhex(new.files.root))
    puts, removals = trees.changes(*roots)
    old_tables = {t.name: t for t in old.tables}
    new_tables = {t.name for t in new.tables}
    old_apps = {a.slug: a.text for a in old.applications}
    new_apps = {a.slug for a in new.applications}
    return Transition(
        puts,
        [path for path in removals if not (_touches(path, unheld) or left_out(rules, path))],
        trees.touched(*roots),
        {},
        [t for t in new.tables if not (t.name in old_tables and same_table(old_tables[t.name], t))],
        [] if new.tables_unread else sorted(old_tables.keys() - new_tables),
        [a for a in new.applications if old_apps.get(a.slug) != a.text],
        sorted(slug for slug in old_apps.keys() - new_apps if f"{DOT}/apps/{slug}.yaml" not in unheld),
    )


def rules_of(store: Store, root: bytes) -> ignore.Rules:
    """The ignore rules of the state whose root tree is `root`: what it leaves out it does not speak of."""
    entry = trees.lookup(store.tree, root, IGNORE)
    if entry is None or entry.kind != FILE:
        return ignore.parse(b"")
    return ignore.parse(b"".join(store.stream(entry.content)))


def left_out(rules: ignore.Rules, path: str) -> bool:
    """True where `rules` leave out the file or folder at `path`."""
    name = os.fsencode(path)
    return not rules.empty and (rules.leaves_out(name, False) or rules.leaves_out(name, True))


class Outcome(msgspec.Struct, frozen=True):
    """What a transition did."""

    backup: Snapshot
    """The automatic snapshot that was taken first."""
    done: Transition
    kept: list[KeptFile]
    """Files that were written meanwhile and that no snapshot holds, with where they are now."""
    skipped: list[tuple[str, str]]
    """Paths, in text form, that the target's file system cannot hold, and what it says of them."""


def run(
    context: Context,
    instance: Instance,
    cause: Cause,
    make: Callable[[Snapshot], Transition],
    reporter: Reporter,
    announce: Callable[[Snapshot], None] = lambda _backup: None,
    *,
    over_damage: bool = False,
) -> Outcome:
    """Bring `instance` into the state that `make(automatic snapshot)` asks for. The caller holds its lock.

    `over_damage`: a database of the target that cannot be read is moved to where it is kept, instead of stopping it.
    Raises NuvError where it could not be done; then the target is as it was, but for what others wrote meanwhile, which
    is left or kept, with a warning for each; HalfDoneError where it could not be brought back.
    """
    taken = archiver.take(context, instance, "automatic", reporter, cause=cause, over_damage=over_damage)
    backup = taken.snapshot
    for warning in backup.warnings:
        reporter.warning(f"{warning.path} is not in the automatic snapshot: {warning.reason}")
    try:
        transition = make(backup)
    except PlanChangedError:
        context.forget([backup.id])  # nothing came of it: it would tell of a change that never was
        raise
    reporter.check()
    workspace = context.workspace(instance)
    recorded = Recorded(
        context.store.tree,
        bytes.fromhex(backup.files.root),
        taken.seen,
        {_application_path(part.slug): part.text.encode() for part in backup.applications},
    )
    with Replacement(
        context.store,
        workspace.root,
        transition.files,
        transition.files_removed,
        recorded,
        reporter,
        own=_application_files(transition),
        times=transition.times,
        known=transition.known,
    ) as work:
        try:
            reporter.step("apply-files", f"Writing files of {instance.name}")
            work.stage()
            with _tables(context, instance, backup, transition, reporter):
                announce(backup)
                work.place()
        except BaseException as error:
            _roll_back(work, instance, backup, reporter, error)
            raise
        kept = work.finish()
        _tell(kept, reporter)
        for path, reason in work.skipped:
            reporter.warning(f"{path} cannot be put there: {reason}")
        return Outcome(backup, transition, list(kept), work.skipped)


def _roll_back(
    work: Replacement, instance: Instance, backup: Snapshot, reporter: Reporter, error: BaseException
) -> None:
    """Return to what was there. Raises HalfDoneError that names the automatic snapshot where that fails too."""
    try:
        _tell(work.roll_back(), reporter)
    except RollBackError as second:
        _tell(work.kept, reporter)
        raise HalfDoneError(
            f"{instance.name} is neither as it was nor as it should be",
            f"{error}; going back failed as well: {second}",
            f"Everything it held is in the automatic {describe(backup)}: "
            f"`nuvtui snapshots restore -i {shlex.quote(instance.name)} {backup.id[:8]}`.",
        ) from error


def _tell(kept: Sequence[KeptFile], reporter: Reporter) -> None:
    for file in kept:
        reporter.warning(
            f"{file.path} was written meanwhile and is in no snapshot: it is kept as {file.kept_as}"
        )


@contextlib.contextmanager
def _tables(
    context: Context, instance: Instance, backup: Snapshot, transition: Transition, reporter: Reporter
) -> Iterator[None]:
    """The tables of the transition: compared with the automatic snapshot, and written when the context ends well."""
    workspace = context.workspace(instance)
    if backup.tables_unread:
        folder = access.set_aside(workspace.tables)
        if folder is not None:
            where = path_to_text(str(folder.relative_to(workspace.root)))
            reporter.warning(f"The database of tables cannot be read: it is kept in {where}")
    if not (transition.tables or transition.tables_removed):
        yield
        return
    reporter.step("apply-tables", f"Writing tables of {instance.name}")
    with replacing(
        Tables(workspace),
        transition.tables,
        transition.tables_removed,
        context.store,
        context.home.tmp,
        reporter,
        {part.name: part for part in backup.tables},
    ):
        yield


def _application_path(slug: str) -> str:
    return f"{DOT}/apps/{slug}{applications.SUFFIX}"


def _application_files(transition: Transition) -> dict[str, bytes | None]:
    """The application files to write, and those to remove (None), by path. Raises NuvError for what is no slug."""
    files: dict[str, bytes | None] = {}
    for part in transition.applications:
        applications.check_slug(part.slug)
        files[_application_path(part.slug)] = part.text.encode("utf-8")
    for slug in transition.applications_removed:
        applications.check_slug(slug)
        files[_application_path(slug)] = None
    return files


def _touches(path: str, touched: set[str]) -> bool:
    """True where `path`, or a folder it lies in, is one of `touched`."""
    return path in touched or any(above in touched for above in _above(path))


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
