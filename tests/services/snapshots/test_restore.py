"""Restore: here, to another instance, undone; what it may never touch; what happens when it fails."""

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest

from nuvtui.errors import Cancelled, NuvError
from nuvtui.model.cause import Cause
from nuvtui.paths import Workspace
from tests.services.helpers import Listener, World, refused


def make_rich(world: World) -> None:
    """Every kind of thing that a state can hold."""
    root = world.root()
    world.write("README.md", "# A study\n")
    world.write("run.sh", "#!/bin/sh\n", mode=0o755)
    world.write("private.txt", "mine", mode=0o600)
    world.write("empty.bin", b"")
    world.write("data/big.bin", bytes(range(256)) * 5000)
    world.write("data/deep/er/a.csv", "x\n1\n")
    (root / "empty" / "inside").mkdir(parents=True)
    (root / "link").symlink_to("data/big.bin")
    (root / "dangling").symlink_to("../nowhere/\udcff")
    (root / "folderlink").symlink_to("data")
    os.link(root / "README.md", root / "data" / "same.md")
    world.write("caf\udce9.txt", "not UTF-8")
    world.write("new\nline", "newline")
    world.write("-rf *", "hostile")
    (root / "data" / "deep").chmod(0o750)
    world.table("visits", "select * from (values (1, 'one', null), (2, 'two', 0.1::double)) t(id, name, x)")
    world.table("big", "select range as n, 'row ' || range as t from range(5000)")
    world.application("demo")
    world.application("second", "other")


def make_other(world: World) -> None:
    """Something different in every respect."""
    root = world.root()
    world.write("README.md", "# Changed, and no longer a hard link to the other\n")
    (root / "run.sh").chmod(0o644)
    (root / "private.txt").unlink()
    (root / "empty.bin").unlink()
    (root / "empty.bin").mkdir()
    world.write("data/deep/er/b.csv", "x\n2\n")
    (root / "data" / "deep" / "er" / "a.csv").unlink()
    (root / "empty" / "inside").rmdir()
    (root / "empty").rmdir()
    world.write("empty", "a file now")
    (root / "link").unlink()
    (root / "link").symlink_to("README.md")
    (root / "folderlink").unlink()
    world.write("folderlink/now/a/folder.txt", "x")
    (root / "caf\udce9.txt").unlink()
    (root / "fresh").mkdir()
    (root / "data" / "deep").chmod(0o755)
    world.drop("visits")
    world.table("big", "select range::varchar as n from range(10)")
    world.table("fresh", "select 1 as one")
    world.application("demo", "changed")
    Workspace(root).application("second").unlink()
    world.application("third")


def test_restore_and_undo_bring_everything_back(world: World) -> None:
    make_rich(world)
    first = world.whole()
    one = world.snapshot("one")
    make_other(world)
    second = world.whole()
    assert first != second
    result = world.services.restore.restore(one.id)
    assert world.whole() == first
    assert world.services.changes.diff(world.current(), type(world.current())(world.master.id, one.id)).empty
    backup = world.services.snapshots.find(world.master.id, result.backup)
    assert (backup.kind, backup.parent) == ("automatic", one.id)
    assert backup.cause == Cause("restore", one.id, one.name)
    # Undo, and undo the undo.
    undone = world.services.restore.restore(result.backup)
    assert world.whole() == second
    world.services.restore.restore(undone.backup)
    assert world.whole() == first
    world.assert_store_sound()


def test_restore_to_another_instance_makes_it_equal(world: World) -> None:
    make_rich(world)
    one = world.snapshot("one")
    other = world.add("other")
    world.write("only-there.txt", "x", other)
    world.table("only_there", "select 1 as a", other)
    world.application("only-there", instance=other)
    before = world.whole(other)
    result = world.services.restore.restore(one.id, other.id)
    assert result.instance == other.id
    assert world.whole(other) == world.whole()
    assert world.services.snapshots.find(other.id, result.backup).kind == "automatic"
    world.services.restore.restore(result.backup, other.id)
    assert world.whole(other) == before


def test_restoring_what_is_there_already_changes_nothing(world: World) -> None:
    make_rich(world)
    one = world.snapshot("one")
    before = {p: p.lstat().st_ctime_ns for p in world.root().rglob("*") if ".nuvtui" not in p.parts}
    result = world.services.restore.restore(one.id)
    assert (result.files, result.tables, result.applications) == (0, 0, 0)
    after = {p: p.lstat().st_ctime_ns for p in world.root().rglob("*") if ".nuvtui" not in p.parts}
    assert before == after


def test_a_hard_link_that_was_cut_is_joined_again(world: World) -> None:
    world.write("a", "same")
    os.link(world.root() / "a", world.root() / "b")
    one = world.snapshot("one")
    (world.root() / "b").unlink()
    world.write("b", "other")
    world.services.restore.restore(one.id)
    assert (world.root() / "a").read_text() == (world.root() / "b").read_text() == "same"
    assert (world.root() / "a").stat().st_ino == (world.root() / "b").stat().st_ino


def test_ignored_files_survive(world: World) -> None:
    world.write(".nuvtui/ignore", "*.log\ncache/\n")
    world.write("src/a.py", "1")
    one = world.snapshot("one")
    world.write("src/b.py", "2")
    world.write("src/run.log", "kept")
    world.write("cache/x", "kept")
    world.write("extra/more.log", "kept")
    world.write("extra/b.py", "3")
    world.services.restore.restore(one.id)
    assert (world.root() / "src" / "run.log").read_text() == "kept"
    assert (world.root() / "cache" / "x").read_text() == "kept"
    assert (world.root() / "extra" / "more.log").read_text() == "kept"
    assert not (world.root() / "src" / "b.py").exists()
    assert not (world.root() / "extra" / "b.py").exists()


