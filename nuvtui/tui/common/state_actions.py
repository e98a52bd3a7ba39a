"""What can be done with states, from whichever screen: snapshot, restore, undo, rename, delete, stage, compare."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model import order
from nuvtui.model.diff import Diff
from nuvtui.model.distribution import Distribution
from nuvtui.model.names import path_to_text, short
from nuvtui.model.operations import Restore, RestoreResult, TakeSnapshot, result_of
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.stage import Stage, StateRef
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.common import describe
from nuvtui.tui.common.shell import Shell, ShellTarget
from nuvtui.tui.common.submit import submit
from nuvtui.tui.toolkit.lines import Line, line

CHANGING = ("snapshot", "restore", "distribute", "recall", "import-table")
"""Kinds of tasks after which a Current State may differ in another way."""


def where_values(node: ShellTarget) -> dict[str, str]:
    """Words for "as command": space and instance by name."""
    context = node.nuv.context
    return {
        "space": context.space.name if context.space else "",
        "instance": context.instance.name if context.instance else "",
    }


def require(nuv: Shell, instance: str, action: Action) -> None:
    """Raise NuvError (4) where the acting user's role does not allow `action`. For a thread."""
    services = nuv.services
    view = services.context.view()
    services.context.require(view, action, services.context.instance(view, instance).space, instance)


# snapshots


def take_snapshot(node: ShellTarget, name: str = "", description: str = "", next_phase: str = "") -> None:
    """Submit a snapshot of the instance that is looked at."""
    nuv = node.nuv
    context = nuv.context
    if context.instance is None or context.space is None:
        return
    instance = context.instance
    title = f"Snapshot {name} of {instance.name}" if name else f"Quick snapshot of {instance.name}"
    submit(
        node,
        TakeSnapshot(instance.id, name, description, next_phase),
        title,
        lambda _task: nuv.notify(f"{title}: started", timeout=2),
        space=context.space.id,
        instance=instance.id,
    )


def ask_snapshot(node: ShellTarget, diff: Diff | None, *, first: bool) -> None:
    """Ask for name, description and next phase, then take a snapshot."""
    from nuvtui.services.snapshots.service import suggest_names
    from nuvtui.tui.common.dialogs.snapshot import SnapshotDialog

    changed = [change.path for change in diff.files] if diff else []
    tables = [change.name for change in diff.tables] if diff else []
    names = suggest_names(changed, tables, first)

    def answered(texts: Any) -> None:
        if texts is not None:
            take_snapshot(node, texts["name"], texts["description"], texts["next"])

    node.nuv.push_screen(SnapshotDialog(names), answered)


def ask_rename(node: ShellTarget, record: SnapshotRecord) -> None:
    """Ask for another name of a snapshot, then give it."""
    from nuvtui.services.snapshots.service import naming_hint
    from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField

    nuv = node.nuv

    def answered(texts: Any) -> None:
        if texts is not None:
            node.load(
                lambda: nuv.services.snapshots.rename(record.id, texts["name"]),
                lambda renamed: nuv.notify(f"Snapshot {short(record.id)} is called {renamed.name}."),
                group="rename",
            )

    nuv.push_screen(
        TextDialog(
            "Rename",
            [TextField("name", f"Name of snapshot {short(record.id)}", record.name, "paper-revision-2-data")],
            "Rename",
            advise=lambda texts: naming_hint(texts["name"]),
            refuse=lambda texts: None if texts["name"] else "A name is missing.",
        ),
        answered,
    )


def ask_delete(node: ShellTarget, records: Sequence[SnapshotRecord]) -> None:
    """Say what is deleted and what comes free, ask for "I understand", then delete."""
    from nuvtui.services.snapshots.service import deletion
    from nuvtui.tui.common.dialogs.delete import DeleteDialog

    nuv = node.nuv
    identifiers = [record.id for record in records]

    def answered(yes: bool | None) -> None:
        if yes:
            node.load(
                lambda: nuv.services.snapshots.delete(identifiers, deletion(records)),
                lambda _: nuv.notify(
                    f"Deleted {describe.plural(len(records), 'snapshot')}. "
                    "Storage comes free at the next `nuvtui store gc`."
                ),
                group="delete",
            )

    nuv.push_screen(DeleteDialog(records), answered)


# restore and the way back


