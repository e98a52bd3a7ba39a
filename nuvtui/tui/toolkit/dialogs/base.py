"""The base of all dialogs: a text, a few choices, keys that are the same everywhere.

A dialog is pushed with a callback: `app.push_screen(ConfirmDialog(…), callback)`; the callback gets the value of
the choice, `cancelled` (None) after Esc. A destructive dialog puts the focus on Cancel.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget

from nuvtui import sanitise
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.footer import Footer
from nuvtui.tui.toolkit.lines import Line, LineWidget, width_of
from nuvtui.tui.toolkit.screen_events import too_late

T = TypeVar("T")


class Choice(NamedTuple):
    """One way out of a dialog."""

    value: object
    label: str
    destructive: bool = False


class Choices(LineWidget):
    """The choices in a row: left and right move, Enter chooses, so does a choice's first letter."""

    class Chosen(Message):
        """A choice was made."""

        def __init__(self, value: object) -> None:
            super().__init__()
            self.value = value

    def __init__(self, choices: Sequence[Choice], at: int = 0) -> None:
        super().__init__(id="choices")
        self.choices = list(choices)
        self.at = at
        self.locked: set[int] = set()
        """Positions of choices that cannot be made (yet)."""

    def close_choices(self, positions: set[int]) -> None:
        """Say which choices cannot be made."""
        if positions != self.locked:
            self.locked = positions
            self.refresh()

    def draw(self, _y: int, width: int) -> Strip:
        """The row."""
        base = self.style_of("")
        segments: list[Segment] = []
        for at, choice in enumerate(self.choices):
            style = base
            if at in self.locked:
                style += self.style_of("tone--muted")
            elif choice.destructive:
                style += self.style_of("tone--bad")
            label = f" {sanitise.line(choice.label)} "
            if at == self.at and self.has_focus:
                segments.append(Segment(f"[{label}]", style + self.style_of("line--choice")))
            else:
                segments.append(Segment(f" {label} ", style))
            segments.append(Segment(" ", base))
        return Strip(segments).adjust_cell_length(width, base)

    def get_content_width(self, _container: object, _viewport: object) -> int:
        """As wide as the labels."""
        return sum(width_of(choice.label) + 5 for choice in self.choices)

    def on_key(self, event: events.Key) -> None:
        """Move and choose."""
        if event.key in ("left", "right", "h", "l"):
            step = -1 if event.key in ("left", "h") else 1
            self._go((self.at + step) % len(self.choices))
        elif event.key in ("tab", "shift+tab"):
            at = self.at + (1 if event.key == "tab" else -1)
            if 0 <= at < len(self.choices):
                self._go(at)
            elif len(self.screen.focus_chain) > 1:
                self._go(0)  # where the next Tab that leads here begins
                return
            else:
                self._go(at % len(self.choices))
        elif event.key == "enter":
            self._choose(self.at)
        else:
            letter = (event.character or "").lower()
            found = [
                at
                for at, choice in enumerate(self.choices)
                if letter and choice.label.lower().startswith(letter)
            ]
            if len(found) != 1 or self.choices[found[0]].destructive:
                return  # a destructive choice takes moving there and Enter
            self._choose(found[0])
        event.stop()
        event.prevent_default()

    def _go(self, at: int) -> None:
        self.at = at
        self.refresh()
        self.refresh_bindings()

    def _choose(self, at: int) -> None:
        if at not in self.locked:
            self.post_message(self.Chosen(self.choices[at].value))

    def on_click(self, event: events.Click) -> None:
        """Choose with the mouse."""
        end = 0
        for at, choice in enumerate(self.choices):
            end += width_of(choice.label) + 5
            if event.x < end:
                self._choose(at)
                return

    def focus_changed(self) -> None:
        """Show which choice Enter makes, or none."""
        self.refresh()


