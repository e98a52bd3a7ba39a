"""The one command registry: keys, footer, palette, context help and "as command" all come from here.

A command belongs to a scope, the first part of its id: `timeline.snapshot` is what the widget with
`SCOPE = "timeline"` does in its `action_snapshot`. Scopes say which others they contain, so that a key given twice
to commands that can be active together is refused by name.
"""

import difflib
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from textual.binding import Binding, BindingType
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from nuvtui.errors import Exit, NuvError


class Scope(msgspec.Struct, frozen=True):
    """Where commands are active: while a widget of this scope, or something in it, has the focus."""

    id: str
    title: str
    contains: tuple[str, ...] = ()
    """Scopes that can be active at the same time, inside this one. `*`: all that are not modal."""
    modal: bool = False
    """Takes all keys for itself (a dialog, a prompt): its keys clash with nobody else's."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a user can do."""

    id: str
    """`scope.verb`; the verb, with `-` as `_`, names the action method."""
    title: str
    """A few words, as the palette and the help show it."""
    help: str = ""
    """A sentence or two."""
    keys: str = ""
    """Keys, separated by commas, the first one is shown. Empty: palette only."""
    short: str = ""
    """One word for the footer; empty: the title."""
    footer: bool = True
    """Shown in the footer."""
    late: bool = False
    """In the footer after the keys of what is around: what every list can do gives way to what this place can do."""
    palette: bool = True
    """Listed in the palette."""
    as_command: str = ""
    """The same on the command line; `{name}` is filled from the widget's `command_values()`, quoted for a shell."""
    destructive: bool = False
    """Asks first; marked in palette and help."""
    enabled: Callable[[Any], bool | None] | None = None
    """Asked with the widget of the scope: True, False (hidden), None (shown dimmed)."""
    call: str = ""
    """The action with its parameters, where it is not simply the verb: `place('timeline')`."""
    priority: bool = False
    """Works before whatever has the focus sees the key, in dialogs too."""

    @property
    def scope(self) -> str:
        """Id of the scope."""
        return self.id.partition(".")[0]

    @property
    def action(self) -> str:
        """Name of the action: method `action_<this>` of the scope's widget."""
        if self.call:
            return self.call.partition("(")[0]
        return self.id.partition(".")[2].replace("-", "_").replace(".", "_")


