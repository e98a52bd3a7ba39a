"""Distribution: strategies on disk, history, messages, recall, partial restore, and what fails."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nuvtui import operations
from nuvtui.errors import Cancelled
from nuvtui.model.cause import Cause
from nuvtui.model.distribution import Strategies, Strategy
from nuvtui.model.operations import Distribute
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance
from nuvtui.model.stage import StateRef
from nuvtui.paths import Workspace
from tests.services.helpers import Listener, World, refused

Leaves = dict[str, tuple[Any, ...]]


def leaves(root: Path) -> Leaves:
    """Files, links and empty folders by path, with what a distribution carries of them."""
    found: Leaves = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        if here == root:
            folders[:] = [name for name in folders if name != ".nuvtui"]
        elif not folders and not files:
            found[str(here.relative_to(root))] = ("folder",)
        for name in [*files, *(name for name in folders if (here / name).is_symlink())]:
            path = here / name
            if path.is_symlink():
                found[str(path.relative_to(root))] = ("link", os.readlink(path))
            else:
                mode = stat.S_IMODE(path.stat().st_mode)
                found[str(path.relative_to(root))] = ("file", mode, path.read_bytes())
    return found


def expected(source: dict[str, Any], target: dict[str, Any], strategy: Strategy) -> dict[str, Any]:
    """The domain's table, said once more in its own words."""
    if strategy is Strategy.OVERWRITE:
        return {**target, **source}
    if strategy is Strategy.EXTRA:
        return {**source, **target}
    if strategy is Strategy.MIRROR:
        return dict(source)
    return dict(target)


@pytest.fixture
def pair(study: World) -> tuple[World, Instance]:
    """A target that has the same as the source, other content under the same name, and things of its own."""
    target = study.add("target")
    study.write("same.txt", "same")
    study.write("same.txt", "same", target)
    (study.root() / "link").symlink_to("README.md")
    (study.root() / "empty").mkdir()
    study.write("README.md", "another\n", target)
    study.write("analysis.py", "print('hello')\n", target, mode=0o644)  # another mode only
    study.write("own/deep.txt", "own", target)
    study.write("data/own.csv", "own", target)
    study.table("visits", "select 9 as id", target)
    study.table("own", "select 1 as a", target)
    study.table("equal", "select range as n from range(3)")
    study.table("equal", "select range as n from range(3)", target)
    study.application("demo", "changed", target)
    study.application("own", instance=target)
    study.application("more")
    return study, target


ALL = list(Strategy)
# Every pair of strategies of two types, which the third follows: the types do not know of each other.
SQUARE = [(ALL[i], ALL[j], ALL[(i + j) % 4]) for i in range(4) for j in range(4)]


@pytest.mark.parametrize(("files", "tables", "applications"), SQUARE, ids="-".join)
def test_each_strategy_per_type_does_what_the_table_says(
    pair: tuple[World, Instance], files: Strategy, tables: Strategy, applications: Strategy
) -> None:
    study, target = pair
    study.services.staging.add(study.current(), everything=True)
    source, before = leaves(study.root()), leaves(study.root(target))
    source_tables, tables_before = study.tables(), study.tables(target)
    source_apps, apps_before = study.applications(), study.applications(target)
    strategies = Strategies(files, tables, applications)
    (planned,) = study.services.distribution.dry_run(study.space.id, [target.id], strategies)
    assert leaves(study.root(target)) == before
    done = study.services.distribution.distribute(study.space.id, [target.id], strategies)
    assert done.status == "completed"
    assert leaves(study.root(target)) == expected(source, before, files)
    assert study.tables(target) == expected(source_tables, tables_before, tables)
    assert study.applications(target) == expected(source_apps, apps_before, applications)
    # The source is as it was, and the dry run said what was then done.
    assert leaves(study.root()) == source
    result = done.targets[0]
    for kind in ("files", "tables", "applications"):
        part, counts = getattr(planned, kind), getattr(result, kind)
        for what in ("created", "replaced", "removed", "kept"):
            assert len(getattr(part, what)) == getattr(counts, what), (kind, what)
    after = leaves(study.root(target))
    ignore = {".nuvtui/ignore"}
    assert set(planned.files.created) - ignore == after.keys() - before.keys()
    assert set(planned.files.removed) - ignore == before.keys() - after.keys()
    assert set(planned.files.replaced) - ignore == {
        p for p in after.keys() & before.keys() if after[p] != before[p]
    }
    # What was there before is one restore away.
    assert result.backup is not None
    study.services.restore.restore(result.backup, target.id)
    assert leaves(study.root(target)) == before
    assert study.tables(target) == tables_before
    assert study.applications(target) == apps_before


