"""Work outside the event loop: reads in daemon threads, their results back in the loop, errors with a home.

Not Textual's thread workers: those live in the default executor, which the interpreter waits for at its end, and a
read from a hanging disk or socket must never keep the program from leaving.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from textual.dom import DOMNode

from nuvtui.errors import NuvError

T = TypeVar("T")


class Home(Protocol):
    """Where errors go that the asker does not handle."""

    def show_error(self, error: NuvError) -> None:
        """Tell the user."""


class Jobs:
    """The running reads of an app. All methods are for the event loop's thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._latest: dict[tuple[int, str], int] = {}
        self._number = 0
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def start(
        self,
        owner: DOMNode,
        call: Callable[[], T],
        done: Callable[[T], Any],
        *,
        group: str,
        failed: Callable[[NuvError], Any] | None = None,
    ) -> None:
        """Run `call` in a thread, then `done` with its result in the event loop.

        Of several jobs of one owner and group only the latest one's result arrives; nothing arrives for an owner
        that is gone. A NuvError goes to `failed`, else to the user. Anything else that `call` raises is a fault of
        the program and ends it.
        """
        loop = asyncio.get_running_loop()
        self._number += 1
        number = self._number
        name = (id(owner), group)
        self._latest[name] = number
        self._running += 1
        self._idle.clear()

        def work() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = call()
            except BaseException as problem:
                error = problem
            try:
                loop.call_soon_threadsafe(arrived, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        def arrived(result: Any, error: BaseException | None) -> None:
            self._running -= 1
            latest = self._latest.get(name) == number
            if latest:
                del self._latest[name]
            if latest and owner.is_attached and owner.is_running:
                owner.call_next(deliver, result, error)
            elif not self._running:
                self._idle.set()

        def deliver(result: Any, error: BaseException | None) -> None:
            try:
                if error is None:
                    done(result)
                elif isinstance(error, NuvError):
                    (failed or self._home.show_error)(error)
                else:
                    raise error
            finally:
                if not self._running:
                    self._idle.set()

        threading.Thread(target=work, name=f"nuvtui {group}", daemon=True).start()

    def running(self, *groups: str) -> bool:
        """True while a job of one of these groups, whoever asked for it, has not come to its end."""
        return any(group in groups for _, group in self._latest)

    async def settled(self) -> None:
        """Wait until nothing is running: for tests."""
        await self._idle.wait()
