"""The Timeline: the Current State on top with what changed since, then the snapshots, newest first."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.diff import Diff
from nuvtui.model.names import short
from nuvtui.model.roles import Action, allows
from nuvtui.model.snapshot import Snapshot, SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.tui.aside import Aside
from nuvtui.tui.clipboard import Copy
from nuvtui.tui.commands import bindings
from nuvtui.tui.screens import describe, state_actions
from nuvtui.tui.widgets.detail import DetailPane
from nuvtui.tui.widgets.line_list import LineList, Source
from nuvtui.tui.widgets.lines import Cell, Line, line, row
from nuvtui.tui.widgets.meter import Meter
from nuvtui.tui.widgets.place import Place

CURRENT = "current"
"""Key of the Current State's line."""
REST = 0.12
"""Seconds that the cursor rests on a snapshot before its manifest is read."""
SETTLED = 0.6
"""Seconds that the cursor rests on a snapshot before it is worked out what it alone keeps in the store."""
SHOWN = 200
"""Changes of the Current State that the detail lists."""
_RESTORED = re.compile(r"before restore of snapshot ([0-9a-f]{8})")
FRESH = 3.0
"""Seconds for which a comparison counts as new when one comes back to the Timeline."""


class States(Source):
    """The lines of the timeline."""

    def __init__(self, place: "Timeline", records: Sequence[SnapshotRecord]) -> None:
        self.place = place
        self.records = records

    def count(self) -> int:
        return len(self.records) + 1

    def key(self, index: int) -> str:
        return self.records[index - 1].id if index else CURRENT

    def text(self, index: int) -> str:
        if not index:
            return "Current State"
        record = self.records[index - 1]
        words = (describe.title(record), record.kind, record.id, record.author, record.created[:10])
        return " ".join((*words, record.description))

    def line(self, index: int, width: int) -> Line:
        if not index:
            return self.place.current_line(width)
        record = self.records[index - 1]
        sign = describe.kind_sign(record.kind, self.place.nuv.glyphs)
        named = record.kind == "named"
        name = Cell(f"{sign} {describe.title(record)}", 0, "" if named else "muted")
        return Columns(
            name,
            "".join(text for text, _ in describe.signed(describe.total(record.changes))) or "same",
            describe.holds(record),
            describe.plural(record.files.count, "file"),
            record.author,
            describe.age(record.created),
        ).line(width)


class Columns(NamedTuple):
    """What stands in the columns of a line."""

    name: Cell
    changed: str = "changed"
    holds: str = "holds"
    files: str = "files"
    author: str = "author"
    age: str = "age"

    def line(self, width: int) -> Line:
        """The columns that there is room for."""
        cells = [self.name, Cell(self.changed, 12, "muted")]
        if width >= 100:
            cells.append(Cell(self.holds, 36, "muted"))
        elif width >= 84:
            cells.append(Cell(self.files, 11, "muted", "right"))
        if width >= 60:
            cells.append(Cell(self.author, 10, "muted"))
        return row(width, *cells, Cell(self.age, 7, "muted", "right"))


def _heading(width: int) -> Line:
    return Columns(Cell("state")).line(width)


