"""What the screens say of a finished task: everything that its result holds and that a person must know."""

import msgspec
import pytest

from nuvtui.model.maintenance import (
    CheckReport,
    IndexRepair,
    Problem,
    PruneReport,
    RepairReport,
    StateRepair,
)
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.common.outcome import brought
from nuvtui.tui.toolkit.glyphs import UNICODE


def said(kind: str, result: msgspec.Struct) -> str:
    task = TaskView("t1", kind, status=TaskStatus.COMPLETED, result=msgspec.to_builtins(result))
    return "\n".join(each.shown.text for each in brought(task, UNICODE))


def test_a_check_that_read_nothing_never_sounds_as_if_it_had() -> None:
    text = said("check", CheckReport([], 7, 2, 900, 3, 0))
    assert "all there" in text
    assert "3 snapshots, 7 objects in 2 packs" in text
    assert "not read" in text
    assert "not read" not in said("check", CheckReport([], 7, 2, 900, 3, 900))


def test_each_problem_of_a_check_is_named_with_the_snapshots_that_it_hurts() -> None:
    problems = [Problem("pack 1a2b", "its end is cut off", ["0123456789abcdef"]), Problem("index 3c", "bits")]
    text = said("check", CheckReport(problems, 7, 2, 900, 3, 0))
    assert "2 wrong" in text
    assert "all there" not in text
    assert "pack 1a2b: its end is cut off; hurts 01234567" in text
    assert "index 3c: bits" in text


@pytest.mark.parametrize("dry_run", [True, False])
def test_freed_space_is_not_said_of_a_dry_run(dry_run: bool) -> None:
    text = said("gc", PruneReport(2048, 1, 2, 3, 0, dry_run))
    would = "would be " if dry_run else ""
    assert ("Would free" in text) is dry_run
    assert f"1 {would}removed, 2 {would}written anew" in text


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_repair_names_what_it_set_aside_or_would(dry_run: bool) -> None:
    store = IndexRepair(dry_run, 5, 50, ["aa" * 32], 3, 1, ["bb" * 32])
    text = said("repair", RepairReport(dry_run, store, StateRepair(["alps"], [], ["c1"], [])))
    would = "would be " if dry_run else ""
    assert f"pack aaaaaaaa: damaged, {would}moved to the quarantine" in text
    assert f"snapshot bbbbbbbb: its manifest {would}moved to the quarantine" in text
    assert f"3 {would}rescued, 1 lost" in text
    assert f"1 snapshot {would}listed again" in text
    assert "alps" in text
