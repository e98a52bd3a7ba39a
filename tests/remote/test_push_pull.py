"""What is pushed comes out again as it was."""

import os
import random
from pathlib import Path

import pytest

from nuvtui.remote import config as remote_config
from nuvtui.remote.config import Config
from nuvtui.remote.keys import Identities
from nuvtui.remote.pull import pull
from nuvtui.remote.push import push
from nuvtui.remote.repository import Repository
from nuvtui.store.check import check
from nuvtui.store.store import Store
from tests.remote.memory import MemoryBlobs
from tests.store.helpers import FIRST, QUIET, SECOND, new_store, take


@pytest.fixture(params=["plain", "sealed"])
def sealed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return bool(request.param == "sealed")


def make(blobs: MemoryBlobs, sealed: bool) -> Config:
    from nuvtui.remote import keys

    return remote_config.create(blobs, [keys.make_identity()] if sealed else [])


def opened(blobs: MemoryBlobs, cache: Path) -> Repository:
    config = remote_config.read(blobs)
    return Repository("lab", blobs, config, remote_config.seal(blobs, config, Identities()), cache)


def fill(place: Path, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(30):
        folder = place / f"folder {chance.randrange(4)}" / f"deep {chance.randrange(3)}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}").write_bytes(chance.randbytes(chance.randrange(20_000)))
    (place / "large.bin").write_bytes(chance.randbytes(3 << 20) + bytes(3 << 20))


def test_a_snapshot_comes_back(tmp_path: Path, sealed: bool) -> None:
    store = new_store(tmp_path / "home")
    place = tmp_path / "workspace"
    (place / ".nuvtui").mkdir(parents=True)
    fill(place, 1)
    take(store, place, tmp_path / "cache", FIRST)
    blobs = MemoryBlobs()
    make(blobs, sealed)
    result = push(opened(blobs, tmp_path / "r1"), store, [FIRST], [], QUIET)
    assert [each.id for each in result.snapshots] == [FIRST]
    assert not [key for key in blobs.blobs if key.startswith("leases/")]
    sent = blobs.received

    again = push(opened(blobs, tmp_path / "r1"), store, [FIRST], [], QUIET)
    assert again.objects == 0
    assert blobs.received - sent < 200

    (place / "large.bin").unlink()
    (place / "new").write_bytes(os.urandom(1000))
    take(store, place, tmp_path / "cache", SECOND)
    more = push(opened(blobs, tmp_path / "r1"), store, [SECOND], [], QUIET)
    assert 2 <= more.objects <= 4
    assert blobs.received - sent < 20_000

    other = new_store(tmp_path / "other")
    brought = pull(opened(blobs, tmp_path / "r2"), other, [FIRST, SECOND], QUIET)
    assert sorted(each.id for each in brought.snapshots) == [FIRST, SECOND]
    report = check(other, True, QUIET, [FIRST, SECOND])
    assert report.problems == []
    assert Store(other.home).read_manifest(FIRST) == store.read_manifest(FIRST)


def test_listing_and_reading(tmp_path: Path, sealed: bool) -> None:
    store = new_store(tmp_path / "home")
    place = tmp_path / "workspace"
    (place / ".nuvtui").mkdir(parents=True)
    fill(place, 2)
    take(store, place, tmp_path / "cache", FIRST)
    blobs = MemoryBlobs()
    make(blobs, sealed)
    push(opened(blobs, tmp_path / "r1"), store, [FIRST], [], QUIET)
    repository = opened(blobs, tmp_path / "r2")
    assert [record.id for record in repository.snapshots().snapshots] == [FIRST]
    repository.refresh()
    before = blobs.given
    root = bytes.fromhex(repository.manifest(FIRST).files.root)
    assert repository.tree(root) == store.tree(root)
    assert blobs.given - before < 300_000
