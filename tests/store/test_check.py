"""Damage anywhere in the store is named, with what suffers; gc and repair take nothing that is needed."""

import errno
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model.snapshot import Snapshot, TablePart
from nuvtui.store import packs, trees
from nuvtui.store.check import check
from nuvtui.store.index import IndexFile
from nuvtui.store.prune import MANY, info, prune, repair, unique_bytes
from nuvtui.store.scanner import scan
from nuvtui.store.store import Store
from tests.store.helpers import QUIET, assert_sound, manifest, new_store, restore, take, temporaries

FIRST, SECOND = "1" * 16, "2" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two snapshots that share files; the second one has a table."""
    store = new_store(tmp_path / "home")
    place = tmp_path / "workspace"
    (place / "data").mkdir(parents=True)
    (place / ".nuvtui").mkdir()
    (place / "data" / "shared.bin").write_bytes(random.Random(1).randbytes(4000))
    (place / "only first").write_bytes(b"first " * 20)
    take(store, place, tmp_path / "cache", FIRST)
    (place / "only first").unlink()
    (place / "only second").write_bytes(random.Random(2).randbytes(3000))
    with store.writer() as writer:
        found = scan(place, writer, tmp_path / "cache", QUIET)
        content = writer.put(b"PAR1 a table")
        writer.commit()
        table = TablePart("penguins", 3, [], "f", [content.hex()], 12)
        store.write_manifest(msgspec.structs.replace(manifest(SECOND, found), tables=[table]))
    return store


def content_of(store: Store, snapshot_id: str) -> dict[str, bytes]:
    """Files of a snapshot, from a store opened anew. Raises NuvError where anything is wrong."""
    fresh = Store(store.home)
    snapshot = fresh.read_manifest(snapshot_id)
    found = {
        path: b"".join(fresh.stream(entry.content))
        for path, entry in trees.walk(fresh.tree, bytes.fromhex(snapshot.files.root))
        if entry.kind == "f"
    }
    for table in snapshot.tables:
        found[f"table {table.name}"] = b"".join(fresh.stream([bytes.fromhex(item) for item in table.content]))
    return found


def suffering(store: Store, snapshot_id: str, truth: dict[str, bytes]) -> set[str]:
    """What of a snapshot can no longer be read; and it is never read wrongly."""
    fresh = Store(store.home)
    try:
        snapshot = fresh.read_manifest(snapshot_id)
    except NuvError:
        return {"*"}
    lost = set()

    def visit(root: bytes, prefix: str) -> None:
        try:
            entries = fresh.tree(root)
        except NuvError:
            lost.add(prefix or "all files")
            return
        for entry in entries:
            path = prefix + os.fsdecode(entry.name)
            if entry.kind == "d":
                visit(entry.content[0], path + "/")
                continue
            try:
                assert b"".join(fresh.stream(entry.content)) == truth[path]
            except NuvError:
                lost.add(path)

    visit(bytes.fromhex(snapshot.files.root), "")
    for table in snapshot.tables:
        try:
            name = f"table {table.name}"
            assert b"".join(fresh.stream([bytes.fromhex(item) for item in table.content])) == truth[name]
        except NuvError:
            lost.add(name)
    return lost


def files_of(store: Store) -> list[Path]:
    """Every file of the store that holds what snapshots need."""
    return sorted(
        path
        for folder in (store.home.packs, store.home.index, store.home.snapshots)
        for path in folder.iterdir()
    )


def test_a_sound_store(store: Store) -> None:
    for read_data in (False, True):
        report = check(store, read_data, QUIET, [FIRST, SECOND])
        assert report.problems == []
        assert (report.packs, report.snapshots) == (2, 2)
        assert report.objects >= 7
        assert (report.read > 7000) == read_data


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def damages(size: int) -> list[tuple[str, Callable[[bytes], bytes | None]]]:
    """Flips over the whole file, dense in its head and tail; truncations; a deletion; something appended."""
    flips = sorted({*range(min(size, 260)), *range(260, size, 131), *range(max(0, size - 40), size)})
    cuts = sorted({0, 1, 20, size // 2, size - 1})
    return [
        *((f"flip {at}", lambda data, at=at: flip(data, at)) for at in flips),
        *((f"cut {at}", lambda data, at=at: data[:at]) for at in cuts),
        ("zeros", lambda data: bytes(len(data))),
        ("longer", lambda data: data + b"x"),
        ("deleted", lambda data: None),
    ]  # type: ignore[return-value]


def test_every_damage_is_named_with_what_suffers(store: Store) -> None:
    """Hard case 3: what cannot be read any more is exactly what `check --read-data` names."""
    truth = {item: content_of(store, item) for item in (FIRST, SECOND)}
    tried = 0
    for path in files_of(store):
        whole = path.read_bytes()
        path.chmod(0o600)
        for name, damage in damages(len(whole)):
            after = damage(whole)
            if after is None:
                path.unlink()
            else:
                path.write_bytes(after)
            where = f"{path.name}: {name}"
            report = check(Store(store.home), True, QUIET, [FIRST, SECOND])
            assert report.problems, where
            tried += 1
            if path.suffix == ".idx":
                # Without its index nothing can be read, and nothing is lost: repair makes it again.
                with pytest.raises(StoreError):
                    content_of(store, SECOND)  # needs both packs
            else:
                named: dict[str, set[str]] = {FIRST: set(), SECOND: set()}
                for problem in report.problems:
                    for item in problem.snapshots:
                        if not problem.paths:
                            named[item].add("*")
                    for text in problem.paths:
                        item, _, what = text.partition(": ")
                        assert item in problem.snapshots
                        named[item].add(what)
                for item in (FIRST, SECOND):
                    assert named[item] == suffering(store, item, truth[item]), where
            path.write_bytes(whole)
    assert tried > 500
    assert check(Store(store.home), True, QUIET).problems == []


def test_structure_alone_finds_what_is_missing(store: Store) -> None:
    pack = max(store.home.packs.iterdir(), key=lambda path: path.stat().st_size)
    pack.unlink()
    report = check(store, False, QUIET)
    problem = next(problem for problem in report.problems if pack.name[:16] in problem.what)
    assert problem.detail == "is missing"
    assert problem.snapshots
    assert problem.paths


def test_a_restore_of_damaged_bytes_is_refused(store: Store, tmp_path: Path) -> None:
    snapshot = store.read_manifest(FIRST)
    first_pack = min(store.home.packs.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    first_pack.chmod(0o600)
    first_pack.write_bytes(flip(first_pack.read_bytes(), 2000))
    out = tmp_path / "out"
    (out / ".nuvtui").mkdir(parents=True)
    with pytest.raises(StoreError):
        restore(Store(store.home), snapshot, out, tmp_path / "cache-out")
    assert os.listdir(out) == [".nuvtui"]


def test_new_snapshots_heal_what_a_missing_pack_took(store: Store, tmp_path: Path) -> None:
    for pack in store.home.packs.iterdir():
        pack.unlink()
    take(Store(store.home), tmp_path / "workspace", tmp_path / "cache", "3" * 16)
    assert content_of(store, "3" * 16)["only second"] == random.Random(2).randbytes(3000)


# -- garbage collection


def delete(store: Store, *snapshots: str) -> None:
    for item in snapshots:
        store.delete_manifest(item)


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


def test_a_truncated_pack_is_made_good_by_the_next_snapshot(store: Store, tmp_path: Path) -> None:
    truth = content_of(store, FIRST)
    for pack in store.home.packs.iterdir():
        pack.chmod(0o600)
        with open(pack, "r+b") as file:
            file.truncate(pack.stat().st_size // 2)
    place = tmp_path / "again"
    place.mkdir()
    for name, data in truth.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    take(Store(store.home), place, tmp_path / "cache", "3" * 16)
    assert content_of(Store(store.home), "3" * 16) == truth


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
    with store.writer() as writer:
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


# -- repair


def test_repair_makes_the_index_again(store: Store) -> None:
    truth = {item: content_of(store, item) for item in (FIRST, SECOND)}
    for number, path in enumerate(store.home.index.iterdir()):
        path.chmod(0o600)
        if number:
            path.unlink()
        else:
            path.write_bytes(b"rubbish")
    (store.home.packs / ".nuvtui-tmp-1-dead").write_bytes(b"unfinished")
    before = {path: path.read_bytes() for path in files_of(store)}
    dry = repair(Store(store.home), True, QUIET)
    assert {path: path.read_bytes() for path in files_of(store)} == before
    done = repair(Store(store.home), False, QUIET)
    assert (dry.packs, dry.objects, dry.removed_temporaries) == (done.packs, done.objects, 1)
    assert done.damaged_packs == []
    assert temporaries(store) == []
    assert {item: content_of(store, item) for item in (FIRST, SECOND)} == truth
    assert_sound(store)


def test_repair_rescues_what_is_sound_and_keeps_what_is_not(store: Store) -> None:
    truth = {item: content_of(store, item) for item in (FIRST, SECOND)}
    for pack in sorted(store.home.packs.iterdir()):
        whole = pack.read_bytes()
        backup = store.home.root / "backup"
        for damage in (
            lambda data: flip(data, 3),
            lambda data: flip(data, 40),
            lambda data: flip(data, len(data) - 3),
            lambda data: data[: len(data) * 2 // 3],
            lambda data: flip(data, len(data) // 2),
        ):
            shutil.copytree(store.objects, backup)
            pack.chmod(0o600)
            pack.write_bytes(damage(whole))
            lost = {item: suffering(store, item, truth[item]) for item in (FIRST, SECOND)}
            report = repair(Store(store.home), False, QUIET)
            assert report.damaged_packs == [pack.stem]
            assert (store.quarantine / pack.name).read_bytes() == damage(whole)
            # No fewer files can be read than before.
            for item in (FIRST, SECOND):
                assert suffering(store, item, truth[item]) <= lost[item]
            assert (report.lost_objects > 0) >= any(lost.values())
            named = check(Store(store.home), True, QUIET)
            assert {text for problem in named.problems for text in problem.paths} == {
                f"{item}: {what}" for item in lost for what in suffering(store, item, truth[item])
            }
            # Once more changes nothing.
            again = repair(Store(store.home), False, QUIET)
            assert (again.damaged_packs, again.objects) == ([], report.objects)
            shutil.rmtree(store.objects)
            backup.rename(store.objects)


def test_repair_sets_a_damaged_manifest_aside(store: Store) -> None:
    path = store.home.manifest(FIRST)
    path.write_bytes(path.read_bytes()[:-20])
    report = repair(Store(store.home), False, QUIET)
    assert report.damaged_snapshots == [FIRST]
    assert Store(store.home).manifest_ids() == [SECOND]
    assert (store.quarantine / path.name).exists()


def test_unique_bytes_of_several(store: Store, tmp_path: Path) -> None:
    alone = unique_bytes(store, [FIRST])
    both = unique_bytes(store, [FIRST, SECOND])
    assert 0 < alone < 600
    assert both > 7000
    assert unique_bytes(store, []) == 0
    snapshot: Snapshot = store.read_manifest(SECOND)
    store.write_manifest(msgspec.structs.replace(snapshot, id="3" * 16))
    assert unique_bytes(store, [SECOND]) == 0
