"""Spaces and their instances: open one, make one, delete one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from textual.widget import Widget

from nuvtui.model.names import text_to_path
from nuvtui.model.space import Instance
from nuvtui.services.spaces.service import Location, SpaceInfo
from nuvtui.tui.common import describe, state_actions
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, line, row


class Entry(NamedTuple):
    """A line: a space, or an instance below its space."""

    space: SpaceInfo
    instance: Instance | None = None


class Spaces(BaseScreen):
    """All spaces of the store with their instances; Enter opens."""

    SCOPES = ("spaces",)
    BINDINGS = bindings("spaces")
    HELP = (
        "A space is one project; its instances are parallel working branches, each with a folder of its own. "
        "Every space has Master and Distributed. Enter opens an instance."
    )

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []

    def body(self) -> list[Widget]:
        """The list."""
        return [LineList(id="spaces", classes="pane", title="Spaces and instances", empty="Reading")]

    @property
    def entries(self) -> LineList:
        """The list."""
        return self.query_one("#spaces", LineList)

    def on_mount(self) -> None:
        """Read them."""
        self.entries.focus()
        self.reread()

    def state_changed(self) -> None:
        """Somebody else may have made one."""
        self.reread()

    def reread(self) -> None:
        """Read spaces and instances."""
        self.load(self._read, self._show, group="spaces")

    def _read(self) -> list[Entry]:
        entries = []
        for space in self.nuv.services.spaces.list():
            entries.append(Entry(space))
            entries += [Entry(space, instance) for instance in self.nuv.services.instances.list(space.id)]
        return entries

    def _show(self, entries: Sequence[Entry]) -> None:
        first = not self._entries
        self._entries = list(entries)
        self.entries.empty = "No space yet. n makes one."
        self.entries.set_source(
            Items(
                self._entries,
                _draw,
                key=lambda entry: entry.instance.id if entry.instance else entry.space.id,
                text=lambda entry: f"{entry.space.name} {entry.instance.name if entry.instance else ''}",
            )
        )
        here = self.nuv.context.instance
        if first and here is not None:
            self.entries.move_to_key(here.id)
        self.refresh_bindings()

    @property
    def entry(self) -> Entry | None:
        """The line under the cursor."""
        at = self.entries.current if self.is_mounted and self._entries else None
        return self._entries[at] if at is not None else None

    @property
    def space_id(self) -> str | None:
        """The space under the cursor."""
        return self.entry.space.id if self.entry else None

    def command_values(self) -> Mapping[str, str]:
        """Space and instance under the cursor."""
        entry = self.entry
        if entry is None:
            return {}
        if entry.instance is None:
            return {"space": entry.space.name, "group": "spaces", "key": entry.space.name}
        return {"space": entry.space.name, "group": "instances", "key": entry.instance.name}

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: open it."""
        message.stop()
        entry = self.entry
        if entry is None:
            return
        master = next(
            (e.instance for e in self._entries if e.space.id == entry.space.id and e.instance), None
        )
        instance = entry.instance or master
        if instance is not None:
            self.nuv.switch(instance.id)
            self.nuv.call_next(self.nuv.show_pane, "timeline")

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """Other keys may be in force."""
        message.stop()
        self.refresh_bindings()

    # commands

    def action_new_space(self) -> None:
        """Ask for folder and name, then make a space."""
        nuv = self.nuv

        def answered(texts: Any) -> None:
            if texts is not None:
                folder = state_actions.file_at(nuv.start, texts["folder"])
                self.load(lambda: nuv.services.spaces.init(folder, texts["name"] or None), done, group="new")

        def done(location: Location) -> None:
            nuv.notify(f"Space {location.space.name} is made. Enter on its Master opens it.")
            self.reread()

        nuv.push_screen(
            TextDialog(
                "New space",
                [
                    TextField("folder", f"Folder of the project (relative to {nuv.start})", "."),
                    TextField("name", "Name (empty: that of the folder)"),
                ],
                "Make it",
            ),
            answered,
        )

    def action_new_instance(self) -> None:
        """Ask for name and folder, then add an instance."""
        nuv, entry = self.nuv, self.entry
        if entry is None:
            return
        space = entry.space

        def answered(texts: Any) -> None:
            if texts is not None:
                folder = state_actions.file_at(nuv.start, texts["folder"])
                self.load(
                    lambda: nuv.services.instances.create(space.id, texts["name"], folder), done, group="new"
                )

        def done(instance: Instance) -> None:
            nuv.notify(f"Instance {instance.name} works in {text_to_path(instance.workspace)}")
            self.reread()

        def refuse(texts: Mapping[str, str]) -> str | None:
            return None if texts["name"] and texts["folder"] else "Name and folder are both needed."

        nuv.push_screen(
            TextDialog(
                f"New instance of {space.name}",
                [
                    TextField("name", "Name", placeholder="reviewer"),
                    TextField("folder", "Its own folder, outside other workspaces"),
                ],
                "Make it",
                refuse=refuse,
            ),
            answered,
        )

    def action_members(self) -> None:
        """Who may do what."""
        from nuvtui.tui.features.spaces.members import Members

        if self.entry is not None:
            self.nuv.push_screen(Members(self.entry.space.id, self.entry.space.name))

    def action_delete(self) -> None:
        """Ask, then delete an instance or a space."""
        entry, nuv = self.entry, self.nuv
        if entry is None:
            return
        instance, space = entry.instance, entry.space

        def answered(yes: bool | None) -> None:
            if yes:
                call = (
                    (lambda: nuv.services.instances.delete(instance.id))
                    if instance
                    else (lambda: nuv.services.spaces.delete(space.id))
                )
                self.load(call, done, group="delete")

        def done(_: object) -> None:
            nuv.notify(f"Deleted {f'{space.name}/{instance.name}' if instance else space.name}.")
            here = nuv.context
            if here.instance and (
                here.instance.id == getattr(instance, "id", "") or here.instance.space == space.id
            ):
                nuv.reread()
            self.reread()

        count = describe.plural(space.snapshots, "snapshot")
        what = (
            f"instance {space.name}/{instance.name} and its snapshots"
            if instance
            else f"space {space.name}: {count}"
        )
        nuv.push_screen(
            ConfirmDialog(
                "Delete",
                [
                    line(("Deletes ", ""), (what, "strong"), ("", "")),
                    "The folders of the project stay on disk as they are.",
                ],
                "I understand, delete",
                backup="There is no way back: deleted snapshots cannot be restored.",
                destructive=True,
            ),
            answered,
        )


def _draw(entry: Entry, width: int) -> Line:
    space, instance = entry
    if instance is None:
        note = f"{describe.plural(space.snapshots, 'snapshot')}  {space.role or 'not a member'}"
        return line((space.name, "strong"), right=[(note, "muted")])
    return row(width, Cell(f"  {instance.name}", 20), Cell(text_to_path(instance.workspace), 0, "muted"))
