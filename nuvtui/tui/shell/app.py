"""The app: panes by keys, what everybody needs to know, and the ways in and out. No feature lives here."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from textual import events
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from nuvtui import config, sanitise
from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.context import Context, read_context
from nuvtui.tui.common.feature import PaneSpec
from nuvtui.tui.common.header import Header, Where
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.common.startup_cache import StartupCache
from nuvtui.tui.shell.key_queue import Done, KeyQueue
from nuvtui.tui.shell.loading import Loading
from nuvtui.tui.shell.main_screen import MainScreen
from nuvtui.tui.shell.missed_runs import missed_runs
from nuvtui.tui.shell.registration import PANES, find
from nuvtui.tui.shell.signals import Signals
from nuvtui.tui.shell.styled_app import StyledApp
from nuvtui.tui.shell.task_poller import TaskPoller, TaskUpdate, last_visit, remember_visit
from nuvtui.tui.shell.watch import Watch
from nuvtui.tui.toolkit import clipboard
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.commands import REGISTRY, bindings
from nuvtui.tui.toolkit.footer import Footer
from nuvtui.tui.toolkit.jobs import AbandonedError, Jobs
from nuvtui.tui.toolkit.lines import Line

if TYPE_CHECKING:
    from rich.text import Text

    from nuvtui.bootstrap import Services

READ = 1.5
"""Seconds that a notice stays whatever is typed."""
SETTLED = 1.0
"""Seconds after the first frame until what the first frame does without is done: garbage, the other stylesheets."""
WORKER_CHECK = 2.0
"""Seconds between looks for workers that died, while tasks run."""


class NuvApp(StyledApp, CommandTarget, inherit_bindings=False):
    """The terminal application."""

    SCOPES = ("app",)
    HELP = "nuvtui keeps snapshots of a project, shares parts of it, and hands it over as an image."
    CSS_PATH = "shell.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "nuvtui"
    BINDINGS = bindings("app")

    def __init__(
        self,
        settings: Settings,
        start: Path,
        *,
        services: "Callable[[Settings], Services] | None" = None,
        panes: Sequence[PaneSpec] = PANES,
        signals: Signals | None = None,
        startup_cache: StartupCache | None = None,
    ) -> None:
        """`start`: the folder to begin in. `services` opens the services, in a thread, after the first frame.

        `startup_cache`: what is shown until the state is read.

        Raises NuvError (exit code 2): two commands with one key, an unknown theme.
        """
        keymap = REGISTRY.remap(settings.keys)
        self._key_queue = KeyQueue(self)
        super().__init__(settings)
        self.start = start
        self.home = config.home(settings)
        self.set_keymap(keymap)
        self.jobs = Jobs(self)
        self.loading = Loading(self, self.jobs)
        self.startup_cache = startup_cache
        self._cached = startup_cache is not None
        self.context = startup_cache.context if startup_cache else Context()
        self.tasks: list[TaskView] = []
        """All tasks, newest first."""
        self.since = ""
        """When this user last closed the screens; empty: never, or not read yet."""
        self._open_services = services
        self._services: Services | None = None
        self._first_read = True
        self._begun = False
        self._opening = threading.Lock()
        self._specs = tuple(panes)
        self._signals = signals
        self._watch: Watch | None = None
        self._poller: TaskPoller | None = None
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
        """The main screen."""
        return MainScreen(self._specs, self.complete_styles)

    @property
    def main_screen(self) -> MainScreen:
        """The screen with the panes."""
        bottom = self.screen_stack[0]
        assert isinstance(bottom, MainScreen)
        return bottom

    def on_mount(self) -> None:
        """Let signals in; everything that reads comes after the first frame."""
        if self._signals is not None:
            self._signals.attach()
        self.app_resume_signal.subscribe(self, lambda _: self.call_later(self.action_redraw))
        self.call_after_refresh(self._begin)

    @property
    def starting(self) -> bool:
        """True until the first screen has something to show: the startup cache, or what it reads at the start."""
        if not self._begun:
            return True
        return not self._cached and self.jobs.running("watch", "context", "snapshots")

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
        for pane in self.main_screen.panes:
            pane.tell_state()
        for screen in self.screen_stack[1:]:
            if isinstance(screen, BaseScreen):
                screen.state_changed()
        self.post_message(self.ContextRead(first))

    class ContextRead(Message):
        """The context was read (again). `first`: for the first time."""

        def __init__(self, first: bool) -> None:
            super().__init__()
            self.first = first

    def on_nuv_app_context_read(self) -> None:
        """Welcome the user where the folder is in no space; show messages not yet read."""
        context = self.context
        if context.space is None or context.messages or len(self.screen_stack) > 1:
            find("spaces.startup")(self, self._told)

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
            for pane in self.main_screen.panes:
                pane.tell_state()

    @property
    def current_pane(self) -> str:
        """Id of the pane that has the focus, or had it last."""
        return self.main_screen.current

    def pane(self, identifier: str) -> Pane | None:
        """A pane by its id; None: it was not shown yet."""
        return self.main_screen.pane(identifier)

    async def show_pane(self, identifier: str) -> None:
        """Go to a pane, from wherever one is."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        if identifier in [spec.id for spec in self._specs]:
            await self.main_screen.show(identifier)

    async def lay_out_panes(self) -> None:
        """Put the panes side by side, or one alone, where what they want has changed."""
        await self.main_screen.show(self.main_screen.current, focus=False)

    def route(self, route: str) -> Any:
        """What a feature offers by the name of a route."""
        return find(route)

    def open(self, route: str, *arguments: Any) -> None:
        """Show the screen that a route leads to."""
        self.push_screen(find(route)(*arguments))

    async def go(self, target: Target) -> None:
        """Go straight to a thing."""
        from nuvtui.tui.shell.navigation import go

        await go(self, target)

    def reread(self) -> None:
        """Read everything again, as after a change of the state by somebody else."""
        self._read_context()

    def on_state_changed(self) -> None:
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

    def on_tasks_changed(self) -> None:
        """A task came or went on."""
        self._look_at_tasks()

    def _look_at_tasks(self) -> None:
        def look() -> TaskUpdate:
            if self._poller is None:
                self._poller = TaskPoller(self.home)
            return self._poller.look()

        # Each look in a group of its own: none is dropped, or what it alone saw ending would never be told.
        self._looks += 1
        self.jobs.start(self, look, self._tasks_read, group=f"tasks {self._looks}")

    def _tasks_read(self, update: TaskUpdate) -> None:
        if update.first:
            self.ended_away |= {task.id for task in update.ended}
            # What cannot be read is told by who needs it.
            self.jobs.start(
                self,
                lambda: missed_runs(self.services),
                self._tell_missed,
                group="missed",
                failed=lambda _: None,
            )
        for task in update.ended:
            self._tell_ended(task, update.first)
        if update.tasks == self.tasks:
            return
        self.tasks = update.tasks
        running = frozenset(task.id for task in update.tasks if not task.status.ended)
        if self._watch is not None:
            self._watch.set_running(running)
        if running and self._check is None:
            self._check = self.set_interval(WORKER_CHECK, self._look_at_tasks)
        elif not running and self._check is not None:
            self._check.stop()
            self._check = None
        self._tell_where()
        for pane in self.main_screen.panes:
            pane.tell_tasks(update.tasks)
        for screen in self.screen_stack[1:]:
            if isinstance(screen, BaseScreen):
                screen.tasks_changed(update.tasks)

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
            self._notify_terminal(f"{task.title or task.kind} {how}{why}")

    def _tell_missed(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self.notify(sentence, title="While you were away", severity="warning", timeout=30)

    def _notify_terminal(self, text: str) -> None:
        """A bell or a notification of the terminal, where the user looks elsewhere."""
        from nuvtui.tui.shell import terminal_notification

        if self.app_focus and time.monotonic() - self._typed < terminal_notification.AWAY:
            return
        sequence = terminal_notification.sequence(self.settings.notify, text)
        if sequence:
            self.send(sequence)

    # telling the user

    def notify(self, message: str, *, title: str = "", **options: Any) -> None:
        """A notice in the corner. Outside text is welcome: sanitised, never taken for markup."""
        self.complete_styles()
        super().notify(sanitise.block(message), title=sanitise.line(title), **options | {"markup": False})
        if self.screen.is_modal:  # where the notice itself is not shown: it would cover the choices
            for footer in self.screen.query(Footer):
                footer.say(message)

    async def on_event(self, event: events.Event) -> None:
        """Keys in their turn."""
        if isinstance(event, events.Resize):
            # Also where the size is the old one again: the terminal may have cut and moved what it shows meanwhile.
            self.draw_again()
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif not self._key_queue.holds(event):
            await self.give_key(event)

    async def give_key(self, event: events.Key) -> None:
        """Give a key to what has the focus; it takes away the notices that could be read."""
        self._typed = time.monotonic()
        for footer in self.screen.query(Footer):
            footer.say("")
        self.drop_notices(READ)
        target = self.focused or self.screen
        if not self.loading.key(event.key):
            await super().on_event(event)
        self._key_queue.given(target)

    def on_done(self, message: Done) -> None:
        """A key was carried out."""
        self._key_queue.done(message)

    def show_error(self, error: NuvError) -> None:
        """An error that the user has to know: what happened and what to do."""
        from nuvtui.tui.toolkit.detail import block_lines
        from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog

        if isinstance(error, AbandonedError):
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

    def chain(self) -> list[CommandTarget]:
        """The widgets around the focus that carry out commands, innermost first, the app last."""
        focused = self.screen.focused
        nodes: Sequence[DOMNode] = focused.ancestors_with_self if focused else [self.screen, self]
        return [node for node in nodes if isinstance(node, CommandTarget)]

    async def action_pane(self, identifier: str) -> None:
        """Go to a pane, from wherever one is."""
        await self.show_pane(identifier)

    async def action_next_pane(self) -> None:
        """Focus forward."""
        if isinstance(self.screen, MainScreen):
            await self.screen.step(1)
        else:
            self.screen.focus_next()

    async def action_previous_pane(self) -> None:
        """Focus backward."""
        if isinstance(self.screen, MainScreen):
            await self.screen.step(-1)
        else:
            self.screen.focus_previous()

    async def action_back(self) -> None:
        """One level back: within the focused thing, what is around it, the screen, then to the pane before."""
        for node in self.chain():
            if node is not self and getattr(node, "go_back", lambda: False)():
                return
        if len(self.screen_stack) > 1:
            await self.pop_screen()
        elif not self.loading.leave():
            await self.main_screen.show(self._specs[0].id)

    def action_palette(self) -> None:
        """All commands."""
        from nuvtui.tui.shell.palette import PaletteDialog
        from nuvtui.tui.shell.palette_groups import entries

        self.push_screen(
            PaletteDialog(entries(self.chain(), [spec.id for spec in self._specs])), self._run_entry
        )

    async def _run_entry(self, entry: object) -> None:
        from nuvtui.tui.shell.palette_groups import Entry

        if not isinstance(entry, Entry):
            if entry is not None:
                assert isinstance(entry, Target)
                await self.go(entry)
            return
        node: CommandTarget = entry.node or await self.main_screen.show(entry.command.scope)
        if entry.command.enabled is not None and not entry.command.enabled(node):
            self.notify(f"{entry.command.title}: not possible here now.", severity="warning")
            return
        await self.run_action(entry.command.call or entry.command.action, node)

    def action_as_command(self) -> None:
        """The same on the command line."""
        from nuvtui.tui.shell.palette import CommandsDialog
        from nuvtui.tui.shell.palette_groups import with_command_lines

        self.push_screen(CommandsDialog(with_command_lines(self.chain())))

    def action_help(self) -> None:
        """Help for the focus."""
        from nuvtui.tui.shell.help import HelpDialog

        self.push_screen(HelpDialog(self.chain()))

    def action_redraw(self) -> None:
        """Draw all again, whatever the terminal shows."""
        self.draw_again()

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
        from nuvtui.tui.shell import copying

        copying.copy(self, copy, self.send)

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
        from nuvtui.tui.shell.leaving import leave

        leave(self, self.exit)

    def on_unmount(self) -> None:
        """No more looking."""
        if self._watch is not None:
            self._watch.stop()
            remember_visit(self.home)

    def told_of_fault(self) -> "Text":
        """A sentence for the user; all of the fault goes into the log."""
        from rich.text import Text

        from nuvtui.tui.shell.leaving import fault_told

        # The terminal wraps, not rich: a path stays one that can be copied.
        self.error_console.soft_wrap = True
        return Text(fault_told(self.home, sys.exc_info()[1]))
