"""Contents: any state of the instance, in five sections; each is made when it is first shown."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from textual.app import ComposeResult
from textual.containers import Container
from textual.strip import Strip
from textual.widget import Widget

from nuvtui.errors import Exit, NuvError
from nuvtui.model.roles import Action, allows
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.tui.common import describe, state_actions
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.common.shell import Shell
from nuvtui.tui.features.contents.section import Section
from nuvtui.tui.toolkit.commands import REGISTRY, bindings
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.lines import LineWidget, Piece, line


class SectionSpec(NamedTuple):
    """A section and where its class is."""

    id: str
    title: str
    short: str
    module: str
    name: str


SECTIONS = (
    SectionSpec("overview", "Overview", "Overview", "nuvtui.tui.features.contents.overview", "Overview"),
    SectionSpec("files", "Files", "Files", "nuvtui.tui.features.contents.files", "Files"),
    SectionSpec("tables", "Tables", "Tables", "nuvtui.tui.features.contents.tables", "Tables"),
    SectionSpec(
        "applications", "Applications", "Apps", "nuvtui.tui.features.contents.applications", "Applications"
    ),
    SectionSpec("changes", "Changes", "Changes", "nuvtui.tui.features.contents.changes", "Changes"),
)


@runtime_checkable
class ListsSnapshots(Protocol):
    """A pane with the snapshots of the instance, newest first."""

    @property
    def records(self) -> Sequence[SnapshotRecord]:
        """The snapshots that were read."""


class SectionBar(LineWidget, can_focus=False):
    """The names of the sections with their keys; the one that is shown stands out."""

    def __init__(self) -> None:
        super().__init__(id="sections")
        self.current = "overview"
        self.shown: tuple[SectionSpec, ...] = SECTIONS

    def show(self, current: str, shown: tuple[SectionSpec, ...]) -> None:
        """Another section is shown."""
        if (current, shown) != (self.current, self.shown):
            self.current, self.shown = current, shown
            self.refresh()

    def draw(self, _y: int, width: int) -> Strip:
        """The bar: `O Overview  [F Files]  …`."""
        wide = width >= sum(len(spec.title) + 5 for spec in self.shown)
        pieces: list[Piece] = []
        for spec in self.shown:
            keys = REGISTRY.keys(f"contents.{spec.id}")
            key = key_label(keys[0]) if keys else ""
            here = spec.id == self.current
            name = spec.title if wide else spec.short
            pieces += [
                ("[" if here else " ", "accent"),
                (f"{key} " if key else "", "accent"),
                (name, "strong" if here else "muted"),
                ("]" if here else " ", "accent"),
            ]
        return self.strip(line(*pieces), width, self.style_of(""))


class Contents(Pane):
    """Looks into the Current State or a snapshot."""

    SCOPES = ("contents",)
    BINDINGS = bindings("contents")
    TITLE = "Contents"
    HELP = (
        "What a state holds: README, files with their status against the newest snapshot (+ new, ~ changed), "
        "tables, applications, and what differs from any other state. Space marks, a stages; p chooses the state."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.section = "overview"
        """Id of the section that is shown."""
        self._sections: dict[str, Section] = {}
        self._opening = asyncio.Lock()
        self._ended: frozenset[str] | None = None
        self._within = False
        self._alone = False

    def compose(self) -> ComposeResult:
        """Bar and section."""
        yield SectionBar()
        yield Container(id="section")

    @property
    def shown(self) -> tuple[SectionSpec, ...]:
        """The sections that the user's role allows: an observer sees the README only."""
        return SECTIONS if allows(self.nuv.context.role, Action.VIEW) else SECTIONS[:1]

    @property
    def current(self) -> Section | None:
        """The section that is shown."""
        return self._sections.get(self.section)

    def first_focus(self) -> Widget | None:
        """What the section wants."""
        return self.current.first_focus() if self.current else None

    def go_back(self) -> bool:
        """Esc: the section itself is asked first, being around the focus."""
        return False

    def state_changed(self) -> None:
        """The context or the state file changed."""
        context = self.nuv.context
        if context.state is None:
            return
        self._retitle()
        if context.state.snapshot is not None:
            self._look_whether_it_is_there(context.state)
        self.call_next(self._open_section)

    def on_mount(self) -> None:
        """Look again when the terminal gets the focus, where it tells."""
        self.watch(self.app, "app_focus", lambda focus: self._look_again() if focus else None, init=False)

    def on_descendant_focus(self) -> None:
        """One comes back from the pane beside it."""
        if not self._within:
            self._look_again()
        self._within = True

    def on_descendant_blur(self) -> None:
        """One leaves, or goes on within."""
        self.call_after_refresh(self._left)

    def _left(self) -> None:
        self._within = self.has_focus_within

    def catch_up(self) -> None:
        """Shown again."""
        super().catch_up()
        self._look_again()

    def _look_again(self) -> None:
        if self.on_screen and self.current is not None:
            self.current.look_again()

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Work on the instance ended: what the Current State holds may be something else."""
        context = self.nuv.context
        ended = frozenset(task.id for task in tasks if task.status.ended)
        new = ended - self._ended if self._ended is not None else frozenset()
        self._ended = ended
        changed = any(task.id in new and task.kind in state_actions.CHANGING for task in tasks)
        if (
            changed
            and context.state is not None
            and context.state.snapshot is None
            and self.current is not None
        ):
            self.current.reread()

    def _retitle(self) -> None:
        section = self.current
        self.set_title(f"Contents of {self.nuv.context.state_name}", section.note if section else "")

    def on_section_noted(self, message: Section.Noted) -> None:
        """Something was opened or closed in a section."""
        message.stop()
        self._retitle()

    def _look_whether_it_is_there(self, state: StateRef) -> None:
        """A snapshot that was deleted meanwhile: back to the Current State."""

        def failed(error: NuvError) -> None:
            if error.exit_code == Exit.NOT_FOUND and self.nuv.context.state == state:
                self.nuv.notify("That snapshot was deleted; this is the Current State.", severity="warning")
                self.nuv.show_state(StateRef(state.instance), "Current State")

        self.load(
            lambda: self.nuv.services.snapshots.find(state.instance, state.snapshot or ""),
            lambda _record: None,
            group="there",
            failed=failed,
        )

    async def _open_section(self, focus: bool = False) -> None:
        async with self._opening:  # a section is mounted before anybody else finds it
            await self._open_now(focus)

    async def _open_now(self, focus: bool) -> None:
        context = self.nuv.context
        shown = self.shown
        if self.section not in [spec.id for spec in shown]:
            self.section = shown[0].id
        self.query_one(SectionBar).show(self.section, shown)
        if context.state is None:
            return
        section = self._sections.get(self.section)
        if section is None:
            spec = next(spec for spec in SECTIONS if spec.id == self.section)
            section = getattr(importlib.import_module(spec.module), spec.name)(id=f"section-{spec.id}")
            self._sections[spec.id] = section
            await self.query_one("#section", Container).mount(section)
        for other in self._sections.values():
            other.display = other is section
        section.open(context.state, context.state_name)
        self._retitle()
        lost = self.screen.focused is None and self.nuv.current_pane == self.id
        if focus or lost or (self.has_focus_within and not section.has_focus_within):
            target = section.first_focus()
            if target is not None:
                target.focus()
        self.refresh_bindings()

    async def show_section(self, identifier: str) -> None:
        """Show a section and give it the focus."""
        if identifier in [spec.id for spec in self.shown]:
            self.section = identifier
            await self._open_section(focus=True)

        await self._lay_out()

    async def show_thing(self, *, path: str | None = None, table: str | None = None) -> None:
        """Show a file or folder, or the rows of a table, of the state that is looked at."""
        await self.show_section("files" if path is not None else "tables")
        section = self.current
        if section is not None and (path or table):
            section.show_thing(path or table or "")

    def reveal(self, target: Target) -> bool:
        """Show the state that a file, table or application lies in, its section, and open it; False: not yet."""
        section = {"file": "files", "table": "tables", "application": "applications"}[target.kind]
        ref = StateRef(target.instance, target.snapshot)
        if self.nuv.context.state != ref:
            self.nuv.show_state(ref, target.state or "Current State")
        if self.section != section:
            self.call_next(self.show_section, section)
            return False
        current = self.current
        return current is not None and current.ref == ref and current.reveal(target.key)

    def displaces(self, identifier: str) -> tuple[str, ...]:
        """Alone, all others; else Stage while changes are shown: there is nothing in them to be staged."""
        if self._alone and identifier == self.id:
            return ("timeline", "stage")
        return ("stage",) if self.section == "changes" and identifier != "stage" else ()

    async def action_alone(self) -> None:
        """The whole width, or beside the others again."""
        self._alone = not self._alone
        await self._lay_out()

    async def _lay_out(self) -> None:
        if self.screen is self.nuv.screen:
            await self.nuv.lay_out_panes()

    async def show_changes(self, base: StateRef) -> None:
        """Show what differs from `base`."""
        from nuvtui.tui.features.contents.changes import Changes

        await self.show_section("changes")
        changes = self.current
        if isinstance(changes, Changes):
            changes.compare_with(base)

    # commands

    async def action_section(self, identifier: str) -> None:
        """Show a section."""
        await self.show_section(identifier)

    async def _step(self, step: int) -> None:
        names = [spec.id for spec in self.shown]
        await self.show_section(names[(names.index(self.section) + step) % len(names)])

    async def action_next(self) -> None:
        """The next section."""
        await self._step(1)

    async def action_previous(self) -> None:
        """The section before."""
        await self._step(-1)

    def action_state(self) -> None:
        """Choose the state to look at."""
        instance = self.nuv.context.instance
        if instance is None:
            return
        self.load(lambda: self.nuv.services.snapshots.list(instance.id), self._choose, group="choose")

    def _choose(self, records: list[SnapshotRecord]) -> None:
        instance = self.nuv.context.instance
        if instance is None:
            return
        by_id = {record.id: record for record in records}

        def chosen(key: str) -> None:
            if key in by_id:
                self.nuv.show_state(StateRef(instance.id, key), describe.called(by_id[key]))
            else:
                self.nuv.show_state(StateRef(instance.id), "Current State")

        state_actions.choose_state(self, "Look into", records, chosen=chosen)

    def command_values(self) -> Mapping[str, str]:
        """Where this is, and which state."""
        state = self.nuv.context.state
        snapshot = state.snapshot[:8] if state and state.snapshot else "current"
        values = state_actions.where_values(self) | {"snapshot": snapshot}
        base = self._before(state)
        return values | ({"base": base} if base else {})

    def _before(self, state: StateRef | None) -> str:
        """The state that Changes compares this one with at first, as far as the Timeline knows."""
        timeline = self.nuv.pane("timeline")
        if not isinstance(timeline, ListsSnapshots) or state is None or not timeline.records:
            return ""
        order = ["current", *(record.id for record in timeline.records)]
        here = state.snapshot or "current"
        at = order.index(here) + 1 if here in order else len(order)
        return order[at][:8] if at < len(order) else "current"


async def show_changes(nuv: Shell, old: StateRef, new: StateRef, name: str) -> None:
    """Go to Contents of the state `new` (called `name`), with what differs from `old`."""
    nuv.show_state(new, name)
    await nuv.show_pane("contents")
    contents = nuv.pane("contents")
    assert isinstance(contents, Contents)
    await contents.show_changes(old)
