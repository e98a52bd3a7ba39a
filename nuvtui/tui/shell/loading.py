"""Waiting, made visible: what is waited for, for how long, and the way out of it.

Whoever loads something need do nothing for it. A job that takes longer than `SHOWN_AFTER` is said in the lower
border of its pane, once a second, and only there: nothing moves while nothing is waited for. Esc leaves the wait, F5
reads again what was left.
"""

import asyncio
import time
from weakref import WeakKeyDictionary

from textual.app import App
from textual.content import Content
from textual.dom import DOMNode
from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from nuvtui import sanitise
from nuvtui.tui.common.shell import Shell
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.jobs import AbandonedError, Job, Jobs
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.lines import cut, width_of
from nuvtui.tui.toolkit.textual_private import border_note, set_border_note

SHOWN_AFTER = 0.3
"""Seconds after which a wait is said: what is quicker would only flicker."""
STEP = 1.0
"""Seconds between looks at the clock while something is waited for."""

PHRASES = {
    "context": "reading the store",
    "watch": "reading the store",
    "snapshots": "reading the snapshots of {instance}",
    "status": "comparing {instance} with its newest snapshot",
    "manifest": "reading the snapshot",
    "overview": "reading the state",
    "preview": "reading the file",
    "rest": "reading more of the file",
    "again": "reading the snapshot",
    "follow": "looking for the file in this state",
    "history": "reading the versions in all snapshots",
    "tree": "reading the folder",
    "tables": "reading the tables",
    "columns": "reading the columns",
    "rows": "reading the rows",
    "query": "asking the database",
    "applications": "reading the applications",
    "check": "checking the application",
    "compare": "comparing the states",
    "text": "comparing the texts",
    "choose": "reading the snapshots",
    "spaces": "reading the spaces",
    "instances": "reading the instances",
    "members": "reading the members",
    "remotes": "reading the remotes",
    "add-remote": "adding the remote",
    "ask-remote": "asking the remote what it holds",
    "list-remote": "asking the remote what it holds",
    "plan-remote": "looking what the remote could free",
    "sheet": "reading the keys of the remote",
    "message": "reading the message",
    "log": "reading the log",
    "palette": "looking for what can be gone to",
    "store": "adding up the store",
    "targets": "reading the instances",
    "plan": "working out what would happen",
    "choices": "reading what can be exported",
    "freed": "counting what comes free",
    "held": "reading what remotes hold",
    "changes": "comparing the states",
    "public": "looking at the registry",
    "push": "looking at the registry",
    "record": "reading the export",
    "report": "reading the report",
    "stage": "adding to the stage",
    "add": "adding to the stage",
    "remove": "removing",
    "clear": "emptying the stage",
    "begin": "making the space",
    "demo": "laying out the demo",
    "open": "opening the space",
    "new": "making it",
    "delete": "deleting",
    "rename": "renaming",
    "set": "changing the role",
    "change": "changing the table",
    "export": "writing the file",
    "exclude": "changing the application",
    "submit": "starting the task",
    "cancel": "cancelling",
    "undo": "reading the snapshot to go back to",
}
"""What is waited for, by the group of the job, where the caller does not say it."""
SILENT = frozenset(
    {"preflight", "outlook", "colours", "facts", "tasks", "look", "copy", "unique", "there", "read", "missed"}
)
"""Groups that nobody waits for, or whose screen says it itself (the form of an export)."""
CHANGES = frozenset(
    {"stage", "add", "remove", "clear", "begin", "demo", "new", "delete", "rename", "set", "change", "export"}
    | {"exclude", "submit", "cancel"}
)
"""Groups that change something: they go on, whoever waits. All else can be given up."""


def kind_of(job: Job) -> str:
    """The first word of a job's group: what kind of work it is."""
    return job.group.partition(" ")[0]


