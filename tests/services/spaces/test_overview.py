"""The overview of a space: what it counts, and what a role does not show."""

import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import Strategies
from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from tests.services.helpers import SECOND_USERS, World


def test_instances_snapshots_storage_and_messages(study: World) -> None:
    services = study.services
    first = services.snapshots.create(study.master.id, "raw-data")
    second = services.snapshots.create(study.master.id)
    other = services.instances.create(study.space.id, "reviewer", study.folder / "reviewer")
    services.staging.add(StateRef(study.master.id, first.id), ["README.md"], [], [])
    services.distribution.distribute(study.space.id, [other.id], Strategies(), "Please look.")
    found = services.overview.show(study.space.id)
    assert [each.name for each in found.instances] == ["Master", "reviewer", "Distributed"]
    assert [each.snapshots for each in found.instances] == [2, 1, 0]
    assert found.instances[0].newest is not None
    assert found.instances[0].newest.id == second.id
    assert found.instances[0].workspace == str(study.folder / "master")
    assert [(each.instance, each.kind) for each in found.snapshots] == [
        ("reviewer", "automatic"),
        ("Master", "quick"),
        ("Master", "named"),
    ]
    assert found.storage.named == first.stored_bytes > 0
    assert found.storage.total == sum(each.stored_bytes for each in found.instances)
    assert [(m.instance, m.text, m.read) for m in found.messages] == [("reviewer", "Please look.", False)]
    services.messages.mark_read([found.messages[0].id])
    assert services.overview.show(study.space.id).messages[0].read
    assert services.overview.store_bytes() >= found.storage.total


def test_only_the_newest_are_listed(study: World) -> None:
    for at in range(12):
        study.write("data/a.csv", f"{at}\n")
        study.services.snapshots.create(study.master.id, f"version-{at}")
    found = study.services.overview.show(study.space.id)
    assert [each.name for each in found.snapshots] == [f"version-{at}" for at in range(11, 1, -1)]
    assert found.instances[0].snapshots == 12


def test_a_role_in_one_instance_shows_that_instance_only(study: World) -> None:
    study.services.snapshots.create(study.master.id, "raw-data")
    other = study.services.instances.create(study.space.id, "reviewer", study.folder / "reviewer")
    study.services.snapshots.create(other.id, "theirs")
    user = SECOND_USERS[0]
    with pytest.raises(NuvError) as refused:
        study.as_user(user).overview.show(study.space.id)
    assert refused.value.exit_code == Exit.ROLE
    study.services.members.set(study.space.id, user, Role.VIEWER, other.id)
    found = study.as_user(user).overview.show(study.space.id)
    assert {each.name: each.snapshots for each in found.instances} == {
        "Master": None,
        "reviewer": 1,
        "Distributed": None,
    }
    assert [each.name for each in found.snapshots] == ["theirs"]
    assert found.instances[0].newest is None


def test_an_observer_sees_instances_and_nothing_in_them(study: World) -> None:
    study.services.snapshots.create(study.master.id, "raw-data")
    user = SECOND_USERS[0]
    study.services.members.set(study.space.id, user, Role.OBSERVER)
    found = study.as_user(user).overview.show(study.space.id)
    assert [each.snapshots for each in found.instances] == [None, None]
    assert (found.snapshots, found.exports, found.messages, found.storage.total) == ([], [], [], 0)
