"""The one-line prompt for filters and searches, below the widget that it belongs to."""

from typing import ClassVar

from textual import events
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input


class Prompt(Input):
    """One line of input. Changes are told as they are typed; Enter keeps, Esc clears; then it is gone."""

    class Typed(Message):
        """The text changed."""

        def __init__(self, prompt: "Prompt", text: str) -> None:
            super().__init__()
            self.prompt = prompt
            self.text = text

    class Left(Message):
        """The prompt is gone; `kept` False: what was typed is to be forgotten."""

        def __init__(self, prompt: "Prompt", text: str, kept: bool) -> None:
            super().__init__()
            self.prompt = prompt
            self.text = text
            self.kept = kept

    class Passed(Message):
        """A key that moves the target."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    THROUGH: ClassVar[set[str]] = {"up", "down", "pageup", "pagedown"}
    """Keys that move the widget while one types."""

    def __init__(self, target: Widget, label: str, value: str = "") -> None:
        super().__init__(value, placeholder=label, compact=True, select_on_focus=False)
        self.cursor_blink = False
        self.target = target

    async def open(self) -> None:
        """Show the prompt below its target and put the focus into it."""
        parent = self.target.parent
        if isinstance(parent, Widget):
            await parent.mount(self, after=self.target)
            self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the target."""
        event.stop()
        self.target.post_message(self.Typed(self, event.value))

    def on_key(self, event: events.Key) -> None:
        """Esc, Enter, and the keys for the target."""
        if event.key in ("escape", "enter"):
            event.stop()
            event.prevent_default()
            self.target.post_message(self.Left(self, self.value, event.key == "enter"))
            self.target.focus()
            self.remove()
        elif event.key in self.THROUGH:
            event.stop()
            event.prevent_default()
            self.target.post_message(self.Passed(event.key))
