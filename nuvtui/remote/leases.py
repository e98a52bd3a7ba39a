"""Leases: that somebody is writing to a remote. Only prune looks at them.

A lease's key is its holder's random id and a count: renewed, it gets a new key, and the one before goes. A holder
that is gone leaves one that stays as it is.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from nuvtui.remote.blobs import Blobs
from nuvtui.remote.failure import RemoteError

RENEWED = 300.0
"""Seconds after which a lease is renewed."""


class Lease:
    """A lease that is held; made by `held`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._holder = os.urandom(8).hex()
        self._count = 0
        self._renewed = 0.0
        self._taken = False
        self._lock = threading.Lock()
        self.renew()

    @property
    def key(self) -> str:
        """The key of the blob."""
        return f"leases/{self._holder}{self._count:016x}"

    def renew(self) -> None:
        """Say again that the work goes on, where that was not said for a while. Cheap to call often.

        The new key is there before it is asked whether the one before still is: whoever takes that one away either is
        noticed, or finds the new one when he looks again.
        """
        with self._lock:
            if time.monotonic() - self._renewed < RENEWED and self._count:
                return
            before = self.key if self._count else None
            self._count += 1
            self._blobs.put_if_absent(self.key, b"{}\n")
            self._renewed = time.monotonic()
            if before is not None:
                self._taken = self._taken or not _is_there(self._blobs, before)
                self._blobs.delete(before)

    def stands(self) -> bool:
        """True where nobody took the lease for one that was left behind."""
        return not self._taken and _is_there(self._blobs, self.key)

    def end(self) -> None:
        """Give it up; a remote that cannot be reached keeps it, which costs prune time and nothing else."""
        with contextlib.suppress(RemoteError):
            self._blobs.delete(self.key)


def _is_there(blobs: Blobs, key: str) -> bool:
    return any(blob.key == key for blob in blobs.list(key))


@contextlib.contextmanager
def held(blobs: Blobs) -> Iterator[Lease]:
    """A lease for as long as the block runs. Raises RemoteError where it cannot be written."""
    lease = Lease(blobs)
    try:
        yield lease
    finally:
        lease.end()


def holder(key: str) -> str:
    """Who holds the lease with this key."""
    return key.partition("/")[2][:16]
