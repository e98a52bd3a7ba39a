"""Help for what has the focus, made from the command registry, searched by typing."""

from collections.abc import Iterable, Sequence

from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from nuvtui.tui.common.base_screen import WIDE
from nuvtui.tui.toolkit.command import Command
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.lines import Line, line

KEYS = 18
"""Cells of the column with the keys."""
GENERAL = frozenset({"list", "tree", "table", "scroll", "text"})
"""Scopes of what every list and text can do: briefly, after what can be done here only."""


class HelpDialog(Dialog[bool]):
    """What has the focus first, then what is around it; typing shows only what holds all words typed."""

    def __init__(self, nodes: Sequence[CommandTarget]) -> None:
        super().__init__("Help", [""], [Choice(True, "Close")], note="type to search, Up and Down scroll")
        self._around = list(nodes)
        self._ids = False

    def compose(self) -> ComposeResult:
        """The ids of commands, which the settings name, where there is room."""
        self._ids = self.app.size.width >= WIDE
        self.set_class(self._ids, "-roomy")
        self._text = help_lines(self._around, ids=self._ids)
        yield from super().compose()

    def fields(self) -> Iterable[Widget]:
        """What is searched for."""
        entry = Input(
            placeholder="search: a key, or words of what you want to do", compact=True, id="help-search"
        )
        entry.cursor_blink = False
        yield entry

    def first_focus(self) -> Widget | None:
        """The field."""
        return self.query_one(Input)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search."""
        event.stop()
        words = event.value.lower().split()
        found = found_lines(self._around, words, self._ids) if words else help_lines(self._around, self._ids)
        self.query_one("#dialog-text", DetailPane).show(found)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter closes."""
        event.stop()
        self.dismiss(True)


def _sections(nodes: Iterable[CommandTarget]) -> list[tuple[str, str, list[Command]]]:
    """Scope, the sentence about it, its commands: innermost first, what is general and everywhere last."""
    found: list[tuple[int, str, str, list[Command]]] = []
    seen: set[str] = set()
    for node in nodes:
        for scope in node.SCOPES:
            commands = [command for command in REGISTRY.of(scope) if command.id not in seen]
            seen.update(command.id for command in commands)
            rank = 2 if isinstance(node, App) else 1 if scope in GENERAL else 0
            if commands:
                found.append((rank, scope, node.HELP if scope == node.SCOPES[0] else "", commands))
    found.sort(key=lambda section: section[0])
    return [section[1:] for section in found]


def help_lines(nodes: Iterable[CommandTarget], ids: bool = True) -> list[Line | str]:
    """The help of the nodes, innermost first: a sentence, the keys, then the rest of what there is to say.

    What is general is told in a line each, without its sentence.
    """
    lines: list[Line | str] = []
    for scope, about, commands in _sections(nodes):
        brief = scope in GENERAL or scope == "app"
        lines.append(line((REGISTRY.scopes[scope].title, "accent")))
        first, _, rest = about.partition(". ")
        if about and not brief:
            lines += [f"{first}." if rest else first, ""]
        for command in commands:
            lines += _entry(command, ids, brief)
        if rest and not brief:
            lines += ["", line((rest, "muted"))]
        lines.append("")
    lines.append(line(("Ctrl+P finds every command, and all there is to go to.", "muted")))
    return lines


def found_lines(nodes: Iterable[CommandTarget], words: Sequence[str], ids: bool) -> list[Line | str]:
    """The commands that hold all words in their keys, title or sentence."""
    lines: list[Line | str] = []
    for scope, _, commands in _sections(nodes):
        title = REGISTRY.scopes[scope].title
        fitting = [command for command in commands if _holds(command, title, words)]
        if fitting:
            lines.append(line((title, "accent")))
            for command in fitting:
                lines += _entry(command, ids, False)
            lines.append("")
    return lines or [line(("Nothing here. Ctrl+P searches everywhere.", "muted"))]


def _holds(command: Command, title: str, words: Sequence[str]) -> bool:
    keys = [key_label(key).lower() for key in REGISTRY.keys(command.id)]
    text = f"{title} {command.title} {command.help} {command.id}".lower()
    return all(word in text or word in keys for word in words)


def _entry(command: Command, ids: bool, brief: bool) -> list[Line]:
    keys = ", ".join(key_label(key) for key in REGISTRY.keys(command.id)) or "palette"
    title = f"{command.title} (asks first)" if command.destructive else command.title
    told = [line((" " * KEYS + command.help, "muted"))] if command.help and not brief else []
    return [line((f"{keys:<{KEYS}}", "strong"), title, right=[(command.id, "muted")] if ids else []), *told]
