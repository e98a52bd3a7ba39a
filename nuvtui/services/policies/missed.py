"""Missed runs: told at the next start. Reads the state that is there already, and asks nobody."""

import datetime
import os

from nuvtui import clock
from nuvtui.catalog.view import View
from nuvtui.model import schedule
from nuvtui.model.policy import MissedRun

GRACE = datetime.timedelta(minutes=15)
"""A run that was due so lately may be about to begin: timers bundle their work."""


def missed_runs(view: View, user: str) -> list[MissedRun]:
    """The schedules that `user` installed on this machine and whose newest due run did not begin."""
    now = clock.parse(clock.now())
    found = []
    for policy in view.policies.all():
        instance, space = view.instances.get(policy.id), view.spaces.get(policy.space)
        installed = policy.installed
        if instance is None or space is None or installed is None:
            continue
        if (installed.user, installed.host) != (user, os.uname().nodename):
            continue
        since = clock.parse(max(installed.at, policy.last.started if policy.last else ""))
        due = schedule.missed(installed.schedule, since, now - GRACE)
        if due:
            newest = due[0].astimezone(datetime.UTC).isoformat(timespec="microseconds")
            found.append(MissedRun(space.name, instance.name, instance.id, newest, len(due)))
    return found
