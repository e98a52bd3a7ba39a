"""The far side of an SSH remote: the five verbs of a folder, over standard input and output."""

import itertools
from typing import BinaryIO

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
from nuvtui.remote.frames import Answer, Delete, Listed, Put, Read, Request, Stat

FAILURES: dict[type[RemoteError], str] = {
    AbsentError: "absent",
    TransientError: "transient",
    DeniedError: "denied",
    FullError: "full",
    DamagedError: "damaged",
    RemoteError: "other",
}


def serve(blobs: Blobs, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more. Raises frames.CutError where the client breaks off, OSError."""
    answers.write(frames.HELLO)
    answers.flush()
    while (request := frames.read_request(requests)) is not None:
        try:
            answer = _answer(blobs, request)
        except RemoteError as error:
            answer = Answer(
                failure=FAILURES[type(error)], title=error.title, message=error.message, hint=error.hint
            )
        frames.write(answers, answer)


def _answer(blobs: Blobs, request: Request) -> Answer:
    match request:
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
