"""What is recorded and what is written to is the workspace that was meant, in the store that was meant, or nothing."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.bootstrap import Services, open_services
from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.model.distribution import Strategies
from nuvtui.model.stage import StateRef
from nuvtui.paths import Workspace
from nuvtui.services import identity
from nuvtui.services.identity import Place, place
from tests.services.helpers import World, refused
from tests.store.helpers import cut, picture


def _away(root: Path, world: World) -> None:
    """As after umount: the mount point is there, and empty."""
    root.rename(root.with_name("its-disk"))
    root.mkdir()


def _other_disk(root: Path, world: World) -> None:
    _away(root, world)
    (root / "something").write_text("of another disk")
    (root / "lost+found").mkdir()


def _linked_to_master(root: Path, world: World) -> None:
    root.rename(root.with_name("its-disk"))
    root.symlink_to(world.root())


def _copy_of_master(root: Path, world: World) -> None:
    root.rename(root.with_name("its-disk"))
    shutil.copytree(world.root(), root)


def _unreadable(root: Path, world: World) -> None:
    Workspace(root).identity.write_text("{")


def _pipe(root: Path, world: World) -> None:
    Workspace(root).identity.unlink()
    os.mkfifo(Workspace(root).identity)


WRONG = (_away, _other_disk, _linked_to_master, _copy_of_master, _unreadable, _pipe)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_folder_that_is_not_the_workspace_is_neither_recorded_nor_changed(
    study: World, wrong: Callable[[Path, World], None]
) -> None:
    instance = study.add("reviewer")
    root = study.root(instance)
    study.write("own.txt", "own", instance)
    full = study.snapshot("full", instance)
    source = study.snapshot("source")
    wrong(root, study)
    services = study.fresh()
    services.staging.add(StateRef(study.master.id, source.id), everything=True)
    before = picture(study.folder / "master"), picture(root)
    everything = Strategies(*("mirror",) * 3)  # type: ignore[arg-type]
    for attempt in (
        lambda: services.changes.status(instance.id),
        lambda: services.snapshots.create(instance.id),
        lambda: services.restore.restore(full.id),
        lambda: services.restore.restore(source.id, instance.id),
        lambda: services.tables.list(StateRef(instance.id)),
    ):
        with refused(6, root.name):
            attempt()
    try:  # refused as a whole, or the target failed alone
        done = services.distribution.distribute(study.space.id, [instance.id], everything)
        assert done.targets[0].status == "failed"
        said = done.targets[0].error
    except NuvError as error:
        said = f"{error.title}: {error.message}"
    assert root.name in said
    assert (picture(study.folder / "master"), picture(root)) == before
    assert [s.id for s in services.snapshots.list(instance.id)] == [full.id]
    # Put right, all is as it was.
    if wrong in (_unreadable, _pipe):
        Workspace(root).identity.rename(root / "moved-away")
        (root / "moved-away").unlink()
    else:
        if root.is_symlink():
            root.unlink()
        else:
            shutil.rmtree(root)
        root.with_name("its-disk").rename(root)
    assert services.changes.status(instance.id).empty
    services.snapshots.create(instance.id)
    assert Workspace(root).identity.is_file(), "written again by the next snapshot"


def test_a_workspace_of_an_older_nuvtui_is_marked_by_its_next_snapshot(study: World) -> None:
    file = Workspace(study.root()).identity
    file.unlink()
    study.services.changes.status(study.master.id)
    assert not file.exists()
    study.snapshot("first")
    assert file.is_file()
    study.services.changes.status(study.master.id)


def test_no_instance_takes_the_place_of_another_one_that_is_not_marked_yet(study: World) -> None:
    """Both made by an older nuvtui, and one has become a link to the other: neither is changed from the other."""
    reviewer = study.add("reviewer")
    snapshot = study.snapshot("one")
    study.root(reviewer).rename(study.folder / "aside")
    study.root(reviewer).symlink_to(study.root())
    study.write("README.md", "not preserved yet")
    Workspace(study.root()).identity.unlink()
    with refused(5, "reviewer", "Master"):
        study.services.restore.restore(snapshot.id, reviewer.id)
    assert (study.root() / "README.md").read_text() == "not preserved yet"
    assert not Workspace(study.root()).identity.exists()


def test_the_mark_is_neither_captured_nor_restored_nor_seen_by_git(study: World, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=study.root(), check=True)
    taken = study.snapshot("one")
    instance = study.add("out")
    study.services.restore.restore(taken.id, instance.id)
    assert (study.root(instance) / "README.md").is_file()
    named = identity.read(Workspace(study.root(instance)))
    assert named is not None
    assert named.instance == instance.id
    said = subprocess.run(
        ["git", "status", "--porcelain", "-uall"],
        cwd=study.root(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "instance.json" not in said
    assert ".gitignore" not in said
    assert ".nuvtui/ignore" in said


# -- copies, clones, moves, other stores


def test_a_copy_is_told_from_the_workspace_and_may_become_an_instance(study: World) -> None:
    count = study.snapshot("one").files.count
    copy = study.folder / "copy"
    shutil.copytree(study.root(), copy)
    assert study.services.spaces.locate(copy) is None
    error = study.services.spaces.stranger(copy)
    assert "copy of the workspace of study/Master" in error.message
    assert "instances create" in error.hint
    made = study.services.instances.create(study.space.id, "second", copy)
    assert study.services.snapshots.create(made.id).files.count == count
    assert study.services.changes.status(study.master.id).empty


def test_a_moved_project_is_not_taken_for_a_new_one(study: World) -> None:
    study.snapshot("one")
    moved = study.folder / "moved"
    study.root().rename(moved)
    assert "instances move" in study.services.spaces.stranger(moved).hint
    with refused(5, "study/Master"):
        study.services.spaces.init(moved, "again")
    with refused(5, "study/Master"):
        study.services.instances.create(study.space.id, "again", moved)
    study.services.instances.move(study.master.id, moved)
    assert study.services.changes.status(study.master.id).empty


def test_an_instance_is_moved_to_its_own_workspace_only(study: World) -> None:
    instance = study.add("reviewer")
    other = study.root(instance)
    shutil.copytree(other, study.folder / "copy")
    (study.folder / "empty").mkdir()
    with refused(5, "study/reviewer"):
        study.services.instances.move(study.master.id, study.folder / "copy")
    with refused(2, "empty"):
        study.services.instances.move(study.master.id, study.folder / "empty")
    assert list((study.folder / "empty").iterdir()) == []
    # `git clean -fdx` took the folder .nuvtui: the same command brings it back.
    shutil.rmtree(study.root() / ".nuvtui")
    with refused(6, "instances move"):
        study.snapshot("no")
    study.services.instances.move(study.master.id, study.root())
    study.snapshot("yes")


def test_a_workspace_of_another_store_is_refused_with_words(study: World, tmp_path: Path) -> None:
    study.snapshot("one")
    other = open_services(Settings(home=str(tmp_path / "elsewhere")))
    assert other.spaces.locate(study.root()) is None
    error = other.spaces.stranger(study.root())
    assert str(study.home.root) in f"{error.message} {error.hint}"
    with refused(5, str(study.home.root)):
        other.spaces.init(study.root(), "again")
    assert not (tmp_path / "elsewhere").exists(), "nothing was made"
    other.spaces.init(tmp_path / "project", "mine")
    assert "another store" in other.spaces.stranger(study.root()).title
    # What the words say: without the file the folder is free.
    Workspace(study.root()).identity.unlink()
    other.spaces.init(study.root(), "again")
    with refused(6, str(tmp_path / "elsewhere")):
        study.snapshot("two")


def test_only_init_demo_and_store_init_make_a_store(tmp_path: Path) -> None:
    """Every command, on a home that is not there or an empty mount point: it says so and makes nothing."""
    from tests.cli.commands import every_command
    from tests.support.cli import Nuvtui

    (tmp_path / "mount").mkdir()
    (tmp_path / "project" / ".nuvtui").mkdir(parents=True)
    for home in ("mount", "nowhere"):
        from click.testing import CliRunner

        from nuvtui.cli.main import root

        for words, arguments in every_command():
            if words in (("init",), ("demo",), ("store", "init"), ("spaces", "create")):
                continue
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path / "project")
                ran = CliRunner().invoke(root, ["--home", str(tmp_path / home), *words, *arguments], obj={})
            if words not in (("doctor",), ("tasks", "list"), ("store", "serve")):
                assert ran.exit_code != 0, (words, ran.output)
                assert ran.exception is None or isinstance(ran.exception, NuvError | SystemExit), words
            assert list((tmp_path / "mount").iterdir()) == [], words
            assert not (tmp_path / "nowhere").exists(), words
    Nuvtui(tmp_path / "project").run("--home", tmp_path / "nowhere", "status", code=3)


# -- the same place by another path


def test_instances_that_work_in_one_place_are_refused(study: World) -> None:
    first, second = study.add("first"), study.add("second")
    distinct = study.services.context.distinct
    distinct(study.master, [first, second])
    distinct(study.master, [study.master])  # restoring a part of its own snapshot
    study.root(second).rename(study.folder / "aside")
    study.root(second).symlink_to(study.root(first))
    with refused(5, "first", "second"):
        distinct(study.master, [first, second])
    study.root(second).unlink()
    study.root(second).symlink_to(study.root() / "data")
    with refused(5, "Master", "second"):
        distinct(study.master, [second])
    study.root(second).unlink()
    distinct(study.master, [second])  # not there: `workspace` refuses it


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[Path, Path], None]]:
    points: list[Path] = []

    def bind(source: Path, point: Path) -> None:
        point.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "--bind", str(source), str(point)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs the right to mount")
        points.append(point)

    yield bind
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


def test_a_bind_mount_is_the_place_that_it_shows(
    tmp_path: Path, mounted: Callable[[Path, Path], None]
) -> None:
    inner = tmp_path / "outer" / "in ner"
    inner.mkdir(parents=True)
    mounted(inner, tmp_path / "shown")
    assert place(tmp_path / "shown").overlaps(place(inner))
    assert place(tmp_path / "shown").overlaps(place(tmp_path / "outer"))
    assert not place(tmp_path / "shown").overlaps(place(_made(tmp_path / "outer" / "beside")))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


PATHS = st.lists(st.sampled_from("abc"), max_size=4).map(lambda parts: ("/", *parts))


@given(one=PATHS, two=PATHS, device=st.integers(0, 1))
@settings(deadline=None)
def test_places_overlap_where_one_lies_in_the_other(
    one: tuple[str, ...], two: tuple[str, ...], device: int
) -> None:
    a = Place(0, hash(one), one)
    b = Place(device, hash(two), two)
    inside = one[: len(two)] == two or two[: len(one)] == one
    assert a.overlaps(b) == b.overlaps(a) == (inside and device == 0)


@pytest.mark.parametrize("verb", ["init", "create", "move"])
def test_cut_anywhere_a_workspace_is_made_or_can_be_made(tmp_path: Path, verb: str) -> None:
    at, was_cut = 0, True
    while was_cut:
        at += 5 if verb == "init" else 2
        folder = tmp_path / str(at)
        folder.mkdir()
        project = folder / "project"
        (folder / "first").mkdir()
        (folder / "first" / "a.txt").write_text("a")

        def opened(folder: Path = folder) -> Services:
            return open_services(Settings(home=str(folder / "home")))

        if verb != "init":
            opened().spaces.init(folder / "first", "first")
            shutil.copytree(folder / "first", project)
            if verb == "move":
                shutil.rmtree(folder / "first")
        else:
            shutil.copytree(folder / "first", project)

        def work(project: Path = project) -> str:
            if verb == "init":
                return opened().spaces.init(project, "study").instance.id
            services = opened()
            space = services.spaces.find("first").id
            if verb == "create":
                return services.instances.create(space, "second", project).id
            return services.instances.move(services.instances.find(space, "Master").id, project).id

        _code, was_cut = cut(at, None, work)
        try:
            instance = work()
        except NuvError as error:  # it was made before the cut
            if error.exit_code != 5:
                raise
            found = opened().spaces.locate(project)
            assert found is not None
            instance = found.instance.id
        try:
            opened().snapshots.create(instance)
        except NuvError as error:
            if "delete" not in error.hint:
                raise
            Workspace(project).identity.unlink()
            opened().snapshots.create(instance)
        named = identity.read(Workspace(project))
        assert named is not None
        assert named.instance == instance
    assert at > 20
