"""Commands of the Remotes screen."""

from typing import Any

from nuvtui.tui.toolkit.command import Command, Scope


def _on_remote(node: Any) -> bool | None:
    """Only with the cursor on a remote."""
    return node.remote is not None


def _readable(node: Any) -> bool | None:
    """Not on a machine that can only write to the remote."""
    return node.remote is not None and (None if node.remote.write_only else True)


def _has_sheet(node: Any) -> bool | None:
    """Only of an encrypted remote that this machine can read."""
    return node.remote is not None and (
        True if node.remote.encrypted and not node.remote.write_only else None
    )


# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("remotes", "Remotes", contains=("list",)),
    Command("remotes.ask", "r", "ask", "Ask what it holds",
        "Asks the remote under the cursor what it holds and who can read it. Nobody waits for it: it can be left.",
        "nuvtui remotes show {remote}", enabled=_on_remote),
    Command("remotes.add", "n", "add", "Add a remote",
        "A folder on another disk, an object store, or another server; asks for its name, address and encryption.",
        "nuvtui remotes add NAME URL"),
    Command("remotes.pull", "L", "pull", "Pull from this remote",
        "Lists the snapshots of this space that it holds and that are not here, and brings those that you choose.",
        "nuvtui pull SNAPSHOT --from {remote}", enabled=_readable),
    Command("remotes.check", "c", "check", "Check",
        "Checks, as a task, that it holds all that its snapshots need.", "nuvtui remotes check {remote}",
        enabled=_readable),
    Command("remotes.check-data", "C", "check all", "Check every byte",
        "As the check, and reads and compares every byte.", "nuvtui remotes check {remote} --read-data",
        enabled=_readable, footer=False),
    Command("remotes.prune", "p", "prune", "Prune",
        "Works out what would come free on the remote, and frees it after asking.", "nuvtui remotes prune {remote}",
        destructive=True, enabled=_readable),
    Command("remotes.sheet", "s", "sheet", "Recovery sheet",
        "Shows the key of an encrypted remote as a text to print: lost keys are lost data.",
        "nuvtui remotes recovery {remote} FILE", enabled=_has_sheet),
    Command("remotes.remove", "d,delete", "remove", "Remove",
        "This store forgets the remote; what lies there stays.", "nuvtui remotes remove {remote} --yes",
        destructive=True, enabled=_on_remote, footer=False),
    Command("remotes.reread", "f5", "", "Read again", "Reads again what is known.", "nuvtui remotes list",
        footer=False),
)
