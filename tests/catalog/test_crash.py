"""A write of the state, cut at each of its file operations (hard case 1, for the state)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.catalog import codec
from nuvtui.catalog.catalog import Catalog
from nuvtui.errors import StoreError
from nuvtui.paths import Home
from tests.catalog.cuts import killed_at, refused_at, trace
from tests.catalog.records import snapshot, space


@pytest.fixture
def filled(home: Home) -> Home:
    state = Catalog(home)
    state.create()
    for number in range(4):
        with state.transaction() as change:
            change.spaces.put(space("a", f"name {number}"))
            change.snapshots.put(snapshot(number))
    return home


def _change(home: Home) -> Callable[[], None]:
    def change() -> None:
        with Catalog(home).transaction() as transaction:
            transaction.spaces.put(space("a", "changed"))

    return change


def _copy(home: Home, folder: Path) -> Home:
    """The store again, with generations that are files of their own as before."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(home.root, folder)
    return Home(folder)


def _whole(home: Home) -> str:
    """The name of the space; all that lies there must be whole."""
    state = Catalog(home)
    view = state.read()
    assert state.recovered is None
    assert len(view.snapshots) == 4
    for generation in state.backups():
        codec.load(generation.read_bytes())
    (found,) = view.spaces.all()
    return found.name


@pytest.mark.parametrize("half", [False, True])
def test_killed_anywhere_it_is_the_old_state_or_the_new_one(filled: Home, tmp_path: Path, half: bool) -> None:
    outcomes = []
    number = 0
    while True:
        copy = _copy(filled, tmp_path / "copy")
        killed = killed_at(number, _change(copy), half=half)
        outcomes.append(_whole(copy))
        assert len(Catalog(copy).backups()) >= 2
        _change(copy)()  # a retry succeeds, with no lock left over
        assert _whole(copy) == "changed"
        if not killed:
            break
        number += 1
    assert outcomes == sorted(outcomes, key=lambda name: name == "changed")  # once new, never old again
    assert set(outcomes) == {"name 3", "changed"}
    assert number == len(trace(_change(_copy(filled, tmp_path / "copy"))))


def test_a_full_disk_anywhere_is_told_and_leaves_the_old_state_or_the_new_one(
    filled: Home, tmp_path: Path
) -> None:
    total = len(trace(_change(_copy(filled, tmp_path / "copy"))))
    assert total > 8
    for number in range(total):
        copy = _copy(filled, tmp_path / "copy")
        error = refused_at(number, _change(copy))
        assert isinstance(error, StoreError), number
        assert "No space left" in error.message
        # The last two operations make the new name durable: by then the change is there, and may stay.
        assert _whole(copy) == ("name 3" if number < total - 2 else "changed")
        assert not list(copy.root.glob(".nuvtui-tmp-*"))
        _change(copy)()
        assert _whole(copy) == "changed"


def test_the_bytes_are_on_the_disk_before_they_replace_and_the_name_after(filled: Home) -> None:
    names = trace(_change(filled))
    last = len(names) - 1 - names[::-1].index("replace")
    assert names[last - 3 : last + 3] == ["open", "write", "fsync", "replace", "open", "fsync"]
    assert names.index("link") < last  # the old state has its second name before it loses the first


def test_creating_can_be_cut_anywhere(tmp_path: Path) -> None:
    number = 0
    while True:
        home = Home(tmp_path / str(number) / "home")
        killed = killed_at(number, Catalog(home).create, half=True)
        Catalog(home).create()
        assert Catalog(home).read().spaces.all() == []
        if not killed:
            break
        number += 1
    assert number > 4


def test_recovering_can_be_cut_anywhere(filled: Home, tmp_path: Path) -> None:
    number = 0
    while True:
        home = _copy(filled, tmp_path / "copy")
        home.state.write_bytes(b"\0" * 100)

        def recover(home: Home = home) -> None:
            Catalog(home).read()

        killed = killed_at(number, recover, half=True)
        assert [space.name for space in Catalog(home).read().spaces.all()] == ["name 2"]
        assert {path.read_bytes() for path in Catalog(home).damaged()} == {b"\0" * 100}
        if not killed:
            break
        number += 1
    assert number > 4
