"""What the last look into an instance's database found, so that an unchanged database is not opened again.

A file that can be thrown away at any time; whatever is wrong with it, it counts as empty: before the JSON stand the
first 16 bytes of its BLAKE3, since what is believed here goes into manifests. It is believed only for
the same stamp of the database (`Tables.stamp`: inode, size and times of the file and of its write-ahead log), and
written only where those times lay at least `MARGIN` before the look began: a database that is written again within
the clock's tick would keep its stamp.
"""

import contextlib
import time
from pathlib import Path

import msgspec
from blake3 import blake3

from nuvtui import __version__, atomic
from nuvtui.model.snapshot import TablePart
from nuvtui.tables import fingerprint
from nuvtui.tables.database import Tables

VERSION = f"{__version__} {fingerprint.SCHEME}"
"""Of who looked: another one might find something else."""
MARGIN = 2_000_000_000
"""Nanoseconds: the coarsest tick of a file system's clock that is reckoned with."""

CHECK = 16


class Memory(msgspec.Struct, frozen=True):
    """What was found in the database with this stamp."""

    stamp: list[int]
    parts: list[TablePart]
    lost: list[str]
    """What a snapshot does not keep of the database, in sentences."""
    version: str = VERSION


def recall(file: Path, tables: Tables) -> Memory | None:
    """What `file` remembers of the database as it is now; None: nothing."""
    try:
        data = atomic.read_file(file)
        if data[:CHECK] != blake3(data[CHECK:]).digest(CHECK):
            return None
        found = msgspec.json.decode(data[CHECK:], type=Memory)
    except (OSError, ValueError):
        return None
    return found if found.version == VERSION and found.stamp == list(tables.stamp()) else None


class CachedLook:
    """Made before the database is opened; `keep` remembers what was found, where it held still meanwhile."""

    def __init__(self, file: Path, tables: Tables) -> None:
        self._file = file
        self._tables = tables
        self._stamp = tables.stamp()
        self._limit = time.time_ns() - MARGIN

    def keep(self, parts: list[TablePart], lost: list[str]) -> None:
        """Remember; what cannot be written costs time at the next look, nothing else."""
        data = msgspec.json.encode(Memory(list(self._stamp), parts, lost))
        with contextlib.suppress(OSError):
            if self._tables.stamp() == self._stamp and self._tables.changed_ns() < self._limit:
                atomic.make_folder(self._file.parent)
                atomic.write_file(self._file, blake3(data).digest(CHECK) + data, durable=False)
