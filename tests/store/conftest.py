"""Fixtures of these tests."""

from pathlib import Path

import pytest

from nuvtui.store.store import Store
from tests.store.helpers import new_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "home")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / ".nuvtui").mkdir(parents=True)
    return folder
