"""What the screens showed last, kept to be drawn at once when they are opened again.

Reading the state of a store with ten thousand snapshots costs more than opening the screens. So the top of the
timeline is kept in the cache, with the stamp of the state file that it was read from, and shown only while the file
is still that very one: it can be missing, never old. The state itself is read right after.
"""

import contextlib
import os
import threading
import zlib
from pathlib import Path

import msgspec

from nuvtui import __version__, atomic
from nuvtui.model.names import path_to_text
from nuvtui.model.timeline import Timeline
from nuvtui.paths import Home
from nuvtui.tui.common.context import Context

KEPT = 100
"""Snapshots in the startup cache: more than a screen shows."""
FOLDERS = 50
"""Caches kept, one for each folder that the screens are opened in."""
PATIENCE = 0.05
"""Seconds that the first frame waits for it: a slow disk must not hold the screens up."""
Stamp = tuple[int, int, int]


class StartupCache(msgspec.Struct, frozen=True, array_like=True):
    """What the Timeline showed."""

    version: str
    start: str
    """Folder that the screens were opened in."""
    stamp: Stamp
    context: Context
    timeline: Timeline
    """The newest snapshots and what happened between them."""
    total: int
    """Snapshots that there are."""


class Reading:
    """The startup cache that is being read, in a thread, while the libraries of the screens are imported."""

    def __init__(self, home: Home, start: Path) -> None:
        self._found: StartupCache | None = None
        self._thread = threading.Thread(target=self._read, args=(home, start), daemon=True)
        self._thread.start()

    def _read(self, home: Home, start: Path) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.msgpack.decode(_path(home, start).read_bytes(), type=StartupCache)
            if (found.version, found.start, found.stamp) == (
                __version__,
                path_to_text(str(start)),
                stamp(home.state),
            ):
                self._found = found

    def result(self) -> StartupCache | None:
        """The startup cache; None: there is none, or it is not read yet."""
        self._thread.join(PATIENCE)
        return self._found


def stamp(path: Path) -> Stamp:
    """Something that changes whenever the file does; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def keep(home: Home, start: Path, context: Context, timeline: Timeline, read_from: Stamp) -> None:
    """Keep the top of `timeline`, which was read from a state file with the stamp `read_from`. Reads and writes disk.

    A cache: where it cannot be written there is none.
    """
    if context.trouble or context.instance is None or stamp(home.state) != read_from:
        return
    records = timeline.records[:KEPT]
    oldest = records[-1].created if len(records) < len(timeline.records) else ""
    top = Timeline(
        records,
        {record.id: timeline.traces[record.id] for record in records if record.id in timeline.traces},
        [event for event in timeline.events if event.at >= oldest],
    )
    data = msgspec.msgpack.encode(
        StartupCache(__version__, path_to_text(str(start)), read_from, context, top, len(timeline.records))
    )
    path = _path(home, start)
    with contextlib.suppress(OSError):
        if path.exists() and path.read_bytes() == data:
            return
        atomic.make_folder(path.parent)
        atomic.write_file(path, data, durable=False)
        others = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in others[FOLDERS:]:
            old.unlink(missing_ok=True)


def _path(home: Home, start: Path) -> Path:
    number = zlib.crc32(os.fsencode(start))  # not hashlib: it loads OpenSSL
    return home.cache / "screens" / f"{os.geteuid()}-{number:08x}"
