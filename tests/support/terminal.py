"""A program in a pseudo-terminal, with the screen that a person at the other end would see."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte

from tests.support.keys import encoded
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Cost:
    """What came back for one key."""

    bytes: int
    first_ms: float | None
    """Milliseconds until the first byte; None: nothing came."""
    last_ms: float | None
    """Milliseconds until the last byte of the repaint."""


class Terminal:
    """A pseudo-terminal with a running program. Its screen moves only while a method here waits."""

    def __init__(
        self,
        command: Sequence[str | Path],
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start `command`; `environment` comes on top of the test's own."""
        self.columns, self.rows = columns, rows
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.received = 0
        """Bytes that the program has sent so far."""
        self.raw = bytearray()
        """Everything that it has sent."""
        self.last_byte = self.started = time.perf_counter()
        self._master, slave = os.openpty()
        self._open = True
        self._set_size(columns, rows)
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.login_tty(0),
        )
        os.close(slave)

    # What the person sees.

    @property
    def lines(self) -> list[str]:
        """The lines on the screen, without the blanks at their ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(self.lines)

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        return self._screen.cursor.x, self._screen.cursor.y

    @property
    def closed(self) -> bool:
        """True once the program, or the test, has closed its side."""
        return not self._open

    # What the person does.

    def send(self, *keys: str) -> None:
        """Press `keys`: names of `keys.KEYS`, or text that is typed as it stands."""
        data = encoded(keys)
        while data:
            _, writable, _ = select.select([], [self._master], [], PATIENCE)
            if not writable:
                raise AssertionError("the program takes no keys")
            data = data[os.write(self._master, data) :]

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal."""
        self.columns, self.rows = columns, rows
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        if self._open:
            self._open = False
            os.close(self._master)

    # Waiting.

    def pump(self, seconds: float) -> bool:
        """Take what the program sends within `seconds`, at most one read. False where nothing came."""
        if not self._open:
            return False
        try:
            ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # the program has closed its side
            self.hang_up()
            return False
        if not data:
            return False
        self.last_byte = time.perf_counter()
        self.received += len(data)
        self.raw += data
        self._answer(data)
        self._stream.feed(data)
        return True

    def wait(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait until `condition` is true of the screen. Raises AssertionError with the screen."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                raise AssertionError(f"{what}: not within {seconds:g} s; the screen is\n{self.text}")
            if not self.pump(min(0.05, deadline - time.monotonic())) and not self._open and not condition():
                raise AssertionError(f"{what}: the program has ended; the screen is\n{self.text}")

    def wait_for(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until `text` stands on the screen."""
        self.wait(lambda: text in self.text, f"{text!r} on the screen", seconds)

    def wait_for_match(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the regular expression `pattern` matches on the screen. Returns the match."""
        self.wait(lambda: re.search(pattern, self.text), f"/{pattern}/ on the screen", seconds)
        found = re.search(pattern, self.text)
        assert found
        return found

    def wait_gone(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until `text` no longer stands on the screen."""
        self.wait(lambda: text not in self.text, f"{text!r} gone from the screen", seconds)

    def wait_quiet(self, quiet: float = 0.3, seconds: float = PATIENCE) -> None:
        """Wait until the program has sent nothing for `quiet` seconds."""
        deadline = time.monotonic() + seconds
        while self.pump(quiet):
            if time.monotonic() >= deadline:
                raise AssertionError(f"the program does not stop sending; the screen is\n{self.text}")

    def wait_end(self, seconds: float = PATIENCE) -> int:
        """Wait until the program has ended. Returns its exit code (negative: the signal)."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() >= deadline:
                raise AssertionError(f"the program did not end in {seconds:g} s; the screen is\n{self.text}")
            if not self.pump(0.02):
                time.sleep(0.01)
        while self.pump(0):
            pass
        return self.process.returncode

    # Measuring.

    def measure(self, *keys: str, quiet: float = 0.25) -> Cost:
        """Press `keys` and count what comes back until nothing has come for `quiet` seconds."""
        before = self.received
        start = time.perf_counter()
        self.send(*keys)
        first = None
        while self.pump(quiet):
            first = first or self.last_byte
        count = self.received - before
        if first is None:
            return Cost(0, None, None)
        return Cost(count, (first - start) * 1000, (self.last_byte - start) * 1000)

    def measure_idle(self, seconds: float) -> int:
        """Bytes that the program sends in `seconds` in which nobody does anything."""
        before = self.received
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.pump(left)
        return self.received - before

    def close(self) -> None:
        """End the program and what else is in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.hang_up()

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _answer(self, data: bytes) -> None:
        """Answer what programs ask a terminal at start, as xterm does."""
        for question, answer in ((b"\x1b[c", b"\x1b[?62;22c"), (b"\x1b[6n", b"\x1b[1;1R")):
            if question in data:
                os.write(self._master, answer)
