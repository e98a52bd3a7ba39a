"""Status, diff and reading of states: files, tables, applications and their packages."""

import os
from pathlib import Path

import pytest

from nuvtui.model.diff import Diff, FileChange
from nuvtui.model.stage import StateRef
from nuvtui.tables import fingerprint
from tests.services.helpers import World, refused


def changes(diff: Diff) -> dict[str, FileChange]:
    return {change.path: change for change in diff.files}


def test_status_without_a_snapshot_lists_everything_as_new(study: World) -> None:
    diff = study.services.changes.status(study.master.id)
    assert {c.change for c in diff.files} == {"added"}
    assert {"README.md", "data/a.csv"} <= changes(diff).keys()
    assert [(t.name, t.change) for t in diff.tables] == [("visits", "added")]
    assert [(a.slug, a.change) for a in diff.applications] == [("demo", "added")]


def test_status_writes_nothing_to_the_store_and_an_unchanged_state_is_empty(study: World) -> None:
    study.snapshot()
    packs = sorted(study.home.packs.rglob("*"))
    assert study.services.changes.status(study.master.id).empty
    study.write("new.txt", "new")
    study.table("visits", "select 1 as id")
    assert not study.services.changes.status(study.master.id).empty
    assert sorted(study.home.packs.rglob("*")) == packs
    assert list(study.home.tmp.rglob("*")) == []


def test_files_by_content_mode_type_and_target(study: World) -> None:
    root = study.root()
    study.write("becomes-folder", "x")
    study.write("becomes-link", "x")
    (root / "link").symlink_to("README.md")
    (root / "hollow").mkdir()
    study.write("touched.txt", "same")
    one = study.snapshot()
    study.write("README.md", "# Another\n")
    (root / "analysis.py").chmod(0o644)
    (root / "becomes-folder").unlink()
    (root / "becomes-folder").mkdir()
    (root / "becomes-link").unlink()
    (root / "becomes-link").symlink_to("nowhere")
    (root / "link").unlink()
    (root / "link").symlink_to("analysis.py")
    (root / "hollow").rmdir()
    (root / "data" / "a.csv").unlink()
    study.write("new/deep.txt", "new")
    os.utime(root / "touched.txt", (1, 1))
    found = changes(study.services.changes.status(study.master.id))
    assert {path: c.change for path, c in found.items()} == {
        "README.md": "changed",
        "analysis.py": "changed",
        "becomes-folder": "changed",
        "becomes-link": "changed",
        "link": "changed",
        "hollow": "removed",
        "data/a.csv": "removed",
        "new/deep.txt": "added",
    }
    assert (found["README.md"].old_size, found["README.md"].new_size) == (10, 10)
    assert found["analysis.py"].detail == "mode 755 → 644"
    assert found["becomes-folder"].detail == "file → folder"
    assert found["becomes-link"].detail == "file → link"
    assert found["link"].detail == "README.md → analysis.py"
    assert found["hollow"].detail == "empty folder"
    # The other way round it is the other way round.
    back = changes(study.services.changes.diff(study.current(), StateRef(study.master.id, one.id)))
    assert back["new/deep.txt"].change == "removed"
    assert back["data/a.csv"].change == "added"


def test_the_text_of_a_file_between_any_two_states(study: World) -> None:
    one = StateRef(study.master.id, study.snapshot().id)
    study.write("README.md", "# A study\n\x1b[31mof more\n")
    two = StateRef(study.master.id, study.snapshot().id)
    (study.root() / "README.md").unlink()
    diff = study.services.changes.text_diff
    assert diff(one, two, "README.md") == [
        "--- a/README.md",
        "+++ b/README.md",
        "@@ -1 +1,2 @@",
        " # A study",
        "+␛[31mof more",
    ]
    assert diff(two, study.current(), "README.md")[1] == "+++ /dev/null"
    assert diff(None, one, "README.md")[0] == "--- /dev/null"
    assert diff(one, one, "README.md") == []
    with refused(3, "nothing.txt"):
        diff(one, two, "nothing.txt")
    study.write("binary", b"a\0b")
    study.write("huge", "x\n" * 700_000)
    for path, word in (("binary", "not text"), ("huge", "1 MiB"), ("data", "not a file")):
        with refused(6, word):
            diff(one, study.current(), path)


