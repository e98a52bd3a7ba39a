"""Asking for a few lines of text: names, descriptions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from nuvtui import sanitise
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog
from nuvtui.tui.toolkit.lines import Line, line


class TextField(NamedTuple):
    """A field to fill in."""

    id: str
    label: str
    value: str = ""
    placeholder: str = ""
    secret: bool = False


class TextDialog(Dialog[Mapping[str, str]]):
    """Fields under each other; the callback gets the texts by field id, or None.

    `advise(texts)` is a sentence shown below while one types (a name that says nothing); `refuse(texts)` is one that
    keeps the dialog open. Up and Down move between fields, Enter goes on and at the last one is done, as is Ctrl+S at any.
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[TextField],
        yes: str,
        *,
        text: Iterable[Line | str] = (),
        advise: Callable[[Mapping[str, str]], str | None] | None = None,
        refuse: Callable[[Mapping[str, str]], str | None] | None = None,
    ) -> None:
        note = "Enter next field, Ctrl+S done" if len(fields) > 1 else ""
        super().__init__(title, text, [Choice(True, yes), Choice(None, "Cancel")], note=note)
        self._fields = list(fields)
        self._advise = advise
        self._refuse = refuse

    def fields(self) -> Iterable[Widget]:
        """Label and field, label and field, advice."""
        for field in self._fields:
            yield DetailPane([line((field.label, "muted"))], classes="label", can_focus=False)
            entry = Input(
                sanitise.line(field.value),
                placeholder=sanitise.line(field.placeholder),
                password=field.secret,
                compact=True,
                id=f"field-{field.id}",
            )
            entry.cursor_blink = False
            yield entry
        yield DetailPane([""], id="advice", can_focus=False)

    def hints(self) -> Sequence[tuple[str, str]]:
        """Enter, and the key that takes all."""
        focused = self.focused
        if not isinstance(focused, Input):
            return super().hints()
        last = focused is self.query(Input).last()
        yes = self._choices[0].label
        return [("Enter", yes if last else "next field"), *([] if last else [("^S", yes)])]

    def first_focus(self) -> Widget | None:
        """The first field."""
        return self.query(Input).first()

    @property
    def texts(self) -> dict[str, str]:
        """What the fields hold."""
        return {field.id: self.query_one(f"#field-{field.id}", Input).value.strip() for field in self._fields}

    def on_input_changed(self, event: Input.Changed) -> None:
        """Advise."""
        event.stop()
        self._say(self._advise(self.texts) if self._advise else None)

    def _say(self, sentence: str | None, bad: bool = False) -> None:
        self.query_one("#advice", DetailPane).show([line((sentence or "", "bad" if bad else "warn"))])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """On to the next field; done at the last one."""
        event.stop()
        entries = list(self.query(Input))
        at = entries.index(event.input)
        if at + 1 < len(entries):
            entries[at + 1].focus()
        else:
            self.chosen(True)

    def on_key(self, event: events.Key) -> None:
        """Up and Down move between the fields."""
        if event.key == "ctrl+s":
            event.stop()
            self.chosen(True)
        elif event.key in ("up", "down") and isinstance(self.focused, Input):
            event.stop()
            event.prevent_default()
            if event.key == "down":
                self.focus_next()
            else:
                self.focus_previous()

    def chosen(self, value: object) -> None:
        """Leave with the texts, unless they are refused."""
        if value is None:
            self.dismiss(None)
            return
        texts = self.texts
        problem = self._refuse(texts) if self._refuse else None
        if problem:
            self._say(problem, bad=True)
            self.query(Input).first().focus()
        else:
            self.dismiss(texts)
