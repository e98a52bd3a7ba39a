"""The build context as a tar stream, straight from the snapshot's objects: never collected on disk or in
memory.

Deterministic: same recipe, same bytes. Inside are the Dockerfile and the archives that it adds; the
archives' sizes are known from the entries, so the outer headers can be written before any content is read.
Format: GNU tar (long and non-UTF-8 names as raw bytes). Owner 0:0; modes make everything readable for any
user, and writable for group 0, which is the group of a user that the image does not know.
"""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from nuvtui.images import recipe as recipes
from nuvtui.images.recipe import Recipe
from nuvtui.model.tree import FOLDER, LINK, Entry

_BLOCK = 512
_PIECE = 1 << 18
_FOLDER_MODE, _FILE_MODE, _PROGRAM_MODE = 0o775, 0o664, 0o775
_END = bytes(2 * _BLOCK)


class Objects(Protocol):
    """The part of the store that a context needs."""

    def stream(self, content: Sequence[bytes], start: int = 0) -> Iterator[bytes]:
        """The bytes of a file, verified, in bounded pieces."""


def stream(recipe: Recipe, store: Objects) -> Iterator[bytes]:
    """The context of `recipe` in pieces of bounded size. Raises StoreError where an object is damaged."""
    return _pieces(_context(recipe, store))


def files_archive(recipe: Recipe, store: Objects) -> Iterator[bytes]:
    """The archive of the workspace files alone, as it becomes a layer."""
    return _pieces(_workspace(recipe, store))


def size(recipe: Recipe) -> int:
    """Bytes of the context: for progress."""
    total = _padded(len(recipe.dockerfile.encode())) + _BLOCK + len(_END)
    for files in (recipe.build_files, recipe.own_files):
        if files:
            total += _BLOCK + _generated_size(files)
    return total + _BLOCK + _workspace_size(recipe)


def _context(recipe: Recipe, store: Objects) -> Iterator[bytes]:
    text = recipe.dockerfile.encode()
    yield _header("Dockerfile", recipe.mtime, size=len(text))
    yield _pad(text)
    for name, files in ((recipes.BUILD_ARCHIVE, recipe.build_files), (recipes.OWN_ARCHIVE, recipe.own_files)):
        if files:
            yield _header(name, recipe.mtime, size=_generated_size(files))
            yield from _generated(files, recipe.mtime)
    yield _header(recipes.FILES_ARCHIVE, recipe.mtime, size=_workspace_size(recipe))
    yield from _workspace(recipe, store)
    yield _END


def _generated(files: Mapping[str, bytes], mtime: int) -> Iterator[bytes]:
    """An archive of generated files, with every folder above them: those are in the layer as well, and where
    the archive gave them no time they would carry that of the build.
    """
    for folder in _folders(files):
        yield _header(folder, mtime, kind=tarfile.DIRTYPE, mode=0o755)
    for path, data in sorted(files.items()):
        yield _header(path, mtime, size=len(data), mode=0o755 if path == recipes.START else 0o644)
        yield _pad(data)
    yield _END


def _generated_size(files: Mapping[str, bytes]) -> int:
    return (
        sum(_BLOCK + _padded(len(data)) for data in files.values())
        + _BLOCK * len(_folders(files))
        + len(_END)
    )


def _folders(files: Mapping[str, bytes]) -> list[str]:
    found = set()
    for path in files:
        while path := path.rpartition("/")[0]:
            found.add(path)
    return sorted(found)


def _workspace(recipe: Recipe, store: Objects) -> Iterator[bytes]:
    for header, entry in _workspace_headers(recipe):
        yield header
        if entry is not None:
            done = 0
            for piece in store.stream(entry.content):
                done += len(piece)
                yield piece
            if done != entry.size:
                raise AssertionError(
                    f"object of {done} bytes where the tree says {entry.size}: {entry.name!r}"
                )
            if done % _BLOCK:
                yield bytes(_BLOCK - done % _BLOCK)
    yield _END


def _workspace_size(recipe: Recipe) -> int:
    total = len(_END)
    for header, entry in _workspace_headers(recipe):
        total += len(header) + (_padded(entry.size) if entry is not None else 0)
    return total


def _workspace_headers(recipe: Recipe) -> Iterator[tuple[bytes, Entry | None]]:
    """Header of each member, with its entry where content follows."""
    yield _header(recipes.FILES, recipe.mtime, kind=tarfile.DIRTYPE, mode=_FOLDER_MODE), None
    if recipe.workdir.startswith(f"/{recipes.FILES}/"):
        yield from ((header, None) for header in _workdir(recipe))
    first: dict[int, str] = {}
    for path, entry in recipe.members:
        mtime = entry.mtime_ns // 1_000_000_000
        if entry.kind == FOLDER:
            yield _header(path, mtime, kind=tarfile.DIRTYPE, mode=_FOLDER_MODE), None
        elif entry.kind == LINK:
            target = entry.target.decode("utf-8", "surrogateescape")
            yield _header(path, mtime, kind=tarfile.SYMTYPE, mode=0o777, target=target), None
        elif entry.group > 0 and entry.group in first:
            yield (
                _header(path, mtime, kind=tarfile.LNKTYPE, mode=_mode(entry), target=first[entry.group]),
                None,
            )
        else:
            if entry.group > 0:
                first[entry.group] = path
            yield _header(path, mtime, size=entry.size, mode=_mode(entry)), entry


def _workdir(recipe: Recipe) -> Iterator[bytes]:
    """The working folder, where no member is it: made here, so that `WORKDIR` finds it and changes
    nothing.
    """
    known = {path for path, _ in recipe.members}
    parts = recipe.workdir.strip("/").split("/")
    for depth in range(2, len(parts) + 1):
        folder = "/".join(parts[:depth])
        if folder not in known:
            yield _header(folder, recipe.mtime, kind=tarfile.DIRTYPE, mode=_FOLDER_MODE)


def _mode(entry: Entry) -> int:
    return _PROGRAM_MODE if entry.mode & 0o111 else _FILE_MODE


def _header(
    name: str, mtime: int, size: int = 0, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = ""
) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.linkname = kind, size, mode, target
    info.mtime = max(0, mtime)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _pad(data: bytes) -> bytes:
    return data + bytes(_padded(len(data)) - len(data))


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """`parts` joined to pieces of at least `_PIECE` bytes (the last may be smaller)."""
    held: list[bytes] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= _PIECE:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
