"""In which snapshots a file, folder or table is, and in which of them it changed.

Trees are content-addressed: of every snapshot only the folders on the way to the path are read, and a folder that
was read for one snapshot is not read again for another one. What costs is one manifest a snapshot, and the folders
on the way that differ.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model import order
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.states.service import StatesService, safe_parts
from nuvtui.store import trees
from nuvtui.store.manifests import BriefTable

TOLD = 50
"""Snapshots between two words of progress."""


class Version(msgspec.Struct, frozen=True):
    """A run of snapshots that hold the same; the newest ones first in a history."""

    change: Literal["added", "changed", "removed"]
    """Against the run before, the older one."""
    first: str
    """Id of the oldest snapshot of the run: the one in which it changed. Empty: only the Current State."""
    last: str
    """Id of the newest snapshot of the run."""
    snapshots: int
    """How many there are in it."""
    created: str
    """When the oldest one was taken; empty: now."""
    author: str
    name: str
    """What the oldest one is called: its name, else its cause, else its kind."""
    current: bool = False
    """True where the Current State holds this too."""
    kind: str = ""
    """`f`, `d`, `l` of a path, `table` of a table; empty where it is not there."""
    size: int | None = None
    """Bytes of a file, or of all files in a folder."""
    rows: int | None = None
    count: int | None = None
    """Files in a folder."""


class History(msgspec.Struct, frozen=True):
    """The versions of one thing, newest first."""

    versions: list[Version]
    looked_at: int
    """Snapshots that were looked at."""
    unreadable: list[str] = []
    """Ids of snapshots that could not be read, and are left out."""


class HistoryService:
    """Looks through all snapshots of an instance."""

    def __init__(self, context: Context, states: StatesService) -> None:
        self._context = context
        self._states = states

    def of_path(self, instance: str, path: str, reporter: Reporter | None = None) -> History:
        """The history of a file, folder or link. Raises NuvError: (3) in no state, (4) role, Cancelled."""
        parts = [os.fsencode(part) for part in safe_parts(path)]
        if not parts:
            raise NuvError("A path is missing", "expected a file or folder of the workspace", "", Exit.USAGE)
        look = _Path(self._context, parts)
        now = self._now(instance, "/".join(safe_parts(path)))
        return self._look(instance, look.at, path, now, reporter or Silent())

    def of_table(self, instance: str, table: str, reporter: Reporter | None = None) -> History:
        """The history of a table, the Current State left aside. Raises NuvError as `of_path`."""

        def at(snapshot: str) -> BriefTable | None:
            return next((t for t in self._context.store.brief(snapshot).tables if t.name == table), None)

        return self._look(instance, at, table, None, reporter or Silent())

    def _records(self, instance: str) -> list[SnapshotRecord]:
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, Action.VIEW, found.space, instance)
        return order.newest_first(r for r in view.snapshots.all() if r.instance == instance)[::-1]

    def _now(self, instance: str, path: str) -> tuple[str, int, str] | None:
        """Kind, size and status of what the Current State has at `path`; kind empty: nothing; None: not known."""
        folder, _, name = path.rpartition("/")
        try:
            view = self._states.reader(StateRef(instance)).looks(folder, [name])[0]
        except NuvError as error:
            return ("", 0, "") if error.exit_code == Exit.NOT_FOUND else None
        return ("", 0, "") if view.kind == "?" and not view.mtime_ns else (view.kind, view.size, view.status)

    def _look(
        self,
        instance: str,
        at: "Callable[[str], _Found]",
        what: str,
        now: tuple[str, int, str] | None,
        reporter: Reporter,
    ) -> History:
        records = self._records(instance)
        unreadable: list[str] = []
        runs: list[tuple[list[SnapshotRecord], _Found]] = []
        reporter.step("history", f"Looking for {what}")
        for number, record in enumerate(records):
            if not number % TOLD:
                reporter.check()
                reporter.progress(number, len(records), "", "snapshots")
            try:
                found = at(record.id)
            except StoreError:
                unreadable.append(record.id)
                continue
            if runs and _same(runs[-1][1], found):
                runs[-1][0].append(record)
            elif runs or found is not None:
                runs.append(([record], found))
        reporter.progress(len(records), len(records), "", "snapshots")
        versions = list(_versions(runs))
        if now is not None:
            versions = _with_current(versions, now)
        if not versions:
            raise NuvError(
                f"No {what!r} in any snapshot",
                f"{len(records):,} snapshots were looked at",
                "Paths are relative to the workspace.",
                Exit.NOT_FOUND,
            )
        return History(versions[::-1], len(records), unreadable)


_Found = Entry | BriefTable | None


class _Path:
    """Looks down one path, and at every folder only once."""

    def __init__(self, context: Context, parts: list[bytes]) -> None:
        self._store = context.store
        self._parts = parts
        self._known: dict[tuple[int, bytes], Entry | None] = {}

    def at(self, snapshot: str) -> Entry | None:
        """The entry in a snapshot; None where there is none. Raises StoreError."""
        tree = bytes.fromhex(self._store.brief(snapshot).files.root)
        entry = None
        for depth, part in enumerate(self._parts):
            key = depth, tree
            if key in self._known:
                entry = self._known[key]
            else:
                entry = self._known[key] = trees.find(self._store.tree(tree), part)
            if entry is None:
                return None
            if depth + 1 < len(self._parts):
                if entry.kind != FOLDER:
                    return None
                tree = entry.content[0]
        return entry


def _same(old: _Found, new: _Found) -> bool:
    if isinstance(old, BriefTable) and isinstance(new, BriefTable):
        return old.fingerprint == new.fingerprint
    if isinstance(old, Entry) and isinstance(new, Entry):
        return trees.same(old, new) and (old.kind != FOLDER or old.content == new.content)
    return old is None and new is None


def _versions(runs: Iterable[tuple[list[SnapshotRecord], _Found]]) -> Iterator[Version]:
    before: _Found = None
    for records, found in runs:
        first = records[0]
        yield Version(
            "removed" if found is None else "added" if before is None else "changed",
            first.id,
            records[-1].id,
            len(records),
            first.created,
            first.author,
            first.name or first.sentence or f"{first.kind} snapshot",
            kind="" if found is None else "table" if isinstance(found, BriefTable) else found.kind,
            size=found.size if isinstance(found, Entry) else found.bytes if found else None,
            rows=found.rows if isinstance(found, BriefTable) else None,
            count=found.count if isinstance(found, Entry) and found.kind == FOLDER else None,
        )
        before = found


def _with_current(versions: list[Version], now: tuple[str, int, str]) -> list[Version]:
    """The versions with what the Current State has, by size and time: its content is not read."""
    kind, size, status = now
    newest = versions[-1] if versions else None
    held = newest is not None and newest.change != "removed"
    if not kind and not held:
        return [*versions[:-1], msgspec.structs.replace(newest, current=True)] if newest else versions
    if newest is not None and held and kind == newest.kind and not status:
        return [*versions[:-1], msgspec.structs.replace(newest, current=True)]
    change: Literal["added", "changed", "removed"] = "removed" if not kind else "changed" if held else "added"
    return [
        *versions,
        Version(change, "", "", 0, "", "", "Current State", True, kind, size if kind == "f" else None),
    ]
