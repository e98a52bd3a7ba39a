"""Times as people read them. Nothing here moves by itself: an idle screen sends nothing."""

import datetime

from nuvtui import clock


def local(text: str) -> datetime.datetime:
    """The time that `text` (ISO 8601) tells, in this machine's zone. Raises ValueError."""
    return clock.parse(text).astimezone()


def ago(text: str | None, now: datetime.datetime | None = None) -> str:
    """How long ago: `just now`, `5 min ago`, `3 h ago`, `2 days ago`, later the date; empty for no time."""
    if not text:
        return ""
    try:
        then = local(text)
    except ValueError:
        return ""
    seconds = int(((now or datetime.datetime.now().astimezone()) - then).total_seconds())
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 24 * 3600:
        return f"{seconds // 3600} h ago"
    days = seconds // (24 * 3600)
    if days < 14:
        return f"{days} day{'s' if days > 1 else ''} ago"
    return then.strftime("%Y-%m-%d")


def moment(text: str | None) -> str:
    """Date and time, to the second: `2025-03-01 14:05:09`; empty for no time."""
    if not text:
        return ""
    try:
        return local(text).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return ""


def took(start: str | None, end: str | None) -> str:
    """Time between two moments (`end` None: until now): `0.4 s`, `12 s`, `3:05`, `1:02:33`; empty for no start."""
    if not start:
        return ""
    try:
        begin = local(start)
        finish = local(end) if end else datetime.datetime.now().astimezone()
    except ValueError:
        return ""
    seconds = max(0.0, (finish - begin).total_seconds())
    if seconds < 10 and end:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
