"""Every call of the operating system in a snapshot and in an apply is cut once (hard cases 1 and 7)."""

import errno
import os
from pathlib import Path

import pytest

from nuvtui.store.prune import prune
from nuvtui.store.repair import repair
from nuvtui.store.store import Store
from tests.store.helpers import (
    BROKEN,
    DONE,
    KILLED,
    QUIET,
    REFUSED,
    apply,
    assert_sound,
    changes,
    cut,
    new_store,
    picture,
    record,
    restore,
    take,
    temporaries,
)

OLD, NEW = "1" * 16, "2" * 16
LIMIT = 2000


def make_old(root: Path) -> None:
    (root / "data").mkdir(parents=True)
    (root / ".nuvtui").mkdir()
    (root / "data" / "a.csv").write_bytes(b"a,b\n1,2\n" * 50)
    (root / "data" / "b.csv").write_bytes(b"old b")
    (root / "keep.txt").write_bytes(b"the same in both")
    (root / "turns").mkdir()
    (root / "turns" / "inner.txt").write_bytes(b"a folder that becomes a file")
    (root / "becomes").write_bytes(b"a file that becomes a folder")
    (root / "link").symlink_to("data/a.csv")
    (root / "gone").mkdir()
    (root / "gone" / "deep.txt").write_bytes(b"removed with its folder")


def make_new(root: Path) -> None:
    (root / "data" / "a.csv").write_bytes(b"a,b\n3,4\n" * 60)
    (root / "data" / "b.csv").unlink()
    (root / "turns" / "inner.txt").unlink()
    (root / "turns").rmdir()
    (root / "turns").write_bytes(b"now a file")
    (root / "becomes").unlink()
    (root / "becomes").mkdir(mode=0o750)
    (root / "becomes" / "inner.txt").write_bytes(b"now in a folder")
    (root / "link").unlink()
    (root / "link").symlink_to("keep.txt")
    (root / "gone" / "deep.txt").unlink()
    (root / "gone").rmdir()
    (root / "fresh").mkdir()
    (root / "fresh" / "one.bin").write_bytes(os.urandom(3000))
    os.link(root / "fresh" / "one.bin", root / "fresh" / "two.bin")


@pytest.mark.parametrize("error", [None, errno.EIO, errno.ENOSPC], ids=["killed", "EIO", "ENOSPC"])
def test_a_snapshot_cut_anywhere_is_there_whole_or_not_at_all(tmp_path: Path, error: int | None) -> None:
    workspace = tmp_path / "workspace"
    make_old(workspace)
    store = new_store(tmp_path / "home")
    cache = tmp_path / "cache"
    take(store, workspace, cache, OLD)
    make_new(workspace)
    before = picture(workspace)
    at, was_cut, saw_absent = 0, True, 0
    while was_cut:
        at += 1
        assert at < LIMIT
        fault = OSError(error, os.strerror(error)) if error else None
        code, was_cut = cut(at, fault, lambda: take(Store(store.home), workspace, cache, NEW))
        assert code != BROKEN, f"call {at}"
        listed = Store(store.home).manifest_ids()
        assert listed in ([OLD], [OLD, NEW]), f"call {at}"
        if code == DONE:
            assert listed == [OLD, NEW]
        if listed == [OLD]:
            saw_absent += 1
        assert_sound(store)
        assert picture(workspace) == before
        if was_cut and error:  # a process that lives on cleans up after itself
            assert temporaries(store) == []
        # A retry succeeds and holds the workspace as it is.
        snapshot = take(Store(store.home), workspace, cache, NEW)
        assert not snapshot.warnings
        out = tmp_path / "out"
        restore(Store(store.home), snapshot, _fresh(out), tmp_path / "out-cache")
        assert picture(out) == before
        _remove(out)
        # Back to where the next cut begins, all garbage gone.
        store.delete_manifest(NEW)
        prune(Store(store.home), False, 0, QUIET)
        assert temporaries(store) == []
    assert at > 10
    assert saw_absent > 5


def _fresh(folder: Path) -> Path:
    (folder / ".nuvtui").mkdir(parents=True)
    return folder


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


