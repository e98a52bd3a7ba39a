"""The narrow way in which long work tells what it does and learns that it should stop."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

Unit = Literal["", "bytes", "files", "rows", "steps"]


class Reporter(Protocol):
    """What a use case may say while it works. Every method is cheap and safe to call often."""

    def step(self, name: str, title: str) -> None:
        """Begin a step (and end the one before). `name` is stable, `title` for people."""

    def progress(self, done: int, total: int | None, unit: Unit, what: str = "") -> None:
        """How far the step is; `total` None where unknown. Called as often as it likes: throttled inside."""

    def warning(self, sentence: str) -> None:
        """Something the user has to know although the work goes on."""

    def log(self, data: bytes) -> None:
        """Raw output of a program, appended to `build.log`."""

    def check(self) -> None:
        """Raise `errors.Cancelled` where the user asked to stop."""

    def on_cancel(self, stop: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Within the context, a cancel calls `stop` at once (say, to close a socket that is waited on).

        `stop` runs in a signal handler: it must not block or raise.
        """


class Silent:
    """A reporter that says nothing and is never cancelled."""

    def step(self, name: str, title: str) -> None:
        return

    def progress(self, done: int, total: int | None, unit: Unit, what: str = "") -> None:
        return

    def warning(self, sentence: str) -> None:
        return

    def log(self, data: bytes) -> None:
        return

    def check(self) -> None:
        return

    @contextlib.contextmanager
    def on_cancel(self, stop: Callable[[], None]) -> Iterator[None]:
        yield
