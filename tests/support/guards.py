"""What holds while the screens are used: the event loop reads no file, and a handler runs once for an event."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import importlib
import inspect
import io
import os
import pkgutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from textual.message_pump import MessagePump

import nuvtui.tui

CALLS: tuple[tuple[Any, str], ...] = (
    (builtins, "open"),
    (io, "open"),
    *(
        (os, name)
        for name in (
            "access", "fstat", "listdir", "lstat", "mkdir", "open", "pread", "readlink", "rename", "replace",
            "scandir", "stat", "unlink", "write",
        )
    ),
)  # fmt: skip
"""What reads or writes files."""
SCREENS = str(Path(nuvtui.tui.__file__).parent)
TESTS = str(Path(__file__).parents[1])
OWN = (sys.prefix, sys.base_prefix, str(Path(nuvtui.__file__).parent))
"""The program's own code and stylesheets, which are loaded as they are needed."""


@contextlib.contextmanager
def no_files_on_the_loop() -> Iterator[None]:
    """Until the end, whatever touches a file in this thread, which is the event loop's, fails: by name, at the end too.

    Raises AssertionError. What a test itself does with files is its own affair.
    """
    loop = threading.get_ident()
    touched: list[str] = []

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def guard(*arguments: Any, **options: Any) -> Any:
            what = arguments[0] if arguments else ""
            own = isinstance(what, str | Path) and str(what).startswith(OWN)
            # After the first one the app ends, and its fault goes into the log.
            guarded = threading.get_ident() == loop and not own and not touched
            if guarded and not _asked_by_a_test(sys._getframe(1)):
                touched.append(f"{name}({what!r}) in {_place(sys._getframe(1))}")
                raise AssertionError(f"the event loop touches a file: {touched[-1]}")
            return call(*arguments, **options)

        return guard

    with contextlib.ExitStack() as stack:
        for where, name in CALLS:
            stack.enter_context(mock.patch.object(where, name, watched(name, getattr(where, name))))
        yield
    assert not touched, touched


def _asked_by_a_test(frame: FrameType | None) -> bool:
    """Whether this step of the event loop, or what is called outside of it, is a test's."""
    while frame is not None and frame.f_code is not asyncio.Handle._run.__code__:
        file = frame.f_code.co_filename
        if file.startswith(TESTS) and file != __file__:
            return True
        frame = frame.f_back
    return False


def _place(frame: FrameType | None) -> str:
    """The line of the screens that asks for it."""
    while frame is not None and not frame.f_code.co_filename.startswith(SCREENS):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame is not None else "?"


@contextlib.contextmanager
def handlers_once() -> Iterator[Counter[str]]:
    """Counts the event handlers that run. Raises AssertionError where one ran twice for an event."""
    ran: Counter[str] = Counter()
    seen: dict[tuple[str, int, int], tuple[object, object]] = {}
    twice: list[str] = []

    def counted(name: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def count(self: object, *event: object) -> Any:
            ran[name] += 1
            if event or name.endswith(("on_mount", "on_unmount")):
                key = (name, id(self), id(event[0]) if event else 0)
                if key in seen:
                    twice.append(name)
                seen[key] = (self, event)  # kept: an id stands for nothing else meanwhile
            return handler(self, *event)

        return count

    with contextlib.ExitStack() as stack:
        for owner in handlers_of_screens():
            for name, handler in list(vars(owner).items()):
                if is_handler(name) and inspect.isfunction(handler):
                    wrapped = counted(f"{owner.__qualname__}.{name}", handler)
                    stack.enter_context(mock.patch.object(owner, name, wrapped))
        yield ran
    assert not twice, f"ran twice for one event: {sorted(set(twice))}"


def is_handler(name: str) -> bool:
    """True for the name of a method that Textual calls for a message, in every class that has one."""
    return name.startswith(("on_", "_on_")) and name not in ("on_event", "_on_message")


@functools.cache
def handlers_of_screens() -> tuple[type, ...]:
    """All classes of the screens to which messages come."""
    found: dict[type, None] = {}
    for module in pkgutil.walk_packages(nuvtui.tui.__path__, "nuvtui.tui."):
        for value in vars(importlib.import_module(module.name)).values():
            if (
                inspect.isclass(value)
                and issubclass(value, MessagePump)
                and value.__module__.startswith("nuvtui.")
            ):
                found[value] = None
    return tuple(found)
