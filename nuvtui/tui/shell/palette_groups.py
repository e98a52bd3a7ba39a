"""What the palette finds, in groups of one kind: commands, things to go to, files."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from nuvtui import sanitise
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.toolkit.command import Command
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.lines import Cell, Line, row, width_of


class Entry(NamedTuple):
    """A command that can be run, and by whom."""

    command: Command
    node: CommandTarget | None
    """The widget that carries it out; None: of a pane that has to be gone to first."""
    enabled: bool = True

    @property
    def why(self) -> str:
        """Why it cannot be run now; empty where it can."""
        if self.enabled:
            return ""
        reason = (getattr(self.command.enabled, "__doc__", "") or "").strip().split("\n")[0]
        return reason or "Not possible here now."


def entries(chain: Iterable[CommandTarget], panes: Collection[str]) -> list[Entry]:
    """The commands of the widgets in `chain`, then those of all panes (their ids), each once."""
    found: dict[str, Entry] = {}
    for node in chain:
        for command in node.commands():
            if command.palette and command.id not in found:
                state = True if command.enabled is None else command.enabled(node)
                found[command.id] = Entry(command, node, bool(state))
    for command in REGISTRY.commands.values():
        if command.scope in panes and command.palette:
            found.setdefault(command.id, Entry(command, None))
    return list(found.values())


def with_command_lines(chain: Iterable[CommandTarget]) -> list[Entry]:
    """The commands of the widgets in `chain` that have the same on the command line."""
    return [
        Entry(command, node)
        for node in chain
        for command in node.commands()
        if command.as_command and (command.enabled is None or command.enabled(node) is not False)
    ]


class Group:
    """Things of one kind."""

    kind = ""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.texts = [self.text(item) for item in items]
        """What is searched, in lower case."""

    def text(self, item: Any) -> str:
        """What is searched of a thing."""
        raise NotImplementedError

    def draw(self, item: Any, width: int) -> Line:
        """Its line."""
        raise NotImplementedError

    def detail(self, item: Any) -> str:
        """What is said of it below."""
        raise NotImplementedError

    def value(self, item: Any) -> object:
        """What the dialog's callback gets; None: it cannot be chosen."""
        return item


class Commands(Group):
    """Commands: those that can be run come first."""

    kind = "command"

    def text(self, item: Entry) -> str:
        """Title, place, what it does."""
        scope = REGISTRY.scopes[item.command.scope].title
        text = f"{item.command.title}\n{scope} {item.command.help} {item.command.id}"
        return text.lower().replace("/", " ")

    def draw(self, item: Entry, width: int) -> Line:
        """Title, place, keys."""
        keys = ", ".join(key_label(key) for key in REGISTRY.keys(item.command.id)[:2])
        scope = REGISTRY.scopes[item.command.scope].title if item.enabled else "not now"
        return row(
            width,
            Cell(item.command.title, 0, "" if item.enabled else "muted"),
            Cell(scope, 18, "muted", "right"),
            Cell(keys, 8, "accent" if item.enabled else "muted", "right"),
        )

    def detail(self, item: Entry) -> str:
        """What it does, or why it cannot be done."""
        return item.why or item.command.help

    def value(self, item: Entry) -> Entry | None:
        """Itself, where it can be run."""
        return item if item.enabled else None


class Thing(NamedTuple):
    """Something to go to."""

    target: Target
    note: str
    """A few cells at the right end: an age, a size."""
    detail: str


class Targets(Group):
    """Things to go to, of one kind."""

    def __init__(self, kind: str, items: Sequence[Thing]) -> None:
        self.kind = kind
        super().__init__(items)

    def text(self, item: Thing) -> str:
        """Its name and what is said of it."""
        return f"{item.target.label}\n{item.detail}".lower().replace("/", " ")

    def draw(self, item: Thing, width: int) -> Line:
        """Name, kind, note."""
        return row(
            width,
            Cell(item.target.label),
            Cell(self.kind, 18, "muted", "right"),
            Cell(item.note, 8, "muted", "right"),
        )

    def detail(self, item: Thing) -> str:
        """More of it."""
        return item.detail

    def value(self, item: Thing) -> Target:
        """Where to go."""
        return item.target


class Paths(Group):
    """Files of the state that is looked at; their targets are made when they are chosen."""

    kind = "file"

    def __init__(
        self, paths: Sequence[str], instance: str, snapshot: str | None, state: str, cut: bool
    ) -> None:
        self._instance, self._snapshot, self._state = instance, snapshot, state
        self.cut = cut
        super().__init__(paths)

    def text(self, item: str) -> str:
        """The path."""
        return item.lower()

    def draw(self, item: str, width: int) -> Line:
        """The end of the path, which tells most."""
        room = max(8, width - 30)
        shown = sanitise.line(item)
        if width_of(shown) > room:
            while width_of(shown) >= room:
                shown = shown[max(1, width_of(shown) - room) :]
            shown = f"…{shown}"
        return row(width, Cell(shown), Cell("file", 18, "muted", "right"), Cell("", 8))

    def detail(self, item: str) -> str:
        """Where it is."""
        return f"{item} in {self._state}"

    def value(self, item: str) -> Target:
        """Where to go."""
        return Target("file", item, item, self._instance, self._snapshot, self._state)
