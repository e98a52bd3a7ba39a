"""The program's own log, `nuvtui.log` in the store home: starts, faults with their tracebacks, what was slow.

Never secrets and never contents of files: messages tell names, numbers and times, and what looks like a credential is
taken out. A record is written by a thread of its own, so that no disk holds up the event loop. The file is opened for
each record (there are few), only its owner may read it, and it is put aside once when it has grown.
"""

import contextlib
import logging
import os
import queue
import re
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from nuvtui import clock
from nuvtui.paths import Home

MOST = 512 * 1024
"""Bytes from which on the log is put aside as `nuvtui.log.1`, over the one before."""
LAST = 1.0
"""Seconds that an end waits for what is not yet written."""
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}

_CREDENTIALS = re.compile(r"://[^/\s@]+@")
_SECRETS = re.compile(
    r"(?i)\b(authorization|[\w-]*(?:password|passwd|secret|token|api[_-]?key))"
    r"(['\"]?\s*[:=]\s*)(?:bearer\s+|basic\s+)?(?:'[^']*'|\"[^\"]*\"|\S+)"
)


def clean(text: str) -> str:
    """`text` without what looks like a credential."""
    return _SECRETS.sub(r"\1\2***", _CREDENTIALS.sub("://***@", text))


def path(home: Home) -> Path:
    """The log of this user: in a store of several users each but the first has one of the own."""
    log = home.log
    with contextlib.suppress(OSError):
        if log.stat().st_uid != os.geteuid():
            return log.with_name(f"nuvtui-{os.geteuid()}.log")
    return log


def write(home: Home, text: str) -> Path | None:
    """Append `text` to the log now; returns its path, None where it cannot be written or there is no store yet."""
    log = path(home)
    try:
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > MOST:
                os.replace(log, f"{log}.1")
        descriptor = os.open(
            log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
        )
        with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(clean(text).rstrip("\n") + "\n")
    except OSError:
        return None
    return log


def fault(home: Home, error: BaseException) -> Path | None:
    """Write a fault of the program with its traceback, now; returns the path of the log, None where it cannot be."""
    return write(home, f"{clock.now()} fault {os.getpid()} {''.join(traceback.format_exception(error))}")


def tail(home: Home, lines: int = 50) -> list[str]:
    """The last lines of the log, as they are: to be sanitised where they are shown."""
    try:
        with open(os.open(path(home), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            return file.read().decode("utf-8", "backslashreplace").splitlines()[-lines:]
    except OSError:
        return []


class Writer(logging.Handler):
    """Hands records to a thread that writes them."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home
        self._records: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="nuvtui log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        text = (
            f"{clock.now()} {record.levelname.lower()} {record.process} {record.name}: {record.getMessage()}"
        )
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
        self._records.put(text)

    def _write(self) -> None:
        while (text := self._records.get()) is not None:
            write(self._home, text)

    def close(self) -> None:
        """Write what is left, but do not wait long."""
        self._records.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(LAST)
        super().close()


@contextlib.contextmanager
def kept(home: Home, level: str, started: str) -> Iterator[None]:
    """Keep the log while the block runs: records of `nuvtui` from `level` on, of libraries from warnings on.

    Faults in threads and in finalisers go there too: a traceback on the terminal would spoil the screen.
    """
    if level == "off":
        yield
        return
    writer = Writer(home)
    root, own = logging.getLogger(), logging.getLogger("nuvtui")
    before = (own.level, threading.excepthook, warnings.showwarning)
    own.setLevel(LEVELS[level])
    root.addHandler(writer)
    own.info("%s", started)

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "a thread"
        own.error("fault in %s", name, exc_info=arguments.exc_value)

    def warned(message: Warning | str, category: type[Warning], *_where: object) -> None:
        own.warning("%s: %s", category.__name__, message)

    threading.excepthook = in_thread
    warnings.showwarning = warned  # type: ignore[assignment]
    try:
        yield
    finally:
        own.level, threading.excepthook, warnings.showwarning = before
        root.removeHandler(writer)
        writer.close()
