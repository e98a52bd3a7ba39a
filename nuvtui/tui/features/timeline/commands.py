"""Commands of the Timeline."""

from typing import Any

from nuvtui.tui.toolkit.command import Command, Scope

WHERE = "-s {space} -i {instance}"


def _on_snapshot(node: Any) -> bool | None:
    """Only with the cursor on a snapshot; dimmed where the role does not allow it."""
    return (node.record is not None) and (True if node.may_modify else None)


def _may_modify(node: Any) -> bool | None:
    """Dimmed where the role does not allow to change the Current State and its snapshots."""
    return True if node.may_modify else None


# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("timeline", "Timeline", contains=("list", "scroll")),
    Command("timeline.quick", "s", "snapshot", "Quick snapshot",
        "Takes a snapshot of files, tables and applications at once, without questions.",
        f"nuvtui snapshots create {WHERE}", enabled=_may_modify),
    Command("timeline.snapshot", "S", "named", "Snapshot with a name",
        "Takes a snapshot with a name, a description and the next phase of work.",
        f"nuvtui snapshots create -n NAME -d TEXT --next TEXT {WHERE}", enabled=_may_modify),
    Command("timeline.restore", "r", "restore", "Restore",
        "Replaces a Current State (of this instance or another one) by the snapshot under the cursor; an "
        "automatic snapshot is taken first.", f"nuvtui snapshots restore {{snapshot}} {WHERE}", destructive=True,
        enabled=_on_snapshot),
    Command("timeline.compare", "c", "compare", "Compare",
        "Compares the two marked states, the marked one with the one under the cursor, or that with one that you "
        "choose; always from the older to the newer.", f"nuvtui snapshots diff {{old}} {{new}} {WHERE}",
        enabled=lambda node: node.ref is not None or bool(node.states.marked)),
    Command("timeline.stage", "a", "stage", "Stage the whole state",
        "Adds all files, tables and applications of the state under the cursor to the stage.",
        f"nuvtui stage add --all -p {{state}} {WHERE}", enabled=lambda node: node.ref is not None),
    Command("timeline.rename", "e", "rename", "Rename",
        "Gives the snapshot under the cursor another name.", f"nuvtui snapshots rename {{snapshot}} NAME {WHERE}",
        enabled=_on_snapshot, footer=False),
    Command("timeline.delete", "d,delete", "delete", "Delete",
        "Deletes the marked snapshots, or the one under the cursor (of a closed group: all), after listing them "
        "and telling what comes free.", f"nuvtui snapshots delete {{snapshots}} --yes {WHERE}", destructive=True,
        enabled=lambda node: bool(node.chosen) and (True if node.may_modify else None), footer=False),
    Command("timeline.push", "P", "push", "Push to a remote",
        "Sends the marked snapshots, the one under the cursor, or else the newest, to a remote, as a task.",
        f"nuvtui push {{pushed}} --to REMOTE {WHERE}", enabled=lambda node: bool(node.pushed), footer=False),
    Command("timeline.pull", "L", "pull", "Pull from a remote",
        "Asks a remote for the snapshots of this space that are not here, and brings those that you choose.",
        f"nuvtui pull SNAPSHOT --from REMOTE {WHERE}", enabled=_may_modify, footer=False),
    Command("timeline.fold", "z", "fold", "Open or close automatic snapshots",
        "Automatic snapshots that follow each other are one line: shows them, or hides them again.", footer=False,
        enabled=lambda node: node.group is not None),
    Command("timeline.fold-all", "Z", "fold all", "Open or close all automatic snapshots",
        "Shows all automatic snapshots, or hides those that follow each other.", footer=False,
        enabled=lambda node: node.lines is not None and bool(node.lines.groups)),
    Command("timeline.detail-down", "ctrl+d,shift+down", "", "Scroll the details down",
        "Scrolls what is beneath the list by half of it.", footer=False, palette=False),
    Command("timeline.detail-up", "ctrl+u,shift+up", "", "Scroll the details up",
        "Scrolls what is beneath the list by half of it.", footer=False, palette=False),
    Command("timeline.filter", "", "", "Filter snapshots",
        "/ takes words, all of which must be found, and terms: name:paper author:ada kind:restored "
        "before:2026-03 after:7d on:yesterday. Quotes hold words together.",
        f"nuvtui snapshots list --filter {{filter}} {WHERE}", footer=False),
    Command("timeline.look", "f5", "", "Look again what changed",
        "Compares the Current State with the newest snapshot again.", f"nuvtui status {WHERE}", footer=False),
)
