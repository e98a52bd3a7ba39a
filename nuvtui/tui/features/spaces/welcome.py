"""The welcome, where the current folder is in no space: begin one here, open another one, or try the demo."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.operations import Clone
from nuvtui.model.queries import LayOutDemo
from nuvtui.model.task import TaskView
from nuvtui.services.remotes import addresses
from nuvtui.services.spaces.service import Location, SpaceInfo
from nuvtui.tui.common import describe, state_actions
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.submit import submit
from nuvtui.tui.common.task_screen import TaskScreen
from nuvtui.tui.toolkit.commands import REGISTRY, bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, line, row
from nuvtui.worker.queries import Queries

DEMO = "nuvtui-demo"
"""Folder of the demo, in the current one."""
DEMO_SPACE = "penguins"
"""Name of the demo's space."""
NAMED, LOOKED_AT = 4, 1000
"""Names of what is in the folder that are told, and entries that are looked at."""


class Way(NamedTuple):
    """A way to go on."""

    key: str
    """`begin`, `clone`, `demo`, `help`, `quit`, or the id of a space; empty: a line between them."""
    command: str
    """The command whose key does the same."""
    title: str
    note: str


class Found(NamedTuple):
    """What was found out about the folder and the store."""

    spaces: list[SpaceInfo]
    holds: str
    """What is in the folder, in a few words."""
    demo: Path
    """Where the demo would be laid out."""


ABOUT: tuple[Line | str, ...] = (
    line(("nuvtui keeps a research project safe, shares it, and hands it over.", "strong")),
    "",
    line(
        ("Preserve  ", "accent"),
        "A snapshot keeps files, tables and applications; any comes back.",
    ),
    line(
        ("Share     ", "accent"),
        "What you choose goes to a colleague's copy; you see it first.",
    ),
    line(("Hand over ", "accent"), "An application becomes a Docker image that runs on any machine."),
)
"""What this is."""
WORDS: tuple[Line | str, ...] = (
    line(("The words", "accent")),
    "",
    *(
        line((f"{word:<15}", "strong"), text)
        for word, text in (
            ("Space", "one project with its history"),
            ("Instance", "a working copy of it in a folder of its own"),
            ("Current State", "the folder as it is now"),
            ("Snapshot", "a record of it that never changes"),
            ("Timeline", "the snapshots, newest first"),
            ("Stage", "what is collected to be shared"),
            ("Distribution", "sharing it with other instances"),
            ("Application", "a tool with its packages and settings"),
            ("Export", "an application as a Docker image"),
        )
    ),
    "",
    line(("A first day", "accent")),
    "",
    line(("1  ", "strong"), "Open the folder as a space."),
    line(("2  ", "strong"), "s takes a snapshot; go on with your work."),
    line(("3  ", "strong"), "The Timeline says what changed since."),
    line(("4  ", "strong"), "r on a snapshot brings it back; u undoes that."),
    "",
    line(("Nothing is replaced or deleted without asking; ? explains each screen.", "muted")),
)
"""The words and a first day, where there is room."""