@pytest.mark.parametrize(
    ("held", "ignored"),
    [("out", "out"), ("out/deep/file", "out"), ("out", "out/precious"), ("out/precious", "out/precious")],
    ids=["file-file", "folder-file", "file-folder", "file-file-below"],
)
def test_what_the_automatic_snapshot_does_not_hold_is_never_written_over(
    world: World, held: str, ignored: str
) -> None:
    world.write(held, "of the snapshot")
    world.write("a.txt", "1")
    world.table("t", "select 1 as a")
    one = world.snapshot("one")
    (world.root() / held).unlink()
    if held == "out/deep/file":
        (world.root() / "out" / "deep").rmdir()
    if held.startswith("out/"):
        (world.root() / "out").rmdir()
    world.write(ignored, "precious")
    world.write("a.txt", "2")
    world.table("t", "select 2 as a")
    world.write(".nuvtui/ignore", f"/{ignored}\n")
    before = world.whole()
    with refused(5, "ut"):
        world.services.restore.restore(one.id)
    assert world.whole() == before
    assert (world.root() / ignored).read_text() == "precious"


def test_an_application_file_that_no_snapshot_can_hold_is_not_written_over(world: World) -> None:
    world.application("demo")
    one = world.snapshot("one")
    file = Workspace(world.root()).application("demo")
    file.write_bytes(b"name: caf\xe9\n")
    with refused(5, "demo.yaml"):
        world.services.restore.restore(one.id)
    assert file.read_bytes() == b"name: caf\xe9\n"


def test_a_file_with_a_name_that_is_no_slug_stays_through_a_failed_restore(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going back may only touch what the restore wrote: these files are in no snapshot."""
    world.application("demo")
    one = world.snapshot("one")
    folder = Workspace(world.root()).applications
    (folder / "Not A Slug.yaml").write_text("name: x\n")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    world.application("demo", "changed")
    world.application("fresh")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    from nuvtui.store import restorer

    real = restorer.sync_file_system
    calls: list[int] = []

    def sync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:  # all is in place
            assert (folder / "demo.yaml").read_text().endswith("[run]\n")
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(restorer, "sync_file_system", sync)
    with pytest.raises(NuvError, match="Input/output error") as caught:
        world.services.restore.restore(one.id)
    assert "neither as it was" not in caught.value.title
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_cancelled_restore_leaves_the_state_as_it_was(study: World) -> None:
    one = study.snapshot("one")
    study.write("README.md", "changed")
    study.table("visits", "select 9 as id")
    before = study.whole()
    for step in ("files", "tables", "apply-files", "apply-tables"):
        with pytest.raises(Cancelled):
            study.services.restore.restore(one.id, reporter=Listener(cancel_at=step))
        assert study.whole() == before, step
    study.services.restore.restore(one.id)
    assert (study.root() / "README.md").read_text() == "# A study\n"


def test_a_failing_database_leaves_files_and_tables_as_they_were(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are written after the files: where they fail, the files go back."""
    one = study.snapshot("one")
    study.write("README.md", "changed")
    study.write("new.txt", "new")
    (study.root() / "data" / "a.csv").unlink()
    study.table("visits", "select 9 as id")
    study.application("demo", "changed")
    before = study.whole()
    from nuvtui.services.snapshots import changeset

    real = changeset.replacing

    @contextlib.contextmanager
    def failing(*arguments: Any) -> Iterator[None]:
        with real(*arguments):
            yield
            assert (study.root() / "README.md").read_text() == "# A study\n"  # the files are in place by now
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(changeset, "replacing", failing)
    with pytest.raises((NuvError, OSError)):
        study.services.restore.restore(one.id)
    assert study.whole() == before
    monkeypatch.undo()
    study.services.restore.restore(one.id)
    assert (study.root() / "README.md").read_text() == "# A study\n"


def test_a_failing_way_back_names_the_automatic_snapshot(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study.snapshot("one")
    study.table("visits", "select 9 as id")
    study.write("README.md", "changed")
    before = study.whole()
    from nuvtui.services.snapshots import changeset

    @contextlib.contextmanager
    def failing(*_: object) -> Iterator[None]:
        yield
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def take_back(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(changeset, "replacing", failing)
        patch.setattr(changeset.Replacement, "_take_back", take_back)
        backup = ""
        with refused(1, "neither as it was", "nuvtui snapshots restore"):
            study.services.restore.restore(one.id)
    backup = study.services.snapshots.list(study.master.id)[0].id
    study.services.restore.restore(backup)
    assert study.whole() == before


def test_what_a_snapshot_could_not_hold_is_not_removed_by_restoring_it(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there, and unreadable just then: the snapshot says so, and knows nothing better."""
    study.write("flaky/file.txt", "precious")
    real = os.open

    def broken(path: object, *arguments: object, **more: object) -> int:
        if os.fsdecode(path).endswith("flaky"):  # type: ignore[arg-type]
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", broken)
        one = study.snapshot("one")
    assert [w.path for w in study.services.snapshots.manifest(one.id).warnings] == ["flaky"]
    study.write("README.md", "changed")
    study.services.restore.restore(one.id)
    assert (study.root() / "README.md").read_text() == "# A study\n"
    assert (study.root() / "flaky" / "file.txt").read_text() == "precious"


def test_restoring_an_unknown_snapshot_or_to_an_unknown_instance(study: World) -> None:
    one = study.snapshot("one")
    with refused(3):
        study.services.restore.restore("0" * 16)
    with refused(3):
        study.services.restore.restore(one.id, "0" * 16)
