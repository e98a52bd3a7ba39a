"""A store home as a remote: what is pushed there is checked, listed as roles allow, and nothing half is left."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuvtui.bootstrap import Services
from nuvtui.errors import NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.model.roles import Role
from nuvtui.model.snapshot import Ref
from nuvtui.remote import config, packing, prune, pull, push
from nuvtui.remote.blobs import Blobs
from nuvtui.remote.failure import AbsentError, DamagedError, TransientError
from nuvtui.remote.keys import Identities
from nuvtui.remote.repository import Repository
from nuvtui.remote.ssh import SshBlobs, command
from nuvtui.remote.url import parse
from nuvtui.reporter import Silent
from nuvtui.services.remotes import arrival
from nuvtui.services.remotes.serving import HomeBlobs
from nuvtui.store import manifests, packs
from nuvtui.store.check import check
from nuvtui.store.prune import prune as collect
from nuvtui.store.store import Store
from tests.remote.cutting import CutOff, CuttingBlobs, Moment
from tests.services.helpers import World, refused
from tests.support.ssh import SshServer

USER = "daemon"
QUIET = Silent()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of a few files, so that a push has many."""
    monkeypatch.setattr(packing, "PACK", 12_000)
    monkeypatch.setattr(packs, "GROUP", 8_000)
    monkeypatch.setattr(push, "GROUP", 8_000)
    monkeypatch.setattr(push, "INDEX_AFTER", 2)


@pytest.fixture
def near(tmp_path: Path) -> World:
    """A study with two snapshots here."""
    world = World(tmp_path / "near")
    for number in range(8):
        world.write(f"data/file {number}", os.urandom(6000))
    world.table("visits", "select * from range(10) t(id)")
    world.application("demo")
    world.snapshot("first")
    world.write("data/file 3", os.urandom(9000))
    world.snapshot("second")
    return world


@pytest.fixture
def far(tmp_path: Path) -> World:
    """A store on another server, with a space of its own."""
    world = World(tmp_path / "far")
    world.write("mine", "of the far side")
    world.snapshot("mine")
    return world


@pytest.fixture
def served(far: World) -> Iterator[HomeBlobs]:
    blobs = far.fresh().served
    yield blobs
    blobs.close()


def opened(blobs: Blobs, tmp_path: Path) -> Repository:
    found = config.read(blobs)
    cache = tmp_path / f"cache {os.urandom(4).hex()}"
    return Repository("far", blobs, found, config.seal(blobs, found, Identities()), cache)


def ids(world: World) -> list[str]:
    return [record.id for record in world.services.snapshots.list(world.master.id)]


def sent(blobs: Blobs, world: World, tmp_path: Path, *snapshots: str) -> list[str]:
    """Push what `world` has; the ids of what was new there."""
    done = push.push(opened(blobs, tmp_path), Store(world.home), list(snapshots) or ids(world), [], QUIET)
    return [each.id for each in done.snapshots]


def arrived(services: Services, world: World) -> list[str]:
    """Ids of the snapshots of `world` that a store lists."""
    return sorted(
        record.id for record in services.context.view().snapshots.all() if record.space == world.space.id
    )


def test_what_is_pushed_is_in_the_timeline(
    near: World, far: World, served: HomeBlobs, tmp_path: Path
) -> None:
    assert sorted(sent(served, near, tmp_path)) == sorted(ids(near))
    assert sent(served, near, tmp_path) == []
    assert [blob.key for blob in served.list("leases/")] == []
    served.close()
    services = far.fresh()
    timeline = services.snapshots.list(near.master.id)
    assert [(each.id, each.name) for each in timeline] == [
        (each.id, each.name) for each in near.services.snapshots.list(near.master.id)
    ]
    assert services.spaces.find(near.space.id).name == "study-2"  # the far side has a `study` of its own
    assert check(Store(far.home), True, QUIET).problems == []
    services.restore.restore(timeline[0].id, near.master.id)
    instance = services.instances.find(near.space.id, "Master")
    assert far.whole(instance, times=False)[1:] == near.whole(times=False)[1:]
    for number in range(8):
        name = f"data/file {number}"
        assert (far.root(instance) / name).read_bytes() == (near.root() / name).read_bytes()
    collect(Store(far.home), False, 0.0, QUIET)
    assert check(Store(far.home), True, QUIET).problems == []


