"""Leaving: what becomes of running tasks, and what is said of a fault of the program."""

from collections.abc import Callable

from nuvtui import logfile, sanitise
from nuvtui.paths import Home
from nuvtui.tui.common.shell import Shell
from nuvtui.tui.shell.quit import QuitDialog


def leave(nuv: Shell, exit: Callable[[], object]) -> None:
    """Call `exit`; where tasks of the user run, ask first what becomes of them."""
    mine = [task for task in nuv.tasks if not task.status.ended and task.user in ("", nuv.context.user)]

    def cancel() -> None:
        from nuvtui.worker.lifecycle import cancel as cancel_task

        for task in mine:
            cancel_task(nuv.home, task.id)

    def answered(answer: object) -> None:
        if answer == "leave":
            exit()
        elif answer == "cancel":
            nuv.notify("Cancelling")
            nuv.load(cancel, lambda _: exit(), group="cancel")

    if mine:
        nuv.push_screen(QuitDialog(mine), answered)
    else:
        exit()


def fault_told(home: Home, error: BaseException | None) -> str:
    """A sentence for the user about a fault of the program, all of which goes into its log."""
    where = logfile.fault(home, error) if error is not None else None
    told = (
        f"The details are at the end of {where}"
        if where is not None
        else f"The details could not be written to {logfile.path(home)}"
    )
    text = f"nuvtui met an unexpected error: {type(error).__name__}: {logfile.clean(str(error))}\n{told}"
    return sanitise.block(text)