class Welcome(BaseScreen):
    """Says what nuvtui is for and offers the ways in."""

    SCOPES = ("welcome",)
    BINDINGS = bindings("welcome")
    HELP = (
        "This folder is in no space. A space is one project: a folder with its history of snapshots. Opening the "
        "folder as one leaves it as it is; only a small folder .nuvtui is added."
    )

    def __init__(self) -> None:
        super().__init__()
        self._queries = Queries()
        self._found: Found | None = None

    def body(self) -> list[Widget]:
        """What it is, the folder, the ways; beside them the words."""
        ways = LineList(id="ways", filterable=False)
        left = Vertical(
            DetailPane(ABOUT, id="about", can_focus=False),
            DetailPane(self._folder(""), id="folder", can_focus=False),
            ways,
            DetailPane(
                [
                    line(
                        (
                            "Arrow keys move, Enter chooses, Esc goes back, ? explains, q leaves.",
                            "muted",
                        )
                    )
                ],
                id="moving",
                can_focus=False,
            ),
            id="welcome-left",
        )
        return [WelcomePane(left, DetailPane(WORDS, id="words", classes="fill", can_focus=False))]

    def on_mount(self) -> None:
        """Read the spaces there are."""
        self._show(Found([], "", self.nuv.start / DEMO))
        self.query_one("#ways").focus()
        self.state_changed()

    def state_changed(self) -> None:
        """Read the spaces again."""
        self.load(self._read, self._show, group="spaces")

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._queries.stop()

    def _read(self) -> Found:
        return Found(self.nuv.services.spaces.list(), held(self.nuv.start), demo_folder(self.nuv.start))

    def _folder(self, holds: str) -> list[Line | str]:
        start = self.nuv.start
        lines: list[Line | str] = [line(("This folder is in no space yet: ", ""), (str(start), "strong"))]
        if start == Path.home():
            lines.append(
                line(("It is your home folder: better start nuvtui in the folder of one project.", "warn"))
            )
        elif holds:
            lines.append(line((holds, "muted")))
        return lines

    def _show(self, found: Found) -> None:
        self._found = found
        ways = [
            Way("begin", "welcome.begin", "Open this folder as a space", "the folder stays as it is"),
        ]
        for space in found.spaces:
            role = str(space.role) if space.role else "not a member of the whole space"
            counts = f"{describe.plural(space.instances, 'instance')}, {describe.plural(space.snapshots, 'snapshot')}"
            ways.append(Way(space.id, "", f"Go to space {space.name}", f"{counts}; {role}"))
        ways += [
            Way("clone", "welcome.clone", "Clone from a remote", "a space of another machine, with its past"),
            Way("demo", "welcome.demo", *self._demo_words(found)),
            Way("help", "app.help", "Help", "what can be done here"),
            Way("quit", "app.leave", "Quit", ""),
        ]
        self.query_one("#folder", DetailPane).show(self._folder(found.holds))
        self.query_one("#ways", LineList).set_source(Items(ways, _draw, key=lambda way: way.key))

    def _demo_words(self, found: Found) -> tuple[str, str]:
        if self._demo_space(found) is not None:
            return "Look at the demo", "a small study, laid out before"
        return "Look at the demo", f"a small study, in {found.demo}"

    @staticmethod
    def _demo_space(found: Found) -> SpaceInfo | None:
        return next((space for space in found.spaces if space.name == DEMO_SPACE), None)

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: go that way."""
        message.stop()
        key = str(message.list.current_key)
        match key:
            case "begin":
                self.action_begin()
            case "clone":
                self.action_clone()
            case "demo":
                self.action_demo()
            case "help":
                self.nuv.action_help()
            case "quit":
                self.nuv.action_leave()
            case _:
                self._open(key)

    def _open(self, space: str) -> None:
        self.load(
            lambda: self.nuv.services.instances.list(space)[0],
            lambda master: self.nuv.switch(master.id),
            group="open",
        )

    def action_begin(self) -> None:
        """Ask for the name, then make this folder a space."""
        start = self.nuv.start

        def answered(texts: Any) -> None:
            if texts is not None:
                self.load(
                    lambda: self.nuv.services.spaces.init(start, texts["name"] or None),
                    self._begun,
                    group="begin",
                )

        self.nuv.push_screen(
            TextDialog(
                "New space",
                [TextField("name", "Name of the space", start.name)],
                "Open it",
                text=[line(("Folder: ", "muted"), str(start)), ""],
            ),
            answered,
        )

    def _begun(self, location: Location) -> None:
        self.nuv.notify(f"Space {location.space.name} is open. s takes the first snapshot.", timeout=8)
        self.nuv.switch(location.instance.id)

    def action_clone(self) -> None:
        """Ask for the address of a remote and a folder, then make a space of what is there."""
        nuv, start = self.nuv, self.nuv.start

        def refuse(texts: Mapping[str, str]) -> str | None:
            try:
                addresses.typed(texts["address"], start)
            except NuvError as error:
                return f"{error}. {error.hint}"
            return None

        def answered(texts: Mapping[str, str] | None) -> None:
            if texts is None:
                return
            address = addresses.typed(texts["address"], start)
            folder = state_actions.file_at(start, texts["folder"] or address.last)
            operation = Clone(address.url, path_to_text(str(folder)), space=texts["space"])
            title = f"Clone of {address.url}"
            submit(
                self,
                operation,
                title,
                lambda task: nuv.push_screen(TaskScreen(TaskView(task, kind=operation.kind, title=title))),
                before=lambda: nuv.services.context.establish(),
            )

        nuv.push_screen(
            TextDialog(
                "Clone from a remote",
                [
                    TextField(
                        "address",
                        "Address: a folder, s3://bucket/prefix, gs://, az://, ssh://host/path",
                        placeholder="/mnt/archive/penguins",
                    ),
                    TextField("folder", f"New folder, in {start} (empty: the last word of the address)"),
                    TextField("space", "Space (empty: the only one that is there)"),
                ],
                "Clone it",
                refuse=refuse,
            ),
            answered,
        )

    def action_demo(self) -> None:
        """Ask, then lay out the demo; open it where it was laid out before."""
        if self._found is None:
            return
        again = self._demo_space(self._found)
        if again is not None:
            self._open(again.id)
            return
        folder = self._found.demo

        def answered(yes: bool | None) -> None:
            if yes:
                self.nuv.notify("Laying out the demo", timeout=3)
                pending = self._queries.begin()
                query = LayOutDemo(path_to_text(str(folder)))
                self.load(lambda: pending.ask(self.nuv.services, query), self.nuv.switch, group="demo")

        self.nuv.push_screen(
            ConfirmDialog(
                "Look at the demo",
                [
                    line(("It is laid out in ", "muted"), str(folder)),
                    "",
                    "A study of penguins with a table, an analysis, three applications, snapshots and a second instance, "
                    "as space penguins of your store.",
                    "",
                    "Nothing else is touched. To end it, delete the space (o, o, d) and the folder.",
                ],
                "Lay it out",
            ),
            answered,
        )


class WelcomePane(Horizontal):
    """The framed middle of the screen."""

    def __init__(self, *children: Widget) -> None:
        super().__init__(*children, classes="pane", id="welcome")
        self.border_title = "Welcome to nuvtui"


def _draw(way: Way, width: int) -> Line:
    keys = REGISTRY.keys(way.command)
    key = key_label(keys[0]) if keys else ""
    return row(width, Cell(key, 2, "accent"), Cell(way.title, 28), Cell(way.note, 0, "muted"))


def held(folder: Path) -> str:
    """What a folder holds, in a few words: `It holds README.md, data/ and 9 more.` For a thread."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in itertools.islice(entries, LOOKED_AT)
                if not entry.name.startswith(".")
            )
    except OSError:
        return ""
    if not names:
        return "It is empty: a good place to begin, or start nuvtui in the folder of a project."
    rest = len(names) - NAMED
    more = f" and {rest:,} more" if rest > 0 else ""
    return f"It holds {', '.join(names[:NAMED])}{more}."


def demo_folder(start: Path) -> Path:
    """Where the demo can be laid out: in `start` where one may write there, else at home. For a thread."""
    base = start if os.access(start, os.W_OK) else Path.home()
    names = [DEMO, *(f"{DEMO}-{number}" for number in range(2, 100))]
    free = (base / name for name in names if not os.path.lexists(base / name))
    return next(free, base / DEMO)
