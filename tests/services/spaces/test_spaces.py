"""Spaces, instances and where somebody is."""

from pathlib import Path

import pytest

from nuvtui.bootstrap import open_services
from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.paths import Workspace
from tests.services.helpers import World, refused


def test_init_lays_out_the_workspace_and_makes_master_and_distributed(world: World) -> None:
    workspace = Workspace(world.root())
    assert workspace.applications.is_dir()
    assert ".venv/" in workspace.ignore.read_text()
    assert sorted(i.name for i in world.services.instances.list(world.space.id)) == ["Distributed", "Master"]
    assert world.services.members.role(world.space.id) == "space administrator"
    assert world.root(world.distributed()).is_dir()
    assert not (world.home.root.stat().st_mode & 0o077)


def test_init_keeps_what_is_in_the_folder(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "other"
    (folder / ".nuvtui").mkdir(parents=True)
    (folder / ".nuvtui" / "ignore").write_text("mine\n")
    (folder / "a.txt").write_text("a")
    location = world.services.spaces.init(folder)
    assert location.space.name == "other"
    assert (folder / ".nuvtui" / "ignore").read_text() == "mine\n"
    assert (folder / "a.txt").read_text() == "a"


@pytest.mark.parametrize("inner", [".", "sub/deeper", ".."])
def test_a_workspace_inside_or_around_another_is_refused_and_nothing_is_made(
    tmp_path: Path, world: World, inner: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with refused(5, *(["study/Master"] if inner != ".." else [])):
        world.services.spaces.init(world.root() / inner, "second")
    with refused(5):
        world.services.instances.create(world.space.id, "second", world.root() / inner)
    assert sorted(tmp_path.rglob("*")) == before
    assert len(world.services.spaces.list()) == 1


@pytest.mark.parametrize("where", ["home", "home/inside", "."])
def test_a_workspace_around_or_in_the_store_home_is_refused(tmp_path: Path, where: str) -> None:
    services = open_services(Settings(home=str(tmp_path / "home")))
    with refused(5, "NUVTUI_HOME"):
        services.spaces.init(tmp_path / where)
    assert not (tmp_path / ".nuvtui").exists()


def test_a_taken_or_impossible_name_is_refused_and_the_folder_stays_as_it_is(
    tmp_path: Path, world: World
) -> None:
    with refused(5, "study", "--space"):
        world.services.spaces.init(tmp_path / "second", "study")
    for name in ("a/b", "a,b", "x" * 101, "bell\x07", "  "):
        with refused(2):
            world.services.spaces.init(tmp_path / "second", name)
        with refused(2):
            world.services.instances.create(world.space.id, name, tmp_path / "second")
    with refused(2, "not a folder"):
        (tmp_path / "file").write_text("")
        world.services.spaces.init(tmp_path / "file", "new")
    assert not (tmp_path / "second").exists()


def test_a_folder_whose_name_cannot_be_a_space_says_how_to_name_it(tmp_path: Path, world: World) -> None:
    folder = Path(str(tmp_path / "caf\udce9,x"))
    folder.mkdir()
    with refused(2, "--space"):
        world.services.spaces.init(folder)
    location = world.services.spaces.init(folder, "cafe")
    assert location.instance.workspace.endswith("caf\\xe9,x")
    found = world.services.spaces.locate(folder)
    assert found is not None
    assert found.space.name == "cafe"


def test_locate_walks_up_and_follows_a_link_to_the_folder(tmp_path: Path, world: World) -> None:
    deep = world.root() / "a" / "b"
    deep.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(world.root())
    for start in (world.root(), deep, link, link / "a"):
        found = world.services.spaces.locate(start)
        assert found is not None
        assert found.instance == world.master
    assert world.services.spaces.locate(tmp_path) is None


def test_instances_are_created_found_and_deleted_and_the_workspace_stays(world: World) -> None:
    instance = world.add("reviewer")
    world.write("kept.txt", "kept", instance)
    snapshot = world.snapshot("before-deletion", instance)
    with refused(5, "reviewer"):
        world.services.instances.create(world.space.id, "reviewer", world.folder / "elsewhere")
    assert not (world.folder / "elsewhere").exists()
    assert world.services.instances.find(world.space.id, "reviewer") == instance
    assert world.services.instances.find(world.space.id, instance.id[:6]) == instance
    with refused(3, "Master"):
        world.services.instances.find(world.space.id, "nobody")
    world.services.instances.delete(instance.id)
    assert (world.folder / "reviewer" / "kept.txt").read_text() == "kept"
    with refused(3):
        world.services.snapshots.list(instance.id)
    assert snapshot.id not in world.services.context.store.manifest_ids()
    # The folder is free for another instance.
    world.add("reviewer")


def test_master_and_distributed_cannot_be_deleted_alone(world: World) -> None:
    for instance in (world.master, world.distributed()):
        with refused(6, instance.name):
            world.services.instances.delete(instance.id)


def test_a_deleted_space_leaves_nothing_but_the_workspaces(study: World) -> None:
    study.snapshot("one")
    study.services.staging.add(study.current(), ["README.md"])
    study.services.spaces.delete(study.space.id)
    view = study.services.context.view()
    for table in (view.spaces, view.instances, view.members, view.snapshots, view.stages):
        assert table.all() == []
    assert study.services.context.store.manifest_ids() == []
    assert (study.root() / "README.md").read_text() == "# A study\n"
    assert study.services.spaces.locate(study.root()) is None
    study.services.spaces.init(study.root(), "study")


def test_a_missing_workspace_is_named(world: World) -> None:
    instance = world.add("away")
    (world.folder / "away").rename(world.folder / "moved")
    with refused(6, "away", str(world.folder / "away")):
        world.snapshot("x", instance)


def test_an_ambiguous_key_names_what_it_could_be(world: World) -> None:
    a, b = world.snapshot("twice"), world.snapshot("twice")
    with refused(2, a.id[:8], b.id[:8]):
        world.services.snapshots.find(world.master.id, "twice")
    with pytest.raises(NuvError):
        world.services.snapshots.find(world.master.id, "")
