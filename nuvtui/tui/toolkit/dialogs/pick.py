"""Choosing one of many: a list that can be filtered, in a dialog."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.widget import Widget

from nuvtui.tui.toolkit.dialogs.base import Dialog
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, line


class Option(NamedTuple):
    """Something that can be chosen."""

    value: str
    label: str
    note: str = ""


class PickDialog(Dialog[str]):
    """Enter chooses the line under the cursor, `/` filters; the callback gets its value, or None."""

    def __init__(
        self, title: str, options: Sequence[Option], at: str = "", text: Iterable[Line | str] = ()
    ) -> None:
        """`at`: the value under the cursor at first."""
        super().__init__(title, text, note="Enter chooses, / filters, Esc leaves")
        self._options = list(options)
        self._at = at

    def fields(self) -> Iterable[Widget]:
        """The list."""
        yield LineList(
            Items(
                self._options, _draw, key=lambda option: option.value, text=lambda o: f"{o.label} {o.note}"
            ),
            id="palette",
        )

    def on_mount(self) -> None:
        """The cursor on what is chosen now."""
        self.query_one(LineList).move_to_key(self._at)

    def first_focus(self) -> Widget | None:
        """The list."""
        return self.query_one(LineList)

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Chosen."""
        message.stop()
        if message.list.current is not None:
            self.dismiss(self._options[message.list.current].value)


def _draw(option: Option, _width: int) -> Line:
    return line(option.label, right=[(option.note, "muted")] if option.note else ())
