"""A pane: one of the five panes that the main screen shows, alone or side by side."""

from collections.abc import Sequence
from typing import ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from nuvtui import sanitise
from nuvtui.model.task import TaskView
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.line_list import LineList


class Pane(Vertical, ShellTarget):
    """Base of the five panes.

    A pane is made when it is first shown. It overrides `compose` and the hooks below; `state_changed` and
    `tasks_changed` arrive only while it is on the screen, and once when it is shown again after it missed some.
    """

    TITLE: ClassVar[str] = ""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="main-pane pane")
        self._stale = False
        self._missed_tasks: Sequence[TaskView] | None = None
        self.set_title(self.TITLE)

    def set_title(self, title: str, note: str = "") -> None:
        """The title in the border, and a note at its lower edge (both sanitised)."""
        key = self._number()
        self.border_title = Content(f"{key} {sanitise.line(title)}" if key else sanitise.line(title))
        self.border_subtitle = Content(sanitise.line(note)) if note else None

    def _number(self) -> str:
        keys = REGISTRY.keys(f"app.place-{self.id}")
        return key_label(keys[0]) if keys else ""

    # hooks

    def state_changed(self) -> None:
        """The state file changed, the context is another one, or the pane is shown for the first time: read again."""

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Tasks began, went on or ended; newest first."""

    def first_focus(self) -> Widget | None:
        """What gets the focus when the pane is gone to; None: the first that can have it, or the last that had."""
        return None

    def go_back(self) -> bool:
        """Esc: one level back within the pane; False where it is at its top."""
        return False

    def reveal(self, target: Target) -> bool:
        """Put the cursor on a thing and give it the focus; False: it is not listed (yet)."""
        found = next(iter(self.query(LineList)), None)
        if found is None or not found.move_to_key(target.key):
            return False
        found.focus()
        return True

    def displaces(self, _identifier: str) -> tuple[str, ...]:
        """Panes that stand aside for this one while it is gone to, where several are side by side."""
        return ()

    # called by the main screen

    @property
    def on_screen(self) -> bool:
        """True while it is displayed."""
        return self.display and self.is_attached

    def tell_state(self) -> None:
        """Pass on a change of the state, or remember it for later."""
        if self.on_screen:
            self._stale = False
            self.state_changed()
        else:
            self._stale = True

    def tell_tasks(self, tasks: Sequence[TaskView]) -> None:
        """Pass on the tasks, or remember them for later."""
        if self.on_screen:
            self._missed_tasks = None
            self.tasks_changed(tasks)
        else:
            self._missed_tasks = tasks

    def catch_up(self) -> None:
        """Shown again: hear what was missed."""
        if self._stale:
            self.tell_state()
        if self._missed_tasks is not None:
            self.tell_tasks(self._missed_tasks)
