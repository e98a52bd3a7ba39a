"""Distributions between two stores: what is sent, what the roles there allow, and what is left when it is cut."""

import contextlib
from collections.abc import Iterator

import msgspec
import pytest

from nuvtui.bootstrap import Services
from nuvtui.errors import NuvError
from nuvtui.model.distribution import Distribution, Server, Strategies, Strategy
from nuvtui.model.far import Ask, DistributeThere, FindTargets
from nuvtui.model.operations import Distribute
from nuvtui.model.roles import Role
from nuvtui.model.stage import StateRef
from nuvtui.remote.failure import TransientError
from nuvtui.reporter import Silent
from nuvtui.services.remotes.far import parse_targets
from nuvtui.services.remotes.serving import HomeBlobs
from nuvtui.store.check import check
from nuvtui.store.prune import prune as collect
from nuvtui.store.store import Store
from tests.services.helpers import World, refused

USER = "daemon"
SERVER = Server("there")
PLAIN = Strategies()
QUIET = Silent()


class Direct(HomeBlobs):
    """The other store, without a line between."""

    def __init__(self, services: Services, cut: str = "") -> None:
        super().__init__(services.context, services.snapshots)
        self._services = services
        self._cut = cut

    def call(self, body: bytes) -> bytes:
        if self._cut == "before":
            raise TransientError("The connection broke")
        answer = self._services.receiver(body)
        if self._cut == "after":
            raise TransientError("The connection broke")
        return answer


@pytest.fixture
def near(study: World) -> World:
    """The study that things are sent from."""
    study.write(".nuvtui/ignore", "*.log\n")
    return study