class Registry:
    """All scopes and commands, with the keys in force."""

    def __init__(self) -> None:
        self.scopes: dict[str, Scope] = {}
        self.commands: dict[str, Command] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._of: dict[str, list[Command]] = {}

    def register(self, *items: Scope | Command) -> None:
        """Add scopes and commands. Raises ValueError for an id given twice or a command without its scope."""
        for item in items:
            if isinstance(item, Scope):
                if item.id in self.scopes:
                    raise ValueError(f"scope {item.id} registered twice")
                self.scopes[item.id] = item
                self._of[item.id] = []
            else:
                if item.id in self.commands:
                    raise ValueError(f"command {item.id} registered twice")
                if item.scope not in self.scopes:
                    raise ValueError(f"command {item.id}: no scope {item.scope}")
                self.commands[item.id] = item
                self._keys[item.id] = normalise(item.keys)
                self._of[item.scope].append(item)

    def of(self, scope: str) -> Sequence[Command]:
        """The commands of a scope, in the order of registration; none where there is no such scope."""
        return self._of.get(scope, ())

    def bindings(self, scope: str) -> list[BindingType]:
        """What a widget class of `scope` puts into its BINDINGS: with the default keys, remapped by the app."""
        return [
            Binding(
                command.keys,
                command.call or command.action,
                command.short or command.title,
                show=command.footer,
                priority=command.priority,
                tooltip=command.help,
                id=command.id,
            )
            for command in self.of(scope)
            if command.keys
        ]

    def keys(self, command: str) -> tuple[str, ...]:
        """The keys of a command, in Textual's long form; empty where it has none."""
        return self._keys.get(command, ())

    def remap(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Put the user's keys in force and return them for `App.set_keymap`.

        Raises NuvError (exit code 2) that names the command and the key: an unknown command, a key that no
        terminal sends, or two commands that want the same key.
        """
        keys = {identifier: normalise(command.keys) for identifier, command in self.commands.items()}
        for identifier, text in changes.items():
            if identifier not in self.commands:
                close = difflib.get_close_matches(identifier, self.commands, 1)
                raise NuvError(
                    f"keys: no command {identifier!r}",
                    "the settings give a key to a command that does not exist",
                    f"Did you mean {close[0]!r}?"
                    if close
                    else "The help (`?`) lists the ids of all commands, from 120 columns on.",
                    Exit.USAGE,
                )
            wanted = normalise(text)
            for key in wanted:
                problem = unusable(key)
                if problem:
                    raise NuvError(
                        f"keys: {identifier} cannot have {key!r}", problem, "Choose another key.", Exit.USAGE
                    )
            if wanted and not self.commands[identifier].keys:
                raise NuvError(
                    f"keys: {identifier} has no key to change",
                    "it is run from the palette only",
                    "",
                    Exit.USAGE,
                )
            keys[identifier] = wanted
        for one, other, key in self._clashes(keys):
            if (
                one.id in changes or other.id in changes
            ):  # the defaults among each other are a test's business
                raise NuvError(
                    f"keys: {key_label(key)} is given to two commands",
                    f"{one.id} ({one.title}) and {other.id} ({other.title})",
                    "Give one of them another key in the settings (`keys`).",
                    Exit.USAGE,
                )
        self._keys = keys
        # Textual takes an empty string for "not remapped"; a command without keys gets one nobody can press.
        return {identifier: ",".join(keys[identifier]) or "<none>" for identifier in changes}

    def clashes(self) -> list[tuple[str, str, str]]:
        """Pairs of commands that want the same key, with the key: none, or the program has a fault."""
        return [(one.id, other.id, key) for one, other, key in self._clashes(self._keys)]

    def _clashes(self, keys: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Command, Command, str]]:
        by_key: dict[str, list[Command]] = {}
        for identifier, command_keys in keys.items():
            for key in command_keys:
                for other in by_key.get(key, ()):
                    if self.together(other.scope, self.commands[identifier].scope):
                        yield other, self.commands[identifier], key
                by_key.setdefault(key, []).append(self.commands[identifier])

    def together(self, one: str, other: str) -> bool:
        """True where commands of the two scopes can be active at once."""
        return one == other or other in self._closure(one) or one in self._closure(other)

    def _closure(self, scope: str) -> set[str]:
        found: set[str] = set()
        queue = list(self.scopes[scope].contains)
        while queue:
            inner = queue.pop()
            if inner == "*":
                found |= {s.id for s in self.scopes.values() if not s.modal}
            elif inner not in found:
                found.add(inner)
                queue += self.scopes[inner].contains if inner in self.scopes else ()
        return found


def normalise(keys: str) -> tuple[str, ...]:
    """The keys of a comma-separated list in Textual's long form (`?` is `question_mark`); `,` is `comma`."""
    if not keys.strip():
        return ()
    return tuple(binding.key for binding in Binding.make_bindings([Binding(keys, "x")]))


_NAMED = {key.value for key in Keys} | set(KEY_NAME_REPLACEMENTS.values())
_LOST = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+left_square_bracket": "escape"}


def unusable(key: str) -> str:
    """Why terminals do not send `key` (Textual's long form) as such; empty where they do."""
    if key in _LOST:
        return f"terminals send it as {_LOST[key]}"
    *modifiers, base = key.split("+")
    if set(modifiers) & {"super", "hyper", "meta", "cmd"}:
        return "terminals do not send that modifier"
    if "ctrl" in modifiers and (base.isdigit() or "shift" in modifiers):
        return "terminals do not send Ctrl with a digit or with Shift"
    named = base in _NAMED or key in _NAMED or _is_character(base)
    return "" if named else "there is no such key"


def _is_character(base: str) -> bool:
    import unicodedata

    if len(base) == 1:
        return True
    try:
        unicodedata.lookup(base.replace("_", " ").upper())
    except KeyError:
        return False
    return True


_LABELS = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "ampersand": "&",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "home": "Home",
    "end": "End",
    "delete": "Del",
    "backspace": "Backspace",
    "plus": "+",
    "minus": "-",
    "asterisk": "*",
    "comma": ",",
    "full_stop": ".",
    "vertical_line": "|",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}


