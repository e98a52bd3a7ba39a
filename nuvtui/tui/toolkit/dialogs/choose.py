"""Choosing one of several: a list that can be filtered; Enter chooses."""

from collections.abc import Hashable, Iterable

from textual.widget import Widget

from nuvtui.tui.toolkit.dialogs.base import Dialog
from nuvtui.tui.toolkit.line_list import Items, LineList, Source
from nuvtui.tui.toolkit.lines import Line, line


class ChooseDialog(Dialog[str]):
    """A list of choices; the callback gets the key of the chosen line, or None."""

    def __init__(
        self, title: str, source: Source, *, text: Iterable[Line | str] = (), at: Hashable = None
    ) -> None:
        super().__init__(title, text, note="Enter chooses, / filters, Esc leaves")
        self._source = source
        self._at = at

    def fields(self) -> Iterable[Widget]:
        """The list."""
        yield LineList(self._source, id="palette", empty="Nothing to choose.")

    def first_focus(self) -> Widget | None:
        """The list, with the cursor where it was asked for."""
        choices = self.query_one("#palette", LineList)
        if self._at is not None:
            choices.move_to_key(self._at)
        return choices

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: leave with the key."""
        message.stop()
        key = message.list.current_key
        self.dismiss(None if key is None else str(key))


def options(values: Iterable[tuple[str, str, str]]) -> Source:
    """A source of `(key, label, what it is)`."""
    return Items(
        list(values),
        lambda item, _width: line(item[1], right=[(item[2], "muted")]),
        key=lambda item: item[0],
        text=lambda item: f"{item[1]} {item[2]}",
    )
