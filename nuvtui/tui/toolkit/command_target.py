"""What a widget or screen needs to be part of the command registry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from textual.dom import DOMNode

from nuvtui.errors import NuvError
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.command import Command
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.host import Host

T = TypeVar("T")


class CommandTarget(DOMNode):
    """Mixin of widgets and screens whose keys come from the registry.

    It comes after the Textual class among the bases (`class Pane(Vertical, CommandTarget)`): Textual takes styles from the
    first one. The class names its scopes in SCOPES and writes `BINDINGS = bindings("…")`; each command's verb is an
    `action_…` method.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ()
    """Ids of the scopes whose commands this widget carries out; the first one titles its help."""
    HELP: ClassVar[str] = ""
    """What this is for, a paragraph at the top of its help."""

    def commands(self) -> Iterator[Command]:
        """The commands that this widget carries out."""
        for scope in self.SCOPES:
            yield from REGISTRY.of(scope)

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Ask the command's own predicate."""
        for command in self.commands():
            if command.action == action:
                return True if command.enabled is None else command.enabled(self)
        return True

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """Words for the `as_command` templates of this scope: raw text, quoted by the registry."""
        return {}

    def hints(self) -> Sequence[tuple[str, str]]:
        """Keys for the footer that are in no registry, with what they do: those of fields and choices."""
        return ()

    def word(self, _command: str) -> str:
        """What a command (its id) does here, for the footer; empty: as the registry has it."""
        return ""

    def copied(self) -> Copy | None:
        """What `y` copies while this has the focus; None: ask the widget around it."""
        return None

    @property
    def host(self) -> Host:
        """The app."""
        return cast("Host", self.app)

    def load(
        self,
        call: Callable[[], T],
        done: Callable[[T], Any],
        *,
        group: str = "load",
        failed: Callable[[NuvError], Any] | None = None,
        waiting: str | None = None,
    ) -> None:
        """Run `call` in a thread and `done` with its result here (see `jobs.Jobs.start`).

        `waiting` is what the pane says where it takes long: `reading the snapshots of Master`.
        """
        self.host.jobs.start(self, call, done, group=group, failed=failed, waiting=waiting)

    def abandoned(self, _group: str) -> bool:
        """The user did not wait for a job of `group`. True: the same call once more is how it is read again."""
        queries = getattr(self, "_queries", None)
        if queries is not None:
            queries.stop()  # the process that looked for the answer
        return queries is None
