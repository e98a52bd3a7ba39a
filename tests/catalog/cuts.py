"""Cutting a piece of work at each of its file operations: killed there, or refused there by the disk."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OPERATIONS = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "mkdir", "ftruncate", "fchmod")
KILLED = 77


@contextmanager
def _watched(before: Callable[[int, str, tuple[Any, ...]], None]) -> Iterator[list[str]]:
    """Call `before` (number, name, arguments) ahead of each file operation; gives the names so far."""
    seen: list[str] = []
    originals = {name: getattr(os, name) for name in OPERATIONS}

    def wrap(name: str) -> Callable[..., Any]:
        def operation(*arguments: Any, **keywords: Any) -> Any:
            number = len(seen)
            seen.append(name)
            before(number, name, arguments)
            return originals[name](*arguments, **keywords)

        return operation

    for name in OPERATIONS:
        setattr(os, name, wrap(name))
    try:
        yield seen
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def trace(work: Callable[[], object]) -> list[str]:
    """The names of the file operations of `work`, in order."""
    with _watched(lambda *_: None) as seen:
        work()
    return seen


def killed_at(number: int, work: Callable[[], object], *, half: bool = False) -> bool:
    """Do `work` in a child that dies ahead of operation `number` (`half`: in the middle of it, where it is a
    write); False where `work` ended before."""

    def die(current: int, name: str, arguments: tuple[Any, ...]) -> None:
        if current != number:
            return
        if half and name == "write":
            descriptor, data = arguments
            os.pwritev(descriptor, [bytes(data)[: len(data) // 2]], os.lseek(descriptor, 0, os.SEEK_CUR))
        os._exit(KILLED)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            with _watched(die):
                work()
            status = 0
        finally:
            os._exit(status)
    _, result = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(result)
    assert status in (0, KILLED), f"the work failed by itself: {status}"
    return status == KILLED


def refused_at(number: int, work: Callable[[], object]) -> Exception | None:
    """Do `work` here, with `No space left on device` at operation `number`; what it raised."""

    def refuse(current: int, name: str, arguments: tuple[Any, ...]) -> None:
        if current == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with _watched(refuse):
        try:
            work()
        except Exception as error:
            return error
    return None