def clash(world: World, target: Instance) -> None:
    world.write("a", "a file here")
    world.write("a", "x", world.distributed())
    world.write("a/below.txt", "a folder there", target)
    world.write("b/below.txt", "a folder here")
    world.write("b", "a file there", target)
    world.write("c/d/e.txt", "deep here")
    (world.root(target) / "c").symlink_to("/")
    (world.root() / "hollow").mkdir()
    world.write("hollow/full.txt", "full there", target)
    world.write("full/x.txt", "full here")
    (world.root(target) / "full").mkdir()
    (world.root() / "both").mkdir()
    (world.root(target) / "both").mkdir()


@pytest.mark.parametrize("strategy", [Strategy.OVERWRITE, Strategy.EXTRA, Strategy.MIRROR])
def test_a_file_where_the_other_side_has_a_folder(world: World, strategy: Strategy) -> None:
    target = world.add("target")
    clash(world, target)
    before = leaves(world.root(target))
    world.services.staging.add(world.current(), ["a", "b", "c", "hollow", "full", "both"])
    world.services.distribution.distribute(world.space.id, [target.id], Strategies(files=strategy))
    after = leaves(world.root(target))
    here = leaves(world.root())
    full = {"full/x.txt": here["full/x.txt"], "both": ("folder",)}
    if strategy is Strategy.MIRROR:
        assert after == here
    elif strategy is Strategy.EXTRA:
        assert after == {**{p: v for p, v in before.items() if p != "full"}, **full}
    else:
        # The folder that is empty in the source empties nothing.
        assert after == {
            "a": here["a"],
            "b/below.txt": here["b/below.txt"],
            "c/d/e.txt": here["c/d/e.txt"],
            "hollow/full.txt": before["hollow/full.txt"],
            **full,
        }


def test_a_part_is_distributed_and_the_rest_stays(pair: tuple[World, Instance]) -> None:
    study, target = pair
    before = leaves(study.root(target))
    apps, tables = study.applications(target), study.tables(target)
    study.services.staging.add(study.current(), ["data"])
    study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert leaves(study.root(target)) == {
        **before,
        **{p: v for p, v in leaves(study.root()).items() if p.startswith("data/")},
    }
    assert (study.applications(target), study.tables(target)) == (apps, tables)


def test_mirror_of_nothing_empties_nothing(pair: tuple[World, Instance]) -> None:
    """Nothing of a type staged: nothing of that type is distributed, whatever the strategy."""
    study, target = pair
    mirror = Strategies(Strategy.MIRROR, Strategy.MIRROR, Strategy.MIRROR)
    files, tables = leaves(study.root(target)), study.tables(target)
    study.services.staging.add(study.current(), applications=["demo"])
    study.services.distribution.distribute(study.space.id, [target.id], mirror)
    assert (leaves(study.root(target)), study.tables(target)) == (files, tables)
    assert list(study.applications(target)) == ["demo.yaml"]
    study.services.staging.clear(study.space.id)
    study.services.staging.add(study.current(), tables=["visits"])
    study.services.distribution.distribute(study.space.id, [target.id], mirror)
    assert leaves(study.root(target)) == files
    assert list(study.tables(target)) == ["visits"]


