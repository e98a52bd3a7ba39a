"""Prune: what no snapshot on a remote needs goes, in two phases.

First such packs are *condemned*: a mark under `condemned/` lists them. From then on no push relies on them. Once the
mark is there, the leases that are held are added to it: whoever takes one later sees the mark. The packs go at a later
prune, once the grace period is over, nobody who was writing at the time of the mark still is, and no snapshot needs
them after all. What is needed is always found out anew, from what is listed at that moment; whatever cannot be read
ends the prune before anything was removed.

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
from nuvtui.remote.failure import AbsentError
from nuvtui.remote.packing import pack_key
from nuvtui.remote.repository import Repository, bounded, versions, withheld
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
    leases: list[str] | None
    """Keys of the leases that were held when the mark was there; None: not looked at yet, nothing goes by it."""

    @property
    def ids(self) -> frozenset[bytes]:
        """Ids of the packs."""
        return frozenset(bytes.fromhex(pack) for pack in self.packs)


def prune(repository: Repository, dry_run: bool, reporter: Reporter, grace: float = GRACE) -> RemotePrune:
    """Free what no snapshot needs, or (`dry_run`) say what would go. Raises RemoteError, Cancelled."""
    reporter.step("look", "Looking at what the remote holds")
    # Whoever is not in `held` is done, and what it made visible is in the snapshots, or has seen the marks.
    held = _held(repository)
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
        if mark.leases is None:
            continue
        age = _seconds(mark.created, now)
        holders = {leases.holder(each) for each in mark.leases}
        alive = {lease for lease in held if leases.holder(lease) in holders}
        gone = {lease for lease in alive if lease in mark.leases and age >= max(LEFT, grace)}
        left |= gone
        if alive - gone:
            waiting |= alive - gone
        elif age >= grace:
            due |= garbage & mark.ids
            done.append(key)
    condemned = {pack for mark in marks.values() for pack in mark.ids}
    fresh = garbage - condemned
    if left and not dry_run:
        for lease in left:
            repository.blobs.delete(lease)
        back = {leases.holder(each) for each in _held(repository)} & {leases.holder(each) for each in left}
        # Whoever held it may have committed until a moment ago; who renewed it meanwhile is alive.
        due = set() if back else due - _needed_packs(repository, reporter)
        done = [] if back else done
    result = RemotePrune(
        repository.name,
        dry_run,
        sum(repository.packs.get(pack, 0) for pack in garbage - due),
        sum(repository.packs.get(pack, 0) for pack in due),
        len(due),
        sorted(waiting),
    )
    if dry_run:
        return result
    reporter.step("free", "Freeing")
    if fresh:
        key = f"condemned/{os.urandom(16).hex()}"
        mark = Mark(now, sorted(pack.hex() for pack in fresh), None)
        repository.blobs.put_if_absent(key, msgspec.json.encode(mark) + b"\n")
        marks[key] = mark
    writing = _held(repository)
    for key, mark in marks.items():
        if mark.leases is None:
            whole = msgspec.structs.replace(mark, created=now, leases=writing)
            repository.blobs.put_if_absent(
                f"condemned/{os.urandom(16).hex()}", msgspec.json.encode(whole) + b"\n"
            )
            repository.blobs.delete(key)
    _rewrite_indexes(repository, due, condemned | fresh, bool(writing))
    for number, pack in enumerate(sorted(due)):
        reporter.progress(number, len(due), "steps")
        reporter.check()
        repository.blobs.delete(pack_key(pack))
    for key in done:
        repository.blobs.delete(key)
    _old_versions(repository)
    return result


def _held(repository: Repository) -> list[str]:
    return [blob.key for blob in bounded(repository.blobs.url, repository.blobs.list("leases/"))]


def read_marks(repository: Repository) -> dict[str, Mark]:
    """The marks that stand; one that cannot be read condemns nothing."""
    found = {}
    for blob in bounded(repository.blobs.url, repository.blobs.list("condemned/")):
        try:
            mark = msgspec.json.decode(repository.blobs.read(blob.key), type=Mark)
            if all(len(pack) == 16 for pack in mark.ids) and clock.parse(mark.created):
                found[blob.key] = mark
        except (ValueError, AbsentError):  # absent: a prune was done with it a moment ago
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
    """Every pack that holds an object that a snapshot needs. Raises RemoteError at the first that cannot be read.

    The snapshots are listed first: what they need was there before them, and is in the indexes that are listed next.
    """
    snapshots = repository.snapshot_ids()
    repository.refresh()
    packs: set[bytes] = set()
    seen: set[bytes] = set()

    def need(objects: Iterable[bytes]) -> None:
        for item in objects:
            if item != ZERO_ID and item not in seen:
                seen.add(item)
                places = {place.block.pack for place in repository.places(item)}
                if not places:
                    raise withheld(repository.blobs.url, item)
                packs.update(places)

    for snapshot in snapshots:
        manifest = repository.manifest_if_there(snapshot)
        if manifest is None:
            continue
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


def _rewrite_indexes(repository: Repository, due: set[bytes], condemned: set[bytes], writing: bool) -> None:
    """List no pack that goes; merge indexes where they are many. The new one is there before the old ones go.

    A merged index lists an object once. While somebody is `writing`, who may count on the other copy, none are merged;
    and a copy in a pack that is condemned, or not there, is left out where there is a better one.
    """
    poor = condemned | {
        pack for file, _ in repository.indexes for pack, _ in file.packs if pack not in repository.packs
    }
    by_keys: dict[bytes, list[index.IndexFile]] = {}
    for file, keyset in repository.indexes:
        by_keys.setdefault(keyset, []).append(file)
    for keyset, files in by_keys.items():
        if not repository.seal.writes(keyset):
            continue
        stale = [file for file in files if any(pack in due for pack, _ in file.packs)]
        groups = [files] if len(files) > INDEXES and not writing else [[file] for file in stale]
        for group in groups:
            key = f"indexes/{os.urandom(16).hex()}"
            data = index.merge(group, poor, due)
            repository.blobs.put_if_absent(key, bytes(repository.seal.close(key, data)))
            for file in group:
                repository.blobs.delete(f"indexes/{file.name.removesuffix(index.SUFFIX)}")


def _old_versions(repository: Repository) -> None:
    """Of every space the newest state is enough."""
    keys = versions(repository, "")
    for key, following in itertools.pairwise(keys):
        if key.split("/")[1] == following.split("/")[1]:
            repository.blobs.delete(key)
