"""Putting trees in place: never outside, never over what is not in the snapshot, all that can fail fails first."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled, Exit, NuvError, StoreError
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.reporter import Silent
from nuvtui.store import trees
from nuvtui.store.descent import Descent
from nuvtui.store.folders import Folders, opened, remove_tree
from nuvtui.store.recorded import Recorded
from nuvtui.store.restorer import Replacement
from nuvtui.store.staging import STAGING, Keeper, recover
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from tests.store.helpers import QUIET, apply, changes, picture, record, restore, take

WHEN = 1_600_000_000_000_000_001


def file_entry(store: Store, name: str, data: bytes, mode: int = 0o644, group: int = 0) -> Entry:
    with writing(store) as writer:
        content = [writer.put(data)] if data else []
    return Entry(os.fsencode(name), FILE, mode, WHEN, len(data), content, group=group)


def folder_entry(name: str, mode: int = 0o755) -> Entry:
    return Entry(os.fsencode(name), FOLDER, mode, WHEN, 0, [bytes(32)])


@pytest.mark.parametrize(
    "path",
    ["../out", "a/../../out", "/etc/cron.d/x", "a//b", ".", "a/.", "", "a\0b", "a/", ".nuvtui/apps/x.yaml",
     ".nuvtui/tables.duckdb", ".nuvtui/ignore/x"],
)  # fmt: skip
def test_paths_that_lead_elsewhere_are_refused(store: Store, place: Path, tmp_path: Path, path: str) -> None:
    entry = file_entry(store, "x", b"evil")
    before = picture(tmp_path)
    with pytest.raises(NuvError) as caught:
        apply(store, place, [("fine", entry), (path, entry)], [], QUIET, Recorded(store.tree, None))
    assert caught.value.exit_code is Exit.REFUSED
    with pytest.raises(NuvError):
        apply(store, place, [], [path], QUIET, Recorded(store.tree, None))
    assert picture(tmp_path) == before


def test_a_manifest_with_a_link_as_parent_writes_nothing_outside(
    store: Store, place: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"untouched")
    entry = file_entry(store, "victim", b"evil")
    link = Entry(b"a", LINK, 0o777, WHEN, 0, target=os.fsencode(outside))
    with pytest.raises(NuvError):  # the link and what would go through it, in one snapshot
        apply(store, place, [("a", link), ("a/victim", entry)], [], QUIET)
    (place / "a").symlink_to(outside)
    with pytest.raises(NuvError) as caught:  # the link is there already
        apply(store, place, [("a/victim", entry)], [], QUIET)
    assert caught.value.exit_code is Exit.CONFLICT
    with pytest.raises(NuvError):
        apply(store, place, [], ["a/victim"], QUIET)
    assert (outside / "victim").read_bytes() == b"untouched"
    assert sorted(os.listdir(outside)) == ["victim"]
    # Where the snapshot has a folder there, the link makes way; what it points to stays.
    apply(store, place, [("a", folder_entry("a")), ("a/victim", entry)], [], QUIET)
    assert (place / "a" / "victim").read_bytes() == b"evil"
    assert not (place / "a").is_symlink()
    assert (outside / "victim").read_bytes() == b"untouched"


def test_nuvtuis_folder_as_a_link_is_not_followed(store: Store, place: Path, tmp_path: Path) -> None:
    (place / ".nuvtui").rmdir()
    (tmp_path / "outside").mkdir()
    (place / ".nuvtui").symlink_to(tmp_path / "outside")
    with pytest.raises(NuvError):
        apply(store, place, [("f", file_entry(store, "f", b"x"))], [], QUIET)
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (place / "f").exists()


def test_missing_parents_are_made_and_links_replaced_not_followed(
    store: Store, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").write_bytes(b"untouched")
    (place / "f").symlink_to(tmp_path / "victim")
    link = Entry(b"l", LINK, 0o777, WHEN, 0, target=b"../anything")
    puts = [
        ("a/b/c", file_entry(store, "c", b"deep", 0o640)),
        ("f", file_entry(store, "f", b"x")),
        ("a/l", link),
    ]
    apply(store, place, puts, [], QUIET)
    assert (place / "a" / "b" / "c").read_bytes() == b"deep"
    assert (place / "a" / "b" / "c").stat().st_mtime_ns == WHEN
    assert (place / "a" / "b" / "c").stat().st_mode & 0o7777 == 0o640
    assert os.readlink(place / "a" / "l") == "../anything"
    assert os.lstat(place / "a" / "l").st_mtime_ns == WHEN
    assert not (place / "f").is_symlink()
    assert (tmp_path / "victim").read_bytes() == b"untouched"


def test_privileged_bits_are_not_restored(store: Store, place: Path) -> None:
    apply(store, place, [("f", file_entry(store, "f", b"#!", 0o6755))], [], QUIET)
    assert (place / "f").stat().st_mode & 0o7777 == 0o755


def test_hard_links_are_one_file_again(store: Store, place: Path) -> None:
    one, two = (file_entry(store, name, b"same", group=7) for name in ("one", "two"))
    other = file_entry(store, "other", b"differs", group=7)
    apply(store, place, [("one", one), ("d/two", two), ("other", other)], [], QUIET)
    assert (place / "one").stat().st_ino == (place / "d" / "two").stat().st_ino
    assert (place / "other").read_bytes() == b"differs"
    assert (place / "other").stat().st_nlink == 1


def test_a_replaced_file_does_not_change_its_other_names(store: Store, place: Path, tmp_path: Path) -> None:
    (tmp_path / "kept elsewhere").write_bytes(b"precious")
    os.link(tmp_path / "kept elsewhere", place / "f")
    apply(store, place, [("f", file_entry(store, "f", b"new"))], [], QUIET)
    assert (tmp_path / "kept elsewhere").read_bytes() == b"precious"


def test_removals_keep_folders_that_hold_something(store: Store, place: Path, tmp_path: Path) -> None:
    (place / ".nuvtui" / "ignore").write_text("raw\n")
    (place / "d" / "e").mkdir(parents=True)
    (place / "d" / "e" / "f").write_bytes(b"x")
    (place / "d" / "raw").write_bytes(b"ignored")
    (place / ".nuvtui" / "tables.duckdb").write_bytes(b"database")
    empty = tmp_path / "empty"
    empty.mkdir()
    snapshot = take(store, empty, tmp_path / "c0")
    restore(store, snapshot, place, tmp_path / "cache")
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*")) == [
        ".nuvtui", ".nuvtui/tables.duckdb", "d", "d/raw"
    ]  # fmt: skip


# -- what changed meanwhile is not overwritten


def prepare(store: Store, place: Path, tmp_path: Path) -> tuple[list[tuple[str, Entry]], list[str], Recorded]:
    """A snapshot `wanted`, and a workspace that differs, just scanned into the store."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "replaced").write_bytes(b"wanted")
    (other / "created").write_bytes(b"wanted")
    snapshot = take(store, other, tmp_path / "c0")
    (place / "replaced").write_bytes(b"before")
    (place / "removed").write_bytes(b"before")
    cache = tmp_path / "cache"
    recorded = record(store, place, cache)
    puts, removals = changes(store, snapshot, place, cache)
    assert [path for path, _ in puts] == ["created", "replaced"]
    assert removals == ["removed"]
    return puts, removals, recorded