def test_the_current_state_is_fixed_in_a_snapshot_first(study: World) -> None:
    target = study.add("target")
    study.services.staging.add(study.current(), ["README.md"])
    done = study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert done.source.snapshot is not None
    source = study.services.snapshots.find(study.master.id, done.source.snapshot)
    assert source.kind == "automatic"
    assert source.cause == Cause("source", done.id)
    backup = study.services.snapshots.find(target.id, done.targets[0].backup or "")
    assert (backup.kind, backup.cause) == ("automatic", Cause("distribution", done.id))


def test_from_a_snapshot_the_current_state_does_not_matter(study: World) -> None:
    snapshot, target = study.snapshot("fixed"), study.add("target")
    wanted = study.whole(times=False)
    study.services.staging.add(StateRef(study.master.id, snapshot.id), everything=True)
    study.write("README.md", "changed since")
    study.drop("visits")
    done = study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert done.source.snapshot == snapshot.id
    assert study.whole(target, times=False) == wanted


def test_all_targets_and_the_distributed_instance(study: World) -> None:
    names = ["one", "two"]
    targets = [*(study.add(name) for name in names), study.distributed()]
    study.services.staging.add(study.current(), everything=True)
    done = study.services.distribution.distribute(study.space.id, [t.id for t in targets], Strategies())
    assert [(t.name, t.status) for t in done.targets] == [
        (f"study/{name}", "completed") for name in ("one", "two", "Distributed")
    ]
    for target in targets:
        assert study.whole(target, times=False) == study.whole(times=False)


def test_a_target_in_another_space(study: World) -> None:
    other = study.services.spaces.init(study.folder / "elsewhere", "other")
    study.services.staging.add(study.current(), ["README.md"])
    done = study.services.distribution.distribute(study.space.id, [other.instance.id], Strategies())
    assert [t.name for t in done.targets] == ["other/Master"]
    assert (study.folder / "elsewhere" / "README.md").read_text() == "# A study\n"


def test_what_cannot_be_distributed_is_refused_before_anything(study: World) -> None:
    target, distribution = study.add("target"), study.services.distribution
    with refused(6, "stage"):
        distribution.distribute(study.space.id, [target.id], Strategies())
    study.services.staging.add(study.current(), ["README.md"])
    with refused(2, "target"):
        distribution.distribute(study.space.id, [], Strategies())
    with refused(2, "Master is the source"):
        distribution.distribute(study.space.id, [target.id, study.master.id], Strategies())
    with refused(3):
        distribution.distribute(study.space.id, [target.id, "0" * 16], Strategies())
    assert distribution.list(study.space.id) == []
    assert study.services.snapshots.list(target.id) == []


def test_what_was_staged_and_is_gone_is_named(study: World) -> None:
    target = study.add("target")
    study.services.staging.add(study.current(), ["README.md", "data"])
    (study.root() / "README.md").unlink()
    with refused(3, "README.md"):
        study.services.distribution.dry_run(study.space.id, [target.id], Strategies())
    with refused(3, "README.md"):
        study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    (record,) = study.services.distribution.list(study.space.id)
    assert (record.status, record.targets[0].status) == ("failed", "cancelled")
    assert leaves(study.root(target)) == {}


def test_messages_are_shown_once_to_each_user(study: World) -> None:
    target = study.add("target")
    study.services.members.set(study.space.id, "daemon", study.services.members.list(study.space.id)[0].role)
    study.services.staging.add(study.current(), ["README.md"])
    done = study.services.distribution.distribute(
        study.space.id, [target.id], Strategies(), "please \x1b[31mreview"
    )
    study.services.distribution.distribute(study.space.id, [target.id], Strategies())  # says nothing
    for user in (study.services.user, "daemon"):
        theirs = study.as_user(user).messages
        (message,) = theirs.unread(target.id)
        assert (message.text, message.sender) == ("please \x1b[31mreview", study.services.user)
        assert message.distribution == done.id
        assert theirs.unread(study.master.id) == []
        theirs.mark_read([message.id])
        assert theirs.unread(target.id) == []
    assert study.fresh().messages.unread(target.id) == []