def key_label(key: str) -> str:
    """How people write a key: `^P`, `F1`, `Esc`, `G`."""
    if key in _LABELS:
        return _LABELS[key]
    if key.startswith("ctrl+") and len(key) == 6:
        return f"^{key[-1].upper()}"
    if key.startswith("shift+"):
        return f"Shift+{key_label(key[6:])}"
    if len(key) > 1 and key[0] == "f" and key[1:].isdigit():
        return key.upper()
    if len(key) == 1:
        return key
    import unicodedata

    try:
        return unicodedata.lookup(key.replace("_", " ").upper())
    except KeyError:
        return key


def shell_word(text: str) -> str:
    """`text` as one word of a shell, printable whatever it holds: control characters become `$'…'` escapes."""
    if text.isprintable():
        return shlex.quote(text)
    out = []
    for byte in text.encode("utf-8", "surrogateescape"):
        char = chr(byte)
        out.append(f"\\{char}" if char in "\\'" else char if 32 <= byte < 127 else f"\\x{byte:02x}")
    return f"$'{''.join(out)}'"


def as_command(command: Command, values: Mapping[str, str | Sequence[str]]) -> str:
    """The command line of `command`; what `values` lacks stays as a word in capitals, a sequence gives several words."""

    class Words(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return key.upper()

    words = Words(
        {
            key: shell_word(value) if isinstance(value, str) else " ".join(map(shell_word, value))
            for key, value in values.items()
        }
    )
    return command.as_command.format_map(words)


REGISTRY = Registry()
"""The program's registry. Modules of screens add to it when they are imported."""


def bindings(scope: str) -> list[BindingType]:
    """What a widget class of `scope` puts into BINDINGS."""
    return REGISTRY.bindings(scope)


def register(*items: Scope | Command) -> None:
    """Add to the program's registry (see `Registry.register`)."""
    REGISTRY.register(*items)


def places(entries: Iterable[tuple[str, str, str]]) -> list[Command]:
    """The commands that lead to the places: `(id, key, title)` each."""
    return [
        Command(
            id=f"app.place-{identifier}",
            title=f"Go to {title}",
            help=f"Shows {title}.",
            keys=key,
            call=f"place({identifier!r})",
            footer=False,
        )
        for identifier, key, title in entries
    ]


register(
    Scope("app", "Everywhere", contains=("*",)),
    Scope("list", "Lists"),
    Scope("tree", "Folders", contains=("list",)),
    Scope("table", "Rows of a table", contains=("list",)),
    Scope("scroll", "Text"),
    Scope("text", "Logs and files", contains=("scroll",)),
    Scope("dialog", "Dialog", modal=True),
    Scope("waiting", "Waiting", modal=True),
    Command(
        id="waiting.again",
        title="Read again what was not waited for",
        keys="f5",
        footer=False,
        palette=False,
        help="Where a pane says that something was not read: reads it again. Esc leaves a wait.",
    ),
    *places(
        (
            ("timeline", "1", "Timeline"),
            ("contents", "2", "Contents"),
            ("stage", "3", "Stage"),
            ("exports", "4", "Exports"),
            ("tasks", "5", "Tasks"),
        )
    ),
    Command(
        id="app.next-pane",
        title="Next pane",
        help="Moves the focus to the next pane.",
        keys="tab",
        footer=False,
        palette=False,
    ),
    Command(
        id="app.previous-pane",
        title="Previous pane",
        help="Moves the focus to the pane before.",
        keys="shift+tab",
        footer=False,
        palette=False,
    ),
    Command(
        id="app.back",
        title="Back",
        help="One level back; what was entered stays.",
        keys="escape",
        footer=False,
        palette=False,
    ),
    Command(
        id="app.copy",
        title="Copy",
        help="Copies what has the focus to the clipboard, over SSH and tmux too (OSC 52).",
        keys="y",
        footer=False,
    ),
    Command(
        id="app.as-command",
        title="Show as command",
        help="Shows the command lines of what can be done here; `y` copies one.",
        keys=":",
        footer=False,
    ),
    Command(
        id="app.palette",
        title="Commands",
        help="All that can be done, with its keys; type to search.",
        keys="ctrl+p",
        short="commands",
        footer=False,
        palette=False,
    ),
    Command(
        id="app.help",
        title="Help",
        help="Help for what has the focus.",
        keys="?,f1",
        short="help",
        footer=False,
    ),
    Command(
        id="app.theme",
        title="Another theme",
        help="Dark, light, and both in high contrast, in turn; the setting `theme` keeps one.",
        keys="f6",
        footer=False,
    ),
    Command(
        id="app.redraw",
        title="Draw the screen again",
        help="Draws everything again, where another program wrote into the terminal.",
        keys="ctrl+l",
        footer=False,
    ),
    Command(
        id="app.log",
        title="Log of the program",
        help="Shows nuvtui's own log: starts, faults, what was slow.",
        keys="f8",
        footer=False,
        as_command="nuvtui doctor --log",
    ),
    Command(
        id="app.suspend",
        title="Suspend",
        help="Back to the shell; `fg` returns.",
        keys="ctrl+z",
        footer=False,
    ),
    Command(
        id="app.leave",
        title="Quit",
        help="Leaves. Running tasks go on unless you say otherwise.",
        keys="q",
        short="quit",
        footer=False,
    ),
    Command(
        id="app.leave-now",
        title="Quit from anywhere",
        help="As `q`, also in dialogs and prompts.",
        keys="ctrl+c",
        footer=False,
        palette=False,
        priority=True,
    ),
    Command(id="list.down", title="Down", keys="j,down", footer=False, palette=False, help="One line down."),
    Command(id="list.up", title="Up", keys="k,up", footer=False, palette=False, help="One line up."),
    Command(
        id="list.first", title="First", keys="g,home", footer=False, palette=False, help="To the first line."
    ),
    Command(
        id="list.last", title="Last", keys="G,end", footer=False, palette=False, help="To the last line."
    ),
    Command(
        id="list.page-down",
        title="Page down",
        keys="pagedown,ctrl+f",
        footer=False,
        palette=False,
        help="A page down.",
    ),
    Command(
        id="list.page-up",
        title="Page up",
        keys="pageup,ctrl+b",
        footer=False,
        palette=False,
        help="A page up.",
    ),
    Command(
        id="list.open",
        title="Open",
        keys="enter",
        short="open",
        palette=False,
        help="Opens the line under the cursor.",
        enabled=lambda node: bool(node.openable and node.count),
    ),
    Command(
        id="list.mark",
        late=True,
        title="Mark",
        keys="space",
        short="mark",
        help="Marks or unmarks the line under the cursor and goes on.",
        enabled=lambda node: bool(node.markable and node.count),
    ),
    Command(
        id="list.range",
        title="Mark a range",
        keys="v",
        footer=False,
        help="Begins a range at the cursor; move, then Space marks all of it, Esc gives up.",
        enabled=lambda node: bool(node.markable and node.count),
    ),
    Command(
        id="list.mark-all",
        title="Mark all, or none",
        keys="asterisk",
        footer=False,
        help="Marks every line of the list as it is filtered; again: none.",
        enabled=lambda node: bool(node.markable and node.count),
    ),
    Command(
        id="list.filter",
        late=True,
        title="Filter",
        keys="/",
        short="filter",
        help="Shows only the lines that hold all words typed. Esc shows all again.",
        enabled=lambda node: node.filterable,
    ),
    Command(
        id="tree.expand",
        title="Open the folder",
        keys="l,right",
        footer=False,
        palette=False,
        help="Opens the folder.",
    ),
    Command(
        id="tree.collapse",
        title="Close the folder",
        keys="h,left",
        footer=False,
        palette=False,
        help="Closes the folder, or goes to the one that holds this.",
    ),
    Command(
        id="table.right",
        title="Columns to the right",
        keys="l,right",
        footer=False,
        palette=False,
        help="Shows the columns further right.",
    ),
    Command(
        id="table.left",
        title="Columns to the left",
        keys="h,left",
        footer=False,
        palette=False,
        help="Shows the columns further left.",
    ),
    Command(
        id="scroll.down", title="Down", keys="j,down", footer=False, palette=False, help="One line down."
    ),
    Command(
        id="scroll.up",
        title="Up",
        keys="k,up",
        footer=False,
        palette=False,
        help="One line up; a log stops following.",
    ),
    Command(
        id="scroll.page-down",
        title="Page down",
        keys="pagedown,ctrl+f",
        footer=False,
        palette=False,
        help="A page down.",
    ),
    Command(
        id="scroll.page-up",
        title="Page up",
        keys="pageup,ctrl+b",
        footer=False,
        palette=False,
        help="A page up.",
    ),
    Command(
        id="scroll.first",
        title="First line",
        keys="g,home",
        footer=False,
        palette=False,
        help="To the first line.",
    ),
    Command(
        id="scroll.last",
        title="Last line",
        keys="G,end",
        footer=False,
        palette=False,
        help="To the last line; a growing log is followed again.",
    ),
    Command(
        id="text.left",
        title="To the left",
        keys="h,left",
        footer=False,
        palette=False,
        help="Shows what is further left.",
    ),
    Command(
        id="text.right",
        title="To the right",
        keys="l,right",
        footer=False,
        palette=False,
        help="Shows what is further right.",
    ),
    Command(
        id="text.search",
        title="Search",
        keys="/",
        short="search",
        help="Searches; words between slashes (/a.*b/) are a regular expression.",
    ),
    Command(
        id="text.next-match",
        title="Next match",
        keys="n",
        footer=False,
        help="To the next match.",
        enabled=lambda node: node.searching,
    ),
    Command(
        id="text.previous-match",
        title="Match before",
        keys="N",
        footer=False,
        help="To the match before.",
        enabled=lambda node: node.searching,
    ),
    Command(
        id="text.only-matches",
        title="Only matching lines",
        keys="&",
        short="only matches",
        help="Shows only the lines that match the search; again: all.",
        enabled=lambda node: node.searching,
    ),
    Command(
        id="text.follow",
        title="Follow",
        keys="f",
        short="follow",
        help="Follows the end of a growing log, or stops following.",
        enabled=lambda node: node.growing,
    ),
    Command(id="text.wrap", title="Wrap", keys="w", short="wrap", help="Wraps long lines, or cuts them."),
    Command(
        id="text.times",
        title="Timestamps",
        keys="t",
        short="times",
        help="Shows when each line was written.",
        enabled=lambda node: node.timed,
    ),
    Command(
        id="dialog.cancel",
        title="Cancel",
        keys="escape",
        short="cancel",
        palette=False,
        help="Leaves all as it is.",
    ),
    Command(
        id="dialog.help",
        title="Help",
        keys="f1,?",
        short="help",
        palette=False,
        help="What this is and its keys; in a field `?` is a character.",
    ),
    Command(
        id="dialog.scroll-down",
        title="Down",
        keys="down",
        footer=False,
        palette=False,
        help="Scrolls the text.",
    ),
    Command(
        id="dialog.scroll-up", title="Up", keys="up", footer=False, palette=False, help="Scrolls the text."
    ),
    Command(
        id="dialog.page-down",
        title="Page down",
        keys="pagedown",
        footer=False,
        palette=False,
        help="Scrolls the text by a page.",
    ),
    Command(
        id="dialog.page-up",
        title="Page up",
        keys="pageup",
        footer=False,
        palette=False,
        help="Scrolls the text by a page.",
    ),
)