def test_a_missing_newline_at_the_end_is_no_glued_line(study: World) -> None:
    one = StateRef(study.master.id, study.snapshot().id)
    study.write("README.md", "# A study")
    lines = study.services.changes.text_diff(one, study.current(), "README.md")
    assert lines[-3:] == ["-# A study", "+# A study", "\\ No newline at end of file"]


def test_tables_by_schema_and_rows(study: World) -> None:
    study.table("gone", "select 1 as a")
    study.table("typed", "select 1::integer as a, 'x' as b")
    study.table("rows", "select range as n from range(10)")
    one = StateRef(study.master.id, study.snapshot().id)
    study.drop("gone")
    study.table("fresh", "select 1 as a union all select 2")
    study.table("typed", "select 1::bigint as a, true as c")
    study.table("rows", "select range + 3 as n from range(12)")
    for new in (study.current(), StateRef(study.master.id, study.snapshot().id)):
        tables = {t.name: t for t in study.services.changes.diff(one, new).tables}
        assert {name: t.change for name, t in tables.items()} == {
            "gone": "removed",
            "fresh": "added",
            "typed": "changed",
            "rows": "changed",
        }
        assert (tables["fresh"].new_rows, tables["gone"].old_rows) == (2, 1)
        typed = tables["typed"]
        assert [c.name for c in typed.columns_added] == ["c"]
        assert [c.name for c in typed.columns_removed] == ["b"]
        assert [(a.type, b.type) for a, b in typed.columns_retyped] == [("INTEGER", "BIGINT")]
        rows = tables["rows"]
        assert (rows.old_rows, rows.new_rows, rows.rows_added, rows.rows_removed) == (10, 12, 5, 3)
        assert study.services.changes.table(one, new, "rows") == rows
    assert study.services.changes.table(one, one, "rows") is None


def test_descriptions_and_keys_of_tables(study: World) -> None:
    study.table("visits", "select 1 as a, 'x' as b")
    one = StateRef(study.master.id, study.snapshot().id)
    study.sql("COMMENT ON TABLE visits IS 'Of 2026'", "COMMENT ON COLUMN visits.b IS 'Where'")
    (change,) = study.services.changes.diff(one, study.current()).tables
    assert (change.described, change.description_changed, change.constraints_changed) == (["b"], True, False)
    assert (change.rows_added, change.rows_removed) == (0, 0)
    described = study.snapshot()
    assert described.changes.tables == (0, 1, 0)
    assert described.stored_bytes == 0  # the rows are not written again
    study.sql("ALTER TABLE visits ALTER a SET NOT NULL")
    (change,) = study.services.changes.status(study.master.id).tables
    assert (change.described, change.description_changed, change.constraints_changed) == ([], False, True)
    study.services.restore.restore(one.snapshot or "")
    assert study.services.changes.diff(one, study.current()).empty
    study.services.restore.restore(described.id)
    (view,) = study.services.tables.list(study.current())
    assert (view.description, [c.description for c in view.columns]) == ("Of 2026", ["", "Where"])


