"""The Timeline: the Current State on top with what changed since, then the snapshots, newest first."""

import datetime
import time
from collections.abc import Iterable, Mapping, Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.widget import Widget

from nuvtui import clock
from nuvtui.errors import NuvError
from nuvtui.model.diff import Diff
from nuvtui.model.names import short
from nuvtui.model.queries import Compare, Freed, Status
from nuvtui.model.roles import Action, allows
from nuvtui.model.snapshot import Snapshot, SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.model.timeline import Entry, Event, Group, restored
from nuvtui.model.timeline import Timeline as Past
from nuvtui.tui.common import describe, remote_actions, state_actions
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.common.startup_cache import keep, stamp
from nuvtui.tui.features.timeline import rows
from nuvtui.tui.features.timeline.current_state import CurrentState
from nuvtui.tui.features.timeline.list import StatesList
from nuvtui.tui.features.timeline.rows import CURRENT, Columns, States
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import REGISTRY, bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import Line, Piece
from nuvtui.tui.toolkit.progress_bar import ProgressBar
from nuvtui.worker.queries import Queries

SETTLED = 0.6
"""Seconds that the cursor rests on a snapshot before it is worked out what it alone keeps in the store."""
ROOMY = 14
"""Lines of the detail from which on it is spaced out."""
MODIFYING = tuple(f"timeline.{verb}" for verb in ("quick", "snapshot", "restore", "rename", "delete"))
"""Commands that change the Current State or its snapshots."""
OLD = 10.0
"""Seconds after which a comparison is made again while somebody moves on the Timeline."""
UNDO_OFFERED = datetime.timedelta(days=1)
"""How long after a change the Timeline offers the way back by itself."""
FRESH = 3.0
"""Seconds for which a comparison counts as new when one comes back to the Timeline."""


