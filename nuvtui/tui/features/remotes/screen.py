"""The Remotes screen: each with what is known of it; asked only where somebody wants to know."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from nuvtui import sanitise
from nuvtui.model.operations import CheckRemote, PruneRemote, Task
from nuvtui.model.queries import AddRemote, AskRemote, PlanRemotePrune, RecoverySheet
from nuvtui.model.remote import RemoteAnswer, RemotePrune, RemoteRecord, RemoteStatus
from nuvtui.model.task import TaskView
from nuvtui.services.remotes import addresses
from nuvtui.tui.common import remote_actions
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.submit import submit
from nuvtui.tui.features.remotes import dialogs
from nuvtui.tui.features.remotes.details import Known, fields, heading, remote_line
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail_list import DetailList
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.worker.queries import Queries


class Read(NamedTuple):
    """What this machine knows by itself."""

    remotes: list[RemoteStatus]
    seen: Mapping[str, int]
    """By remote: how many snapshots it held when it was last seen."""


class Remotes(BaseScreen):
    """The list of remotes, and what is known of the one under the cursor."""

    SCOPES = ("remotes",)
    BINDINGS = bindings("remotes")
    HELP = (
        "A remote is a place outside this machine that holds snapshots. Nobody is asked until you do: Enter or r asks "
        "the one under the cursor. P on the Timeline pushes snapshots to a remote; L here pulls from one."
    )

    def __init__(self, adding: bool = False) -> None:
        """`adding`: ask for a new one at once."""
        super().__init__()
        self._adding = adding
        self._known: list[Known] = []
        self._asked: dict[str, Queries] = {}
        """What remotes are being asked, by name."""
        self._queries = Queries()
        self._typed: Mapping[str, str] = {}
        """What was typed of a remote that could not be added."""
        # Made here: which keys are active is asked before the screen is composed.
        self._list = LineList(id="remotes", classes="pane", title="Remotes", empty="Reading", heading=heading)
        self._list.opens = "ask"
        self._details = DetailList(id="remote-details")
        self._frame = Vertical(self._details, id="remote", classes="pane")

    def body(self) -> list[Widget]:
        """List and details."""
        return [Vertical(self._list, self._frame, id="remotes-body")]

    def on_mount(self) -> None:
        """Read what is known."""
        super().on_mount()
        self._list.focus()
        self.action_reread()
        if self._adding:
            self.action_add()

    def on_unmount(self) -> None:
        """Nobody waits for an answer any more."""
        for queries in (*self._asked.values(), self._queries):
            queries.stop()

    def state_changed(self) -> None:
        """One was added or removed, or something was pushed."""
        self.action_reread()

    def tasks_changed(self, _tasks: Sequence[TaskView]) -> None:
        """A check or a prune went on."""
        self._show_details()

    def action_reread(self) -> None:
        """Read what this machine knows of its remotes."""

        def read() -> Read:
            services = self.nuv.services
            held = remote_actions.held(services) or {}
            return Read(services.remotes.list(), Counter(name for names in held.values() for name in names))

        self.load(read, self._show, group="remotes")

    def _show(self, read: Read) -> None:
        before = {known.status.name: known for known in self._known}
        self._known = [
            msgspec.structs.replace(before[each.name], status=each, seen=read.seen.get(each.name, 0))
            if each.name in before
            else Known(each, read.seen.get(each.name, 0))
            for each in read.remotes
        ]
        self._list.empty = (
            "No remote yet. n adds one: a folder on another disk, an object store, another server."
        )
        self._draw()

    def _draw(self) -> None:
        items = Items(
            self._known,
            remote_line,
            key=lambda known: known.status.name,
            text=lambda known: f"{known.status.name} {known.status.url}",
        )
        self._list.set_source(items)
        self._show_details()
        self.refresh_bindings()

    def _show_details(self, fresh: bool = False) -> None:
        known = self.known
        shown = list(fields(known, self.nuv.tasks, self.nuv.glyphs)) if known is not None else []
        self._details.show(shown, fresh=fresh)
        self._frame.border_title = Content(sanitise.line(known.status.name if known is not None else ""))

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The cursor is on another one."""
        message.stop()
        if message.list is self._list:
            self._show_details(fresh=True)
            self.refresh_bindings()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: ask it."""
        if message.list is self._list:
            message.stop()
            self.action_ask()

    @property
    def known(self) -> Known | None:
        """What is known of the one under the cursor."""
        at = self._list.current if self._known else None
        return self._known[at] if at is not None and at < len(self._known) else None

    @property
    def remote(self) -> RemoteStatus | None:
        """The remote under the cursor."""
        return self.known.status if self.known is not None else None

    def command_values(self) -> Mapping[str, str]:
        """Its name."""
        return {"remote": self.remote.name} if self.remote is not None else {}

    # asking

    def _change(self, name: str, **changes: Any) -> None:
        self._known = [
            msgspec.structs.replace(known, **changes) if known.status.name == name else known
            for known in self._known
        ]
        self._draw()

    def action_ask(self) -> None:
        """Ask what it holds, in a process of its own."""
        remote = self.remote
        if remote is None:
            return
        name = remote.name
        pending = self._asked.setdefault(name, Queries()).begin()

        def answered(answer: RemoteAnswer) -> None:
            self._change(name, asking=False, answer=answer, problem=None)
            self.action_reread()  # what it holds was remembered

        self._change(name, asking=True)
        self.load(
            lambda: pending.ask(self.nuv.services, AskRemote(name)),
            answered,
            group=f"ask-remote {name}",
            failed=lambda error: self._change(name, asking=False, answer=None, problem=error),
            waiting=f"asking {name} what it holds",
        )

    def action_pull(self) -> None:
        """Choose among what it holds and is not here, then pull it."""
        if self.remote is not None:
            remote_actions.pull(self, self._queries, self.remote.name)

    # keeping

    def _submit(self, operation: Task, title: str, name: str) -> None:
        submit(
            self,
            operation,
            title,
            lambda _task: self.nuv.notify(f"{title}: started; how it went is said here.", timeout=4),
            subject=name,
        )

    def _check(self, read_data: bool) -> None:
        if self.remote is not None:
            name = self.remote.name
            self._submit(CheckRemote(name, read_data), f"Check of {name}", name)

    def action_check(self) -> None:
        """Check that all is there."""
        self._check(False)

    def action_check_data(self) -> None:
        """Check every byte."""
        self._check(True)

    def action_prune(self) -> None:
        """Work out what would come free, ask, then prune."""
        if self.remote is None:
            return
        name = self.remote.name
        pending = self._queries.begin()

        def planned(found: RemotePrune) -> None:
            if not found.freed and not found.condemned:
                self.nuv.notify(f"{name} holds nothing that no snapshot needs.", timeout=5)
                return
            self.nuv.push_screen(
                dialogs.prune_dialog(name, found),
                lambda yes: self._submit(PruneRemote(name), f"Prune of {name}", name) if yes else None,
            )

        self.load(
            lambda: pending.ask(self.nuv.services, PlanRemotePrune(name)),
            planned,
            group="plan-remote",
            waiting=f"looking what {name} could free",
        )

    def action_sheet(self) -> None:
        """Show the recovery sheet."""
        if self.remote is None:
            return
        name = self.remote.name
        pending = self._queries.begin()
        self.load(
            lambda: pending.ask(self.nuv.services, RecoverySheet(name)),
            lambda text: self.nuv.push_screen(dialogs.sheet_dialog(name, text)),
            group="sheet",
            waiting=f"reading the keys of {name}",
        )

    def action_remove(self) -> None:
        """Ask, then forget it."""
        known = self.known
        if known is None:
            return
        name = known.status.name

        def answered(yes: bool | None) -> None:
            if yes:
                self.load(
                    lambda: self.nuv.services.remotes.remove(name),
                    lambda _: self.nuv.notify(f"The remote {name} is forgotten; what lies there stays."),
                    group="remove",
                )

        self.nuv.push_screen(dialogs.remove_dialog(known), answered)

    def action_add(self) -> None:
        """Ask for name, address and encryption, then add it."""
        taken = [known.status.name for known in self._known]
        start = self.nuv.start

        def answered(texts: Mapping[str, str] | None) -> None:
            if texts is None:
                return
            self._typed = texts
            url = addresses.typed(texts["address"], start).url
            query = AddRemote(texts["name"], url, dialogs.encrypted(texts, start))
            pending = self._queries.begin()
            self.load(
                lambda: pending.ask(self.nuv.services, query),
                added,
                group="add-remote",
                waiting=f"looking what is at {url}",
            )

        def added(record: RemoteRecord) -> None:
            self._typed = {}
            keys = "; s shows its recovery sheet" if record.encrypted else ""
            self.nuv.notify(
                f"The remote {record.name} is added{keys}. P on the Timeline pushes to it.", timeout=8
            )
            self.action_reread()

        self.nuv.push_screen(dialogs.add_dialog(taken, start, self._typed), answered)
