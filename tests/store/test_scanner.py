"""Workspaces to trees and back: round trips, hostile trees (hard case 6), the stat cache."""

import contextlib
import importlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui import atomic
from nuvtui.atomic import locked
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.paths import Home
from nuvtui.reporter import Silent
from nuvtui.store import folder_scanner, helpers, scanner, trees, writeback
from nuvtui.store.chunks import WHOLE
from nuvtui.store.helpers import Helpers
from nuvtui.store.scanner import scan
from nuvtui.store.statcache import CacheWriter, StatCache, piece
from nuvtui.store.store import Store
from nuvtui.store.tree_only_writer import TreeOnlyWriter
from nuvtui.store.writer import writing
from tests.store.helpers import QUIET, assert_sound, look, new_store, picture, restore, take
from tests.support.waiting import wait_until

OLD_TIME = 1_600_000_000_123_456_789


@pytest.fixture(autouse=True)
def on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the folder for temporary files lies in memory, whose files are read every time (`test_writeback`)."""
    monkeypatch.setattr(writeback, "_MEMORY", frozenset())


def age(folder: Path) -> None:
    """Give every file an old time of modification (its ctime stays what the kernel says)."""
    for above, folders, files in os.walk(folder):
        for name in [*files, *folders]:
            os.utime(os.path.join(above, name), ns=(OLD_TIME, OLD_TIME), follow_symlinks=False)


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what was just written count as old: as if the scan came some seconds later."""
    monkeypatch.setattr(scanner, "MARGIN", -3_600_000_000_000)


def copy_out(store: Store, workspace: Path, out: Path) -> None:
    """Snapshot `workspace`, restore the snapshot into the empty `out`."""
    snapshot = take(store, workspace, out.with_name(out.name + "-c1"))
    (out / ".nuvtui").mkdir(parents=True)
    restore(store, snapshot, out, out.with_name(out.name + "-c2"))


def names_in(store: Store, root: bytes) -> list[str]:
    return [path for path, _ in trees.walk(store.tree, root)]


# -- round trips

_names = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..", b".nuvtui")
)
_files = st.tuples(
    st.just("file"),
    st.one_of(st.binary(max_size=200), st.integers(0, WHOLE + 70_000).map(lambda n: b"ab" * (n // 2))),
    st.sampled_from([0o644, 0o600, 0o755, 0o400, 0o000, 0o777]),
    st.integers(0, 2**62),
)
_links = st.tuples(
    st.just("link"), st.binary(min_size=1, max_size=30).filter(lambda target: b"\0" not in target)
)
_trees = st.recursive(
    st.one_of(_files, _links),
    lambda inner: st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))


def build(folder: bytes, tree: dict[bytes, object]) -> None:
    for name, what in tree.items():
        path = folder + b"/" + name
        if isinstance(what, dict):
            os.mkdir(path)
            build(path, what)
        elif what[0] == "link":  # type: ignore[index]
            os.symlink(what[1], path)  # type: ignore[index]
        else:
            _, data, mode, when = what  # type: ignore[misc]
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, mode)
            os.utime(path, ns=(when, when))


@settings(max_examples=40)
@given(tree=_trees)
def test_any_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: dict[bytes, object]) -> None:
    root = tmp_path_factory.mktemp("tree")
    workspace = root / "workspace"
    workspace.mkdir()
    build(os.fsencode(workspace), tree)
    copy_out(new_store(root / "home"), workspace, root / "out")
    assert picture(root / "out") == picture(workspace)


@settings(max_examples=30)
@given(old=_trees, new=_trees)
def test_any_tree_becomes_any_other(
    tmp_path_factory: pytest.TempPathFactory, old: dict[bytes, object], new: dict[bytes, object]
) -> None:
    root = tmp_path_factory.mktemp("trees")
    store = new_store(root / "home")
    for name, tree in (("old", old), ("new", new)):
        (root / name / ".nuvtui").mkdir(parents=True)
        build(os.fsencode(root / name), tree)
    snapshot = take(store, root / "new", root / "c1")
    restore(store, snapshot, root / "old", root / "c2")
    # A time alone is no difference: files that are equal but for it stay as they are.
    assert picture(root / "old", times=False) == picture(root / "new", times=False)
    assert list((root / "old" / ".nuvtui").iterdir()) == []


