"""Leaving when the terminal goes away or somebody asks for it: the terminal restored, the process gone, in time.

SIGTERM and SIGHUP ask the app to end. A watchdog thread gives it `GRACE` seconds; then it restores the terminal
with its own writes, which cannot block, and ends the process: a stalled link or a stuck event loop keeps nothing
alive. A terminal that vanished without a signal (the program was started under nohup, say) is noticed by its
hang-up state; without that, reading from it would spin.
"""

import asyncio
import contextlib
import os
import select
import signal
import termios
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

GRACE = 1.5
"""Seconds that the app has to end by itself."""
LOOK = 0.5
"""Seconds between looks at the terminal."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""What asks the app to end."""

RESET = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # focus, bracketed paste, size reports
    "\x1b[?7h\x1b[?25h\x1b[0m"  # wrapping, cursor, style
)
"""Ends every mode that Textual switches on, but for the keyboard protocol and the alternate screen."""
LEAVE = "\x1b[<u\x1b[?1049l"
"""Ends those two; sent a second time it would move the cursor, so only where Textual did not."""


class Signals:
    """Handlers for as long as the app runs: `with Signals(stop) as signals: app.run()`."""

    def __init__(self, stop: Callable[[int], None], descriptor: int | None = None) -> None:
        """`stop(exit_code)` ends the app; it is called in the event loop. `descriptor`: the terminal."""
        self._stop = stop
        self._terminal = descriptor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()
        self._code: int | None = None
        self._attributes: list[Any] | None = None
        self._before: dict[int, Any] = {}

    def attach(self) -> None:
        """The event loop runs: signals reach the app from now on."""
        self._loop = asyncio.get_running_loop()
        if self._code is not None:
            self._loop.call_soon(self._stop, self._code)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handlers in place, terminal remembered; both put back at the end, the terminal whatever happened."""
        if self._terminal is not None:
            with contextlib.suppress(termios.error):
                self._attributes = termios.tcgetattr(self._terminal)
            threading.Thread(target=self._watch, name="nuvtui terminal", daemon=True).start()
        for wanted in SIGNALS:
            self._before[wanted] = signal.signal(wanted, self._handle)
        clean = False
        try:
            yield
            clean = True
        finally:
            self._ended.set()
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._restore("" if clean else LEAVE)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.leave(128 + number)

    def leave(self, code: int) -> None:
        """End the app with `code`; if it does not manage, end the process."""
        if self._code is not None:
            return
        self._code = code
        threading.Thread(target=self._end, args=(code,), name="nuvtui end", daemon=True).start()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop, code)

    def _end(self, code: int) -> None:
        if not self._ended.wait(GRACE):
            self._restore(LEAVE)
            os._exit(code)
        # The app ended; the interpreter may still hang in something's clean-up.
        threading.Event().wait(GRACE)
        os._exit(code)

    def _watch(self) -> None:
        """Look for a hang-up of the terminal now and then."""
        poll = select.poll()
        poll.register(self._terminal if self._terminal is not None else -1, 0)
        while not self._ended.wait(LOOK):
            if any(state & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, state in poll.poll(0)):
                self.leave(128 + signal.SIGHUP)
                return

    def _restore(self, leave: str) -> None:
        terminal = self._terminal
        if terminal is None:
            return
        if self._attributes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSANOW, self._attributes)
        with contextlib.suppress(OSError, ValueError):
            if select.select([], [terminal], [], 0)[1]:
                os.write(terminal, (RESET + leave).encode("ascii"))
