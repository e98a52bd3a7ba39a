"""Repair takes nothing that is needed: what is damaged is kept, what is sound is copied out of it."""

import shutil

import pytest

from nuvtui.store.check import check
from nuvtui.store.repair import repair
from nuvtui.store.store import Store
from tests.store.helpers import (
    FIRST,
    QUIET,
    SECOND,
    assert_sound,
    content_of,
    files_of,
    flip,
    suffering,
    temporaries,
)

pytestmark = pytest.mark.usefixtures("two_snapshots")


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