class Dialog(ModalScreen[T | None], CommandTarget, Generic[T]):
    """A titled box: text, whatever `fields` gives, and choices."""

    SCOPES: ClassVar[tuple[str, ...]] = ("dialog",)
    BINDINGS = bindings("dialog")
    DESTRUCTIVE = False
    HELP = "Tab goes through fields and choices, Left and Right through the choices; Enter chooses, Esc leaves all as it is."
    SCROLLED = "#dialog-text"
    """The pane that Up, Down, PgUp and PgDn scroll."""

    def __init__(
        self,
        title: str,
        text: Iterable[Line | str] = (),
        choices: Sequence[Choice] = (),
        *,
        focus: int = 0,
        note: str = "",
    ) -> None:
        """`focus`: position of the choice that Enter makes at first."""
        super().__init__()
        self._title = title
        self._text = list(text)
        self._choices = list(choices)
        self._focus = focus
        self._note = note
        self._left = False

    def compose(self) -> ComposeResult:
        """Box, text, fields, choices."""
        box = Vertical(id="dialog")
        box.border_title = Content(sanitise.line(self._title))
        if self._note:
            box.border_subtitle = Content(sanitise.line(self._note))
        box.set_class(self.DESTRUCTIVE, "-destructive")
        fields = list(self.fields())
        box.set_class(bool(fields), "-fields")
        with box:
            if self._text:
                yield DetailPane(self._text, id="dialog-text", can_focus=False)
            yield from fields
            if self._choices:
                yield Choices(self._choices, self._focus)
        yield Footer()

    def hints(self) -> Sequence[tuple[str, str]]:
        """What the keys do that the fields and choices take themselves."""
        focused = self.focused
        found: list[tuple[str, str]] = []
        if isinstance(focused, Choices):
            found.append(("Enter", focused.choices[focused.at].label))
        if len(self.focus_chain) > 1 or len(self._choices) > 1:
            found.append(("Tab", "next"))
        return found

    def action_help(self) -> None:
        """What this is and its keys."""
        self.host.action_help()

    def on_resize(self, event: events.Resize) -> None:
        """The text takes what the rest of the box leaves."""
        for pane in self.query(self.SCROLLED).results(DetailPane):
            others = [child for child in self.query_one("#dialog").children if child is not pane]
            used = sum(max(1, child.outer_size.height) + child.styles.margin.height for child in others)
            pane.styles.max_height = max(3, event.size.height - used - 6)

    def fields(self) -> Iterable[Widget]:
        """What lies between text and choices."""
        return ()

    async def on_event(self, event: events.Event) -> None:
        """Where it was left before it was whole, nothing of it is put together any more."""
        if not too_late(self, event):
            await super().on_event(event)

    def on_mount(self) -> None:
        """The focus goes to the first field, else to the choices."""
        first = self.first_focus()
        if first is not None:
            first.focus()

    def first_focus(self) -> Widget | None:
        """What has the focus at first."""
        return self.query_one(Choices) if self._choices else None

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """Leave with the choice."""
        message.stop()
        self.chosen(message.value)

    def chosen(self, value: object) -> None:
        """A choice was made: leave with it."""
        self.dismiss(value)  # type: ignore[arg-type]

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave, once and while it is in front: a second key typed before that leaves nothing else."""
        if self._left or self.app.screen is not self:
            return AwaitComplete()
        self._left = True
        return super().dismiss(result)

    def action_cancel(self) -> None:
        """Leave with nothing."""
        self.dismiss(None)

    def _scroll(self, lines: int) -> None:
        for pane in self.query(self.SCROLLED).results(DetailPane):
            pane.scroll_lines(lines // abs(lines) * max(1, pane.size.height - 1) if abs(lines) > 1 else lines)

    def action_scroll_down(self) -> None:
        """Scroll the text."""
        self._scroll(1)

    def action_scroll_up(self) -> None:
        """Scroll the text."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """Scroll the text by a page."""
        self._scroll(2)

    def action_page_up(self) -> None:
        """Scroll the text by a page."""
        self._scroll(-2)
