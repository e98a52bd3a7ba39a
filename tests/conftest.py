"""Fixtures for every test: a scrubbed machine, and real services that the suite starts and ends itself."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from nuvtui.paths import DOT, Home, Workspace
from tests.support import environment, quick

ENGINE_FIXTURES = {"engine", "second_engine", "tiny_base", "python_base"}
SHARED_FIXTURES = {*ENGINE_FIXTURES, "registry", "signed_registry"}
"""Fixtures of servers that run once: with several test processes, all their tests go to one of them."""


# Examples are the same at every run, and no example fails because the machine was busy.
# `--hypothesis-profile random` tries others.
_PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.register_profile("random", _PATIENT)
settings.register_profile("fixed", _PATIENT, derandomize=True)
settings.load_profile("fixed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and every program of the tests would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-engine", action="store_true", help="fail where an engine test was skipped")
    parser.addoption("--quick", type=float, metavar="SECONDS", help="the quickest tests, for so long")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A test process of its own starts in a scrubbed environment: it is told what the machine's was."""
    node.workerinput["machine"] = environment.machine


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        environment.machine = config.workerinput["machine"]
    if seconds := config.getoption("quick"):
        config.pluginmanager.register(quick.Quick(seconds))
    environment.scrub(Path("/nonexistent"))  # each test gets a home of its own
    time.tzset()
    # A polite end: fixtures are torn down. (Servers end in any case: their keeper sees this process go.)
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if used & ENGINE_FIXTURES:
            item.add_marker(pytest.mark.engine)
        if used & SHARED_FIXTURES or item.get_closest_marker("engine"):
            item.add_marker(pytest.mark.xdist_group("services"))


# What was skipped is said at the end, by name.


class Skipped:
    """Collects the engine tests that did not run, and why."""

    def __init__(self) -> None:
        self.tests: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and "engine" in report.keywords:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.tests.append((report.nodeid.removesuffix("@services"), reason.removeprefix("Skipped: ")))


SKIPPED = pytest.StashKey[Skipped]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[SKIPPED] = Skipped()
    session.config.pluginmanager.register(session.config.stash[SKIPPED])
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(quick.Times())
        session.config.pluginmanager.register(quick.Left())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("require_engine") and session.config.stash[SKIPPED].tests:
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    tests = config.stash[SKIPPED].tests
    if not tests:
        return
    terminalreporter.section(f"{len(tests)} ENGINE TESTS WERE SKIPPED", sep="!", red=True, bold=True)
    terminalreporter.line("Nothing was shown about exports on a real Docker Engine by this run:")
    for name, reason in sorted(tests):
        terminalreporter.line(f"  {name}: {reason}")


# The machine, scrubbed.


@pytest.fixture(autouse=True)
def _scrubbed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins with the same environment, umask and folder, and an empty home folder of its own."""
    before = dict(os.environ)
    folder = Path.cwd()
    environment.scrub(tmp_path_factory.mktemp("userhome"))
    yield
    os.environ.clear()
    os.environ.update(before)
    os.chdir(folder)
    os.umask(environment.UMASK)


MEMORY = Path("/dev/shm")  # a file system of its own
ROOM = 512 << 20
"""Bytes that a sweep may need there at most."""


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """As pytest's own; for the sweeps (`test_crash`), which make everything durable thousands of times, in memory.

    What they show is what happens between two calls of the operating system: a real disk adds only the waiting.
    """
    if (
        request.node.path.name != "test_crash.py"
        or not MEMORY.is_dir()
        or shutil.disk_usage(MEMORY).free < ROOM
    ):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="nvt-sweep-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def package_index(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables by which pip finds its registry, put back into the environment for this test."""
    found = environment.package_index()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The store home of this test (not yet created), also as `NUVTUI_HOME`."""
    found = Home(tmp_path / "home")
    monkeypatch.setenv("NUVTUI_HOME", str(found.root))
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace with its `.nuvtui` folder."""
    found = Workspace(tmp_path / "workspace")
    (found.root / DOT).mkdir(parents=True)
    return found


pytest_plugins = ["tests.support.fixtures"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="nuvtui-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