def ask_restore(node: ShellTarget, record: SnapshotRecord, instance: str = "") -> None:
    """Say what is replaced and how to come back, ask where to (first: `instance`), then restore."""
    from nuvtui.tui.common.dialogs.restore import RestoreDialog

    nuv = node.nuv
    context = nuv.context
    if context.space is None or context.instance is None:
        return
    space, here = context.space, context.instance

    def ask(instances: list[Any]) -> None:
        def answered(chosen: tuple[str, str] | None) -> None:
            if chosen is not None:
                target, plan = chosen
                name = next(each.name for each in instances if each.id == target)
                restore(node, record, space.id, target, name, plan=plan)

        nuv.push_screen(RestoreDialog(record, space.name, instances, instance or here.id), answered)

    node.load(lambda: nuv.services.instances.list(space.id), ask, group="instances")


def restore(
    node: ShellTarget,
    record: SnapshotRecord,
    space: str,
    instance: str,
    name: str,
    title: str = "",
    plan: str = "",
) -> None:
    """Submit the restore of a snapshot to an instance."""
    nuv = node.nuv
    title = title or f"Restore {describe.called(record)} to {name}"
    submit(
        node,
        Restore(record.id, instance, plan),
        title,
        lambda _task: nuv.notify(
            f"{title}: started. When it is done, u on the Timeline undoes it.", timeout=5
        ),
        space=space,
        instance=instance,
        subject=record.id,
    )


class WayBack(msgspec.Struct, frozen=True):
    """The automatic snapshots that undo the last restore or distribution."""

    what: str
    """Title of the task that is undone."""
    when: str
    backups: list[tuple[str, str]]
    """Instance and automatic snapshot (ids)."""


def way_back(
    tasks: Sequence[TaskView], space: str, instance: str, snapshots: Iterable[str] = ()
) -> WayBack | None:
    """What `u` would undo: the last task that changed this instance, or that this space distributed, if it can be.

    `tasks` newest first, `snapshots` (ids) as well. A snapshot taken after it does not matter; another change (an
    import) does.
    """
    for task in in_order(tasks, snapshots):
        if task.space != space or task.status is not TaskStatus.COMPLETED:
            continue
        result = result_of(task)
        if isinstance(result, RestoreResult) and task.instance == instance:
            return WayBack(task.title, task.finished or task.created, [(instance, result.backup)])
        if isinstance(result, Distribution) and task.kind == "distribute":
            done = [(t.instance, t.backup) for t in result.targets if t.backup and t.status == "completed"]
            return WayBack(task.title, task.finished or task.created, done) if done else None
        if task.kind in ("recall", "import-table") and task.instance == instance:
            return None
    return None


def in_order(tasks: Sequence[TaskView], snapshots: Iterable[str]) -> list[TaskView]:
    """`tasks`, newest first by the clock, with those that left automatic snapshots in the order of these."""
    left = {at: backups for at, task in enumerate(tasks) if (backups := _backups(task))}
    out = list(tasks)
    if len(left) > 1:
        wanted = set().union(*left.values())
        places = {snapshot: at for at, snapshot in enumerate(snapshots) if snapshot in wanted}
        placed = [at for at, backups in left.items() if backups & places.keys()]
        ordered = sorted(placed, key=lambda at: min(places[each] for each in left[at] & places.keys()))
        for at, moved in zip(placed, ordered, strict=True):
            out[at] = tasks[moved]
    return out


def _backups(task: TaskView) -> set[str]:
    """Ids of the automatic snapshots that a task left."""
    match result_of(task):
        case RestoreResult(backup=backup):
            return {backup}
        case Distribution(targets=targets):
            return {target.backup for target in targets if target.backup}
        case _:
            return set()


def under_way(tasks: Sequence[TaskView], space: str, instance: str) -> TaskView | None:
    """The restore or distribution that is not at its end: until then there is no way back from it."""
    for task in tasks:
        here = task.kind in ("distribute", "recall") or (task.kind == "restore" and task.instance == instance)
        if here and task.space == space and not task.status.ended:
            return task
    return None