class Timeline(Pane):
    """Snapshots: take, look into, compare, restore, stage, rename, delete."""

    SCOPES = ("timeline",)
    BINDINGS = bindings("timeline")
    TITLE = "Timeline"
    HELP = (
        "The Current State on top, then snapshots and distributions, newest first. An automatic snapshot says what it "
        "was taken for; those that follow each other are one line (Enter opens it). +1 ~2 -3: added, changed, removed "
        "since the snapshot before; stored: what it added to the store. / takes words and the terms name: author: "
        "kind: before: after: on:, as in kind:restored after:7d."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._past = Past([])
        self._total = 0
        """Snapshots that there are: more than are known while the startup cache is shown."""
        self._opened: set[str] = set()
        """Keys of the groups that are open."""
        self._said = ("", "")
        self._filtered = False
        self._instance = ""
        self._read = False
        self._queries = Queries()
        self._diff: Diff | None = None
        self._problem: NuvError | None = None
        self._same: SnapshotRecord | None = None
        """The restored snapshot that the Current State is still equal to."""
        self._looked: tuple[str, str] | None = None
        """Instance and newest snapshot that the status is about."""
        self._looked_at = 0.0
        self._took = 0.0
        """Seconds that the last comparison took."""
        self._manifest: Snapshot | None = None
        self.resting = Debounce(self, self._rested)
        self._settling = Debounce(self, self._measure, SETTLED)
        self._measuring = Queries()
        self._pulling = Queries()
        self.unique: dict[str, int] = {}
        """Of snapshots that were rested on, what each alone needs; as long as the snapshots stay the same."""
        self._ended: frozenset[str] | None = None

    def compose(self) -> ComposeResult:
        """List, what is worked on, detail."""
        yield StatesList(
            id="snapshots",
            empty="",
            markable=True,
            heading=lambda width: rows.heading(width, self._several_authors, self._held is not None),
        )
        yield ProgressBar(id="work")
        yield DetailPane(id="snapshot-detail", can_focus=False)

    @property
    def records(self) -> Sequence[SnapshotRecord]:
        """The snapshots, newest first."""
        return self._past.records

    @property
    def states(self) -> StatesList:
        """The list of states."""
        return self.query_one("#snapshots", StatesList)

    @property
    def lines(self) -> States | None:
        """What the list shows; None: nothing was read yet."""
        source = self.states.source if self.is_mounted else None
        return source if isinstance(source, States) else None

    @property
    def _several_authors(self) -> bool:
        lines = self.lines
        return lines is not None and lines.several_authors

    @property
    def _held(self) -> Mapping[str, Sequence[str]] | None:
        """By snapshot, the remotes that hold it too; None: there are no remotes."""
        lines = self.lines
        return None if lines is None else lines.held

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""
        return self.nuv.glyphs

    def first_focus(self) -> Widget | None:
        """The list."""
        return self.states

    def on_unmount(self) -> None:
        """Nobody waits for a comparison any more."""
        for queries in (self._queries, self._measuring, self._pulling):
            queries.stop()

    def abandoned(self, group: str) -> bool:
        """Esc: what a remote holds is not waited for any more, or the comparison is not."""
        if group != "list-remote":
            return super().abandoned(group)
        self._pulling.stop()
        return False

    # reading

    def state_changed(self) -> None:
        """Read the snapshots of the instance."""
        context = self.nuv.context
        instance = context.instance
        if instance is None:
            return
        if instance.id != self._instance:
            self._instance = instance.id
            self._past, self._read = Past([]), False
            self._opened.clear()
            self._diff = self._problem = self._looked = None
            self.states.set_marked(set())
        if not allows(context.role, Action.VIEW):
            role = context.role or "no role here"
            self.query_one("#snapshot-detail", DetailPane).show(
                [f"Your role ({role}) shows the README only.", "Contents (2) shows it."]
            )
            return
        startup_cache = self.nuv.startup_cache
        if startup_cache is not None and not self._read:
            self._total = startup_cache.total
            self._show(States(self, startup_cache.timeline))
        self.nuv.startup_cache = None

        def read() -> States:
            read_from = stamp(self.nuv.home.state)
            timeline = self.nuv.services.snapshots.timeline(instance.id)
            held = remote_actions.held(self.nuv.services)
            if not self.nuv.elsewhere:
                keep(self.nuv.home, self.nuv.start, context, timeline, read_from)
            here = self.nuv.services.context.view().snapshots
            away = [record.id for record in timeline.records if record.id not in here] if held else []
            return States(self, timeline, held, away)

        def show(states: States) -> None:
            self._total = len(states.timeline.records)
            self._show(states)

        self.load(read, show, group="snapshots")

    def _show(self, states: States) -> None:
        if states.timeline.records != self._past.records:
            self.unique.clear()
        self._past = states.timeline
        self._read = True
        self._opened &= {group.key for group in states.groups}
        known = {record.id for record in self.records}
        gone = self.states.marked - known - {CURRENT}
        if gone:
            self.states.set_marked(self.states.marked - gone)
        self.states.set_source(states)
        self._note()
        newest = self.records[0].id if self.records else ""
        if self._looked != (self._instance, newest):
            self._look()

    def _note(self) -> None:
        """At the lower edge: how many snapshots there are, what is marked, and whether there is a way back."""
        total = describe.plural(self._total, "snapshot")
        marked = self._marked()
        filtered = self.states.filter
        if filtered:
            parts = [f"{self.states.count:,} found", f"filter: {describe.cut(filtered, 40)}"]
        else:
            parts = [total]
        if len(marked) == 2:
            old, new = (describe.cut(self._called(key), 26) for key in reversed(marked))
            parts = [f"c compares {old} with {new}"]
        elif marked:
            one = len(marked) == 1
            what = "c compares it with the one under the cursor" if one else "c compares two, d deletes all"
            parts = [f"{len(marked):,} marked", what]
        elif not filtered:
            parts += self._way_back()
        said = (self.TITLE, f"  {self.nuv.glyphs.dot}  ".join(parts))
        if said != self._said:
            self._said = said
            self.set_title(*said)

    def _way_back(self) -> list[str]:
        context = self.nuv.context
        if not context.space or not context.instance or not self.may_modify:
            return []
        where = (context.space.id, context.instance.id)
        if state_actions.under_way(self.nuv.tasks, *where) is not None:
            return []
        back = state_actions.way_back(self.nuv.tasks, *where, (record.id for record in self.records))
        if back is None or clock.parse(clock.now()) - clock.parse(back.when) >= UNDO_OFFERED:
            return []
        return [f"u undoes: {back.what}"]

    def _look(self, *, quietly: bool = False) -> None:
        """Compare the Current State with the newest snapshot, in a process of its own.

        `quietly`: what was known stays on the screen until the answer is there.
        """
        instance = self._instance
        if not instance:
            return
        self._looked = (instance, self.records[0].id if self.records else "")
        self._looked_at = time.monotonic()
        if not quietly:
            self._diff = self._problem = self._same = None
            self.states.refresh_key(CURRENT)
            self._show_detail()
        pending = self._queries.begin()

        def look(restored: SnapshotRecord | None) -> tuple[Diff, SnapshotRecord | None]:
            services = self.nuv.services
            diff = pending.ask(services, Status(instance))
            if restored is not None and not diff.empty:
                since = pending.ask(services, Compare(StateRef(instance, restored.id), StateRef(instance)))
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

    def _look_now_and_then(self) -> None:
        """Somebody is here: what changed is looked at again, but never for more than a twentieth of the time."""
        if self._read and time.monotonic() - self._looked_at > max(OLD, 20 * self._took):
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
        digits = restored(self.records[0]) if self.records else None
        if digits is None:
            return None
        return next((record for record in self.records if short(record.id) == digits), None)

    def _show_status(self, diff: Diff, same: SnapshotRecord | None) -> None:
        self._took = time.monotonic() - self._looked_at
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
        moved = (
            task for task in tasks if task.instance == self._instance and task.kind in remote_actions.MOVING
        )
        running = next((task for task in (*mine, *moved) if not task.status.ended), None)
        self.set_class(running is not None, "-working")
        if running is not None:
            step = running.steps[-1].title if running.steps else "waiting to start"
            what = f"{running.title}: {step}"
            self.query_one(ProgressBar).set(running.done, running.total, running.unit, what)
        ended = frozenset(task.id for task in mine if task.status.ended)
        if self._ended is not None and ended - self._ended and self._read:
            self._look()
        self._ended = ended
        if self._read:
            self._note()
        self.refresh_bindings()

    # what the cursor is on

    @property
    def entry(self) -> Entry | None:
        """What the cursor is on; None: the Current State, or nothing."""
        lines = self.lines
        index = self.states.current if lines is not None else None
        return None if lines is None or index is None else lines.entry(index)

    @property
    def record(self) -> SnapshotRecord | None:
        """The snapshot under the cursor; None on any other line."""
        entry = self.entry
        return entry if isinstance(entry, SnapshotRecord) else None

    @property
    def ref(self) -> StateRef | None:
        """The state under the cursor; None on a group or an event."""
        entry = self.entry
        if entry is None:
            return StateRef(self._instance)
        return StateRef(self._instance, entry.id) if isinstance(entry, SnapshotRecord) else None

    @property
    def group(self) -> Group | None:
        """The group that the cursor is on, or in."""
        lines = self.lines
        index = self.states.current if lines is not None else None
        return None if lines is None or index is None or lines.flat else lines.group_of(index)

    @property
    def may_modify(self) -> bool:
        """Whether the user's role allows to take, restore and delete snapshots here."""
        return allows(self.nuv.context.role, Action.MODIFY)

    @property
    def chosen(self) -> list[SnapshotRecord]:
        """The marked snapshots, else what is under the cursor: a snapshot, or all of a group."""
        marked = self.states.marked if self.is_mounted else set()
        if marked:
            return [record for record in self.records if record.id in marked]
        entry = self.entry
        if isinstance(entry, Group):
            return list(entry.records)
        return [entry] if isinstance(entry, SnapshotRecord) else []

    @property
    def pushed(self) -> list[SnapshotRecord]:
        """What would be pushed: what is marked or under the cursor, else the newest."""
        return self.chosen or list(self.records[:1])

    def _marked(self) -> list[str]:
        """Keys of the marked states, newest first."""
        marked = self.states.marked
        if not marked:
            return []
        return [key for key in (CURRENT, *(record.id for record in self.records)) if key in marked]

    def _called(self, key: str) -> str:
        record = next((record for record in self.records if record.id == key), None)
        return describe.called(record) if record is not None else "Current State"

    def _pair(self) -> tuple[str, str] | None:
        """The states to compare, the older one first: both marked, or one marked and one under the cursor."""
        keys = self._marked()
        here = self.states.current_key if self.ref is not None else None
        if len(keys) == 1 and here is not None and here != keys[0]:
            order = {key: at for at, key in enumerate((CURRENT, *(record.id for record in self.records)))}
            keys = sorted([keys[0], str(here)], key=order.__getitem__)
        return (keys[1], keys[0]) if len(keys) == 2 else None

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The snapshot under the cursor, the marked ones, the two to compare, and where it is."""
        record = self.record
        values: dict[str, str | Sequence[str]] = {**state_actions.where_values(self)}
        values["state"] = short(record.id) if record else "current"
        if record:
            values["snapshot"] = short(record.id)
        values["pushed"] = [short(each.id) for each in self.pushed]
        if self.chosen:
            values["snapshots"] = [short(each.id) for each in self.chosen]
        old, new = self._pair() or (values["state"], CURRENT)
        values["old"], values["new"] = (key if key == CURRENT else short(str(key)) for key in (old, new))
        values["filter"] = self.states.filter
        return values

    def copied(self) -> Copy | None:
        """The id of the snapshot."""
        record = self.record
        return Copy(record.id, "the id of the snapshot") if record else None

    @on(LineList.Highlighted, "#snapshots")
    def _moved(self) -> None:
        """The cursor went on: what is beneath follows once it rests."""
        self.refresh_bindings()
        self._measuring.stop()
        self._settling.stop()
        self.resting.ask()
        if self.states.filter or self._filtered:
            self._filtered = bool(self.states.filter)
            self._note()

    @on(LineList.Marked, "#snapshots")
    def _marks_changed(self) -> None:
        self._note()
        self.refresh_bindings()

    def _rested(self) -> None:
        self._look_now_and_then()
        record = self.record
        if record is None or self._manifest is None or self._manifest.id != record.id:
            self._manifest = None
            self._show_detail()
            self._read_manifest()

    def _read_manifest(self) -> None:
        record = self.record
        if record is not None:
            self.load(
                lambda: self.nuv.services.snapshots.manifest(record.id),
                self._show_manifest,
                group="manifest",
                failed=lambda _error: None,  # deleted meanwhile; a damaged one is told when it is opened
            )

    def _show_manifest(self, manifest: Snapshot) -> None:
        if self.record is not None and self.record.id == manifest.id:
            self._manifest = manifest
            self._show_detail(keep=True)
            if manifest.id not in self.unique:
                self._settling.ask()

    def _measure(self) -> None:
        """Work out what the snapshot under the cursor alone keeps in the store."""
        record = self.record
        if record is None:
            return
        pending, identifier = self._measuring.begin(), record.id

        def show(unique: int) -> None:
            self.unique[identifier] = unique
            self.states.refresh_key(identifier)
            if self.record is not None and self.record.id == identifier:
                self._show_detail(keep=True)

        self.load(
            lambda: pending.ask(self.nuv.services, Freed([identifier])),
            show,
            group="unique",
            failed=lambda _error: None,  # given up, or damaged: the figure is left out
        )

    # drawing

    def is_open(self, group: Group) -> bool:
        """Whether the snapshots of a group are shown."""
        return group.key in self._opened

    def current_line(self, columns: Columns, before: tuple[Piece, ...]) -> Line:
        """The line of the Current State."""
        return self._current().line(columns, before, self.glyphs.ellipsis)

    def _current(self) -> CurrentState:
        role = "" if self.may_modify else str(self.nuv.context.role)
        return CurrentState(self._read, self._problem, self._diff, self._same, self.records, role)

    def _show_detail(self, keep: bool = False) -> None:
        pane = self.query_one("#snapshot-detail", DetailPane)
        entry = self.entry
        lines: Iterable[Line | str]
        if isinstance(entry, SnapshotRecord):
            lines = describe.snapshot_lines(
                entry,
                self._manifest,
                self.unique.get(entry.id),
                event=self._past.traces.get(entry.id),
                remotes=None if self._held is None else self._held.get(entry.id, ()),
                away=self.lines is not None and entry.id in self.lines.away,
                roomy=pane.size.height >= ROOMY,
            )
        elif isinstance(entry, Group):
            lines = rows.group_lines(entry, self._past)
        elif isinstance(entry, Event):
            lines = rows.event_lines(entry)
        else:
            lines = self._current().lines()
        pane.show(lines, keep=keep)

    # commands

    async def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: look into the state, open or close the group, or show the distribution among all of them."""
        message.stop()
        entry, ref = self.entry, self.ref
        if isinstance(entry, Group):
            self.action_fold()
        elif isinstance(entry, Event):
            if self.nuv.context.space is not None:
                self.nuv.open("distribution.history", self.nuv.context.space)
        elif ref is not None:
            self.nuv.show_state(ref, describe.called(entry) if entry else "Current State")
            await self.nuv.show_pane("contents")

    def on_key(self, event: events.Key) -> None:
        """A key of something that the role does not allow says so."""
        if self.may_modify or not self._read:
            return
        if any(event.key in REGISTRY.keys(command) for command in MODIFYING):
            event.stop()
            event.prevent_default()
            self.load(lambda: state_actions.require(self.nuv, self._instance, Action.MODIFY), lambda _: None)

    def action_fold(self) -> None:
        """Open the group that the cursor is on, or close the one that it is in."""
        group = self.group
        if group is not None:
            self._opened ^= {group.key}
            self._arrange(group.key)

    def action_fold_all(self) -> None:
        """Open all groups; where all are open, close them."""
        lines = self.lines
        if lines is None or not lines.groups:
            return
        group = self.group
        every = {group.key for group in lines.groups}
        self._opened = set() if self._opened >= every else every
        key = self.states.current_key
        self._arrange(str(group.key if group is not None and not self._opened else key))

    def reveal(self, target: Target) -> bool:
        """Put the cursor on a snapshot, out of its group and any filter; False: it is not listed (yet)."""
        lines, snapshot = self.lines, target.key
        if lines is None or not any(record.id == snapshot for record in self.records):
            return False
        if self.states.filter:
            self.states.set_filter("")
        folded = next((g for g in lines.groups if any(record.id == snapshot for record in g.records)), None)
        if folded is not None:
            self._opened.add(folded.key)
            self._arrange(snapshot)
        return super().reveal(target)

    def _arrange(self, key: str) -> None:
        if self.lines is not None:
            self.lines.arrange()
            self.states.reread(key)

    def action_quick(self) -> None:
        """Take a snapshot without questions."""
        state_actions.take_snapshot(self)

    def action_snapshot(self) -> None:
        """Ask for name, description and next phase, then take a snapshot."""
        state_actions.ask_snapshot(self, self._diff, first=not self.records)

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
        if self.ref is not None:
            state_actions.stage(self, self.ref, everything=True)

    def action_push(self) -> None:
        """Push the marked snapshots, the one under the cursor, or the newest."""
        remote_actions.push(self, self.pushed)

    def action_pull(self) -> None:
        """Choose among what is on a remote and not here, then pull it."""
        remote_actions.pull(self, self._pulling)

    def action_look(self) -> None:
        """Look again what changed."""
        self._look()

    async def action_filter(self) -> None:
        """Ask for the filter of the list."""
        await self.states.action_filter()

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
        """Compare the two marked states, the marked one with the cursor's, or the cursor's with one that is chosen."""
        pair = self._pair()
        if pair is not None:
            await self._compare(*pair)
            return
        marked = self._marked()
        if len(marked) > 2:
            self.nuv.notify(
                f"{len(marked):,} states are marked: comparing needs two. Space takes a mark away.",
                severity="warning",
            )
            return
        if self.ref is None and not marked:
            return
        here = marked[0] if marked else str(self.states.current_key)
        state_actions.choose_state(
            self,
            f"Compare {self._called(here)} with" if here != CURRENT else "Compare the Current State with",
            self.records,
            without=here,
            chosen=lambda other: self.run_worker(self._compare(other, here)),
        )

    async def _compare(self, one: str, other: str) -> None:
        """Show what differs from the older of two states to the newer."""
        order = [CURRENT, *(record.id for record in self.records)]
        if one not in order or other not in order:
            return  # deleted meanwhile
        new, old = sorted((one, other), key=order.index)
        by_id = {record.id: record for record in self.records}
        name = describe.called(by_id[new]) if new in by_id else "Current State"
        refs = [StateRef(self._instance, None if key == CURRENT else key) for key in (old, new)]
        await self.nuv.route("contents.changes")(self.nuv, refs[0], refs[1], name)