def test_what_the_far_side_took_is_pulled(near: World, far: World, served: HomeBlobs, tmp_path: Path) -> None:
    mine = ids(far)
    repository = opened(served, tmp_path)
    assert [record.id for record in repository.snapshots().snapshots] == mine
    pull.pull(repository, Store(near.home), mine, QUIET)
    assert Store(near.home).read_manifest(mine[0]) == Store(far.home).read_manifest(mine[0])
    assert check(Store(near.home), True, QUIET).problems == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_push_that_is_cut_anywhere(near: World, far: World, tmp_path: Path, moment: Moment) -> None:
    """The far store stays sound, nothing half is listed, and the next push completes."""
    at, done = 0, False
    while not done:
        at += 1
        blobs = far.fresh().served
        cutting = CuttingBlobs(blobs, at, moment)
        try:
            sent(cutting, near, tmp_path)
            done = True
        except CutOff:
            pass
        blobs.close()  # the connection is gone
        assert check(Store(far.home), True, QUIET).problems == []
        assert set(arrived(far.fresh(), near)) == set(Store(far.home).manifest_ids()) & set(ids(near))
        if at % 5 == 0:  # whatever is left over goes
            collect(Store(far.home), False, 0.0, QUIET)
            assert not list(far.fresh().served.list("leases/"))
        blobs = far.fresh().served
        sent(blobs, near, tmp_path)
        blobs.close()
        assert arrived(far.fresh(), near) == sorted(ids(near))
        assert check(Store(far.home), True, QUIET).problems == []
        far.fresh().snapshots.delete(ids(near))
        if at % 3 == 0:
            collect(Store(far.home), False, 0.0, QUIET)
    assert at > 10


