"""Choosing any number of things: a list whose lines are marked with Space; Enter takes the marked ones."""

from collections.abc import Collection, Iterable, Sequence

from textual.widget import Widget

from nuvtui.tui.toolkit.dialogs.base import Dialog
from nuvtui.tui.toolkit.dialogs.pick import Option
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, line


class MarksDialog(Dialog[list[str]]):
    """The callback gets the values that are marked, in the order of the list, or None."""

    HELP = "Space marks the line under the cursor, * all or none, / filters; Enter takes what is marked, Esc leaves."

    def __init__(
        self,
        title: str,
        options: Sequence[Option],
        marked: Collection[str] = (),
        text: Iterable[Line | str] = (),
    ) -> None:
        super().__init__(title, text, note="Space marks, * all, Enter takes them")
        self._options = list(options)
        self._marked = set(marked)

    def fields(self) -> Iterable[Widget]:
        """The list."""
        shown = LineList(
            Items(
                self._options,
                self._line,
                key=lambda option: option.value,
                text=lambda o: f"{o.label} {o.note}",
            ),
            id="palette",
            markable=True,
        )
        shown.opens = "take the marked"
        shown.marked = set(self._marked)
        yield shown

    def _line(self, option: Option, _width: int) -> Line:
        marked = option.value in self.query_one(LineList).marked
        return line(
            ("[x] " if marked else "[ ] ", "accent" if marked else "muted"),
            option.label,
            right=[(option.note, "muted")] if option.note else (),
        )

    def first_focus(self) -> Widget | None:
        """The list."""
        return self.query_one(LineList)

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Taken."""
        message.stop()
        marked = message.list.marked
        self.dismiss([option.value for option in self._options if option.value in marked])
