"""A form as a list: one field a line, changed in place. Up and Down move, Left and Right change, Enter edits."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Piece, fit, line, width_of
from nuvtui.tui.toolkit.prompt import Prompt


class FormField(msgspec.Struct, frozen=True):
    """A line of the form."""

    id: str
    label: str
    kind: Literal["choice", "text", "go"]
    value: str = ""
    options: tuple[Option, ...] = ()
    """Of a choice: what there is to choose from."""
    note: str = ""
    """A few words after the value."""
    problem: bool = False
    """The note is a reason why it cannot be as it is."""
    locked: bool = False
    """Cannot be changed; the note says why."""

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.kind == "choice":
            return next((option.label for option in self.options if option.value == self.value), self.value)
        return self.value


class FormList(LineList):
    """Shows fields. `Changed` comes after each change, `Going` when a `go` line was chosen."""

    SCOPES = ("form", "list")
    BINDINGS = bindings("form")

    class Changed(LineList.ListMessage):
        """A field has another value."""

        def __init__(self, list: LineList, field: FormField) -> None:
            super().__init__(list)
            self.field = field

    class Leaving(LineList.ListMessage):
        """Down was pressed on the last line."""

    class Going(LineList.ListMessage):
        """A `go` line was chosen."""

        def __init__(self, list: LineList, field: FormField) -> None:
            super().__init__(list)
            self.field = field

    MANY = 4
    """From so many options on, Enter opens a list of them."""

    def __init__(self, *, id: str | None = None, classes: str | None = None, title: str = "") -> None:
        super().__init__(id=id, classes=classes, title=title, filterable=False)
        self.form: list[FormField] = []
        self._editing: FormField | None = None

    def set_form(self, fields: Sequence[FormField]) -> None:
        """Show these fields; the cursor stays on its field."""
        self.form = list(fields)
        self.set_source(Items(self.form, self._line, key=lambda field: field.id))

    @property
    def field(self) -> FormField | None:
        """The field under the cursor."""
        return self.form[self.current] if self.current is not None and self.current < len(self.form) else None

    @property
    def changeable(self) -> bool:
        """True where the field under the cursor is a choice that can be changed."""
        field = self.field
        return field is not None and field.kind == "choice" and not field.locked and len(field.options) > 1

    @property
    def values(self) -> Mapping[str, str]:
        """Value by field id."""
        return {field.id: field.value for field in self.form}

    def change(self, identifier: str, value: str) -> None:
        """Give a field another value, and tell."""
        for at, field in enumerate(self.form):
            if field.id == identifier and field.value != value:
                self.form[at] = msgspec.structs.replace(field, value=value)
                self.refresh_key(identifier)
                self.post_message(self.Changed(self, self.form[at]))

    def _line(self, field: FormField, width: int) -> Line:
        if field.kind == "go":
            return line((f"{self.glyphs.arrow} {field.label}", "strong"), (f"   {field.note}", "muted"))
        fields = [each for each in self.form if each.kind != "go"]
        label = max((len(each.label) for each in fields), default=0)
        pieces: list[Piece] = [(fit(field.label, label), "muted"), ("  ", "")]
        empty = not field.shown
        value = field.shown or self.glyphs.dot
        if field.note:
            # Remarks stand in a column of their own; a value that is wider than the column pushes its remark.
            column = max((width_of(each.shown) for each in fields if each.note), default=0)
            column = min(column, max(8, (width - label) // 3))
            value += " " * (column - width_of(value))
        pieces.append((value, "muted" if empty or field.locked else "strong"))
        if field.note:
            pieces.append((f"  {field.note}", "warn" if field.problem else "muted"))
        return line(*pieces)

    def word(self, command: str) -> str:
        """What Enter does to the field under the cursor."""
        field = self.field
        if command != "list.open" or field is None:
            return ""
        if field.kind == "go":
            return field.label.lower()
        if field.kind == "text":
            return "type a text"
        return "choose" if len(field.options) >= self.MANY else "change"

    # keys

    def action_down(self) -> None:
        """One line down; from the last one to what lies below the form."""
        if self.cursor >= self.count - 1:
            self.post_message(self.Leaving(self))
        super().action_down()

    def _step(self, step: int) -> None:
        field = self.field
        if field is None or not self.changeable:
            return
        values = [option.value for option in field.options]
        at = values.index(field.value) if field.value in values else -step
        self.change(field.id, values[(at + step) % len(values)])

    def action_next_value(self) -> None:
        """The next value."""
        self._step(1)

    def action_previous_value(self) -> None:
        """The value before."""
        self._step(-1)

    async def action_edit(self) -> None:
        """Change the field under the cursor in the way of its kind."""
        field = self.field
        if field is None or field.locked:
            return
        if field.kind == "go":
            self.post_message(self.Going(self, field))
        elif field.kind == "text":
            self._editing = field
            self._prompt = Prompt(self, field.label.lower(), field.value)
            await self._prompt.open()
        elif len(field.options) >= self.MANY:
            self.app.push_screen(
                PickDialog(field.label, field.options, field.value),
                lambda value: self.change(field.id, value) if value is not None else None,
            )
        else:
            self._step(1)

    def action_open(self) -> None:
        """Enter."""
        self.call_next(self.action_edit)

    # a text field while it is edited

    def on_prompt_typed(self, message: Prompt.Typed) -> None:
        """Nothing happens before Enter."""
        message.stop()
        message.prevent_default()

    def on_prompt_left(self, message: Prompt.Left) -> None:
        """Take the text over, or leave the field as it was."""
        message.stop()
        message.prevent_default()
        self._prompt = None
        field, self._editing = self._editing, None
        if field is not None and message.kept:
            self.change(field.id, message.text.strip())

    def on_prompt_passed(self, message: Prompt.Passed) -> None:
        """The cursor stays on the field that is edited."""
        message.stop()
        message.prevent_default()

    def copied(self) -> Copy | None:
        """The value under the cursor."""
        field = self.field
        return Copy(field.value, field.label.lower()) if field is not None and field.value else None
