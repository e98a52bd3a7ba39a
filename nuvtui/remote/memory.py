"""What this machine last saw on a remote: a cache that can be thrown away."""

import contextlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from nuvtui import atomic
from nuvtui.model.snapshot import SnapshotRecord


def snapshots(cache: Path) -> set[str]:
    """Ids of the snapshots that the remote with this cache held when it was last listed, or pushed to."""
    try:
        return set(msgspec.json.decode(atomic.read_file(cache / "held"), type=list[str]))
    except (OSError, msgspec.DecodeError):
        return set()


def records(cache: Path) -> list[SnapshotRecord]:
    """Records of the snapshots that the remote held when they were last listed."""
    try:
        return msgspec.msgpack.decode(atomic.read_file(cache / "records"), type=list[SnapshotRecord])
    except (OSError, msgspec.DecodeError):
        return []


def remember(cache: Path, more: Iterable[str]) -> None:
    """`more` snapshots are there."""
    replace(cache, snapshots(cache) | set(more))


def replace(cache: Path, listed: Iterable[str]) -> None:
    """Exactly these snapshots are there."""
    with contextlib.suppress(OSError):
        cache.mkdir(0o700, parents=True, exist_ok=True)
        atomic.write_file(cache / "held", msgspec.json.encode(sorted(listed)), 0o600, durable=False)


_RECORD = 48
"""Bytes for an object: its id, and the pack that holds it."""


def pushed(cache: Path) -> dict[bytes, bytes]:
    """Object to pack, as far as a machine that cannot read the remote knows what it pushed."""
    try:
        data = atomic.read_file(cache / "pushed")
    except OSError:
        return {}
    starts = range(0, len(data) - _RECORD + 1, _RECORD)
    return {data[at : at + 32]: data[at + 32 : at + _RECORD] for at in starts}


def remember_pushed(cache: Path, objects: Iterable[tuple[bytes, bytes]]) -> None:
    """These objects are in these packs. Forgotten, they are pushed again, and nothing else happens."""
    data = b"".join(itertools.chain.from_iterable(objects))
    with contextlib.suppress(OSError), open(cache / "pushed", "ab", opener=_private) as file:
        file.truncate(file.tell() // _RECORD * _RECORD)  # half a record of somebody who was killed
        file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
