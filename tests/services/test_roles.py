"""The whole role table, through the services, as other users see them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.bootstrap import Services
from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import ApplicationKind
from nuvtui.model.distribution import Strategies
from nuvtui.model.export import ExportSpec
from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from tests.services.helpers import World, refused

USER = "daemon"


def verbs(world: World) -> dict[str, tuple[Role, Callable[[Services], object]]]:
    """Every verb on the Master with the lowest role that may use it, as the domain's table says."""
    master, space = world.master.id, world.space.id
    here = StateRef(master)
    snapshot = world.services.snapshots.list(master)[-1].id
    there = StateRef(master, snapshot)
    victim = world.snapshot("to-be-deleted").id
    doomed = world.add("doomed").id
    distribution = world.services.distribution.list(space)[0].id
    csv = world.root() / "data" / "a.csv"
    return {
        "readme": (Role.OBSERVER, lambda s: s.states.readme(master)),
        "list snapshots": (Role.VIEWER, lambda s: s.snapshots.list(master)),
        "show a snapshot": (Role.VIEWER, lambda s: s.snapshots.manifest(snapshot)),
        "read the Current State": (Role.VIEWER, lambda s: s.states.reader(here).folder("")),
        "read a snapshot": (Role.VIEWER, lambda s: s.states.reader(there).read("README.md")),
        "status": (Role.VIEWER, lambda s: s.changes.status(master)),
        "diff": (Role.VIEWER, lambda s: s.changes.diff(there, here)),
        "text diff": (Role.VIEWER, lambda s: s.changes.text_diff(there, here, "README.md")),
        "list tables": (Role.VIEWER, lambda s: s.tables.list(here)),
        "query": (Role.VIEWER, lambda s: s.tables.query(here, "select 1")),
        "query a snapshot": (Role.VIEWER, lambda s: s.tables.query(there, "select * from visits")),
        "export a table": (
            Role.VIEWER,
            lambda s: s.tables.export(there, "visits", world.folder / f"out-{s.user}-{id(s)}.csv"),
        ),
        "list applications": (Role.VIEWER, lambda s: s.applications.list(here)),
        "check an application": (Role.VIEWER, lambda s: s.applications.check(master, "demo")),
        "stage": (Role.VIEWER, lambda s: s.staging.add(here, ["README.md"], replace=True)),
        "list distributions": (Role.VIEWER, lambda s: s.distribution.list(space)),
        "list exports": (Role.VIEWER, lambda s: s.exports.list(space)),
        "take a snapshot": (Role.EDITOR, lambda s: s.snapshots.create(master, "by-another")),
        "rename a snapshot": (Role.EDITOR, lambda s: s.snapshots.rename(snapshot, "renamed")),
        "restore": (Role.EDITOR, lambda s: s.restore.restore(snapshot, master)),
        "import a table": (Role.EDITOR, lambda s: s.tables.import_file(master, csv, "t", replace=True)),
        "rename a table": (Role.EDITOR, lambda s: _there_and_back(s, master)),
        "delete a table": (Role.EDITOR, lambda s: (_copy(s, master, csv), s.tables.delete(master, "copy"))),
        "new application": (
            Role.EDITOR,
            lambda s: s.applications.new(master, "fresh", ApplicationKind.SCRIPT),
        ),
        "delete an application": (Role.EDITOR, lambda s: s.applications.delete(master, "fresh")),
        "export preflight": (
            Role.EDITOR,
            lambda s: s.exports.preflight(ExportSpec(application="demo", instance=master, snapshot=snapshot)),
        ),
        "delete a snapshot": (Role.EDITOR, lambda s: s.snapshots.delete([victim])),
        "create an instance": (
            Role.ADMINISTRATOR,
            lambda s: s.instances.create(space, "made", world.folder / "made"),
        ),
        "delete an instance": (
            Role.ADMINISTRATOR,
            lambda s: s.instances.delete(doomed),
        ),
        "set a member": (Role.ADMINISTRATOR, lambda s: s.members.set(space, "bin", Role.OBSERVER)),
        "remove a member": (Role.ADMINISTRATOR, lambda s: s.members.remove(space, "bin")),
        "recall": (Role.ADMINISTRATOR, lambda s: s.distribution.recall(distribution)),
        "delete the space": (Role.ADMINISTRATOR, lambda s: s.spaces.delete(space)),
    }


def _there_and_back(services: Services, instance: str) -> None:
    services.tables.rename(instance, "visits", "calls")
    services.tables.rename(instance, "calls", "visits")


def _copy(services: Services, instance: str, csv: Path) -> None:
    services.tables.import_file(instance, csv, "copy")


@pytest.fixture
def shared(study: World) -> World:
    reviewer = study.add("reviewer")
    snapshot = study.snapshot("baseline")
    study.services.staging.add(StateRef(study.master.id, snapshot.id), ["README.md"])
    study.services.distribution.distribute(study.space.id, [reviewer.id], Strategies())
    return study


ROLES = [None, Role.OBSERVER, Role.VIEWER, Role.EDITOR, Role.ADMINISTRATOR]


@pytest.mark.parametrize("held", ROLES, ids=[str(role).replace(" ", "-") for role in ROLES])
def test_each_role_may_what_the_table_says_and_no_more(shared: World, held: Role | None) -> None:
    if held is not None:
        instance = None if held is Role.ADMINISTRATOR else shared.master.id
        shared.services.members.set(shared.space.id, USER, held, instance)
    theirs = shared.as_user(USER)
    for verb, (needed, work) in verbs(shared).items():
        if held is not None and ROLES.index(held) >= ROLES.index(needed):
            work(theirs)
            continue
        says = f"{USER} has the role {held}" if held else f"{USER} is not a member"
        before = shared.services.context.state.stamp()
        with pytest.raises(NuvError) as caught:
            work(theirs)
        assert caught.value.exit_code == Exit.ROLE, verb
        assert caught.value.title.startswith("You may not"), verb
        assert says in str(caught.value), verb
        assert str(needed) in str(caught.value), verb
        assert shared.services.context.state.stamp() == before, verb


