"""What a task is asked to do, as `request.json` keeps it."""

from pathlib import Path
from typing import Any

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.tasks import files
from nuvtui.tasks.events import plain


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the worker needs to know; nothing else reaches it but the environment."""

    kind: str
    """Which operation: `snapshot`, `restore`, `export`, …"""
    arguments: dict[str, Any]
    """The operation's keyword arguments as plain JSON values; paths absolute, in text form."""
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


def encode(request: Request) -> bytes:
    """The content of `request.json`.

    Raises NuvError (2) where a word that somebody typed is no text; TypeError or ValueError for what is not JSON.
    """
    try:
        return msgspec.json.encode(msgspec.structs.replace(request, title=plain(request.title)))
    except UnicodeEncodeError as error:
        raise NuvError(
            "A word of this command is no text",
            f"{plain(error.object)!r} has bytes that are not UTF-8",
            "Names and descriptions are UTF-8 text; paths may be anything.",
            Exit.USAGE,
        ) from error


def read(folder: Path) -> Request:
    """The request in a task's folder. Raises OSError, or msgspec.DecodeError where it is none."""
    return msgspec.json.decode((folder / files.REQUEST).read_bytes(), type=Request)
