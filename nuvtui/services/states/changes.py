"""What differs between two states: files, tables, applications; and the text of a file on both sides."""

import difflib
import os
import shlex

import msgspec

from nuvtui import sanitise
from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import Package
from nuvtui.model.diff import ApplicationChange, ChangeKind, Diff, FileChange, PackageChange, TableChange
from nuvtui.model.names import path_to_text
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import ApplicationPart
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.applications import applications
from nuvtui.services.context import Context
from nuvtui.services.states.service import Files, StatesService
from nuvtui.services.states.table_states import TableStates
from nuvtui.store import trees
from nuvtui.store.staging import kept_folders

TEXT_LIMIT = 1 << 20
"""Bytes of a file above which no text diff is made."""


class ChangesService:
    """Compares states."""

    def __init__(self, context: Context, states: StatesService) -> None:
        self._context = context
        self._states = states

    def status(self, instance: str, reporter: Reporter | None = None) -> Diff:
        """What changed in the Current State since the newest snapshot (everything, where there is none)."""
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, Action.VIEW, found.space, instance)
        newest = view.newest(instance)
        old = StateRef(instance, newest) if newest else None
        diff = self.diff(old, StateRef(instance), reporter)
        return msgspec.structs.replace(diff, kept=kept_folders(self._context.workspace(found).root))

    def diff(self, old: StateRef | None, new: StateRef, reporter: Reporter | None = None) -> Diff:
        """What differs from `old` (None: an empty state) to `new`. Needs the viewer role on both (4)."""
        reporter = reporter or Silent()
        old_reader = self._states.reader(old) if old else None
        new_reader = self._states.reader(new)
        old_files = self._states.files(old, reporter) if old else None
        new_files = self._states.files(new, reporter)
        table_changes = TableStates(self._context, old, new, reporter).changes()
        return Diff(
            old_reader.label if old_reader else "nothing",
            new_reader.label,
            file_changes(old_files, new_files),
            table_changes,
            application_changes(
                self._applications(old) if old else [],
                self._applications(new),
            ),
        )

    def table(self, old: StateRef, new: StateRef, name: str) -> TableChange | None:
        """How one table differs, rows counted; None where it does not."""
        return next(iter(TableStates(self._context, old, new).changes([name])), None)

    def _applications(self, ref: StateRef) -> list[ApplicationPart]:
        if ref.snapshot is not None:
            return self._context.manifest(ref).applications
        instance = self._context.instance(self._context.view(), ref.instance)
        return applications.capture(self._context.workspace(instance))[0]

    def text_diff(self, old: StateRef | None, new: StateRef, path: str, context: int = 3) -> list[str]:
        """Unified diff of a text file (or of links' targets) between two states, sanitised, without newlines.

        Raises NuvError (3) where neither state has the file, (6) where it is too big or not text.
        """
        before = self._lines(old, path) if old else None
        after = self._lines(new, path)
        if before is None and after is None:
            raise NuvError(f"No file {path!r}", "in neither of the two states", "", Exit.NOT_FOUND)
        name = path_to_text(path)
        lines = []
        for line in difflib.unified_diff(
            before or [],
            after or [],
            f"a/{name}" if before is not None else "/dev/null",
            f"b/{name}" if after is not None else "/dev/null",
            n=context,
        ):
            lines.append(sanitise.block(line.removesuffix("\n")))
            if not line.endswith("\n"):
                lines.append("\\ No newline at end of file")
        return lines

    def _lines(self, ref: StateRef, path: str) -> list[str] | None:
        reader = self._states.reader(ref)
        folder, _, name = path.rpartition("/")
        try:
            entry = next((view for view in reader.folder(folder) if view.name == name), None)
        except NuvError as error:
            if error.exit_code == Exit.NOT_FOUND:
                return None
            raise
        if entry is None:
            return None
        if entry.kind == LINK:
            return [f"-> {entry.target}\n"]
        if entry.kind != FILE:
            raise NuvError(f"{path!r} is not a file", f"in {reader.label}", "", Exit.REFUSED)
        data = reader.read(path, TEXT_LIMIT + 1)
        if len(data) > TEXT_LIMIT or b"\0" in data[:8192]:
            raise NuvError(
                f"{path!r} has no text diff",
                "it is not text" if len(data) <= TEXT_LIMIT else "it is larger than 1 MiB",
                f"Take it out of both states: `nuvtui snapshots cat SNAPSHOT {shlex.quote(path)}`.",
                Exit.REFUSED,
            )
        return data.decode("utf-8", "replace").splitlines(keepends=True)


def file_changes(old: Files | None, new: Files | None) -> list[FileChange]:
    """Files and links that differ; a folder only where it is empty or its mode changed."""
    changes = []
    for path, before, after in trees.diff(
        old.tree if old else _no_tree,
        old.root if old else None,
        new.tree if new else _no_tree,
        new.root if new else None,
    ):
        if (
            _plain_folder(before)
            and _plain_folder(after)
            and not (before and after and before.mode != after.mode)
        ):
            continue
        kind: ChangeKind = "added" if before is None else "removed" if after is None else "changed"
        changes.append(
            FileChange(
                path_to_text(path),
                kind,
                before.size if before else None,
                after.size if after else None,
                _detail(before, after),
            )
        )
    return changes


def _no_tree(_identifier: bytes) -> list[Entry]:
    raise AssertionError("a state without files has no trees")


def _plain_folder(entry: Entry | None) -> bool:
    """True for a folder that is implied by what is in it (or for no entry at all)."""
    return entry is None or (entry.kind == FOLDER and entry.count > 0)


def _detail(before: Entry | None, after: Entry | None) -> str:
    if before is None or after is None:
        kind = (before or after).kind  # type: ignore[union-attr]
        return {FOLDER: "empty folder", LINK: "link"}.get(kind, "")
    if before.kind != after.kind:
        names = {FILE: "file", FOLDER: "folder", LINK: "link"}
        return f"{names[before.kind]} → {names[after.kind]}"
    parts = []
    if before.mode != after.mode:
        parts.append(f"mode {before.mode:o} → {after.mode:o}")
    if before.kind == LINK and before.target != after.target:
        parts.append(
            f"{path_to_text(os.fsdecode(before.target))} → {path_to_text(os.fsdecode(after.target))}"
        )
    return ", ".join(parts)


def application_changes(old: list[ApplicationPart], new: list[ApplicationPart]) -> list[ApplicationChange]:
    """Applications that differ in configuration or packages."""
    before, after = {a.slug: a for a in old}, {a.slug: a for a in new}
    changes = []
    for slug in sorted(before.keys() | after.keys()):
        a, b = before.get(slug), after.get(slug)
        kind: ChangeKind = "added" if a is None else "removed" if b is None else "changed"
        configuration = list(
            difflib.unified_diff(
                a.text.splitlines() if a else [],
                b.text.splitlines() if b else [],
                f"a/{slug}.yaml" if a else "/dev/null",
                f"b/{slug}.yaml" if b else "/dev/null",
                lineterm="",
            )
        )
        packages = package_changes(_packages(a), _packages(b))
        if a is None or b is None or configuration or packages:
            changes.append(
                ApplicationChange(slug, kind, [sanitise.block(line) for line in configuration], packages)
            )
    return changes


def _packages(part: ApplicationPart | None) -> dict[str, Package]:
    return {p.name: p for p in part.lock.packages} if part and part.lock else {}


def package_changes(old: dict[str, Package], new: dict[str, Package]) -> list[PackageChange]:
    """Packages that came, went or changed version or source, by name."""
    return [
        PackageChange(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
