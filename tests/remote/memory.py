"""A remote in memory, which counts what it is asked."""

import threading
from collections import Counter
from collections.abc import Iterator

from nuvtui.remote.blobs import Blob, checked_key
from nuvtui.remote.failure import AbsentError


class MemoryBlobs:
    """Blobs in a dictionary."""

    url = "memory"
    conditional = True

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.calls: Counter[str] = Counter()
        self.received = 0
        self.given = 0
        self._lock = threading.Lock()

    def list(self, prefix: str) -> Iterator[Blob]:
        self.calls["list"] += 1
        with self._lock:
            found = sorted(key for key in self.blobs if key.startswith(prefix))
        return iter([Blob(key, len(self.blobs[key])) for key in found if key in self.blobs])

    def stat(self, key: str) -> Blob:
        self.calls["stat"] += 1
        return Blob(key, len(self._get(key)))

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self.calls["read"] += 1
        data = self._get(key)
        found = data[start:] if length is None else data[start : start + length]
        self.given += len(found)
        return found

    def _get(self, key: str) -> bytes:
        try:
            return self.blobs[checked_key(key)]
        except KeyError:
            raise AbsentError(self.url, key) from None

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        self.calls["put"] += 1
        with self._lock:
            if checked_key(key) in self.blobs:
                return False
            self.blobs[key] = bytes(data)
            self.received += len(data)
            return True

    def delete(self, key: str) -> None:
        self.calls["delete"] += 1
        self.blobs.pop(checked_key(key), None)

    def close(self) -> None:
        return
