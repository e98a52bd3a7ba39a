"""Fixtures of the services' tests."""

from pathlib import Path

import pytest

from tests.services.helpers import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A new space with its Master, empty."""
    return World(tmp_path)


@pytest.fixture
def study(world: World) -> World:
    """A space with something of every type in its Master, not yet in a snapshot."""
    world.write("README.md", "# A study\n")
    world.write("analysis.py", "print('hello')\n", mode=0o755)
    world.write("data/a.csv", "x,y\n1,2\n")
    world.write("data/b.csv", "x,y\n3,4\n")
    world.table("visits", "select * from (values (1, 'one'), (2, 'two')) t(id, name)")
    world.application("demo")
    return world
