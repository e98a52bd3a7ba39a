"""The remotes of this store: what each holds, checking and pruning it, adding and removing one."""

from collections.abc import Mapping
from pathlib import Path

from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.operations import CheckRemote, PruneRemote
from nuvtui.model.queries import AskRemote, PlanPrune
from nuvtui.model.remote import RemotePrune, RemoteStatus
from nuvtui.tui.common import describe
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.submit import submit
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, line, row
from nuvtui.worker.queries import Queries

LOST = "Lost keys are lost data: without one of its keys nobody can read what is there. R writes a sheet to print."


class Remotes(BaseScreen):
    """The remotes of this store."""

    SCOPES = ("remotes",)
    BINDINGS = bindings("remotes")
    HELP = (
        "Places outside this machine that hold snapshots: a folder on another disk, an object store, a folder on another "
        "server. On the Timeline, P pushes to one and L pulls from one."
    )

    def __init__(self) -> None:
        super().__init__()
        self._remotes: list[RemoteStatus] = []
        self._asked: dict[str, RemoteStatus] = {}
        """What remotes said when they were asked from here."""
        self._queries = Queries()

    def body(self) -> list[Widget]:
        """The list, and more about the one under the cursor."""
        return [
            LineList(id="remotes", classes="pane", title="Remotes", empty="Reading", heading=_heading),
            DetailPane(id="remote-detail", classes="pane", can_focus=False),
        ]

    @property
    def remotes(self) -> LineList:
        """The list."""
        return self.query_one("#remotes", LineList)

    @property
    def remote(self) -> RemoteStatus | None:
        """The remote under the cursor, as far as is known."""
        at = self.remotes.current if self.is_mounted and self._remotes else None
        return self._known(self._remotes[at]) if at is not None else None

    def _known(self, remote: RemoteStatus) -> RemoteStatus:
        return self._asked.get(remote.name, remote)

    def on_mount(self) -> None:
        """Read them."""
        self.remotes.focus()
        self._reread()

    def on_unmount(self) -> None:
        """Nobody waits for an answer any more."""
        self._queries.stop()

    def _reread(self) -> None:
        self.load(lambda: self.nuv.services.remotes.list(), self._show, group="remotes")

    def _show(self, remotes: list[RemoteStatus]) -> None:
        self._remotes = remotes
        self.remotes.empty = "No remote yet: n adds one. A folder on another disk will do."
        self.remotes.set_source(
            Items(remotes, self._draw, key=lambda each: each.name, text=lambda each: each.name)
        )
        self._detail()
        self.refresh_bindings()

    def _draw(self, remote: RemoteStatus, width: int) -> Line:
        known = self._known(remote)
        return row(
            width,
            Cell(remote.name, 14, "strong"),
            Cell(_state(known), 12, "bad" if known.reachable is False else "muted"),
            Cell("" if known.snapshots is None else f"{known.snapshots:,}", 9, "", "right"),
            Cell(size(known.bytes) if known.bytes is not None else "", 9, "", "right"),
            Cell(describe.age(remote.pushed) if remote.pushed else "never", 9, "muted", "right"),
            Cell(remote.url, 0, "muted"),
        )

    def _detail(self) -> None:
        remote = self.remote
        lines: list[Line | str] = []
        if remote is not None:
            lines = [
                line((remote.name, "strong"), f"  {remote.url}"),
                line(("Encryption  ", "muted"), _encryption(remote)),
                line(("Added       ", "muted"), describe.moment(remote.added)),
                line(
                    ("Last push   ", "muted"),
                    f"{describe.moment(remote.pushed)} from here" if remote.pushed else "none from here",
                ),
            ]
            if remote.reachable is None:
                lines += ["", line(("r asks what it holds.", "muted"))]
            elif remote.reachable is False:
                lines += ["", line((remote.problem, "bad"))]
            if remote.encrypted and not remote.write_only:
                lines += ["", line((LOST, "muted"))]
        self.query_one("#remote-detail", DetailPane).show(lines)

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """Another remote."""
        message.stop()
        self._detail()
        self.refresh_bindings()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter asks it."""
        message.stop()
        self.action_ask()

    def command_values(self) -> Mapping[str, str]:
        """The remote's name."""
        return {"remote": self.remote.name} if self.remote else {}

    # commands

    def action_ask(self) -> None:
        """Ask the remote what it holds, in a process of its own."""
        remote = self.remote
        if remote is None:
            return
        pending = self._queries.begin()

        def show(status: RemoteStatus) -> None:
            self._asked[status.name] = status
            self.remotes.refresh_key(status.name)
            self._detail()

        self.load(
            lambda: pending.ask(self.nuv.services, AskRemote(remote.name)),
            show,
            group="remote",
            waiting=f"asking {remote.name}",
        )

    def action_check(self) -> None:
        """Check it: a task."""
        if self.remote is not None:
            name = self.remote.name
            submit(
                self,
                CheckRemote(name),
                f"Check of {name}",
                lambda _task: self.nuv.notify(f"Check of {name}: started. 5 shows what it finds."),
                subject=name,
            )

    def action_prune(self) -> None:
        """Say what would go, ask, then prune."""
        remote = self.remote
        if remote is None:
            return
        pending = self._queries.begin()

        def ask(plan: RemotePrune) -> None:
            text = [
                f"{size(plan.freed)} in {describe.plural(plan.packs, 'pack')} go now; no snapshot there needs them.",
                f"{size(plan.condemned)} are marked, and go at a prune after the grace period.",
            ]
            if plan.waiting:
                text.append(
                    f"{describe.plural(len(plan.waiting), 'push')} under way: what it may need stays."
                )

            def answered(yes: bool | None) -> None:
                if yes:
                    submit(
                        self,
                        PruneRemote(remote.name),
                        f"Prune of {remote.name}",
                        lambda _task: self.nuv.notify(f"Prune of {remote.name}: started."),
                        subject=remote.name,
                    )

            self.nuv.push_screen(
                ConfirmDialog(
                    f"Prune {remote.name}",
                    text,
                    "Prune",
                    backup="Every snapshot there stays whole.",
                    destructive=True,
                ),
                answered,
            )

        self.load(
            lambda: pending.ask(self.nuv.services, PlanPrune(remote.name)),
            ask,
            group="remote",
            waiting=f"looking what {remote.name} needs",
        )

    def action_recipients(self) -> None:
        """Who can read it."""
        remote = self.remote
        if remote is None:
            return

        def show(recipients: list[str]) -> None:
            self.nuv.push_screen(
                PickDialog(f"{remote.name} can be read with", [Option(each, each) for each in recipients])
            )

        self.load(
            lambda: self.nuv.services.remotes.recipients(remote.name),
            show,
            group="remote",
            waiting=f"asking {remote.name}",
        )

    def action_recovery(self) -> None:
        """Ask for a file, and write the sheet there."""
        remote = self.remote
        if remote is None:
            return

        def given(texts: Mapping[str, str] | None) -> None:
            if texts is not None:
                file = Path(texts["file"]).expanduser()
                self.load(
                    lambda: self.nuv.services.remotes.write_recovery_sheet(remote.name, file),
                    lambda _: self.nuv.notify(
                        f"Print {file}, put the paper where it is safe, and delete the file."
                    ),
                    group="remote",
                )

        self.nuv.push_screen(
            TextDialog(
                f"Recovery sheet of {remote.name}",
                [TextField("file", "File to write it to", f"~/{remote.name}-recovery.txt")],
                "Write it",
                refuse=lambda texts: None if texts["file"] else "A file is missing.",
            ),
            given,
        )

    def action_add(self) -> None:
        """Ask for name and address, then for encryption."""

        def given(texts: Mapping[str, str] | None) -> None:
            if texts is not None:
                self._ask_encryption(texts["name"], texts["url"])

        self.nuv.push_screen(
            TextDialog(
                "Add a remote",
                [
                    TextField("name", "Name", placeholder="lab"),
                    TextField(
                        "url",
                        "Address",
                        placeholder="/mnt/archive/penguins, s3://bucket/prefix, ssh://host/path",
                    ),
                ],
                "Go on",
                refuse=self._refuse,
            ),
            given,
        )

    def _refuse(self, texts: Mapping[str, str]) -> str | None:
        from nuvtui.model.names import is_slug
        from nuvtui.remote import url

        if not is_slug(texts["name"]):
            return "A name has small letters, digits and -"
        if any(each.name == texts["name"] for each in self._remotes):
            return f"There is a remote {texts['name']} already."
        try:
            url.parse(texts["url"])
        except NuvError as error:
            return error.message
        return None

    def _ask_encryption(self, name: str, address: str) -> None:
        from nuvtui.remote import url

        in_bucket = url.parse(address).kind in url.BUCKETS
        options = [
            Option("sealed", "Encrypted", "only your key opens it"),
            Option("open", "Not encrypted", "whoever can read the place can read all"),
        ]

        def chosen(how: str | None) -> None:
            if how is None:
                return
            self.load(
                lambda: self.nuv.services.remotes.add_own(name, address, encrypt=how == "sealed"),
                lambda record: self._added(record.id),
                group="add",
                waiting=f"opening {address}",
            )

        self.nuv.push_screen(
            PickDialog(f"Is {name} to be encrypted?", options, "sealed" if in_bucket else "open"), chosen
        )

    def _added(self, name: str) -> None:
        self.nuv.notify(f"{name} is added. On the Timeline, P pushes to it.")
        self._reread()

    def action_remove(self) -> None:
        """Ask, then forget it."""
        remote = self.remote
        if remote is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.load(
                    lambda: self.nuv.services.remotes.remove(remote.name),
                    lambda _: self._reread(),
                    group="remove",
                )

        self.nuv.push_screen(
            ConfirmDialog(
                f"Remove {remote.name}",
                [f"This store forgets the remote {remote.name}."],
                "Remove",
                backup=f"What lies at {remote.url} stays; it can be added again.",
                destructive=True,
            ),
            answered,
        )


def _state(remote: RemoteStatus) -> str:
    if remote.reachable is None:
        return "not asked"
    return "reachable" if remote.reachable else "unreachable"


def _encryption(remote: RemoteStatus) -> str:
    if remote.write_only:
        return "sealed; this machine can push and not read"
    return "sealed" if remote.encrypted else "none: whoever can read the place can read all"


def _heading(width: int) -> Line:
    return row(
        width,
        Cell("remote", 14),
        Cell("state", 12),
        Cell("snapshots", 9, "", "right"),
        Cell("size", 9, "", "right"),
        Cell("last push", 9, "", "right"),
        Cell("address", 0),
    )
