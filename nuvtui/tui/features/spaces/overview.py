"""The space at a glance: instances, newest snapshots, what finished, messages, exports, storage; Enter goes there."""

from collections.abc import Mapping, Sequence

from textual import events
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from nuvtui.model.task import TaskView
from nuvtui.services.spaces.overview import Overview
from nuvtui.tui.common.base_screen import WIDE, BaseScreen
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.features.spaces.overview_sections import Drawer, Entry, Section, _title
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import line

FEW, MANY = 5, 10
"""Lines of what is many, in one column and in two."""


class Sections(LineList):
    """Sections under each other; the cursor rests on things only."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, filterable=False, empty="")
        self.entries: list[Entry] = []

    def show(self, sections: Sequence[Section]) -> None:
        """Show sections; the cursor stays on its thing."""
        self.entries = []
        for at, section in enumerate(sections):
            if at:
                self.entries.append(Entry(lambda _width: line("")))
            self.entries.append(_title(section))
            self.entries += section.entries
        self.set_source(
            Items(self.entries, lambda entry, width: entry.draw(width), key=lambda e: e.key or id(e))
        )
        if not self._rests(self.cursor):
            self.move_to(self.cursor)

    @property
    def entry(self) -> Entry | None:
        """The thing under the cursor."""
        at = self.current
        return self.entries[at] if at is not None and self.entries[at].key else None

    def _rests(self, position: int) -> bool:
        return 0 <= position < len(self.entries) and bool(self.entries[position].key)

    def move_to(self, position: int) -> None:
        """To the thing at `position`, else to the next one in that direction."""
        last = len(self.entries) - 1
        position = max(0, min(position, last))
        step = 1 if position >= self.cursor else -1
        at = position
        while 0 <= at <= last and not self._rests(at):
            at += step
        if not 0 <= at <= last:
            at = next(
                (each for each in range(position, -1 if step > 0 else last + 1, -step) if self._rests(each)),
                -1,
            )
        if at >= 0:
            super().move_to(at)
        if not any(self._rests(each) for each in range(self.cursor)) and self._top:
            self._top = 0  # the title above the first thing
            self.refresh()


class SpaceOverview(BaseScreen):
    """One list of sections, or two beside each other where there is room."""

    SCOPES = ("space",)
    BINDINGS = bindings("space")
    HELP = (
        "The space at a glance. Enter goes to the thing under the cursor: opens the instance, shows the snapshot in "
        "the Timeline, the export in Exports, the task, the message. s shows all spaces and instances."
    )

    def __init__(self) -> None:
        super().__init__()
        self._overview: Overview | None = None
        self._store: int | None = None
        self._rest = Debounce(self, self._tell)

    def body(self) -> list[Widget]:
        """The lists, and what is under the cursor in full."""
        return [
            Vertical(
                Horizontal(Sections(id="space-left"), Sections(id="space-right"), id="space-columns"),
                DetailPane(id="space-detail", can_focus=False),
                id="space-pane",
                classes="pane",
            )
        ]

    @property
    def left(self) -> Sections:
        """The list, or the left one of two."""
        return self.query_one("#space-left", Sections)

    @property
    def right(self) -> Sections:
        """The right list, where there is room for it."""
        return self.query_one("#space-right", Sections)

    @property
    def shown(self) -> Sections:
        """The list with the focus."""
        return self.right if self.right.has_focus else self.left

    def on_mount(self) -> None:
        """Read it."""
        self.right.display = self.app.size.width >= WIDE
        self.left.focus()
        self.query_one("#space-pane").border_title = "Overview"
        self.state_changed()

    def on_resize(self, event: events.Resize) -> None:
        """One column or two."""
        wide = event.size.width >= WIDE
        if wide != self.right.display:
            if not wide and self.right.has_focus:
                self.left.focus()
            self.right.display = wide
            self._draw()

    # reading

    def state_changed(self) -> None:
        """Read the state again; the store is added up once."""
        space = self.nuv.context.space
        if space is None:
            return
        if self._overview is not None and self._overview.id != space.id:
            self._overview = None
        self.load(
            lambda: self.nuv.services.overview.show(space.id),
            self._read,
            group="overview",
            waiting=f"reading the space {space.name}",
        )
        if self._store is None:
            self.load(lambda: self.nuv.services.overview.store_bytes(), self._added, group="store")

    def tasks_changed(self, _tasks: Sequence[TaskView]) -> None:
        """One may have ended."""
        self._draw()

    def _read(self, overview: Overview) -> None:
        self._overview = overview
        self._draw()

    def _added(self, store: int) -> None:
        self._store = store
        self._draw()

    def _draw(self) -> None:
        overview = self._overview
        if overview is None or not self.is_mounted:
            return
        from textual.content import Content

        from nuvtui import sanitise

        self.query_one("#space-pane").border_title = Content(sanitise.line(f"Overview of {overview.name}"))
        wide = bool(self.right.display)
        drawer = Drawer(overview, self.nuv.glyphs, MANY if wide else FEW, self.nuv.context.instance)
        finished = drawer.finished(self.nuv.tasks, self.nuv.since)
        first = [drawer.instances(), drawer.storage(self._store), finished]
        second = [drawer.snapshots(), drawer.messages(), drawer.exports()]
        if wide:
            self.left.show(first)
            self.right.show(second)
        else:
            instances, storage, finished = first
            snapshots, messages, exports = second
            self.left.show([instances, snapshots, finished, messages, exports, storage])
        self._tell()

    # what the cursor is on

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The detail follows once the cursor rests."""
        message.stop()
        self._rest.ask()

    def on_descendant_focus(self) -> None:
        """The detail is that of the list with the focus."""
        self._tell()

    def _tell(self) -> None:
        entry = self.shown.entry if self.is_mounted else None
        self.query_one("#space-detail", DetailPane).show(entry.detail if entry else [""])
        self.refresh_bindings()

    @property
    def target(self) -> Target | None:
        """Where Enter goes."""
        entry = self.shown.entry if self.is_mounted else None
        return entry.target if entry else None

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Go there."""
        message.stop()
        if self.target is not None:
            self.nuv.call_next(self.nuv.go, self.target)

    def copied(self) -> Copy | None:
        """The id of the thing."""
        target = self.target
        return Copy(target.key, f"the id of the {target.kind}") if target else None

    def command_values(self) -> Mapping[str, str]:
        """The space."""
        return {"space": self._overview.name} if self._overview else {}

    # commands

    def action_spaces(self) -> None:
        """All spaces and instances."""
        from nuvtui.tui.features.spaces.spaces import Spaces

        self.nuv.push_screen(Spaces())

    def action_members(self) -> None:
        """Who may do what."""
        from nuvtui.tui.features.spaces.members import Members

        if self._overview is not None:
            self.nuv.push_screen(Members(self._overview.id, self._overview.name))

    def action_reread(self) -> None:
        """Read again, the store too."""
        self._store = None
        self.state_changed()
