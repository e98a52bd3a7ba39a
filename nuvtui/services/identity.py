"""Whose workspace a folder is: told by a small file in it, and by what lies on the disk, never by a path alone.

`.nuvtui/instance.json` names the instance that works in the folder. It is neither captured nor restored. It is
compared at every use: the mount point of a disk that is not there, a folder that became a link to another workspace,
a copy and a clone are all told from the workspace itself. Only the id counts; names and home are there to be shown.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

import msgspec

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.paths import Home, Workspace

GIT_IGNORE = "# Whose workspace this folder is concerns no clone of it.\n/instance.json\n/.gitignore\n"


class Identity(msgspec.Struct, frozen=True):
    """What the file says."""

    instance: str
    """Id of the instance."""
    name: str
    """`SPACE/INSTANCE`, as they were called when it was written."""
    home: str
    """Where the store was then; absolute, in text form."""


def read(workspace: Workspace) -> Identity | None:
    """Whose workspace it is; None where nothing says so: none, or one that an older nuvtui made.

    Raises NuvError (6) where the file is there and cannot be read.
    """
    try:
        return msgspec.json.decode(atomic.read_file(workspace.identity), type=Identity)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NuvError(
            f"It cannot be told whose workspace {workspace.root} is",
            f"{workspace.identity}: {reason}",
            f"Is it the right folder? Then move {workspace.identity} away: the next snapshot writes it again.",
            Exit.REFUSED,
        ) from error


def write(workspace: Workspace, instance: str, name: str, home: Home) -> None:
    """Say that the folder is the workspace of `instance`. Raises OSError."""
    data = msgspec.json.encode(Identity(instance, name, path_to_text(str(home.root))))
    # Whoever may read the project may know whose workspace it is.
    mode = stat.S_IMODE(workspace.root.stat().st_mode) & 0o666
    atomic.write_file(workspace.identity, data + b"\n", mode)
    keep_out = workspace.dot / ".gitignore"
    if not os.path.lexists(keep_out):
        atomic.write_file(keep_out, GIT_IGNORE.encode(), mode)


def forget(workspace: Workspace, instance: str) -> None:
    """Say nothing any more, where it was said of `instance`."""
    with contextlib.suppress(NuvError, OSError):
        found = read(workspace)
        if found is not None and found.instance == instance:
            workspace.identity.unlink()


class Place(NamedTuple):
    """Where a folder lies on its disk, by whatever path it is reached."""

    device: int
    inode: int
    path: tuple[str, ...]
    """From the root of its file system down; of a bind mount that of what is mounted."""

    def overlaps(self, other: "Place") -> bool:
        """True where both are the same folder, or one lies in the other."""
        if self.device != other.device:
            return False
        shorter, longer = sorted((self.path, other.path), key=len)
        return self.inode == other.inode or longer[: len(shorter)] == shorter


def place(folder: Path) -> Place:
    """Where `folder` lies. Raises OSError where it is not there."""
    real = os.path.realpath(folder)
    status = Path(real).stat()
    mounted, root = "/", "/"
    with (
        contextlib.suppress(OSError),
        open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table,
    ):
        for line in table:
            _, _, _, origin, point = (_unescaped(part) for part in line.split(" ")[:5])
            if len(point) >= len(mounted) and (real == point or real.startswith(point.rstrip("/") + "/")):
                mounted, root = point, origin
    inside = os.path.relpath(real, mounted)
    return Place(status.st_dev, status.st_ino, Path(os.path.normpath(os.path.join(root, inside))).parts)


def _unescaped(part: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        part = part.replace(code, char)
    return part
