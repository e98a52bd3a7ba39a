"""A container that runs an image to see whether it works."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.engine.client import Call
from nuvtui.reporter import Reporter

_SHOWN = 1 << 16
_LINES = 100


@dataclass(frozen=True)
class State:
    """Whether a container runs."""

    running: bool
    exit_code: int
    """Of one that has ended."""


class Trial:
    """A container that was started."""

    def __init__(self, call: Callable[[Reporter], Call], container: str, reporter: Reporter) -> None:
        """`call` makes a call to its engine."""
        self._call, self._container, self._reporter = call, container, reporter
        self._started = time.monotonic()

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def state(self) -> State:
        """Whether it still runs. Raises NuvError."""
        with self._call(self._reporter) as call:
            found = call.api.inspect_container(self._container)["State"]
        return State(bool(found.get("Running")), int(found.get("ExitCode") or 0))

    def execute(self, command: list[str]) -> int:
        """Exit code of `command` inside it; 126 where it cannot be run. Raises Cancelled."""
        try:
            with self._call(self._reporter) as call:
                made = call.api.exec_create(self._container, command)["Id"]
            # Not detached: Podman forgets those when they end. Not `exec_start`: it keeps all of the output.
            start = {"Detach": False, "Tty": False}
            with self._call(self._reporter) as call:
                for _ in call.stream("POST", f"/exec/{made}/start", json=start):
                    pass
            with self._call(self._reporter) as call:
                return int(call.api.exec_inspect(made).get("ExitCode") or 0)
        except Cancelled:
            raise
        except NuvError:
            return 126

    def output(self) -> bytes:
        """What it printed last. Raises NuvError."""
        with self._call(self._reporter) as call:
            return bytes(call.api.logs(self._container, tail=_LINES))[-_SHOWN:]
