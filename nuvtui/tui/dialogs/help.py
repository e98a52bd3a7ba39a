"""Help for what has the focus, made from the command registry."""

from collections.abc import Iterable, Sequence

from nuvtui.tui.commands import REGISTRY, Command, key_label
from nuvtui.tui.dialogs.base import Choice, Dialog
from nuvtui.tui.widgets.lines import Line, Piece, line
from nuvtui.tui.widgets.scoped import Scoped


class HelpDialog(Dialog[bool]):
    """What each thing around the focus is for, and its keys."""

    def __init__(self, nodes: Sequence[Scoped]) -> None:
        super().__init__("Help", help_lines(nodes), [Choice(True, "Close")], note="Up and Down scroll")


def help_lines(nodes: Iterable[Scoped]) -> list[Line | str]:
    """The help of the nodes, innermost first."""
    lines: list[Line | str] = []
    seen: set[str] = set()
    for node in nodes:
        for scope in reversed(node.SCOPES):
            commands = [command for command in REGISTRY.of(scope) if command.id not in seen]
            seen.update(command.id for command in commands)
            if not commands and not node.HELP:
                continue
            lines.append(line((REGISTRY.scopes[scope].title, "accent")))
            if node.HELP and scope == node.SCOPES[0]:
                lines += [node.HELP, ""]
            lines += [_entry(command) for command in commands]
            lines.append("")
    return lines


def _entry(command: Command) -> Line:
    keys = ", ".join(key_label(key) for key in REGISTRY.keys(command.id))
    text = command.help or f"{command.title}."
    mark: list[Piece] = [(" (asks first)", "warn")] if command.destructive else []
    return line((f"  {keys:<14}", "strong"), text, *mark, (f"  {command.id}", "muted"))