@pytest.mark.parametrize("name", ["replaced", "removed", "created"])
def test_a_file_changed_since_the_scan_is_a_conflict(
    store: Store, place: Path, tmp_path: Path, name: str
) -> None:
    puts, removals, recorded = prepare(store, place, tmp_path)
    (place / name).write_bytes(b"edited")  # the same length as before
    before = picture(place)
    with pytest.raises(NuvError) as caught:
        apply(store, place, puts, removals, QUIET, recorded)
    assert caught.value.exit_code is Exit.CONFLICT
    assert name in str(caught.value)
    assert picture(place) == before
    assert list((place / ".nuvtui").iterdir()) == []


def test_a_racy_change_is_found_by_its_content(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was written within the clock's tick: stat tells nothing, so it is read."""
    puts, removals, recorded = prepare(store, place, tmp_path)
    real = os.stat
    seen = real(place / "replaced")
    (place / "replaced").write_bytes(b"edited")

    def frozen(path: object, **kwargs: object) -> os.stat_result:
        return seen if path == "replaced" else real(path, **kwargs)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "stat", frozen)
    with pytest.raises(NuvError, match="replaced"):
        apply(store, place, puts, removals, QUIET, recorded)


def test_a_file_that_is_there_already_is_no_conflict(store: Store, place: Path, tmp_path: Path) -> None:
    puts, removals, recorded = prepare(store, place, tmp_path)
    (place / "created").write_bytes(b"wanted")
    apply(store, place, puts, removals, QUIET, recorded)
    assert (place / "created").read_bytes() == (place / "replaced").read_bytes() == b"wanted"
    assert not (place / "removed").exists()


