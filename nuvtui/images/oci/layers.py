"""Layers of nuvtui's own making, as tar streams: same content, same bytes, whoever makes them, where and when.

A layer is a list of members in a fixed order. Owner 0:0; modes are two, for programs and for all else, and the
workspace lets everybody write, since the user of an image is whoever runs it; times are those of the snapshot's
files, for what nuvtui writes that of the snapshot, and a constant for what is captured from a machine. Contents
come straight from the snapshot's objects or from files on disk, in bounded pieces: a layer is never held as a
whole, neither on disk nor in memory. Format: GNU tar, which carries long and undecodable names as raw bytes.
"""

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from nuvtui.errors import NuvError
from nuvtui.images.host.files import HostFile, signature
from nuvtui.images.recipe import FILES, START, Recipe
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry

HOST_TIME = 315_532_800
"""1980-01-01: the time of files that were captured from a machine; none of theirs, so that the layer is the same
after every installation, and one that zip archives can say."""

_BLOCK = 512
_PIECE = 1 << 20
_FOLDER_MODE, _FILE_MODE, _PROGRAM_MODE = 0o777, 0o666, 0o777
_END = bytes(2 * _BLOCK)
_FORMAT = "2"
"""Raised when the same content would give other bytes: what was remembered of layers does not count any more."""


class Objects(Protocol):
    """The part of the store that layers need."""

    def stream(self, content: Sequence[bytes], start: int = 0) -> Iterator[bytes]:
        """The bytes of a file, verified, in bounded pieces."""


class _Member(NamedTuple):
    path: str
    kind: bytes
    mode: int
    mtime: int
    size: int = 0
    target: str = ""
    content: Callable[[], Iterator[bytes]] | None = None


@dataclass(frozen=True)
class Layer:
    """A layer that can be streamed as often as wanted."""

    what: str
    """`runtime`, `environment`, `packages`, `files`, `tables`, `application`: as in the report."""
    key: str
    """Names what the bytes depend on: the same key, the same bytes."""
    members: Callable[[], Iterator[_Member]]

    def stream(self) -> Iterator[bytes]:
        """The tar in pieces of about a MiB. Raises StoreError or NuvError where content cannot be read as planned."""
        return _pieces(_tar(self.members()))

    @property
    def size(self) -> int:
        """Bytes of the tar: for progress and for headers around it. Costs one walk over the members."""
        return sum(_length(member) for member in self.members()) + len(_END)


def files_layer(recipe: Recipe, store: Objects) -> Layer:
    """The workspace: `/files`, the working folder, and the members of the recipe, each in its own time.

    The folders above them have the newest of those: another snapshot of the same files is the same layer.
    """
    newest = max((_seconds(entry) for _, entry in recipe.members), default=HOST_TIME)

    def members() -> Iterator[_Member]:
        yield _Member(FILES, tarfile.DIRTYPE, _FOLDER_MODE, newest)
        yield from (_Member(path, tarfile.DIRTYPE, _FOLDER_MODE, newest) for path in _workdir(recipe))
        first: dict[int, str] = {}
        for path, entry in recipe.members:
            yield _workspace_member(path, entry, first, store)

    digest = hashlib.sha256()
    digest.update(msgspec.msgpack.encode((_FORMAT, "files", list(_workdir(recipe)), newest)))
    encode = msgspec.msgpack.Encoder().encode
    for path, e in recipe.members:
        content = e.content if e.kind == FILE else []
        digest.update(
            encode(
                (
                    path.encode("utf-8", "surrogateescape"),
                    e.kind,
                    bool(e.mode & 0o111),
                    _seconds(e),
                    e.size if e.kind == FILE else 0,
                    content,
                    e.target,
                    e.group,
                )
            )
        )
    return Layer("files", digest.hexdigest(), members)


def application_layer(recipe: Recipe) -> Layer:
    """Report, package list and start script: what nuvtui itself puts into the image."""
    return _generated("application", recipe.own_files, recipe.mtime, programs=(START,))


def build_layer(files: Mapping[str, bytes], mtime: int) -> Layer:
    """What the install steps of an engine read: scripts and package lists."""
    return _generated("build", files, mtime, programs=())


def host_layer(what: str, files: list[HostFile]) -> Layer:
    """Files of this machine, by the capture of its runtime or by pip; a file that changes meanwhile is an error."""
    return Layer(what, f"{_FORMAT}-{signature(files)}", lambda: map(_host_member, files))


