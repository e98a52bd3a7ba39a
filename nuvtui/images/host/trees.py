"""Files by absolute path, of this machine or of an image's layers: what the search for libraries works on."""

import functools
import os
import stat
from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol

_LINKS = 40
"""Links followed for one path at most, as the kernel does."""


class Tree(Protocol):
    """Files by absolute path: what `closure` has to know of a machine or an image."""

    def resolve(self, path: str) -> str | None:
        """The plain file that `path` leads to through all links; None: to none."""

    def open(self, path: str) -> BinaryIO:
        """A plain file, for reading. Raises OSError."""

    def names(self, folder: str) -> list[str]:
        """Names in a folder; empty where there is none."""


class HostTree:
    """The files of this machine."""

    def __init__(self) -> None:
        self.resolve = functools.lru_cache(maxsize=65536)(_resolved)

    def open(self, path: str) -> BinaryIO:
        return open_plain(path)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except OSError:
            return []


class VirtualTree:
    """Files that are in no file system, such as an image's layers.

    `files`: ways to open them by path, `links`: targets by path; paths without leading slash. `open` is called
    several times for the same path.
    """

    def __init__(self, files: Mapping[str, Callable[[], BinaryIO]], links: Mapping[str, str]) -> None:
        self.files = files
        self._links = links
        self._folders: dict[str, list[str]] = {}
        for path in sorted({*files, *links}):
            while path:
                folder, _, name = path.rpartition("/")
                known = self._folders.setdefault(folder, [])
                if name in known[-1:]:
                    break
                known.append(name)
                path = folder

    def resolve(self, path: str) -> str | None:
        place = self._placed(path)
        return f"/{place}" if place in self.files else None

    def open(self, path: str) -> BinaryIO:
        try:
            return self.files[path.strip("/")]()
        except KeyError:
            raise FileNotFoundError(path) from None

    def names(self, folder: str) -> list[str]:
        return sorted(set(self._folders.get(self._placed(folder) or "", [])))

    def _placed(self, path: str) -> str | None:
        """`path` with all links followed; None: too many of them."""
        done: list[str] = []
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            target = self._links.get("/".join([*done, part]))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _LINKS:
                return None
            if target.startswith("/"):
                done = []
            ahead += target.split("/")[::-1]
        return "/".join(done)


def open_plain(path: str) -> BinaryIO:
    """A plain file of this machine, for reading; OSError where it is none. Never waits for a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a plain file: {path}")
    return os.fdopen(descriptor, "rb")


def _resolved(path: str) -> str | None:
    if not path.startswith("/") or "\0" in path:
        return None
    try:
        real = os.path.realpath(path, strict=True)
        return real if stat.S_ISREG(os.lstat(real).st_mode) else None
    except OSError:
        return None