@pytest.mark.parametrize("kind", ["ignored", "pipe"])
def test_what_no_snapshot_holds_is_not_overwritten(
    store: Store, place: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "pipe":
        os.mkfifo(place / "f")
    else:
        (place / ".nuvtui" / "ignore").write_text("f\n")
        (place / "f").write_bytes(b"only here")
    recorded = record(store, place, tmp_path / "cache")
    puts = [("f", file_entry(store, "f", b"from elsewhere"))]
    with pytest.raises(NuvError) as caught:
        apply(store, place, puts, [], QUIET, recorded)
    assert caught.value.exit_code is Exit.CONFLICT
    assert (place / "f").is_fifo() if kind == "pipe" else (place / "f").read_bytes() == b"only here"


def test_a_folder_with_files_of_its_own_does_not_become_a_file(
    store: Store, place: Path, tmp_path: Path
) -> None:
    (place / "d").mkdir()
    (place / "d" / "known").write_bytes(b"x")
    (place / ".nuvtui" / "ignore").write_text("secret\n")
    (place / "d" / "secret").write_bytes(b"only here")
    recorded = record(store, place, tmp_path / "cache")
    puts = [("d", file_entry(store, "d", b"now a file"))]
    with pytest.raises(NuvError, match="d/secret") as caught:
        apply(store, place, puts, ["d/known"], QUIET, recorded)
    assert caught.value.exit_code is Exit.CONFLICT
    assert (place / "d" / "known").exists()


# -- what can fail fails before anything is touched


def test_missing_and_damaged_objects_leave_the_workspace_untouched(
    store: Store, place: Path, tmp_path: Path
) -> None:
    (place / "a").write_bytes(b"old")
    good = file_entry(store, "a", b"new")
    gone = Entry(b"b", FILE, 0o644, WHEN, 3, [bytes(32)])
    before = picture(place)
    with pytest.raises(StoreError, match="missing"):
        apply(store, place, [("a", good), ("b", gone)], [], QUIET)
    assert picture(place) == before
    damaged = file_entry(store, "b", os.urandom(5000))
    pack = max(store.home.packs.iterdir(), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[2000] ^= 1
    pack.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        apply(Store(store.home), place, [("a", good), ("b", damaged)], [], QUIET)
    assert picture(place) == before
    wrong = Entry(b"b", FILE, 0o644, WHEN, 99, good.content)
    with pytest.raises(StoreError):
        apply(store, place, [("a", good), ("b", wrong)], [], QUIET)
    assert picture(place) == before
    assert list((place / ".nuvtui").iterdir()) == []


def test_cancel_leaves_the_workspace_untouched(store: Store, place: Path) -> None:
    class Stop(Silent):
        def check(self) -> None:
            raise Cancelled

    (place / "a").write_bytes(b"old")
    with pytest.raises(Cancelled):
        apply(store, place, [("a", file_entry(store, "a", b"new"))], [], Stop())
    assert (place / "a").read_bytes() == b"old"
    assert list((place / ".nuvtui").iterdir()) == []


def test_stale_staging_is_swept_and_a_live_one_is_not(store: Store, place: Path) -> None:
    import fcntl

    stale = place / ".nuvtui" / (STAGING + "dead")
    (stale / "aside-1" / "sub").mkdir(parents=True)
    (stale / "aside-1" / "sub" / "f").write_bytes(b"x")
    (stale / "aside-1").chmod(0o500)
    live = place / ".nuvtui" / (STAGING + "live")
    live.mkdir()
    descriptor = os.open(live, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert recover(place, store.tree) == []
        apply(store, place, [("a", file_entry(store, "a", b"new"))], [], QUIET)
    finally:
        os.close(descriptor)
    assert [path.name for path in (place / ".nuvtui").iterdir()] == [live.name]


@pytest.mark.parametrize("size", ["4m", "64m"])
def test_another_file_system_inside_the_workspace(
    store: Store, place: Path, tmp_path: Path, size: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT SHOWN: needs root, to mount a file system inside a workspace")
    (place / "mounted").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place / "mounted")]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"NOT SHOWN: tmpfs cannot be mounted: {done.stderr.decode()}")
    try:
        other = tmp_path / "other"
        (other / "mounted").mkdir(parents=True)
        (other / "mounted" / "f").write_bytes(os.urandom(6 << 20))
        (other / "mounted" / "f").chmod(0o751)
        (other / "mounted" / "l").symlink_to("f")
        snapshot = take(store, other, tmp_path / "c0")
        (place / "mounted" / "f").write_bytes(b"old")
        if size == "4m":
            with pytest.raises(NuvError, match=r"No space.*mounted/f"):
                restore(store, snapshot, place, tmp_path / "cache")
            assert (place / "mounted" / "f").read_bytes() == b"old"
            assert os.listdir(place / "mounted") == ["f"]
        else:
            restore(store, snapshot, place, tmp_path / "cache")
            assert picture(place, times=False) == picture(other, times=False)
    finally:
        subprocess.run(["umount", "--lazy", str(place / "mounted")], check=True)


def test_a_nearly_equal_workspace_is_touched_only_where_it_differs(
    store: Store, place: Path, tmp_path: Path
) -> None:
    for number in range(50):
        (place / f"{number}").write_bytes(b"%d" % number)
    snapshot = take(store, place, tmp_path / "cache")
    inodes = {path.name: path.stat().st_ino for path in place.iterdir()}
    (place / "7").write_bytes(b"edited")
    restore(store, snapshot, place, tmp_path / "cache")
    assert (place / "7").read_bytes() == b"7"
    changed = [path.name for path in place.iterdir() if path.stat().st_ino != inodes[path.name]]
    assert changed == ["7"]


def test_progress_is_told(store: Store, place: Path) -> None:
    class Told(Silent):
        seen: list[tuple[int, int | None]] = []

        def progress(self, done: int, total: int | None, unit: object, what: str = "") -> None:
            self.seen.append((done, total))

    told = Told()
    apply(store, place, [(f"{n}", file_entry(store, f"{n}", b"x" * n)) for n in range(20)], [], told)
    assert told.seen[-1] == (20, 20)


# -- trees


def test_look_up_and_walk(store: Store, place: Path, tmp_path: Path) -> None:
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "c").write_bytes(b"x")
    (place / "a.txt").write_bytes(b"y")
    (place / "l").symlink_to("a")
    root = bytes.fromhex(take(store, place, tmp_path / "cache").files.root)
    assert [path for path, _ in trees.walk(store.tree, root, "p/")] == [
        "p/a", "p/a/b", "p/a/b/c", "p/a.txt", "p/l"
    ]  # fmt: skip
    found = trees.lookup(store.tree, root, "a/b/c")
    assert found is not None
    assert found.size == 1
    for path in ("a/b/d", "a/b/c/d", "l/b", "", "a/", "nothing"):
        assert trees.lookup(store.tree, root, path) is None


