"""The way from a folder down into it, name by name, however deep it goes and however long its path becomes.

Folders are opened from the one above and never through a link. Only the lowest of them stay open: the others are
opened again on the way back, and have to be the folders that they were.
"""

import errno
import os

OPEN = 64
"""Descriptors that are kept open at most, besides the one to start from."""

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Descent:
    """A folder somewhere below an open one."""

    def __init__(self, root: int) -> None:
        """Start in the open folder `root`, which the caller closes."""
        self._names: list[bytes] = []
        self._open = [root]
        """Of the root and each folder below it: its descriptor, -1 where it is closed."""
        self._identities: dict[int, tuple[int, int]] = {}
        """Of those that were closed: device and inode."""

    @property
    def depth(self) -> int:
        """So many folders below the root."""
        return len(self._names)

    @property
    def path(self) -> bytes:
        """Relative to the root, `/` between names; empty: the root."""
        return b"/".join(self._names)

    @property
    def base(self) -> bytes:
        """What comes before the names in this folder to make paths of them."""
        return self.path + b"/" if self._names else b""

    @property
    def descriptor(self) -> int:
        """Of this folder; owned here. Raises OSError where it is no longer where it was."""
        found = self._open[-1]
        return found if found >= 0 else self._again()

    def enter(self, name: bytes) -> None:
        """Go into the folder `name`. Raises OSError; then nothing has changed."""
        self._open.append(os.open(name, FOLDER_FLAGS, dir_fd=self.descriptor))
        self._names.append(name)
        self._close(len(self._open) - 1 - OPEN)

    def leave(self) -> None:
        """Go up to the folder above."""
        self._names.pop()
        self._identities.pop(len(self._open) - 1, None)
        descriptor = self._open.pop()
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Close every folder that was entered."""
        while self._names:
            self.leave()

    def _close(self, at: int) -> None:
        if at > 0 and self._open[at] >= 0:
            status = os.fstat(self._open[at])
            self._identities[at] = (status.st_dev, status.st_ino)
            os.close(self._open[at])
            self._open[at] = -1

    def _again(self) -> int:
        """Open this folder once more, and some above it."""
        last = len(self._open) - 1
        at = max(number for number, descriptor in enumerate(self._open) if descriptor >= 0)
        while at < last:
            descriptor = os.open(self._names[at], FOLDER_FLAGS, dir_fd=self._open[at])
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != self._identities[at + 1]:
                os.close(descriptor)
                raise OSError(errno.ESTALE, "another folder is in its place")
            at += 1
            self._open[at] = descriptor
            self._close(at - OPEN // 2)
        return self._open[last]
