"""Work outside the event loop: reads in daemon threads, their results back in the loop, errors with a home.

Not Textual's thread workers: those live in the default executor, which the interpreter waits for at its end, and a
read from a hanging disk or socket must never keep the program from leaving.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from textual.dom import DOMNode

from nuvtui.errors import NuvError

T = TypeVar("T")

SLOW = 2.0
"""Seconds from which on a job is worth a line in the program's log."""


class AbandonedError(NuvError):
    """The user did not wait for an answer (Esc): nothing to be told, but what waited has to know."""


class Home(Protocol):
    """Where errors go that the asker does not handle."""

    def show_error(self, error: NuvError) -> None:
        """Tell the user."""


@dataclass(eq=False, slots=True)
class Job:
    """One call in a thread that somebody waits for."""

    owner: DOMNode
    call: Callable[[], Any]
    done: Callable[[Any], Any]
    group: str
    failed: Callable[[NuvError], Any] | None
    waiting: str | None
    """What is waited for (`reading the snapshots of Master`); None: as the group says; empty: nobody waits."""
    began: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> tuple[int, str]:
        """Of the jobs with one name only the latest is of interest."""
        return (id(self.owner), self.group)


class Watcher(Protocol):
    """Who shows what is waited for."""

    def began(self, job: Job) -> None:
        """A job runs."""

    def ended(self, job: Job) -> None:
        """It is over, or of no interest any more."""


class Jobs:
    """The running reads of an app. All methods are for the event loop's thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.watcher: Watcher | None = None
        self._latest: dict[tuple[int, str], Job] = {}
        self._arriving: list[Job] = []
        """Their results are on their way to whoever asked."""
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
        waiting: str | None = None,
    ) -> None:
        """Run `call` in a thread, then `done` with its result in the event loop.

        Of several jobs of one owner and group only the latest one's result arrives; nothing arrives for an owner
        that is gone. A NuvError goes to `failed`, else to the user. Anything else that `call` raises is a fault of
        the program and ends it. `waiting` says what is waited for, where it takes long (see `loading`).
        """
        self.run(Job(owner, call, done, group, failed, waiting))

    def run(self, job: Job) -> None:
        """Run `job`."""
        loop = asyncio.get_running_loop()
        before = self._latest.get(job.name)
        if before is not None and self.watcher is not None:
            self.watcher.ended(before)
        self._latest[job.name] = job
        self._running += 1
        self._idle.clear()
        if self.watcher is not None:
            self.watcher.began(job)

        def work() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = job.call()
            except BaseException as problem:
                error = problem
            _note_slow(job)
            try:
                loop.call_soon_threadsafe(arrived, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        def arrived(result: Any, error: BaseException | None) -> None:
            self._running -= 1
            latest = self._latest.get(job.name) is job
            if latest:
                self.forget(job)
            if latest and job.owner.is_attached and job.owner.is_running:
                self._arriving.append(job)
                job.owner.call_next(deliver, result, error)
            elif not self._running:
                self._idle.set()

        def deliver(result: Any, error: BaseException | None) -> None:
            try:
                if error is None:
                    job.done(result)
                elif isinstance(error, NuvError):
                    (job.failed or self._home.show_error)(error)
                else:
                    raise error
            finally:
                self._arriving.remove(job)
                if not self._running:
                    self._idle.set()

        threading.Thread(target=work, name=f"nuvtui {job.group}", daemon=True).start()

    def forget(self, job: Job) -> None:
        """Nothing of `job` is to arrive any more."""
        if self._latest.get(job.name) is job:
            del self._latest[job.name]
            if self.watcher is not None:
                self.watcher.ended(job)

    def running(self, *groups: str) -> bool:
        """True while a job of one of these groups, whoever asked for it, has not come to its end."""
        arriving = [job for job in self._arriving if job.owner.is_attached]
        return any(job.group in groups for job in (*self._latest.values(), *arriving))

    async def settled(self) -> None:
        """Wait until nothing is running: for tests."""
        await self._idle.wait()


def _note_slow(job: Job) -> None:
    took = time.monotonic() - job.began
    if took >= SLOW:
        import logging

        logging.getLogger("nuvtui.jobs").info(
            "slow: %s of %s, %.1f s", job.group, type(job.owner).__name__, took
        )
