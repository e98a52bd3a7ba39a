"""The history of one file, folder or table: its versions in all snapshots, and what changed from one to the next."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.containers import Container, Vertical
from textual.timer import Timer
from textual.widget import Widget

from nuvtui.errors import Cancelled, NuvError
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Silent, Unit
from nuvtui.tui.common import describe, diff_rows, state_actions
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.diff_pane import ROOMY, DiffPane
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, line, row

if TYPE_CHECKING:
    from nuvtui.services.snapshots.history import History, Version


def open_history(
    node: ShellTarget, ref: StateRef, *, path: str | None = None, table: str | None = None
) -> None:
    """Show the history of a file or folder (`path`) or of a table, of the instance of `ref`."""
    node.nuv.push_screen(HistoryScreen(ref.instance, path=path, table=table))


class _Progress(Silent):
    """How far the look through the snapshots is; given up from the event loop."""

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.given_up = threading.Event()

    def progress(self, done: int, total: int | None, _unit: Unit, _what: str = "") -> None:
        self.done, self.total = done, total

    def check(self) -> None:
        if self.given_up.is_set():
            raise Cancelled()


class HistoryScreen(BaseScreen):
    """Versions, newest first; beneath or beside them what changed since the next older one."""

    SCOPES = ("versions",)
    BINDINGS = bindings("versions")
    HELP = (
        "Every version of this file, folder or table, the newest first: since which snapshot it is like that, and in how "
        "many. Beneath stands what changed since the version before. Enter opens the version in Contents."
    )

    def __init__(self, instance: str, *, path: str | None, table: str | None) -> None:
        super().__init__()
        self._instance = instance
        self._path = path
        self._table = table
        self._versions: list[Version] = []
        self._progress = _Progress()
        self._clock: Timer | None = None
        self._resting = Debounce(self, self._compare)

    def body(self) -> list[Widget]:
        """The list and the difference."""
        versions = LineList(id="versions", empty="Reading", heading=_heading)
        diff = DiffPane(id="version-diff", classes="fill")
        pane = Vertical(versions, DetailPane(id="version-note", can_focus=False), diff, classes="pane")
        return [Container(pane, id="version-body")]

    def on_mount(self) -> None:
        """Look through the snapshots."""
        what = self._path if self._path is not None else f"table {self._table}"
        from textual.content import Content

        from nuvtui import sanitise

        self.query_one(".pane", Vertical).border_title = Content(f"History of {sanitise.line(what or '')}")
        self.query_one("#versions").focus()
        self._look()

    def _look(self) -> None:
        progress = self._progress = _Progress()
        began = time.monotonic()

        def tell() -> None:
            of = f" of {progress.total:,}" if progress.total else ""
            seconds = int(time.monotonic() - began)
            text = f"Looking through the snapshots: {progress.done:,}{of}, {seconds} s; Esc gives up"
            self.query_one("#version-note", DetailPane).show([line((text, "accent"))])

        tell()
        self._clock = self.set_interval(1, tell)

        def look() -> "History":
            found = self.nuv.services.history
            if self._table is not None:
                return found.of_table(self._instance, self._table, progress)
            return found.of_path(self._instance, self._path or "", progress)

        self.load(look, self._show, group="history", failed=self._failed)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._progress.given_up.set()

    def _failed(self, error: NuvError) -> None:
        self._stop_clock()
        versions = self.query_one("#versions", LineList)
        versions.empty = f"{error.title}. {error.message}".strip()
        versions.set_source(Items[str]([], lambda text, _width: line(text)))
        self.query_one("#version-note", DetailPane).show([line((error.hint, "muted"))])

    def _show(self, found: "History") -> None:
        self._stop_clock()
        self._versions = found.versions
        changes = len(found.versions)
        pieces = f"{describe.plural(changes, 'version')} in {describe.plural(found.looked_at, 'snapshot')}"
        bad = f"; {len(found.unreadable)} could not be read" if found.unreadable else ""
        self.query_one("#version-note", DetailPane).show([line((pieces, "muted"), (bad, "bad"))])
        self.query_one("#versions", LineList).set_source(
            Items(
                found.versions, _draw, key=lambda v: v.first, text=lambda v: f"{v.name} {v.author} {v.first}"
            )
        )

    @property
    def version(self) -> "Version | None":
        """The version under the cursor."""
        at = self.query_one("#versions", LineList).current if self.is_mounted else None
        return self._versions[at] if at is not None and at < len(self._versions) else None

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The cursor moved: show what changed as soon as it rests."""
        message.stop()
        self._resting.ask()

    def _compare(self) -> None:
        version, diff = self.version, self.query_one(DiffPane)
        if version is None:
            diff.show([])
            return
        older = self._versions[self._versions.index(version) + 1 :]
        before = older[0] if older and older[0].change != "removed" else None
        head: list[Line | str] = [_told(version, before), ""]
        if version.kind == "d" or not version.kind or (version.kind == "table" and before is None):
            diff.show(head)
            return
        new = StateRef(self._instance, version.first or None)
        old = StateRef(self._instance, before.last) if before is not None else None

        def compare() -> Sequence[diff_rows.Row]:
            changes = self.nuv.services.changes
            if self._table is not None:
                change = changes.table(old, new, self._table) if old is not None else None
                return diff_rows.of_table(change) if change is not None else []
            return diff_rows.of_text(changes.text_diff(old, new, self._path or ""))

        def show(rows: Sequence[diff_rows.Row]) -> None:
            if rows:
                diff.show_diff(head, rows)
            else:
                diff.show([*head, line(("The content is the same; its mode differs.", "muted"))])
            self.refresh_bindings()

        self.load(
            compare,
            show,
            group="compare",
            failed=lambda error: diff.show([*head, line((error.title, "warn")), error.message]),
        )

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: this version in Contents."""
        message.stop()
        version = self.version
        if version is None:
            return
        if not version.kind:
            self.nuv.notify("It is not there any more in this version; the one below has it.", timeout=3)
            return
        self.nuv.call_next(self._open_version, version)

    async def _open_version(self, version: "Version") -> None:
        from nuvtui.tui.features.contents.pane import Contents

        nuv = self.nuv
        await nuv.show_pane("contents")
        contents = nuv.pane("contents")
        if isinstance(contents, Contents):
            ref = StateRef(self._instance, version.first or None)
            nuv.show_state(ref, version.name if version.first else "Current State")
            await contents.show_thing(path=self._path, table=self._table)

    def go_back(self) -> bool:
        """Esc: from the difference to the list."""
        if self.query_one(DiffPane).has_focus:
            self.query_one("#versions").focus()
            return True
        return False

    @property
    def has_diff(self) -> bool:
        """True where there are changes to jump to."""
        return self.is_mounted and self.query_one(DiffPane).has_diff

    def action_next_change(self) -> None:
        """To the next change."""
        self.query_one(DiffPane).jump(1)

    def action_previous_change(self) -> None:
        """To the change before."""
        self.query_one(DiffPane).jump(-1)

    def action_beside(self) -> None:
        """Side by side, or under each other."""
        diff = self.query_one(DiffPane)
        diff.toggle()
        if not diff.unified and not diff.beside:
            self.nuv.notify(f"Side by side from {ROOMY} columns on.", timeout=3)

    def command_values(self) -> Mapping[str, Any]:
        """What it is the history of."""
        values = state_actions.where_values(self)
        thing = ["--table", self._table] if self._table is not None else [self._path or ""]
        return {**values, "thing": thing}


def _heading(width: int) -> Line:
    return row(
        width,
        Cell("", 1),
        Cell("since", 0),
        Cell("by", 10),
        Cell("snapshots", 9, align="right"),
        Cell("holds", 12, align="right"),
        Cell("age", 7, align="right"),
    )


def _draw(version: "Version", width: int) -> Line:
    sign, tone = describe.SIGNS[version.change]
    count = f"{version.snapshots:,}" if version.first else "now"
    if version.current and version.first:
        count += " + now"
    return row(
        width,
        Cell(sign, 1, tone),
        Cell(version.name, 0),
        Cell(version.author, 10, "muted"),
        Cell(count, 9, "muted", "right"),
        Cell(_holds(version), 12, "", "right"),
        Cell(describe.age(version.created) if version.created else "now", 7, "muted", "right"),
    )


def _holds(version: "Version") -> str:
    if not version.kind:
        return "not there"
    if version.rows is not None:
        return describe.plural(version.rows, "row")
    return "" if version.size is None else size(version.size)


def _told(version: "Version", before: "Version | None") -> Line:
    when = f" on {describe.moment(version.created)}" if version.created else ""
    since = f" since {before.name}" if before is not None and version.change == "changed" else ""
    name = version.name if version.first else "the Current State"
    return line((version.change.capitalize(), "strong"), f" in {name}{when}{since}")
