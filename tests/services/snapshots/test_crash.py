"""Every file operation of a snapshot, a restore and a distribution is cut once (hard cases 1 and 7).

The work runs in a process of its own that is killed at the n-th call of the operating system, or whose n-th call
fails. Afterwards every listed snapshot verifies by full hash, each file is wholly old or new, the automatic snapshot
leads back, the record says what happened, and the same again succeeds.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nuvtui.atomic import TEMPORARY
from nuvtui.model.cause import Cause
from nuvtui.model.distribution import Strategies, Strategy
from nuvtui.model.space import Instance
from nuvtui.model.stage import StateRef
from tests.services.helpers import Whole, World
from tests.store.helpers import BROKEN, DONE, cut

pytestmark = pytest.mark.slow

FAULTS = [None, errno.EIO]
IDS = ["killed", "EIO"]


def make_old(world: World, instance: Instance | None = None) -> None:
    root = world.root(instance)
    world.write("a.txt", "old a", instance)
    world.write("gone/deep.txt", "removed with its folder", instance)
    world.write("turns", "a file that becomes a folder", instance)
    (root / "link").symlink_to("a.txt")
    world.table("visits", "select range as n from range(3)", instance)
    world.table("gone", "select 1 as a", instance)
    world.application("demo", "old", instance)
    world.application("gone", instance=instance)


def make_new(world: World) -> None:
    root = world.root()
    world.write("a.txt", "new a, and longer")
    shutil.rmtree(root / "gone")
    (root / "turns").unlink()
    world.write("turns/inner.txt", "in a folder now")
    (root / "link").unlink()
    (root / "link").symlink_to("turns")
    world.write("fresh.bin", os.urandom(3000))
    world.table("visits", "select range::varchar as n from range(4)")
    world.drop("gone")
    world.table("fresh", "select 2 as b")
    world.application("demo", "new")
    world.application("fresh")
    (root / ".nuvtui" / "apps" / "gone.yaml").unlink()


class Ground:
    """A folder put back to where it was before each cut."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = folder.with_name(folder.name + "-kept")

    def keep(self) -> None:
        shutil.copytree(self.folder, self._kept, symlinks=True)

    def cuts(self, error: int | None, work: Callable[[], object]) -> Iterator[tuple[int, int]]:
        """For each operation of `work`: its number and how the work ended when cut there; then, uncut."""
        at, was_cut = 0, True
        while was_cut:
            at += 1
            assert at < 2000
            shutil.rmtree(self.folder)
            shutil.copytree(self._kept, self.folder, symlinks=True)
            fault = OSError(error, os.strerror(error)) if error else None
            code, was_cut = cut(at, fault, work)
            assert code != BROKEN, f"call {at} ended with something that is no sentence"
            assert was_cut or code == DONE
            yield at, code
        assert at > 20


def assert_old_or_new(at: int, now: Whole, old: Whole, new: Whole) -> None:
    """Every file and application is as in one of the two states; the tables are those of one of them."""
    for path, there in now[0].items():
        allowed = [side[0][path][:2] for side in (old, new) if path in side[0]]
        if there[0] == "folder":
            assert path in old[0] or path in new[0], (at, path)
        else:
            assert there[:2] in allowed, (at, path)
    for path in old[0].keys() & new[0].keys():
        if old[0][path][0] == new[0][path][0]:
            assert path in now[0], (at, path)
    assert now[1] in (old[1], new[1]), f"call {at}: a mixture of tables"
    for name, text in now[2].items():
        if name.startswith(TEMPORARY):
            continue
        assert text in [side[2][name] for side in (old, new) if name in side[2]], (at, name)


def without_unread(world: World, backup: str, now: Whole) -> Whole:
    """`now` without what the automatic snapshot names as unreadable: that stays where it is."""
    unread = {os.fsencode(w.path) for w in world.fresh().snapshots.manifest(backup).warnings}
    files = {
        path: there
        for path, there in now[0].items()
        if not any(
            path == one or path.startswith(one + b"/") or one.startswith(path + b"/") for one in unread
        )
    }
    return (
        files,
        now[1],
        {name: t for name, t in now[2].items() if f".nuvtui/apps/{name}".encode() not in unread},
    )