def phrase(job: Job, instance: str = "") -> str:
    """What is waited for, while `instance` is open; empty: nobody waits for it."""
    if job.waiting is not None:
        return job.waiting
    kind = kind_of(job)
    if kind in SILENT:
        return ""
    title = getattr(job.owner, "TITLE", None) or ""  # a screen that has none says None
    words = PHRASES.get(kind) or f"reading {title.lower() or 'it'}"
    return words.replace("{instance}", instance or "the instance")


class Loading:
    """Shows the waits of an app; the watcher of its jobs."""

    def __init__(self, app: Shell, jobs: Jobs) -> None:
        self._app = app
        self._jobs = jobs
        jobs.watcher = self
        self._timers: dict[Job, asyncio.TimerHandle] = {}
        self._shown: list[Job] = []
        self._panes: dict[Job, Widget] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._left: WeakKeyDictionary[Widget, list[Job]] = WeakKeyDictionary()
        """What was not waited for, by pane, until it is read again."""
        self._notes: WeakKeyDictionary[Widget, tuple[Content, Content | None]] = WeakKeyDictionary()
        """What was written into a border, and over what."""

    # from the jobs

    def began(self, job: Job) -> None:
        """Say it after a while."""
        if phrase(job):
            loop = asyncio.get_running_loop()
            self._timers[job] = loop.call_later(SHOWN_AFTER, self._show, job)
        for pane, left in list(self._left.items()):
            kept = [each for each in left if each.name != job.name]
            if len(kept) < len(left):
                self._left[pane] = kept
                self._paint(pane)

    def ended(self, job: Job) -> None:
        """Say it no more."""
        timer = self._timers.pop(job, None)
        if timer is not None:
            timer.cancel()
        pane = self._panes.pop(job, None)
        if job in self._shown:
            self._shown.remove(job)
        if pane is not None:
            self._paint(pane)

    # what is seen

    def _show(self, job: Job) -> None:
        self._timers.pop(job, None)
        pane = self._pane(job.owner)
        if pane is None:
            return
        self._shown.append(job)
        self._panes[job] = pane
        self._paint(pane)
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(STEP, self._step)

    def _step(self) -> None:
        self._tick = None
        for pane in dict.fromkeys(self._panes.values()):
            self._paint(pane)
        if self._shown:
            self._tick = asyncio.get_running_loop().call_later(STEP, self._step)

    def _pane(self, owner: DOMNode) -> Widget | None:
        """Where a wait of `owner` is said: the bordered box around it, else one on its screen."""
        if not owner.is_attached and not isinstance(owner, App):
            return None
        nodes = owner.ancestors_with_self
        boxes = [node for node in nodes if isinstance(node, Widget) and _bordered(node)]
        if boxes:
            return boxes[0]
        screen = owner if isinstance(owner, Screen) else self._app.screen
        focused = screen.focused.ancestors_with_self if screen.focused is not None else []
        around = [node for node in focused if isinstance(node, Widget) and _bordered(node)]
        others = [box for box in screen.query(Widget) if _bordered(box) and box.display]
        return next(iter([*around, *others]), None)

    def _paint(self, pane: Widget) -> None:
        if not pane.is_attached:
            return
        text = self._text(pane)
        ours, over = self._notes.get(pane, (None, None))
        now = border_note(pane)
        if now is not ours:
            over = now  # somebody wrote another note meanwhile
        if text:
            new: Content | None = Content(text)
            assert new is not None
            self._notes[pane] = (new, over)
        else:
            new = over
            self._notes.pop(pane, None)
        if (str(new) if new else "") == (str(now) if now else ""):
            if new is not None:
                set_border_note(pane, new)
            return
        set_border_note(pane, new)
        # The border alone is painted, not what is in it.
        at = pane.content_offset
        size = pane.outer_size
        pane.refresh(Region(-at.x, size.height - 1 - at.y, size.width, 1))

    def _text(self, pane: Widget) -> str:
        room = pane.outer_size.width - 6
        jobs = [job for job in self._shown if self._panes.get(job) is pane]
        if jobs:
            oldest = min(jobs, key=lambda job: job.began)
            seconds = int(time.monotonic() - oldest.began)
            tail = f", {seconds} s {self._app.glyphs.dot} {_key('app.back')} leaves it"
            here = self._app.context.instance
            words = phrase(oldest, here.name if here else "")
            return _fitted(words, tail, f", {seconds} s", room, self._app.glyphs.ellipsis)
        left = self._left.get(pane) or []
        if left:
            tail = f"; {_key('waiting.again')} reads again"
            return _fitted("not read", tail, tail, room, self._app.glyphs.ellipsis)
        return ""

    # what the user does

    def key(self, key: str) -> bool:
        """Esc leaves a wait, F5 reads again what was left: True where `key` did one of them."""
        if self._app.screen.is_modal or isinstance(self._app.screen.focused, Input):
            return False
        if key in REGISTRY.keys("app.back"):
            # A screen that can be left is left, and what it waits for with it.
            return len(self._app.screen_stack) == 1 and self.leave(around=True)
        return key in REGISTRY.keys("waiting.again") and self.again()

    def leave(self, around: bool = False) -> bool:
        """Wait no longer in the pane with the focus, else (not `around`) in another one on the screen."""
        panes = [pane for pane in dict.fromkeys(self._panes.values()) if self._visible(pane)]
        if around and self._app.screen.focused is not None:
            panes = [pane for pane in panes if self._around(pane)]
        pane = next(iter(sorted(panes, key=lambda pane: not self._around(pane))), None)
        if pane is None:
            return False
        for job in [job for job in self._shown if self._panes.get(job) is pane]:
            self._leave(job, pane)
        return True

    def _leave(self, job: Job, pane: Widget) -> None:
        if kind_of(job) in CHANGES:
            self.ended(job)  # it goes on, and says when it is done
            return
        owner = job.owner
        same = owner.abandoned(job.group) if isinstance(owner, CommandTarget) else True
        own = isinstance(owner, CommandTarget) and any("f5" in REGISTRY.keys(c.id) for c in owner.commands())
        if same or own:
            self._left.setdefault(pane, []).append(job)
        self._jobs.forget(job)
        if job.failed is not None:
            job.failed(AbandonedError("Not read", f"you did not wait: {phrase(job)}", "F5 reads again."))

    def again(self) -> bool:
        """Read again what was left in the pane with the focus, else in another one on the screen."""
        panes = [pane for pane, left in self._left.items() if left and self._visible(pane)]
        pane = next(iter(sorted(panes, key=lambda pane: not self._around(pane))), None)
        if pane is None:
            return False
        jobs = [job for job in self._left.pop(pane) if job.owner.is_attached]
        self._paint(pane)
        own = False
        for job in jobs:
            if getattr(job.owner, "_queries", None) is not None:
                own = True  # its own command asks anew
            else:
                self._jobs.run(Job(job.owner, job.call, job.done, job.group, job.failed, job.waiting))
        return not own

    def _visible(self, pane: Widget) -> bool:
        return pane.is_attached and pane.screen is self._app.screen and pane.is_on_screen

    def _around(self, pane: Widget) -> bool:
        focused = self._app.screen.focused
        return focused is not None and pane in focused.ancestors_with_self


def _bordered(widget: Widget) -> bool:
    return widget.has_class("pane") or widget.id == "dialog"


def _key(command: str) -> str:
    keys = REGISTRY.keys(command)
    return key_label(keys[0]) if keys else "the palette"


def _fitted(head: str, tail: str, short: str, room: int, ellipsis: str) -> str:
    """`head` and `tail` in `room` cells: the head is cut, and where little is left of it the tail is short."""
    head = sanitise.line(head)
    if width_of(head) + width_of(tail) > room:
        if room - width_of(tail) < 16:
            tail = short
        space = max(4, room - width_of(tail))
        if width_of(head) > space:
            head = cut(head, space - 1).rstrip() + ellipsis
    return head + tail