@pytest.mark.parametrize("error", [None, errno.EIO], ids=["killed", "EIO"])
def test_an_apply_cut_anywhere_leaves_each_file_old_or_new(tmp_path: Path, error: int | None) -> None:
    store = new_store(tmp_path / "home")
    cache = tmp_path / "cache"
    workspace = tmp_path / "workspace"
    make_old(workspace)
    old = take(store, workspace, cache, OLD)
    old_picture = picture(workspace)
    make_new(workspace)
    new = take(store, workspace, cache, NEW)
    new_picture = picture(workspace)
    at, was_cut = 0, True
    while was_cut:
        at += 1
        assert at < LIMIT
        restore(Store(store.home), old, workspace, cache)
        assert picture(workspace) == old_picture
        recorded = record(store, workspace, cache)
        puts, removals = changes(store, new, workspace, cache)
        fault = OSError(error, os.strerror(error)) if error else None
        code, was_cut = cut(
            at,
            fault,
            lambda puts=puts, removals=removals, recorded=recorded: apply(  # type: ignore[misc]
                Store(store.home), workspace, puts, removals, QUIET, recorded
            ),
        )
        assert code != BROKEN, f"call {at}"
        now = picture(workspace)
        if code == DONE:
            assert now == new_picture
        for path, there in now.items():
            if there[0] == "folder":
                assert path in old_picture or path in new_picture or path == b"fresh"
                continue
            # The time and the other names of a file are told apart from its content.
            allowed = [side[path][:2] for side in (old_picture, new_picture) if path in side]
            assert there[:2] in allowed, (at, path)
        for path in old_picture.keys() & new_picture.keys():
            if old_picture[path][0] == new_picture[path][0]:
                assert path in now, (at, path)
        if code == REFUSED:
            assert now == old_picture, f"call {at}: it went on, so it put back what it had changed"
        # What could not be compared with the snapshot just then is kept rather than let go of.
        kept = workspace / ".nuvtui" / "kept"
        if error and kept.exists():
            for file in [path for path in kept.rglob("*") if path.is_file()]:
                path = os.fsencode(file.relative_to(kept / file.relative_to(kept).parts[0]))
                assert file.read_bytes() in [
                    side[path][1] for side in (old_picture, new_picture) if path in side
                ]
            _remove(kept)
        # A retry finishes the work; nothing of the cut run is left, and nothing was anybody else's.
        assert restore(Store(store.home), new, workspace, cache) == []
        assert picture(workspace) == new_picture
        assert sorted(os.listdir(workspace / ".nuvtui")) == []
    assert at > 40


@pytest.mark.parametrize("verb", ["gc", "repair"])
def test_gc_and_repair_cut_anywhere_leave_every_snapshot_intact(tmp_path: Path, verb: str) -> None:
    at, was_cut = 0, True
    while was_cut:
        at += 1
        assert at < LIMIT
        root = tmp_path / str(at)
        workspace = root / "workspace"
        make_old(workspace)
        store = new_store(root / "home")
        first = take(store, workspace, root / "cache", OLD)
        make_new(workspace)
        (workspace / "bulk").write_bytes(os.urandom(20_000))
        take(store, workspace, root / "cache", NEW)
        store.delete_manifest(NEW)
        if verb == "repair":
            for file in store.home.index.iterdir():
                os.chmod(file, 0o600)
                file.write_bytes(file.read_bytes()[:-1])
            work = lambda store=store: repair(Store(store.home), False, QUIET)  # noqa: E731
        else:
            work = lambda store=store: prune(Store(store.home), False, 0, QUIET)  # noqa: E731
        code, was_cut = cut(at, None, work)
        assert code in (DONE, KILLED), f"call {at}"
        assert Store(store.home).manifest_ids() == [OLD]
        work()
        assert_sound(store)
        out = _fresh(root / "out")
        restore(Store(store.home), first, out, root / "out-cache")
        assert (out / "data" / "b.csv").read_bytes() == b"old b"
        assert temporaries(store) == []
    assert at > 5


def test_the_order_of_writes_is_packs_index_manifest(tmp_path: Path) -> None:
    """What a later step refers to is durable before it: each file is flushed before its rename, its folder after."""
    workspace = tmp_path / "workspace"
    make_old(workspace)
    store = new_store(tmp_path / "home")
    seen: list[tuple[str, str]] = []
    saved = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def fsync(descriptor: int) -> None:
        saved["fsync"](descriptor)
        seen.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))

    def renamed(name: str):  # type: ignore[no-untyped-def]
        def call(source: object, target: object, **more: int) -> None:
            saved[name](source, target, **more)
            seen.append((os.fspath(source), os.fspath(target)))  # type: ignore[call-overload]

        return call

    try:
        os.fsync = fsync  # type: ignore[assignment]
        os.rename, os.replace = renamed("rename"), renamed("replace")
        take(store, workspace, tmp_path / "cache", OLD)
    finally:
        for name, call in saved.items():
            setattr(os, name, call)
    steps = []
    for folder in (store.home.packs, store.home.index, store.home.snapshots):
        source, target = next(pair for pair in seen if pair[0] != "fsync" and Path(pair[1]).parent == folder)
        flushed = seen.index(("fsync", source))
        placed = seen.index((source, target))
        durable = seen.index(("fsync", str(folder)), placed)
        assert flushed < placed < durable
        steps += [placed, durable]
    assert steps == sorted(steps)
