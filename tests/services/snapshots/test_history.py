"""The history of files, folders and tables across snapshots."""

from pathlib import Path

import pytest

from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.reporter import Silent
from tests.tui.sharing import Study, lay_out


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return lay_out(tmp_path)


def take(study: Study, name: str) -> str:
    return study.services.snapshots.create(study.master.id, name).id


def told(study: Study, path: str) -> list[tuple[str, str, int, bool]]:
    found = study.services.history.of_path(study.master.id, path)
    return [(v.change, v.name, v.snapshots, v.current) for v in found.versions]


def test_runs_of_equal_snapshots_are_one_version(study: Study) -> None:
    take(study, "nothing-new")
    (study.root / "data" / "a.csv").write_text("x,y\n1,2\n")
    take(study, "fewer-rows")
    take(study, "still-so")
    (study.root / "data" / "a.csv").unlink()
    take(study, "gone")
    (study.root / "data" / "a.csv").write_text("x,y\n")
    assert told(study, "data/a.csv") == [
        ("added", "Current State", 0, True),
        ("removed", "gone", 1, False),
        ("changed", "fewer-rows", 2, False),
        ("added", "first-data", 2, False),
    ]
    assert told(study, "data")[-1] == ("added", "first-data", 2, False)
    assert told(study, "notes.md") == [("added", "first-data", 5, True)]


def test_a_table_has_a_history(study: Study) -> None:
    study.services.tables.import_file(study.master.id, study.root / "data" / "b.csv", "numbers", replace=True)
    take(study, "other-rows")
    study.services.tables.delete(study.master.id, "numbers")
    take(study, "no-table")
    found = study.services.history.of_table(study.master.id, "numbers")
    assert [(v.change, v.name, v.rows) for v in found.versions] == [
        ("removed", "no-table", None),
        ("changed", "other-rows", 1),
        ("added", "first-data", 2),
    ]


def test_what_is_nowhere_is_said(study: Study) -> None:
    for look in (
        lambda: study.services.history.of_path(study.master.id, "no/such"),
        lambda: study.services.history.of_table(study.master.id, "none"),
    ):
        with pytest.raises(NuvError) as error:
            look()
        assert error.value.exit_code == Exit.NOT_FOUND
    with pytest.raises(NuvError):
        study.services.history.of_path(study.master.id, "../out")


def test_only_the_folders_on_the_way_are_read_and_each_once(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    (study.root / "other").mkdir()
    for number in range(6):
        (study.root / "other" / f"{number}").write_text("x")
        take(study, f"other-{number}")
    store = study.services.context.store
    asked: list[bytes] = []
    tree = store.tree

    def counting(identifier: bytes) -> object:
        asked.append(identifier)
        return tree(identifier)

    monkeypatch.setattr(store, "tree", counting)
    found = study.services.history.of_path(study.master.id, "data/a.csv")
    assert found.looked_at == 7
    roots = {store.read_manifest(i).files.root for i in store.manifest_ids()}
    newest = 2  # the Current State is compared with the newest snapshot
    assert len(asked) <= len(roots) + 1 + newest


def test_a_damaged_snapshot_is_left_out_and_named(study: Study) -> None:
    second = take(study, "second-data")
    study.services.home.manifest(second).write_bytes(b"{}")
    found = study.services.history.of_table(study.master.id, "numbers")
    assert found.unreadable == [second]
    assert [v.name for v in found.versions] == ["first-data"]


def test_it_can_be_cancelled(study: Study) -> None:
    class Given(Silent):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        study.services.history.of_path(study.master.id, "notes.md", Given())