def test_tables_of_a_snapshot_of_an_earlier_version_are_not_taken_for_changed(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their fingerprints say nothing about those of today; their rows do."""
    study.table("visits", "select range as a from range(1000)")
    study.table("other", "select 1 as a")
    memory = study.home.cache / f"{study.master.id}.tables"
    with monkeypatch.context() as earlier:
        earlier.setattr(fingerprint, "SCHEME", "")
        one = study.snapshot()
    memory.unlink(missing_ok=True)
    assert study.services.changes.status(study.master.id).empty
    study.sql("UPDATE other SET a = 2")
    (change,) = study.services.changes.status(study.master.id).tables
    assert (change.name, change.rows_added, change.rows_removed) == ("other", 1, 1)
    two = study.snapshot()
    assert two.changes.tables == (0, 1, 0)
    old, new = (StateRef(study.master.id, each.id) for each in (one, two))
    assert [each.name for each in study.services.changes.diff(old, new).tables] == ["other"]
    study.services.restore.restore(one.id)
    assert study.services.changes.diff(old, study.current()).empty


def fake_environment(root: Path, packages: dict[str, str]) -> None:
    """An environment as `venv` and pip leave one."""
    site = root / ".venv" / "lib" / "python3.12" / "site-packages"
    for old in site.glob("*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    site.mkdir(parents=True, exist_ok=True)
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")
    for name, version in packages.items():
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_applications_by_configuration_and_packages(study: World) -> None:
    file = study.application("demo")
    file.write_text("name: Demo\nkind: script\nimage: python\nenvironment: .venv\ncommand: [run]\n")
    fake_environment(study.root(), {"numpy": "1.0", "pandas": "2.0"})
    one = study.snapshot()
    assert [p.name for p in study.services.snapshots.manifest(one.id).applications[0].lock.packages] == [
        "numpy",
        "pandas",
    ]
    fake_environment(study.root(), {"numpy": "1.1", "scipy": "3.0"})
    (change,) = study.services.changes.status(study.master.id).applications
    assert change.configuration == []
    assert {
        p.name: (p.old.version if p.old else None, p.new.version if p.new else None) for p in change.packages
    } == {"numpy": ("1.0", "1.1"), "pandas": ("2.0", None), "scipy": (None, "3.0")}
    file.write_text(file.read_text().replace("[run]", "[go]"))
    study.application("more")
    changed, added = study.services.changes.status(study.master.id).applications
    assert "-command: [run]" in changed.configuration
    assert "+command: [go]" in changed.configuration
    assert (added.slug, added.change) == ("more", "added")


def test_a_state_is_read_the_same_live_and_from_a_snapshot(study: World) -> None:
    study.write("caf\udce9", "not UTF-8")
    (study.root() / "link").symlink_to("README.md")
    snapshot = StateRef(study.master.id, study.snapshot().id)
    live, kept = (study.services.states.reader(ref) for ref in (study.current(), snapshot))
    for path in ("", "data"):
        a, b = live.folder(path), kept.folder(path)
        assert [(v.name, v.path, v.kind, v.mode, v.target) for v in a] == [
            (v.name, v.path, v.kind, v.mode, v.target) for v in b
        ]
        assert [v.status for v in a] == [""] * len(a)
    for path in ("README.md", "caf\udce9", "data/a.csv"):
        assert (
            live.read(path) == kept.read(path) == b"".join(kept.stream(path)) == b"".join(live.stream(path))
        )
    assert live.read("README.md", 3) == kept.read("README.md", 3) == b"# A"
    assert live.tables() == kept.tables()
    assert live.rows("visits", 1, 5).rows == kept.rows("visits", 1, 5).rows == [[2, "two"]]
    assert [c.name for c in live.columns("visits")] == [c.name for c in kept.columns("visits")]
    assert [(a.slug, a.text) for a in live.applications()] == [(a.slug, a.text) for a in kept.applications()]
    for reader in (live, kept):
        for path in ("../x", "/etc", "a\0b"):
            with refused(2):
                reader.folder(path)
        for path in ("nothing", "README.md"):
            with refused(3):
                reader.folder(path)
        for path in ("nothing", "data", "link"):
            with refused(3):
                reader.read(path)
        with refused(3):
            reader.rows("nothing")


def test_marks_of_new_and_changed_files(study: World) -> None:
    study.snapshot()
    study.write("new.txt", "new")
    study.write("README.md", "# Longer than before\n")
    marks = {v.name: v.status for v in study.services.states.reader(study.current()).folder("")}
    assert marks == {"README.md": "changed", "analysis.py": "", "data": "", "new.txt": "new"}


def test_the_live_reader_does_not_leave_the_workspace(study: World, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (study.root() / "way-out").symlink_to(tmp_path / "outside")
    os.mkfifo(study.root() / "pipe")
    reader = study.services.states.reader(study.current())
    for path in ("way-out/secret.txt", "way-out", "pipe"):
        with refused(3):
            reader.read(path)
    with refused(3):
        reader.folder("way-out/.")


def test_readme_is_what_an_observer_may_read(study: World) -> None:
    assert study.services.states.readme(study.master.id) == "# A study\n"
    (study.root() / "README.md").unlink()
    assert study.services.states.readme(study.master.id) is None
    study.write("README.txt", b"caf\xe9")
    assert study.services.states.readme(study.master.id) == "caf�"
