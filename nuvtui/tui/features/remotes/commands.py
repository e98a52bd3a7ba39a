"""Commands of the screen of remotes."""

from typing import Any

from nuvtui.tui.toolkit.command import Command, Scope


def _on_remote(node: Any) -> bool:
    return node.remote is not None


# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("remotes", "Remotes", contains=("list",)),
    Command("remotes.add", "n", "add", "Add a remote",
        "A folder on another disk, an object store, or a folder on another server.", "nuvtui remotes add NAME URL"),
    Command("remotes.ask", "r,f5", "ask", "Ask what it holds",
        "Asks the remote under the cursor how many snapshots it holds, and whether it can be reached.",
        "nuvtui remotes show {remote}", enabled=_on_remote),
    Command("remotes.check", "c", "check", "Check",
        "Checks that the remote holds all that its snapshots need; a task.", "nuvtui remotes check {remote}",
        enabled=_on_remote),
    Command("remotes.prune", "p", "prune", "Prune",
        "Says what no snapshot there needs any more, and frees it after asking.", "nuvtui remotes prune {remote}",
        enabled=_on_remote, destructive=True),
    Command("remotes.recipients", "K", "keys", "Who can read it",
        "Lists the keys that an encrypted remote can be read with.", "nuvtui remotes recipients list {remote}",
        enabled=lambda node: node.remote is not None and node.remote.encrypted, footer=False),
    Command("remotes.recovery", "R", "recovery sheet", "Recovery sheet",
        "Writes the sheet that opens an encrypted remote when all keys are lost.",
        "nuvtui remotes recovery {remote} FILE",
        enabled=lambda node: node.remote is not None and node.remote.encrypted, footer=False),
    Command("remotes.remove", "d,delete", "remove", "Remove",
        "Forgets the remote under the cursor; what lies there stays.", "nuvtui remotes remove {remote} --yes",
        enabled=_on_remote, destructive=True),
)
