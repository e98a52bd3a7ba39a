"""The list of the Timeline: a `LineList` whose filter knows terms and looks into closed groups."""

import datetime

from textual import events
from textual.widget import Widget

from nuvtui.model.snapshot_filter import FilterError, parse
from nuvtui.tui.features.timeline.rows import States
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.tui.toolkit.prompt import Prompt

HINT = line(
    ("words, and  ", "muted"),
    "name: author: kind: before: after: on:",
    ("  after:7d on:2026-03-01", "muted"),
)


class TermsPrompt(Prompt):
    """The prompt, with a line beneath that names the terms, or says what is wrong with one."""

    def __init__(self, target: "StatesList", value: str) -> None:
        super().__init__(target, "filter snapshots", value)
        self._states = target
        self._hint = DetailPane([HINT], id="filter-hint", can_focus=False)

    async def open(self) -> None:
        """Show both."""
        await super().open()
        if isinstance(self.parent, Widget):
            await self.parent.mount(self._hint, after=self)
        self.say()

    def say(self) -> None:
        """Show what is wrong, or the terms."""
        problem = self._states.problem
        said: Line = line((problem, "warn")) if problem else HINT
        if self._hint.is_attached:
            self._hint.show([said])

    def on_key(self, event: events.Key) -> None:
        """A filter that cannot be understood is not left with Enter: it says why."""
        if event.key == "enter" and self._states.check(self.value):
            event.stop()
            event.prevent_default()
            self.say()

    def on_unmount(self) -> None:
        """The hint goes with the prompt."""
        if self._hint.is_attached:
            self._hint.remove()


class StatesList(LineList):
    """The states of an instance."""

    problem = ""
    """What is wrong with the filter as it is typed; the rest of it is in force."""

    def check(self, text: str) -> str:
        """What is wrong with a filter; empty: nothing."""
        try:
            parse(text, datetime.datetime.now().astimezone())
        except FilterError as error:
            return str(error)
        return ""

    async def action_filter(self) -> None:
        """Ask for the filter."""
        if self._prompt is None or not self._prompt.is_attached:
            self._prompt = TermsPrompt(self, self.filter)
            await self._prompt.open()

    def set_filter(self, text: str, keep: bool = False) -> None:
        """Show the snapshots that pass, those of closed groups too; a term that cannot be understood is left out."""
        self.problem = self.check(text)
        if isinstance(self._prompt, TermsPrompt):
            self._prompt.say()
        states = self.source
        if not isinstance(states, States):
            super().set_filter(text, keep)
            return
        if text.strip() and not states.flat:
            states.flat = True
            states.arrange()
        super().set_filter(text, keep)
        if not text.strip() and states.flat:
            key = self.current_key
            states.flat = False
            states.arrange()
            self.reread(states.visible_key(key) if key is not None else None)

    def action_mark(self) -> None:
        """Toggle the mark; that of a group is its snapshots'."""
        super().action_mark()
        if isinstance(self.source, States) and self.source.groups:
            self.refresh_changed()

    def _nothing(self) -> str:
        if self.filter and self._scan is None:
            return f"Nothing on this timeline passes “{self.filter}”. Esc shows all again."
        return super()._nothing()
