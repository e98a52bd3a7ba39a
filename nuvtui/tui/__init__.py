"""The terminal screens, and how one is made.

Importing this package imports nothing; `run` is the way in. Each folder knows only those below it:

| folder | what |
| --- | --- |
| `shell/` | `NuvApp`, the main screen with the panes, palette, help, navigation, loading, the queue of keys, signals |
| `features/<name>/` | what one feature brings: commands, panes, screens, dialogs, stylesheet; knows no other one |
| `common/` | what several features share: the `Shell` protocol, `Pane`, `BaseScreen`, actions on states, a task's screen |
| `toolkit/` | widgets, dialogs, keys, drawing: knows no model and no service |

Contracts in `pyproject.toml` hold this, and `tests/architecture/test_circles.py` lets no module import itself by way
of others. Features and shell reach other features by name: `self.nuv.open("distribution.history", space)` shows the
screen of a route, `self.nuv.route("contents.changes")` is the function of one. Modules of screens are imported when
they are first shown; only `__init__.py` and `commands.py` of a feature are imported at the start.

## A new feature: a pane with one list and two commands

`tests/tui/test_guide.py` does exactly this. Three files in a folder of its own, and one line.

Its commands, as data. A command belongs to a scope, the first part of its id; the scope lists the scopes of the
widgets inside it (`list`, `tree`, `table`, `text`, `scroll`), so that a key given twice is refused at the start.
Settings remap keys by the ids.

    # features/people/commands.py
    '''Commands of the People pane.'''

    from nuvtui.tui.toolkit.command import Command, Scope

    COMMANDS: tuple[Scope | Command, ...] = (
        Scope("people", "People", contains=("list",)),
        Command("people.greet", "h", "greet", "Greet the member", "Says hello to the one under the cursor.",
            enabled=lambda pane: pane.member is not None),
        Command("people.reread", "f5", "", "Read again", "Reads the members again.",
            "nuvtui members list -s {space}", footer=False),
    )

What the feature brings: the class of its pane and where it is, the key that leads there.

    # features/people/__init__.py
    '''People: who may do what in the space.'''

    from nuvtui.tui.common.feature import PaneSpec, feature
    from nuvtui.tui.features.people.commands import COMMANDS

    FEATURE = feature(
        __name__,
        COMMANDS,
        pane=PaneSpec("people", "nuvtui.tui.features.people.pane", "People"),
        key="6",
    )

The pane. Each command's verb is an `action_…` method.

    # features/people/pane.py
    '''The People pane: the members of the space.'''

    from collections.abc import Mapping

    from textual.app import ComposeResult

    from nuvtui.model.space import Member
    from nuvtui.tui.common.pane import Pane
    from nuvtui.tui.toolkit.commands import bindings
    from nuvtui.tui.toolkit.line_list import Items, LineList
    from nuvtui.tui.toolkit.lines import Cell, Line, row


    class People(Pane):
        '''The members of the space; `h` greets one.'''

        SCOPES = ("people",)
        BINDINGS = bindings("people")
        TITLE = "People"
        HELP = "Who may do what in the space."

        def compose(self) -> ComposeResult:
            '''The list.'''
            yield LineList(id="people-list", empty="Nobody yet.")

        def state_changed(self) -> None:
            '''Shown first, or the state or the context changed: read again, in a thread.'''
            space = self.nuv.context.space
            if space is not None:
                self.load(lambda: self.nuv.services.members.list(space.id), self._show, group="members")

        def _show(self, members: list[Member]) -> None:
            self.people = members
            self.query_one(LineList).set_source(Items(members, self._line, key=lambda each: each.user))

        def _line(self, member: Member, width: int) -> Line:
            return row(width, Cell(member.user), Cell(str(member.role), 22, "muted"))

        @property
        def member(self) -> Member | None:
            '''The member under the cursor.'''
            at = self.query_one(LineList).current if self.is_mounted else None
            return None if at is None else self.people[at]

        def action_greet(self) -> None:
            '''Say hello.'''
            if self.member is not None:
                self.nuv.notify(f"Hello, {self.member.user}.")

        def action_reread(self) -> None:
            '''Read again.'''
            self.state_changed()

        def command_values(self) -> Mapping[str, str]:
            '''Words for the command lines: raw text, quoted where it is shown.'''
            space = self.nuv.context.space
            return {"space": space.name} if space else {}

The line that registers it: its name at the end of `NAMES` in `shell/registration.py`.

    NAMES = (..., "people")

A stylesheet in the folder is named by `styles="people.tcss"`, a screen for others by
`routes={"people.all": "screen:AllPeople"}`. The phrase that a pane shows while it reads belongs to the group of the
job (`loading.PHRASES`).

## Reading and changing

`self.load(call, done, group="…", failed=…, waiting="…")` runs `call` in a daemon thread and `done` with its result in
the event loop; of one group only the latest result arrives. Only in there may `self.nuv.services` be used: the event
loop never reads a disk or a socket. A NuvError becomes a dialog, unless `failed` takes it. Where it takes longer than
a moment, the border of the pane says what is read and for how long; Esc gives it up (`failed` gets an
`AbandonedError`), F5 makes the same call again. After a change nothing need be done: the watch sees the state file
change and `state_changed` is called. Long work is a task: `common.submit.submit`.

`self.nuv.show_state(StateRef(…), "name")` changes the state that Contents shows; `self.nuv.go(Target(…))` goes straight
to a thing; `self.nuv.tasks` are all tasks, newest first, and `tasks_changed(tasks)` says that they changed.

A full screen (a wizard, a form) is a `BaseScreen`: `body()` gives its widgets, `go_back()` is Esc within it. Dialogs:
`ConfirmDialog`, `TextDialog`, `TypedDialog`, `PickDialog`, `MarksDialog`, shown by `self.nuv.push_screen(dialog, done)`.

## Lines

`LineWidget`s draw `Line`s: pieces `(text, tone)` with tones `muted accent strong good warn bad`, made by `line(…)`
or, aligned in columns, by `row(width, Cell(text, cells, tone, align), …)`. All text is sanitised when it is drawn.
Never give outside text to `Static`, `Label`, `Input(value)` or a border title: take `DetailPane`, `set_title`,
`notify` (sanitised), or `sanitise.line` first.

`LineList`: `Highlighted` (cursor moved), `Opened` (Enter), `Marked`; `.current` (index), `.current_key`, `.marked`
(keys), `.set_source(source)`. `TreeList` opens folders as they are asked for, `RowTable` fetches rows as they come
into view, `LogView` follows a growing file of any length, `CodeView` colours a text, `DetailList` shows fields that `y`
copies one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services
    from nuvtui.config import Settings


def run(settings: Settings, start: Path, services: Callable[[Settings], Services]) -> int:
    """Run the app in this terminal, beginning in folder `start`. Returns the exit code.

    `services` opens the services; it is called in a thread, after the first frame.

    Raises NuvError (exit code 2): no terminal, or one that cannot show screens; settings that cannot hold.
    """
    import os
    import sys

    from nuvtui.errors import Exit, NuvError

    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise NuvError(
            "The screens need a terminal",
            "standard input, output or error output is redirected",
            "Use the commands: `nuvtui --help`.",
            Exit.USAGE,
        )
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise NuvError(
            "This terminal cannot show the screens",
            f"TERM is {os.environ.get('TERM') or 'not set'}",
            "Use the commands (`nuvtui --help`), or set TERM to what the terminal is, say xterm-256color.",
            Exit.USAGE,
        )
    from nuvtui import config
    from nuvtui.tui.common.startup_cache import Reading

    reading = Reading(config.home(settings), start)
    # Read by textual when it is imported.
    from nuvtui.tui.toolkit.terminal import color_system

    os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", color_system())
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

    from nuvtui.tui.shell.app import NuvApp
    from nuvtui.tui.shell.signals import Signals
    from nuvtui.tui.toolkit.textual_private import read_no_alt

    stopped: list[int] = []

    def stop(code: int) -> None:
        stopped.append(code)
        app.exit(return_code=code)

    read_no_alt()
    signals = Signals(stop, sys.stdin.fileno())
    app = NuvApp(settings, start, services=services, signals=signals, startup_cache=reading.result())
    remote = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
    mouse = settings.mouse == "on" or (settings.mouse == "auto" and not remote)
    from nuvtui import __version__, logfile

    started = f"start {__version__} in {start}, TERM {os.environ['TERM']}"
    with logfile.kept(app.home, settings.log_level, started), signals.installed():
        app.run(mouse=mouse)
    return stopped[0] if stopped else app.return_code or 0
