"""Changes: what differs between the state that is looked at and any other one."""

import datetime
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from nuvtui.errors import Exit, NuvError
from nuvtui.model.diff import Diff, FileChange, TableChange
from nuvtui.model.names import text_to_path
from nuvtui.model.queries import Compare
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.stage import StateRef
from nuvtui.tui.common import describe, diff_rows, state_actions
from nuvtui.tui.common.diff_pane import ROOMY, DiffPane
from nuvtui.tui.features.contents.section import Section
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.worker.queries import PendingQuery, Queries

FRESH = 3.0
"""Seconds for which a comparison counts as new when one comes back to it."""


class Compared(NamedTuple):
    """A comparison: from one state to another."""

    old: StateRef | None
    new: StateRef
    diff: Diff


class Changes(Section):
    """The list of changes; Enter shows what changed about one."""

    SCOPES = ("changes",)
    BINDINGS = bindings("changes")
    NAME = "Changes"
    SPLITS = True
    HELP = (
        "What differs between this state and another one: + added, ~ changed, - removed, from the older to the newer. "
        "Enter shows lines of a text file, rows and columns of a table, configuration and packages of an application; "
        "n and N jump from change to change, b puts the two sides beside or under each other."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._queries = Queries()
        self._base: str | None = None
        """The state compared with: `current`, a snapshot's id, or None for the usual one."""
        self._records: list[SnapshotRecord] = []
        self._compared: Compared | None = None
        self._looked_at = 0.0
        self._resting = Debounce(self, self._rested)
        self.path: str | None = None
        """The file whose lines are shown (text form)."""

    def compose(self) -> ComposeResult:
        """Which states, the list, the detail."""
        with Vertical(id="changed", classes="outer"):
            yield DetailPane(id="between", can_focus=False)
            yield LineList(id="changes", empty="")
        yield DiffPane(id="change", classes="inner fill")

    @property
    def changes(self) -> LineList:
        """The list."""
        return self.query_one("#changes", LineList)

    def first_focus(self) -> Widget | None:
        """The detail where it is shown, else the list."""
        return self.query_one("#change") if self.has_class("-inner") else self.changes

    def on_unmount(self) -> None:
        """Nobody waits for a comparison any more."""
        self._queries.stop()

    def clear(self) -> None:
        """Another state: compared with its usual other one."""
        self._base = None
        self._compared = None
        self._show([])

    def compare_with(self, base: StateRef) -> None:
        """Compare with another state."""
        self._base = base.snapshot or "current"
        self.show_inner(False)
        self.reread()

    def look_again(self) -> None:
        """Files of the Current State may have changed meanwhile."""
        compared = self._compared
        if compared is None or time.monotonic() - self._looked_at < FRESH:
            return
        if compared.new.snapshot is None or (compared.old is not None and compared.old.snapshot is None):
            self.reread()

    def reread(self) -> None:
        """Compare, in a process of its own."""
        ref = self.ref
        if ref is None:
            return
        self._looked_at = time.monotonic()
        if self._compared is None:
            self.query_one("#between", DetailPane).show([line(("Comparing", "muted"))], keep=True)
        base, pending = self._base, self._queries.begin()
        self.load(
            lambda: self._compare(pending, ref, base), self._arrived, group="compare", failed=self._failed
        )

    def _compare(
        self, pending: PendingQuery, ref: StateRef, base: str | None
    ) -> tuple[list[SnapshotRecord], Compared | None]:
        services = self.nuv.services
        records = services.snapshots.list(ref.instance)
        order = ["current", *(record.id for record in records)]
        here = ref.snapshot or "current"
        if here not in order:
            raise NuvError(
                "The snapshot is gone", "it was deleted", "Choose another state: p.", Exit.NOT_FOUND
            )
        at = order.index(here)
        if base is None:  # the snapshot before; the first one of all with the Current State
            base = order[at + 1] if at + 1 < len(order) else "current"
        if base not in order or base == here:
            return records, None
        new, old = sorted((here, base), key=order.index)
        refs = [StateRef(ref.instance, None if key == "current" else key) for key in (old, new)]
        return records, Compared(refs[0], refs[1], pending.ask(services, Compare(refs[0], refs[1])))

    def _failed(self, error: NuvError) -> None:
        self._show([])
        self.query_one("#between", DetailPane).show([line((error.title, "bad")), error.message, error.hint])

    def _arrived(self, found: tuple[list[SnapshotRecord], Compared | None]) -> None:
        self._records, self._compared = found
        between = self.query_one("#between", DetailPane)
        if self._compared is None:
            between.show([line(("There is no other state yet to compare with.", "muted"))])
            self._show([])
            return
        diff = self._compared.diff
        self.changes.empty = "Nothing differs."
        between.show(
            [
                line(("From ", "muted"), (diff.old, "strong"), (" to ", "muted"), (diff.new, "strong")),
                describe.changes_line(describe.counted(diff), ""),
                line((f"compared at {datetime.datetime.now():%H:%M:%S}, F5 again", "muted")),
            ]
        )
        self._show(describe.changes_of(diff))

    def _show(self, changes: Sequence[describe.Change]) -> None:
        if not changes and self._compared is None:
            self.changes.empty = ""
        self.changes.set_source(
            Items(
                list(changes),
                lambda change, _width: describe.change_line(change),
                key=lambda change: (type(change).__name__, describe.change_name(change)),
                text=describe.change_name,
            )
        )

    def command_values(self) -> Mapping[str, str]:
        """Both states."""
        base = self._compared.old.snapshot if self._compared and self._compared.old else None
        new = self._compared.new.snapshot if self._compared else None
        names = {"base": base[:8] if base else "current", "snapshot": new[:8] if new else "current"}
        if self._compared is None:
            del names["base"]
        return {**super().command_values(), **names, **({"path": self.path} if self.path is not None else {})}

    def show_inner(self, inner: bool, note: str = "") -> None:
        """Back at the list no file is open."""
        if not inner and not self.together:
            self.path = None
        super().show_inner(inner, note)

    def action_base(self) -> None:
        """Choose the state to compare with."""
        ref = self.ref
        if ref is None:
            return
        state_actions.choose_state(
            self,
            f"Compare {self.label} with",
            self._records,
            without=ref.snapshot or "current",
            chosen=lambda key: self.compare_with(StateRef(ref.instance, None if key == "current" else key)),
        )

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: show what changed about it, or go into what is shown."""
        message.stop()
        self._show_change(focus=True)

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The cursor moved: show what it is on as soon as it rests."""
        message.stop()
        if self.together and not self.has_class("-inner"):
            self._resting.ask()

    def laid_out(self) -> None:
        """Room for both: show what the cursor is on."""
        self._rested()

    def _rested(self) -> None:
        if self.together and not self.has_class("-inner"):
            self._show_change(focus=False)

    def _show_change(self, *, focus: bool) -> None:
        compared, at = self._compared, self.changes.current
        if compared is None or at is None:
            self.diff.show([])
            return
        change = describe.changes_of(compared.diff)[at]
        if isinstance(change, FileChange):
            self.path = text_to_path(change.path)
            self._show_file(compared, change, focus)
            return
        self.path = None
        rows = (
            diff_rows.of_table(change)
            if isinstance(change, TableChange)
            else diff_rows.of_application(change)
        )
        self._show_rows(_head(change), rows, focus)

    def _show_file(self, compared: Compared, change: FileChange, focus: bool) -> None:
        path = text_to_path(change.path)
        head = _head(change)
        self.load(
            lambda: diff_rows.of_text(self.nuv.services.changes.text_diff(compared.old, compared.new, path)),
            lambda rows: self._show_rows(head, rows, focus),
            group="text",
            failed=lambda error: self._show_lines([*head, line((error.title, "warn")), error.message], focus),
        )

    def _show_rows(self, head: list[Line | str], rows: "list[diff_rows.Row]", focus: bool) -> None:
        if not rows:
            self._show_lines([*head, line(("The content is the same.", "muted"))], focus)
            return
        self.diff.show_diff(head, rows)
        self._shown(focus)

    def _show_lines(self, lines: Sequence[Line | str], focus: bool) -> None:
        self.diff.show(lines)
        self._shown(focus)

    def _shown(self, focus: bool) -> None:
        if focus:
            self.show_inner(True)
        self.refresh_bindings()

    @property
    def diff(self) -> DiffPane:
        """What changed about the line under the cursor."""
        return self.query_one(DiffPane)

    @property
    def has_diff(self) -> bool:
        """True where there are changes to jump to."""
        return self.is_mounted and (self.together or self.has_class("-inner")) and self.diff.has_diff

    def action_next_change(self) -> None:
        """To the next change."""
        self._jump(1)

    def action_previous_change(self) -> None:
        """To the change before."""
        self._jump(-1)

    def _jump(self, step: int) -> None:
        if not self.diff.jump(step):
            self.nuv.notify("No change further down." if step > 0 else "No change further up.", timeout=2)

    def action_beside(self) -> None:
        """Side by side, or under each other."""
        diff = self.diff
        diff.toggle()
        if not diff.unified and not diff.beside:
            self.nuv.notify(
                f"Side by side from {ROOMY} columns on; Z gives Contents the whole width.", timeout=4
            )


def _head(change: describe.Change) -> list[Line | str]:
    return [
        line(
            (describe.path_shown(describe.change_name(change)), "strong"),
            f"  {change.change}",
            right=[(describe.change_note(change), "muted")],
        ),
        "",
    ]
