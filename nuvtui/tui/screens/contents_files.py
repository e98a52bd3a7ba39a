"""Files of a state: the tree with status marks, and a preview of any file."""

import datetime
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.app import ComposeResult

from nuvtui.model.names import path_to_text
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FILE, FOLDER, LINK
from nuvtui.services.states import FileView, StateReader
from nuvtui.tui.clipboard import Copy
from nuvtui.tui.commands import bindings
from nuvtui.tui.screens import describe
from nuvtui.tui.screens.section import Section
from nuvtui.tui.widgets.line_list import LineList
from nuvtui.tui.widgets.lines import Piece, fit
from nuvtui.tui.widgets.log_view import LogView
from nuvtui.tui.widgets.meter import size
from nuvtui.tui.widgets.tree_list import Node, TreeList

PREVIEW = 4 << 20
"""Bytes of a file that are shown at most."""
DUMPED = 4096
"""Bytes of a binary file that are shown."""
STATUS: dict[str, Piece] = {"new": ("+", "good"), "changed": ("~", "warn")}


class Preview(NamedTuple):
    """What is shown of a file."""

    view: FileView
    data: bytes
    note: str


class Files(Section):
    """The tree; Enter shows a file."""

    SCOPES = ("files",)
    BINDINGS = bindings("files")
    NAME = "Files"
    HELP = (
        "The files of the state. In the Current State + is new and ~ changed since the newest snapshot. "
        "Enter or l opens a folder, Enter shows a file, Space marks, a stages what is marked."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._reader: tuple[StateRef, StateReader] | None = None

    def compose(self) -> ComposeResult:
        """Tree and preview."""
        yield TreeList(id="tree", classes="outer", markable=True, empty="No files.")
        yield LogView(id="preview", classes="inner", raw=True, empty="Empty file.")

    @property
    def folders(self) -> TreeList:
        """The tree."""
        return self.query_one(TreeList)

    def clear(self) -> None:
        """Another state has other files."""
        self.folders.set_marked(set())
        self._reader = None

    def reread(self) -> None:
        """Read the folders that are open."""
        ref = self.ref
        if ref is not None:
            self._reader = None
            self.folders.set_children(lambda node: self._children(ref, node))

    def _open(self, ref: StateRef) -> StateReader:
        """The reader of the state, opened once. For a thread."""
        held = self._reader
        if held is None or held[0] != ref:
            held = self._reader = (ref, self.nuv.services.states.reader(ref))
        return held[1]

    def _children(self, ref: StateRef, node: Node | None) -> Sequence[Node]:
        views = self._open(ref).folder(str(node.key) if node else "")
        return [_node(view) for view in views]

    async def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter on a file: show it."""
        message.stop()
        node, ref = self.folders.node, self.ref
        if node is None or ref is None or not isinstance(node.data, FileView):
            return
        view = node.data
        self.load(lambda: preview(self._open(ref), view), self._show, group="preview")

    def _show(self, shown: Preview) -> None:
        viewer = self.query_one("#preview", LogView)
        viewer.show_bytes(shown.data)
        self.show_inner(True, f"{shown.view.path}{f' ({shown.note})' if shown.note else ''}")

    @property
    def can_stage(self) -> bool:
        """Where there is a file."""
        return self.is_mounted and (bool(self.folders.marked) or self.folders.node is not None)

    def staged(self) -> Mapping[str, Sequence[str]]:
        """The marked paths, else that under the cursor."""
        tree = self.folders
        if tree.marked:
            return {"files": sorted(str(key) for key in tree.marked)}
        return {"files": [str(tree.node.key)] if tree.node else []}

    def done_staging(self) -> None:
        """Unmark."""
        self.folders.set_marked(set())

    def command_values(self) -> Mapping[str, str]:
        """The path under the cursor."""
        node = self.folders.node
        return {**super().command_values(), "path": str(node.key) if node else ""}

    def copied(self) -> Copy | None:
        """The path under the cursor."""
        node = self.folders.node
        return Copy(path_to_text(str(node.key)), "the path") if node else None


def _node(view: FileView) -> Node:
    folder = view.kind == FOLDER
    changed = datetime.datetime.fromtimestamp(view.mtime_ns / 1e9, datetime.UTC) if view.mtime_ns else None
    note: list[Piece] = []
    if view.status:
        note.append((f"{view.status}  ", "good" if view.status == "new" else "warn"))
    note.append(("" if folder and not view.size else size(view.size), "muted"))
    if view.kind not in (FILE, FOLDER, LINK):
        note = [("cannot be kept in a snapshot", "warn")]
    note.append((fit(describe.age(changed.isoformat()) if changed else "", 8, "right"), "muted"))
    return Node(
        view.path,
        f"{view.name} -> {view.target}" if view.kind == LINK else view.name,
        folder=folder,
        note=tuple(note),
        sign=STATUS.get(view.status, (" ", "")),
        data=view,
    )


def preview(reader: StateReader, view: FileView) -> Preview:
    """What is shown of a file: its text, the beginning of a big one, the bytes of a binary one. For a thread."""
    if view.kind == LINK:
        return Preview(view, f"Link to {path_to_text(view.target)}".encode(), "")
    if view.kind != FILE:
        return Preview(view, b"Neither a file nor a folder nor a link: snapshots cannot hold it.", "")
    data = reader.read(view.path, PREVIEW)
    if b"\0" in data[:8192]:
        head = f"Binary file, {size(view.size)}. Its first bytes:\n\n".encode()
        return Preview(view, head + dump(data[:DUMPED]), "")
    if view.size > len(data):
        return Preview(view, data, f"the first {size(len(data))} of {size(view.size)}")
    return Preview(view, data, "")


def dump(data: bytes) -> bytes:
    """Bytes as offset, hexadecimal, ASCII."""
    rows = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        rows.append(f"{at:06x}  {part.hex(' '):<47}  {text}")
    return "\n".join(rows).encode()
