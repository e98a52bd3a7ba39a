"""What was approved is what is done: a target that changed after its dry run is refused, one that did not never is."""

import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import Strategies
from nuvtui.model.operations import Distribute
from nuvtui.operations import carry_out
from nuvtui.reporter import Silent
from nuvtui.services.snapshots.service import deletion
from tests.services.helpers import World, refused

CHANGES = ("content", "new", "removed", "mode", "table", "comment", "application", "folder")
"""Of the target, between the dry run and the doing."""
HARMLESS = ("time", "snapshot")
MEANWHILE = st.lists(st.sampled_from([*CHANGES, *HARMLESS, *HARMLESS, *HARMLESS]), max_size=2)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Target:
    """An instance that is changed; every change makes it what it never was before."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.instance = world.add("reviewer")
        self._number = 0
        world.write("mine.txt", "mine\n", self.instance)
        world.write("README.md", "# Mine\n", self.instance)
        world.table("own", "select 0 as id", self.instance)

    def change(self, what: str) -> None:
        self._number += 1
        number, here, root = self._number, self.instance, self.world.root(self.instance)
        match what:
            case "content":
                self.world.write("mine.txt", f"other {number}\n", here)
            case "new":
                self.world.write(f"new-{number}.txt", "new\n", here)
            case "removed":
                self.world.write(f"goes-{number}", "", here)
                self.world.services.snapshots.create(here.id)
                (root / f"goes-{number}").unlink()
                (root / "README.md").unlink(missing_ok=True)
            case "mode":
                self.world.write("README.md", f"# Mine {number}\n", here, mode=0o755)
            case "table":
                self.world.table("own", f"select {number} as id", here)
            case "comment":
                self.world.sql(f"COMMENT ON TABLE own IS 'of {number}'", instance=here)
            case "application":
                self.world.application(f"other-{number}", instance=here)
            case "folder":
                (root / f"empty-{number}").mkdir()
            case "time":
                os.utime(root / "mine.txt", (number, number))
            case "snapshot":
                self.world.services.snapshots.create(here.id, f"meanwhile-{number}")


@pytest.fixture
def target(study: World) -> Target:
    """An instance with a state of its own; everything of the Master is staged for it."""
    target = Target(study)
    study.services.staging.add(study.current(), everything=True)
    return target


def changed(meanwhile: list[str]) -> bool:
    return any(what in CHANGES for what in meanwhile)


@FEW
@given(meanwhile=MEANWHILE)
@example(meanwhile=[])
@example(meanwhile=["time", "snapshot"])
@example(meanwhile=["content"])
@example(meanwhile=["removed"])
@example(meanwhile=["mode"])
@example(meanwhile=["comment"])
def test_a_distribution_is_held_to_its_dry_run(target: Target, meanwhile: list[str]) -> None:
    study, here = target.world, target.instance
    target.change("content")  # what an earlier example distributed is not what this one finds
    (planned,) = study.services.distribution.dry_run(study.space.id, [here.id], Strategies())
    for what in meanwhile:
        target.change(what)
    before = study.whole(here)
    snapshots = study.services.snapshots.list(here.id)
    operation = Distribute(study.space.id, [here.id], plans=[planned.plan])
    if changed(meanwhile):
        with pytest.raises(NuvError) as caught:
            carry_out(study.services, operation, Silent())
        assert caught.value.exit_code == Exit.CONFLICT
        assert "reviewer" in caught.value.message
        assert study.whole(here) == before
        assert study.services.snapshots.list(here.id) == snapshots, "no trace of a change that never was"
    else:
        assert carry_out(study.services, operation, Silent()).status == "completed"


@FEW
@given(meanwhile=MEANWHILE)
@example(meanwhile=[])
@example(meanwhile=["time", "snapshot"])
@example(meanwhile=["new"])
@example(meanwhile=["folder"])
@example(meanwhile=["table"])
@example(meanwhile=["application"])
def test_a_restore_is_held_to_its_dry_run(target: Target, meanwhile: list[str]) -> None:
    study, here = target.world, target.instance
    one = study.services.snapshots.create(here.id)
    target.change("content")
    plan = study.services.restore.dry_run(one.id).plan
    for what in meanwhile:
        target.change(what)
    before = study.whole(here)
    snapshots = study.services.snapshots.list(here.id)
    if changed(meanwhile):
        with refused(Exit.CONFLICT, "reviewer changed"):
            study.services.restore.restore(one.id, plan=plan)
        assert study.whole(here) == before
        assert study.services.snapshots.list(here.id) == snapshots
    else:
        study.services.restore.restore(one.id, plan=plan)


def test_one_target_that_changed_does_not_keep_the_other(target: Target) -> None:
    study, other = target.world, target.world.add("other")
    both = [target.instance.id, other.id]
    plans = [each.plan for each in study.services.distribution.dry_run(study.space.id, both, Strategies())]
    target.change("content")
    done = study.services.distribution.distribute(study.space.id, both, Strategies(), plans=plans)
    assert [(each.status, each.changed) for each in done.targets] == [("failed", True), ("completed", False)]


def test_what_was_staged_from_changed_as_well(target: Target) -> None:
    study, here = target.world, target.instance
    (planned,) = study.services.distribution.dry_run(study.space.id, [here.id], Strategies())
    study.write("analysis.py", "print('other')\n")
    done = study.services.distribution.distribute(
        study.space.id, [here.id], Strategies(), plans=[planned.plan]
    )
    assert done.targets[0].changed


def test_deleting_is_held_to_its_dry_run(study: World) -> None:
    one, two = study.snapshot("one"), study.snapshot("two")
    plan = deletion([one, two])
    study.services.snapshots.rename(two.id, "two, which is dear")
    with refused(Exit.CONFLICT):
        study.services.snapshots.delete([one.id, two.id], plan)
    listed = study.services.snapshots.list(study.master.id)
    assert {record.id for record in listed} >= {one.id, two.id}
    study.services.snapshots.delete([one.id, two.id], deletion(listed))
    assert study.services.snapshots.list(study.master.id) == []
