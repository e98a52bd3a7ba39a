"""Places over the widgets, for tests of the core alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from textual.app import ComposeResult

from nuvtui.tui.common.feature import PaneSpec
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.toolkit.command import Command, Scope
from nuvtui.tui.toolkit.commands import REGISTRY, bindings, register
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, row
from nuvtui.tui.toolkit.log_view import LogView
from nuvtui.tui.toolkit.row_table import RowTable
from nuvtui.tui.toolkit.tree_list import Node, TreeList

HOSTILE = "evil\x1b[31m\x1b]0;title\x07\x9b2J\u202e[@click=quit]\udcff\r\nend"

for identifier, title, contains in (
    ("one", "One", ("list", "scroll")),
    ("two", "Two", ("list", "tree")),
    ("three", "Three", ("list", "table")),
    ("four", "Four", ("text",)),
):
    if identifier not in REGISTRY.scopes:
        register(Scope(identifier, title, contains=contains))
        register(
            Command(
                id=f"{identifier}.go",
                title=f"Do {title}",
                short="do",
                keys="x",
                help=f"Does {title}.",
                as_command="nuvtui do {name}",
            )
        )


class Sample(Pane):
    did = 0

    def action_go(self) -> None:
        self.did += 1
        if os.environ.get("SAMPLE_FAULT"):
            self.did //= 0
        if os.environ.get("SAMPLE_THREAD_FAULT"):
            threading.Thread(target=lambda: 1 // 0, name="sample thread").start()
        if os.environ.get("SAMPLE_STUCK"):
            time.sleep(3600)

    def command_values(self) -> dict[str, str]:
        return {"name": HOSTILE}


class One(Sample):
    SCOPES = ("one",)
    BINDINGS = bindings("one")
    TITLE = "One"

    def compose(self) -> ComposeResult:
        size = int(os.environ.get("SAMPLE_LINES", "40"))
        names = [f"snapshot-{at}" for at in range(size)]
        names[1] = HOSTILE
        yield LineList(
            Items(names, draw, key=lambda name: name),
            id="list",
            markable=True,
            empty="No snapshot yet. s takes one.",
        )
        if os.environ.get("SAMPLE_HANG"):
            self.call_after_refresh(self._hang)
        yield DetailPane(
            ["A description that is long enough to be wrapped at words in a narrow pane.", HOSTILE]
        )

    def _hang(self) -> None:
        """Read from a disk that does not answer."""
        self.load(threading.Event().wait, lambda _: None, waiting="reading the slow disk")


def draw(name: str, width: int) -> Line:
    return row(width, Cell(name, 0), Cell("3 h", 5, "muted", "right"), Cell("user", 8, "muted"))


class Two(Sample):
    SCOPES = ("two",)
    BINDINGS = bindings("two")
    TITLE = "Two"

    def compose(self) -> ComposeResult:
        yield TreeList(children, id="tree", markable=True)


def children(node: Node | None) -> list[Node]:
    base = "" if node is None else f"{node.key}/"
    folders = [Node(f"{base}folder{at}", f"folder{at}", folder=True) for at in range(3)]
    files = [Node(f"{base}{name}", name, note=(("1.2 MB", "muted"),)) for name in ("a.csv", HOSTILE, "ä.txt")]
    return folders + files


class Three(Sample):
    SCOPES = ("three",)
    BINDINGS = bindings("three")
    TITLE = "Three"

    def compose(self) -> ComposeResult:
        yield RowTable(id="table")

    def state_changed(self) -> None:
        self.query_one(RowTable).set_table(
            [("id", "BIGINT"), ("name", "VARCHAR"), (HOSTILE, "VARCHAR")],
            1_000_000,
            lambda offset, limit: [(at, f"row {at}", HOSTILE) for at in range(offset, offset + limit)],
        )


class Four(Sample):
    SCOPES = ("four",)
    BINDINGS = bindings("four")
    TITLE = "Four"

    def compose(self) -> ComposeResult:
        yield LogView(id="log")

    def on_mount(self) -> None:
        path = os.environ.get("SAMPLE_LOG")
        if path:
            self.query_one(LogView).show_file(Path(path), growing=True)


PANES = tuple(
    PaneSpec(pane, "tests.tui.sample", name, beside)
    for pane, name, beside in (
        ("timeline", "One", True),
        ("contents", "Two", True),
        ("stage", "Three", True),
        ("exports", "Four", False),
        ("tasks", "One", False),
    )
)


def main() -> None:
    """`nuvtui`, with these places instead of the five."""
    from nuvtui import __main__
    from nuvtui.tui.shell import signals
    from nuvtui.tui.shell.app import NuvApp

    assert NuvApp.__init__.__kwdefaults__
    NuvApp.__init__.__kwdefaults__["panes"] = PANES
    if os.environ.get("SAMPLE_SLOW"):  # a store on a disk that does not answer
        from nuvtui import bootstrap

        bootstrap.open_services = lambda _: threading.Event().wait()  # type: ignore[assignment, return-value]
    if os.environ.get("SAMPLE_IGNORE"):  # as under nohup: a hang-up tells nobody
        signals.SIGNALS = (signal.SIGTERM,)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    __main__.main()


if __name__ == "__main__":
    sys.modules["tests.tui.sample"] = sys.modules["__main__"]
    main()
