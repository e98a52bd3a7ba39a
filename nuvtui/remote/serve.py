"""The far side of an SSH remote: the five verbs of a folder or a store home, over standard input and output."""

import io
import itertools
import select
from collections.abc import Callable
from typing import BinaryIO

from nuvtui.errors import NuvError
from nuvtui.remote import frames
from nuvtui.remote.blobs import Blobs, is_key
from nuvtui.remote.failure import (
    AbsentError,
    DamagedError,
    DeniedError,
    FullError,
    RemoteError,
    TransientError,
)
from nuvtui.remote.frames import Answer, Call, Delete, Listed, Put, Read, Request, Stat

FAILURES: dict[type[RemoteError], str] = {
    AbsentError: "absent",
    TransientError: "transient",
    DeniedError: "denied",
    FullError: "full",
    DamagedError: "damaged",
    RemoteError: "other",
}
SILENCE = 3600.0
"""Seconds without a request after which the client counts as gone: what it holds keeps others waiting."""


def no_home(_body: bytes) -> bytes:
    """Answer to whoever asks a folder for what only a store home can do."""
    raise RemoteError("There is no store home here", "a remote in a folder holds snapshots only", "")


def serve(
    blobs: Blobs, requests: BinaryIO, answers: BinaryIO, called: Callable[[bytes], bytes] = no_home
) -> None:
    """Answer requests until there are no more; `called` answers those beyond the five verbs.

    Raises frames.CutError where the client breaks off, OSError.
    """
    answers.write(frames.HELLO)
    answers.flush()
    while _asked(requests) and (request := frames.read_request(requests)) is not None:
        try:
            answer = _answer(blobs, request, called)
        except NuvError as error:
            answer = Answer(
                failure=FAILURES.get(type(error), "other"),  # type: ignore[arg-type] # any error may be looked up
                title=error.title,
                message=error.message,
                hint=error.hint,
                exit_code=int(error.exit_code),
            )
        frames.write(answers, answer)


def _asked(requests: BinaryIO) -> bool:
    """Wait for the next request; False where none comes. A client asks again only when it was answered."""
    try:
        return bool(select.select([requests], [], [], SILENCE)[0])
    except (io.UnsupportedOperation, ValueError):  # nothing that one can wait for
        return True


def _answer(blobs: Blobs, request: Request, called: Callable[[bytes], bytes]) -> Answer:
    match request:
        case Call():
            return Answer(data=called(request.body))
        case Listed():
            later = (blob for blob in sorted(blobs.list(request.prefix)) if blob.key > request.after)
            return Answer(blobs=[(blob.key, blob.size) for blob in itertools.islice(later, frames.PAGE)])
        case Stat() | Read() | Put() | Delete() if not is_key(request.key):
            return Answer(
                failure="other", title=f"{request.key!r} is no key", message="it cannot name a blob"
            )
        case Stat():
            found = blobs.stat(request.key)
            return Answer(blobs=[(found.key, found.size)])
        case Read():
            return Answer(data=blobs.read(request.key, max(0, request.start), request.length))
        case Put():
            return Answer(written=blobs.put_if_absent(request.key, request.data))
        case Delete():
            blobs.delete(request.key)
            return Answer()
