"""Progress of a task on standard error: a line that is rewritten, for people; nothing for pipes."""

import os
import time
from typing import TextIO

from nuvtui import sanitise
from nuvtui.cli.output import size
from nuvtui.model.task import Event

BAR = 24
"""Cells of the bar."""


class Progress:
    """Shows events of one task. On anything but a terminal it shows warnings only."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._title = ""
        self._drawn = False
        self._last = 0.0

    def event(self, event: Event) -> None:
        """Show one event."""
        if event.type == "warning":
            self._clear()
            print(f"warning: {sanitise.line(event.what)}", file=self._stream)
        if not self._live:
            return
        if event.type == "step":
            self._title = sanitise.line(event.title)
            self._draw(self._title)
        elif event.type == "progress" and time.monotonic() - self._last > 0.1:
            self._last = time.monotonic()
            self._draw(self._progress(event))

    def log(self, data: bytes) -> None:
        """Show raw output of a program, line by line, sanitised."""
        self._clear()
        text = data.decode("utf-8", "replace")
        for line in text.splitlines():
            print(sanitise.log_line(line), file=self._stream)

    def close(self) -> None:
        """Leave a clean line."""
        self._clear()

    def _progress(self, event: Event) -> str:
        def amount(count: int) -> str:
            return size(count) if event.unit == "bytes" else f"{count:,}"

        if event.total:
            full = min(BAR, BAR * event.done // event.total)
            bar = "#" * full + "-" * (BAR - full)
            return f"{self._title}  [{bar}] {amount(event.done)} of {amount(event.total)}"
        done = f"  {amount(event.done)} {event.unit if event.unit != 'bytes' else ''}" if event.done else ""
        return f"{self._title}{done}  {sanitise.line(event.what)}"

    def _draw(self, text: str) -> None:
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:
            width = 80
        self._stream.write("\r\x1b[K" + text[: width - 1])
        self._stream.flush()
        self._drawn = True

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False