def test_diff(store: Store, place: Path, tmp_path: Path) -> None:
    for name in ("same/deep/f", "turn/inner", "gone/f", "edit", "mode", "touched"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode())
    old = bytes.fromhex(take(store, place, tmp_path / "c1", "1" * 16).files.root)
    (place / "turn" / "inner").unlink()
    (place / "turn").rmdir()
    (place / "turn").write_bytes(b"file")
    (place / "gone" / "f").unlink()
    (place / "gone").rmdir()
    (place / "edit").write_bytes(b"EDIT")
    (place / "mode").chmod(0o755)
    os.utime(place / "touched", ns=(1, 1))
    (place / "new").mkdir()
    (place / "new" / "f").write_bytes(b"n")
    new = bytes.fromhex(take(store, place, tmp_path / "c1", "2" * 16).files.root)
    opened: list[bytes] = []

    def tree(item: bytes) -> list[Entry]:
        opened.append(item)
        return store.tree(item)

    def told(a: bytes | None, b: bytes | None) -> list[tuple[str, str | None, str | None]]:
        return [(p, x and x.kind, y and y.kind) for p, x, y in trees.diff(tree, a, tree, b)]

    assert told(old, new) == [
        ("edit", "f", "f"),
        ("gone", "d", None),
        ("gone/f", "f", None),
        ("mode", "f", "f"),
        ("new", None, "d"),
        ("new/f", None, "f"),
        ("turn", "d", "f"),
        ("turn/inner", "f", None),
    ]
    same = trees.lookup(store.tree, old, "same")
    assert same is not None
    assert same.content[0] not in opened
    assert told(old, old) == []
    assert [item[:1] + item[2:] for item in told(None, old)] == [
        (path, entry.kind) for path, entry in trees.walk(store.tree, old)
    ]
    assert told(None, None) == []
    assert tree_format.decode(store.read(old)) == store.tree(old)


# -- what is deep, long, and next to it


