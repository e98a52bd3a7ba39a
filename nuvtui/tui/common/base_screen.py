"""Screens with the header at the top, the footer at the bottom, and a word where the terminal is too small."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.containers import Container
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from nuvtui.model.task import TaskView
from nuvtui.tui.common.header import Header
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.footer import Footer
from nuvtui.tui.toolkit.lines import Line, LineWidget, line
from nuvtui.tui.toolkit.screen_events import too_late

SMALLEST = (60, 20)
"""Columns and rows below which nothing can be shown."""
WIDE = 120
"""Columns from which panes stand side by side."""


class TooSmall(LineWidget, can_focus=False):
    """Says which size is needed."""

    def draw(self, y: int, width: int) -> Strip:
        """The sentence in the middle."""
        app = self.app.size
        words = {
            -1: Line(((f"This terminal is {app.width} x {app.height}.", ""),)),
            0: Line(((f"nuvtui needs {SMALLEST[0]} x {SMALLEST[1]}.", "strong"),)),
            1: Line((("Make the window larger; q leaves.", "muted"),)),
        }
        content = words.get(y - self.size.height // 2, Line())
        return self.strip(line(" ", *content.left), width, self.style_of(""))


class BaseScreen(Screen[object], ShellTarget, inherit_bindings=False):
    """A full screen: all its keys are in the registry.

    Subclasses override `body` (what lies between header and footer) and `go_back`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: Widget | None = None
        """What had the focus when the terminal became too small."""

    def compose(self) -> ComposeResult:
        """Header, body, footer."""
        yield Header()
        yield Container(*self.body(), id="body")
        yield TooSmall(id="too-small")
        yield Footer()

    def body(self) -> list[Widget]:
        """The widgets between header and footer."""
        return []

    def state_changed(self) -> None:
        """The state file changed, or the context is another one: read again."""

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Tasks began, went on or ended; newest first."""

    def go_back(self) -> bool:
        """Esc: one level back within the screen; False: the screen is left."""
        return False

    def dismiss(self, result: object = None) -> AwaitComplete:
        """Leave, once: a second key that was typed before the screen was gone leaves nothing else."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    async def on_event(self, event: events.Event) -> None:
        """Where it was left before it was whole, nothing of it is put together any more."""
        if not too_late(self, event):
            await super().on_event(event)

    def on_mount(self) -> None:
        """Say where one is."""
        self.query_one(Header).show(self.nuv.where)

    def on_screen_resume(self) -> None:
        """Say where one is now."""
        self.query_one(Header).show(self.nuv.where)

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the size."""
        size = event.size
        small = size.width < SMALLEST[0] or size.height < SMALLEST[1]
        if small != self.too_small:
            if small:
                self._kept = self.focused
                self.set_focus(None)
            else:
                self.call_after_refresh(self.take_up)
        self.set_class(small, "-too-small")
        self.set_class(size.width >= WIDE, "-wide")

    @property
    def too_small(self) -> bool:
        """True while only the needed size is shown."""
        return self.has_class("-too-small")

    def take_up(self) -> None:
        """The terminal is large enough again: the focus goes to where it was."""
        kept, self._kept = self._kept, None
        if not self.too_small and kept is not None and kept.is_attached and kept.focusable:
            self.set_focus(kept)
