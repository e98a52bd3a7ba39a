"""Whatever is cut off, lost, flipped or withheld: what a remote lists can be read, or is said to be wrong."""

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import NuvError
from nuvtui.model.remote import RemoteCheck
from nuvtui.remote import config as remote_config
from nuvtui.remote import leases, packing, prune, push
from nuvtui.remote.blobs import Blobs
from nuvtui.remote.check import check
from nuvtui.remote.keys import Identities, make_identity
from nuvtui.remote.pull import pull
from nuvtui.remote.repository import Repository
from nuvtui.store import packs
from nuvtui.store.check import check as check_store
from nuvtui.store.store import Store
from tests.remote.cutting import CutOff, CuttingBlobs, Moment
from tests.remote.memory import MemoryBlobs
from tests.store.helpers import FIRST, QUIET, SECOND, new_store, take

THIRD = "3" * 16
MOMENTS: list[Moment] = ["before", "after"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Packs of a few files, so that a push has many."""
    monkeypatch.setattr(packing, "PACK", 12_000)
    monkeypatch.setattr(packs, "GROUP", 8_000)
    monkeypatch.setattr(push, "GROUP", 8_000)
    monkeypatch.setattr(push, "INDEX_AFTER", 3)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with three snapshots."""
    store = new_store(tmp_path / "home")
    place = tmp_path / "workspace"
    (place / ".nuvtui").mkdir(parents=True)
    for number in range(12):
        (place / f"file {number}").write_bytes(os.urandom(6000))
    take(store, place, tmp_path / "cache", FIRST)
    (place / "file 3").write_bytes(os.urandom(9000))
    (place / "folder").mkdir()
    (place / "folder" / "new").write_bytes(b"text " * 2000)
    take(store, place, tmp_path / "cache", SECOND)
    for number in range(9):
        (place / f"file {number}").unlink()
    take(store, place, tmp_path / "cache", THIRD)
    return store


def make(blobs: MemoryBlobs, sealed: bool = False) -> None:
    remote_config.create(blobs, [make_identity()] if sealed else [])


def opened(blobs: Blobs, tmp_path: Path) -> Repository:
    config = remote_config.read(blobs)
    cache = tmp_path / f"cache {os.urandom(4).hex()}"
    return Repository("lab", blobs, config, remote_config.seal(blobs, config, Identities()), cache)


def assert_whole(blobs: MemoryBlobs, tmp_path: Path, store: Store) -> None:
    """Everything that the remote lists comes into an empty store, bit for bit."""
    repository = opened(blobs, tmp_path)
    report = check(repository, True, QUIET)
    assert report.problems == []
    ids = repository.snapshot_ids()
    empty = new_store(tmp_path / f"empty {os.urandom(4).hex()}")
    pull(repository, empty, ids, QUIET)
    assert check_store(empty, True, QUIET, ids).problems == []
    for each in ids:
        assert empty.read_manifest(each) == store.read_manifest(each)


def sweep(act: Callable[[CuttingBlobs], object], start: Callable[[], MemoryBlobs]) -> list[MemoryBlobs]:
    """What a remote is like after `act` was cut at each of its calls, before and after the effect."""
    whole = CuttingBlobs(start())
    act(whole)
    left = []
    for at in range(1, whole.calls + 1):
        for moment in MOMENTS:
            blobs = CuttingBlobs(start(), at, moment)
            try:
                act(blobs)
            except CutOff:
                pass
            else:  # nothing waits for a lease that could not be given up
                assert any(key.startswith("leases/") for key in blobs.inner.blobs) or moment == "after"
            left.append(blobs.inner)
    return left


@pytest.mark.parametrize("sealed", [False, True])
def test_a_push_that_is_cut_anywhere(store: Store, tmp_path: Path, sealed: bool) -> None:
    base = MemoryBlobs()
    make(base, sealed)

    def start() -> MemoryBlobs:
        blobs = MemoryBlobs()
        blobs.blobs = dict(base.blobs)
        return blobs

    def act(blobs: CuttingBlobs) -> object:
        return push.push(opened(blobs, tmp_path), store, [FIRST, SECOND], [], QUIET)

    whole = CuttingBlobs(start())
    act(whole)
    packs = {key: len(data) for key, data in whole.inner.blobs.items() if key.startswith("packs/")}
    assert len(packs) > 4
    for blobs in sweep(act, start):
        assert_whole(blobs, tmp_path, store)
        before = sum(len(data) for key, data in blobs.blobs.items() if key.startswith("packs/"))
        push.push(opened(blobs, tmp_path), store, [FIRST, SECOND], [], QUIET)
        after = sum(len(data) for key, data in blobs.blobs.items() if key.startswith("packs/"))
        assert before + (after - before) <= sum(packs.values()) + max(packs.values()), (
            "sent again what was there"
        )
        assert_whole(blobs, tmp_path, store)
        assert [key for key in blobs.blobs if key.startswith("snapshots/")] == [
            f"snapshots/{FIRST}",
            f"snapshots/{SECOND}",
        ]


def test_a_pull_that_is_cut_anywhere(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND], [], QUIET)
    count = CuttingBlobs(base)
    pull(opened(count, tmp_path), new_store(tmp_path / "counting"), [FIRST, SECOND], QUIET)
    for at in range(1, count.calls + 1):
        target = new_store(tmp_path / f"target {at}")
        with pytest.raises(CutOff):
            pull(opened(CuttingBlobs(base, at), tmp_path), target, [FIRST, SECOND], QUIET)
        assert check_store(target, True, QUIET, target.manifest_ids()).problems == []
        pull(opened(base, tmp_path), target, [FIRST, SECOND], QUIET)
        assert check_store(target, True, QUIET, [FIRST, SECOND]).problems == []


