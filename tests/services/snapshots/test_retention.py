"""Which snapshots go by a filter, and what deleting really frees."""

import datetime
import os
from collections.abc import Callable

import pytest

from nuvtui import clock
from tests.services.helpers import Listener, World
from tests.support.cli import Nuvtui


def at(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    monkeypatch.setattr(clock, "now", lambda: f"2026-03-{day:02}T12:00:00.000000+00:00")


def test_a_filter_takes_by_kind_and_age_and_never_what_has_a_name(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    for day in (1, 5, 9):
        at(monkeypatch, day)
        study.write("day.txt", str(day))
        made[day, "quick"] = study.snapshot().id
        made[day, "named"] = study.snapshot(f"state of day {day}").id
        result = study.services.restore.restore(made[day, "named"], study.master.id, Listener())
        made[day, "automatic"] = result.backup
    at(monkeypatch, 11)
    disposable: Callable[..., list[object]] = study.services.snapshots.disposable
    for kind in ("", "quick", "automatic"):
        for days, left in (
            (None, {1, 5, 9}),
            (1, {1, 5, 9}),
            (2, {1, 5}),
            (6, {1}),
            (10, set()),
            (30, set()),
        ):
            age = None if days is None else datetime.timedelta(days=days)
            found = {record.id for record in disposable(study.master.id, kind, age)}  # type: ignore[attr-defined]
            assert found == {
                identifier
                for (day, its), identifier in made.items()
                if day in left and its != "named" and its in (kind or its)
            }, (kind, days)


def test_unique_bytes_are_what_deleting_each_frees(study: World) -> None:
    ids = []
    for number in range(3):
        study.write(f"only-{number}.bin", os.urandom(40_000 * (number + 1)))
        study.write(f"from-{number}.bin", os.urandom(1000))
        ids.append(study.snapshot().id)
        (study.root() / f"only-{number}.bin").unlink()
    ids.append(study.snapshot().id)
    unique = study.services.maintenance.info().unique_bytes
    assert unique.keys() == set(ids)
    for identifier in ids:
        assert abs(unique[identifier] - study.services.snapshots.freed_by([identifier])) < 20
    for number in range(3):
        assert 40_000 * (number + 1) < unique[ids[number]] < 40_000 * (number + 1) + 3000


def test_deleting_by_filter_on_the_command_line(study: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUVTUI_HOME", str(study.home.root))
    quick, named = study.snapshot().id, study.snapshot("keep this state").id
    nuvtui = Nuvtui(study.root())
    preview = nuvtui.json("snapshots", "delete", "--kind", "quick", "--dry-run")
    assert (preview["deleted"], preview["would_delete"]) == ([], [quick])
    assert nuvtui.json("snapshots", "delete", "--older-than", "1d", "--yes")["deleted"] == []
    assert nuvtui.json("snapshots", "delete", "--kind", "quick", "--yes")["deleted"] == [quick]
    assert [s["id"] for s in nuvtui.json("snapshots", "list")] == [named]
    assert nuvtui.json("snapshots", "show", named)["unique_bytes"] > 0
    assert nuvtui.json("store", "info")["unique_bytes"].keys() == {named}
