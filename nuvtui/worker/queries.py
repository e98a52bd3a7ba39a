"""Queries of a screen, each answered by a process of its own: comparing states, what deleting would free.

A comparison walks a whole workspace and may open the database. In a thread it would share the interpreter with the
keys, and load the database into the screens' process; so a child (`answer`) does it and answers with JSON.
"""

import subprocess
import sys
import threading
from typing import TypeVar, cast

import msgspec

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.model.queries import AnyQuery, Query
from nuvtui.model.task import Failure
from nuvtui.model.typed import result_type
from nuvtui.worker.request import Asker
from nuvtui.worker.submit import worker_environment

R = TypeVar("R")

COMMAND = (sys.executable, "-P", "-m", "nuvtui.worker.answer")


class Asked(msgspec.Struct, frozen=True):
    """What the child is told on standard input."""

    settings: Settings
    user: str
    query: AnyQuery


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the child says on standard output: the result, or why there is none."""

    result: msgspec.Raw = msgspec.Raw()
    error: Failure | None = None


class Queries:
    """The queries of one asker: a new one ends the one before. For the event loop's thread."""

    def __init__(self) -> None:
        self._latest: PendingQuery | None = None

    def begin(self) -> "PendingQuery":
        """A new query, to be put in a thread; what was asked before is not wanted any more."""
        self.stop()
        self._latest = PendingQuery()
        return self._latest

    def stop(self) -> None:
        """End what is running: nobody waits for it any more."""
        if self._latest is not None:
            self._latest.stop()
            self._latest = None


class PendingQuery:
    """One query, put in a thread. It can be given up from another one, even before it begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._given_up = False

    def stop(self) -> None:
        """Give it up."""
        with self._lock:
            self._given_up = True
            if self._child is not None:
                self._child.kill()

    def ask(self, asker: Asker, query: Query[R]) -> R:
        """The answer. For a thread; raises NuvError, also where the query was given up."""
        settings = msgspec.structs.replace(asker.settings, home=str(asker.home.root))
        asked = Asked(settings, asker.user, cast(AnyQuery, query))
        with self._lock:
            if self._given_up:
                raise _no_answer()
            child = self._child = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=worker_environment(),
            )
        said, _ = child.communicate(msgspec.json.encode(asked))
        with self._lock:
            self._child = None
        try:
            answer = msgspec.json.decode(said, type=Answer)
            if answer.error is None:
                return cast(R, msgspec.json.decode(answer.result, type=result_type(type(query))))
        except msgspec.DecodeError:
            raise _no_answer() from None
        error = answer.error
        raise NuvError(error.title, error.message, error.hint, Exit(error.exit_code))


def _no_answer() -> NuvError:
    return NuvError(
        "No answer came",
        "the process that looks for it was stopped, or met an unexpected error",
        "Try again; on the command line: nuvtui status",
    )
