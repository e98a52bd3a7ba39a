"""The newest snapshot: that which was taken last; one that cannot be read stops nobody."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui import clock
from nuvtui.catalog.catalog import Catalog
from nuvtui.errors import NuvError
from nuvtui.model.stage import StateRef
from tests.services.helpers import Listener, World


def test_a_clock_that_was_set_back_changes_no_order(study: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for at, day in enumerate(("2026-11-30", "2019-02-01", "2031-05-05", "2026-12-01")):
        monkeypatch.setattr(clock, "now", lambda day=day: f"{day}T10:00:00.000000+00:00")
        study.write("a.txt", f"state {at}")
        ids.append(study.services.snapshots.create(study.master.id).id)
    services = study.services

    def seen() -> list[str]:
        return [record.id for record in services.snapshots.list(study.master.id)]

    def newest() -> str | None:
        return services.context.view().newest(study.master.id)

    assert seen() == ids[::-1]
    assert [record.id for record in services.snapshots.timeline(study.master.id).records] == ids[::-1]
    assert services.changes.status(study.master.id).empty
    # The one in the middle goes, its time and its place with it; the order of the others stays.
    services.snapshots.delete([ids[2]])
    services.snapshots.delete([ids[1]])
    left = [ids[3], ids[0]]
    assert seen() == left
    study.write("a.txt", "one more")
    left.insert(0, services.snapshots.create(study.master.id).id)
    # All is known from the manifests alone.
    for file in (study.home.state, *Catalog(study.home).backups()):
        file.unlink()
    rebuilt = study.fresh()
    rebuilt.maintenance.repair()
    assert [record.id for record in rebuilt.snapshots.list(study.master.id)] == left
    assert newest() == left[0]


def test_age_rules_spare_what_a_wrong_clock_made_old(study: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    for day in ("2026-11-30", "2019-02-01"):
        monkeypatch.setattr(clock, "now", lambda day=day: f"{day}T10:00:00.000000+00:00")
        study.services.snapshots.create(study.master.id)
    monkeypatch.setattr(clock, "now", lambda: "2026-12-01T10:00:00.000000+00:00")
    month = datetime.timedelta(days=30)
    assert study.services.snapshots.disposable(study.master.id, "", month) == []


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_truncated, _pipe, _folder, Path.unlink])
def test_a_newest_manifest_that_cannot_be_read_is_passed_over_with_a_word(
    study: World, damage: Callable[[Path], None]
) -> None:
    sound = study.snapshot("sound")
    study.write("a.txt", "later")
    damaged = study.snapshot("damaged")
    damage(study.home.manifest(damaged.id))
    services = study.fresh()
    with pytest.raises(NuvError, match=damaged.id) as error:  # not the changes since another one in its place
        services.changes.status(study.master.id)
    assert "store repair" in error.value.hint
    listener = Listener()
    taken = services.snapshots.create(study.master.id, "after", reporter=listener)
    assert any(damaged.id[:8] in sentence and "store repair" in sentence for sentence in listener.warnings)
    assert taken.parent == sound.id
    listener = Listener()
    services.restore.restore(sound.id, None, listener)
    assert not (study.root() / "a.txt").exists()
    # What the words say to do works: check names it, repair sets it aside, all is well.
    assert [p.snapshots for p in services.maintenance.check().problems] == [[damaged.id]]
    services.maintenance.repair()
    assert services.maintenance.check(read_data=True).problems == []


def test_a_parent_whose_files_cannot_be_read_stops_no_snapshot(study: World) -> None:
    study.write("d/inner.txt", "one")
    study.snapshot("damaged")
    for pack in study.home.packs.iterdir():
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        for at in range(200, len(data) - 40):
            data[at] ^= 0xFF
        pack.write_bytes(data)
    for each in study.root().rglob("*"):
        if each.is_file() and ".nuvtui" not in each.parts:
            each.unlink()
    (study.root() / ".nuvtui" / "ignore").write_text("other\n")
    study.write("new.txt", "new")
    services = study.fresh()
    listener = Listener()
    taken = services.snapshots.create(study.master.id, "after", reporter=listener)
    assert any("not known" in sentence for sentence in listener.warnings), listener.warnings
    assert services.states.reader(StateRef(study.master.id, taken.id)).read("new.txt") == b"new"
