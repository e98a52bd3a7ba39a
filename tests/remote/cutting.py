"""A remote whose calls are cut off: as a process that is killed, or a line that breaks."""

import threading
from collections.abc import Iterator
from typing import Literal

from nuvtui.remote.blobs import Blob, Blobs
from nuvtui.remote.failure import RemoteError

Moment = Literal["before", "after"]


class CutOff(RemoteError):
    """The call that was cut, and every one after it."""


class CuttingBlobs:
    """The blobs of `inner`; the call number `at` fails, before or after it had its effect, and all later ones do."""

    conditional = True

    def __init__(self, inner: Blobs, at: int = 0, moment: Moment = "before") -> None:
        self.inner = inner
        self.at = at
        self.moment = moment
        self.calls = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.inner.url

    def _due(self) -> bool:
        """True for the call that is to have its effect and to fail all the same."""
        with self._lock:
            self.calls += 1
            number = self.calls
        if self.at and (number > self.at or (number == self.at and self.moment == "before")):
            raise CutOff("cut off")
        return number == self.at

    def list(self, prefix: str) -> Iterator[Blob]:
        self._due()
        return self.inner.list(prefix)

    def stat(self, key: str) -> Blob:
        self._due()
        return self.inner.stat(key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self._due()
        return self.inner.read(key, start, length)

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        due = self._due()
        done = self.inner.put_if_absent(key, data)
        if due:
            raise CutOff("the answer was lost")
        return done

    def delete(self, key: str) -> None:
        due = self._due()
        self.inner.delete(key)
        if due:
            raise CutOff("the answer was lost")

    def close(self) -> None:
        return
