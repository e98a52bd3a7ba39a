"""The terminal screens, and how one is made.

Importing this package imports nothing; `run` is the way in. What is where:

| module | what |
| --- | --- |
| `app.py` | `NuvApp`: places, context, tasks, copying, ways in and out |
| `workbench.py` | the screen with the places; `PlaceSpec` |
| `commands.py` | `Scope`, `Command`, the registry: keys, footer, palette, help, "as command" |
| `context.py` | `Context`: space, instance, role, messages, the state that is looked at |
| `jobs.py`, `waits.py` | reads in threads; what is waited for, and the way out of it |
| `goto.py`, `fuzzy.py` | going straight to a thing; finding it by a few letters |
| `textual_private.py` | the private names of Textual that are used, all of them |
| `typing_ahead.py` | keys that come all at once are carried out one after the other |
| `paint.py` | of each update, the cells that changed: what goes to the terminal |
| `glimpse.py` | the top of the timeline, kept for the first frame of the next start |
| `theme.py`, `glyphs.py` | colours and signs, and what every line passes through |
| `attention.py` | the call when a task ends while the user looks elsewhere |
| `watch.py`, `board.py` | changes by other processes; tasks |
| `widgets/` | `Place`, `Frame`, `LineList`, `TreeList`, `RowTable`, `LogView`, `DetailPane`, `Meter` |
| `dialogs/` | `ConfirmDialog`, `TypedDialog`, `TextDialog`, `PickDialog`, `MarksDialog`, over `base.Dialog` |
| `screens/` | the five places and what they open; their commands in `screens/commands.py` |

## A place

1. Its commands, as data, in `screens/commands.py` (light: it is imported at start):

       register(
           Scope("timeline", "Timeline", contains=("list", "scroll")),
           Command(id="timeline.snapshot", title="Take a snapshot", short="snapshot", keys="s",
                   help="Preserves files, tables and applications as they are now.",
                   as_command="nuvtui snapshots create -n {name}",
                   enabled=lambda place: place.may_modify),
       )

   The scope lists the scopes of the widgets in it (`list`, `tree`, `table`, `text`, `scroll`): a key given twice
   among them is refused when the app is made. `id` is `scope.verb`; settings remap keys by it.

2. Its class; `app.PLACES` says where it is:

       class Timeline(Place):
           SCOPES = ("timeline",)
           BINDINGS = bindings("timeline")
           TITLE = "Timeline"
           HELP = "The Current State and its snapshots, newest first."

           def compose(self):
               yield LineList(id="snapshots", empty="No snapshot yet. s takes one.", markable=True)

           def state_changed(self):          # shown first, or the state or the context changed
               instance = self.nuv.context.instance
               if instance is not None:
                   self.load(lambda: self.nuv.services.snapshots.list(instance.id), self._show)

           def _show(self, records):         # back in the event loop
               self.query_one(LineList).set_source(Items(records, draw, key=lambda r: r.id))

           def on_line_list_opened(self, message): ...   # Enter
           def action_snapshot(self): ...                # the command
           def command_values(self): return {"name": …}  # for "as command"; raw text
           def go_back(self) -> bool: ...                # Esc, where it means something here

   `self.load(call, done, group="…", failed=…, waiting="…")` runs `call` in a daemon thread; of one group only the
   latest result arrives. Only in there may `self.nuv.services` be used: the event loop never reads a disk or a socket.
   A NuvError becomes a dialog, unless `failed` takes it. Where it takes longer than a moment, the border of the pane
   says what is waited for (`waiting="reading the snapshots of Master"`, else a phrase for the group in
   `waits.PHRASES`), for how long, and that Esc leaves it: `failed` then gets a `NotWaitedError`, and F5 makes the same
   call again. After a change of its own a place need do nothing: the watch sees the state file change and
   `state_changed` is called; `self.nuv.reread()` asks for it at once.

   `self.nuv.show_state(StateRef(…), "name")` changes the state that Contents and Stage show.
   `self.nuv.tasks` are all tasks, newest first; `tasks_changed(tasks)` says that they changed.
   `place.set_title(title, note)` writes into the border.

3. A full screen (a wizard, a form, a running export) is a `Frame`: SCOPES, BINDINGS, `body()` gives its widgets,
   `go_back()` is Esc within it; `self.nuv.push_screen(frame)` opens it. Esc at its top closes it. While it is open it
   hears `state_changed()` and `tasks_changed(tasks)`.

## Lines

`LineWidget`s draw `Line`s: pieces `(text, tone)` with tones `muted accent strong good warn bad`, made by `line(…)`
or, aligned in columns, by `row(width, Cell(text, cells, tone, align), …)`. All text is sanitised when it is drawn.
Never give outside text to `Static`, `Label`, `Input(value)` or a border title: take `DetailPane`, `set_title`,
`notify` (sanitised), or `sanitise.line` first. As a last resort `theme.Harmless` drops control characters from
whatever is drawn.

`LineList`: `Highlighted` (cursor moved), `Opened` (Enter), `Marked`; `.current` (index in the source),
`.current_key`, `.marked` (keys), `.set_source(source)`; its `Source` may say which keys Space marks on a line
(`marks`) and what passes a filter (`passes`). `TreeList(children)`: `.node`; marks hold node keys; `facts` completes
the nodes in view of a folder with too many to look at each. `DiffPane.show_diff(head, rows)`: what differs, side by
side where there is room. `CodeView.show_text(name, data, rest, total)`: a file's text in colours.
`RowTable.set_table([(name, type)…], total, fetch)`. `LogView.show_file(path, growing=True)`, `.show_bytes(data)`,
`.set_times([(offset, iso)…])`, `.go_to(offset)`, `.set_growing(False)` at the end.

## Asking

    self.nuv.push_screen(
        ConfirmDialog("Restore", [line("Replaces …"), …], "Restore", destructive=True,
                      backup="An automatic snapshot is taken first; u undoes."),
        self._restore,            # called with True or None
    )

`TextDialog(title, [Field(id, label)…], yes, advise=…, refuse=…)` gives a dict of texts or None; `TypedDialog` asks
for a word, `PickDialog` for one of many, `MarksDialog` for any number of them. Long work is a task:
`tasks.submit.submit(home, Request(…))` in a `load`, never in the event loop.
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
    from nuvtui.tui.common.glimpse import Reading

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
    app = NuvApp(settings, start, services=services, signals=signals, glimpse=reading.result())
    remote = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
    mouse = settings.mouse == "on" or (settings.mouse == "auto" and not remote)
    from nuvtui import __version__, logfile

    started = f"start {__version__} in {start}, TERM {os.environ['TERM']}"
    with logfile.kept(app.home, settings.log_level, started), signals.installed():
        app.run(mouse=mouse)
    return stopped[0] if stopped else app.return_code or 0
