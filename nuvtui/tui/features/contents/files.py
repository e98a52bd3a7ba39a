"""Files of a state: the tree with status marks, and a preview of any file."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FILE, FOLDER, LINK
from nuvtui.services.states.service import FileView, StateReader
from nuvtui.tui.common import describe
from nuvtui.tui.features.contents.section import Section
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.code_view import AT_ONCE, CodeView, colours
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import Line, Piece, fit, line
from nuvtui.tui.toolkit.row_table import RowTable
from nuvtui.tui.toolkit.tree_list import Node, TreeList

FEW = 500
"""Names in a folder up to which all is looked up at once; of a larger one only what comes into view."""
STATUS: dict[str, Piece] = {"new": ("+", "good"), "changed": ("~", "warn"), "unchanged": ("=", "muted")}


class Shown(NamedTuple):
    """A preview, ready to be drawn."""

    preview: Any
    """`services.previews.Preview`."""
    lines: list[Line]
    spans: list[list[Any]] | None


class Files(Section):
    """The tree; Enter shows a file."""

    SCOPES = ("files",)
    BINDINGS = bindings("files")
    NAME = "Files"
    SPLITS = True
    HELP = (
        "The files of the state. In the Current State + is new, ~ changed and = unchanged since the newest snapshot. "
        "Enter or l opens a folder, Enter shows a file, r its raw text, H its history. Space marks, a stages what is "
        "marked."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._reader: tuple[StateRef, StateReader] | None = None
        self._resting = Debounce(self, self._rested)
        self._shown: FileView | None = None
        """The file whose preview is there."""
        self._raw = False
        self._opening: str | None = None
        """The path that is being read to be opened."""

    def compose(self) -> ComposeResult:
        """Tree and preview."""
        yield TreeList(id="tree", classes="outer", markable=True, empty="Reading", facts=self._complete)
        with Vertical(id="preview", classes="inner"):
            yield DetailPane(id="about-file", can_focus=False)
            yield CodeView(id="code", classes="alternative")
            yield DetailPane(id="facts", classes="alternative fill")
            yield RowTable(id="grid", classes="alternative")

    @property
    def folders(self) -> TreeList:
        """The tree."""
        return self.query_one(TreeList)

    def first_focus(self) -> Widget | None:
        """The preview where it is opened, else the tree."""
        shown = self.query("#preview > .-shown")
        return shown.first(Widget) if self.has_class("-inner") and shown else self.folders

    def open(self, ref: StateRef, label: str) -> None:
        """Another state: the file that is shown stays open where it is there too."""
        kept = self._shown if ref != self.ref and self.has_class("-inner") else None
        super().open(ref, label)
        if kept is not None:
            self._follow(ref, kept.path)

    def show_thing(self, name: str) -> None:
        """Open the folders down to a path, and show the file."""
        self.folders.reveal(name)
        if self.ref is not None:
            self._follow(self.ref, name)

    def clear(self) -> None:
        """Another state has other files."""
        self.folders.set_marked(set())
        self._reader = None
        self._shown = self._opening = None

    def reread(self) -> None:
        """Read the folders that are open."""
        ref = self.ref
        if ref is not None:
            self._reader = None
            self.folders.empty = (
                "No files yet. Put some into the workspace; they show here."
                if self.is_current
                else "No files."
            )
            self.folders.set_children(lambda node: self._children(ref, node))

    def _open(self, ref: StateRef) -> StateReader:
        """The reader of the state, opened once. For a thread."""
        held = self._reader
        if held is None or held[0] != ref:
            held = self._reader = (ref, self.nuv.services.states.reader(ref))
        return held[1]

    def _children(self, ref: StateRef, node: Node | None) -> Sequence[Node]:
        path = str(node.key) if node else ""
        base = f"{path}/" if path else ""
        nodes = [
            Node(f"{base}{name}", name, folder, bare=True) for name, folder in self._open(ref).names(path)
        ]
        if len(nodes) <= FEW:
            self._complete(nodes)
            for each in nodes:
                each.bare = False
        return nodes

    def _complete(self, nodes: Sequence[Node]) -> None:
        """Look up what nodes say of themselves. For a thread."""
        ref = self.ref
        if ref is None or not nodes:
            return
        by_folder: dict[str, list[Node]] = {}
        for node in nodes:
            by_folder.setdefault(str(node.key).rpartition("/")[0], []).append(node)
        reader = self._open(ref)
        for folder, within in by_folder.items():
            names = [str(node.key).rpartition("/")[2] for node in within]
            for node, view in zip(within, reader.looks(folder, names), strict=True):
                _fill(node, view, ref.snapshot is None)

    def reveal(self, key: str) -> bool:
        """Go to a file of the state (its path), and show it."""
        self.folders.reveal(key)
        self._preview(key, focus=True)
        return True

    # preview

    @property
    def path(self) -> str | None:
        """The path under the cursor."""
        if not self.is_mounted:
            return None
        return str(self.folders.node.key) if self.folders.node else None

    @property
    def has_raw(self) -> bool:
        """True where the file can be shown in two ways."""
        view = self._shown
        return view is not None and (self.together or self.has_class("-inner")) and view.kind == FILE

    def laid_out(self) -> None:
        """Room for both: show what the cursor is on."""
        if self.together:
            self._rested()

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The cursor moved: show what it is on as soon as it rests."""
        if message.list is not self.folders:
            return
        message.stop()
        if not self.together or self.has_class("-inner"):
            return
        self._resting.ask()

    def _rested(self) -> None:
        # Room or focus may have changed since this was asked for: what was opened meanwhile stays.
        if not self.together or self.has_class("-inner"):
            return
        node = self.folders.node
        if node is None:
            self._show_lines(None, [line(("Nothing under the cursor.", "muted"))])
        elif node.folder:
            if self._shown is None or self._shown.path != node.key:
                self._show_lines(node.data if isinstance(node.data, FileView) else None, _folder_lines(node))
        elif self._shown is None or self._shown.path != node.key or self._shown != node.data:
            self._raw = False
            self._preview(str(node.key), focus=False)

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter on a file: show it, or go into what is shown of it."""
        message.stop()
        node = self.folders.node
        if isinstance(message.list, RowTable):
            from nuvtui.tui.features.contents.rows import show_row

            show_row(message.list)
            return
        if node is None or node.folder:
            return
        self._raw = self._raw and self._shown is not None and self._shown.path == node.key
        self._preview(str(node.key), focus=True)

    def action_raw(self) -> None:
        """The file's own text, or rendered again."""
        if self._shown is not None:
            self._raw = not self._raw
            self._preview(self._shown.path, focus=self.has_class("-inner"))

    def _follow(self, ref: StateRef, path: str) -> None:
        """Show the file at `path` of another state, where there is one."""

        def show(view: FileView) -> None:
            if view.kind in (FILE, LINK):
                self._preview(path, focus=True)
            elif self.ref == ref:
                self.nuv.notify(f"{path_to_text(path)} is not in {self.label}.", timeout=3)

        self.load(lambda: self._view(ref, path), show, group="follow", failed=lambda _error: None)

    def _view(self, ref: StateRef, path: str) -> FileView:
        folder, _, name = path.rpartition("/")
        return self._open(ref).looks(folder, [name])[0]

    def _preview(self, path: str, *, focus: bool) -> None:
        ref, raw = self.ref, self._raw
        if ref is None:
            return
        # A file that is being opened is opened, also where a change of the layout asks for its preview meanwhile.
        focus = focus or path == self._opening
        self._opening = path if focus else None
        coloured = not self.nuv.has_class("-colourless")

        def read() -> Shown:
            view = self._view(ref, path)
            return _ready(self.nuv.services.previews.preview(self._open(ref), view, raw=raw), coloured)

        self.load(
            read,
            lambda shown: self._show(shown, focus),
            group="preview",
            failed=self._opening_failed if focus else self._preview_failed,
        )

    def _opening_failed(self, error: NuvError) -> None:
        self._opening = None
        self.host.show_error(error)

    def _preview_failed(self, error: NuvError) -> None:
        self._show_lines(None, [line((error.title, "bad")), line(error.message), line(error.hint)])

    def _show(self, shown: Shown, focus: bool) -> None:
        preview = shown.preview
        view: FileView = preview.view
        self._shown, self._opening = view, None
        from nuvtui.tui.features.contents import file_lines

        self.query_one("#about-file", DetailPane).show([file_lines.about(view, preview.note)])
        if preview.kind in ("rows", "parquet"):
            self._show_table(preview)
        elif shown.lines:
            facts = self.query_one("#facts", DetailPane)
            facts.show(shown.lines)
            self._alternative(facts)
        else:
            code = self.query_one(CodeView)
            text, name = preview.text, "" if preview.kind == "binary" else view.name
            if preview.kind == "binary":
                text = _dumped(preview)
            code.show_text(
                name, text, preview.rest, len(text) if preview.rest is None else view.size, shown.spans
            )
            self._alternative(code)
        if focus:
            self.show_inner(True, view.path)
        self.refresh_bindings()

    def _show_table(self, preview: Any) -> None:
        grid = self.query_one("#grid", RowTable)
        if preview.parquet is not None:
            table = preview.parquet
            columns = [(column.name, column.type) for column in table.columns]
            grid.set_table(columns, table.rows, lambda offset, limit: table.page(offset, limit).rows)
        else:
            rows = preview.rows
            columns = [(column.name, column.type) for column in rows.columns]
            grid.set_table(columns, len(rows.rows), lambda offset, limit: rows.rows[offset : offset + limit])
        self._alternative(grid)

    def _show_lines(self, view: FileView | None, lines: Sequence[Line]) -> None:
        self._shown = view
        facts = self.query_one("#facts", DetailPane)
        self.query_one("#about-file", DetailPane).show([""])
        facts.show(lines)
        self._alternative(facts)
        self.refresh_bindings()

    def _alternative(self, chosen: Widget) -> None:
        had = any(each.has_focus for each in self.query("#preview > .alternative").results(Widget))
        for each in self.query("#preview > .alternative").results(Widget):
            each.set_class(each is chosen, "-shown")
        if had and not chosen.has_focus:
            chosen.focus()

    def show_inner(self, inner: bool, note: str = "") -> None:
        """Back at the tree the next file is rendered again."""
        super().show_inner(inner, note)
        if inner:
            focus = self.first_focus()
            if focus is not None:
                focus.focus()

    # commands

    def action_history(self) -> None:
        """Where the file changed."""
        from nuvtui.tui.features.contents.history import open_history

        path = self._shown.path if self.has_class("-inner") and self._shown else self.path
        if self.ref is not None and path is not None:
            open_history(self, self.ref, path=path)

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