def test_gc_waits_for_who_pushes_and_sweeps_what_was_left(
    far: World, served: HomeBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"leases/{'a' * 32}"
    assert served.put_if_absent(key, b"{}\n")
    assert not served.put_if_absent(key, b"{}\n")
    assert [blob.key for blob in far.fresh().served.list(key)] == [key]  # seen by every connection
    with refused(5), Store(far.home).alone(timeout=0.0):
        pass
    served.close()
    collect(Store(far.home), False, 0.0, QUIET)
    assert [blob.key for blob in served.list(key)] == []


def test_roles_of_the_account(near: World, far: World, tmp_path: Path) -> None:
    first, second = sorted(
        ids(near), key=lambda each: near.services.context.view().snapshots.get(each).number
    )  # type: ignore[union-attr]
    owner = far.fresh().served
    sent(owner, near, tmp_path, first)
    owner.close()

    stranger = far.as_user(USER).served
    assert [blob.key for blob in stranger.list("snapshots/")] == []
    assert [blob.key for blob in stranger.list("spaces/")] == []
    with pytest.raises(AbsentError):
        stranger.read(f"snapshots/{first}")
    with refused(4, "not a member"):
        sent(stranger, near, tmp_path, second)
    stranger.close()

    far.services.members.set(near.space.id, USER, Role.VIEWER)
    viewer = far.as_user(USER).served
    assert [blob.key for blob in viewer.list("snapshots/")] == [f"snapshots/{first}"]
    with refused(4, "instance editor", "instance viewer"):
        sent(viewer, near, tmp_path, second)
    with refused(4):
        viewer.delete(f"snapshots/{first}")
    viewer.close()
    assert arrived(far.fresh(), near) == [first]

    far.services.members.set(near.space.id, USER, Role.EDITOR)
    editor = far.as_user(USER).served
    assert sent(editor, near, tmp_path, second) == [second]
    editor.delete(f"snapshots/{first}")
    editor.close()
    assert arrived(far.fresh(), near) == [second]


def test_a_manifest_that_lies(near: World, far: World, served: HomeBlobs, tmp_path: Path) -> None:
    sent(served, near, tmp_path)
    before = sorted(path for path in far.folder.rglob("*"))
    manifest = near.services.context.store.read_manifest(ids(near)[0])
    new = "f" * 16
    outside = [
        {"space": Ref("../../../outside", "space")},
        {"instance": Ref("..", "instance")},
        {"space": Ref("1" * 16, "with/slash")},
        {"space": Ref("1" * 16, "x"), "instance": Ref(far.master.id, "Master")},
    ]
    for change in outside:
        lie = msgspec.structs.replace(manifest, id=new, **change)
        with refused(5, "cannot be listed here"):
            served.put_if_absent(f"snapshots/{new}", manifests.encode(lie))
    missing = msgspec.structs.replace(manifest.files, root="ab" * 32)
    with pytest.raises(NuvError):
        served.put_if_absent(
            f"snapshots/{new}", manifests.encode(msgspec.structs.replace(manifest, id=new, files=missing))
        )
    with pytest.raises(NuvError):  # another snapshot's
        served.put_if_absent(f"snapshots/{new}", manifests.encode(manifest))
    assert sorted(path for path in far.folder.rglob("*")) == before


def test_packs_and_indexes_that_lie(near: World, far: World, served: HomeBlobs) -> None:
    store = Store(near.home)
    pack, size = next(iter(store.present_packs().items()))
    data = (near.home.packs / f"{pack.hex()}.pack").read_bytes()
    key = packing.pack_key(pack)
    before = Store(far.home).present_packs()
    for lie in (data[:-1], data + b"x", b"", data[:200] + bytes([data[200] ^ 1]) + data[201:]):
        with pytest.raises(DamagedError):
            served.put_if_absent(key, lie)
    flipped = bytearray(data)
    file = packs.PackFile(near.home.packs, pack)
    block = next(packs.read_blocks(file.descriptor, pack)).block
    flipped[block.offset + block.stored // 2] ^= 1
    with pytest.raises(DamagedError):
        served.put_if_absent(key, flipped)
    builder = packing.IndexBuilder()
    builder.add((pack, size), [], [])
    index = bytes(builder.build())
    with pytest.raises(DamagedError, match="before its packs"):
        served.put_if_absent(f"indexes/{'b' * 32}", index)
    with pytest.raises(DamagedError):
        served.put_if_absent(f"indexes/{'b' * 32}", index[:-1])
    assert Store(far.home).present_packs() == before
    assert served.put_if_absent(key, data)
    assert not served.put_if_absent(key, data)
    assert served.put_if_absent(f"indexes/{'b' * 32}", index)  # lists what the pack itself says it holds
    found = Store(far.home)
    assert all(
        found.has(item) for view in packs.read_blocks(file.descriptor, pack) for item, _ in view.objects
    )


def test_a_store_home_keeps_itself(far: World, served: HomeBlobs) -> None:
    (pack,) = [blob.key for blob in served.list("packs/")]
    assert not served.put_if_absent("config", b"other")
    assert not served.put_if_absent(f"spaces/{far.space.id}/{'0' * 32}", b"{}")
    for put in (f"keys/{'a' * 32}", f"condemned/{'a' * 32}", "state.json", "anything"):
        with refused(6, "keeps itself"):
            served.put_if_absent(put, b"x")
    for deleted in (pack, "config", next(iter(served.list("indexes/"))).key):
        with refused(6, "keeps itself"):
            served.delete(deleted)
    for absent in ("state.json", "objects/lock", "packs/ab/abcd", "snapshots/..", f"snapshots/{'0' * 16}"):
        with pytest.raises(AbsentError):
            served.read(absent)
    assert config.read(far.fresh().served) == config.read(served)  # one id for ever


def test_prune_from_outside_is_refused(near: World, far: World, served: HomeBlobs, tmp_path: Path) -> None:
    sent(served, near, tmp_path)
    served.close()
    far.fresh().snapshots.delete(ids(near))
    with refused(6, "nuvtui store gc"):
        prune.prune(opened(served, tmp_path), False, QUIET, 0.0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["packs/ab/ab" + "0" * 30, "indexes/" + "0" * 32, "snapshots/" + "0" * 16]),
    data=st.binary(max_size=300) | st.builds(lambda more: packs.MAGIC + more, st.binary(max_size=300)),
)
def test_whatever_is_put_is_refused_in_words(served: HomeBlobs, far: World, kind: str, data: bytes) -> None:
    with pytest.raises(NuvError):
        served.put_if_absent(kind, data)
    assert len(list(served.list("packs/"))) == 1


def test_a_manifest_that_was_not_listed_any_more(
    near: World, far: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the manifest and its record: the next push lists it."""

    def killed(*_arguments: object) -> None:
        raise CutOff("killed")

    blobs = far.fresh().served
    with monkeypatch.context() as patch:
        patch.setattr(arrival, "register", killed)
        with pytest.raises(CutOff):
            sent(blobs, near, tmp_path)
    blobs.close()
    assert arrived(far.fresh(), near) == []
    assert set(Store(far.home).manifest_ids()) & set(ids(near))
    blobs = far.fresh().served
    sent(blobs, near, tmp_path)
    blobs.close()
    assert arrived(far.fresh(), near) == sorted(ids(near))


class CuttingLine(CuttingBlobs):
    """A line of a real SSH server that is lost at the call number `at`, in whose middle it may be."""

    def __init__(self, inner: Blobs, server: SshServer, at: int) -> None:
        super().__init__(inner)
        self._server, self._cut_at = server, at

    def _due(self) -> bool:
        if super()._due() or self.calls == self._cut_at:
            self._server.cut()
        return False


@pytest.mark.parametrize("at", [2, 7, 9, 12])
def test_a_connection_that_is_lost(
    near: World, far: World, ssh_server: SshServer, tmp_path: Path, at: int
) -> None:
    address = parse(f"there:{far.home.root}")
    line = command(address, RemoteSettings(command=f"{sys.executable} -m nuvtui"), create=False)
    line = [line[0], "-F", str(ssh_server.folder / "ssh_config"), *line[1:]]
    with contextlib.closing(SshBlobs(address, line)) as blobs, pytest.raises(TransientError):
        sent(CuttingLine(blobs, ssh_server, at), near, tmp_path)
    assert check(Store(far.home), True, QUIET).problems == []
    with contextlib.closing(SshBlobs(address, line)) as blobs:
        sent(blobs, near, tmp_path)
    assert arrived(far.fresh(), near) == sorted(ids(near))
    assert check(Store(far.home), True, QUIET).problems == []
