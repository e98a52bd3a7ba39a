"""What others do while gc works, and while snapshots are deleted, loses nothing and fails nobody."""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.errors import StoreError
from nuvtui.store import prune, scanner, usage
from nuvtui.store.store import Store
from tests.store.helpers import (
    CALLS,
    DONE,
    KILLED,
    QUIET,
    assert_sound,
    look,
    new_store,
    picture,
    restore,
    take,
)

FIRST, KEPT, LATER = "1" * 16, "2" * 16, "3" * 16


class Meanwhile:
    """Does something at the `at`-th call of the operating system, and ends the process `kill` calls later."""

    def __init__(self, at: int, work: Callable[[], object], kill: int | None) -> None:
        self.at, self.work, self.kill = at, work, kill
        self.count = 0
        self.met = False

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        saved = {name: getattr(os, name) for name in CALLS}

        def wrap(name: str) -> Callable[..., object]:
            def call(*given: object, **more: object) -> object:
                self.count += 1
                if self.count == self.at:
                    self.met = True
                    for each, plain in saved.items():
                        setattr(os, each, plain)
                    self.work()
                    arm()
                if self.kill is not None and self.count == self.at + self.kill:
                    os._exit(KILLED)
                result: object = saved[name](*given, **more)
                return result

            return call

        def arm() -> None:
            for name in CALLS:
                setattr(os, name, wrap(name))

        arm()
        try:
            yield
        finally:
            for name, plain in saved.items():
                setattr(os, name, plain)


def meanwhile(at: int, verb: Callable[[], object], work: Callable[[], object], kill: int | None) -> bool:
    """Run `verb` in a process of its own with `work` done at its `at`-th call; False: it has fewer calls."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            fault = Meanwhile(at, work, kill)
            with fault.armed():
                verb()
            code = DONE if fault.met else 2
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (DONE, KILLED, 2), f"call {at}"
    return code != 2


@pytest.mark.parametrize("kill", [None, 2])
def test_what_a_scan_saw_while_objects_are_taken_out_is_never_believed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: int | None
) -> None:
    """A status at every single call of gc, also one that is then cut: the next snapshot is whole."""
    workspace, other = tmp_path / "workspace", tmp_path / "other"
    for folder in (workspace, other):
        (folder / ".nuvtui").mkdir(parents=True)
        (folder / "shared").write_bytes(b"needed by a snapshot that stays" * 40)
    (workspace / "d").mkdir()
    (workspace / "d" / "precious").write_bytes(os.urandom(6000))
    (workspace / "top").write_bytes(b"top")
    store = new_store(tmp_path / "home")
    take(store, workspace, tmp_path / "cache", FIRST)
    take(store, other, tmp_path / "other-cache", KEPT)
    (workspace / "top").write_bytes(b"another top")
    take(store, workspace, tmp_path / "cache", LATER)
    # What was just written is looked at again by the next scan, which from here on trusts what it sees.
    monkeypatch.setattr(scanner, "MARGIN", -(10**18))
    store.delete_manifest(FIRST)
    store.delete_manifest(LATER)
    at = 0
    while True:
        at += 1 if kill is None else 2
        root = tmp_path / str(at)
        shutil.copytree(store.home.root, root / "home")
        shutil.copy(tmp_path / "cache", root / "cache")
        home = new_store(root / "home").home

        def work(home=home, cache=root / "cache") -> None:  # type: ignore[no-untyped-def]
            with contextlib.suppress(StoreError):  # a tree that went from under it
                look(Store(home), workspace, cache)

        def care(home=home) -> None:  # type: ignore[no-untyped-def]
            prune.prune(Store(home), False, 0, QUIET)

        went_on = meanwhile(at, care, work, kill)
        snapshot = take(Store(home), workspace, root / "cache", "4" * 16)
        out = root / "out"
        (out / ".nuvtui").mkdir(parents=True)
        restore(Store(home), snapshot, out, root / "out-cache")
        assert picture(out) == picture(workspace), f"call {at}"
        assert Store(home).generation() == Store(home).generation(), "a snapshot begins a generation"
        shutil.rmtree(root)
        if not went_on:
            break
    assert at > 10


def test_no_generation_is_one_that_nobody_gets_again(tmp_path: Path) -> None:
    store = new_store(tmp_path / "home")
    assert store.generation() == store.generation()
    with store.taking_out():
        assert store.generation() != store.generation()
        new_store(tmp_path / "home")  # opening the store does not end it
        assert store.generation() != store.generation()
    assert store.generation() == store.generation()


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_snapshot_deleted_while_one_looks_is_no_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """info, gc, unique_bytes and the listing of any number of snapshots, any of them deleted at any read."""
    root = tmp_path_factory.mktemp("deleted")
    workspace = root / "workspace"
    (workspace / ".nuvtui").mkdir(parents=True)
    store = new_store(root / "home")
    ids = [f"{number:016x}" for number in range(data.draw(st.integers(1, 4)))]
    for snapshot_id in ids:
        (workspace / snapshot_id).write_bytes(os.urandom(2000))
        take(store, workspace, root / "cache", snapshot_id)
    gone = data.draw(st.sets(st.sampled_from(ids), min_size=1))
    after = data.draw(st.integers(0, len(ids)))
    verb = data.draw(st.sampled_from(["info", "unique", "gc"]))
    collect = data.draw(st.booleans()) and verb != "gc"  # gc keeps others away
    reads = 0
    real = Store.read_manifest

    def read(self: Store, snapshot_id: str) -> object:
        nonlocal reads
        reads += 1
        if reads == after + 1:
            for each in gone:
                self.delete_manifest(each)
            if collect:
                worker = threading.Thread(target=prune.prune, args=(Store(store.home), False, 0, QUIET))
                worker.start()
                worker.join()
        return real(self, snapshot_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "read_manifest", read)
        fresh = Store(store.home)
        if verb == "info":
            assert usage.info(fresh).snapshots <= len(ids)
        elif verb == "unique":
            assert usage.unique_bytes(fresh, ids[:1]) >= 0
        else:
            prune.prune(fresh, False, 0, QUIET)
    left = usage.info(Store(store.home))
    assert left.snapshots == len(ids) - (len(gone) if reads > after else 0)
    assert_sound(Store(store.home))


@given(ahead=st.floats(-(10**9), 10**9), grace=st.floats(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_pack_is_young_only_within_the_grace_whatever_its_date(
    tmp_path_factory: pytest.TempPathFactory, ahead: float, grace: float
) -> None:
    root = tmp_path_factory.mktemp("dated")
    workspace = root / "workspace"
    (workspace / ".nuvtui").mkdir(parents=True)
    (workspace / "a").write_bytes(b"a")
    store = new_store(root / "home")
    take(store, workspace, root / "cache", FIRST)
    store.delete_manifest(FIRST)
    (pack,) = store.home.packs.iterdir()
    when = pack.stat().st_mtime + ahead
    os.utime(pack, (when, when))
    if abs(abs(ahead) - grace) < 5:
        return  # the time that the test itself takes
    prune.prune(store, False, grace, QUIET)
    assert pack.exists() == (abs(ahead) < grace)
