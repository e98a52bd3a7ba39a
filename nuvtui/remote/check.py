"""Check of a remote: is all there that its snapshots need, and are its bytes what they should be?"""

from nuvtui.errors import NuvError
from nuvtui.model.maintenance import Problem
from nuvtui.model.names import path_to_text
from nuvtui.model.remote import RemoteCheck
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.tree import FOLDER
from nuvtui.remote.parallel import streamed
from nuvtui.remote.repository import Repository
from nuvtui.reporter import Reporter
from nuvtui.store.chunks import ZERO_ID

PATHS = 20
"""Paths that are named of one problem."""


def check(repository: Repository, read_data: bool, reporter: Reporter) -> RemoteCheck:
    """What is wrong on a remote; `read_data`: every object of every snapshot is read and compared with its id.

    Trees are always read: what a snapshot needs is told by them. Raises Cancelled, RemoteError where it cannot be listed.
    """
    reporter.step("look", "Looking at what the remote holds")
    repository.refresh()
    found = _Check(repository, read_data, reporter)
    ids = repository.snapshot_ids()
    reporter.step("check", "Checking")
    for number, snapshot in enumerate(ids):
        reporter.progress(number, len(ids), "steps")
        found.snapshot(snapshot)
    return RemoteCheck(
        repository.name,
        len(ids),
        len(repository.packs),
        len(found.seen),
        found.read,
        list(found.problems.values()),
    )


class _Check:
    """What was seen so far."""

    def __init__(self, repository: Repository, read_data: bool, reporter: Reporter) -> None:
        self._repository = repository
        self._read_data = read_data
        self._reporter = reporter
        self._sizes = {pack: size for file, _ in repository.indexes for pack, size in file.packs}
        self.seen: dict[bytes, str] = {}
        """Object to what is wrong with it; empty: nothing."""
        self.read = 0
        self.problems: dict[str, Problem] = {}

    def snapshot(self, snapshot: str) -> None:
        """Look at one snapshot."""
        self._reporter.check()
        try:
            manifest = self._repository.fresh_manifest(snapshot)
        except NuvError as error:
            self.problems[snapshot] = Problem(f"snapshot {snapshot}", str(error), [snapshot], [])
            return
        self._tables(manifest)
        stack = [("", bytes.fromhex(manifest.files.root))]
        while stack:
            self._reporter.check()
            path, tree = stack.pop()
            self._objects(manifest, [(path or "/", tree)])
            if self.seen[tree]:
                continue
            try:
                entries = self._repository.tree(tree)
            except NuvError as error:
                self.seen[tree] = str(error)
                self._told(manifest, path or "/", tree)
                continue
            content: list[tuple[str, bytes]] = []
            for entry in entries:
                name = path_to_text(f"{path}/{entry.name.decode('utf-8', 'surrogateescape')}".lstrip("/"))
                if entry.kind == FOLDER:
                    stack += [(name, item) for item in entry.content]
                else:
                    content += [(name, item) for item in entry.content]
            self._objects(manifest, content)

    def _tables(self, manifest: Snapshot) -> None:
        self._objects(
            manifest,
            [
                (f"table {table.name}", bytes.fromhex(text))
                for table in manifest.tables
                for text in table.content
            ],
        )

    def _objects(self, manifest: Snapshot, content: list[tuple[str, bytes]]) -> None:
        new = list(dict.fromkeys(item for _, item in content if item not in self.seen))
        verdicts = streamed(self._verdict, new, 4) if self._read_data else map(self._verdict, new)
        for item, (problem, size) in zip(new, verdicts, strict=True):
            self.seen[item] = problem
            self.read += size
        for path, item in content:
            if self.seen[item]:
                self._told(manifest, path, item)

    def _verdict(self, item: bytes) -> tuple[str, int]:
        """What is wrong with an object (empty: nothing), and how many bytes of it were read."""
        if item == ZERO_ID:
            return "", 0
        place = self._repository.place(item)
        if place is None:
            return "it is withheld: no index lists it in a pack that is there", 0
        if self._repository.lost(place.block.pack, self._sizes[place.block.pack]):
            return f"its pack {place.block.pack.hex()} is not there in full length", 0
        if not self._read_data:
            return "", 0
        try:
            return "", len(self._repository.read(item))
        except NuvError as error:
            return str(error), 0

    def _told(self, manifest: Snapshot, path: str, item: bytes) -> None:
        known = self.problems.get(item.hex())
        if known is None:
            known = Problem(f"object {item.hex()[:16]}", self.seen[item], [], [])
            self.problems[item.hex()] = known
        if manifest.id not in known.snapshots:
            known.snapshots.append(manifest.id)
        if path not in known.paths and len(known.paths) < PATHS:
            known.paths.append(path)
