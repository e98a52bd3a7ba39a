"""Snapshots: taking, finding, naming, deleting, and what is recorded of where they came from."""

import os
import subprocess
from pathlib import Path

import pytest

from nuvtui.model.stage import StateRef
from nuvtui.services.snapshots.service import naming_hint, suggest_names
from tests.services.helpers import Listener, World, refused


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_snapshot_records_files_tables_and_applications_as_one(study: World) -> None:
    record = study.services.snapshots.create(
        study.master.id, "  baseline  ", "As received.", "Clean the data.", Listener()
    )
    assert (record.name, record.kind, record.author) == ("baseline", "named", study.services.user)
    assert (record.description, record.next_phase) == ("As received.", "Clean the data.")
    assert record.files.count == 5  # with .nuvtui/ignore
    assert [(t.name, t.rows) for t in record.tables] == [("visits", 2)]
    assert record.applications == ["demo"]
    assert record.warnings == 0
    assert record.stored_bytes > 0
    manifest = study.services.snapshots.manifest(record.id)
    assert manifest.provenance.user == study.services.user
    assert manifest.provenance.workspace == str(study.root())
    assert manifest.provenance.host == os.uname().nodename
    assert manifest.provenance.code is None
    assert study.fresh().snapshots.list(study.master.id) == [record]


def test_a_quick_snapshot_has_no_name_and_an_unchanged_one_costs_almost_nothing(study: World) -> None:
    first = study.snapshot()
    second = study.snapshot()
    assert first.kind == second.kind == "quick"
    assert second.parent == first.id
    assert second.changes == type(second.changes)()
    assert second.stored_bytes == 0
    one, two = (study.services.snapshots.manifest(s.id) for s in (first, second))
    assert one.files.root == two.files.root
    assert one.tables == two.tables


def test_changes_are_counted_against_the_snapshot_before(study: World) -> None:
    study.snapshot()
    study.write("new.txt", "new")
    study.write("README.md", "# Changed\n")
    (study.root() / "data" / "b.csv").unlink()
    study.table("visits", "select 1 as id")
    study.table("more", "select 2 as id")
    study.application("demo", "run, fast")
    study.application("second")
    record = study.snapshot()
    assert record.changes.files == (1, 1, 1)
    assert record.changes.tables == (1, 1, 0)
    assert record.changes.applications == (1, 1, 0)


def test_newest_first_and_found_by_id_prefix_name_or_slug(study: World) -> None:
    first = study.snapshot("Paper revision 2: data")
    second = study.snapshot()
    snapshots = study.services.snapshots
    assert [s.id for s in snapshots.list(study.master.id)] == [second.id, first.id]
    for key in (first.id, first.id[:4], first.name, "paper-revision-2-data"):
        assert snapshots.find(study.master.id, key).id == first.id
    with refused(3, "nothing-like-it"):
        snapshots.find(study.master.id, "nothing-like-it")
    with refused(3):
        snapshots.find(study.master.id, first.id[:3])


def test_rename_makes_a_named_one_and_survives_in_the_manifest(study: World) -> None:
    record = study.snapshot()
    renamed = study.services.snapshots.rename(record.id, " pre-cleanup-baseline ")
    assert (renamed.name, renamed.kind) == ("pre-cleanup-baseline", "named")
    assert study.fresh().snapshots.manifest(record.id).name == "pre-cleanup-baseline"
    assert study.fresh().snapshots.find(study.master.id, "pre-cleanup-baseline").id == record.id
    for name in ("", "   ", "a\nb", "x" * 201):
        with refused(2):
            study.services.snapshots.rename(record.id, name)
    with refused(3):
        study.services.snapshots.rename("0" * 16, "good-name")


def test_deleting_forgets_the_snapshot_and_says_what_comes_free(study: World) -> None:
    study.write("big.bin", os.urandom(300_000))
    keeps = study.snapshot("keeps")
    study.write("bigger.bin", os.urandom(500_000))
    goes = study.snapshot("goes")
    snapshots = study.services.snapshots
    assert 490_000 < snapshots.freed_by([goes.id]) < 600_000
    assert snapshots.freed_by([keeps.id, goes.id]) > 790_000
    snapshots.delete([goes.id])
    assert [s.id for s in study.fresh().snapshots.list(study.master.id)] == [keeps.id]
    with refused(3):
        snapshots.manifest(goes.id)
    with refused(3, goes.id):
        snapshots.delete([goes.id])
    before = study.services.maintenance.info().stored_bytes
    study.services.maintenance.gc(grace=0)
    assert study.services.maintenance.info().stored_bytes < before - 400_000
    study.assert_store_sound()


def test_deleting_several_deletes_none_where_one_is_unknown(study: World) -> None:
    record = study.snapshot("kept")
    with refused(3):
        study.services.snapshots.delete([record.id, "0" * 16])
    assert study.services.snapshots.manifest(record.id).name == "kept"


