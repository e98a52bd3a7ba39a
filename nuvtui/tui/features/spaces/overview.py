"""The space at a glance: instances, newest snapshots, what finished, messages, exports, storage; Enter goes there."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from textual import events
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from nuvtui.model.names import short
from nuvtui.model.task import TaskView
from nuvtui.services.spaces.overview import ExportLine, InstanceLine, MessageLine, Overview, SnapshotLine
from nuvtui.tui.common import describe, export_details
from nuvtui.tui.common.base_screen import WIDE, BaseScreen
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, Piece, line, row

FEW, MANY = 5, 10
"""Lines of what is many, in one column and in two."""


class Entry(NamedTuple):
    """A line: of a thing, or (no key) the title of a section or a word where there is nothing."""

    draw: Callable[[int], Line]
    key: str = ""
    target: Target | None = None
    detail: tuple[Line | str, ...] = ()


class Section(NamedTuple):
    """A part of the overview."""

    name: str
    entries: list[Entry]
    empty: str
    note: str = ""


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


class Drawer:
    """Makes the sections of an overview."""

    def __init__(self, overview: Overview, glyphs: Glyphs, most: int, here: object) -> None:
        """`most`: lines of what is many; `here`: the instance that is open."""
        self._overview = overview
        self._glyphs = glyphs
        self._most = most
        self._here = getattr(here, "id", "")
        self._ids = {each.name: each.id for each in overview.instances}

    def instances(self) -> Section:
        """Instances with their newest snapshot."""
        return Section("Instances", [self._instance(each) for each in self._overview.instances], "")

    def _instance(self, each: InstanceLine) -> Entry:
        here = each.id == self._here
        newest = each.newest

        def draw(width: int) -> Line:
            count = "" if each.snapshots is None else f"{each.snapshots:,}"
            words = "" if each.snapshots is None else describe.plural(each.snapshots, "snapshot")
            what = "your role does not show its snapshots" if each.snapshots is None else "no snapshot yet"
            return row(
                width,
                Cell(f"{self._glyphs.mark if here else ' '} {each.name}", 16, "strong" if here else ""),
                Cell(_called(newest) if newest else what, 0, "" if newest else "muted"),
                Cell(words, 14, "muted", "right") if width >= 70 else Cell(count, 6, "muted", "right"),
                Cell(describe.age(newest.created) if newest else "", 7, "muted", "right"),
            )

        role = f"your role here: {each.role}" if each.role else "you have no role here"
        count = "" if each.snapshots is None else f"{describe.plural(each.snapshots, 'snapshot')}, "
        return Entry(
            draw,
            each.id,
            Target("instance", each.id, each.name),
            (
                line((each.name, "strong"), f"  {count}{role}", (", open now" if here else "", "muted")),
                line((each.workspace, "muted")),
            ),
        )

    def snapshots(self) -> Section:
        """The newest of all instances."""
        entries = [self._snapshot(each) for each in self._overview.snapshots[: self._most]]
        return Section("Newest snapshots", entries, "None yet. s in the Timeline (1) takes one.")

    def _snapshot(self, each: SnapshotLine) -> Entry:
        mark = describe.kind_sign(each.kind, self._glyphs)
        return Entry(
            lambda width: row(
                width,
                Cell(f"{mark} {_called(each)}", 0, "" if each.kind == "named" else "muted"),
                Cell(each.instance, 12, "muted"),
                Cell(describe.age(each.created), 7, "muted", "right"),
            ),
            each.id,
            Target("snapshot", each.id, _called(each), self._ids[each.instance]),
            (
                line((_called(each), "strong"), f"  {each.kind} snapshot of {each.instance}"),
                line((f"by {each.author}, {describe.moment(each.created)}, id {short(each.id)}", "muted")),
            ),
        )

    def finished(self, tasks: Sequence[TaskView], since: str) -> Section:
        """What ended since the user last closed the screens."""
        from nuvtui.worker import last_seen

        mine = [task for task in tasks if task.space in ("", self._overview.id)]
        found = last_seen.since(mine, since)
        name = f"Finished since you left {describe.ago(since)}" if since else "Finished since last time"
        return Section(
            name,
            [self._task(task) for task in found[: self._most]],
            "Nothing." if since else "Nothing: you are here for the first time.",
            f"{len(found)} in all" if len(found) > self._most else "",
        )

    def _task(self, task: TaskView) -> Entry:
        from nuvtui.tui.common.outcome import WORDS, sign

        mark, tone = sign(task.status, self._glyphs)
        when = task.finished or task.created
        why = f": {task.error.title}" if task.error else ""
        return Entry(
            lambda width: row(
                width,
                Cell(f"{mark} {WORDS[task.status]}", 11, tone),
                Cell(task.title or task.kind),
                Cell(describe.age(when), 7, "muted", "right"),
            ),
            task.id,
            Target("task", task.id, task.title or task.kind),
            (
                line((task.title or task.kind, "strong"), f"  {WORDS[task.status]}{why}"),
                line((f"{describe.moment(when)}, id {short(task.id)}", "muted")),
            ),
        )

    def messages(self) -> Section:
        """What came along with distributions."""
        found = self._overview.messages[: self._most]
        return Section(
            "Messages", [self._message(each) for each in found], "None. They come along with distributions."
        )

    def _message(self, each: MessageLine) -> Entry:
        text = " ".join(each.text.split())
        return Entry(
            lambda width: row(
                width,
                Cell("" if each.read else "new", 3, "warn"),
                Cell(each.sender, 10),
                Cell(text, 0, "muted" if each.read else ""),
                Cell(describe.age(each.created), 7, "muted", "right"),
            ),
            each.id,
            Target("message", each.id, f"The message of {each.sender}", self._ids[each.instance]),
            (
                line((text, "strong")),
                line((f"from {each.sender} to {each.instance}, {describe.moment(each.created)}", "muted")),
            ),
        )

    def exports(self) -> Section:
        """The newest exports."""
        found = self._overview.exports[: self._most]
        return Section(
            "Exports", [self._export(each) for each in found], "None yet. n in Exports (4) makes one."
        )

    def _export(self, each: ExportLine) -> Entry:
        mark, tone = export_details.sign(each.status, self._glyphs)
        return Entry(
            lambda width: row(
                width,
                Cell(f"{mark} {each.status}", 11, tone),
                Cell(each.name),
                Cell(size(each.size) if each.size else "", 8, "muted", "right"),
                Cell(describe.age(each.created), 7, "muted", "right"),
            ),
            each.id,
            Target("export", each.id, each.name),
            (
                line((each.name, "strong"), f"  application {each.application} of {each.instance}"),
                line((f"{each.image or each.status}, {describe.moment(each.created)}", "muted")),
            ),
        )

    def storage(self, store: int | None) -> Section:
        """Bytes by instance, by kind, and of the whole store."""
        held = self._overview.storage
        entries = [
            self._bar(each.name, each.stored_bytes, held.total, each.id)
            for each in self._overview.instances
            if each.stored_bytes
        ]
        kinds: list[Piece] = []
        for name, number in (("named", held.named), ("quick", held.quick), ("automatic", held.automatic)):
            if number:
                kinds += [
                    (", " if kinds else "By kind         ", "muted"),
                    (f"{name} ", "muted"),
                    (size(number), ""),
                ]
        whole = "adding up" if store is None else size(store)
        plain = f"{size(held.newest_files)} of files in the newest snapshots, as plain copies"
        entries.append(
            Entry(
                lambda _width: line(*(kinds or [("By kind         nothing yet", "muted")])),
                "kinds",
                None,
                (
                    line(("Bytes that snapshots added to the store when they were taken.", "")),
                    line((plain, "muted")),
                ),
            )
        )
        entries.append(
            Entry(
                lambda _width: line(("Store on disk   ", "muted"), whole, ("  all spaces", "muted")),
                "store",
                None,
                (
                    line("All packs on the disk. Equal content is kept once, compressed."),
                    line(
                        ("nuvtui store info tells more; nuvtui store gc frees what nothing needs.", "muted")
                    ),
                ),
            )
        )
        return Section("Storage", entries, "")

    def _bar(self, name: str, number: int, total: int, key: str) -> Entry:
        def draw(width: int) -> Line:
            length = max(8, min(30, width - 46))
            full = max(1, round(length * number / total)) if total else 0
            return row(
                width,
                Cell(f"  {name}", 14),
                Cell(
                    self._glyphs.bar_full * full + self._glyphs.bar_empty * (length - full), length, "accent"
                ),
                Cell(size(number), 8, "", "right"),
                Cell(f"{round(100 * number / total) if total else 0} %", 5, "muted", "right"),
            )

        return Entry(
            draw,
            f"bytes {key}",
            Target("instance", key, name),
            (
                line((name, "strong"), f"  its snapshots added {size(number)} to the store"),
                line(
                    (
                        "Enter opens the instance; deleting snapshots and `nuvtui store gc` free storage.",
                        "muted",
                    )
                ),
            ),
        )


def _called(snapshot: SnapshotLine) -> str:
    return snapshot.name or snapshot.cause or f"{snapshot.kind} snapshot"


def _title(section: Section) -> Entry:
    said = "" if section.entries else section.empty
    note: list[Piece] = [(section.note, "muted")] if section.note else []
    return Entry(
        lambda _width: line((section.name, "accent"), (f"  {said}" if said else "", "muted"), right=note)
    )