def test_awkward_files_come_back(store: Store, place: Path, tmp_path: Path) -> None:
    base = os.fsencode(place)
    (place / "empty folder").mkdir()
    (place / "empty file").touch()
    with open(base + b"/not utf-8 \xff\xfe", "wb") as file:
        file.write(b"bytes")
    with open(base + b"/two\nlines\x1b[31m", "wb") as file:
        file.write(b"newline")
    (place / ("long" * 63)).write_bytes(b"255 bytes are the limit")
    (place / "a").write_bytes(b"hard")
    (place / "sub").mkdir()
    os.link(place / "a", place / "sub" / "b")
    os.link(place / "a", place / "z")
    (place / "dangling").symlink_to("nowhere/at/all")
    (place / "absolute").symlink_to("/etc/passwd")
    with open(place / "sparse", "wb") as file:
        file.truncate(30 << 20)
        file.seek(10 << 20)
        file.write(b"an island")
    (place / "read-only").mkdir()
    (place / "read-only" / "file").write_bytes(b"x")
    (place / "read-only").chmod(0o555)
    copy_out(store, place, tmp_path / "out")
    assert picture(tmp_path / "out") == picture(place)
    assert os.stat(tmp_path / "out" / "sparse").st_blocks * 512 < 10 << 20
    assert_sound(store)


def test_what_cannot_be_kept_is_named(store: Store, place: Path, tmp_path: Path) -> None:
    (place / "file").write_bytes(b"kept")
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(place)  # the path of a socket has a limit
        listener.bind("sock\n")
    setuid = place / "setuid"
    setuid.write_bytes(b"#!")
    setuid.chmod(0o4755)
    snapshot = take(store, place, tmp_path / "cache")
    told = {warning.path: warning.reason for warning in snapshot.warnings}
    assert "named pipe" in told["pipe"]
    assert "socket" in told["sock\n"]
    assert "set-user-id" in told["setuid"]
    assert len(told) == 3
    kept = names_in(store, bytes.fromhex(snapshot.files.root))
    assert {"file", "setuid"} <= set(kept)
    assert not {"pipe", "sock\n"} & set(kept)
    # Named again every time, cache or not.
    assert take(store, place, tmp_path / "cache", "1" * 16).warnings == snapshot.warnings


def as_nobody(root: Path) -> list[str]:
    """Snapshot `workspace` and restore it to `out` as a user who may not read everything; what there is to say."""
    for module in ("ctypes", "zstandard", "concurrent.futures.thread"):
        importlib.import_module(module)  # while the interpreter's own files can be read
    out = root / "out"
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            store = new_store(root / "home")
            snapshot = take(store, root / "workspace", root / "cache")
            told = [f"{warning.path} | {warning.reason}" for warning in snapshot.warnings]
            told.append(str(names_in(store, bytes.fromhex(snapshot.files.root))))
            (out / ".nuvtui").mkdir(parents=True)
            restore(store, snapshot, out, root / "cache2")
            # Once more over a folder that its owner may not write in.
            (out / "locked" / "file").chmod(0o644)
            (out / "locked" / "file").write_text("edited")
            restore(store, snapshot, out, root / "cache2")
            told.append((out / "locked" / "file").read_text())
            told.append(oct((out / "locked").stat().st_mode))
            (root / "told").write_text("\n".join(told))
        except BaseException:
            (root / "told").write_text(traceback.format_exc())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return (root / "told").read_text().splitlines()


