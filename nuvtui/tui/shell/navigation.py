"""Going straight to a thing: an instance, a snapshot, a file, a table, an application, an export, a task, a message."""

from collections.abc import Callable

from nuvtui.tui.common.navigation import Target
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.common.shell import Shell
from nuvtui.tui.common.task_screen import open_task

TRIES = 200
LOOK = 0.05
"""How often, and how many seconds apart, it is looked whether the thing is there by now."""
PANES = {"instance": "timeline", "snapshot": "timeline", "export": "exports"}
"""The pane that lists things of a kind; the others are in Contents."""


async def go(nuv: Shell, target: Target) -> None:
    """Go to `target`, from wherever one is."""
    match target.kind:
        case "task":
            found = next((task for task in nuv.tasks if task.id == target.key), None)
            if found is None:
                nuv.notify(f"{target.label} is not listed any more.", severity="warning")
            else:
                open_task(nuv, found)
            return
        case "message":
            nuv.route("spaces.message")(nuv, target.key)
            return
        case "instance":
            nuv.switch(target.key)
        case _ if not _there(nuv, target):
            nuv.switch(target.instance)
    identifier = PANES.get(target.kind, "contents")
    await nuv.show_pane(identifier)
    if target.kind != "instance":
        lies = "is not listed here any more" if target.kind in PANES else "is not in this state any more"
        _until(nuv, lambda: _reveal(nuv, identifier, target), f"{target.label} {lies}.")


def _there(nuv: Shell, target: Target) -> bool:
    here = nuv.context.instance
    return not target.instance or (here is not None and here.id == target.instance)


def _reveal(nuv: Shell, identifier: str, target: Target) -> bool:
    """Put the cursor on the thing; False: the pane does not list it yet."""
    pane = nuv.pane(identifier)
    return isinstance(pane, Pane) and _there(nuv, target) and pane.reveal(target)


def _until(nuv: Shell, look: Callable[[], bool], otherwise: str, tries: int = TRIES) -> None:
    if look():
        return
    if not tries:
        nuv.notify(otherwise, severity="warning")
        return
    nuv.set_timer(LOOK, lambda: _until(nuv, look, otherwise, tries - 1))