def test_the_history_says_who_what_where_and_how(study: World) -> None:
    target = study.add("target")
    study.services.staging.add(study.current(), ["data"], ["visits"])
    first = study.services.distribution.distribute(study.space.id, [target.id], Strategies(), "one")
    second = study.services.distribution.distribute(
        study.space.id, [target.id], Strategies(files=Strategy.MIRROR), "two"
    )
    listed = study.fresh().distribution.list(study.space.id)
    assert [d.id for d in listed] == [second.id, first.id]
    assert (listed[1].author, listed[1].message) == (study.services.user, "one")
    assert (listed[1].files, listed[1].tables) == (["data"], ["visits"])
    assert listed[0].strategies.files is Strategy.MIRROR
    assert study.services.distribution.find(study.space.id, first.id[:6]) == first


def test_a_partial_restore_is_a_distribution_to_the_same_instance(study: World) -> None:
    snapshot = study.snapshot("good")
    good = leaves(study.root())
    study.write("README.md", "spoilt")
    study.write("data/a.csv", "spoilt")
    study.table("visits", "select 0 as id")
    study.services.staging.add(StateRef(study.master.id, snapshot.id), ["data"], ["visits"])
    study.services.distribution.distribute(study.space.id, [study.master.id], Strategies())
    after = leaves(study.root())
    assert after["data/a.csv"] == good["data/a.csv"]
    assert after["README.md"][2] == b"spoilt"
    assert [row[1] for row in study.tables()["visits"][1]] == ["one", "two"]


# -- recall


def test_recall_removes_what_came_and_keeps_what_was_changed_since(pair: tuple[World, Instance]) -> None:
    study, target = pair
    other = study.add("other")
    study.services.staging.add(study.current(), everything=True)
    done = study.services.distribution.distribute(study.space.id, [target.id, other.id], Strategies())
    study.write("data/a.csv", "worked on since", target)
    study.table("visits", "select 77 as id", target)
    study.application("more", "worked on since", target)
    before = study.whole(target)
    listener = Listener()
    recalled = study.services.distribution.recall(done.id, listener)
    assert (recalled.status, [t.status for t in recalled.targets]) == ("recalled", ["recalled", "recalled"])
    left = leaves(study.root(target))
    assert left.keys() == {"data/a.csv", "data/own.csv", "own/deep.txt", "same.txt"}
    assert study.tables(target).keys() == {"visits", "own", "equal"}
    assert study.applications(target).keys() == {"more.yaml", "own.yaml"}
    said = " ".join(listener.warnings)
    for name in ("data/a.csv", "visits", "more"):
        assert name in said
    assert leaves(study.root(other)) == {}
    # The way back, and only once.
    study.services.restore.restore(recalled.targets[0].backup or "", target.id)
    assert study.whole(target) == before
    with refused(6, "recalled"):
        study.services.distribution.recall(done.id)


def test_recall_keeps_what_was_there_before(study: World) -> None:
    """Distribute Extra left the target's own files alone: recalling must, too."""
    target = study.add("target")
    study.write("README.md", "# A study\n", target)  # equal, and its own
    study.write("analysis.py", "its own", target)
    study.services.staging.add(study.current(), ["README.md", "analysis.py", "data"])
    extra = Strategies(files=Strategy.EXTRA)
    done = study.services.distribution.distribute(study.space.id, [target.id], extra)
    study.services.distribution.recall(done.id)
    assert leaves(study.root(target)).keys() == {"README.md", "analysis.py"}


def test_recall_never_removes_from_where_it_came(study: World) -> None:
    snapshot, target = study.snapshot("good"), study.add("target")
    study.write("README.md", "spoilt")
    study.services.staging.add(StateRef(study.master.id, snapshot.id), ["README.md"])
    done = study.services.distribution.distribute(study.space.id, [study.master.id, target.id], Strategies())
    listener = Listener()
    study.services.distribution.recall(done.id, listener)
    assert (study.root() / "README.md").read_text() == "# A study\n"
    assert not (study.root(target) / "README.md").exists()
    assert any("Master" in warning for warning in listener.warnings)