def _generated(what: str, files: Mapping[str, bytes], mtime: int, programs: Sequence[str]) -> Layer:
    def members() -> Iterator[_Member]:
        # With every folder above them: those are in the layer as well, and would carry the time of the build.
        for folder in _folders(files):
            yield _Member(folder, tarfile.DIRTYPE, 0o755, mtime)
        for path, data in sorted(files.items()):
            mode = 0o755 if path in programs else 0o644
            yield _Member(path, tarfile.REGTYPE, mode, mtime, len(data), "", lambda data=data: iter((data,)))  # type: ignore[misc]

    digest = hashlib.sha256(
        msgspec.msgpack.encode((_FORMAT, what, mtime, list(programs), sorted(files.items())))
    )
    return Layer(what, digest.hexdigest(), members)


def _folders(files: Mapping[str, bytes]) -> list[str]:
    found = set()
    for path in files:
        while path := path.rpartition("/")[0]:
            found.add(path)
    return sorted(found)


def _workdir(recipe: Recipe) -> Iterator[str]:
    """The working folder and those above it, where no member is it: made here, so that it is there in any case."""
    if not recipe.workdir.startswith(f"/{FILES}/"):
        return  # the base image's own, or made where a container starts
    known = {path for path, _ in recipe.members}
    parts = recipe.workdir.strip("/").split("/")
    for depth in range(2, len(parts) + 1):
        folder = "/".join(parts[:depth])
        if folder not in known:
            yield folder


def _workspace_member(path: str, entry: Entry, first: dict[int, str], store: Objects) -> _Member:
    mtime = _seconds(entry)
    if entry.kind == FOLDER:
        return _Member(path, tarfile.DIRTYPE, _FOLDER_MODE, mtime)
    if entry.kind == LINK:
        return _Member(
            path, tarfile.SYMTYPE, 0o777, mtime, 0, entry.target.decode("utf-8", "surrogateescape")
        )
    mode = _PROGRAM_MODE if entry.mode & 0o111 else _FILE_MODE
    if entry.group > 0 and entry.group in first:
        return _Member(path, tarfile.LNKTYPE, mode, mtime, 0, first[entry.group])
    if entry.group > 0:
        first[entry.group] = path
    return _Member(path, tarfile.REGTYPE, mode, mtime, entry.size, "", lambda: store.stream(entry.content))


def _seconds(entry: Entry) -> int:
    return max(0, entry.mtime_ns // 1_000_000_000)


def _host_member(file: HostFile) -> _Member:
    if file.kind == FOLDER:
        return _Member(file.path, tarfile.DIRTYPE, file.mode, HOST_TIME)
    if file.kind == LINK:
        return _Member(file.path, tarfile.SYMTYPE, 0o777, HOST_TIME, 0, file.target)
    return _Member(file.path, tarfile.REGTYPE, file.mode, HOST_TIME, file.size, "", lambda: _read(file))


def _read(file: HostFile) -> Iterator[bytes]:
    if not file.source:
        yield file.data
        return
    try:
        with Path(file.source).open("rb") as opened:
            while piece := opened.read(_PIECE):
                yield piece
    except OSError as error:
        raise NuvError(f"{file.source} cannot be read", error.strerror or str(error)) from error


def _tar(members: Iterable[_Member]) -> Iterator[bytes]:
    for member in members:
        yield _header(member)
        if member.content is None:
            continue
        done = 0
        for piece in member.content():
            done += len(piece)
            yield piece
        if done != member.size:
            raise NuvError(
                f"{member.path} has changed while it was read",
                f"expected {member.size:,} bytes, found {done:,}",
                "Try again.",
            )
        if done % _BLOCK:
            yield bytes(_BLOCK - done % _BLOCK)
    yield _END


def _header(member: _Member) -> bytes:
    info = tarfile.TarInfo(member.path)
    info.type, info.size, info.mode, info.linkname = member.kind, member.size, member.mode, member.target
    info.mtime = member.mtime
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _length(member: _Member) -> int:
    """Bytes of a member with its header; a long name or target takes an extra header and its own blocks."""
    total = _BLOCK + -(-member.size // _BLOCK) * _BLOCK
    slash = 1 if member.kind == tarfile.DIRTYPE else 0
    for text, extra in ((member.path, slash), (member.target, 0)):
        length = len(text.encode("utf-8", "surrogateescape")) + extra
        if length > tarfile.LENGTH_NAME:
            total += _BLOCK + -(-(length + 1) // _BLOCK) * _BLOCK
    return total


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
