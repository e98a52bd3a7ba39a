"""The files of a task's folder, `tasks/<id>/`.

request.json   what is to be done; written once, before the folder gets its name
events.jsonl   what happened: the truth about the task
build.log      raw output of the programs that the task ran; events carry offsets into it
worker.log     what the worker process itself said: tracebacks of unexpected errors
lease          which process works on it
lock           locked (flock) by the worker as long as it lives, and by whoever puts the last word for it
cancel         exists once somebody asked the task to stop
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

REQUEST = "request.json"
EVENTS = "events.jsonl"
LOG = "build.log"
WORKER_LOG = "worker.log"
LEASE = "lease"
LOCK = "lock"
CANCEL = "cancel"

NEW = ".new-"
"""Prefix of a folder that is being made: not a task yet."""
GONE = ".gone-"
"""Prefix of a folder that is being removed: no task any more."""

_ID = re.compile(r"[0-9a-f]{16}")


def is_id(text: str) -> bool:
    """True where `text` is a whole task id, and so safe as a folder's name."""
    return _ID.fullmatch(text) is not None


@contextlib.contextmanager
def hold_lock(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the task's lock; gives False, without it, where somebody else has it and `wait` is False."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
