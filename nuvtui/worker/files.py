"""The files of a task's folder, `tasks/<id>/`.

request.json   what is to be done; written once, before the folder gets its name
events.jsonl   what happened: the truth about the task
build.log      raw output of the programs that the task ran; events carry offsets into it
worker.log     what the worker process itself said: tracebacks of unexpected errors
lease          which process works on it
lock           locked (flock) by the worker as long as it lives, and by whoever puts the last word for it
cancel         exists once somebody asked the task to stop

Whatever else lies under one of these names (a FIFO, a folder, a link) is neither waited for nor followed.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from nuvtui.errors import NuvError

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


class UnusableError(NuvError):
    """A file of a task is not what it has to be: nothing can be told, or done, about that task."""


def unusable(folder: Path, name: str, reason: str) -> UnusableError:
    """What is said where file `name` of the task in `folder` cannot be used."""
    return UnusableError(
        f"Task {folder.name[:8]} cannot be read",
        f"its file {name} {reason}",
        f"Other tasks are not affected. Where nobody needs this one, remove its folder: {folder}",
    )


def open_file(folder: Path, name: str, flags: int = os.O_RDONLY) -> int:
    """Open file `name` of the task in `folder`; returns the descriptor, for the caller to close.

    Never waits for another process. Raises UnusableError where something else than a file has that name, or a file
    of one's own may not be opened; else OSError.
    """
    try:
        descriptor = os.open(folder / name, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise unusable(folder, name, "is no regular file") from error
        if isinstance(error, PermissionError) and folder.stat().st_uid == os.geteuid():
            raise unusable(folder, name, "may not be opened") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise unusable(folder, name, "is no regular file")
    return descriptor


def read(folder: Path, name: str, most: int) -> bytes:
    """Read file `name` of the task in `folder`. Raises as `open_file`; UnusableError above `most` bytes."""
    with open(open_file(folder, name), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise unusable(folder, name, f"has more than {most:,} bytes")
    return data


@contextlib.contextmanager
def hold_lock(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the task's lock; gives False, without it, where somebody else has it and `wait` is False.

    Raises as `open_file`.
    """
    descriptor = open_file(folder, LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