def test_recall_without_the_snapshot_of_before_keeps_and_says_so(study: World) -> None:
    target = study.add("target")
    study.services.staging.add(study.current(), ["README.md"])
    done = study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    study.services.snapshots.delete([done.targets[0].backup or ""])
    listener = Listener()
    study.services.distribution.recall(done.id, listener)
    assert (study.root(target) / "README.md").exists()
    assert any("target" in warning for warning in listener.warnings)


def test_recall_after_an_instance_is_gone(study: World) -> None:
    target, other = study.add("target"), study.add("other")
    study.services.staging.add(study.current(), ["README.md"])
    done = study.services.distribution.distribute(study.space.id, [target.id, other.id], Strategies())
    study.services.instances.delete(target.id)
    listener = Listener()
    study.services.distribution.recall(done.id, listener)
    assert any("target is gone" in warning for warning in listener.warnings)
    assert not (study.root(other) / "README.md").exists()


# -- what fails


def hold(database: Path) -> "subprocess.Popen[bytes]":
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    return holder


def test_a_target_that_fails_is_as_it_was_and_the_others_are_done(study: World) -> None:
    first, held, last = study.add("first"), study.add("held"), study.add("last")
    study.table("visits", "select 9 as id", held)
    study.write("README.md", "its own", held)
    study.services.staging.add(study.current(), everything=True)
    before = study.whole(held)
    holder = hold(Workspace(study.root(held)).tables)
    try:
        listener = Listener()
        done = study.services.distribution.distribute(
            study.space.id, [first.id, held.id, last.id], Strategies(), "news", listener
        )
    finally:
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(120)
    assert (done.status, [t.status for t in done.targets]) == (
        "partial",
        ["completed", "failed", "completed"],
    )
    assert str(holder.pid) in done.targets[1].error
    assert "as it was" in done.targets[1].error
    assert any("study/held" in warning for warning in listener.warnings)
    assert study.whole(held) == before
    for target in (first, last):
        assert study.whole(target, times=False) == study.whole(times=False)
        assert len(study.services.messages.unread(target.id)) == 1
    assert study.services.messages.unread(held.id) == []
    # Once it is free, the same again succeeds.
    done = study.services.distribution.distribute(study.space.id, [held.id], Strategies())
    assert done.status == "completed"


