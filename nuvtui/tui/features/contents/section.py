"""A section of Contents: one view of the state that is looked at."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from nuvtui.model.stage import StateRef
from nuvtui.tui.common import state_actions
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.line_list import LineList

BESIDE = 96
"""Columns from which a list and what is opened stand beside each other."""
TALL = 32
"""Rows from which they stand one above the other."""
NARROWEST = 56


class Section(Vertical, ShellTarget):
    """Base of the sections. Made when first shown; `open` tells which state to show, also the same one again."""

    NAME: ClassVar[str] = ""
    SPLITS: ClassVar[bool] = False
    """List and what is opened stand together where there is room: beside each other, or one above the other."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ref: StateRef | None = None
        self.label = ""
        self.note = ""
        """What is opened in the section: the path of a file, the name of a table."""

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the room there is."""
        width, height = event.size
        beside = self.SPLITS and width >= BESIDE
        stacked = self.SPLITS and not beside and height >= TALL and width >= NARROWEST
        before = self.together
        self.set_class(beside, "-beside")
        self.set_class(stacked, "-stacked")
        if before != self.together:
            self.laid_out()

    @property
    def together(self) -> bool:
        """True while the list and what the cursor is on stand together."""
        return self.has_class("-beside") or self.has_class("-stacked")

    def laid_out(self) -> None:
        """List and detail came together, or there is no longer room for both."""

    @property
    def is_current(self) -> bool:
        """True where the Current State is shown: only that can be changed."""
        return self.ref is not None and self.ref.snapshot is None

    def open(self, ref: StateRef, label: str) -> None:
        """Show a state (called `label`); the same one again after a change of the state."""
        again = ref == self.ref
        self.ref, self.label = ref, label
        if not again:
            self.set_class(False, "-inner")
            self.tell("")
            self.clear()
        if not again or self.is_current:
            self.reread()

    def clear(self) -> None:
        """Another state: forget the one before."""

    def reread(self) -> None:
        """Read the state, in a thread."""

    def look_again(self) -> None:
        """One comes back to it, from another place or window: what it shows may have changed meanwhile."""

    def show_thing(self, name: str) -> None:
        """Show one thing of the state: a file by its path, a table by its name."""

    def reveal(self, key: str) -> bool:
        """Put the cursor on a thing of the state and open it; False: it is not listed yet."""
        found = next((each for each in self.query(LineList) if each.has_class("outer")), None)
        if found is None or not found.move_to_key(key):
            return False
        found.post_message(LineList.Opened(found))
        return True

    def first_focus(self) -> Widget | None:
        """What gets the focus when the section is shown."""
        return next((widget for widget in self.walk_children(Widget) if widget.focusable), None)

    def go_back(self) -> bool:
        """Esc: from what was opened back to the list."""
        if self.has_class("-inner"):
            self.show_inner(False)
            return True
        return False

    def show_inner(self, inner: bool, note: str = "") -> None:
        """Show what was opened (class `inner`, called `note`) instead of the list (class `outer`), or the list again."""
        self.set_class(inner, "-inner")
        self.tell(note if inner else "")
        side = self.query(".inner" if inner else ".outer").first(Widget)
        within = (side, *side.walk_children(Widget))
        target = next((each for each in within if each.focusable and each.display), None)
        if target is not None:
            target.focus()
        self.refresh_bindings()

    def tell(self, note: str) -> None:
        """Another thing is opened."""
        self.note = note
        self.post_message(self.Noted(note))

    class Noted(Message):
        """What is opened in the section changed."""

        def __init__(self, note: str) -> None:
            super().__init__()
            self.note = note

    @property
    def can_stage(self) -> bool:
        """True where something is there to be staged."""
        return False

    def staged(self) -> Mapping[str, Sequence[str]]:
        """What `a` stages: `files`, `tables`, `applications`."""
        return {}

    def done_staging(self) -> None:
        """What was staged need not stay marked."""

    def action_stage(self) -> None:
        """Stage what is marked, else what the cursor is on."""
        if self.ref is not None and self.can_stage:
            state_actions.stage(self, self.ref, done=self.done_staging, **self.staged())  # type: ignore[arg-type]

    def action_reread(self) -> None:
        """Read again."""
        self.reread()

    def command_values(self) -> Mapping[str, str]:
        """Where this is, and which state."""
        snapshot = self.ref.snapshot[:8] if self.ref and self.ref.snapshot else "current"
        return state_actions.where_values(self) | {"snapshot": snapshot}
