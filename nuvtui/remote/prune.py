"""Prune: what no snapshot on a remote needs goes, in two phases.

First such packs are *condemned*: a mark under `condemned/` lists them, with the leases that were held then. From then
on no push relies on them. They go at a later prune, once the grace period is over, nobody who was writing at the time
of the mark still is, and no snapshot needs them after all. What is needed is always found out anew, from what is
listed at that moment; whatever cannot be read ends the prune before anything was removed.

Clocks decide how soon something goes, never whether it may: a push whose lease was taken away by a prune notices, and
sends again what is gone.
"""

import datetime
import itertools
import os
from collections.abc import Iterable

import msgspec

from nuvtui import clock
from nuvtui.model.remote import RemotePrune
from nuvtui.model.tree import FOLDER
from nuvtui.remote import leases
from nuvtui.remote.packing import pack_key
from nuvtui.remote.repository import Repository, bounded, versions
from nuvtui.reporter import Reporter
from nuvtui.store import index
from nuvtui.store.chunks import ZERO_ID

GRACE = 24 * 3600.0
"""Seconds between the two phases."""
LEFT = 24 * 3600.0
"""A lease that is the same after so many seconds was left behind: those that are held are renewed every few minutes."""
INDEXES = 8
"""More indexes than these are merged."""


class Mark(msgspec.Struct, frozen=True):
    """Packs that are to go."""

    created: str
    packs: list[str]
    """Ids in hex."""
    leases: list[str]
    """Keys of the leases that were held."""


def prune(repository: Repository, dry_run: bool, reporter: Reporter, grace: float = GRACE) -> RemotePrune:
    """Free what no snapshot needs, or (`dry_run`) say what would go. Raises RemoteError, Cancelled."""
    reporter.step("look", "Looking at what the remote holds")
    repository.refresh()
    held = [blob.key for blob in repository.blobs.list("leases/")]
    marks = read_marks(repository)
    reporter.step("reach", "Looking what its snapshots need")
    needed = _needed_packs(repository, reporter)
    garbage = {pack for pack in repository.packs if pack not in needed}
    now = clock.now()

    due: set[bytes] = set()
    done: list[str] = []
    waiting: set[str] = set()
    left: set[str] = set()
    for key, mark in marks.items():
        age = _seconds(mark.created, now)
        alive = {
            lease for lease in held if leases.holder(lease) in {leases.holder(each) for each in mark.leases}
        }
        gone = {lease for lease in alive if lease in mark.leases and age >= max(LEFT, grace)}
        left |= gone
        if alive - gone:
            waiting |= alive - gone
        elif age >= grace:
            due |= garbage & {bytes.fromhex(pack) for pack in mark.packs}
            done.append(key)
    condemned = {bytes.fromhex(pack) for mark in marks.values() for pack in mark.packs}
    fresh = garbage - condemned
    freed = sum(repository.packs[pack] for pack in due)
    result = RemotePrune(
        repository.name,
        dry_run,
        sum(repository.packs[pack] for pack in garbage - due),
        freed,
        len(due),
        sorted(waiting),
    )
    if dry_run:
        return result
    for lease in left:
        repository.blobs.delete(lease)
    if left and due:
        repository.refresh()
        due -= _needed_packs(repository, reporter)  # whoever held it may have committed until a moment ago
    reporter.step("free", "Freeing")
    if fresh:
        mark = Mark(now, sorted(pack.hex() for pack in fresh), held)
        repository.blobs.put_if_absent(f"condemned/{os.urandom(16).hex()}", msgspec.json.encode(mark) + b"\n")
    _rewrite_indexes(repository, due)
    for number, pack in enumerate(sorted(due)):
        reporter.progress(number, len(due), "steps")
        reporter.check()
        repository.blobs.delete(pack_key(pack))
    for key in done:
        repository.blobs.delete(key)
    _old_versions(repository)
    return result


def read_marks(repository: Repository) -> dict[str, Mark]:
    """The marks that stand; one that cannot be read condemns nothing."""
    found = {}
    for blob in bounded(repository.blobs.url, repository.blobs.list("condemned/")):
        try:
            mark = msgspec.json.decode(repository.blobs.read(blob.key), type=Mark)
            if all(len(bytes.fromhex(pack)) == 16 for pack in mark.packs) and clock.parse(mark.created):
                found[blob.key] = mark
        except ValueError:
            continue
    return found


def _seconds(before: str, now: str) -> float:
    """Seconds from `before` to `now`; negative where a clock was set back."""
    one, other = clock.parse(before), clock.parse(now)
    zone = datetime.UTC
    return (
        other.replace(tzinfo=other.tzinfo or zone) - one.replace(tzinfo=one.tzinfo or zone)
    ).total_seconds()


def _needed_packs(repository: Repository, reporter: Reporter) -> set[bytes]:
    """Every pack that holds an object that a snapshot needs. Raises RemoteError at the first that cannot be read."""
    packs: set[bytes] = set()
    seen: set[bytes] = set()

    def need(objects: Iterable[bytes]) -> None:
        for item in objects:
            if item != ZERO_ID and item not in seen:
                seen.add(item)
                packs.update(place.block.pack for place in repository.places(item))

    for snapshot in repository.snapshot_ids():
        manifest = repository.manifest(snapshot)
        need(bytes.fromhex(text) for table in manifest.tables for text in table.content)
        stack = [bytes.fromhex(manifest.files.root)]
        while stack:
            reporter.check()
            tree = stack.pop()
            if tree in seen:
                continue
            need([tree])
            for entry in repository.tree(tree):
                if entry.kind == FOLDER:
                    stack += entry.content
                else:
                    need(entry.content)
    return packs


def _rewrite_indexes(repository: Repository, gone: set[bytes]) -> None:
    """List no pack that goes; merge indexes where they are many. The new one is there before the old ones go."""
    by_keys: dict[bytes, list[index.IndexFile]] = {}
    for file, keyset in repository.indexes:
        by_keys.setdefault(keyset, []).append(file)
    for keyset, files in by_keys.items():
        stale = [file for file in files if any(pack in gone for pack, _ in file.packs)]
        merged = files if len(files) > INDEXES else stale
        if not merged or not repository.seal.writes(keyset):
            continue
        key = f"indexes/{os.urandom(16).hex()}"
        data = index.merge(merged, gone, drop=True)
        repository.blobs.put_if_absent(key, bytes(repository.seal.close(key, data)))
        for file in merged:
            repository.blobs.delete(f"indexes/{file.name.removesuffix(index.SUFFIX)}")


def _old_versions(repository: Repository) -> None:
    """Of every space the newest state is enough."""
    keys = versions(repository, "")
    for key, following in itertools.pairwise(keys):
        if key.split("/")[1] == following.split("/")[1]:
            repository.blobs.delete(key)
