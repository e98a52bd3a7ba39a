"""What is written while a change goes on is never lost: through the services, and told where people look."""

import contextlib
import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model.distribution import Strategies, Strategy
from nuvtui.paths import Workspace
from nuvtui.services.snapshots import changeset
from nuvtui.store import folders
from nuvtui.store.restorer import Replacement
from tests.services.helpers import Listener, World, refused

MIRROR = Strategies(Strategy.MIRROR, Strategy.MIRROR, Strategy.MIRROR)


@contextlib.contextmanager
def before(step: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do `act` once, just before the step of a replacement with this name; what was done."""
    real = getattr(Replacement, step)
    done: list[str] = []

    def stepping(self: Replacement, *arguments: Any) -> Any:
        if not done:
            done.append(step)
            act()
        return real(self, *arguments)

    setattr(Replacement, step, stepping)
    try:
        yield done
    finally:
        setattr(Replacement, step, real)


def kept(world: World) -> list[bytes]:
    return [path.read_bytes() for path in (world.root() / ".nuvtui").glob("kept/**/*") if path.is_file()]


def test_an_edit_while_a_restore_stages_is_refused_and_stays(study: World) -> None:
    one = study.snapshot("one")
    study.write("README.md", "second")

    def edit() -> None:
        study.write("README.md", "precious")
        study.write("mine.txt", "also mine")
        study.application("demo", "precious")

    with before("place", edit), refused(5, "README.md", "Nothing was changed"):
        study.services.restore.restore(one.id)
    assert (study.root() / "README.md").read_text() == "precious"
    assert (study.root() / "mine.txt").read_text() == "also mine"
    assert "precious" in study.applications()["demo.yaml"]
    assert kept(study) == []


def test_an_edit_in_the_moment_of_replacement_is_kept_and_told(study: World) -> None:
    one = study.snapshot("one")
    study.write("README.md", "second")
    study.application("demo", "second")
    listener = Listener()

    def edit() -> None:
        study.write("README.md", "precious")
        Workspace(study.root()).application("demo").write_text("# precious too\n")

    with before("_put", edit):
        done = study.services.restore.restore(one.id, reporter=listener)
    assert (study.root() / "README.md").read_text() == "# A study\n"
    assert {file.path for file in done.kept} == {"README.md", ".nuvtui/apps/demo.yaml"}
    for file in done.kept:
        assert "precious" in (study.root() / file.kept_as).read_text()
        assert any(file.path in warning and file.kept_as in warning for warning in listener.warnings)
    (folder,) = study.services.changes.status(study.master.id).kept
    assert folder.files == 2
    assert all(file.kept_as.startswith(folder.path) for file in done.kept)
    # It is nobody's state: a snapshot leaves it out, the way back does not touch it.
    study.services.restore.restore(done.backup)
    assert (study.root() / "README.md").read_text() == "second"
    assert sorted(kept(study)) == [b"# precious too\n", b"precious"]


def test_a_refusal_of_the_system_names_the_file_and_leaves_all_as_it_was(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study.snapshot("one")
    study.write("README.md", "second")
    study.write("data/b.csv", "second")
    study.write("data/new.csv", "second")
    whole = study.whole()
    real = folders.rename2

    def rename2(source: int, old: str, target: int, new: str, flags: int) -> None:
        if new == "b.csv":  # an immutable file (chattr +i), say
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), new)
        real(source, old, target, new, flags)

    monkeypatch.setattr(folders, "rename2", rename2)
    with refused(1, "data/b.csv: Operation not permitted", "It is as it was."):
        study.services.restore.restore(one.id)
    assert study.whole() == whole
    assert kept(study) == []


def test_a_name_that_the_file_system_cannot_hold_does_not_stop_the_rest(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study.snapshot("one")
    for path in ("README.md", "data/a.csv"):
        (study.root() / path).unlink()
    real = folders.rename2

    def rename2(source: int, old: str, target: int, new: str, flags: int) -> None:
        if new == "a.csv":
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), new)
        real(source, old, target, new, flags)

    monkeypatch.setattr(folders, "rename2", rename2)
    listener = Listener()
    done = study.services.restore.restore(one.id, reporter=listener)
    assert done.skipped == ["data/a.csv"]
    assert any("data/a.csv" in warning and "too long" in warning for warning in listener.warnings)
    assert (study.root() / "README.md").read_text() == "# A study\n"


def test_rows_committed_meanwhile_stop_the_restore_before_anything_is_changed(study: World) -> None:
    one = study.snapshot("one")
    study.write("README.md", "second")
    study.table("visits", "select 9 as id, 'nine' as name")

    def insert() -> None:
        with duckdb.connect(str(Workspace(study.root()).tables)) as database:
            database.execute("insert into visits values (31337, 'theirs')")

    with before("stage", insert), refused(5, "visits", "Nothing was changed"):
        study.services.restore.restore(one.id)
    assert (31337, "theirs") in study.tables()["visits"][1]
    assert (study.root() / "README.md").read_text() == "second"


def test_a_distribution_keeps_what_a_user_of_the_target_writes(study: World) -> None:
    target = study.add("target")
    study.write("README.md", "theirs", target)
    study.services.staging.add(study.current(), everything=True)
    with before("_put", lambda: study.write("README.md", "precious", target) and None):
        done = study.services.distribution.distribute(study.space.id, [target.id], MIRROR)
    (result,) = done.targets
    assert result.status == "completed"
    (file,) = result.kept_files
    assert (study.root(target) / file.kept_as).read_text() == "precious"


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_the_way_back_touches_only_what_the_operation_put_there(study: World, how: str) -> None:
    one = study.snapshot("one")
    study.write("README.md", "second")
    study.write("data/a.csv", "second")
    study.write("data/new.csv", "second")
    before_all = study.whole()
    real = Replacement._finish_folders

    def stop(self: Replacement) -> None:
        """All is in place: somebody edits what was put there and what was removed, then it stops."""
        real(self)
        study.write("README.md", "precious")
        study.write("data/new.csv", "precious as well")
        raise Cancelled if how == "cancelled" else OSError(5, "Input/output error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replacement, "_finish_folders", stop)
        with pytest.raises(NuvError) as caught:
            study.services.restore.restore(one.id)
    assert caught.value.exit_code == (Exit.CANCELLED if how == "cancelled" else Exit.FAILED)
    there = [path.read_bytes() for path in study.root().rglob("*.*") if path.is_file()] + kept(study)
    assert b"precious" in there
    assert (study.root() / "data" / "new.csv").read_text() == "precious as well"
    assert (study.root() / "data" / "a.csv").read_text() == "second"
    assert study.whole()[1:] == before_all[1:]


def test_a_restore_does_not_remove_what_its_snapshot_left_out(study: World) -> None:
    study.write(".nuvtui/ignore", "raw/\n*.log\n")
    one = study.snapshot("one")
    study.write(".nuvtui/ignore", "")
    study.write("raw/hours", "of measuring")
    study.write("run.log", "kept")
    study.write("goes.txt", "in the way of nothing")
    study.services.restore.restore(one.id)
    assert (study.root() / "raw" / "hours").read_text() == "of measuring"
    assert (study.root() / "run.log").read_text() == "kept"
    assert not (study.root() / "goes.txt").exists()


def test_a_mirror_and_its_undo_leave_what_either_side_ignores(study: World) -> None:
    target = study.add("target")
    study.write("raw/hours", "of measuring", target)
    study.write(".nuvtui/ignore", "raw/\n", target)
    study.write("ours.tmp", "the target's", target)
    study.write(".nuvtui/ignore", "*.tmp\n")
    study.services.staging.add(study.current(), everything=True)
    planned = study.services.distribution.dry_run(study.space.id, [target.id], MIRROR)
    assert "ours.tmp" not in planned[0].files.removed
    done = study.services.distribution.distribute(study.space.id, [target.id], MIRROR)
    assert (study.root(target) / "ours.tmp").read_text() == "the target's"
    backup = done.targets[0].backup
    assert backup is not None
    study.services.restore.restore(backup, target.id)
    assert (study.root(target) / "raw" / "hours").read_text() == "of measuring"
    assert (study.root(target) / "ours.tmp").read_text() == "the target's"


def test_recall_removes_what_came_to_a_path_that_the_target_ignores(study: World) -> None:
    target = study.add("target")
    study.write(".nuvtui/ignore", "data/\n", target)
    study.services.staging.add(study.current(), files=["data"])
    done = study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert (study.root(target) / "data" / "a.csv").exists()
    study.write("data/b.csv", "changed since", target)
    listener = Listener()
    study.services.distribution.recall(done.id, listener)
    assert not (study.root(target) / "data" / "a.csv").exists()
    assert (study.root(target) / "data" / "b.csv").read_text() == "changed since"
    assert any("data/b.csv was changed since" in warning for warning in listener.warnings)


def test_a_time_alone_is_restored(study: World) -> None:
    os.utime(study.root() / "README.md", ns=(1, 1_500_000_000_000_000_001))
    os.utime(study.root() / "data", ns=(1, 1_400_000_000_000_000_001))
    one = study.snapshot("one")
    inode = (study.root() / "README.md").stat().st_ino
    os.utime(study.root() / "README.md", ns=(1, 1_600_000_000_000_000_000))
    study.write("data/more.csv", "makes the folder younger")
    study.services.restore.restore(one.id)
    after = (study.root() / "README.md").stat()
    assert (after.st_mtime_ns, after.st_ino) == (1_500_000_000_000_000_001, inode)
    assert (study.root() / "data").stat().st_mtime_ns == 1_400_000_000_000_000_001


def test_a_database_that_cannot_be_read_is_kept_and_the_snapshot_restored(study: World) -> None:
    one = study.snapshot("one")
    rows = study.tables()
    file = Workspace(study.root()).tables
    file.write_bytes(b"this was a database once")
    listener = Listener()
    with refused(1, "cannot be read", "snapshots restore"):
        study.snapshot("two")
    done = study.services.restore.restore(one.id, reporter=listener)
    assert study.tables() == rows
    assert b"this was a database once" in kept(study)
    assert any(".nuvtui/kept" in warning for warning in listener.warnings)
    # The automatic snapshot does not speak of tables: restoring it removes none.
    study.services.restore.restore(done.backup)
    assert study.tables() == rows


def test_edits_at_random_moments_of_every_operation(tmp_path: Path) -> None:
    """Of restore, distribution, recall and undo, in the steps of the services: nothing that was written is gone."""
    chance = random.Random(7)
    steps = ("stage", "_check", "place", "_put", "_remove", "_make_folder", "_finish_folders", "finish")
    for turn in range(24):
        world = World(tmp_path / str(turn))
        target = world.add("target")
        for instance in (world.master, target):
            world.write("a.txt", f"a of {instance.name}", instance)
            world.write("d/b.txt", f"b of {instance.name}", instance)
            world.application("demo", instance.name.lower(), instance)
        first = world.snapshot("first", target)
        world.services.staging.add(world.current(), everything=True)
        written: list[bytes] = []

        def edit(world: World = world, target: Any = target, written: list[bytes] = written) -> None:
            for path in chance.sample(["a.txt", "d/b.txt", "d/new.txt", ".nuvtui/apps/demo.yaml"], 2):
                data = f"# written {len(written)} in {path}".encode()
                world.write(path, data, target)
                written[:] = [*written, data]

        def look(world: World = world, target: Any = target) -> bytes:
            found = [path.read_bytes() for path in world.root(target).rglob("*") if path.is_file()]
            for record in world.services.snapshots.list(target.id):
                manifest = world.services.snapshots.manifest(record.id)
                found += [part.text.encode() for part in manifest.applications]
                store = world.services.context.store
                for _, entry in changeset.trees.walk(store.tree, bytes.fromhex(manifest.files.root)):
                    if entry.kind == "f":
                        found.append(b"".join(store.stream(entry.content)))
            return b"\n".join(found)

        owed: list[bytes] = []
        for operation in ("distribute", "recall", "restore"):
            overwritten = look()
            with before(chance.choice(steps), edit), contextlib.suppress(NuvError):
                if operation == "distribute":
                    done = world.services.distribution.distribute(world.space.id, [target.id], MIRROR)
                elif operation == "recall":
                    world.services.distribution.recall(done.id)
                else:
                    world.services.restore.restore(first.id, target.id)
            there = look()
            owed += [data for data in written if data not in owed]
            # What one edit itself wrote over is nobody's to keep.
            lost = [data for data in owed if data not in there and data not in overwritten]
            assert lost == [], (turn, operation)
            assert b"# written" in there or not written
