"""Folders in a list: what a folder holds is asked for when it is opened, in a thread."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from nuvtui.errors import NuvError
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.line_list import LineList, Source
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, line, width_of

ROOM = 18
"""Cells that a name has before what is at the right end gives way."""


@dataclass(slots=True)
class Node:
    """A line of the tree."""

    key: Hashable
    """Identifies it in the whole tree: say, its path."""
    name: str
    folder: bool = False
    tone: Tone = ""
    note: tuple[Piece, ...] = ()
    """Shown at the right end: status, size, age; the first one gives way first, then the last one."""
    sign: Piece = (" ", "")
    """One cell before the name: a status mark."""
    data: object = None
    bare: bool = False
    """Only key, name and whether it is a folder are known: the rest is looked up when it comes into view."""
    depth: int = field(default=0, init=False)
    opened: bool = field(default=False, init=False)
    loading: bool = field(default=False, init=False)


Children = Callable[[Node | None], Sequence[Node]]
"""The nodes in a folder, in order; None: the top. Called in a thread; may raise NuvError."""


Facts = Callable[[Sequence[Node]], None]
"""Completes nodes that came bare, in place. Called in a thread for those in view; may raise NuvError."""


class _Tree(Source):
    def __init__(self, widget: "TreeList") -> None:
        self.widget = widget
        self.nodes: list[Node] = []

    def count(self) -> int:
        return len(self.nodes)

    def key(self, index: int) -> Hashable:
        return self.nodes[index].key

    def text(self, index: int) -> str:
        return str(self.nodes[index].key)

    def line(self, index: int, width: int) -> Line:
        node = self.nodes[index]
        if node.bare:
            self.widget.want(node)
        glyphs = self.widget.glyphs
        sign = (glyphs.opened if node.opened else glyphs.closed) if node.folder else " "
        note: tuple[Piece, ...] = (("reading", "muted"),) if node.loading else node.note
        room = width - 2 * node.depth - 5 - ROOM
        while len(note) > 1 and sum(width_of(text) for text, _ in note) > room:
            note = note[1:] if len(note) > 2 else note[:-1]
        name = f"{node.name}/" if node.folder else node.name
        return line("  " * node.depth, (sign, "muted"), " ", node.sign, " ", (name, node.tone), right=note)


class TreeList(LineList):
    """A tree with lazy folders. Marks work as in a list; a mark on a folder stands for all below it."""

    SCOPES = ("list", "tree")
    BINDINGS = bindings("tree")

    def __init__(
        self, children: Children | None = None, *, facts: Facts | None = None, **options: object
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._facts = facts
        self._bare: list[Node] = []
        self._tree = _Tree(self)
        self.source = self._tree
        self._children = children
        self._wanted: set[Hashable] = set()
        self._goal: Hashable | None = None
        """Where the cursor was before everything was read again."""

    def on_mount(self) -> None:
        """Read the top."""
        if self._children is not None:
            self.set_children(self._children)

    @property
    def node(self) -> Node | None:
        """The node under the cursor."""
        return None if self.current is None else self._tree.nodes[self.current]

    def set_children(self, children: Children) -> None:
        """Show another tree, or the same one again: folders that were open open again."""
        self._children = children
        self._wanted = {node.key for node in self._tree.nodes if node.opened}
        self._goal = self.current_key
        self._bare.clear()
        self._load(None)

    def reveal(self, path: str) -> None:
        """Open the folders down to a path (keys are paths) and put the cursor on it, once they are read."""
        parts = path.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        children = self._children
        if children is not None:
            self.set_children(children)
            self._wanted |= above
            self._goal = path

    def want(self, node: Node) -> None:
        """A bare node is drawn: have its facts looked up, with those of the others in view."""
        if self._facts is None:
            return
        node.bare = False
        if not self._bare:
            self.call_later(self._look_up)
        self._bare.append(node)

    def _look_up(self) -> None:
        facts, nodes = self._facts, self._bare
        if facts is None or not nodes:
            return
        self._bare = []

        self.load(
            lambda: facts(nodes), lambda _: self.refresh_changed(), group="facts", failed=self._facts_failed
        )

    def _facts_failed(self, error: NuvError) -> None:
        """Rows stay bare: what is gone shows itself when the folder is read again."""

    def _load(self, parent: Node | None) -> None:
        children = self._children
        if children is None:
            return
        if parent is not None:
            parent.loading = True
            self.refresh_key(parent.key)
        depth = 0 if parent is None else parent.depth + 1

        def read() -> list[Node]:
            nodes = list(children(parent))
            for node in nodes:
                node.depth = depth
            return nodes

        self.load(
            read,
            lambda nodes: self._loaded(children, parent, nodes),
            group=f"tree {None if parent is None else parent.key!r}",
            failed=lambda error: self._failed(parent, error),
        )

    def _failed(self, parent: Node | None, error: NuvError) -> None:
        if parent is not None:
            parent.loading = False
            self.refresh_key(parent.key)
        self.host.show_error(error)

    def _loaded(self, children: Children, parent: Node | None, nodes: list[Node]) -> None:
        if children is not self._children:
            return
        key, near = self.current_key, self.cursor
        if parent is None:
            self._tree.nodes = nodes
        else:
            at = next((i for i, node in enumerate(self._tree.nodes) if node is parent), None)
            parent.loading = False
            if at is None or parent.opened:
                return
            parent.opened = True
            self._tree.nodes[at + 1 : at + 1] = nodes
        self.reread(key, near)
        if self._goal is not None and self.current_key != self._goal:
            self.move_to_key(self._goal)
        if self.current_key == self._goal or not self._wanted:
            self._goal = None
        for node in nodes if self._wanted else ():
            if node.folder and node.key in self._wanted:
                self._wanted.discard(node.key)
                self._load(node)

    def action_open(self) -> None:
        """Enter: open or close a folder; anything else is told."""
        node = self.node
        if node is None:
            return
        if node.folder:
            self.action_collapse() if node.opened else self._load(node)
        else:
            self.post_message(self.Opened(self))

    def action_expand(self) -> None:
        """Open the folder under the cursor; where it is open, go into it."""
        node = self.node
        if node is None or not node.folder:
            return
        if node.opened:
            self.action_down()
        elif not node.loading:
            self._load(node)

    def action_collapse(self) -> None:
        """Close the folder under the cursor, else go to the folder that holds the line."""
        node, index = self.node, self.current
        if node is None or index is None:
            return
        nodes = self._tree.nodes
        if not node.opened:
            if node.depth:
                at = next(i for i in range(index, -1, -1) if nodes[i].depth < node.depth)
                self.move_to_key(nodes[at].key)
            return
        end = next((i for i in range(index + 1, len(nodes)) if nodes[i].depth <= node.depth), len(nodes))
        del nodes[index + 1 : end]
        node.opened = False
        self.reread(node.key, self.cursor)
