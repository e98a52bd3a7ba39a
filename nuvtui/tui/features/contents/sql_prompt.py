"""The line in which SQL is asked: Enter runs, Up and Down bring back what was asked before."""

from textual import events
from textual.message import Message
from textual.widgets import Input

KEPT = 100
"""Statements that are remembered until the end."""


class SqlPrompt(Input):
    """One statement. What was asked is remembered as long as the program runs."""

    class Run(Message):
        """Enter: run the statement."""

        def __init__(self, sql: str) -> None:
            super().__init__()
            self.sql = sql

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="SELECT … FROM …", compact=True, select_on_focus=False, id=id)
        self.cursor_blink = False
        self.asked: list[str] = []
        """Statements, the oldest first."""
        self._at = 0
        self._draft = ""

    def ask(self, sql: str) -> None:
        """Put a statement in, the cursor at its end."""
        self.value = sql
        self.cursor_position = len(sql)
        self._at = len(self.asked)

    def on_key(self, event: events.Key) -> None:
        """Run, or go through what was asked."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            sql = self.value.strip()
            if sql:
                if sql in self.asked:
                    self.asked.remove(sql)
                self.asked = [*self.asked, sql][-KEPT:]
                self._at = len(self.asked)
                self.post_message(self.Run(sql))
        elif event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            self._step(-1 if event.key == "up" else 1)

    def _step(self, step: int) -> None:
        at = self._at + step
        while 0 <= at < len(self.asked) and self.asked[at] == self.value:
            at += step  # it would look as if nothing happened
        if not 0 <= at <= len(self.asked):
            return
        if self._at == len(self.asked) or self.value != self.asked[self._at]:
            self._draft = self.value
        sql = self._draft if at == len(self.asked) else self.asked[at]
        self.ask(sql)
        self._at = at