def test_what_is_staged_from_a_deleted_snapshot_is_said(study: World) -> None:
    record = study.snapshot("goes")
    target = study.add("target")
    study.services.staging.add(StateRef(study.master.id, record.id), ["README.md"])
    study.services.snapshots.delete([record.id])
    from nuvtui.model.distribution import Strategies

    with refused(3, record.id):
        study.services.distribution.dry_run(study.space.id, [target.id], Strategies())
    with refused(3, record.id):
        study.services.distribution.distribute(study.space.id, [target.id], Strategies())
    assert study.services.distribution.list(study.space.id)[0].status == "failed"
    study.services.staging.clear(study.space.id)
    study.services.staging.add(study.current(), ["README.md"])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "snapshot",
        "Backup 3",
        "test",
        "final",
        "final-final",
        "v2",
        "2026-01-31",
        "20260131_1200",
        "new 1",
        "tmp",
    ],
)
def test_a_name_that_says_nothing_gets_a_hint(name: str) -> None:
    hint = naming_hint(name)
    assert hint is not None
    assert "paper-revision-2-data" in hint


@pytest.mark.parametrize(
    "name",
    [
        "paper-revision-2-data",
        "pre-cleanup-baseline",
        "before dropping outliers",
        "data-2026-01-31",
        "v2 of table 3",
    ],
)
def test_a_name_that_says_something_gets_none(name: str) -> None:
    assert naming_hint(name) is None


def test_suggested_names_say_something() -> None:
    for names in (
        suggest_names([], [], True),
        suggest_names(["data/a.csv", "data/b.csv"], [], False),
        suggest_names(["a.py", "b.py"], ["visits"], False),
        suggest_names([], [], False),
    ):
        assert 1 <= len(names) <= 3
        assert all(naming_hint(name) is None for name in names)


def test_the_code_revision_of_a_git_workspace_is_recorded(study: World) -> None:
    root = study.root()
    git(root, "init", "-q", "-b", "main")
    # A repository without a commit has no revision yet.
    assert study.services.snapshots.manifest(study.snapshot().id).provenance.code is None
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    clean = study.services.snapshots.manifest(study.snapshot().id).provenance.code
    assert clean is not None
    assert (clean.commit, clean.branch, clean.dirty) == (git(root, "rev-parse", "HEAD"), "main", False)
    study.write("README.md", "# Changed\n")
    dirty = study.services.snapshots.manifest(study.snapshot().id).provenance.code
    assert dirty is not None
    assert (dirty.commit, dirty.dirty) == (clean.commit, True)
    git(root, "checkout", "-q", "--detach")
    detached = study.services.snapshots.manifest(study.snapshot().id).provenance.code
    assert detached is not None
    assert detached.branch is None


def test_the_repositorys_monitor_and_hooks_are_not_run(study: World, tmp_path: Path) -> None:
    root = study.root()
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    git(root, "config", "core.fsmonitor", str(hook))
    git(root, "config", "core.hooksPath", str(hook.parent))
    (hook.parent / "post-index-change").symlink_to(hook)
    study.write("README.md", "# changed\n")
    study.snapshot()
    assert not (tmp_path / "ran").exists()


def test_two_processes_on_one_instance_wait_for_each_other(study: World) -> None:
    context = study.fresh().context
    lock = f"instance-{study.master.id}"
    with (
        context.exclusive(lock, "Instance Master"),
        refused(5, "Master"),
        study.services.context.exclusive(lock, "Instance Master", timeout=0.1),
    ):
        raise AssertionError("both hold the lock")


def test_an_invalid_application_is_kept_word_for_word_and_named(study: World) -> None:
    file = study.application("broken")
    file.write_text("kind: [unclosed\n")
    record = study.snapshot()
    assert record.applications == ["broken", "demo"]
    warnings = study.services.snapshots.manifest(record.id).warnings
    assert [w.path for w in warnings] == [".nuvtui/apps/broken.yaml"]
    file.write_text("name: other\n")
    study.services.restore.restore(record.id)
    assert file.read_text() == "kind: [unclosed\n"


def test_what_cannot_be_held_is_named(study: World) -> None:
    os.mkfifo(study.root() / "pipe")
    record = study.snapshot()
    assert record.warnings == 1
    assert study.services.snapshots.manifest(record.id).warnings[0].path == "pipe"


def test_a_cancelled_snapshot_lists_nothing(study: World) -> None:
    from nuvtui.errors import Cancelled

    with pytest.raises(Cancelled):
        study.services.snapshots.create(study.master.id, "never", reporter=Listener(cancel_at="tables"))
    assert study.services.snapshots.list(study.master.id) == []
    assert study.services.context.store.manifest_ids() == []
    study.snapshot("then-this")
    study.assert_store_sound()


def test_a_database_held_by_another_program_is_named_and_nothing_is_listed(
    study: World, tmp_path: Path
) -> None:
    import sys

    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
            str(study.root() / ".nuvtui" / "tables.duckdb"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with refused(5, str(holder.pid)):
            study.snapshot("half")
        assert study.services.snapshots.list(study.master.id) == []
    finally:
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(120)
    study.snapshot("whole")
