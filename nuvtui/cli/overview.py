"""A space at a glance, printed."""

import msgspec

from nuvtui.cli.common import Scope
from nuvtui.cli.output import counted, emit, moment, size, table
from nuvtui.model.names import short
from nuvtui.model.task import TaskView
from nuvtui.services.spaces.overview import Overview, SnapshotLine


def show(scope: Scope, form: str) -> None:
    """Print the overview of the scope's space."""
    from nuvtui.worker import last_seen
    from nuvtui.worker.lifecycle import list_tasks

    opened = scope.services
    overview = opened.overview.show(scope.space.id)
    home = opened.home
    tasks = [task for task in list_tasks(home) if task.space in ("", overview.id)]
    finished = last_seen.since(tasks, last_seen.last(home))
    store = opened.overview.store_bytes()
    value = msgspec.to_builtins(overview)
    value["storage"] |= {"total": overview.storage.total, "store_bytes": store}
    value["finished"] = [
        {"id": t.id, "status": t.status, "title": t.title, "finished": t.finished} for t in finished
    ]
    emit(value, form)
    if form == "tabulated":
        _print(overview, finished, store)


def _print(overview: Overview, finished: list[TaskView], store: int) -> None:
    print(f"Space {overview.name}" + (f", you are its {overview.role}" if overview.role else ""))
    _section(
        "Instances",
        [
            (
                each.name,
                each.role or "no role",
                "not shown" if each.snapshots is None else counted(each.snapshots, "snapshot"),
                moment(each.newest.created) if each.newest else "",
                called(each.newest) if each.newest else "",
                each.workspace,
            )
            for each in overview.instances
        ],
        "",
    )
    _section(
        "Newest snapshots",
        [
            (short(each.id), moment(each.created), each.instance, each.kind, each.author, called(each))
            for each in overview.snapshots
        ],
        "none yet; take one: nuvtui snapshots create -n NAME",
    )
    storage = overview.storage
    _section(
        "Storage",
        [
            ("named snapshots", f"{size(storage.named):>9}"),
            ("quick snapshots", f"{size(storage.quick):>9}"),
            ("automatic snapshots", f"{size(storage.automatic):>9}"),
            ("the whole store on disk", f"{size(store):>9}"),
        ],
        "",
    )
    _section(
        "Exports",
        [
            (
                short(each.id),
                moment(each.created),
                each.status,
                each.instance,
                size(each.size or None),
                each.name,
            )
            for each in overview.exports
        ],
        "none yet; hand over an application: nuvtui exports create APP",
    )
    _section(
        "Messages",
        [
            (moment(each.created), each.sender, each.instance, "read" if each.read else "new", each.text)
            for each in overview.messages
        ],
        "none; they come along with distributions",
    )
    _section(
        "Finished since you last closed the screens",
        [(short(each.id), moment(each.finished), each.status, each.title or each.kind) for each in finished],
        "nothing",
    )


def _section(title: str, rows: list[tuple[str, ...]], empty: str) -> None:
    print()
    if not rows:
        print(f"{title}: {empty}")
        return
    print(title)
    table([("", *row) for row in rows])


def called(snapshot: SnapshotLine) -> str:
    """What a snapshot is called: its name, else why it was taken, else its kind."""
    return snapshot.name or snapshot.cause or f"{snapshot.kind} snapshot"