def test_a_prune_that_is_cut_anywhere(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND, THIRD], [], QUIET)
    base.delete(f"snapshots/{FIRST}")
    base.delete(f"snapshots/{SECOND}")
    prune.prune(opened(base, tmp_path), False, QUIET, 0)

    def start() -> MemoryBlobs:
        blobs = MemoryBlobs()
        blobs.blobs = dict(base.blobs)
        return blobs

    def act(blobs: CuttingBlobs) -> object:
        return prune.prune(opened(blobs, tmp_path), False, QUIET, 0)

    for blobs in sweep(act, start):
        assert_whole(blobs, tmp_path, store)
        for _ in range(2):
            prune.prune(opened(blobs, tmp_path), False, QUIET, 0)
        assert_whole(blobs, tmp_path, store)
        assert len([key for key in blobs.blobs if key.startswith("packs/")]) < len(
            [key for key in base.blobs if key.startswith("packs/")]
        )
        push.push(opened(blobs, tmp_path), store, [FIRST], [], QUIET)
        assert_whole(blobs, tmp_path, store)


def test_prune_leaves_what_somebody_is_about_to_need(store: Store, tmp_path: Path) -> None:
    """A push that counts on a pack which a prune condemns meanwhile: whichever comes first, nothing is lost."""
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST], [], QUIET)
    base.delete(f"snapshots/{FIRST}")

    class Meanwhile(CuttingBlobs):
        def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
            if not key.startswith(("leases/", "condemned/")):
                other = opened(self.inner, tmp_path)
                prune.prune(other, False, QUIET, 0)
            return super().put_if_absent(key, data)

    push.push(opened(Meanwhile(base), tmp_path), store, [SECOND], [], QUIET)
    assert_whole(base, tmp_path, store)
    for _ in range(3):
        prune.prune(opened(base, tmp_path), False, QUIET, 0)
    assert_whole(base, tmp_path, store)


def test_a_push_whose_lease_was_taken_for_dead(store: Store, tmp_path: Path) -> None:
    """A clock that jumps makes prune take a living push for one that was left: it notices, and sends again."""
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST], [], QUIET)
    base.delete(f"snapshots/{FIRST}")

    class Robbed(CuttingBlobs):
        robbed = False

        def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
            if key.startswith("indexes/") and not self.robbed:  # all was sent that seemed to be missing
                self.robbed = True
                for lease in [key for key in self.inner.blobs if key.startswith("leases/")]:
                    self.inner.delete(lease)
                for _ in range(2):
                    prune.prune(opened(self.inner, tmp_path), False, QUIET, 0)
            return super().put_if_absent(key, data)

    push.push(opened(Robbed(base), tmp_path), store, [SECOND], [], QUIET)
    assert_whole(base, tmp_path, store)


def damaged(blobs: MemoryBlobs, tmp_path: Path) -> RemoteCheck:
    return check(opened(blobs, tmp_path), True, QUIET)


