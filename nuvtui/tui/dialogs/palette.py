"""All that can be done, with its keys, found by typing; and the same as command lines."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from nuvtui import sanitise
from nuvtui.tui.clipboard import Copy
from nuvtui.tui.commands import REGISTRY, Command, as_command, key_label
from nuvtui.tui.dialogs.base import Dialog
from nuvtui.tui.widgets.detail import DetailPane
from nuvtui.tui.widgets.line_list import Items, LineList
from nuvtui.tui.widgets.lines import Cell, Line, fit, line, row
from nuvtui.tui.widgets.scoped import Scoped


class Entry(NamedTuple):
    """A command that can be run, and by whom."""

    command: Command
    node: Scoped | None
    """The widget that carries it out; None: of a place that has to be gone to first."""
    enabled: bool = True


class PaletteDialog(Dialog[Entry]):
    """Type to search, Enter runs; the callback gets the entry."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("Commands", note="Enter runs, Esc leaves")
        self._entries = list(entries)

    def fields(self) -> Iterable[Widget]:
        """The field and the list."""
        entry = Input(placeholder="what do you want to do?", compact=True)
        entry.cursor_blink = False
        yield entry
        found = LineList(
            Items(self._entries, _draw), id="palette", filterable=False, empty="No such command."
        )
        found.driven = True
        yield found

    def first_focus(self) -> Widget | None:
        """The field."""
        return self.query_one(Input)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search: those with all words in their title come first."""
        event.stop()
        words = event.value.lower().split()
        matching = [entry for entry in self._entries if all(word in _text(entry) for word in words)]
        matching.sort(key=lambda entry: not all(word in entry.command.title.lower() for word in words))
        found = self.query_one(LineList)
        found.set_source(Items(matching, _draw))
        found.move_to(0)

    def on_key(self, event: events.Key) -> None:
        """Keys of the list, while one types."""
        entries = self.query_one(LineList)
        page = max(1, entries.size.height - 1)
        moves = {"up": -1, "down": 1, "pageup": -page, "pagedown": page}
        if event.key in moves:
            entries.move_to(entries.cursor + moves[event.key])
        elif event.key == "enter":
            self._run()
        else:
            return
        event.stop()
        event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        event.stop()
        self._run()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter in the list."""
        message.stop()
        self._run()

    def _run(self) -> None:
        found = self.query_one(LineList)
        if found.current is not None and isinstance(found.source, Items):
            entry: Entry = found.source.items[found.current]
            if entry.enabled:
                self.dismiss(entry)


def _draw(entry: Entry, width: int) -> Line:
    keys = ", ".join(key_label(key) for key in REGISTRY.keys(entry.command.id)[:2])
    scope = REGISTRY.scopes[entry.command.scope].title
    return row(
        width,
        Cell(entry.command.title, 0, "" if entry.enabled else "muted"),
        Cell(scope, 16, "muted"),
        Cell(keys, 10, "accent", "right"),
    )


def _text(entry: Entry) -> str:
    scope = REGISTRY.scopes[entry.command.scope].title
    return f"{entry.command.title} {scope} {entry.command.help} {entry.command.id}".lower()


LABEL = 22
"""Cells of what a command does, beside its command line."""


class CommandsDialog(Dialog[bool]):
    """What can be done here, as command lines; `y` or Enter copies the one under the cursor."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("As commands", note="y or Enter copies, Esc leaves")
        self._lines = [
            (
                entry.command.title,
                as_command(entry.command, entry.node.command_values() if entry.node else {}),
            )
            for entry in entries
        ]

    def fields(self) -> Iterable[Widget]:
        """The list."""
        yield LineList(
            Items(
                self._lines,
                lambda item, width: line(
                    (fit(item[0], LABEL, ellipsis=self.nuv.glyphs.ellipsis), "muted"), " ", item[1]
                ),
                text=lambda item: item[1],
            ),
            id="palette",
            empty="Nothing here has a command line.",
        )
        yield DetailPane([self._lines[0][1] if self._lines else ""], id="in-full", can_focus=False)

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The command under the cursor in full."""
        message.stop()
        at = message.list.current
        self.query_one("#in-full", DetailPane).show([self._lines[at][1]] if at is not None else [""])

    def first_focus(self) -> Widget | None:
        """The list."""
        return self.query_one(LineList)

    def on_key(self, event: events.Key) -> None:
        """Copy."""
        if event.key == "y":
            event.stop()
            self._copy()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter copies too."""
        message.stop()
        self._copy()

    def _copy(self) -> None:
        at = self.query_one(LineList).current
        if at is not None:
            self.nuv.copy(Copy(sanitise.line(self._lines[at][1]), "the command"))
