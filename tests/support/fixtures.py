"""The fixtures of real services and terminals; a server of the session is started when first asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import debian, ssh
from tests.support import engine as engines
from tests.support import podman as podmans
from tests.support import registry as registries
from tests.support import seaweed as seaweeds
from tests.support import tmux as tmuxes
from tests.support.terminal import Terminal

REPOSITORY = Path(__file__).parents[2]


def _require_engine() -> None:
    if reason := engines.missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> Iterator[engines.Engine]:
    """The suite's own Docker Engine. Tests leave in it what they like; base images are kept."""
    _require_engine()
    yield from engines.running_engine()


@pytest.fixture
def second_engine() -> Iterator[engines.Engine]:
    """Another engine, empty, of this test alone."""
    _require_engine()
    yield from engines.running_engine()


@pytest.fixture(scope="session")
def tiny_base(engine: engines.Engine) -> str:
    """Reference of a base image with busybox and nothing else, in `engine`."""
    engine.load(engines.TINY, engines.busybox_root(), ["ENV PATH=/bin", 'CMD ["/bin/sh"]'])
    return engines.TINY


@pytest.fixture(scope="session")
def python_base(engine: engines.Engine) -> str:
    """Reference of a whole Debian with python3 and pip, in `engine`; made once, kept in `.cache`."""
    archive = debian.python_root(REPOSITORY / ".cache")
    engine.load(engines.PYTHON, archive, ['CMD ["python3"]'])
    return engines.PYTHON


@pytest.fixture(scope="session")
def podman() -> Iterator[podmans.Podman]:
    """The suite's own Podman, with a base image of busybox and nothing else (`podman.TINY`)."""
    if reason := podmans.missing():
        pytest.skip(reason)
    yield from podmans.running_podman()


@pytest.fixture(scope="session")
def registry() -> Iterator[registries.Registry]:
    """The suite's own registry, open to all."""
    if reason := registries.missing():
        pytest.skip(reason)
    yield from registries.running_registry()


@pytest.fixture(scope="session")
def signed_registry() -> Iterator[registries.Registry]:
    """The suite's own registry that asks for user and password."""
    if reason := registries.missing():
        pytest.skip(reason)
    yield from registries.running_registry(signed=True)


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[ssh.SshServer]:
    """The suite's own SSH server."""
    if reason := ssh.missing():
        pytest.skip(reason)
    yield from ssh.running_server()


@pytest.fixture(scope="session")
def seaweed() -> Iterator[seaweeds.Seaweed]:
    """The suite's own object store of several servers."""
    if reason := seaweeds.missing():
        pytest.skip(reason)
    yield from seaweeds.running_cluster()


@pytest.fixture
def tmux() -> Iterator[tmuxes.Tmux]:
    """A tmux server of this test alone."""
    if reason := tmuxes.missing():
        pytest.skip(reason)
    server = tmuxes.Tmux()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Makes pseudo-terminals with a program in each (arguments of `Terminal`); all are closed at the end."""
    opened: list[Terminal] = []

    def start(*arguments: object, **options: object) -> Terminal:
        opened.append(Terminal(*arguments, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for one in opened:
        one.close()
