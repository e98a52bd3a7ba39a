"""Whatever happens to a file of the store home: a sentence that names it, and what the sentence says to do works."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.bootstrap import Services, open_services
from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.paths import Home
from tests.services.helpers import World


def pipe(path: Path) -> None:
    _gone(path)
    os.mkfifo(path)


def folder(path: Path) -> None:
    _gone(path)
    path.mkdir()


def truncated(path: Path) -> None:
    _gone(path, os.urandom(7))


def gone(path: Path) -> None:
    _gone(path)


def _gone(path: Path, data: bytes | None = None) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    if data is not None:
        path.write_bytes(data)


def _only(folder: Path) -> Path:
    return max(
        (path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda p: p.stat().st_size
    )


PLACES: dict[str, Callable[[Home], Path]] = {
    "state.json": lambda home: home.state,
    "state.json.1": lambda home: home.state.with_name("state.json.1"),
    "state.lock": lambda home: home.state.with_name("state.lock"),
    "objects/lock": lambda home: home.packs.parent / "lock",
    "objects/commit.lock": lambda home: home.packs.parent / "commit.lock",
    "objects/generation": lambda home: home.packs.parent / "generation",
    "a pack": lambda home: _only(home.packs),
    "an index": lambda home: _only(home.index),
    "a manifest": lambda home: _only(home.snapshots),
    "objects/packs": lambda home: home.packs,
    "objects/index": lambda home: home.index,
    "tmp": lambda home: home.tmp,
    "cache": lambda home: home.cache,
    "locks": lambda home: home.root / "locks",
    "a stat cache": lambda home: _only(home.cache),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a store and a workspace to copy, and the instance."""
    root = tmp_path_factory.mktemp("made")
    world = World(root)
    world.write("a.txt", "one")
    world.snapshot("first")
    world.write("b.txt", "two")
    world.snapshot("second")
    return root, world.master.id


def work(services: Services, instance: str, root: Path) -> None:
    """What people do: look, record, list."""
    services.changes.status(instance)
    services.snapshots.create(instance)
    services.snapshots.list(instance)
    services.maintenance.info()


def follow(error: NuvError, path: Path, services: Services, instance: str = "") -> None:
    """Do what the hint says."""
    if re.search(r"[Mm]ove it away|move \S+ away", error.hint):
        path.rename(path.with_name("moved-away"))
    for command in re.findall(r"`nuvtui ([^`]*)`", error.hint):
        if command.startswith("store check"):
            services.maintenance.check(read_data="--read-data" in command)
        elif command == "store repair":
            services.maintenance.repair()
        elif command == "store gc":
            services.maintenance.gc(grace=0)
        elif command == "snapshots create":
            services.snapshots.create(instance)


@pytest.mark.parametrize("damage", [pipe, folder, truncated, gone])
@pytest.mark.parametrize("where", sorted(PLACES))
def test_what_the_sentence_says_works(
    tmp_path: Path, made: tuple[Path, str], where: str, damage: Callable[[Path], None]
) -> None:
    root, instance = tmp_path / "copy", made[1]
    shutil.copytree(made[0], root)
    home = Home(root / "home")

    def opened() -> Services:
        return open_services(Settings(home=str(home.root)))

    with opened().context.state.transaction() as tx:
        from msgspec.structs import replace

        from nuvtui.model.names import path_to_text

        found = tx.instances.get(instance)
        assert found is not None
        tx.instances.put(replace(found, workspace=path_to_text(str(root / "master"))))
    path = PLACES[where](home)
    damage(path)
    for _ in range(4):
        services = opened()
        try:
            work(services, instance, root)
            break
        except NuvError as error:
            said = f"{error.title}: {error.message}; {error.hint}"
            follow(error, path, opened(), instance)
    else:
        pytest.fail(f"there is no way out: {said}")
    # What is damaged still is named, and goes; whatever could be had is there.
    services = opened()
    if services.maintenance.check(read_data=True).problems:
        services.maintenance.repair()
        services.snapshots.create(instance)
    problems = services.maintenance.check(read_data=True).problems
    lost = where in ("a pack", "objects/packs")
    assert lost or problems == []
    taken = services.snapshots.list(instance)[0]
    services.restore.restore(taken.id)
    assert (root / "master" / "b.txt").read_text() == "two"


@pytest.mark.parametrize("damage", [pipe, folder])
def test_settings_that_are_no_file_are_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    from nuvtui import config

    file = tmp_path / "config.yaml"
    damage(file)
    with pytest.raises(NuvError, match="not a file") as error:
        config.load(environ={}, file=file)
    follow(error.value, file, None)  # type: ignore[arg-type]
    assert config.load(environ={}, file=file) == Settings()
