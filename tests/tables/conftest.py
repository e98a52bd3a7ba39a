"""Fixtures for tables: a real store, a second workspace, and short patience with other programs."""

from pathlib import Path

import pytest

from nuvtui.paths import DOT, Home, Workspace
from nuvtui.store.store import Store
from nuvtui.tables import connection
from nuvtui.tables.database import Tables


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.2)


@pytest.fixture
def tables(workspace: Workspace) -> Tables:
    return Tables(workspace)


@pytest.fixture
def other(tmp_path: Path) -> Tables:
    workspace = Workspace(tmp_path / "other")
    (workspace.root / DOT).mkdir(parents=True)
    return Tables(workspace)


@pytest.fixture
def store(home: Home) -> Store:
    made = Store(home)
    made.create()
    return made
