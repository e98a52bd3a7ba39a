"""What can be done with remotes from several screens: which one, push, pull."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nuvtui.model.names import short
from nuvtui.model.operations import PullSnapshots, PushSnapshots
from nuvtui.model.queries import ListRemote
from nuvtui.model.remote import Listing, RemoteStatus
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.common.state_actions import require
from nuvtui.tui.common.submit import submit
from nuvtui.worker.queries import Queries

MOVING = ("push-snapshots", "pull-snapshots")
"""Kinds of tasks that move snapshots to a remote or from one."""


def choose(node: ShellTarget, title: str, chosen: Callable[[str], object]) -> None:
    """Call `chosen` with a remote's name: the only one, or the one that is picked. Where there is none, offer to add one."""
    nuv = node.nuv

    def show(remotes: list[RemoteStatus]) -> None:
        if not remotes:
            _offer_to_add(node)
        elif len(remotes) == 1:
            chosen(remotes[0].name)
        else:
            from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog

            options = [Option(each.name, f"{each.name}  {each.url}") for each in remotes]
            nuv.push_screen(PickDialog(title, options), lambda name: chosen(name) if name else None)

    node.load(lambda: nuv.services.remotes.list(), show, group="remotes")


def _offer_to_add(node: ShellTarget) -> None:
    from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

    nuv = node.nuv
    nuv.push_screen(
        ConfirmDialog(
            "There is no remote yet",
            [
                "A remote is a place outside this machine that holds snapshots: a folder on another disk, an object "
                "store, another server."
            ],
            "Add one",
        ),
        lambda yes: nuv.open("remotes.all", True) if yes else None,
    )


def push(node: ShellTarget, snapshots: Sequence[SnapshotRecord]) -> None:
    """Ask which remote, where there are several, and submit the push of `snapshots` of the instance."""
    nuv = node.nuv
    context = nuv.context
    if context.space is None or context.instance is None or not snapshots:
        return
    space, instance = context.space.id, context.instance.id
    count = len(snapshots)
    what = describe.called(snapshots[0]) if count == 1 else f"{count:,} snapshots"
    identifiers = [
        each.id for each in reversed(snapshots)
    ]  # the oldest first: cut off, what is there is a past

    def to(remote: str) -> None:
        title = f"Push {what} to {remote}"
        submit(
            node,
            PushSnapshots(remote, identifiers),
            title,
            lambda _task: nuv.notify(f"{title}: started; Tasks (5) shows how far.", timeout=4),
            space=space,
            instance=instance,
            subject=remote,
        )

    choose(node, f"Push {what} to", to)


def pull(node: ShellTarget, queries: Queries, remote: str = "") -> None:
    """Ask `remote`, or the one that is chosen, what it holds and is not here; submit the pull of what is marked."""
    nuv = node.nuv
    context = nuv.context
    if context.space is None or context.instance is None:
        return
    space, instance = context.space, context.instance

    def ask(remote: str) -> None:
        pending = queries.begin()

        def missing() -> Listing:
            services = nuv.services
            require(nuv, instance.id, Action.MODIFY)
            there = pending.ask(services, ListRemote(remote))
            here = {record.id for record in services.context.view().snapshots.all()}
            mine = [r for r in there.snapshots if r.space == space.id and r.id not in here]
            return Listing(mine, there.damaged)

        node.load(
            missing,
            lambda found: show(remote, found),
            group="list-remote",
            waiting=f"asking {remote} what it holds",
        )

    def show(remote: str, listing: Listing) -> None:
        found = listing.snapshots
        if listing.damaged:
            nuv.notify(
                f"{describe.plural(len(listing.damaged), 'snapshot')} on {remote} cannot be read: "
                f"{', '.join(short(fault.id) for fault in listing.damaged[:5])}. "
                f"`nuvtui remotes check {remote}` says what suffers.",
                severity="warning",
                timeout=10,
            )
        if not found:
            nuv.notify(f"{remote} holds no snapshot of {space.name} that is not here.", timeout=6)
            return
        from nuvtui.tui.toolkit.dialogs.marks import MarksDialog
        from nuvtui.tui.toolkit.dialogs.pick import Option

        options = [
            Option(
                each.id,
                describe.title(each),
                f"{short(each.id)}  {each.author}  {describe.age(each.created)}",
            )
            for each in found
        ]
        nuv.push_screen(
            MarksDialog(
                f"Pull from {remote}",
                options,
                [found[0].id],
                [f"{describe.plural(len(found), 'snapshot')} of {space.name} on {remote} and not here:", ""],
            ),
            lambda marked: bring(remote, marked) if marked else None,
        )

    def bring(remote: str, marked: list[str]) -> None:
        title = f"Pull {describe.plural(len(marked), 'snapshot')} from {remote}"
        submit(
            node,
            PullSnapshots(remote, marked),
            title,
            lambda _task: nuv.notify(f"{title}: started; Tasks (5) shows how far.", timeout=4),
            space=space.id,
            instance=instance.id,
            subject=remote,
        )

    if remote:
        ask(remote)
    else:
        choose(node, "Pull from", ask)