def ask_undo(node: ShellTarget) -> None:
    """Offer the way back from the last restore or distribution, as soon as that is at its end."""
    nuv = node.nuv
    context = nuv.context
    if context.space is None or context.instance is None:
        return
    space, here = context.space.id, context.instance.id

    def wait(what: str) -> None:
        nuv.notify(f"{what} is still running: when it is done, u undoes it.", severity="warning")

    running = under_way(nuv.tasks, space, here)
    if running is not None:
        wait(running.title)
        return
    if nuv.jobs.running("submit restore", "submit distribute", "submit recall"):
        wait("What was just started")
        return

    def read() -> tuple[TaskView | None, WayBack | None, list[tuple[str, str, SnapshotRecord]]]:
        # As it is now: what began after the last look at the tasks must not be taken for done.
        from nuvtui.worker.lifecycle import list_tasks

        tasks = list_tasks(nuv.home)
        taken = order.newest_first(nuv.services.context.view().snapshots.all())
        running = under_way(tasks, space, here)
        found = way_back(tasks, space, here, [each.id for each in taken])
        names = {each.id: each.name for each in nuv.services.instances.list(space)}
        backups = []
        for instance, backup in found.backups if found is not None and running is None else ():
            if instance in names:
                require(nuv, instance, Action.MODIFY)
                backups.append((instance, names[instance], nuv.services.snapshots.find(instance, backup)))
        return running, found, backups

    def ask(
        read: tuple[TaskView | None, WayBack | None, list[tuple[str, str, SnapshotRecord]]],
    ) -> None:
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        running, found, backups = read
        if running is not None:
            wait(running.title)
            return
        if found is None:
            nuv.notify(
                "Nothing to undo: no restore or distribution was done here lately.", severity="warning"
            )
            return
        changes: list[Line | str] = [
            line(("Undoes ", "muted"), (found.what, "strong"), (f" ({describe.ago(found.when)})", "muted")),
            "",
        ]
        for _, name, record in backups:
            changes.append(
                f"The Current State of {name} is replaced by the automatic snapshot {short(record.id)}: "
                f"{describe.holds(record)}, as they were {record.sentence}."
            )

        def answered(yes: bool | None) -> None:
            for instance, name, record in backups if yes else ():
                restore(node, record, space, instance, name, f"Undo on {name}: {found.what}")

        nuv.push_screen(
            ConfirmDialog(
                "Undo",
                changes,
                "Restore them" if len(backups) > 1 else "Restore it",
                backup="An automatic snapshot is taken first: u undoes the undo.",
                destructive=True,
            ),
            answered,
        )

    node.load(read, ask, group="undo")


# staging


def stage(
    node: ShellTarget,
    source: StateRef,
    *,
    files: Sequence[str] = (),
    tables: Sequence[str] = (),
    applications: Sequence[str] = (),
    everything: bool = False,
    done: Callable[[], object] | None = None,
) -> None:
    """Add to the stage; where it holds objects of another state, ask before that one is dropped."""
    nuv = node.nuv
    count = len(files) + len(tables) + len(applications)
    what = "the whole state" if everything else describe.plural(count, "object")
    if count == 1:
        what = path_to_text([*files, *tables, *applications][0])

    def add(replace: bool) -> None:
        node.load(
            lambda: nuv.services.staging.add(
                source, [*files], [*tables], [*applications], everything=everything, replace=replace
            ),
            told,
            group="stage",
            failed=refused,
        )

    def told(staged: Stage) -> None:
        held = len(staged.files) + len(staged.tables) + len(staged.applications)
        total = "everything" if staged.everything else describe.plural(held, "object")
        nuv.notify(f"Staged {what}; the stage (3) holds {total}.", timeout=4)
        if done is not None:
            done()

    def refused(error: NuvError) -> None:
        if error.exit_code != Exit.CONFLICT:
            nuv.show_error(error)
            return
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        nuv.push_screen(
            ConfirmDialog(
                "Another state is staged",
                [
                    f"{error.title}; {error.message}.",
                    "",
                    f"To stage {what}, what is staged now is dropped from the stage. Nothing of it is deleted.",
                ],
                "Drop it and stage this",
                destructive=True,
            ),
            lambda yes: add(True) if yes else None,
        )

    add(False)


# looking and comparing


def choose_state(
    node: ShellTarget,
    title: str,
    records: Sequence[SnapshotRecord],
    *,
    chosen: Callable[[str], object],
    without: str = "",
) -> None:
    """Ask for a state of the instance; `chosen` gets a snapshot's id, or `current`."""
    from nuvtui.tui.common.dialogs.choose_state import ChooseStateDialog

    def answered(key: str | None) -> None:
        if key is not None:
            chosen(key)

    node.nuv.push_screen(ChooseStateDialog(title, records, without), answered)


def file_at(start: Path, text: str) -> Path:
    """The file that a user named: relative to the folder of the start, `~` for the home."""
    return Path(start, os.path.expanduser(text))  # noqa: PTH111  (Path.expanduser raises for unknown users)
