"""The overview of the space (`o`): its sections, and that Enter goes to the thing."""

from pathlib import Path

import msgspec
import pytest

from nuvtui.model.distribution import Strategies
from nuvtui.model.stage import StateRef
from nuvtui.paths import Home
from nuvtui.tui.features.spaces.overview import SpaceOverview
from nuvtui.worker.submit import submit
from tests.tui.harness import press, says, settle, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past
from tests.worker import running as tasks


@pytest.fixture
def study(tmp_path: Path) -> Study:
    found = study_with_past(tmp_path)
    services = found.services
    other = services.instances.create(found.space.id, "Second", tmp_path / "Second")
    newest = services.snapshots.list(found.master.id)[0]
    services.staging.add(StateRef(found.master.id, newest.id), ["notes.md"], [], [])
    services.distribution.distribute(found.space.id, [other.id], Strategies(), "Look\x1b[31m at this")
    return found


async def shown(pilot: object) -> SpaceOverview:
    found = pilot.app.screen  # type: ignore[attr-defined]
    assert isinstance(found, SpaceOverview)
    return found


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_every_section_is_there(study: Study, size: tuple[int, int]) -> None:
    async with opened(study, size=size) as pilot:
        await press(pilot, "o")
        await until(pilot, lambda: says(pilot, "Newest snapshots"), "the overview")
        for word in ("Instances", "Second", "second-data", "Look␛[31m at this", "here for the first time"):
            await until(pilot, lambda word=word: says(pilot, word), word)
        await press(pilot, "G")
        for word in ("None yet. n in Exports (4) makes one.", "By kind", "Store on disk"):
            await until(pilot, lambda word=word: says(pilot, word), word)
        if size[0] >= 120:
            assert (await shown(pilot)).right.display
            await press(pilot, "tab")
            await until(pilot, lambda: says(pilot, "snapshot of"), "the detail of a snapshot")


async def test_the_cursor_rests_on_things_and_the_detail_follows(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "o")
        screen = await shown(pilot)
        await until(pilot, lambda: screen.left.entry, "the first instance")
        assert screen.left.entry
        assert screen.left.entry.key == study.master.id
        await until(pilot, lambda: says(pilot, "your role here: space administrator, open now"), "the detail")
        await press(pilot, "k")
        assert screen.left.entry.key == study.master.id, "titles are passed over"
        seen = set()
        for _ in range(40):
            assert screen.left.entry is not None
            seen.add(screen.left.entry.key)
            await press(pilot, "j")
        assert {"kinds", "store"} <= seen
        await press(pilot, "g")
        assert screen.left._top == 0


async def test_enter_goes_to_a_snapshot_of_another_instance(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "o")
        screen = await shown(pilot)
        await until(pilot, lambda: screen.left.entries, "the overview")
        backup = next(e for e in screen.left.entries if e.target and e.target.kind == "snapshot")
        screen.left.move_to_key(backup.key)
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "study / Second"), "the other instance")
        timeline = pilot.app.main_screen.pane("timeline")  # type: ignore[attr-defined]
        await until(pilot, lambda: timeline.states.current_key == backup.key, "the cursor on the snapshot")


async def test_enter_opens_instance_and_message(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "o")
        screen = await shown(pilot)
        await until(pilot, lambda: screen.left.entries, "the overview")
        message = next(e for e in screen.left.entries if e.target and e.target.kind == "message")
        screen.left.move_to_key(message.key)
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "distributed to you"), "the message")
        await press(pilot, "enter")
        await until(pilot, lambda: pilot.app.screen is screen, "back")
        screen.left.move_to_key(
            next(e.key for e in screen.left.entries if e.target and e.target.label == "Second")
        )
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "study / Second"), "the instance")


async def test_o_again_shows_all_spaces_and_a_change_elsewhere_is_seen(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "o")
        await until(pilot, lambda: says(pilot, "Newest snapshots"), "the overview")
        study.services.snapshots.create(study.master.id, "taken-elsewhere")
        await until(pilot, lambda: says(pilot, "taken-elsewhere"), "what another process did")
        await press(pilot, "o")
        await until(pilot, lambda: says(pilot, "Spaces and instances"), "all spaces")
        await press(pilot, "escape")
        await until(pilot, lambda: says(pilot, "Newest snapshots"), "back")


async def test_what_finished_since_the_screens_were_closed(study: Study, tmp_path: Path) -> None:
    home: Home = study.services.home
    async with opened(study) as pilot:
        await settle(pilot)
    request = tasks.request("hold", folder=str(tmp_path), lines=1)
    identifier = submit(home, msgspec.structs.replace(request, space=study.space.id), worker=tasks.WORKER)
    tasks.ready(tmp_path)
    (tmp_path / "go").touch()
    tasks.ended(home, identifier)
    async with opened(study) as pilot:
        await press(pilot, "o")
        await until(pilot, lambda: says(pilot, "Finished since you left"), "the section")
        await until(pilot, lambda: says(pilot, "Do hold"), "the task")
