"""What a client and `nuvtui store serve` say to each other, over standard input and output.

A message is 4 bytes (its length, big-endian) and so many bytes of msgpack. The server speaks first: the line
`NUVTUI-SERVE`, the version of what is said here, and that of nuvtui, after whatever the shell there printed. Then one
answer for each request, in order.
"""

import re
import struct
from typing import BinaryIO

import msgspec

import nuvtui
from nuvtui.remote.blobs import MAXIMUM

VERSION = 1
HELLO = f"NUVTUI-SERVE {VERSION} {nuvtui.__version__}\n".encode()
LENGTH = struct.Struct(">I")
LIMIT = MAXIMUM + (1 << 20)
"""Bytes of a message at most."""
PAGE = 10_000
"""Blobs in one answer to `list`."""


class Listed(msgspec.Struct, tag="list"):
    """Blobs whose keys begin with `prefix`, those after `after`, a page of them."""

    prefix: str
    after: str = ""


class Stat(msgspec.Struct, tag="stat"):
    """One blob."""

    key: str


class Read(msgspec.Struct, tag="read"):
    """Bytes of a blob."""

    key: str
    start: int
    length: int | None


class Put(msgspec.Struct, tag="put"):
    """Write a blob where there is none."""

    key: str
    data: bytes


class Delete(msgspec.Struct, tag="delete"):
    """Remove a blob."""

    key: str


class Call(msgspec.Struct, tag="call"):
    """What is asked of a store home beyond its blobs (`model.far`)."""

    body: bytes


Request = Listed | Stat | Read | Put | Delete | Call


class Answer(msgspec.Struct, omit_defaults=True):
    """What came of a request: one of these, or a failure."""

    blobs: list[tuple[str, int]] = []
    data: bytes = b""
    written: bool = False
    failure: str = ""
    """`absent`, `transient`, `denied`, `full`, `damaged` or `other`."""
    title: str = ""
    message: str = ""
    hint: str = ""
    exit_code: int = 1
    """Of a failure, as the command line has it (`errors.Exit`)."""


class CutError(Exception):
    """The other side went away in the middle."""


_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)


_HELLO = re.compile(rb"NUVTUI-SERVE (\d{1,9})(?: ([\w.+-]{1,40}))?\r?\n")


def greeting(line: bytes) -> tuple[int, str] | None:
    """The versions, of what is said here and of nuvtui, that the server's first line tells; None: another line."""
    found = _HELLO.fullmatch(line)
    return (int(found[1]), (found[2] or b"").decode("ascii")) if found else None


def write(stream: BinaryIO, message: Request | Answer) -> None:
    """Send a message. Raises OSError where the other side is gone."""
    data = _encoder.encode(message)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    if not head:
        return None
    if len(head) < LENGTH.size:
        raise CutError("in the middle of a message")
    (length,) = LENGTH.unpack(head)
    if length > LIMIT:
        raise CutError(f"a message of {length} bytes was announced")
    data = stream.read(length)
    if len(data) < length:
        raise CutError("in the middle of a message")
    return data


def read_request(stream: BinaryIO) -> Request | None:
    """The next request; None at the end. Raises CutError."""
    data = _read(stream)
    try:
        return None if data is None else _requests.decode(data)
    except msgspec.DecodeError as error:
        raise CutError(str(error)) from error


def read_answer(stream: BinaryIO) -> Answer:
    """The next answer. Raises CutError."""
    data = _read(stream)
    if data is None:
        raise CutError("the connection ended")
    try:
        return _answers.decode(data)
    except msgspec.DecodeError as error:
        raise CutError(str(error)) from error
