"""The event log of a task: one writer, any number of readers.

One JSON object a line, each written by one `write` to a file opened for appending: a reader sees whole lines
and perhaps the beginning of one more, which it leaves for the next time. A worker that dies within a line
leaves a torn one; it counts for nothing, and whoever writes next cuts it off.

A log may be long: it is read a piece at a time, and of progress that was overtaken before anybody looked only the
last is taken apart, since each replaces what the one before it said.
"""

import contextlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from nuvtui import clock
from nuvtui.model.task import EVENT_VERSION, Event
from nuvtui.worker import files

EventType = Literal["queued", "started", "step", "progress", "warning", "step_done", "finished"]

LONGEST = 64 << 20
"""Bytes of the longest line that is read: no event comes near it."""

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_DURABLE = ("queued", "finished")
_PIECE = 1 << 20
_progress = re.compile(rb'\{"v":\d+,"seq":\d+,"ts":"([^"\\]*)","type":"progress"[,}]').match
"""The beginning of a line that tells progress (`v, seq, ts, type` stand first), with the time."""
_SECOND = len("2026-01-01T00:00:00")


def plain(text: str) -> str:
    r"""`text` as JSON can carry it: an undecodable byte of a file name becomes `\xNN`."""
    if text.isascii():
        return text
    return "".join(
        f"\\x{ord(char) - 0xDC00:02x}" if 0xDC80 <= ord(char) <= 0xDCFF else _whole(char) for char in text
    )


def _whole(char: str) -> str:
    return "\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else char


def _all_plain(value: Any) -> Any:
    """`value`, made of JSON's types, with every text in it `plain`."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {_all_plain(key): _all_plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_all_plain(each) for each in value]
    return value


def _line(event: Event) -> bytes:
    try:
        return _encoder.encode(event) + b"\n"
    except UnicodeEncodeError:  # a name of undecodable bytes
        return _encoder.encode(_all_plain(msgspec.to_builtins(event))) + b"\n"


class EventWriter:
    """Appends events to a task's log. The caller holds the task's lock, or nobody else knows of it."""

    def __init__(self, folder: Path) -> None:
        """Open the log of `folder` (made where missing), cut off a torn last line, go on counting.

        Raises UnusableError and OSError.
        """
        self._lock = threading.Lock()
        self._descriptor = files.open_file(folder, files.EVENTS, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._size = self._seq = 0
        self.finished = False
        """True where the log holds its last word already."""
        try:
            for lines, end in _pieces(folder, self._descriptor, 0):
                self._size = end
                for event in _essential(lines):
                    self._seq = event.seq
                    self.finished = self.finished or event.type == "finished"
            if self._size != os.fstat(self._descriptor).st_size:
                os.ftruncate(self._descriptor, self._size)
        except BaseException:
            os.close(self._descriptor)
            raise

    def write(self, kind: EventType, /, **fields: Any) -> Event:
        """Append an event; `queued` and `finished` are on the disk on return.

        Raises OSError, and TypeError or ValueError for fields that are not JSON; then the log is as it was.
        """
        with self._lock:
            event = Event(EVENT_VERSION, self._seq + 1, clock.now(), kind, **fields)
            line = _line(event)
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


class Tailer:
    """Follows an event log: each `poll` gives what is new."""

    def __init__(self, folder: Path, *, every_second: bool = False) -> None:
        """`every_second`: of overtaken progress the last of each second is given as well: when the log grew."""
        self._folder = folder
        self._every_second = every_second
        self._offset = 0

    def poll(self) -> Iterator[Event]:
        """Events since the last poll, without progress that was overtaken by then: folded, they give the same.

        A line that is no event of a type known here is passed over. Cheap where there is nothing new; a piece of
        the log at a time is held. Raises UnusableError and OSError.
        """
        try:
            found = (self._folder / files.EVENTS).lstat()
            if stat.S_ISREG(found.st_mode) and found.st_size == self._offset:
                return
            descriptor = files.open_file(self._folder, files.EVENTS)
        except FileNotFoundError:
            return
        try:
            for lines, end in _pieces(self._folder, descriptor, self._offset):
                self._offset = end
                yield from _essential(lines, every_second=self._every_second)
        finally:
            os.close(descriptor)


def _pieces(folder: Path, descriptor: int, offset: int) -> Iterator[tuple[list[bytes], int]]:
    """The whole lines from `offset` on, some at a time, and the offset behind them. Raises UnusableError, OSError."""
    rest = bytearray()
    while piece := os.pread(descriptor, _PIECE, offset):
        offset += len(piece)
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            rest += head
            yield bytes(rest).split(b"\n"), offset - len(tail)
            rest.clear()
        rest += tail
        if len(rest) > LONGEST:
            raise files.unusable(folder, files.EVENTS, f"has a line of more than {LONGEST >> 20} MiB")


def _essential(lines: list[bytes], *, every_second: bool = False) -> Iterator[Event]:
    """The events in `lines`; of progress in a row only the last (of all, or of each second)."""
    row: list[bytes] = []
    second = b""
    for line in lines:
        found = _progress(line)
        if found is None:
            if event := _event(line):
                yield from _last(row)
                row = []
                yield event
        else:
            if every_second and (now := found[1][:_SECOND]) != second:
                second = now
                yield from _last(row)
                row = []
            row.append(line)
    yield from _last(row)


def _last(row: list[bytes]) -> Iterator[Event]:
    """The last of `row` that is an event, if one is."""
    for line in reversed(row):
        if event := _event(line):
            yield event
            return


def _event(line: bytes) -> Event | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None


def log_size(folder: Path) -> int:
    """Length of `build.log` in bytes; 0 where there is none."""
    try:
        return (folder / files.LOG).lstat().st_size
    except FileNotFoundError:
        return 0


def read_log(folder: Path, offset: int, size: int) -> bytes:
    """At most `size` bytes of `build.log` from `offset`; fewer at its end, b"" where there is none.

    Raises UnusableError and OSError.
    """
    try:
        descriptor = files.open_file(folder, files.LOG)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
