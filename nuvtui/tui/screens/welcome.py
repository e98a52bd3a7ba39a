"""The welcome, where the current folder is in no space: begin one here, open another one, or try the demo."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from textual.widget import Widget

from nuvtui.services.spaces import Location, SpaceInfo
from nuvtui.tui.aside import Aside
from nuvtui.tui.commands import bindings
from nuvtui.tui.dialogs.confirm import ConfirmDialog
from nuvtui.tui.dialogs.text import Field, TextDialog
from nuvtui.tui.screens import describe
from nuvtui.tui.widgets.detail import DetailPane
from nuvtui.tui.widgets.frame import Frame
from nuvtui.tui.widgets.line_list import Items, LineList
from nuvtui.tui.widgets.lines import Line, line

DEMO = "nuvtui-demo"
"""Folder of the demo, in the current one."""


class Way(NamedTuple):
    """A way to go on."""

    key: str
    """`begin`, `demo`, or the id of a space."""
    title: str
    note: str


class Welcome(Frame):
    """Says what nuvtui is for and offers the ways in."""

    SCOPES = ("welcome",)
    BINDINGS = bindings("welcome")
    HELP = "This folder is in no space. A space is one project: a folder with its history of snapshots."

    def __init__(self) -> None:
        super().__init__()
        self._aside = Aside()

    def body(self) -> list[Widget]:
        """Text and ways."""
        about: list[Line | str] = [
            line(
                (
                    "nuvtui keeps snapshots of a project, shares parts of it, hands it over as an image.",
                    "strong",
                )
            ),
            "",
            "This folder is in no space yet. A space is one project: a folder, its tables and applications, "
            "and the snapshots taken of them. The folder stays as it is; a small folder .nuvtui is added to it.",
        ]
        ways = LineList(id="ways", filterable=False)
        return [WelcomePane(DetailPane(about, id="about", can_focus=False), ways)]

    def on_mount(self) -> None:
        """Read the spaces there are."""
        super().on_mount()
        self._show([])
        self.query_one("#ways").focus()
        self.load(lambda: self.nuv.services.spaces.list(), self._show, group="spaces")

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._aside.stop()

    def _show(self, spaces: Sequence[SpaceInfo]) -> None:
        ways = [Way("begin", "Open this folder as a space", str(self.nuv.start))]
        for space in spaces:
            role = str(space.role) if space.role else "not a member of the whole space"
            counts = f"{describe.plural(space.instances, 'instance')}, {describe.plural(space.snapshots, 'snapshot')}"
            ways.append(Way(space.id, f"Go to space {space.name}", f"{counts}; {role}"))
        ways.append(Way("demo", "Try the demo", f"a small study, laid out in the folder {DEMO}"))
        self.query_one("#ways", LineList).set_source(
            Items(
                ways, lambda way, width: line(way.title, right=[(way.note, "muted")]), key=lambda way: way.key
            )
        )

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter: go that way."""
        message.stop()
        key = str(message.list.current_key)
        if key == "begin":
            self.action_begin()
        elif key == "demo":
            self._ask_demo()
        else:
            self.load(
                lambda: self.nuv.services.instances.list(key)[0],
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
                [Field("name", "Name of the space", start.name)],
                "Open it",
                text=[line(("Folder: ", "muted"), str(start)), ""],
            ),
            answered,
        )

    def _begun(self, location: Location) -> None:
        self.nuv.notify(f"Space {location.space.name} is open. s takes the first snapshot.", timeout=8)
        self.nuv.switch(location.instance.id)

    def _ask_demo(self) -> None:
        folder = self.nuv.start / DEMO

        def answered(yes: bool | None) -> None:
            if yes:
                self.nuv.notify("Laying out the demo", timeout=3)
                question = self._aside.ask()
                self.load(lambda: question.demo(self.nuv.services, folder), self.nuv.switch, group="demo")

        self.nuv.push_screen(
            ConfirmDialog(
                "Demo",
                [
                    line(("Folder: ", "muted"), str(folder)),
                    "A study of penguins with a table, an analysis, three applications, snapshots and a second instance, "
                    "as space penguins of your store.",
                    "",
                    "Nothing else is touched. To end it, delete the space (o, d) and the folder.",
                ],
                "Lay it out",
            ),
            answered,
        )


class WelcomePane(Widget):
    """The framed middle of the screen."""

    def __init__(self, *children: Widget) -> None:
        super().__init__(*children, classes="pane")
        self.border_title = "Welcome"
