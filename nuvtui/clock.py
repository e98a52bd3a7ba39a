"""Time and chance: the two things that tests replace."""

import datetime
import os

from nuvtui.model.names import ID_LENGTH


def now() -> str:
    """The time in UTC, ISO 8601 with microseconds: sorts as text."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def new_id() -> str:
    """A new id: 64 random bits in hexadecimal."""
    return os.urandom(ID_LENGTH // 2).hex()


def parse(text: str) -> datetime.datetime:
    """The time that `now` wrote."""
    return datetime.datetime.fromisoformat(text)
