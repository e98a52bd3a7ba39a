"""What every kind of remote needs around it: trying again, and keeping to a rate."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from nuvtui.remote.blobs import Blob, Blobs
from nuvtui.remote.failure import TransientError
from nuvtui.reporter import Reporter

T = TypeVar("T")

FIRST, LONGEST = 0.5, 30.0
"""Seconds before the first new try, and at most between two."""
PIECE = 0.1
"""Seconds between two looks at whether the work was cancelled."""


class Retrying:
    """Blobs whose failures that may pass are tried again, ever more slowly, for a bounded time."""

    def __init__(self, blobs: Blobs, patience: float, reporter: Reporter) -> None:
        """`patience`: seconds for which one verb is tried again."""
        self._blobs = blobs
        self._patience = patience
        self._reporter = reporter
        self._told = False
        """True while the remote is away and it was said: once for all threads, and again when it came back and went."""

    @property
    def url(self) -> str:
        """Where it is."""
        return self._blobs.url

    @property
    def conditional(self) -> bool:
        """As the kind says."""
        return self._blobs.conditional

    def _again(self, verb: Callable[[], T]) -> T:
        end = time.monotonic() + self._patience
        wait = FIRST
        while True:
            try:
                done = verb()
                self._told = False
                return done
            except TransientError as error:
                pause = min(max(wait * random.uniform(0.5, 1.0), error.wait), 300.0)  # noqa: S311 - no secret
                if time.monotonic() + pause > end:
                    raise
                if not self._told:
                    self._told = True
                    self._reporter.warning(f"{error}. Trying again.")
                until = time.monotonic() + pause
                while (left := until - time.monotonic()) > 0:
                    self._reporter.check()
                    time.sleep(min(PIECE, left))
                wait = min(wait * 2, LONGEST)

    def list(self, prefix: str) -> Iterator[Blob]:
        """As the kind's, read whole: half a listing is none."""
        return iter(self._again(lambda: list(self._blobs.list(prefix))))

    def stat(self, key: str) -> Blob:
        """As the kind's."""
        return self._again(lambda: self._blobs.stat(key))

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """As the kind's."""
        return self._again(lambda: self._blobs.read(key, start, length))

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """As the kind's; tried again after an answer was lost, False may mean that the first try came through."""
        return self._again(lambda: self._blobs.put_if_absent(key, data))

    def delete(self, key: str) -> None:
        """As the kind's."""
        self._again(lambda: self._blobs.delete(key))

    def close(self) -> None:
        """As the kind's."""
        self._blobs.close()


class Rate:
    """So many bytes a second, for all threads together."""

    def __init__(self, limit: float, check: Callable[[], None]) -> None:
        """`check` raises where the work was cancelled."""
        self._limit = limit
        self._check = check
        self._free = 0.0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Wait until `count` bytes may go."""
        if not self._limit:
            return
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now) + count / self._limit
            until = self._free
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(PIECE, left))


class Limited:
    """Blobs that keep to a rate each way."""

    def __init__(self, blobs: Blobs, up: Rate, down: Rate) -> None:
        self._blobs = blobs
        self._up = up
        self._down = down

    @property
    def url(self) -> str:
        """Where it is."""
        return self._blobs.url

    @property
    def conditional(self) -> bool:
        """As the kind says."""
        return self._blobs.conditional

    def list(self, prefix: str) -> Iterator[Blob]:
        """As the kind's."""
        return self._blobs.list(prefix)

    def stat(self, key: str) -> Blob:
        """As the kind's."""
        return self._blobs.stat(key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """As the kind's; what came is paid for afterwards."""
        data = self._blobs.read(key, start, length)
        self._down.take(len(data))
        return data

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """As the kind's."""
        self._up.take(len(data))
        return self._blobs.put_if_absent(key, data)

    def delete(self, key: str) -> None:
        """As the kind's."""
        self._blobs.delete(key)

    def close(self) -> None:
        """As the kind's."""
        self._blobs.close()
