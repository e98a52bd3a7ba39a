"""The event log of a task: one writer, any number of readers.

One JSON object a line, each written by one `write` to a file opened for appending: a reader sees whole lines
and perhaps the beginning of one more, which it leaves for the next time. A worker that dies within a line
leaves a torn one; it counts for nothing, and whoever writes next cuts it off.
"""

import contextlib
import os
import threading
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from nuvtui import clock
from nuvtui.model.task import EVENT_VERSION, Event
from nuvtui.tasks import files

EventType = Literal["queued", "started", "step", "progress", "warning", "step_done", "finished"]

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_DURABLE = ("queued", "finished")
_PIECE = 1 << 20


def plain(text: str) -> str:
    r"""`text` as JSON can carry it: an undecodable byte of a file name becomes `\xNN`."""
    if text.isascii():
        return text
    return "".join(
        f"\\x{ord(char) - 0xDC00:02x}" if 0xDC80 <= ord(char) <= 0xDCFF else _whole(char) for char in text
    )


def _whole(char: str) -> str:
    return "\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else char


class EventWriter:
    """Appends events to a task's log. The caller holds the task's lock, or nobody else knows of it."""

    def __init__(self, folder: Path) -> None:
        """Open the log of `folder` (made where missing), cut off a torn last line, go on counting."""
        self._lock = threading.Lock()
        self._descriptor = os.open(
            folder / files.EVENTS, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            data = _read_from(self._descriptor, 0)
            self._size = data.rfind(b"\n") + 1
            if self._size != len(data):
                os.ftruncate(self._descriptor, self._size)
            known = parse(data[: self._size])
        except BaseException:
            os.close(self._descriptor)
            raise
        self._seq = known[-1].seq if known else 0
        self.finished = any(event.type == "finished" for event in known)
        """True where the log holds its last word already."""

    def write(self, kind: EventType, /, **fields: Any) -> Event:
        """Append an event; `queued` and `finished` are on the disk on return.

        Raises OSError, and TypeError or ValueError for fields that are not JSON; then the log is as it was.
        """
        with self._lock:
            event = Event(EVENT_VERSION, self._seq + 1, clock.now(), kind, **fields)
            line = _encoder.encode(event) + b"\n"
            try:
                written = os.write(self._descriptor, line)
                while written < len(line):
                    written += os.write(self._descriptor, line[written:])
                if kind in _DURABLE:
                    os.fsync(self._descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise
            self._size += len(line)
            self._seq += 1
            if kind == "finished":
                self.finished = True
            return event

    def close(self) -> None:
        """Close the log."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse(data: bytes) -> list[Event]:
    """The events in `data`, whole lines. A line that is no event of a type known here is passed over."""
    events = []
    for line in data.split(b"\n"):
        if line:
            with contextlib.suppress(msgspec.DecodeError):
                events.append(_decoder.decode(line))
    return events


def read_events(folder: Path) -> list[Event]:
    """All events of the task in `folder`; [] where there is no log. Raises OSError."""
    return Tailer(folder).poll()


class Tailer:
    """Follows an event log: each `poll` gives what is new."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / files.EVENTS
        self._offset = 0

    def poll(self) -> list[Event]:
        """Events since the last poll. Cheap where there are none. Raises OSError."""
        try:
            if self._path.stat().st_size == self._offset:
                return []
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            data = _read_from(descriptor, self._offset)
        finally:
            os.close(descriptor)
        end = data.rfind(b"\n") + 1
        self._offset += end
        return parse(data[:end])


def log_size(folder: Path) -> int:
    """Length of `build.log` in bytes; 0 where there is none."""
    try:
        return (folder / files.LOG).stat().st_size
    except FileNotFoundError:
        return 0


def read_log(folder: Path, offset: int, size: int) -> bytes:
    """At most `size` bytes of `build.log` from `offset`; fewer at its end, b"" where there is none."""
    try:
        descriptor = os.open(folder / files.LOG, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def _read_from(descriptor: int, offset: int) -> bytes:
    pieces = []
    while piece := os.pread(descriptor, _PIECE, offset):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)