def test_a_tree_deeper_than_any_path_may_be_comes_back(store: Store, place: Path, tmp_path: Path) -> None:
    name, depth = "dddd", 1100
    path = "/".join([name] * depth)
    with opened(place) as root:
        below = Descent(root)
        for _ in range(depth):
            os.mkdir(name, dir_fd=below.descriptor)
            below.enter(name.encode())
        leaf = os.open("leaf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=below.descriptor)
        os.write(leaf, b"deep")
        os.close(leaf)
        below.close()
        (place / "beside").write_bytes(b"beside")
        snapshot = take(store, place, tmp_path / "cache")
        remove_tree(root, name)
        (place / "beside").unlink()
        assert restore(store, snapshot, place, tmp_path / "cache") == []
        folders = Folders(root)
        found = os.open("leaf", os.O_RDONLY, dir_fd=folders.open(path))
        assert os.read(found, 99) == b"deep"
        os.close(found)
        folders.close()
        assert (place / "beside").read_bytes() == b"beside"
        # And it goes again, by another restore.
        empty = tmp_path / "empty"
        empty.mkdir()
        assert restore(store, take(store, empty, tmp_path / "c0"), place, tmp_path / "cache") == []
    assert [path.name for path in place.iterdir()] == [".nuvtui"]


def test_holes_come_back_as_holes(store: Store, place: Path, tmp_path: Path) -> None:
    size = 3 << 30
    with (place / "sparse").open("wb") as file:
        file.write(b"begins")
        file.truncate(size)
        file.seek(size // 2)
        file.write(b"in the middle")
    snapshot = take(store, place, tmp_path / "cache")
    (place / "sparse").unlink()
    restore(store, snapshot, place, tmp_path / "cache")
    status = (place / "sparse").stat()
    assert status.st_size == size
    assert status.st_blocks * 512 < 64 << 20
    with (place / "sparse").open("rb") as file:
        assert file.read(6) == b"begins"
        file.seek(size // 2)
        assert file.read(13) == b"in the middle"


def test_many_names_of_one_file_are_put_back_together(store: Store, place: Path, tmp_path: Path) -> None:
    """Each is displaced in turn: what the others did to its times is no sign of somebody else."""
    (place / "0").write_bytes(b"one file")
    for number in range(1, 300):
        os.link(place / "0", place / str(number))
    snapshot = take(store, place, tmp_path / "cache")
    (place / "0").unlink()
    (place / "0").write_bytes(b"apart")
    assert restore(store, snapshot, place, tmp_path / "cache") == []
    assert len({(place / str(number)).stat().st_ino for number in range(300)}) == 1
    assert (place / "0").read_bytes() == b"one file"


def test_a_file_that_is_being_written_is_kept_whatever_it_holds(
    store: Store, place: Path, tmp_path: Path
) -> None:
    """Its writer goes on in the file that it has open: that is the one that is kept."""
    puts, removals, recorded = prepare(store, place, tmp_path)
    for name in ("replaced", "removed"):
        os.utime(place / name, ns=(WHEN, WHEN))
    recorded = record(store, place, tmp_path / "cache")
    with (place / "replaced").open("ab") as one, (place / "removed").open("ab") as two:
        kept = apply(store, place, puts, removals, QUIET, recorded)
        one.write(b" and after")
        two.write(b" and after")
    assert sorted(file.path for file in kept) == ["removed", "replaced"]
    assert [(place / file.kept_as).read_bytes() for file in kept] == [b"before and after"] * 2
    assert (place / "replaced").read_bytes() == b"wanted"


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), StoreError("a tree is damaged")], ids=["stopped", "damaged"]
)
def test_what_was_not_looked_at_is_not_let_go_of(
    store: Store, place: Path, tmp_path: Path, error: BaseException
) -> None:
    """However the last step ends: what was displaced by then is kept, or still there for the next change to look at."""
    puts, removals, recorded = prepare(store, place, tmp_path)
    work = Replacement(store, place, puts, removals, recorded, QUIET)
    work.stage()
    real = Replacement._put

    def edited(self: Replacement, path: str) -> None:
        (place / path).write_bytes(b"precious " + path.encode())
        real(self, path)

    def fail(*_: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replacement, "_put", edited)
        work.place()
        patch.setattr(Keeper, "settle", fail)
        with contextlib.suppress(KeyboardInterrupt):
            work.finish()
        work.close()
    recover(place, store.tree)
    there = [path.read_bytes() for path in (place / ".nuvtui").rglob("*") if path.is_file()]
    assert {b"precious created", b"precious replaced"} <= set(there)
