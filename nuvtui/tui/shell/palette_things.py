"""What the palette finds besides commands, as lines: instances, snapshots, tables, applications, exports, tasks."""

from nuvtui.model.export import ExportRecord
from nuvtui.model.names import short, text_to_path
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.services.search import Listing, Things
from nuvtui.tui.common import describe
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.shell.palette_groups import Group, Paths, Targets, Thing


def groups(things: Things, state: StateRef | None, state_name: str) -> list[Group]:
    """The groups of what there is in a space; tables and applications are those of `state`."""
    names = {each.id: each.name for each in things.instances}
    found: list[Group] = [
        Targets(
            "instance",
            [
                Thing(Target("instance", each.id, each.name), "", f"works in {text_to_path(each.workspace)}")
                for each in things.instances
            ],
        ),
        Targets("snapshot", [_snapshot(each, names[each.instance]) for each in things.snapshots]),
        Targets("export", [_export(each) for each in things.exports]),
    ]
    if state is not None:
        tables = [
            Thing(
                Target("table", each, each, state.instance, state.snapshot, state_name),
                "",
                f"table in {state_name}",
            )
            for each in things.tables
        ]
        applications = [
            Thing(
                Target("application", each, each, state.instance, state.snapshot, state_name),
                "",
                f"application in {state_name}",
            )
            for each in things.applications
        ]
        found += [Targets("table", tables), Targets("application", applications)]
    return found


def paths(listing: Listing, state: StateRef, state_name: str) -> list[Group]:
    """The files of `state`."""
    return [Paths(listing.paths, state.instance, state.snapshot, state_name, listing.cut)]


def _snapshot(record: SnapshotRecord, instance: str) -> Thing:
    title = describe.title(record)
    words = f"{short(record.id)} of {instance}, {record.kind}, by {record.author}, {describe.moment(record.created)}"
    return Thing(Target("snapshot", record.id, title, record.instance), describe.age(record.created), words)


def _export(record: ExportRecord) -> Thing:
    words = f"{record.status}, application {record.application}, {record.image}"
    return Thing(Target("export", record.id, record.name), describe.age(record.created), words)


def task(view: TaskView) -> Thing:
    """A task."""
    title = view.title or view.kind
    return Thing(
        Target("task", view.id, title),
        describe.age(view.created),
        f"{view.status.lower()}, task {short(view.id)}",
    )