@pytest.mark.parametrize("error", FAULTS, ids=IDS)
def test_a_snapshot_cut_anywhere(tmp_path: Path, error: int | None) -> None:
    world = World(tmp_path / "ground")
    make_old(world)
    one = world.snapshot("one")
    make_new(world)
    ground, before = Ground(tmp_path / "ground"), world.whole()
    ground.keep()
    absent = 0

    for at, code in ground.cuts(error, lambda: world.fresh().snapshots.create(world.master.id, "two")):
        listed = world.fresh().snapshots.list(world.master.id)
        assert [s.name for s in listed] in (["one"], ["two", "one"]), at
        if code == DONE:
            assert len(listed) == 2
        absent += len(listed) == 1
        world.assert_store_sound()
        assert world.whole() == before, at
        # What has a manifest but is not listed is found again by repair, not lost.
        known = len(world.services.context.store.manifest_ids())
        if known > len(listed):
            world.fresh().maintenance.repair()
            assert len(world.fresh().snapshots.list(world.master.id)) == known
        retry = world.fresh().snapshots.create(world.master.id, "again")
        assert retry.warnings == 0
        if at % 10 == 0:
            world.fresh().restore.restore(one.id)
            world.fresh().restore.restore(retry.id)
            assert world.whole() == before, at
    assert absent > 10


@pytest.mark.parametrize("error", FAULTS, ids=IDS)
def test_a_restore_cut_anywhere(tmp_path: Path, error: int | None) -> None:
    world = World(tmp_path / "ground")
    make_new(make_both(world))
    two = world.snapshot("two")
    new = world.whole()
    one = next(s for s in world.services.snapshots.list(world.master.id) if s.name == "one")
    world.services.restore.restore(one.id)
    world.write("a.txt", "in no snapshot yet")
    old = world.whole()
    ground = Ground(tmp_path / "ground")
    ground.keep()
    touched = 0

    for at, code in ground.cuts(error, lambda: world.fresh().restore.restore(two.id)):
        now = world.whole()
        if code == DONE:
            newest = world.fresh().snapshots.list(world.master.id)[0].id
            assert without_unread(world, newest, now) == new
        elif error:
            assert now == old, f"call {at}: it went on, so it went back"
        assert_old_or_new(at, now, old, new)
        world.assert_store_sound()
        if now != old:
            touched += 1
            backup = world.fresh().snapshots.list(world.master.id)[0]
            assert (backup.kind, backup.cause) == ("automatic", Cause("restore", two.id, two.name))
            world.fresh().restore.restore(backup.id)
            assert world.whole() == old, f"call {at}"
        if error is None and at % 3:
            continue  # that the same again succeeds is shown at every call by the other faults
        world.fresh().restore.restore(two.id)
        assert world.whole() == new, f"call {at}"
        assert not list(world.root().rglob(f"{TEMPORARY}*"))
        if error is None:
            assert not (world.root() / ".nuvtui" / "kept").exists(), "all that was displaced is in a snapshot"
    assert touched > (1 if error else 10)


def make_both(world: World) -> World:
    make_old(world)
    world.snapshot("one")
    return world


@pytest.mark.parametrize("error", FAULTS, ids=IDS)
def test_a_distribution_cut_anywhere(tmp_path: Path, error: int | None) -> None:
    world = World(tmp_path / "ground")
    target = world.add("target")
    make_old(world)
    make_old(world, target)
    make_new(world)
    two = world.snapshot("two")
    new, old = world.whole(times=False), world.whole(target, times=False)
    world.services.staging.add(StateRef(world.master.id, two.id), everything=True)
    mirror = Strategies(Strategy.MIRROR, Strategy.MIRROR, Strategy.MIRROR)
    ground = Ground(tmp_path / "ground")
    ground.keep()
    seen: set[str] = set()

    def work() -> None:
        done = world.fresh().distribution.distribute(world.space.id, [target.id], mirror, "news")
        if done.status != "completed":
            os._exit(50)

    for at, _code in ground.cuts(error, work):
        now = world.whole(target, times=False)
        assert_old_or_new(at, now, old, new)
        assert world.whole(times=False) == new, f"call {at}: the source was touched"
        world.assert_store_sound()
        services = world.fresh()
        records = services.distribution.list(world.space.id)
        if not records:
            assert now == old, at
        else:
            (record,) = records
            (result,) = record.targets
            seen.add(f"{record.status}/{result.status}")
            assert record.status != "running"
            told = [m.text for m in services.messages.unread(target.id)]
            if result.status == "completed":
                assert without_unread(world, result.backup or "", now) == new, at
                assert told == ["news"]
            elif result.status == "interrupted":
                assert result.backup is not None
                assert result.backup[:8] in result.error
                services.restore.restore(result.backup, target.id)
                assert world.whole(target, times=False) == old, at
                assert told == []
            else:
                assert now == old, (at, result)
                assert "as it was" in result.error
        if error is None and at % 3:
            continue
        world.fresh().distribution.distribute(world.space.id, [target.id], mirror)
        assert world.whole(target, times=False) == new, at
    assert "completed/completed" in seen
    assert "interrupted/interrupted" in seen
    assert error is None or "failed/failed" in seen
