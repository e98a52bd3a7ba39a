"""A command, a scope of commands, and the registry that holds them with the keys in force.

A command belongs to a scope, the first part of its id: `timeline.snapshot` is what a widget with `timeline` among its
`SCOPES` does in its `action_snapshot`. Scopes say which others they contain, so that a key given twice to commands
that can be active together is refused by name.
"""

import difflib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from textual.binding import Binding, BindingType

from nuvtui.errors import Exit, NuvError
from nuvtui.tui.toolkit.keys import key_label, normalise, unusable


class Scope(msgspec.Struct, frozen=True):
    """Where commands are active: while a widget of this scope, or something in it, has the focus."""

    id: str
    title: str
    contains: tuple[str, ...] = ()
    """Scopes that can be active at the same time, inside this one. `*`: all that are not modal."""
    modal: bool = False
    """Takes all keys for itself (a dialog, a prompt): its keys clash with nobody else's."""


class Command(msgspec.Struct, frozen=True):
    """One thing that a user can do."""

    id: str
    """`scope.verb`; the verb, with `-` as `_`, names the action method."""
    keys: str = ""
    """Keys, separated by commas, the first one is shown. Empty: palette only."""
    short: str = ""
    """One word for the footer; empty: the title."""
    title: str = ""
    """A few words, as the palette and the help show it."""
    help: str = ""
    """A sentence or two."""
    as_command: str = ""
    """The same on the command line; `{name}` is filled from the widget's `command_values()`, quoted for a shell."""
    footer: bool = True
    """Shown in the footer."""
    late: bool = False
    """In the footer after the keys of what is around: what every list can do gives way to what this place can do."""
    palette: bool = True
    """Listed in the palette."""
    destructive: bool = False
    """Asks first; marked in palette and help."""
    enabled: Callable[[Any], bool | None] | None = None
    """Asked with the widget of the scope: True, False (hidden), None (shown dimmed)."""
    call: str = ""
    """The action with its parameters, where it is not simply the verb: `pane('timeline')`."""
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
