"""When a Textual app under test is at rest, told by its event loop.

Textual's own pilot takes a process for idle that used little processor time in the last 20 ms. On a machine where
others want the processor that is so in the midst of everything, and anywhere it costs those 20 ms at each key.
"""

import asyncio
import time

import textual.pilot

SOON = 0.05
"""A timer due within so many seconds is waited for: what is drawn is drawn by one."""
MOST = 1.0
"""Seconds after which an app that never rests (something is moving) is taken as it is."""
TURNS = 3
"""So many turns of the loop in a row nothing else has to run."""


async def at_rest(min_sleep: float = 0.0, max_sleep: float = MOST) -> None:
    """Wait until nothing in the event loop has to run, now or soon. In the place of `wait_for_idle`."""
    loop = asyncio.get_running_loop()
    end = time.monotonic() + max_sleep
    quiet = 0
    while quiet < TURNS and time.monotonic() < end:
        await asyncio.sleep(0)
        due = [timer.when() for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        soon = min(due, default=float("inf")) - loop.time()
        if loop._ready:  # type: ignore[attr-defined]
            quiet = 0
        elif soon < SOON:
            quiet = 0
            await asyncio.sleep(max(0.0, soon))
        else:
            quiet += 1


def install() -> None:
    """From now on every pilot waits so."""
    textual.pilot.wait_for_idle = at_rest  # type: ignore[attr-defined]