@pytest.fixture
def far(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The store on the other server."""
    world = World(tmp_path_factory.mktemp("far"))
    world.write("README.md", "# Theirs\n")
    world.write("own.txt", "stays")
    world.write("own.log", "a log of theirs")
    return world


def connect(near: World, far: Services, monkeypatch: pytest.MonkeyPatch, cut: str = "") -> Services:
    """The services here, with `far` as every server."""
    services = near.fresh()

    @contextlib.contextmanager
    def connected(_server: Server) -> Iterator[Direct]:
        with contextlib.closing(Direct(far, cut)) as blobs:
            yield blobs

    monkeypatch.setattr(services.far, "_connected", connected)
    return services


def distribute(
    services: Services, near: World, far: World, *plans: str, strategies: Strategies = PLAIN
) -> Distribution:
    operation = Distribute(near.space.id, [far.master.id], strategies, plans=list(plans))
    return services.far.distribute(operation, SERVER, QUIET)


def test_a_selection_arrives_and_nothing_else(
    near: World, far: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = connect(near, far.fresh(), monkeypatch)
    services.staging.add(near.current(), ["data/a.csv"], ["visits"])
    (found,) = services.far.targets(SERVER, ["study/Master"])
    assert (found.id, found.name) == (far.master.id, "study/Master")
    (plan,) = services.far.dry_run(near.space.id, SERVER, [far.master.id], Strategies())
    assert (plan.files.created, plan.tables.created) == (["data/a.csv"], ["visits"])
    done = distribute(services, near, far, plan.plan)
    assert (done.status, done.targets[0].name) == ("completed", "there:study/Master")
    assert (far.root() / "data/a.csv").read_text() == "x,y\n1,2\n"
    assert (far.root() / "README.md").read_text() == "# Theirs\n"
    assert far.tables() == near.tables()

    there = far.fresh()
    (kept,) = there.snapshots.list(far.distributed().id)
    files = there.states.files(StateRef(far.distributed().id, kept.id))
    names = sorted(bytes(entry.name) for entry in files.tree(files.root))
    assert names == [b".nuvtui", b"data"]  # the ignore file says what the source does not speak of
    collect(Store(far.home), False, 0.0, QUIET)
    assert check(Store(far.home), True, QUIET).problems == []
    assert check(Store(near.home), True, QUIET).problems == []
    collect(Store(near.home), False, 0.0, QUIET)
    assert check(Store(near.home), True, QUIET).problems == []

    assert services.far.recall(done.id).status == "recalled"
    assert not (far.root() / "data").exists()
    assert far.tables() == {}
    with refused(6, "recalled"):
        services.far.recall(done.id)


def test_a_mirror_keeps_what_the_source_does_not_speak_of(
    near: World, far: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = connect(near, far.fresh(), monkeypatch)
    services.staging.add(near.current(), everything=True)
    mirror = Strategies(Strategy.MIRROR, Strategy.MIRROR, Strategy.MIRROR)
    (plan,) = services.far.dry_run(near.space.id, SERVER, [far.master.id], mirror)
    assert plan.files.removed == ["own.txt"]
    distribute(services, near, far, plan.plan, strategies=mirror)
    assert (far.root() / "own.log").read_text() == "a log of theirs"
    assert not (far.root() / "own.txt").exists()
    assert far.applications() == near.applications()


def test_what_changed_since_the_dry_run_is_refused(
    near: World, far: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = connect(near, far.fresh(), monkeypatch)
    services.staging.add(near.current(), ["README.md"])
    (plan,) = services.far.dry_run(near.space.id, SERVER, [far.master.id], Strategies())
    far.write("README.md", "# Theirs, since\n")
    done = distribute(services, near, far, plan.plan)
    assert (done.status, done.targets[0].changed) == ("failed", True)
    assert (far.root() / "README.md").read_text() == "# Theirs, since\n"
    assert far.fresh().snapshots.list(far.distributed().id) == []  # nothing came of it


def test_roles_there(near: World, far: World, monkeypatch: pytest.MonkeyPatch) -> None:
    services = connect(near, far.as_user(USER), monkeypatch)
    services.staging.add(near.current(), ["README.md"])
    with refused(4, "not a member"):
        services.far.targets(SERVER, ["study/Master"])
    far.services.members.set(far.space.id, USER, Role.VIEWER)
    with refused(4, "instance viewer"):
        services.far.dry_run(near.space.id, SERVER, [far.master.id], Strategies())
    before = Store(far.home).manifest_ids()
    with refused(4, "instance viewer"):
        distribute(services, near, far)
    assert Store(far.home).manifest_ids() == before
    assert services.distribution.list(near.space.id)[0].status == "failed"
    far.services.members.set(far.space.id, USER, Role.EDITOR)
    done = distribute(services, near, far)
    assert done.status == "completed"
    with refused(4, "space administrator"):
        services.far.recall(done.id)
    assert (far.root() / "README.md").read_text() == "# A study\n"


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_line_that_breaks(near: World, far: World, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    """Each side's history tells what it knows; the stores stay sound, and the next one goes through."""
    services = connect(near, far.fresh(), monkeypatch, cut)
    services.staging.add(near.current(), ["README.md"])
    with refused(1, "there went away", "broke", "nuvtui distribution list"):
        distribute(services, near, far)
    mine = services.distribution.list(near.space.id)[0]
    assert (mine.status, "broke" in mine.targets[0].error) == ("interrupted", True)
    theirs = far.fresh().distribution.list(far.space.id)
    assert [each.status for each in theirs] == (["completed"] if cut == "after" else [])
    assert check(Store(far.home), True, QUIET).problems == []
    services = connect(near, far.fresh(), monkeypatch)
    assert distribute(services, near, far).status == "completed"


def ask(services: Services, question: Ask) -> None:
    services.receiver(msgspec.msgpack.encode(question))


def test_questions_that_make_no_sense(near: World, far: World) -> None:
    services = far.fresh()
    before = Store(far.home).manifest_ids()
    with refused(1, "does not understand"):
        services.receiver(b"\xff")
    with refused(2, "Which space"):
        ask(services, FindTargets(["Master"]))
    with refused(3):
        ask(services, FindTargets(["study/Nobody"]))
    snapshot = near.snapshot("x")
    manifest = (near.home.manifest(snapshot.id)).read_bytes()
    good = DistributeThere(
        "1" * 16, [far.master.id], Strategies(), "", [], "here: x", snapshot.id, manifest, True, [], [], []
    )
    for lie in (
        {"targets": []},
        {"targets": ["0" * 16]},
        {"origin": "\x1b[2J"},
        {"distribution": "../x"},
        {"snapshot": "2" * 16},
        {"manifest": b"{}"},
        {},  # its objects were never sent
    ):
        with pytest.raises(NuvError):
            ask(services, msgspec.structs.replace(good, **lie))
    assert Store(far.home).manifest_ids() == before
    assert services.distribution.list(far.space.id) == []


def test_targets_on_servers() -> None:
    assert parse_targets(["Master", "space/Master"]) is None
    assert parse_targets(["me@lab:A b/Master", "me@lab:A b/Copy"]) == ("me@lab", ["A b/Master", "A b/Copy"])
    for several in (["lab:a/b", "other:a/b"], ["lab:a/b", "Master"]):
        with refused(2, "several servers"):
            parse_targets(several)
    with refused(2):
        parse_targets(["-oProxyCommand=x:a/b"])
