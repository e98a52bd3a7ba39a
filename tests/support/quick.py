"""The tests of the inner loop: those that are over soonest, as far as the time goes.

Which those are is nowhere written down: every run of tests notes how long each one took (the shortest time seen, in
`.cache`, of this machine alone). `--quick SECONDS` leaves out what needs a server or is marked as slow, runs the rest
in the order of those times (what was never run comes last), and stops when the time is over: it says how many it left.
"""

import contextlib
import json
import os
import time
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / ".cache" / "test-seconds.json"
LEFT_OUT = frozenset({"engine", "slow", "bench"})
SERVED = frozenset({"registry", "signed_registry", "tmux", "ssh_server", "terminal", "sample_terminal"})
"""Fixtures of tests that wait for a program of its own more than they work."""
NO_TIME = "the time for quick tests is over"


def _known() -> dict[str, float]:
    try:
        found = json.loads(FILE.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Times:
    """Notes how long tests took. For the process that hears of all of them."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.removesuffix("@services")
        self._seconds[name] = self._seconds.get(name, 0.0) + report.duration
        if report.when == "call" and report.passed:
            self._passed.add(name)

    def pytest_sessionfinish(self) -> None:
        known = _known()
        for name in self._passed:
            known[name] = round(min(self._seconds[name], known.get(name, self._seconds[name])), 3)
        with contextlib.suppress(OSError):  # a checkout that may only be read
            FILE.parent.mkdir(exist_ok=True)
            part = FILE.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(known))
            part.replace(FILE)


class Quick:
    """Chooses the tests, and keeps the time. For every process that runs some."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left = [item for item in items if _is_slow(item)]
        config.hook.pytest_deselected(items=left)
        known = _known()
        chosen = [item for item in items if item not in set(left)]
        items[:] = sorted(chosen, key=lambda item: known.get(item.nodeid.removesuffix("@services"), 1.0))

    def pytest_runtest_setup(self) -> None:
        if time.monotonic() > self._until:
            pytest.skip(NO_TIME)


def _is_slow(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(marker) for marker in LEFT_OUT) or "pictures" in item.path.parts:
        return True
    return not SERVED.isdisjoint(getattr(item, "fixturenames", ()))


class Left:
    """Counts what there was no time for."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple) and NO_TIME in report.longrepr[2]:
            self.count += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.count:
            terminalreporter.line(f"{self.count} slower tests were left to `make test`.")
