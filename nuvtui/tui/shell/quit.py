"""Leaving while tasks run: leave them running, cancel them, or stay."""

from collections.abc import Sequence
from typing import Literal

from nuvtui.model.task import TaskView
from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog
from nuvtui.tui.toolkit.lines import Line, line

Leave = Literal["leave", "cancel"]


class QuitDialog(Dialog[Leave]):
    """Names what runs; the callback gets `leave`, `cancel`, or None for staying."""

    def __init__(self, running: Sequence[TaskView]) -> None:
        text: list[Line | str] = [
            line(("Still running:", "strong")),
            *(line("  ", task.title or task.kind, right=[(task.kind, "muted")]) for task in running),
            "",
            "They go on without this screen, also when the connection ends; the next start tells how they ended.",
            "",
        ]
        one = len(running) == 1
        choices = [
            Choice("leave", "Leave it running" if one else "Leave them running"),
            Choice("cancel", "Cancel it and quit" if one else "Cancel them and quit", True),
            Choice(None, "Stay"),
        ]
        super().__init__("Quit", text, choices)
