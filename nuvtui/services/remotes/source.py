"""What the remotes of a store hold, as a source of what is not here (`store.partial`)."""

import contextlib
import threading
from typing import TYPE_CHECKING, Protocol

from nuvtui.errors import Exit, NuvError
from nuvtui.model.remote import RemoteRecord
from nuvtui.model.snapshot import Snapshot
from nuvtui.reporter import Reporter, Silent

if TYPE_CHECKING:
    from nuvtui.remote.repository import Repository


class Opener(Protocol):
    """What opens remotes."""

    def held(self) -> dict[str, list[str]]:
        """Snapshot to the names of the remotes that hold it."""

    def find(self, name: str) -> RemoteRecord:
        """The remote with a name."""

    def opened(
        self, record: RemoteRecord, reporter: Reporter, *, writing: bool = False, patient: bool = True
    ) -> "contextlib.AbstractContextManager[Repository]":
        """The remote, opened."""


class RemoteSource:
    """Reads from the remotes that hold what is asked for. They stay open as long as the process: for several threads."""

    def __init__(self, remotes: Opener) -> None:
        self._remotes = remotes
        self._open: dict[str, Repository] = {}
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()

    def _repository(self, name: str) -> "Repository":
        with self._lock:
            found = self._open.get(name)
            if found is None:
                record = self._remotes.find(name)
                found = self._stack.enter_context(self._remotes.opened(record, Silent(), patient=False))
                found.refresh()
                self._open[name] = found
            return found

    def manifest(self, snapshot: str) -> Snapshot:
        """From the first remote that is known to hold it, and answers."""
        problem: NuvError | None = None
        for name in self._remotes.held().get(snapshot, []):
            try:
                return self._repository(name).manifest(snapshot)
            except NuvError as error:
                problem = problem or error
        if problem is not None:
            raise NuvError(
                f"Snapshot {snapshot[:8]} is not here", str(problem), problem.hint, problem.exit_code
            ) from problem
        raise NuvError(
            f"Snapshot {snapshot} has no manifest",
            "neither this store nor a remote that was listed holds it",
            "`nuvtui remotes show NAME` asks a remote what it holds.",
            Exit.NOT_FOUND,
        )

    def _holder(self, object_id: bytes) -> "Repository":
        """A remote that holds the object: one that is open first."""
        others = sorted(
            {name for names in self._remotes.held().values() for name in names} - self._open.keys()
        )
        for name in [*self._open, *others]:
            repository = self._repository(name)
            if repository.has(object_id):
                return repository
        raise NuvError(
            f"Object {object_id.hex()[:16]} is missing",
            "neither this store nor any of its remotes holds it",
            "Run `nuvtui store check`, and `nuvtui remotes check`.",
        )

    def read(self, object_id: bytes) -> bytes:
        """An object, checked against its id."""
        return self._holder(object_id).read(object_id)

    def length(self, object_id: bytes) -> int:
        """The length of an object."""
        return self._holder(object_id).length(object_id)
