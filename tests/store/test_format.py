"""Version 1 of the store's format is frozen: a store that was written with it stays readable, by anybody."""

import os
import shutil
import stat
from pathlib import Path

import duckdb
import pytest
from blake3 import blake3

from nuvtui.store.check import check
from nuvtui.store.store import Store
from tests.store.helpers import QUIET, assert_sound, new_store, restore, take
from tests.store.plain_reader import read_files, read_listed, read_manifest, read_objects

FIXTURE = Path(__file__).parent / "fixtures" / "version-1"
NOISE = blake3(b"fixture").digest(20_000)
COMMON = {
    "README.md": b"# A study\n",
    "again.sh": b"#!/bin/sh\n",
    "data/long.bin": (NOISE[:4096] + bytes(4096)) * 700,
    "data/noise.bin": NOISE,
    "link": b"data/long.bin",
    "run.sh": b"#!/bin/sh\n",
}
EXPECTED = {"first state": COMMON | {"data/empty": b""}, "": COMMON | {"data/added.txt": b"added\n"}}


@pytest.fixture
def old(tmp_path: Path) -> Store:
    """A store of version 1, as it was committed."""
    home = tmp_path / "old"
    shutil.copytree(FIXTURE, home)
    store = Store(new_store(home).home)
    assert len(store.manifest_ids()) == 2
    return store


def test_a_store_of_version_1_is_sound_and_restores(old: Store, tmp_path: Path) -> None:
    report = check(old, True, QUIET)
    assert report.problems == []
    assert report.snapshots == 2
    for number, snapshot_id in enumerate(old.manifest_ids()):
        snapshot = old.read_manifest(snapshot_id)
        folder = tmp_path / str(number)
        folder.mkdir()
        restore(old, snapshot, folder, tmp_path / f"cache-{number}")
        found = {
            str(path.relative_to(folder)): os.fsencode(os.readlink(path))
            if path.is_symlink()
            else path.read_bytes()
            for path in folder.rglob("*")
            if path.is_symlink() or path.is_file()
        }
        ignore = found.pop(".nuvtui/ignore")
        assert b"__pycache__/" in ignore
        assert found == EXPECTED[snapshot.name]
        assert (folder / "empty folder").is_dir()
        assert (folder / "run.sh").samefile(folder / "again.sh")
        assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755
        assert [app.slug for app in snapshot.applications] == ["demo"]
        (table,) = snapshot.tables
        parquet = tmp_path / f"{number}.parquet"
        parquet.write_bytes(b"".join(old.stream([bytes.fromhex(item) for item in table.content])))
        rows = duckdb.connect().execute(f"select * from '{parquet}' order by all").fetchall()
        assert (table.name, table.rows, rows) == ("visits", 2, [(1, "one"), (2, "two")])


def test_a_store_of_version_1_takes_new_snapshots(old: Store, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "noise.bin").write_bytes(NOISE)
    snapshot = take(old, tmp_path / "new", tmp_path / "cache", "f" * 16)
    assert snapshot.stored_bytes < 1000  # the content is there already
    assert_sound(old)


def test_a_store_of_version_1_can_be_read_without_nuvtui() -> None:
    objects = read_objects(FIXTURE)
    assert read_listed(FIXTURE) == set(objects)
    for path in (FIXTURE / "snapshots").iterdir():
        snapshot = read_manifest(path)
        files = read_files(objects, bytes.fromhex(snapshot["files"]["root"]))
        del files[".nuvtui/ignore"]
        assert files == EXPECTED[snapshot["name"]]


def test_a_new_snapshot_can_be_read_without_nuvtui(tmp_path: Path) -> None:
    (tmp_path / "w" / "sub").mkdir(parents=True)
    (tmp_path / "w" / "sub" / "small.txt").write_bytes(b"hello\n")
    big = os.urandom(3 << 20) + bytes(2 << 20)
    (tmp_path / "w" / "big.bin").write_bytes(big)
    store = new_store(tmp_path / "home")
    take(store, tmp_path / "w", tmp_path / "cache", "a" * 16)
    objects = read_objects(store.home.root)
    assert read_listed(store.home.root) == set(objects)
    root = bytes.fromhex(read_manifest(store.home.manifest("a" * 16))["files"]["root"])
    assert read_files(objects, root) == {"big.bin": big, "sub/small.txt": b"hello\n"}
