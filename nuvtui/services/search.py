"""What can be gone to: snapshots, instances, exports, tables, applications, and the paths of a state's files."""

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nuvtui.model import order, roles
from nuvtui.model.export import ExportRecord
from nuvtui.model.names import text_to_path
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FOLDER
from nuvtui.paths import DOT, Workspace
from nuvtui.services.context import Context

MOST = 100_000
"""Paths that are listed at most."""
SECONDS = 20.0
"""Seconds after which a listing is cut."""
SKIPPED = frozenset({DOT, ".git", ".venv", "__pycache__", "node_modules", ".ipynb_checkpoints"})
"""Folders of the Current State that nobody looks for a file in."""
TURN, PAUSE = 0.01, 0.002
"""Seconds of work and of rest in turn: the keys share the interpreter with the thread that lists."""


class Things(msgspec.Struct, frozen=True):
    """What can be gone to in a space, newest first; what the role does not show is left out."""

    instances: list[Instance]
    snapshots: list[SnapshotRecord]
    """Of all instances."""
    exports: list[ExportRecord]
    tables: list[str]
    applications: list[str]
    """Of the state that is looked at."""


class Listing(msgspec.Struct, frozen=True):
    """Paths of the files of a state."""

    paths: list[str]
    """The files that lie highest come first."""
    cut: bool
    """True where there are more."""


class SearchService:
    """Finds what can be gone to."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def things(self, space: str, state: StateRef | None) -> Things:
        """What there is in a space; tables and applications are those of `state`. Reads state file and one folder."""
        view = self._context.view()
        instances = [each for each in view.instances.all() if each.space == space]
        seen = {
            each.id
            for each in instances
            if roles.allows(self._context.role(view, space, each.id), Action.VIEW)
        }
        snapshots = order.newest_first(each for each in view.snapshots.all() if each.instance in seen)
        exports = [each for each in view.exports.all() if each.space == space and each.instance in seen]
        tables: list[str] = []
        applications: list[str] = []
        if state is not None and state.instance in seen:
            # The database of the Current State is not opened for its names: those of the newest snapshot do.
            record = next(
                (
                    each
                    for each in snapshots
                    if each.instance == state.instance and state.snapshot in (None, each.id)
                ),
                None,
            )
            tables = [table.name for table in record.tables] if record else []
            applications = record.applications if record else []
            if state.snapshot is None:
                instance = self._context.instance(view, state.instance)
                applications = _files_of_applications(instance)
        return Things(
            sorted(instances, key=lambda each: each.name),
            snapshots,
            sorted(exports, key=lambda each: each.created, reverse=True),
            tables,
            applications,
        )

    def paths(self, state: StateRef, most: int = MOST, seconds: float = SECONDS) -> Listing:
        """Paths of the files of a state, as many as there are, up to `most` or as many as `seconds` allow.

        Raises NuvError: the role does not show them (4), no such state (3).
        """
        view = self._context.view()
        instance = self._context.instance(view, state.instance)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        found = self._snapshot_paths(state) if state.snapshot else self._workspace_paths(instance)
        paths: list[str] = []
        end = time.monotonic() + seconds
        turn = time.monotonic() + TURN
        for path in found:
            if len(paths) == most or time.monotonic() > end:
                return Listing(paths, True)
            paths.append(path)
            if time.monotonic() > turn:
                time.sleep(PAUSE)
                turn = time.monotonic() + TURN
        return Listing(paths, False)

    def _workspace_paths(self, instance: Instance) -> Iterator[str]:
        queue = deque([("", str(self._context.workspace(instance).root))])
        while queue:
            prefix, folder = queue.popleft()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name not in SKIPPED:
                                queue.append((f"{prefix}{entry.name}/", entry.path))
                        else:
                            yield f"{prefix}{entry.name}"
            except OSError:
                continue  # deleted meanwhile, or not ours to read

    def _snapshot_paths(self, state: StateRef) -> Iterator[str]:
        store = self._context.store
        queue = deque([("", bytes.fromhex(self._context.manifest(state).files.root))])
        while queue:
            prefix, root = queue.popleft()
            for entry in store.tree(root):
                name = os.fsdecode(entry.name)
                if entry.kind == FOLDER:
                    if prefix or name != DOT:
                        queue.append((f"{prefix}{name}/", entry.content[0]))
                else:
                    yield f"{prefix}{name}"


def _files_of_applications(instance: Instance) -> list[str]:
    folder = Workspace(Path(text_to_path(instance.workspace))).applications
    try:
        return sorted(name.removesuffix(".yaml") for name in os.listdir(folder) if name.endswith(".yaml"))
    except OSError:
        return []
