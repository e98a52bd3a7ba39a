"""Fixtures of these tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="nuvtui-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
