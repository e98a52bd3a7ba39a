"""The app: places by keys, what everybody needs to know, and the ways in and out. No feature lives here."""

import gc
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from textual import events
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from nuvtui import config, sanitise
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.paths import config_file
from nuvtui.tui.common.context import Context, read_context
from nuvtui.tui.common.frame import Frame
from nuvtui.tui.common.glimpse import Glimpse
from nuvtui.tui.common.header import Header, Where
from nuvtui.tui.shell.board import News, TaskBoard, last_visit, remember_visit
from nuvtui.tui.shell.signals import Signals
from nuvtui.tui.shell.typing_ahead import Done, TypedAhead
from nuvtui.tui.shell.waits import Waits
from nuvtui.tui.shell.watch import StateChanged, TasksChanged, Watch
from nuvtui.tui.shell.workbench import PlaceSpec, Workbench
from nuvtui.tui.toolkit import clipboard, commands, glyphs, theme
from nuvtui.tui.toolkit.footer import Footer
from nuvtui.tui.toolkit.jobs import Jobs, NotWaitedError
from nuvtui.tui.toolkit.lines import Line
from nuvtui.tui.toolkit.paint import Painter
from nuvtui.tui.toolkit.scoped import Scoped
from nuvtui.tui.toolkit.textual_private import CompositorUpdate, HookedApp

if TYPE_CHECKING:
    from rich.text import Text

    from nuvtui.bootstrap import Services

PLACES: tuple[PlaceSpec, ...] = (
    PlaceSpec("timeline", "nuvtui.tui.features.timeline.pane", "Timeline", beside=True),
    PlaceSpec("contents", "nuvtui.tui.features.contents.pane", "Contents", beside=True),
    PlaceSpec("stage", "nuvtui.tui.features.stage.pane", "Stage", beside=True),
    PlaceSpec("exports", "nuvtui.tui.features.exports.pane", "Exports"),
    PlaceSpec("tasks", "nuvtui.tui.features.tasks.pane", "Tasks"),
)
"""The five places. Their commands are in `nuvtui.tui.shell.registration`."""
COPIED = 40
"""Characters of what was copied that the notice shows."""
READ = 1.5
"""Seconds that a notice stays whatever is typed."""
LATER = ("toolkit/dialogs/dialogs", "common/states", "common/sharing")
"""Stylesheets of what is not there in the first frame."""
SETTLED = 1.0
"""Seconds after the first frame until what the first frame does without is done: garbage, the other stylesheets."""
WORKER_CHECK = 2.0
"""Seconds between looks for workers that died, while tasks run."""