def test_unreadable_files_are_named_and_read_only_folders_restored(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT SHOWN: needs root, to become somebody who may not read everything")
    root = tmp_path / "nobody"
    place = root / "workspace"
    (place / ".nuvtui").mkdir(parents=True)
    (place / "secret").write_bytes(b"root's own")
    (place / "secret").chmod(0o600)
    (place / "closed").mkdir(mode=0o700)
    (place / "closed" / "inner").write_bytes(b"x")
    (place / "open").write_bytes(b"readable")
    (place / "locked").mkdir()
    (place / "locked" / "file").write_text("original")
    (place / "locked").chmod(0o555)
    os.chown(root, 65534, 65534)
    for folder in root.parents:
        if folder.name.startswith(("pytest", "popen")) or folder.is_relative_to(tmp_path):
            folder.chmod(folder.stat().st_mode | 0o055)
    lines = as_nobody(root)
    assert lines == [
        "closed | the folder cannot be read: Permission denied",
        "secret | cannot be read: Permission denied",
        "['locked', 'locked/file', 'open']",
        "original",
        "0o40555",
    ]


def test_a_missing_workspace_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NuvError) as caught, writing(store) as writer:
        scan(tmp_path / "nowhere", writer, tmp_path / "cache", QUIET)
    assert caught.value.exit_code is Exit.NOT_FOUND
    assert "nowhere" in caught.value.title


# -- files that change or vanish while they are read


class Meddler(Silent):
    """Does something to the workspace the moment a folder or a chunk is about to be read."""

    def __init__(self, action: object, times: int = 1) -> None:
        self.action = action
        self.times = times

    def check(self) -> None:
        if self.times:
            self.times -= 1
            self.action()  # type: ignore[operator]


def test_a_file_that_changes_once_is_read_again(store: Store, place: Path, tmp_path: Path) -> None:
    big = place / "big"
    big.write_bytes(b"a" * (3 * WHOLE))
    calls = iter(range(100))

    def meddle() -> None:
        if next(calls) == 2:  # after the folder and the first piece of the file
            big.write_bytes(b"b" * (3 * WHOLE + 5))

    with writing(store) as writer:
        found = scan(place, writer, tmp_path / "cache", Meddler(meddle, 100))
    assert found.warnings == []
    entry = trees.lookup(store.tree, found.root, "big")
    assert entry is not None
    assert b"".join(store.stream(entry.content)) == big.read_bytes()


def test_a_file_that_goes_on_changing_is_named(store: Store, place: Path, tmp_path: Path) -> None:
    log = place / "log\x1b"
    log.write_bytes(b"x" * (2 * WHOLE))

    def meddle() -> None:
        with open(log, "ab") as file:
            file.write(b"more")

    with writing(store) as writer:
        found = scan(place, writer, tmp_path / "cache", Meddler(meddle, 10**9))
    assert [(warning.path, warning.reason) for warning in found.warnings] == [
        ("log\x1b", "changed while it was read")
    ]
    entry = trees.lookup(store.tree, found.root, "log\x1b")
    assert entry is not None
    assert sum(map(len, store.stream(entry.content))) == entry.size
    # It is not trusted afterwards, although nothing touches it any more.
    with writing(store) as writer:
        found = scan(place, writer, tmp_path / "cache", QUIET)
    entry = trees.lookup(store.tree, found.root, "log\x1b")
    assert entry is not None
    assert b"".join(store.stream(entry.content)) == log.read_bytes()


