"""Choosing one of many: a list that can be filtered, in a dialog."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.widget import Widget

from nuvtui.tui.toolkit.dialogs.base import Dialog
from nuvtui.tui.toolkit.line_list import Items, LineList, Source
from nuvtui.tui.toolkit.lines import Line, line


class Option(NamedTuple):
    """Something that can be chosen."""

    value: str
    label: str
    note: str = ""


class PickDialog(Dialog[str]):
    """Enter chooses the line under the cursor, `/` filters; the callback gets its key, or None."""

    def __init__(self, title: str, options: Source | Sequence[Option], at: str = "") -> None:
        """`options`: a source of lines, or what it is made of. `at`: the key under the cursor at first."""
        super().__init__(title, note="Enter chooses, / filters, Esc leaves")
        self._source = options if isinstance(options, Source) else _source(options)
        self._at = at

    def fields(self) -> Iterable[Widget]:
        """The list."""
        yield LineList(self._source, id="palette", empty="Nothing to choose.")

    def first_focus(self) -> Widget | None:
        """The list, with the cursor on what is chosen now."""
        choices = self.query_one("#palette", LineList)
        choices.move_to_key(self._at)
        return choices

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: leave with the key."""
        message.stop()
        key = message.list.current_key
        self.dismiss(None if key is None else str(key))


def _source(options: Sequence[Option]) -> Source:
    return Items(list(options), _draw, key=lambda option: option.value, text=lambda o: f"{o.label} {o.note}")


def _draw(option: Option, _width: int) -> Line:
    return line(option.label, right=[(option.note, "muted")] if option.note else ())