@pytest.mark.parametrize("when", ["stage", "place", "tables"])
def test_an_error_of_the_disk_in_one_target_undoes_that_target(
    study: World, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    first, bad, last = study.add("first"), study.add("bad"), study.add("last")
    study.table("visits", "select 9 as id", bad)
    study.write("README.md", "its own", bad)
    study.write("own.txt", "its own", bad)
    study.application("demo", "changed", bad)
    study.services.staging.add(study.current(), everything=True)
    before = study.whole(bad)
    from nuvtui.services.snapshots import changeset

    place: Any = changeset if when == "tables" else changeset.Replacement
    name = "replacing" if when == "tables" else when
    real = getattr(place, name)
    struck: list[str] = []

    def strike(*arguments: Any, **more: Any) -> Any:
        about = [str(a) for a in arguments] + [str(vars(a)) for a in arguments if hasattr(a, "__dict__")]
        if not struck and any(str(study.root(bad)) in text for text in about):
            struck.append(when)
            if when == "place":
                real(*arguments, **more)
            raise OSError(28, "No space left on device")
        return real(*arguments, **more)

    monkeypatch.setattr(place, name, strike)
    mirror = Strategies(Strategy.MIRROR, Strategy.MIRROR, Strategy.MIRROR)
    done = study.services.distribution.distribute(study.space.id, [first.id, bad.id, last.id], mirror)
    assert struck == [when]
    assert [t.status for t in done.targets] == ["completed", "failed", "completed"]
    assert "No space left" in done.targets[1].error
    assert study.whole(bad) == before
    assert study.whole(last, times=False) == study.whole(times=False)


def test_cancelled_in_the_middle_the_done_targets_stay_and_the_others_are_as_they_were(study: World) -> None:
    first, second = study.add("first"), study.add("second")
    study.services.staging.add(study.current(), everything=True)
    before = study.whole(second)
    with pytest.raises(Cancelled):
        study.services.distribution.distribute(
            study.space.id,
            [first.id, second.id],
            Strategies(),
            reporter=Listener(cancel_at=f"target-{second.id[:8]}"),
        )
    (record,) = study.services.distribution.list(study.space.id)
    assert (record.status, [t.status for t in record.targets]) == ("partial", ["completed", "cancelled"])
    assert study.whole(second) == before


def test_an_operation_that_did_not_reach_every_target_has_failed(study: World) -> None:
    target = study.add("target")
    study.services.staging.add(study.current(), ["README.md"])
    (study.folder / "target").rename(study.folder / "moved")
    operation = Distribute(study.space.id, [target.id], Strategies(files=Strategy.OVERWRITE))
    with refused(1, "1 of 1 targets", "study/target", "nuvtui distribution show"):
        operations.carry_out(study.services, operation, Listener())
    assert study.services.distribution.list(study.space.id)[0].status == "failed"


def test_a_target_that_hides_a_path_behind_a_link_is_not_left(study: World, tmp_path: Path) -> None:
    """A link in the target where the source has a folder: nothing is written through it."""
    target, outside = study.add("target"), tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text("precious")
    (study.root(target) / "data").symlink_to(outside)
    study.services.staging.add(study.current(), ["data"])
    done = study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert done.status == "completed"
    assert (outside / "a.csv").read_text() == "precious"
    assert sorted(os.listdir(outside)) == ["a.csv"]
    assert (study.root(target) / "data" / "a.csv").read_text() == "x,y\n1,2\n"


def test_ignored_files_of_a_target_survive_a_mirror(study: World) -> None:
    target = study.add("target")
    study.write(".nuvtui/ignore", "*.log\n", target)
    study.write("data/run.log", "kept", target)
    study.write("old/run.log", "kept", target)
    study.write("old/gone.txt", "x", target)
    study.services.staging.add(study.current(), ["README.md", "data"])
    study.services.distribution.distribute(study.space.id, [target.id], Strategies(files=Strategy.MIRROR))
    assert leaves(study.root(target)).keys() == {
        "README.md",
        "data/a.csv",
        "data/b.csv",
        "data/run.log",
        "old/run.log",
    }


def test_an_ignored_file_in_the_way_is_refused_and_the_target_is_as_it_was(study: World) -> None:
    target = study.add("target")
    study.write(".nuvtui/ignore", "README.md\n", target)
    study.write("README.md", "precious", target)
    before = study.whole(target)
    study.services.staging.add(study.current(), ["README.md", "data"])
    done = study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert done.targets[0].status == "failed"
    assert "README.md" in done.targets[0].error
    assert study.whole(target) == before
    assert isinstance(study.snapshot(), SnapshotRecord)


def test_a_mirror_leaves_the_targets_ignore_rules_alone_unless_they_are_staged(study: World) -> None:
    target = study.add("target")
    rules = study.root(target) / ".nuvtui" / "ignore"
    rules.write_text("scratch/\n")
    mirror = Strategies(files=Strategy.MIRROR)
    space = target.space
    study.services.staging.add(study.current(), ["README.md"])
    study.services.distribution.distribute(space, [target.id], mirror)
    assert rules.read_text() == "scratch/\n"
    study.services.staging.add(study.current(), [".nuvtui/ignore"])
    study.services.distribution.distribute(space, [target.id], mirror)
    assert rules.read_text() == (study.root() / ".nuvtui" / "ignore").read_text()