def _fill(node: Node, view: FileView, live: bool) -> None:
    folder = view.kind == FOLDER
    status = view.status or ("unchanged" if live and view.kind in (FILE, LINK) else "")
    tone = STATUS[status][1] if status else ""
    note: list[Piece] = []
    if view.kind in (FILE, FOLDER, LINK):
        if live:
            note.append((fit(view.status, 7), tone))
        note.append((fit("" if folder and not view.size else size(view.size), 9, "right"), "muted"))
        note.append((fit(describe.age_of(view.mtime_ns), 8, "right"), "muted"))
    elif view.mtime_ns:
        note.append(("cannot be kept in a snapshot", "warn"))
    else:
        note.append(("gone", "warn"))
    node.name = f"{view.name} -> {view.target}" if view.kind == LINK else view.name
    node.folder = folder
    node.note = tuple(note)
    node.sign = STATUS.get(status, (" ", ""))
    node.data = view


def _folder_lines(node: Node) -> list[Line]:
    view = node.data
    lines = [line((f"{node.name}/", "strong")), line("")]
    if isinstance(view, FileView):
        if view.count > 1 or view.size:
            lines.append(
                line(("Holds    ", "muted"), f"{describe.plural(view.count, 'file')}, {size(view.size)}")
            )
        if view.mtime_ns:
            lines.append(line(("Changed  ", "muted"), describe.moment_of(view.mtime_ns)))
    lines.append(line(("Enter opens the folder.", "muted")))
    return lines


def _ready(preview: Any, coloured: bool) -> Shown:
    """Lay out what does not depend on the width. For a thread."""
    from nuvtui.tui.features.contents import file_lines

    match preview.kind:
        case "notebook":
            return Shown(preview, file_lines.notebook(preview.notebook, coloured), None)
        case "markdown":
            return Shown(preview, file_lines.page(preview.text) or [line(("Empty file.", "muted"))], None)
        case "picture":
            return Shown(preview, file_lines.picture(preview), None)
        case "other":
            return Shown(preview, file_lines.nothing(preview), None)
        case "text" if coloured and len(preview.text) <= AT_ONCE:
            return Shown(preview, [], colours(preview.view.name, preview.text))
    return Shown(preview, [], None)


def _dumped(preview: Any) -> bytes:
    from nuvtui.services.states.previews import dump

    what = f": {preview.what}" if preview.what else ""
    return f"Binary file, {size(preview.view.size)}{what}. Its first bytes:\n\n{dump(preview.text)}".encode()
