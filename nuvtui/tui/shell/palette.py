"""Jump anywhere: commands and what can be gone to, found by a few letters. And the same as command lines."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from textual import events
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from nuvtui import sanitise
from nuvtui.tui.common.base_screen import WIDE
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.shell.palette_groups import Commands, Entry, Group, Paths, Targets
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.command import as_command
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Dialog
from nuvtui.tui.toolkit.fuzzy import Search
from nuvtui.tui.toolkit.line_list import Items, LineList, Source
from nuvtui.tui.toolkit.lines import Line, fit, line

SLICE = 0.008
"""Seconds of searching between two keys."""
SHOW = 0.1
"""Seconds between looks at what was found so far."""
EVERY_LIST = frozenset({"list", "tree", "table", "scroll", "text"})
"""Scopes of what every list and text can do: last, where nothing is typed."""
PREFIXES = (
    (">", "command", "do"),
    ("@", "snapshot", "snapshot"),
    ("/", "file", "file"),
    ("#", "table", "table"),
    ("&", "application", "app"),
    ("=", "export", "export"),
    ("~", "instance", "instance"),
    ("!", "task", "task"),
)
"""What narrows the search to one kind: what is typed first, the kind, its word in the hint."""


class Found(Source):
    """Lines of the palette: of one group all, or hits in any of them."""

    def __init__(self, groups: Sequence[Group], hits: Sequence[tuple[int, int]] | None) -> None:
        """`hits`: position of the group and position in it; None: all of the first group."""
        self._groups = groups
        self._hits = hits

    def count(self) -> int:
        if self._hits is None:
            return len(self._groups[0].items) if self._groups else 0
        return len(self._hits)

    def at(self, index: int) -> tuple[Group, Any]:
        """Group and thing of line `index`."""
        group, position = (0, index) if self._hits is None else self._hits[index]
        return self._groups[group], self._groups[group].items[position]

    def line(self, index: int, width: int) -> Line:
        group, item = self.at(index)
        return group.draw(item, width)

    def key(self, index: int) -> tuple[str, int]:
        group, position = (0, index) if self._hits is None else self._hits[index]
        return (self._groups[group].kind, position)


class PaletteDialog(Dialog[object], ShellTarget):
    """Type to search, Enter runs or goes there; the callback gets an `Entry` or a `Target`."""

    HELP = (
        "Type a few letters of a command, or of what you want to go to: they may be apart. A sign typed first narrows "
        "the search to one kind. Up and Down move, Enter runs the command or goes there, Esc leaves."
    )

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("Do, or go to", note="Enter runs or goes there, Esc leaves")
        enabled = sorted(
            (entry for entry in entries if entry.enabled), key=lambda entry: entry.command.scope in EVERY_LIST
        )
        self._groups: list[Group] = [
            Commands(enabled),
            Commands([entry for entry in entries if not entry.enabled]),
        ]
        self._cut = False
        self._search: Search | None = None
        self._searched: list[Group] = []
        self._timer: Timer | None = None
        self._shown_at = 0.0

    def fields(self) -> Iterable[Widget]:
        """The field, the list, what the cursor is on, what narrows the search."""
        self.set_class(self.app.size.width >= WIDE, "-roomy")
        entry = Input(placeholder="what do you want to do, or to go to?", compact=True)
        entry.cursor_blink = False
        yield entry
        found = LineList(
            Found(self._groups, None), id="palette", filterable=False, empty="Nothing like that."
        )
        found.driven = True
        yield found
        yield DetailPane([""], id="palette-detail", can_focus=False)
        yield DetailPane([self._hint()], id="palette-hint", can_focus=False)

    def _hint(self) -> Line:
        pieces: list[Any] = []
        for sign, _, word in PREFIXES:
            pieces += [(f"{'  ' if pieces else ''}{sign}", "accent"), (f" {word}", "muted")]
        return line(*pieces)

    def on_mount(self) -> None:
        """Look for what can be gone to."""
        from nuvtui.tui.shell import palette_things

        self._tell()
        nuv, context = self.nuv, self.nuv.context
        self._groups.append(Targets("task", [palette_things.task(task) for task in nuv.tasks]))
        space, state = context.space, context.state
        if space is None:
            return

        def ignore(error: object) -> None:
            """The role does not show it, or it is gone: commands can still be found."""

        self.load(
            lambda: palette_things.groups(
                nuv.services.search.things(space.id, state), state, context.state_name
            ),
            self._add,
            group="palette",
            failed=ignore,
        )
        if state is not None:
            self.load(
                lambda: palette_things.paths(nuv.services.search.paths(state), state, context.state_name),
                self._add,
                group="palette files",
                failed=ignore,
                waiting="listing the files",
            )

    def _add(self, groups: Sequence[Group]) -> None:
        self._groups += groups
        if self.query_one(Input).value:
            self._look(keep=True)

    def first_focus(self) -> Widget | None:
        """The field."""
        return self.query_one(Input)

    # searching

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search."""
        event.stop()
        self._look()

    def _look(self, keep: bool = False) -> None:
        query = self.query_one(Input).value
        kind = next((kind for sign, kind, _ in PREFIXES if query.startswith(sign)), "")
        groups = [group for group in self._groups if not kind or group.kind == kind]
        query = query[1:] if kind else query
        self._stop()
        if not query.strip():
            self._show(Found(groups[:1], None), keep)
            return
        self._searched = groups
        self._search = Search(query, [group.texts for group in groups])
        self._shown_at = time.monotonic()
        self._go_on(keep)

    def _stop(self) -> None:
        self._search = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _go_on(self, keep: bool) -> None:
        search = self._search
        if search is None:
            return
        end = time.monotonic() + SLICE
        done = search.run(lambda: time.monotonic() > end)
        if done or time.monotonic() - self._shown_at > SHOW:
            self._shown_at = time.monotonic()
            self._show(Found(self._searched, [(hit.group, hit.position) for hit in search.hits]), keep)
        if done:
            self._search = None
        else:
            self._timer = self.set_timer(0.001, lambda: self._go_on(keep))

    def _show(self, found: Found, keep: bool) -> None:
        shown = self.query_one(LineList)
        shown.set_source(found)
        if not keep:
            shown.move_to(0)
        self._tell()

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """Say more of what the cursor is on."""
        message.stop()
        self._tell()

    def _tell(self) -> None:
        shown = self.query_one(LineList)
        text = ""
        if shown.current is not None and isinstance(shown.source, Found):
            group, item = shown.source.at(shown.current)
            text = group.detail(item)
        cut = next((group for group in self._groups if isinstance(group, Paths) and group.cut), None)
        if not text and cut is not None:
            text = f"Only the first {len(cut.items):,} files are searched."
        self.query_one("#palette-detail", DetailPane).show([line((text, "muted"))])
        self.query_one("#palette-hint", DetailPane).show(
            [
                self._hint()
                if cut is None
                else line(*self._hint().left[:6], (f"  of the first {len(cut.items):,}", "warn"))
            ]
        )

    # keys

    def on_key(self, event: events.Key) -> None:
        """Keys of the list, while one types."""
        entries = self.query_one(LineList)
        page = max(1, entries.size.height - 1)
        moves = {"up": -1, "down": 1, "pageup": -page, "pagedown": page}
        if event.key in moves:
            entries.move_to(entries.cursor + moves[event.key])
        elif event.key == "enter":
            self._run()
        else:
            return
        event.stop()
        event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        event.stop()
        self._run()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter in the list."""
        message.stop()
        self._run()

    def _run(self) -> None:
        if self._search is not None and self._search.run(lambda: False):
            self._go_on(False)  # what was typed last counts, not what was found for the letters before
        found = self.query_one(LineList)
        if found.current is not None and isinstance(found.source, Found):
            group, item = found.source.at(found.current)
            value = group.value(item)
            if value is not None:
                self.dismiss(value)


LABEL = 22
"""Cells of what a command does, beside its command line."""


class CommandsDialog(Dialog[bool], ShellTarget):
    """What can be done here, as command lines; `y` or Enter copies the one under the cursor."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("As commands", note="y or Enter copies, Esc leaves")
        self._lines = [
            (
                entry.command.title,
                as_command(entry.command, entry.node.command_values() if entry.node else {}),
            )
            for entry in entries
        ]

    def fields(self) -> Iterable[Widget]:
        """The list."""
        yield LineList(
            Items(
                self._lines,
                lambda item, _width: line(
                    (fit(item[0], LABEL, ellipsis=self.nuv.glyphs.ellipsis), "muted"), " ", item[1]
                ),
                text=lambda item: item[1],
            ),
            id="palette",
            empty="Nothing here has a command line.",
        )
        yield DetailPane([self._lines[0][1] if self._lines else ""], id="in-full", can_focus=False)

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """The command under the cursor in full."""
        message.stop()
        at = message.list.current
        self.query_one("#in-full", DetailPane).show([self._lines[at][1]] if at is not None else [""])

    def first_focus(self) -> Widget | None:
        """The list."""
        return self.query_one(LineList)

    def on_key(self, event: events.Key) -> None:
        """Copy."""
        if event.key == "y":
            event.stop()
            self._copy()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Enter copies too."""
        message.stop()
        self._copy()

    def _copy(self) -> None:
        at = self.query_one(LineList).current
        if at is not None:
            self.nuv.copy(Copy(sanitise.line(self._lines[at][1]), "the command"))
