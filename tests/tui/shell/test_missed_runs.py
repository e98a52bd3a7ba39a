"""A scheduled run that did not take place is told at the next start."""

import os
from pathlib import Path

import msgspec

from nuvtui.model.policy import Installed, PolicyRun
from nuvtui.model.schedule import Schedule
from tests.tui.harness import shown_text, until
from tests.tui.sharing import lay_out, running

LONG_AGO = "2026-01-01T00:00:00.000000+00:00"


async def test_missed_runs_are_told_at_the_start(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    services = study.services
    daily = Schedule(hour=2)
    instance = next(each for each in services.context.view().instances.all() if each.name == "Master")
    policy = services.policies.set(instance.id, schedule=daily)
    installed = Installed("crontab", services.user, os.uname().nodename, "0" * 16, daily, LONG_AGO)
    with services.context.state.transaction() as tx:
        tx.policies.put(msgspec.structs.replace(policy, installed=installed))
    async with running(study, notices=True) as pilot:
        await until(pilot, lambda: "missed 100 runs" in shown_text(pilot.app), "the notice")
        assert "While you were away" in shown_text(pilot.app)


async def test_a_policy_that_missed_nothing_is_not_spoken_of(tmp_path: Path) -> None:
    study = lay_out(tmp_path, table=False)
    services = study.services
    daily = Schedule(hour=2)
    instance = next(each for each in services.context.view().instances.all() if each.name == "Master")
    policy = services.policies.set(instance.id, schedule=daily)
    elsewhere = Installed("crontab", services.user, "another-machine", "0" * 16, daily, LONG_AGO)
    with services.context.state.transaction() as tx:
        tx.policies.put(
            msgspec.structs.replace(policy, installed=elsewhere, last=PolicyRun(instance.id, "", LONG_AGO))
        )
    async with running(study, notices=True) as pilot:
        await pilot.app.jobs.settled()
        await pilot.pause()
        assert "missed" not in shown_text(pilot.app)
