"""Schedules: when a policy runs, in words, as systemd and as cron write it, and which runs were missed.

Times of day are those of the machine's own zone, as systemd's and cron's are.
"""

import datetime
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLES = "every 6h, daily 02:00, weekly sun 03:30"

_EVERY = r"every ([0-9]{1,2}) ?h(?:ours?)?"
_AT = r"(?:daily|weekly ([a-z]{3,9}))(?: at)? ([0-9]{1,2}):([0-9]{2})"
_WHOLE_HOURS = (1, 2, 3, 4, 6, 8, 12)
"""What divides a day: cron knows no other distance."""
_MOST = 100
"""Missed runs that are counted."""


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every so many hours from midnight on, or at a time of each day, or of one day of the week."""

    hours: int = 0
    """Distance of the runs; 0: once a day or week."""
    hour: int = 0
    minute: int = 0
    weekday: Weekday | None = None

    @property
    def text(self) -> str:
        """In the words that `parse` reads."""
        if self.hours:
            return f"every {self.hours}h"
        when = f"{self.hour:02}:{self.minute:02}"
        return f"weekly {self.weekday} {when}" if self.weekday else f"daily {when}"

    @property
    def cron(self) -> str:
        """The five fields of a crontab line."""
        if self.hours:
            return "0 * * * *" if self.hours == 1 else f"0 */{self.hours} * * *"
        day = (WEEKDAYS.index(self.weekday) + 1) % 7 if self.weekday else "*"
        return f"{self.minute} {self.hour} * * {day}"

    @property
    def calendar(self) -> str:
        """What `OnCalendar=` of a systemd timer says."""
        if self.hours:
            return f"*-*-* 00/{self.hours}:00:00"
        day = f"{self.weekday.capitalize()} " if self.weekday else ""
        return f"{day}*-*-* {self.hour:02}:{self.minute:02}:00"


def parse(text: str) -> Schedule:
    """The schedule that `text` means. Raises ValueError, with what was expected."""
    words = " ".join(text.lower().split())
    if words == "hourly":
        return Schedule(hours=1)
    if found := re.fullmatch(_EVERY, words):
        if int(found[1]) in _WHOLE_HOURS:
            return Schedule(hours=int(found[1]))
        raise ValueError(f"expected every 1, 2, 3, 4, 6, 8 or 12 hours, which divide a day; found {text!r}")
    if (found := re.fullmatch(_AT, words)) and int(found[2]) < 24 and int(found[3]) < 60:
        day = next((each for each in WEEKDAYS if (found[1] or "").startswith(each)), None)
        if day is not None or not found[1]:
            return Schedule(hour=int(found[2]), minute=int(found[3]), weekday=day)
    raise ValueError(f"expected one like {EXAMPLES}; found {text!r}")


def missed(
    schedule: Schedule, since: datetime.datetime, now: datetime.datetime, zone: datetime.tzinfo | None = None
) -> list[datetime.datetime]:
    """When runs were due after `since` and up to `now`, newest first; at most 100. `zone`: None is the machine's."""
    found: list[datetime.datetime] = []
    for due in _back(schedule, now, zone):
        if due <= since or len(found) == _MOST:
            break
        found.append(due)
    return found


def _back(
    schedule: Schedule, now: datetime.datetime, zone: datetime.tzinfo | None
) -> Iterator[datetime.datetime]:
    """The times that are due, from `now` backwards, without end."""
    day = now.astimezone(zone).date()
    times = [datetime.time(hour) for hour in range(0, 24, schedule.hours)] if schedule.hours else []
    for _each in range(366 * 100):
        if schedule.weekday is None or WEEKDAYS[day.weekday()] == schedule.weekday:
            for time in reversed(times or [datetime.time(schedule.hour, schedule.minute)]):
                wall = datetime.datetime.combine(day, time)
                due = wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
                if due <= now:
                    yield due
        day -= datetime.timedelta(days=1)
