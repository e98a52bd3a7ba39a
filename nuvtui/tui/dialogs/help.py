"""Help for what has the focus, made from the command registry."""

from collections.abc import Iterable, Sequence

from textual.app import App, ComposeResult
from textual.screen import Screen

from nuvtui.tui.commands import REGISTRY, Command, key_label
from nuvtui.tui.dialogs.base import Choice, Dialog
from nuvtui.tui.widgets.frame import WIDE
from nuvtui.tui.widgets.lines import Line, line
from nuvtui.tui.widgets.place import Place
from nuvtui.tui.widgets.scoped import Scoped

KEYS = 14
"""Cells of the column with the keys."""


class HelpDialog(Dialog[bool]):
    """What each thing around the focus is for, and its keys."""

    def __init__(self, nodes: Sequence[Scoped]) -> None:
        super().__init__("Help", (), [Choice(True, "Close")], note="Up and Down scroll")
        self._around = list(nodes)

    def compose(self) -> ComposeResult:
        """The ids of commands, which the settings name, where there is room."""
        wide = self.app.size.width >= WIDE
        self.set_class(wide, "-roomy")
        self._text = help_lines(self._around, ids=wide)
        yield from super().compose()


def help_lines(nodes: Iterable[Scoped], ids: bool = True) -> list[Line | str]:
    """The help of the nodes: places and screens first, then what is in them, then what is everywhere."""
    lines: list[Line | str] = []
    seen: set[str] = set()
    for node in sorted(nodes, key=_rank):
        for scope in reversed(node.SCOPES):
            commands = [command for command in REGISTRY.of(scope) if command.id not in seen]
            seen.update(command.id for command in commands)
            if not commands:
                continue
            lines.append(line((REGISTRY.scopes[scope].title, "accent")))
            if node.HELP and scope == node.SCOPES[0]:
                lines += [node.HELP, ""]
            for command in commands:
                lines += _entry(command, ids)
            lines.append("")
    return lines


def _rank(node: Scoped) -> int:
    if isinstance(node, App):
        return 2
    return 0 if isinstance(node, Place | Screen) else 1


def _entry(command: Command, ids: bool) -> list[Line]:
    keys = ", ".join(key_label(key) for key in REGISTRY.keys(command.id)) or "palette"
    title = f"{command.title} (asks first)" if command.destructive else command.title
    help = [line((" " * KEYS + command.help, "muted"))] if command.help else []
    return [line((f"{keys:<{KEYS}}", "strong"), title, right=[(command.id, "muted")] if ids else []), *help]