@pytest.mark.parametrize("sealed", [False, True])
def test_flips_are_found_and_named(store: Store, tmp_path: Path, sealed: bool) -> None:
    base = MemoryBlobs()
    make(base, sealed)
    push.push(opened(base, tmp_path), store, [SECOND], [], QUIET)
    for key in [key for key in base.blobs if key.startswith(("packs/", "snapshots/", "indexes/"))]:
        whole = base.blobs[key]
        for at in range(len(whole) // 3, len(whole), max(1, len(whole) // 5)):
            base.blobs[key] = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
            refused: list[NuvError] = []
            try:
                report = damaged(base, tmp_path)
            except NuvError as error:
                refused.append(error)
            if refused:
                assert "is damaged" in str(refused[0])
            else:
                # A flip in what nobody reads (a pack's own headers) hurts nothing.
                for problem in report.problems:
                    assert problem.snapshots == [SECOND]
                target = new_store(tmp_path / f"t {os.urandom(4).hex()}")
                if report.problems:
                    with pytest.raises(NuvError):
                        pull(opened(base, tmp_path), target, [SECOND], QUIET)
                    assert target.manifest_ids() == []
                else:
                    pull(opened(base, tmp_path), target, [SECOND], QUIET)
                    assert check_store(target, True, QUIET, [SECOND]).problems == []
        base.blobs[key] = whole


def test_what_is_withheld_is_named_and_sent_again(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND], [], QUIET)
    for key in [key for key in base.blobs if key.startswith(("packs/", "indexes/"))]:
        blobs = MemoryBlobs()
        blobs.blobs = {name: data for name, data in base.blobs.items() if name != key}
        report = damaged(blobs, tmp_path)
        assert report.problems
        assert all(problem.snapshots and problem.paths for problem in report.problems)
        result = push.push(opened(blobs, tmp_path), store, [FIRST, SECOND], [], QUIET)
        assert result.snapshots == []
        assert_whole(blobs, tmp_path, store)


def test_a_blob_in_the_place_of_another(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND], [], QUIET)
    base.blobs[f"snapshots/{FIRST}"] = base.blobs[f"snapshots/{SECOND}"]
    with pytest.raises(NuvError, match=f"snapshots/{FIRST} on memory is damaged"):
        opened(base, tmp_path).manifest(FIRST)
    assert [problem.snapshots for problem in damaged(base, tmp_path).problems] == [[FIRST]]


def test_a_damaged_object_here_is_not_pushed(store: Store, tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    make(blobs)
    pack = max(store.home.packs.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    with pytest.raises(NuvError, match="is damaged"):
        push.push(opened(blobs, tmp_path), store, [FIRST], [], QUIET)
    assert not [key for key in blobs.blobs if key.startswith("snapshots/")]


def test_a_push_that_is_robbed_while_it_publishes(store: Store, tmp_path: Path) -> None:
    """The snapshot is visible already when a prune takes what it counts on: that is sent again."""
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST], [], QUIET)
    base.delete(f"snapshots/{FIRST}")

    class Robbed(CuttingBlobs):
        robbed = False

        def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
            if not key.startswith("snapshots/") or self.robbed:
                return super().put_if_absent(key, data)
            self.robbed = True
            for lease in [key for key in self.inner.blobs if key.startswith("leases/")]:
                self.inner.delete(lease)
            for _ in range(2):
                prune.prune(opened(self.inner, tmp_path), False, QUIET, 0)
            return super().put_if_absent(key, data)

    push.push(opened(Robbed(base), tmp_path), store, [SECOND], [], QUIET)
    assert_whole(base, tmp_path, store)


def test_a_lease_that_was_taken_does_not_stand_when_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWED", 0.0)
    blobs = MemoryBlobs()
    with leases.held(blobs) as lease:
        lease.renew()
        assert lease.stands()
        blobs.delete(lease.key)
        lease.renew()
        assert not lease.stands()
    assert blobs.blobs == {}


def test_a_push_that_began_while_a_prune_looked(store: Store, tmp_path: Path) -> None:
    """Its lease is in the mark though it was not there when the prune began, so that nothing goes under its hands."""
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST], [], QUIET)
    base.delete(f"snapshots/{FIRST}")
    lease = []

    class Meanwhile(CuttingBlobs):
        def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
            if key.startswith("condemned/") and not lease:
                lease.append(leases.Lease(base))
            return super().put_if_absent(key, data)

    prune.prune(opened(Meanwhile(base), tmp_path), False, QUIET, 0)
    assert prune.prune(opened(base, tmp_path), False, QUIET, 0).waiting == [lease[0].key]
    lease[0].end()
    assert prune.prune(opened(base, tmp_path), False, QUIET, 0).packs > 0


