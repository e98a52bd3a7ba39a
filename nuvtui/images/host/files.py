"""Files of this machine that go into an image, and reading them: small, plain, never waiting."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nuvtui.images.host.elf import MAGIC
from nuvtui.images.host.trees import HostTree, open_plain
from nuvtui.model.tree import FILE, FOLDER

_SMALL = 4 << 20
"""Metadata larger than this is not read."""


class HostFile(NamedTuple):
    """Something that goes into the image."""

    path: str
    """In the image, without leading slash; str with surrogateescape."""
    kind: str
    """`FILE`, `FOLDER` or `LINK` of `model.tree`."""
    mode: int
    """Permission bits that it is to have in the image."""
    size: int
    """Bytes of a file; of others 0."""
    source: str = ""
    """Absolute path on this machine of a file's content; empty: `data` is its content."""
    data: bytes = b""
    target: str = ""
    """Where a link points."""


def signature(files: Iterable[HostFile]) -> str:
    """SHA-256 (hexadecimal) that changes where a layer of `files` may come out different.

    Of a file of this machine size, times, inode and device stand for its content, which is not read.
    """
    digest = hashlib.sha256()
    for file in files:
        facts: tuple[object, ...] = ()
        if file.source:
            try:
                info = os.lstat(file.source)
                facts = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev)
            except OSError:
                facts = ("gone",)
        texts = (os.fsencode(file.path), os.fsencode(file.target), file.data)
        # Lengths first: no two lists of files have the same bytes.
        digest.update(repr((file.kind, file.mode, *map(len, texts), facts)).encode())
        for text in texts:
            digest.update(text)
    return digest.hexdigest()


def file_at(path: str, info: os.stat_result) -> HostFile:
    """The plain file at an absolute path."""
    return HostFile(path[1:], FILE, 0o755 if info.st_mode & 0o111 else 0o644, info.st_size, source=path)


def folder_at(path: str) -> HostFile:
    """The folder at an absolute path."""
    return HostFile(path[1:], FOLDER, 0o1777 if path == "/tmp" else 0o755, 0)  # noqa: S108


def parents(path: str) -> Iterator[str]:
    """The folders above `path`, the closest first."""
    while path := path.rpartition("/")[0]:
        yield path


def in_order(layer: dict[str, HostFile]) -> list[HostFile]:
    """The files by path, with every folder above them."""
    for path in list(layer):
        for parent in parents(path):
            layer.setdefault(parent, folder_at(f"/{parent}"))
    return [layer[path] for path in sorted(layer)]


def names_in(folder: str) -> list[str]:
    """Names in a folder, sorted; none where it cannot be read."""
    return HostTree().names(folder)


def head_of(path: str, size: int) -> bytes:
    """The first bytes of a plain file; nothing where it cannot be read."""
    try:
        with open_plain(path) as file:
            return file.read(size)
    except OSError:
        return b""


def read_small(path: str) -> bytes:
    """A small plain file; nothing where it is a link, no plain file, or large."""
    try:
        with open_plain(path) as file:
            data = file.read(_SMALL + 1)
    except (OSError, ValueError):
        return b""
    return data if len(data) <= _SMALL else b""


def is_elf(path: str) -> bool:
    """True where `path` leads to an ELF file."""
    return head_of(os.path.realpath(path), 4) == MAGIC
