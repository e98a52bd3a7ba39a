"""Asking so that nobody says yes by habit: a word has to be typed."""

from collections.abc import Iterable

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from nuvtui import sanitise
from nuvtui.tui.toolkit.dialogs.base import Choice, Choices, Dialog
from nuvtui.tui.toolkit.lines import Line, line


class TypedDialog(Dialog[bool]):
    """The choice `yes` opens once `word` was typed; the callback gets True or None. The focus is on Cancel."""

    DESTRUCTIVE = True

    def __init__(
        self, title: str, changes: Iterable[Line | str], word: str, yes: str, *, backup: str = ""
    ) -> None:
        self._word = word
        text: list[Line | str] = [*changes, ""]
        if backup:
            text += [line((backup, "strong")), ""]
        text.append(line("To go on, type ", (word, "strong"), " (Tab goes to the field)."))
        super().__init__(title, text, [Choice(None, "Cancel"), Choice(True, yes, True)], focus=0)

    def fields(self) -> Iterable[Widget]:
        """The field."""
        field = Input(placeholder=sanitise.line(self._word), compact=True, select_on_focus=False, id="typed")
        field.cursor_blink = False
        return (field,)

    def on_mount(self) -> None:
        """Nothing typed yet."""
        self.query_one(Choices).close_choices({1})

    def on_input_changed(self, event: Input.Changed) -> None:
        """Open the choice where the word is there."""
        event.stop()
        self.query_one(Choices).close_choices(set() if event.value.strip() == self._word else {1})

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field goes to the choices: the last step is a deliberate one."""
        event.stop()
        self.query_one(Choices).focus()

    def on_key(self, event: events.Key) -> None:
        """A letter typed on the choices is meant for the field."""
        choices = self.query_one(Choices)
        if choices.has_focus and event.is_printable and event.character and event.character not in " hl":
            event.stop()
            field = self.query_one(Input)
            field.focus()
            field.insert_text_at_cursor(event.character)
