r"""What a task is asked to do, as `request.json` keeps it.

JSON in UTF-8, in which a name of undecodable bytes cannot stand. A request with one in it (the current folder, the
store home, a setting from the environment) is written in ASCII instead, with the lone surrogates by which Python
stands for such bytes as `\udcXX`.
"""

from pathlib import Path
from typing import Any, Protocol

import msgspec

from nuvtui import config
from nuvtui.config import Settings
from nuvtui.model.names import path_to_text
from nuvtui.model.operations import Operation
from nuvtui.paths import Home
from nuvtui.worker import files

_LARGEST = 256 << 20


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the worker needs to know; nothing else reaches it but the environment."""

    operation: dict[str, Any]
    """The operation (`model.operations`) as plain values, its `kind` among them."""
    title: str
    """One line for lists."""
    user: str
    space: str = ""
    instance: str = ""
    subject: str = ""
    """Id of what it works on, where it has one from the start (export, distribution)."""
    settings: dict[str, Any] = {}
    """The settings in force, flags included, as `config.for_task` gives them."""
    cwd: str = ""
    """Folder that the worker works in, absolute, in text form; empty: the root folder."""

    @property
    def kind(self) -> str:
        """Which operation: `snapshot`, `restore`, `export`, …"""
        return str(self.operation["kind"])


class Asker(Protocol):
    """Who has something done, and with which settings: the services, to those below them."""

    @property
    def settings(self) -> Settings: ...

    @property
    def user(self) -> str: ...

    @property
    def home(self) -> Home: ...


def ask(
    asker: Asker,
    operation: Operation[Any],
    title: str,
    *,
    space: str = "",
    instance: str = "",
    subject: str = "",
) -> Request:
    """The request to do `operation`, in the current folder. The one place where requests are put together."""
    return Request(
        operation=msgspec.to_builtins(operation),
        title=title,
        user=asker.user,
        space=space,
        instance=instance,
        subject=subject,
        settings=config.for_task(asker.settings),
        cwd=path_to_text(str(Path.cwd())),
    )


def encode(request: Request) -> bytes:
    """The content of `request.json`. Raises TypeError or ValueError for what is not JSON."""
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        import json  # here: seldom needed

        return json.dumps(msgspec.to_builtins(request)).encode("ascii")


def read(folder: Path) -> Request:
    """The request in a task's folder. Raises OSError, UnusableError, or msgspec.DecodeError where it is none."""
    data = files.read(folder, files.REQUEST, _LARGEST)
    try:
        return msgspec.json.decode(data, type=Request)
    except (msgspec.DecodeError, RecursionError):
        import json  # here: seldom needed

        try:
            return msgspec.convert(json.loads(data), Request)
        except (ValueError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from error