def test_a_role_in_one_instance_holds_nowhere_else(shared: World) -> None:
    reviewer = shared.services.instances.find(shared.space.id, "reviewer")
    shared.services.members.set(shared.space.id, USER, Role.EDITOR, reviewer.id)
    theirs = shared.as_user(USER)
    theirs.snapshots.create(reviewer.id, "mine")
    with refused(4, "study/Master", "instance viewer", "instance editor in another instance only"):
        theirs.snapshots.list(shared.master.id)


def test_a_snapshot_is_not_read_through_another_instance(shared: World) -> None:
    """Naming an instance where one may read, with a snapshot of another, opens no door."""
    reviewer = shared.services.instances.find(shared.space.id, "reviewer")
    shared.services.members.set(shared.space.id, USER, Role.EDITOR, reviewer.id)
    foreign = shared.services.snapshots.find(shared.master.id, "baseline").id
    ref = StateRef(reviewer.id, foreign)
    theirs = shared.as_user(USER)
    for work in (
        lambda: theirs.states.reader(ref),
        lambda: theirs.tables.list(ref),
        lambda: theirs.tables.query(ref, "select * from visits"),
        lambda: theirs.tables.export(ref, "visits", shared.folder / "stolen.csv"),
        lambda: theirs.changes.diff(ref, StateRef(reviewer.id)),
        lambda: theirs.staging.add(ref, ["README.md"]),
        lambda: theirs.exports.preflight(
            ExportSpec(application="demo", instance=reviewer.id, snapshot=foreign)
        ),
    ):
        with refused(3, "reviewer"):
            work()
    assert not (shared.folder / "stolen.csv").exists()


def test_distributing_needs_viewer_on_the_source_and_editor_on_each_target(shared: World) -> None:
    space = shared.space.id
    reviewer = shared.services.instances.find(space, "reviewer")
    shared.services.members.set(space, USER, Role.VIEWER, shared.master.id)
    theirs = shared.as_user(USER)
    theirs.staging.add(shared.current(), ["README.md"])
    before = shared.whole(reviewer)
    with refused(4, "study/reviewer", "instance editor"):
        theirs.distribution.dry_run(space, [reviewer.id], Strategies())
    with refused(4, "study/reviewer", "instance editor"):
        theirs.distribution.distribute(space, [reviewer.id], Strategies())
    assert shared.whole(reviewer) == before
    shared.services.members.set(space, USER, Role.EDITOR, reviewer.id)
    assert theirs.distribution.distribute(space, [reviewer.id], Strategies()).status == "completed"


def test_restoring_to_another_instance_needs_editor_there(shared: World) -> None:
    reviewer = shared.services.instances.find(shared.space.id, "reviewer")
    snapshot = shared.services.snapshots.find(shared.master.id, "baseline")
    shared.services.members.set(shared.space.id, USER, Role.EDITOR, shared.master.id)
    with refused(4, "study/reviewer", "instance editor"):
        shared.as_user(USER).restore.restore(snapshot.id, reviewer.id)


def test_members_are_listed_and_the_last_administrator_stays(world: World) -> None:
    members, space = world.services.members, world.space.id
    members.set(space, USER, Role.EDITOR, world.master.id)
    members.set(space, USER, Role.OBSERVER)
    me = world.services.user
    assert [(m.user, m.role, m.instance) for m in members.list(space)] == [
        (USER, Role.OBSERVER, None),
        (USER, Role.EDITOR, world.master.id),
        (me, Role.ADMINISTRATOR, None),
    ]
    # The highest of the roles counts.
    assert world.as_user(USER).members.role(space, world.master.id) is Role.EDITOR
    with refused(6, "administrator"):
        members.remove(space, me)
    with refused(6, "administrator"):
        members.set(space, me, Role.VIEWER)
    with refused(2, "whole space"):
        members.set(space, USER, Role.ADMINISTRATOR, world.master.id)
    with refused(2, "No user"):
        members.set(space, "nobody-has-this-name", Role.VIEWER)
    with refused(3, USER):
        members.remove(space, USER, world.distributed().id)
    with refused(3):
        members.set(space, USER, Role.VIEWER, "0" * 16)
    members.remove(space, USER, world.master.id)
    assert world.as_user(USER).members.role(space, world.master.id) is Role.OBSERVER


def test_the_user_is_whom_the_operating_system_reports(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, USER)
    assert world.fresh().user == world.services.user != USER


def test_a_stage_is_each_users_own(shared: World) -> None:
    shared.services.members.set(shared.space.id, USER, Role.VIEWER, shared.master.id)
    theirs = shared.as_user(USER)
    assert theirs.staging.get(shared.space.id) is None
    theirs.staging.add(shared.current(), ["data"])
    mine = shared.services.staging.get(shared.space.id)
    assert mine is not None
    assert mine.files == ["README.md"]


def test_messages_are_for_those_who_may_look(shared: World) -> None:
    reviewer = shared.services.instances.find(shared.space.id, "reviewer")
    shared.services.distribution.distribute(shared.space.id, [reviewer.id], Strategies(), "for the review")
    assert shared.as_user(USER).messages.unread(reviewer.id) == []
    shared.services.members.set(shared.space.id, USER, Role.VIEWER, reviewer.id)
    assert [m.text for m in shared.as_user(USER).messages.unread(reviewer.id)] == ["for the review"]
