"""Asking before something is done: what exactly changes, and how it can be undone."""

from collections.abc import Iterable

from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog
from nuvtui.tui.toolkit.lines import Line, line


class ConfirmDialog(Dialog[bool]):
    """Yes or Cancel; the callback gets True or None.

    `changes`: what exactly changes, listed. `backup`: how to come back, named (an automatic snapshot), or that there
    is no way back. A `destructive` one puts the focus on Cancel.
    """

    def __init__(
        self,
        title: str,
        changes: Iterable[Line | str],
        yes: str,
        *,
        backup: str = "",
        destructive: bool = False,
    ) -> None:
        text: list[Line | str] = [*changes, ""]
        if backup:
            text += [line((backup, "strong")), ""]
        choices = [Choice(None, "Cancel"), Choice(True, yes, destructive)]
        super().__init__(title, text, choices, focus=0 if destructive else 1)
        self.DESTRUCTIVE = destructive


class MessageDialog(Dialog[bool]):
    """Something to be read: an error with its hint, messages of a distribution."""

    def __init__(self, title: str, text: Iterable[Line | str], *, bad: bool = False) -> None:
        super().__init__(title, [*text, ""], [Choice(True, "OK")])
        self.DESTRUCTIVE = bad