@pytest.mark.parametrize("becomes", ["nothing", "pipe", "link", "folder"])
def test_a_file_that_vanishes_or_turns_is_named(
    store: Store, place: Path, tmp_path: Path, becomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = place / "victim"
    victim.write_bytes(b"x")
    (place / "other").write_bytes(b"kept")
    real = os.open

    def meddle(path: object, flags: int, *args: int, **kwargs: int) -> int:
        if path == b"victim" and victim.is_file() and not victim.is_symlink():
            victim.unlink()
            if becomes == "pipe":
                os.mkfifo(victim)
            elif becomes == "link":
                victim.symlink_to("/etc/passwd")
            elif becomes == "folder":
                victim.mkdir()
        return real(path, flags, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", meddle)
    with writing(store) as writer:
        found = scan(place, writer, tmp_path / "cache", QUIET)
    assert [warning.path for warning in found.warnings] == ["victim"]
    assert names_in(store, found.root) == ["other"]


def test_a_folder_swapped_for_a_link_is_not_followed(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"not the workspace's")
    (place / "sub").mkdir()
    real = os.open

    def meddle(path: object, flags: int, *args: int, **kwargs: int) -> int:
        if path == b"sub" and not (place / "sub").is_symlink():
            (place / "sub").rmdir()
            (place / "sub").symlink_to(outside)
        return real(path, flags, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", meddle)
    with writing(store) as writer:
        found = scan(place, writer, tmp_path / "cache", QUIET)
    assert [warning.path for warning in found.warnings] == ["sub"]
    assert names_in(store, found.root) == []


def test_cancel_ends_a_scan(store: Store, place: Path, tmp_path: Path) -> None:
    class Stop(Silent):
        def check(self) -> None:
            raise Cancelled

    (place / "f").write_bytes(b"x")
    with pytest.raises(Cancelled), writing(store) as writer:
        scan(place, writer, tmp_path / "cache", Stop())
    assert not (tmp_path / "cache").exists()
    assert list(store.home.packs.iterdir()) == []


# -- what is left out


def test_ignore_and_nuvtuis_own(store: Store, place: Path, tmp_path: Path) -> None:
    (place / ".nuvtui" / "ignore").write_text("*.tmp\n/raw/\n!keep.tmp\n# comment\nspäce\\ \n", "utf-8")
    (place / ".nuvtui" / "tables.duckdb").write_bytes(b"database")
    (place / ".nuvtui" / "apps").mkdir()
    for name in ("a.tmp", "keep.tmp", "raw/x", "sub/raw/x", "sub/b.tmp", "späce ", "sub/.nuvtui/ignore"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    atomic.temporary_name(place / "a.csv").write_bytes(b"unfinished")
    (place / "sub" / ".nuvtui-tmp-apply-0123456789abcdef").mkdir()
    for name in (
        ".nuvtui-notes",
        ".nuvtui-tmp-notes",
        ".nuvtui-tmp-apply-0123456789abcde",
        ".nuvtui-tmp-12-3",
    ):
        (place / name).write_bytes(b"the user's")
    wanted = [".nuvtui", ".nuvtui-notes", ".nuvtui-tmp-12-3", ".nuvtui-tmp-apply-0123456789abcde"]
    wanted += [".nuvtui-tmp-notes", ".nuvtui/ignore", "keep.tmp", "sub", "sub/raw", "sub/raw/x"]
    for number in range(3):
        snapshot = take(store, place, tmp_path / "cache", f"{number:016x}")
        assert sorted(names_in(store, bytes.fromhex(snapshot.files.root))) == wanted
        told = [warning.path for warning in snapshot.warnings]
        assert len(told) == 3
        assert told[0].startswith(".nuvtui-tmp-")
        assert told[1:] == ["sub/.nuvtui", "sub/.nuvtui-tmp-apply-0123456789abcdef"]
    (place / ".nuvtui" / "ignore").write_text("sub\n")
    snapshot = take(store, place, tmp_path / "cache", "9" * 16)
    kept = names_in(store, bytes.fromhex(snapshot.files.root))
    assert {"a.tmp", "raw/x", "späce "} <= set(kept)
    assert "sub" not in kept


def test_a_store_inside_the_workspace_is_left_out(place: Path, tmp_path: Path) -> None:
    store = new_store(place / "data" / "store")
    (place / "data" / "f").write_bytes(b"x")
    snapshot = take(store, place, tmp_path / "cache")
    assert names_in(store, bytes.fromhex(snapshot.files.root)) == ["data", "data/f"]
    assert [warning.path for warning in snapshot.warnings] == ["data/store"]


# -- the stat cache


class Reads:
    """Counts the files that are opened for reading in a scan."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[bytes] = []
        real = os.open

        def counted(path: object, flags: int, *args: int, **kwargs: int) -> int:
            if isinstance(path, bytes) and not flags & os.O_DIRECTORY:
                self.names.append(path)
            return real(path, flags, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", counted)

    def take(self) -> list[bytes]:
        names, self.names = sorted(self.names), []
        return names


def fill(place: Path) -> None:
    for folder in ("x", "y/z"):
        (place / folder).mkdir(parents=True)
        for name in ("1", "2"):
            (place / folder / name).write_bytes(f"{folder}{name}".encode())


def test_unchanged_files_are_not_read_again(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    fill(place)
    cache = tmp_path / "cache"
    reads = Reads(monkeypatch)
    first = take(store, place, cache)
    assert reads.take() == [b"1", b"1", b"2", b"2"]
    size = cache.stat().st_size
    assert take(store, place, cache, "1" * 16).files == first.files
    assert reads.take() == []
    assert cache.stat().st_size == size  # nothing changed: nothing written
    (place / "y" / "z" / "2").write_bytes(b"new")
    changed = take(store, place, cache, "2" * 16)
    assert reads.take() == [b"2"]
    assert size < cache.stat().st_size < 2 * size
    with writing(store) as writer:  # without a cache the same comes out
        assert scan(place, writer, tmp_path / "none", QUIET).root.hex() == changed.files.root


@pytest.mark.parametrize("racy", [True, False], ids=["just written", "old"])
def test_only_files_just_written_are_not_trusted(
    store: Store, place: Path, tmp_path: Path, racy: bool
) -> None:
    """A file written again within the clock's tick has size, times and inode as before: it is read all the same."""
    (place / "f").write_bytes(b"first")
    cache = tmp_path / "cache"
    take(store, place, cache)
    old = StatCache(cache)
    assert old.root is not None
    record = old.record(old.root)
    assert record is not None
    assert record.racy == [b"f"]
    # The second write, and the cache as it would be had the clock not moved on in between.
    (place / "f").write_bytes(b"again")
    now = (place / "f").stat()
    frozen = CacheWriter(old, anew=True)
    frozen.add(
        msgspec.structs.replace(
            record, pieces=b"f\0" + piece(now), racy=[b"f"] if racy else [], plain=not racy
        )
    )
    frozen.publish(store.generation(), old.written, old.whole)
    snapshot = take(store, place, cache, "1" * 16)
    entry = trees.lookup(store.tree, bytes.fromhex(snapshot.files.root), "f")
    assert entry is not None
    assert store.read(entry.content[0]) == (b"again" if racy else b"first")


def test_a_time_set_back_and_a_replaced_file_are_seen(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    cache = tmp_path / "cache"
    for name in ("in place", "replaced", "same"):
        (place / name).write_bytes(b"12345")
    age(place)
    take(store, place, cache)
    reads = Reads(monkeypatch)
    (place / "in place").write_bytes(b"54321")
    (place / "other").write_bytes(b"abcde")
    (place / "other").rename(place / "replaced")
    age(place)
    os.utime(place / "same", ns=(OLD_TIME, OLD_TIME))
    snapshot = take(store, place, cache, "1" * 16)
    assert {b"in place", b"replaced"} <= set(reads.take())
    held = {
        path: b"".join(store.stream(entry.content))
        for path, entry in trees.walk(store.tree, bytes.fromhex(snapshot.files.root))
    }
    assert held == {"in place": b"54321", "replaced": b"abcde", "same": b"12345"}


def test_a_look_at_the_current_state_writes_nothing_to_the_store(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    fill(place)
    cache = tmp_path / "cache"
    found, writer = look(store, place, cache)
    assert [path for path, _ in trees.walk(writer.tree, found.root)] == [
        "x", "x/1", "x/2", "y", "y/z", "y/z/1", "y/z/2"
    ]  # fmt: skip
    assert list(store.home.packs.iterdir()) == []
    reads = Reads(monkeypatch)
    again, writer = look(store, place, cache)
    assert again.root == found.root
    assert reads.take() == []
    assert len(list(trees.walk(writer.tree, again.root))) == 7
    # A snapshot after it does not believe that the store holds what was only looked at.
    snapshot = take(store, place, cache)
    assert snapshot.files.root == found.root.hex()
    assert_sound(store)
    _, writer = look(store, place, cache)
    assert writer.trees == {}


def test_a_snapshot_that_fails_leaves_no_trust_behind(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    fill(place)

    def fail() -> None:
        with writing(store) as writer:
            scan(place, writer, tmp_path / "cache", QUIET)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    take(store, place, tmp_path / "cache")
    assert_sound(store)


def test_another_store_does_not_believe_the_cache(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    fill(place)
    take(store, place, tmp_path / "cache")
    other = new_store(tmp_path / "other")
    take(other, place, tmp_path / "cache")
    assert_sound(other)


def test_a_damaged_cache_costs_time_only(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    fill(place)
    cache = tmp_path / "cache"
    first = take(store, place, cache)
    whole = cache.read_bytes()
    for at in range(0, len(whole), 3):
        cache.write_bytes(whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :])
        assert take(store, place, cache, "1" * 16).files == first.files
        cache.write_bytes(whole[:at])
        assert take(store, place, cache, "1" * 16).files == first.files
    assert_sound(store)


def test_the_cache_does_not_grow_for_ever(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    for number in range(2000):
        (place / f"a file with a rather long name {number}").write_bytes(b"")
    cache = tmp_path / "cache"
    look(store, place, cache)
    single = cache.stat().st_size
    for number in range(30):
        (place / "one").write_bytes(b"%d" % number)
        found, _ = look(store, place, cache)
    assert cache.stat().st_size < 4 * single + (2 << 20)
    fresh = TreeOnlyWriter(Store(Home(tmp_path / "home")))
    assert scan(place, fresh, tmp_path / "fresh", QUIET).root == found.root


FOLDERS = 6


def many(place: Path) -> None:
    """Folders with folders with files, enough for helpers to be worth it where `FROM` is small."""
    for number in range(FOLDERS):
        for below in ("a", "b/c"):
            folder = place / f"d{number}" / below
            folder.mkdir(parents=True)
            for file in range(3):
                (folder / f"f{file}").write_bytes(b"%d %d" % (number, file))


def rewrite(path: Path) -> None:
    """Other bytes, the same size and time of modification."""
    before = path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: list[Callable[[Path], object]] = [
    lambda folder: (folder / "a" / "f0").write_bytes(b"changed"),
    lambda folder: rewrite(folder / "b" / "c" / "f1"),
    lambda folder: (folder / "b" / "new").write_bytes(b"new"),
    lambda folder: (folder / "a" / "f2").unlink(),
    lambda folder: (folder / "a" / "f1").chmod(0o600),
    lambda folder: (folder / "a").chmod(0o700),
    lambda folder: os.link(folder / "a" / "f1", folder / "b" / "linked"),
    lambda folder: (folder / "a").rename(folder / "moved"),
    lambda folder: ((folder / "b").rename(folder / "away"), (folder / "b").symlink_to("away")),
    lambda folder: shutil.rmtree(folder),
    lambda folder: os.mkfifo(folder / "pipe"),
]


class Patient(Helpers):
    """Waits for the helpers' last word before the first question, and counts what they found the same."""

    said: ClassVar[list[int]] = []

    def same(self, offset: int) -> bool:
        for pid in self._pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        found = super().same(offset)
        if found:
            self.said.append(offset)
        return found


@settings(max_examples=40)
@given(
    changes=st.lists(st.tuples(st.integers(0, FOLDERS - 1), st.sampled_from(CHANGES)), max_size=4),
    ignore=st.booleans(),
)
def test_helpers_overlook_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    changes: list[tuple[int, Callable[[Path], object]]],
    ignore: bool,
) -> None:
    folder = tmp_path_factory.mktemp("helpers")
    store, place = new_store(folder / "home"), folder / "workspace"
    many(place)
    (place / ".nuvtui").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(scanner, "MARGIN", -3_600_000_000_000)
        take(store, place, folder / "cache")
    for number, change in changes:
        with contextlib.suppress(OSError):
            change(place / f"d{number}")
    if ignore:
        (place / ".nuvtui" / "ignore").write_text("f1\nb/\n")
    plain, _ = look(store, place, folder / "no cache")
    with monkeypatch.context() as patch:
        patch.setattr(helpers, "FROM", 1)
        patch.setattr(helpers, "may_copy", lambda: True)
        patch.setattr(scanner, "MARGIN", -3_600_000_000_000)
        patch.setattr(folder_scanner, "Helpers", Patient)
        Patient.said.clear()
        helped, _ = look(store, place, folder / "cache")
        assert Patient.said or changes or ignore
        snapshot = take(store, place, folder / "cache", "1" * 16)
    assert (helped.root, helped.count, helped.bytes, helped.warnings) == (
        plain.root,
        plain.count,
        plain.bytes,
        plain.warnings,
    )
    assert snapshot.files.root == plain.root.hex()


KILLED = """
import os, sys, time
from pathlib import Path
from nuvtui import atomic
from nuvtui.store import helpers

lock, ready = Path(sys.argv[1]), Path(sys.argv[2])
helpers.may_copy = lambda: True

def same(part, reporter):
    for _ in range(20000):
        reporter.check()
        time.sleep(0.001)
    return True

with atomic.locked(lock):
    found = helpers.Helpers([helpers.Part(b"x", 1)], os.open("/", os.O_RDONLY), same)
    ready.write_text(str(found._pids[0]))
    time.sleep(60)
"""


def test_a_helper_keeps_nothing_and_ends_with_its_scanner(tmp_path: Path) -> None:
    lock, ready = tmp_path / "lock", tmp_path / "ready"
    scanner = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(lock), str(ready)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(helpers.__file__).parents[2])},
    )
    helper = int(wait_until(lambda: ready.exists() and ready.read_text(), "the helper"))
    wait_until(lambda: len(os.listdir(f"/proc/{helper}/fd")) <= 3, "the helper without our files")
    scanner.kill()
    assert scanner.communicate(timeout=120)[0] == b""  # nobody else holds the pipe
    with locked(lock, timeout=0):
        pass
    wait_until(lambda: ended(helper), "the end of the helper")


def ended(process: int) -> bool:
    """True where a process is gone, or waits for somebody to take its exit status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_hard_links_made_and_cut_are_seen(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    cache = tmp_path / "cache"

    def groups(number: int) -> list[list[str]]:
        snapshot = take(store, place, cache, f"{number:016x}")
        found: dict[int, list[str]] = {}
        for path, entry in trees.walk(store.tree, bytes.fromhex(snapshot.files.root)):
            if entry.group:
                found.setdefault(entry.group, []).append(path)
        return sorted(found.values())

    (place / "d").mkdir()
    (place / "d" / "b").write_bytes(b"x")
    assert groups(0) == []
    os.link(place / "d" / "b", place / "c")
    assert groups(1) == [["c", "d/b"]]
    assert groups(2) == [["c", "d/b"]]
    os.link(place / "d" / "b", place / "a")
    assert groups(3) == [["a", "c", "d/b"]]
    (place / "c").unlink()
    assert groups(4) == [["a", "d/b"]]
    (place / "a").unlink()
    assert groups(5) == []


def test_two_scans_of_one_instance_at_once(store: Store, place: Path, tmp_path: Path) -> None:
    for number in range(300):
        (place / f"{number}").write_bytes(b"%d" % number)
    roots: list[bytes] = []

    def work() -> None:
        for _ in range(5):
            roots.append(look(Store(store.home), place, tmp_path / "cache")[0].root)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 15
    assert len(set(roots)) == 1
    assert look(store, place, tmp_path / "cache")[0].root == roots[0]


def test_folder_modes_keep_what_shared_folders_need(store: Store, place: Path, tmp_path: Path) -> None:
    (place / "team").mkdir()
    (place / "team").chmod(0o2775)
    copy_out(store, place, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "team").stat().st_mode) == 0o2775


def test_paths_in_warnings_are_in_text_form(store: Store, place: Path, tmp_path: Path) -> None:
    os.mkfifo(os.fsencode(place) + b"/p\xff\\")
    snapshot = take(store, place, tmp_path / "cache")
    assert snapshot.warnings[0].path == path_to_text(os.fsdecode(b"p\xff\\")) == "p\\xff\\\\"
