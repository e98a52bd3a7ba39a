"""Waiting for something to become true: a condition and a limit, never a blind sleep.

No test asks how long something took: a machine that has other things to do would fail it. What must not go on for ever
is given something that would, and the test ends because it was stopped; what must not cost much is counted (calls,
bytes, `cpu_seconds` beside those of a peer in the same process). How long things take is measured by the benchmarks.
"""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds that anything is waited for at most: it is there long before, also where every core is taken by others."""
FOREVER = 10 * PATIENCE
"""Seconds for what goes on until it is stopped: nobody waits for so long."""


def wait_until(condition: Callable[[], T], what: str, seconds: float = PATIENCE, every: float = 0.02) -> T:
    """The first true value of `condition`. Raises AssertionError that says `what` did not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def cpu_seconds(call: Callable[[], object]) -> float:
    """The processor time that `call` takes in this process, all its threads, however many others want the machine."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """True where somebody accepts connections on `port` of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
