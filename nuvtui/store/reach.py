"""What the manifests reach: the objects that snapshots need.

Nothing is ever taken for absent because it could not be read: whatever cannot be read raises, unless its snapshot
was deleted meanwhile.
"""

import contextlib
from collections.abc import Callable, Iterator

from nuvtui.errors import NuvError
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Reporter
from nuvtui.store import trees
from nuvtui.store.store import Store


@contextlib.contextmanager
def unless_deleted(store: Store, snapshot_id: str) -> Iterator[None]:
    """Whatever fails inside because the snapshot was deleted meanwhile is no error: it counts as never there."""
    try:
        yield
    except NuvError:
        if store.has_manifest(snapshot_id):
            raise


def each_snapshot(store: Store, look: Callable[[Snapshot], None]) -> None:
    """Give every snapshot to `look`. Raises NuvError at the first that is there and cannot be read, as `look` does."""
    for snapshot_id in store.manifest_ids():
        with unless_deleted(store, snapshot_id):
            look(store.read_manifest(snapshot_id))


def needed(store: Store, reporter: Reporter) -> set[bytes]:
    """Ids of every object that the snapshots need. Raises StoreError at the first that cannot be read."""
    reached: set[bytes] = set()
    seen: set[bytes] = set()

    def look(snapshot: Snapshot) -> None:
        reporter.check()
        reached.update(objects(store, snapshot, seen))

    each_snapshot(store, look)
    return reached


def objects(store: Store, snapshot: Snapshot, seen: set[bytes]) -> Iterator[bytes]:
    """Ids of the objects that `snapshot` needs, but for trees in `seen` and what is below; its trees are added there."""
    for table in snapshot.tables:
        yield from (bytes.fromhex(text) for text in table.content)
    stack = [bytes.fromhex(snapshot.files.root)]
    while stack:
        tree_id = stack.pop()
        if tree_id in seen:
            continue
        seen.add(tree_id)
        yield tree_id
        for entry in store.tree(tree_id):
            if entry.kind == FOLDER:
                stack += entry.content
            else:
                yield from entry.content


def not_in(store: Store, snapshot: Snapshot, beside: Snapshot | None) -> set[bytes]:
    """Ids of the objects of `snapshot` that may not be in `beside`: equal folders are not opened."""
    if beside is None:
        return set(objects(store, snapshot, set()))
    found = {bytes.fromhex(text) for table in snapshot.tables for text in table.content}
    found.add(bytes.fromhex(snapshot.files.root))
    for _, old, new in trees.differences(
        store.tree, bytes.fromhex(beside.files.root), store.tree, bytes.fromhex(snapshot.files.root)
    ):
        if new is not None:
            found.update(set(new.content).difference(old.content if old is not None else ()))
    return found
