"""When a user last closed the screens: what ended since is news at the next start."""

import contextlib
import os
from pathlib import Path

from nuvtui import atomic, clock
from nuvtui.model.task import TaskView
from nuvtui.paths import Home


def _file(home: Home) -> Path:
    return home.cache / f"closed-{os.geteuid()}"


def last(home: Home) -> str:
    """When this user last closed the screens (as every time in nuvtui); empty: never."""
    try:
        text = _file(home).read_text("ascii").strip()
        clock.parse(text)
    except (OSError, ValueError):
        return ""
    return text


def leave(home: Home) -> None:
    """Remember that the screens are closed now. For a thread."""
    with contextlib.suppress(OSError):  # a store that may only be read
        atomic.make_folder(home.cache)
        atomic.write_file(_file(home), clock.now().encode("ascii"))


def since(tasks: list[TaskView], when: str) -> list[TaskView]:
    """The tasks that ended since `when`, newest first; empty `when`: none is news."""
    if not when:
        return []
    found = [task for task in tasks if task.status.ended and (task.finished or "") > when]
    return sorted(found, key=lambda task: task.finished or "", reverse=True)