class NuvApp(HookedApp, Scoped, inherit_bindings=False):
    """The terminal application."""

    SCOPES = ("app",)
    HELP = "nuvtui keeps snapshots of a project, shares parts of it, and hands it over as an image."
    CSS_PATH = "shell.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "nuvtui"
    BINDINGS = commands.bindings("app")

    def __init__(
        self,
        settings: Settings,
        start: Path,
        *,
        services: "Callable[[Settings], Services] | None" = None,
        places: Sequence[PlaceSpec] = PLACES,
        signals: Signals | None = None,
        glimpse: Glimpse | None = None,
    ) -> None:
        """`start`: the folder to begin in. `services` opens the services, in a thread, after the first frame.

        `glimpse`: what is shown until the state is read.

        Raises NuvError (exit code 2): two commands with one key, an unknown theme.
        """
        importlib.import_module("nuvtui.tui.shell.registration")
        keymap = commands.REGISTRY.remap(settings.keys)
        if settings.theme not in theme.THEMES:
            raise NuvError(
                f"No theme {settings.theme!r}", "", f"There are: {', '.join(theme.THEMES)}.", Exit.USAGE
            )
        self._line_filters: list[LineFilter] = []
        self._painter = Painter()
        self._typed_ahead = TypedAhead(self)
        super().__init__()
        self.settings = settings
        self.start = start
        self.home = config.home(settings)
        self.glyphs = glyphs.ASCII if glyphs.only_ascii(settings.ascii) else glyphs.UNICODE
        self.animation_level = "none"
        for each in theme.themes(os.environ.get("TEXTUAL_COLOR_SYSTEM", "")):
            self.register_theme(each)
        self.theme = settings.theme
        self.stylesheet.set_variables(self.get_css_variables())
        self._styled = settings.theme
        self._styles_complete = False
        colourless = "NO_COLOR" in os.environ
        if colourless:
            self._line_filters.append(theme.Colourless())
        self._line_filters.append(theme.Harmless(self.glyphs is glyphs.ASCII))
        self.set_class(self.glyphs is glyphs.ASCII, "-ascii")
        self.set_class(colourless, "-colourless")
        self.set_keymap(keymap)
        self.jobs = Jobs(self)
        self.waits = Waits(self, self.jobs)
        self.glimpse = glimpse
        self._glimpsed = glimpse is not None
        self.context = glimpse.context if glimpse else Context()
        self.tasks: list[TaskView] = []
        """All tasks, newest first."""
        self.since = ""
        """When this user last closed the screens; empty: never, or not read yet."""
        self._open_services = services
        self._services: Services | None = None
        self._first_read = True
        self._begun = False
        self._opening = threading.Lock()
        self._specs = tuple(places)
        self._signals = signals
        self._watch: Watch | None = None
        self._board: TaskBoard | None = None
        self._check: Timer | None = None
        self._looks = 0
        self._instance: str | None = None
        """The instance that was gone to; None: that of the folder."""
        self.where = self._where()
        """What headers say."""
        self._typed = time.monotonic()
        """When a key was pressed last."""
        self._told: set[str] = set()
        """Messages that were shown since the start."""
        self.ended_away: set[str] = set()
        """Tasks that ended while no screens were open, and were not looked at yet."""

    # beginning

    def get_default_screen(self) -> Screen[object]:
        """The workbench."""
        return Workbench(self._specs)

    def refresh_css(self, animate: bool = True) -> None:
        """Read the stylesheet again for another theme. Textual asks for it at the start too: it is read by then."""
        if self._styled != self.theme:
            self._styled = self.theme
            super().refresh_css(animate)

    def complete_styles(self) -> None:
        """Read the stylesheets of what is not there in the first frame, before any of it is made."""
        if not self._styles_complete:
            self._styles_complete = True
            for name in LATER:
                self.stylesheet.read(Path(__file__).parents[1] / f"{name}.tcss")

    def push_screen(self, *screen: Any, **options: Any) -> Any:
        """Show another screen or dialog."""
        self.complete_styles()
        return super().push_screen(*screen, **options)

    def changed_update(self, update: CompositorUpdate) -> CompositorUpdate:
        """The cells that changed alone."""
        return self._painter.update(update)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every line passes through on its way to the terminal."""
        return self._line_filters or super().get_line_filters()

    @property
    def workbench(self) -> Workbench:
        """The screen with the places."""
        bottom = self.screen_stack[0]
        assert isinstance(bottom, Workbench)
        return bottom

    def on_mount(self) -> None:
        """Let signals in; everything that reads comes after the first frame."""
        if self._signals is not None:
            self._signals.attach()
        self.app_resume_signal.subscribe(self, lambda _: self.call_later(self.action_redraw))
        self.call_after_refresh(self._begin)

    @property
    def starting(self) -> bool:
        """True until the first screen has something to show: a glimpse, or what it reads at the start."""
        if not self._begun:
            return True
        return not self._glimpsed and self.jobs.running("watch", "context", "snapshots")

    def _begin(self) -> None:
        self._begun = True
        self.set_timer(SETTLED, self._settle)
        self.jobs.start(self, lambda: Watch(self.home, self.post_message), self._watching, group="watch")

    def _settle(self) -> None:
        self.complete_styles()
        # Garbage is looked for from now on, but not among what the program itself consists of.
        gc.freeze()
        gc.enable()

    def _watching(self, watch: Watch) -> None:
        self._watch = watch
        watch.start()
        self._read_context()
        self._look_at_tasks()
        self.jobs.start(self, lambda: last_visit(self.home), self._visited, group="tasks since")

    def _visited(self, since: str) -> None:
        self.since = since

    @property
    def services(self) -> "Services":
        """The services, opened at first use. For threads (`load`): what they do reads the disk."""
        with self._opening:
            if self._services is None:
                if self._open_services is None:
                    from nuvtui.bootstrap import open_services

                    self._services = open_services(self.settings)
                else:
                    self._services = self._open_services(self.settings)
            return self._services

    # where one is

    def _read_context(self) -> None:
        instance = self._instance
        self.jobs.start(
            self,
            lambda: read_context(self.services, self.start, instance),
            self._context_read,
            group="context",
        )

    def _context_read(self, context: Context) -> None:
        old = self.context
        if (
            context.instance is not None
            and old.instance is not None
            and context.instance.id == old.instance.id
        ):
            context = msgspec.structs.replace(context, state=old.state, state_name=old.state_name)
        first = self._first_read
        self._first_read = False
        self.context = context
        self._tell_where()
        for place in self.workbench.places:
            place.tell_state()
        for screen in self.screen_stack[1:]:
            if isinstance(screen, Frame):
                screen.state_changed()
        self.post_message(self.ContextRead(first))

    class ContextRead(Message):
        """The context was read (again). `first`: for the first time."""

        def __init__(self, first: bool) -> None:
            super().__init__()
            self.first = first

    def on_nuv_app_context_read(self, message: ContextRead) -> None:
        """Welcome the user where the folder is in no space; show messages not yet read."""
        from nuvtui.tui.features.spaces.arrival import arrived

        arrived(self, self._told)

    @property
    def elsewhere(self) -> bool:
        """True where another instance than that of the folder was gone to."""
        return self._instance is not None

    def switch(self, instance: str) -> None:
        """Go to another instance (id), of this space or another one."""
        self._instance = instance
        self._read_context()

    def show_state(self, state: StateRef, name: str) -> None:
        """Look at another state of the instance: Contents and Stage hear `state_changed`."""
        if state != self.context.state or name != self.context.state_name:
            self.context = msgspec.structs.replace(self.context, state=state, state_name=name)
            self._tell_where()
            for place in self.workbench.places:
                place.tell_state()

    def reread(self) -> None:
        """Read everything again, as after a change of the state by somebody else."""
        self._read_context()

    def on_state_changed(self, message: StateChanged) -> None:
        """Another process (a task, another terminal) changed the state."""
        self._read_context()

    def _where(self) -> Where:
        context = self.context
        return Where(
            space=context.space.name if context.space else "",
            instance=context.instance.name if context.instance else "",
            state=context.state_name,
            role=str(context.role) if context.role else "",
            running=sum(not task.status.ended for task in self.tasks),
            unread=len(context.messages),
            trouble="state recovered" if context.trouble else "",
        )

    def _tell_where(self) -> None:
        self.where = self._where()
        for screen in self.screen_stack:
            for header in screen.query(Header):
                header.show(self.where)

    # tasks

    def on_tasks_changed(self, message: TasksChanged) -> None:
        """A task came or went on."""
        self._look_at_tasks()

    def _look_at_tasks(self) -> None:
        def look() -> News:
            if self._board is None:
                self._board = TaskBoard(self.home)
            return self._board.look()

        # Each look in a group of its own: none is dropped, or what it alone saw ending would never be told.
        self._looks += 1
        self.jobs.start(self, look, self._tasks_read, group=f"tasks {self._looks}")

    def _tasks_read(self, news: News) -> None:
        if news.first:
            self.ended_away |= {task.id for task in news.ended}
        for task in news.ended:
            self._tell_ended(task, news.first)
        if news.tasks == self.tasks:
            return
        self.tasks = news.tasks
        running = frozenset(task.id for task in news.tasks if not task.status.ended)
        if self._watch is not None:
            self._watch.set_running(running)
        if running and self._check is None:
            self._check = self.set_interval(WORKER_CHECK, self._look_at_tasks)
        elif not running and self._check is not None:
            self._check.stop()
            self._check = None
        self._tell_where()
        for place in self.workbench.places:
            place.tell_tasks(news.tasks)
        for screen in self.screen_stack[1:]:
            if isinstance(screen, Frame):
                screen.tasks_changed(news.tasks)

    def _tell_ended(self, task: TaskView, first: bool) -> None:
        how = {TaskStatus.COMPLETED: "completed", TaskStatus.CANCELLED: "cancelled"}.get(
            task.status, "failed"
        )
        why = f": {task.error.title}" if task.error and how == "failed" else ""
        if getattr(self.screen, "task_shown", "") == task.id:
            return  # its own screen says it
        self.notify(
            f"{task.title or task.kind} {how}{why}",
            title="While you were away" if first else "",
            severity="error" if how == "failed" else "information",
            timeout=30 if first else 8,
        )
        if not first and task.user in ("", self.context.user):
            self._call_attention(f"{task.title or task.kind} {how}{why}")

    def _call_attention(self, text: str) -> None:
        """A bell or a notification of the terminal, where the user looks elsewhere."""
        from nuvtui.tui.shell import attention

        if self.app_focus and time.monotonic() - self._typed < attention.AWAY:
            return
        sequence = attention.sequence(self.settings.notify, text)
        if sequence:
            self.send(sequence)

    # telling the user

    def notify(self, message: str, *, markup: bool = False, title: str = "", **options: Any) -> None:
        """A notice in the corner. Outside text is welcome: sanitised, never taken for markup."""
        self.complete_styles()
        super().notify(sanitise.block(message), title=sanitise.line(title), markup=False, **options)
        if self.screen.is_modal:  # where the notice itself is not shown: it would cover the choices
            for footer in self.screen.query(Footer):
                footer.say(message)

    async def on_event(self, event: events.Event) -> None:
        """Keys in their turn."""
        if isinstance(event, events.Resize):
            # Also where the size is the old one again: the terminal may have cut and moved what it shows meanwhile.
            self._painter.forget()
            self.screen.refresh(layout=True)
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif not self._typed_ahead.holds(event):
            await self.give_key(event)

    async def give_key(self, event: events.Key) -> None:
        """Give a key to what has the focus; it takes away the notices that could be read."""
        self._typed = time.monotonic()
        for footer in self.screen.query(Footer):
            footer.say("")
        self.drop_notices(READ)
        target = self.focused or self.screen
        if not self.waits.key(event.key):
            await super().on_event(event)
        self._typed_ahead.given(target)

    def on_done(self, message: Done) -> None:
        """A key was carried out."""
        self._typed_ahead.done(message)

    def show_error(self, error: NuvError) -> None:
        """An error that the user has to know: what happened and what to do."""
        from nuvtui.tui.toolkit.detail import block_lines
        from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog

        if isinstance(error, NotWaitedError):
            return  # the pane says it
        if isinstance(self.screen, MessageDialog) and self.screen.title == error.title:
            return
        text: list[Line | str] = [*block_lines(error.message)]
        if error.hint:
            text += ["", *block_lines(error.hint)]
        dialog = MessageDialog(error.title, text, bad=True)
        dialog.title = error.title
        self.push_screen(dialog)

    # commands

    def chain(self) -> list[Scoped]:
        """The widgets around the focus that carry out commands, innermost first, the app last."""
        focused = self.screen.focused
        nodes: Sequence[DOMNode] = focused.ancestors_with_self if focused else [self.screen, self]
        return [node for node in nodes if isinstance(node, Scoped)]

    async def action_place(self, identifier: str) -> None:
        """Go to a place, from wherever one is."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        if identifier in [spec.id for spec in self._specs]:
            await self.workbench.show(identifier)

    async def action_next_pane(self) -> None:
        """Focus forward."""
        if isinstance(self.screen, Workbench):
            await self.screen.step(1)
        else:
            self.screen.focus_next()

    async def action_previous_pane(self) -> None:
        """Focus backward."""
        if isinstance(self.screen, Workbench):
            await self.screen.step(-1)
        else:
            self.screen.focus_previous()

    async def action_back(self) -> None:
        """One level back: within the focused thing, what is around it, the screen, then to the place before."""
        for node in self.chain():
            if node is not self and getattr(node, "go_back", lambda: False)():
                return
        if len(self.screen_stack) > 1:
            await self.pop_screen()
        elif not self.waits.leave():
            await self.workbench.show(self._specs[0].id)

    def action_palette(self) -> None:
        """All commands."""
        from nuvtui.tui.shell.palette import Entry, PaletteDialog

        entries: list[Entry] = []
        seen: set[str] = set()
        for node in self.chain():
            for command in node.commands():
                state = True if command.enabled is None else command.enabled(node)
                if command.palette and command.id not in seen:
                    seen.add(command.id)
                    entries.append(Entry(command, node, bool(state)))
        places = {spec.id for spec in self._specs}
        elsewhere = [c for c in commands.REGISTRY.commands.values() if c.scope in places and c.palette]
        entries += [Entry(command, None) for command in elsewhere if command.id not in seen]
        self.push_screen(PaletteDialog(entries), self._run_entry)

    async def _run_entry(self, entry: object) -> None:
        from nuvtui.tui.shell.palette import Entry

        if not isinstance(entry, Entry):
            if entry is not None:
                from nuvtui.tui.shell.goto import Target, go

                assert isinstance(entry, Target)
                await go(self, entry)
            return
        node: Scoped = entry.node or await self.workbench.show(entry.command.scope)
        if entry.command.enabled is not None and not entry.command.enabled(node):
            self.notify(f"{entry.command.title}: not possible here now.", severity="warning")
            return
        await self.run_action(entry.command.call or entry.command.action, node)

    def action_as_command(self) -> None:
        """The same on the command line."""
        from nuvtui.tui.shell.palette import CommandsDialog, Entry

        entries = [
            Entry(command, node)
            for node in self.chain()
            for command in node.commands()
            if command.as_command and (command.enabled is None or command.enabled(node) is not False)
        ]
        self.push_screen(CommandsDialog(entries))

    def action_help(self) -> None:
        """Help for the focus."""
        from nuvtui.tui.shell.help import HelpDialog

        self.push_screen(HelpDialog(self.chain()))

    def action_theme(self) -> None:
        """The next theme."""
        names = list(theme.THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.notify(f"Theme {self.theme}. To keep it: theme: {self.theme} in {config_file()}", timeout=8)

    def action_redraw(self) -> None:
        """Draw all again, whatever the terminal shows."""
        self._painter.forget()
        self.screen.refresh(layout=True)

    def action_log(self) -> None:
        """The program's own log."""
        from nuvtui.tui.shell.program_log import ProgramLog

        if not isinstance(self.screen, ProgramLog):
            self.push_screen(ProgramLog())

    def action_suspend(self) -> None:
        """Back to the shell."""
        self.action_suspend_process()

    # copying

    def action_copy(self) -> None:
        """Copy what the focus offers."""
        for node in self.chain():
            copy = node.copied()
            if copy is not None:
                self.copy(copy)
                return
        self.notify("Nothing here to copy.", severity="warning")

    def copy(self, copy: clipboard.Copy) -> None:
        """Copy to the terminal's clipboard and a local tool's; where it is too large, say so and name a file."""
        if copy.size is not None:
            self._copied(copy, False, False)
            return
        self.jobs.start(self, lambda: clipboard.hand_over(copy), lambda done: self._copy(*done), group="copy")

    def _copy(self, copy: clipboard.Copy, tool: bool) -> None:
        sequence = clipboard.sequence(copy.text)
        if sequence is not None:
            self.send(sequence)
        self._copied(copy, sequence is not None, tool)

    def _copied(self, copy: clipboard.Copy, terminal: bool, tool: bool) -> None:
        if terminal or tool:
            text = sanitise.line(" ".join(copy.text[:200].split()))
            start = text if len(text) <= COPIED else f"{text[:COPIED]}{self.glyphs.ellipsis}"
            self.notify(f"Copied {copy.what}: {start}", timeout=3)
            return
        size = len(copy.text.encode("utf-8", "replace")) if copy.size is None else copy.size
        if copy.file is not None:
            self._too_large(copy, size, copy.file)
            return
        self.jobs.start(
            self,
            lambda: clipboard.save(self.home.cache, copy.text),
            lambda file: self._too_large(copy, size, file),
            group="copy",
        )

    def _too_large(self, copy: clipboard.Copy, size: int, file: Path) -> None:
        from nuvtui.tui.toolkit.meter import size as bytes_text

        self.notify(
            f"{copy.what.capitalize()}: {bytes_text(size)} is too large for the clipboard. It is in {file}",
            severity="warning",
            timeout=15,
        )

    # leaving

    async def action_quit(self) -> None:
        """Textual's own way out is ours."""
        self.action_leave()

    def action_leave_now(self) -> None:
        """Ctrl+C: as `q`; a second time it leaves."""
        from nuvtui.tui.shell.quit import QuitDialog

        if isinstance(self.screen, QuitDialog):
            self.exit()
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """Leave; where tasks run, ask what becomes of them."""
        from nuvtui.tui.shell.quit import QuitDialog

        mine = [task for task in self.tasks if not task.status.ended and task.user in ("", self.context.user)]
        if mine:
            self.push_screen(QuitDialog(mine), lambda answer: self._leave(answer, mine))
        else:
            self.exit()

    def _leave(self, answer: object, running: Sequence[TaskView]) -> None:
        if answer == "leave":
            self.exit()
        elif answer == "cancel":
            home = self.home

            def cancel() -> None:
                from nuvtui.worker.lifecycle import cancel as cancel_task

                for task in running:
                    cancel_task(home, task.id)

            self.notify("Cancelling")
            self.jobs.start(self, cancel, lambda _: self.exit(), group="cancel")

    def on_unmount(self) -> None:
        """No more looking."""
        if self._watch is not None:
            self._watch.stop()
            remember_visit(self.home)

    def told_of_fault(self) -> "Text":
        """A sentence for the user; all of the fault goes into the log."""
        from rich.text import Text

        from nuvtui import logfile

        error = sys.exc_info()[1]
        where = logfile.fault(self.home, error) if error is not None else None
        told = (
            f"The details are at the end of {where}"
            if where is not None
            else f"The details could not be written to {logfile.path(self.home)}"
        )
        message = (
            f"nuvtui met an unexpected error: {type(error).__name__}: {logfile.clean(str(error))}\n{told}"
        )
        # The terminal wraps, not rich: a path stays one that can be copied.
        self.error_console.soft_wrap = True
        return Text(sanitise.block(message))
