"""Garbage collection takes nothing that is needed, and frees what is not."""

import errno
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from blake3 import blake3

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.store import packs
from nuvtui.store.index import IndexFile
from nuvtui.store.prune import MANY, prune
from nuvtui.store.repair import repair
from nuvtui.store.store import Store
from nuvtui.store.usage import info, unique_bytes
from nuvtui.store.writer import writing
from tests.store.helpers import (
    FIRST,
    QUIET,
    SECOND,
    assert_sound,
    content_of,
    delete,
    files_of,
    flip,
    take,
)

pytestmark = pytest.mark.usefixtures("two_snapshots")


def test_gc_frees_what_only_deleted_snapshots_needed(store: Store) -> None:
    truth = content_of(store, FIRST)
    before = info(store)
    assert (before.snapshots, before.packs) == (2, 2)
    assert before.logical_bytes == 4000 + 120 + 4000 + 3000 + 12
    promised = unique_bytes(store, [SECOND])
    assert 3000 < promised < 4200
    delete(store, SECOND)
    dry = prune(store, True, 0, QUIET)
    assert dry.dry_run
    assert info(store).stored_bytes == before.stored_bytes
    done = prune(store, False, 0, QUIET)
    assert (done.freed_bytes, done.removed_packs) == (dry.freed_bytes, dry.removed_packs)
    assert promised <= done.freed_bytes
    after = info(store)
    assert before.stored_bytes - after.stored_bytes >= 3000
    assert after.packs == 1
    assert content_of(store, FIRST) == truth
    assert_sound(store)
    delete(store, FIRST)
    prune(store, False, 0, QUIET)
    assert list(store.home.packs.iterdir()) == []
    again = prune(store, False, 0, QUIET)
    assert again.freed_bytes == 0


def test_gc_takes_a_half_needed_pack_apart(store: Store, tmp_path: Path) -> None:
    truth = content_of(store, SECOND)
    big = tmp_path / "big"
    (big / "data").mkdir(parents=True)
    shutil.copy(tmp_path / "workspace" / "data" / "shared.bin", big / "data")
    needed = random.Random(3).randbytes(50_000)
    (big / "needed").write_bytes(needed)
    (big / "waste").write_bytes(random.Random(4).randbytes(90_000))
    take(store, big, tmp_path / "cache-big", "3" * 16)
    (big / "waste").unlink()
    take(store, big, tmp_path / "cache-big", "4" * 16)
    delete(store, FIRST, "3" * 16)
    report = prune(store, False, 0, QUIET)
    assert report.rewritten_packs >= 1
    assert report.freed_bytes > 85_000
    assert content_of(store, SECOND) == truth
    assert content_of(store, "4" * 16)["needed"] == needed
    assert_sound(store)
    # A snapshot taken with the old stat cache does not believe in what gc has freed.
    (big / "waste").write_bytes(random.Random(4).randbytes(90_000))
    take(store, big, tmp_path / "cache-big", "5" * 16)
    assert len(content_of(store, "5" * 16)["waste"]) == 90_000


