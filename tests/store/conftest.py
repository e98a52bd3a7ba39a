"""Fixtures of these tests."""

import random
from pathlib import Path

import msgspec
import pytest

from nuvtui.model.snapshot import TablePart
from nuvtui.store.scanner import scan
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from tests.store.helpers import FIRST, QUIET, SECOND, manifest, new_store, take


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "home")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / ".nuvtui").mkdir(parents=True)
    return folder


@pytest.fixture
def two_snapshots(store: Store, place: Path, tmp_path: Path) -> None:
    """The store holds two snapshots that share files; the second one has a table."""
    (place / "data").mkdir()
    (place / "data" / "shared.bin").write_bytes(random.Random(1).randbytes(4000))
    (place / "only first").write_bytes(b"first " * 20)
    take(store, place, tmp_path / "cache", FIRST)
    (place / "only first").unlink()
    (place / "only second").write_bytes(random.Random(2).randbytes(3000))
    with writing(store) as writer:
        found = scan(place, writer, tmp_path / "cache", QUIET)
        content = writer.put(b"PAR1 a table")
        writer.commit()
        table = TablePart("penguins", 3, [], "f", [content.hex()], 12)
        store.write_manifest(msgspec.structs.replace(manifest(SECOND, found), tables=[table]))
