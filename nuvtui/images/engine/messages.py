"""Decoder of the messages that an engine sends while it builds, pulls, pushes or loads.

One JSON object a line, but: pieces of the connection end anywhere, also inside a character; two objects may
share a line; a line may be many megabytes; what stands between engine and client may put in lines that are
no JSON. An answer with status 200 may carry an error in any message, as `error`, as `errorDetail`, or as
both. Cost is linear in the bytes, memory bounded by `limit`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nuvtui.images.engine.lines import Lines

LIMIT = 32 << 20
"""Bytes of the longest line that is decoded."""
_EAGER = 1 << 16
"""Lines up to this length are tried before their end has come: some senders end none."""


@dataclass(frozen=True)
class Message:
    """One message, reduced to what is used; absent fields are empty."""

    stream: str = ""
    """Output of the build, as it is to be printed."""
    status: str = ""
    id: str = ""
    """Of the layer that `status` is about."""
    current: int = 0
    total: int = 0
    error: str = ""
    aux: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    """What was no message: to be logged as it is."""


class Decoder:
    """Bytes in, messages out."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._lines = Lines(limit)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes."""
        out = self._decoded(self._lines.feed(data))
        if 0 < self._lines.held <= _EAGER and data.rstrip().endswith(b"}"):
            found = list(_objects(self._lines.peek()))
            if all(not message.raw for message in found):
                self._lines.take()
                out += found
        return out

    def end(self) -> list[Message]:
        """What is left when the connection has ended."""
        return self._decoded(self._lines.end())

    def _decoded(self, lines: Iterable[tuple[bytes, bool]]) -> list[Message]:
        return [
            message for line, whole in lines for message in (_objects(line) if whole else [Message(raw=line)])
        ]


def _objects(line: bytes) -> Iterator[Message]:
    line = line.strip()
    if not line:
        return
    try:
        yield _message(msgspec.json.decode(line), line)
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = line.decode("utf-8", "replace")
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield Message(raw=text[at:].encode() + b"\n")
            return
        yield _message(value, b"")
        while at < len(text) and text[at].isspace():
            at += 1


def _message(value: Any, line: bytes) -> Message:
    if not isinstance(value, dict):
        return Message(raw=(line or json.dumps(value).encode()) + b"\n")
    progress = value.get("progressDetail")
    progress = progress if isinstance(progress, dict) else {}
    aux = value.get("aux")
    return Message(
        stream=_text(value.get("stream")),
        status=_text(value.get("status")),
        id=_text(value.get("id")),
        current=_number(progress.get("current")),
        total=_number(progress.get("total")),
        error=_error(value),
        aux=aux if isinstance(aux, dict) else {},
    )


def _error(value: dict[str, Any]) -> str:
    detail = value.get("errorDetail")
    if isinstance(detail, dict) and (message := _text(detail.get("message"))):
        return message
    for found in (value.get("error"), detail):
        if found:
            return found if isinstance(found, str) else json.dumps(found)
    if "error" in value or "errorDetail" in value:
        return "the engine reports an error without saying which"
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 63 else 0