def test_a_snapshot_that_is_taken_away_while_they_are_listed(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND], [], QUIET)

    class Forgotten(CuttingBlobs):
        def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            self.inner.delete(f"snapshots/{FIRST}")
            return super().read(key, start, length)

    assert [record.id for record in opened(Forgotten(base), tmp_path).snapshots().snapshots] == [SECOND]


def test_indexes_that_are_merged_while_somebody_lists_them(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND, THIRD], [], QUIET)

    class Merged(CuttingBlobs):
        def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            if key.startswith("indexes/") and key in self.inner.blobs and not self.at:
                self.at = 1 << 30
                monkey = prune.INDEXES
                prune.INDEXES = 1
                prune.prune(opened(self.inner, tmp_path), False, QUIET, 0)
                prune.INDEXES = monkey
            return super().read(key, start, length)

    repository = opened(Merged(base), tmp_path)
    repository.refresh()
    assert len(repository.indexes) == 1
    assert_whole(base, tmp_path, store)


def test_prune_frees_nothing_where_something_is_withheld(store: Store, tmp_path: Path) -> None:
    base = MemoryBlobs()
    make(base)
    push.push(opened(base, tmp_path), store, [FIRST, THIRD], [], QUIET)
    base.delete(f"snapshots/{FIRST}")
    for _ in range(2):
        prune.prune(opened(base, tmp_path), False, QUIET, 0)
    for key in [key for key in base.blobs if key.startswith("packs/")]:
        blobs = MemoryBlobs()
        blobs.blobs = {name: data for name, data in base.blobs.items() if name != key}
        before = set(blobs.blobs)
        with pytest.raises(NuvError, match="withholds"):
            prune.prune(opened(blobs, tmp_path), False, QUIET, 0)
        assert set(blobs.blobs) == before


@pytest.mark.parametrize("seed", range(20))
def test_any_schedule(store: Store, tmp_path: Path, seed: int) -> None:
    """Pushes, prunes, snapshots taken away, cut anywhere, one inside the other: all that is listed comes back."""
    base = MemoryBlobs()
    make(base)
    act_at_random(base, store, tmp_path, random.Random(seed), 8)
    assert_whole(base, tmp_path, store)
    push.push(opened(base, tmp_path), store, [FIRST, SECOND, THIRD], [], QUIET)
    assert_whole(base, tmp_path, store)


def act_at_random(base: MemoryBlobs, store: Store, tmp_path: Path, chance: random.Random, steps: int) -> None:
    class Crowded(CuttingBlobs):
        """In the middle of one's work others do theirs."""

        def _due(self) -> bool:
            if steps > 1 and chance.random() < 0.03:
                act_at_random(base, store, tmp_path, chance, 1)
            return super()._due()

    for _ in range(steps):
        at = chance.randrange(1, 60) if chance.random() < 0.5 else 0
        blobs = Crowded(base, at, chance.choice(MOMENTS))
        ids = chance.sample([FIRST, SECOND, THIRD], chance.randrange(1, 4))
        what = chance.choice(["push", "push", "prune", "prune", "forget"])
        with contextlib.suppress(CutOff):
            if what == "push":
                push.push(opened(blobs, tmp_path), store, ids, [], QUIET)
            elif what == "prune":
                prune.prune(opened(blobs, tmp_path), False, QUIET, 0)
            else:
                base.delete(f"snapshots/{ids[0]}")


def test_a_machine_that_can_only_write_sends_little_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "INDEX_AFTER_BLIND", 1)
    monkeypatch.setattr(push, "AT_ONCE", 1)
    base = MemoryBlobs()
    recipient = make_identity()
    config = remote_config.create(base, [recipient])

    def send(blobs: Blobs) -> int:
        seal = remote_config.seal_for_session(blobs, [recipient])
        repository = Repository("lab", blobs, config, seal, tmp_path / "seen")
        return push.push(repository, store, [SECOND], [], QUIET).objects

    def packs_there() -> int:
        return len([key for key in base.blobs if key.startswith("packs/")])

    class CutAtFour(CuttingBlobs):
        def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
            if packs_there() >= 4:
                raise CutOff("cut off")
            return super().put_if_absent(key, data)

    with pytest.raises(CutOff):
        send(CutAtFour(base))
    send(base)
    whole = MemoryBlobs()
    make(whole)
    push.push(opened(whole, tmp_path), store, [SECOND], [], QUIET)
    needed = len([key for key in whole.blobs if key.startswith("packs/")])
    assert needed > 4
    assert packs_there() <= needed + 2, "more than one pack was sent again"
    assert send(base) == 0
    assert_whole(base, tmp_path, store)
