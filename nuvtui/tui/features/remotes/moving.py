"""Push and pull from the screens: which remote, which snapshots, then a task."""

from collections.abc import Callable, Sequence

from nuvtui.model.operations import PullSnapshots, PushSnapshots
from nuvtui.model.queries import ListRemote
from nuvtui.model.remote import RemoteStatus
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.common.submit import submit
from nuvtui.tui.toolkit.dialogs.marks import MarksDialog
from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog
from nuvtui.worker.queries import PendingQuery


def ask_push(node: ShellTarget, records: Sequence[SnapshotRecord]) -> None:
    """Send snapshots to a remote: the only one, or the one that is chosen."""
    space, instance = node.nuv.context.space, node.nuv.context.instance
    if not records or space is None or instance is None:
        return
    what = describe.called(records[0]) if len(records) == 1 else describe.plural(len(records), "snapshot")

    def push(remote: str) -> None:
        oldest_first = [record.id for record in reversed(records)]
        submit(
            node,
            PushSnapshots(remote, oldest_first),
            f"Push {what} to {remote}",
            lambda _task: node.nuv.notify(f"Push of {what} to {remote}: started. 5 shows how far it is."),
            space=space.id,
            instance=instance.id,
            subject=remote,
        )

    _choose(node, f"Push {what} to", push)


def ask_pull(node: ShellTarget) -> None:
    """Bring snapshots from a remote: those of this space that are not here, as marked."""
    space, instance = node.nuv.context.space, node.nuv.context.instance
    if space is None or instance is None:
        return

    def pull(remote: str, snapshots: list[str] | None) -> None:
        if snapshots:
            what = describe.plural(len(snapshots), "snapshot")
            submit(
                node,
                PullSnapshots(remote, snapshots),
                f"Pull {what} from {remote}",
                lambda _task: node.nuv.notify(
                    f"Pull of {what} from {remote}: started. 5 shows how far it is."
                ),
                space=space.id,
                instance=instance.id,
                subject=remote,
            )

    def offer(remote: str, records: Sequence[SnapshotRecord]) -> None:
        if not records:
            node.nuv.notify(f"{remote} holds no snapshot of {space.name} that is not here.")
            return
        options = [Option(each.id, describe.called(each), describe.moment(each.created)) for each in records]
        node.nuv.push_screen(
            MarksDialog(f"Pull from {remote}", options, [records[0].id]), lambda chosen: pull(remote, chosen)
        )

    def look(remote: str) -> None:
        pending = PendingQuery()

        def missing() -> list[SnapshotRecord]:
            found = pending.ask(node.nuv.services, ListRemote(remote))
            here = node.nuv.services.context.view().snapshots
            return [each for each in found if each.space == space.id and each.id not in here]

        node.load(missing, lambda records: offer(remote, records), group="remote")

    _choose(node, "Pull from", look)


def _choose(node: ShellTarget, title: str, chosen: Callable[[str], None]) -> None:
    """Call `chosen` with a remote: the only one, or the one that is picked; say how to add one where there is none."""

    def pick(remotes: list[RemoteStatus]) -> None:
        if not remotes:
            node.nuv.notify("There is no remote yet: n adds one, a folder on another disk will do.")
            node.nuv.open("remotes.all")
        elif len(remotes) == 1:
            chosen(remotes[0].name)
        else:
            options = [Option(each.name, each.name, each.url) for each in remotes]
            node.nuv.push_screen(PickDialog(title, options), lambda name: chosen(name) if name else None)

    node.load(lambda: node.nuv.services.remotes.list(), pick, group="remotes")