def test_gc_frees_on_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is to be written anew does not stand in the way of what only comes free."""
    half = tmp_path / "half"
    half.mkdir()
    for name in ("needed", "waste"):
        (half / name).write_bytes(random.Random(name).randbytes(50_000))
    take(store, half, tmp_path / "half-cache", "3" * 16)
    (half / "waste").unlink()
    take(store, half, tmp_path / "half-cache", "4" * 16)
    truth = {item: content_of(store, item) for item in (FIRST, "4" * 16)}
    delete(store, SECOND, "3" * 16)
    assert prune(store, True, 0, QUIET).rewritten_packs == 1

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = len(store.present_packs())
    with monkeypatch.context() as patch:
        patch.setattr(packs.PackWriter, "add_payload", full)
        with pytest.raises((StoreError, OSError)):
            prune(store, False, 0, QUIET)
    assert len(store.present_packs()) < before
    fresh = Store(store.home)
    assert {item: content_of(fresh, item) for item in truth} == truth
    prune(fresh, False, 0, QUIET)
    assert {item: content_of(fresh, item) for item in truth} == truth
    assert_sound(fresh)


def test_gc_puts_many_small_packs_together(store: Store, tmp_path: Path) -> None:
    ids = [f"{number:016x}" for number in range(0x100, 0x100 + MANY)]
    place = tmp_path / "small"
    (place / "folder").mkdir(parents=True)
    for item in ids:
        (place / "folder" / item).write_bytes(random.Random(item).randbytes(300))
        take(store, place, tmp_path / "small-cache", item)
    truth = {item: content_of(store, item) for item in [FIRST, SECOND, *ids]}
    assert len(store.present_packs()) > MANY
    # Within the grace period nothing is touched.
    assert prune(store, False, 3600, QUIET).rewritten_packs == 0
    assert prune(store, True, 0, QUIET).rewritten_packs > MANY
    prune(store, False, 0, QUIET)
    assert len(store.present_packs()) == 1
    assert {item: content_of(store, item) for item in truth} == truth
    assert_sound(store)
    assert prune(store, False, 0, QUIET).rewritten_packs == 0


def test_gc_trusts_no_stat_cache_of_before(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nuvtui.store.scanner.MARGIN", -3_600_000_000_000)
    take(store, tmp_path / "workspace", tmp_path / "cache", "3" * 16)
    delete(store, FIRST, SECOND, "3" * 16)
    prune(store, False, 0, QUIET)
    take(Store(store.home), tmp_path / "workspace", tmp_path / "cache", "4" * 16)
    assert_sound(store)
    assert content_of(store, "4" * 16)["only second"] == random.Random(2).randbytes(3000)


def test_gc_waits_out_the_grace_period(store: Store) -> None:
    delete(store, FIRST, SECOND)
    report = prune(store, False, 3600, QUIET)
    assert (report.freed_bytes, report.waiting_packs) == (0, 2)
    for pack in store.home.packs.iterdir():
        os.utime(pack, (time.time() - 7200,) * 2)
    assert prune(store, False, 3600, QUIET).removed_packs == 2


def test_gc_stops_at_anything_it_cannot_read(store: Store) -> None:
    delete(store, SECOND)
    kept = {path: path.read_bytes() for path in files_of(store)}

    def assert_refused(error: type[Exception] = NuvError) -> None:
        with pytest.raises(error):
            prune(Store(store.home), False, 0, QUIET)
        assert set(store.home.packs.iterdir()) == {path for path in kept if path.suffix == ".pack"}

    path = store.home.manifest(FIRST)
    path.write_bytes(flip(kept[path], 200))
    assert_refused()
    path.write_bytes(kept[path])
    for path in [path for path in kept if path.suffix == ".idx"]:
        path.chmod(0o600)
        path.write_bytes(flip(kept[path], 50))
        assert_refused()
        path.write_bytes(kept[path])
    root = bytes.fromhex(store.read_manifest(FIRST).files.root)
    for path in [path for path in kept if path.suffix == ".idx"]:
        if IndexFile(path).find(root) >= 0:
            path.unlink()
            assert_refused()  # what a snapshot needs is listed nowhere
            path.write_bytes(kept[path])
    store.home.snapshots.rename(store.home.root / "elsewhere")
    assert_refused()
    (store.home.root / "elsewhere").rename(store.home.snapshots)
    prune(Store(store.home), False, 0, QUIET)
    content_of(store, FIRST)


def test_gc_waits_for_no_writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Store.alone
    monkeypatch.setattr(Store, "alone", lambda self: alone(self, timeout=0))
    with writing(store) as writer:
        writer.put(b"being written")
        with pytest.raises(NuvError) as caught:
            prune(Store(store.home), False, 0, QUIET)
        assert caught.value.exit_code is Exit.CONFLICT
        with pytest.raises(NuvError):
            repair(Store(store.home), False, QUIET)
    prune(Store(store.home), False, 0, QUIET)


def test_a_reader_finds_what_gc_has_moved(store: Store, tmp_path: Path) -> None:
    reader = Store(store.home)
    item = blake3(b"PAR1 a table").digest()
    assert reader.locate(item)
    for pack in store.home.packs.iterdir():
        pack.chmod(0o600)
    big = tmp_path / "big"
    big.mkdir()
    delete(store, FIRST)
    old = set(store.home.packs.iterdir())
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("nuvtui.store.prune.WASTE", -1)  # every pack is written anew
        prune(Store(store.home), False, 0, QUIET)
    assert not old & set(store.home.packs.iterdir())
    assert reader.read(item) == b"PAR1 a table"