class Timeline(Place):
    """Snapshots: take, look into, compare, restore, stage, rename, delete."""

    SCOPES = ("timeline",)
    BINDINGS = bindings("timeline")
    TITLE = "Timeline"
    HELP = (
        "On top the Current State with what changed since the newest snapshot, then the snapshots, newest first: "
        "named, quick, or automatic (taken before a restore or distribution). Beneath: what is recorded of the one "
        "under the cursor. +1 ~2 -3 are objects added, changed, removed since the snapshot before."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._records: list[SnapshotRecord] = []
        self._instance = ""
        self._read = False
        self._aside = Aside()
        self._diff: Diff | None = None
        self._problem: NuvError | None = None
        self._same: SnapshotRecord | None = None
        """The restored snapshot that the Current State is still equal to."""
        self._looked: tuple[str, str] | None = None
        """Instance and newest snapshot that the status is about."""
        self._looked_at = 0.0
        self._manifest: Snapshot | None = None
        self._rest: Timer | None = None
        self._measuring = Aside()
        self._unique: dict[str, int] = {}
        """Of snapshots that were rested on, what each alone needs; as long as the snapshots stay the same."""
        self._ended: frozenset[str] | None = None

    def compose(self) -> ComposeResult:
        """List, what is worked on, detail."""
        yield LineList(id="snapshots", empty="", markable=True, heading=_heading)
        yield Meter(id="work")
        yield DetailPane(id="snapshot-detail", can_focus=False)

    @property
    def records(self) -> Sequence[SnapshotRecord]:
        """The snapshots, newest first."""
        return self._records

    @property
    def states(self) -> LineList:
        """The list of states."""
        return self.query_one("#snapshots", LineList)

    def first_focus(self) -> Widget | None:
        """The list."""
        return self.states

    def on_unmount(self) -> None:
        """Nobody waits for a comparison any more."""
        self._aside.stop()
        self._measuring.stop()

    # reading

    def state_changed(self) -> None:
        """Read the snapshots of the instance."""
        context = self.nuv.context
        instance = context.instance
        if instance is None:
            return
        if instance.id != self._instance:
            self._instance = instance.id
            self._records, self._read = [], False
            self._diff = self._problem = self._looked = None
            self.states.set_marked(set())
        if not allows(context.role, Action.VIEW):
            role = context.role or "no role here"
            self.query_one("#snapshot-detail", DetailPane).show(
                [f"Your role ({role}) shows the README only.", "Contents (2) shows it."]
            )
            return
        self.load(lambda: self.nuv.services.snapshots.list(instance.id), self._show, group="snapshots")

    def _show(self, records: Sequence[SnapshotRecord]) -> None:
        if [*records] != self._records:
            self._unique.clear()
        self._records = [*records]
        self._read = True
        known = {record.id for record in records}
        gone = self.states.marked - known - {CURRENT}
        if gone:
            self.states.set_marked(self.states.marked - gone)
        self.states.set_source(States(self, self._records))
        self._count()
        newest = records[0].id if records else ""
        if self._looked != (self._instance, newest):
            self._look()

    def _count(self) -> None:
        """How many snapshots there are, and whether there is a way back, at the lower edge."""
        context = self.nuv.context
        note = describe.plural(len(self._records), "snapshot")
        if context.space and context.instance:
            back = state_actions.way_back(self.nuv.tasks, context.space.id, context.instance.id)
            if back is not None and describe.age(back.when).split()[-1] in ("now", "min", "h"):
                note = f"{note}  {self.nuv.glyphs.dot}  u undoes: {back.what}"
        self.set_title(self.TITLE, note)

    def _look(self, *, quietly: bool = False) -> None:
        """Compare the Current State with the newest snapshot, in a process of its own.

        `quietly`: what was known stays on the screen until the answer is there.
        """
        instance = self._instance
        if not instance:
            return
        self._looked = (instance, self._records[0].id if self._records else "")
        self._looked_at = time.monotonic()
        if not quietly:
            self._diff = self._problem = self._same = None
            self.states.refresh_key(CURRENT)
            self._show_detail()
        question = self._aside.ask()

        def look(restored: SnapshotRecord | None) -> tuple[Diff, SnapshotRecord | None]:
            services = self.nuv.services
            diff = question.status(services, instance)
            if restored is not None and not diff.empty:
                since = question.diff(services, StateRef(instance, restored.id), StateRef(instance))
                return diff, restored if since.empty else None
            return diff, None

        restored = self._restored()
        self.load(
            lambda: look(restored),
            lambda found: self._show_status(*found),
            group="status",
            failed=self._status_failed,
        )

    def _look_after_absence(self) -> None:
        """One comes back, from another place or another window: files may have changed meanwhile."""
        if self.on_screen and self._read and time.monotonic() - self._looked_at > FRESH:
            self._look(quietly=True)

    def on_mount(self) -> None:
        """Look again when the terminal gets the focus, where it tells."""
        self.watch(
            self.app, "app_focus", lambda focus: self._look_after_absence() if focus else None, init=False
        )

    def catch_up(self) -> None:
        """Shown again."""
        super().catch_up()
        self._look_after_absence()

    def _restored(self) -> SnapshotRecord | None:
        """The snapshot that was restored last, where nothing was preserved since but what was there before."""
        newest = self._records[0] if self._records else None
        found = _RESTORED.match(newest.cause) if newest is not None and newest.kind == "automatic" else None
        if found is None:
            return None
        return next((record for record in self._records if short(record.id) == found[1]), None)

    def _show_status(self, diff: Diff, same: SnapshotRecord | None) -> None:
        if diff != self._diff or same != self._same or self._problem is not None:
            self._diff, self._problem, self._same = diff, None, same
            self.states.refresh_key(CURRENT)
            self._show_detail()

    def _status_failed(self, error: NuvError) -> None:
        self._problem = error
        self.states.refresh_key(CURRENT)
        self._show_detail()

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Show how far the work on this instance is; look again when it ended."""
        space = self.nuv.context.space
        mine = [
            task
            for task in tasks
            if (task.instance == self._instance and task.kind in state_actions.CHANGING)
            or (space and task.space == space.id and task.kind in ("distribute", "recall"))
        ]
        running = next((task for task in mine if not task.status.ended), None)
        self.set_class(running is not None, "-working")
        if running is not None:
            step = running.steps[-1].title if running.steps else "waiting to start"
            what = f"{running.title}: {step}"
            self.query_one(Meter).set(running.done, running.total, running.unit, what)
        ended = frozenset(task.id for task in mine if task.status.ended)
        if self._ended is not None and ended - self._ended and self._read:
            self._look()
        self._ended = ended
        if self._read:
            self._count()
        self.refresh_bindings()

    # what the cursor is on

    @property
    def record(self) -> SnapshotRecord | None:
        """The snapshot under the cursor; None on the Current State."""
        index = self.states.current if self.is_mounted else None
        return self._records[index - 1] if index and index <= len(self._records) else None

    @property
    def ref(self) -> StateRef:
        """The state under the cursor."""
        record = self.record
        return StateRef(self._instance, record.id if record else None)

    @property
    def chosen(self) -> list[SnapshotRecord]:
        """The marked snapshots, else the one under the cursor."""
        marked = self.states.marked if self.is_mounted else set()
        if marked:
            return [record for record in self._records if record.id in marked]
        return [self.record] if self.record else []

    def command_values(self) -> Mapping[str, str]:
        """The snapshot under the cursor, and where it is."""
        record = self.record
        values = state_actions.where_values(self) | {"state": short(record.id) if record else "current"}
        return values | ({"snapshot": short(record.id)} if record else {})

    def copied(self) -> Copy | None:
        """The id of the snapshot."""
        record = self.record
        return Copy(record.id, "the id of the snapshot") if record else None

    @on(LineList.Highlighted, "#snapshots")
    def _moved(self) -> None:
        self._manifest = None
        self._show_detail()
        self.refresh_bindings()
        self._measuring.stop()
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST, self._read_manifest) if self.record else None

    def _read_manifest(self) -> None:
        record = self.record
        if record is not None:
            self.load(
                lambda: self.nuv.services.snapshots.manifest(record.id),
                self._show_manifest,
                group="manifest",
                failed=lambda error: None,  # deleted meanwhile; a damaged one is told when it is opened
            )

    def _show_manifest(self, manifest: Snapshot) -> None:
        if self.record is not None and self.record.id == manifest.id:
            self._manifest = manifest
            self._show_detail(keep=True)
            if manifest.id not in self._unique:
                self._rest = self.set_timer(SETTLED, self._measure)

    def _measure(self) -> None:
        """Work out what the snapshot under the cursor alone keeps in the store."""
        record = self.record
        if record is None:
            return
        question, identifier = self._measuring.ask(), record.id

        def show(unique: int) -> None:
            self._unique[identifier] = unique
            if self.record is not None and self.record.id == identifier:
                self._show_detail(keep=True)

        self.load(
            lambda: question.freed_by(self.nuv.services, [identifier]),
            show,
            group="unique",
            failed=lambda error: None,  # given up, or damaged: the figure is left out
        )

    # drawing

    def current_line(self, width: int) -> Line:
        """The line of the Current State."""
        name = Cell("Current State", 0, "strong")
        if self._problem is not None:
            return line((name.text, "strong"), right=[(self._problem.title, "bad")])
        if self._diff is None:
            return line(
                (name.text, "strong"), right=[("looking what changed", "muted")] if self._read else []
            )
        if not self._records:
            return line((name.text, "strong"), right=[("no snapshot yet", "warn")])
        if self._same is not None:
            return line((name.text, "strong"), right=[(f"as in {describe.called(self._same)}", "good")])
        changed = "".join(text for text, _ in describe.signed(describe.total(describe.counted(self._diff))))
        return Columns(name, changed or "no change", "", "", "", "now").line(width)

    def _show_detail(self, keep: bool = False) -> None:
        record = self.record
        if record is not None:
            lines = describe.snapshot_lines(record, self._manifest, self._unique.get(record.id))
        else:
            lines = self._current_lines()
        self.query_one("#snapshot-detail", DetailPane).show(lines, keep=keep)

    def _current_lines(self) -> list[Line | str]:
        if not self._read:
            return []
        if self._problem is not None:
            error = self._problem
            return [line((error.title, "bad")), error.message, error.hint, "", "F5 looks again."]
        if self._diff is None:
            return [line(("Looking what changed since the newest snapshot.", "muted"))]
        diff = self._diff
        if not self._records:
            return [
                line(("No snapshot yet.", "strong")),
                "s takes one at once, S one with a name and a description.",
                "",
                describe.changes_line(describe.counted(diff), "It will hold  "),
            ]
        newest = describe.called(self._records[0])
        if diff.empty:
            return [line(("Nothing changed ", "strong"), f"since {newest}.")]
        lines: list[Line | str] = []
        if self._same is not None:
            same = describe.called(self._same)
            lines += [
                line(
                    ("Same as ", "strong"),
                    f"{same}, which was restored; the list is against what was there before.",
                ),
                "",
            ]
        lines += [
            line(("Changed ", "strong"), f"since {newest}"),
            describe.changes_line(describe.counted(diff), ""),
            "",
        ]
        changes = describe.changes_of(diff)
        lines += [describe.change_line(change) for change in changes[:SHOWN]]
        if len(changes) > SHOWN:
            lines.append(line((f"and {len(changes) - SHOWN:,} more: Contents (2), Changes (C)", "muted")))
        return lines

    # commands

    async def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: look into the state."""
        message.stop()
        record = self.record
        await state_actions.show_contents(
            self, self.ref, describe.called(record) if record else "Current State"
        )

    def action_quick(self) -> None:
        """Take a snapshot without questions."""
        state_actions.take_snapshot(self)

    def action_snapshot(self) -> None:
        """Ask for name, description and next phase, then take a snapshot."""
        state_actions.ask_snapshot(self, self._diff, first=not self._records)

    def action_restore(self) -> None:
        """Ask, then restore."""
        if self.record is not None:
            state_actions.ask_restore(self, self.record)

    def action_rename(self) -> None:
        """Ask for the name, then rename."""
        if self.record is not None:
            state_actions.ask_rename(self, self.record)

    def action_delete(self) -> None:
        """Tell what comes free, then delete."""
        if self.chosen:
            state_actions.ask_delete(self, self.chosen)

    def action_stage(self) -> None:
        """Stage the whole state."""
        state_actions.stage(self, self.ref, everything=True)

    def action_look(self) -> None:
        """Look again what changed."""
        self._look()

    def _scroll_detail(self, pages: float) -> None:
        pane = self.query_one("#snapshot-detail", DetailPane)
        pane.scroll_lines(round(pages * pane.size.height) or (1 if pages > 0 else -1))

    def action_detail_down(self) -> None:
        """Scroll what is beneath the list."""
        self._scroll_detail(0.5)

    def action_detail_up(self) -> None:
        """Scroll what is beneath the list."""
        self._scroll_detail(-0.5)

    async def action_compare(self) -> None:
        """Compare the two marked states, or the cursor's with one that is chosen."""
        marked = [
            key for key in (CURRENT, *(record.id for record in self._records)) if key in self.states.marked
        ]
        if len(marked) == 2:
            await self._compare(marked[1], marked[0])
            return
        here = str(self.states.current_key)
        state_actions.choose_state(
            self,
            f"Compare {describe.called(self.record) if self.record else 'the Current State'} with",
            self._records,
            without=here,
            chosen=lambda other: self.run_worker(self._compare(other, here)),
        )

    async def _compare(self, one: str, other: str) -> None:
        """Show what differs from the older of two states to the newer."""
        order = [CURRENT, *(record.id for record in self._records)]
        new, old = sorted((one, other), key=order.index)
        by_id = {record.id: record for record in self._records}
        name = describe.called(by_id[new]) if new in by_id else "Current State"
        refs = [StateRef(self._instance, None if key == CURRENT else key) for key in (old, new)]
        await state_actions.show_changes(self, refs[0], refs[1], name)
