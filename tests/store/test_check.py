"""Damage anywhere in the store is named, with what suffers."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import StoreError
from nuvtui.store.check import check
from nuvtui.store.store import Store
from tests.store.helpers import (
    FIRST,
    QUIET,
    SECOND,
    content_of,
    files_of,
    flip,
    restore,
    suffering,
    take,
)

pytestmark = pytest.mark.usefixtures("two_snapshots")


def test_a_sound_store(store: Store) -> None:
    for read_data in (False, True):
        report = check(store, read_data, QUIET, [FIRST, SECOND])
        assert report.problems == []
        assert (report.packs, report.snapshots) == (2, 2)
        assert report.objects >= 7
        assert (report.read > 7000) == read_data


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
