"""Damaged, missing, foreign and newer state files."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.catalog import codec
from nuvtui.catalog.catalog import Catalog
from nuvtui.errors import Exit, NuvError
from nuvtui.paths import Home
from tests.catalog.records import CREATED, snapshot, space

DAMAGES = {
    "empty": lambda data: b"",
    "NUL": lambda data: b"\0" * len(data),
    "cut in the first line": lambda data: data[:40],
    "cut at the first line": lambda data: data[:256],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "last byte gone": lambda data: data[:-1],
    "NUL at the end": lambda data: data[:-64] + b"\0" * 64,
    "a block of NUL": lambda data: data[:300] + b"\0" * 100 + data[400:],
    "one bit": lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
    "another JSON": lambda data: b'{"_default": {}}\n',
    "longer": lambda data: data + data,
}


@pytest.fixture
def history(home: Home) -> list[str]:
    """Three changes; the names that the one space had."""
    state = Catalog(home)
    state.create()
    names = ["first", "second", "third"]
    for number, name in enumerate(names):
        with state.transaction() as change:
            change.spaces.put(space("a", name))
            change.snapshots.put(snapshot(number))
    return names


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("way", ["read", "transaction"])
def test_the_last_good_generation_is_taken_and_the_damaged_file_kept(
    home: Home, history: list[str], damage, way: str
) -> None:
    broken = damage(home.state.read_bytes())
    # In place, as a failing disk does it; `state.json` shares its inode with no generation.
    home.state.write_bytes(broken)
    state = Catalog(home)
    if way == "read":
        assert state.read().spaces.all() == [space("a", "second")]
    else:
        with state.transaction() as change:
            assert change.spaces.all() == [space("a", "second")]
    assert state.recovered is not None
    assert "nuvtui store repair" in state.recovered
    (kept,) = state.damaged()
    assert kept.read_bytes() == broken
    assert kept.name in state.recovered
    later = Catalog(home)
    assert later.read().spaces.all() == [space("a", "second")]
    assert later.recovered is None


def test_damaged_generations_are_passed_over(home: Home, history: list[str]) -> None:
    home.state.write_bytes(b"")
    Path(f"{home.state}.1").write_bytes(b"\0" * 1000)
    assert Catalog(home).read().spaces.all() == [space("a", "first")]


def test_a_missing_file_is_recovered_too(home: Home, history: list[str]) -> None:
    home.state.unlink()
    state = Catalog(home)
    assert state.exists()
    assert state.read().spaces.all() == [space("a", "second")]
    assert "is missing" in str(state.recovered)
    assert home.state.exists()
    assert state.damaged() == []


def test_creating_does_not_bury_what_can_be_recovered(home: Home, history: list[str]) -> None:
    home.state.unlink()
    Catalog(home).create()
    assert Catalog(home).read().spaces.all() == [space("a", "second")]


def test_where_nothing_is_whole_it_refuses_until_it_is_reset(home: Home, history: list[str]) -> None:
    for path in [home.state, *Catalog(home).backups()]:
        path.write_bytes(b"\0")
    state = Catalog(home)
    for use in (state.read, lambda: state.transaction().__enter__()):
        with pytest.raises(NuvError, match="nothing but NUL") as error:
            use()
        assert error.value.exit_code == Exit.FAILED
        assert "nuvtui store repair" in error.value.hint
    assert home.state.read_bytes() == b"\0"
    kept = state.reset()
    assert kept is not None
    assert kept.read_bytes() == b"\0"
    with state.transaction() as change:
        change.spaces.put(space("b"))
    assert Catalog(home).read().spaces.all() == [space("b")]


def test_reset_leaves_a_readable_state_alone(home: Home, history: list[str]) -> None:
    before = home.state.read_bytes()
    assert Catalog(home).reset() is None
    assert home.state.read_bytes() == before


def test_a_newer_file_is_refused_and_left(home: Home, history: list[str]) -> None:
    newer = codec.encode({"spaces": {}, "wonders": {}}, 2, 9, CREATED)
    home.state.write_bytes(newer)
    state = Catalog(home)
    for use in (state.read, state.reset, lambda: state.transaction().__enter__()):
        with pytest.raises(NuvError, match="expected version 1 or older, found 2") as error:
            use()
        assert error.value.exit_code == Exit.REFUSED
    assert home.state.read_bytes() == newer
    assert state.damaged() == []


def test_a_newer_generation_is_not_passed_over_for_an_older_one(home: Home, history: list[str]) -> None:
    Path(f"{home.state}.1").write_bytes(codec.encode({}, 2, 9, CREATED))
    home.state.write_bytes(b"")
    with pytest.raises(NuvError, match="newer nuvtui"):
        Catalog(home).read()


def test_who_may_only_read_still_reads(open_folder: Path, home: Home, history: list[str]) -> None:
    home.state.write_bytes(b"")
    home = Home(shutil.copytree(home.root, open_folder / "home"))
    Catalog(Home(shutil.copytree(home.root, open_folder / "other"))).read()  # loads what nobody may not read
    for path in home.root.iterdir():
        path.chmod(0o444)
    home.root.chmod(0o555)
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            state = Catalog(home)
            same = state.read().spaces.all() == [space("a", "second")]
            status = 0 if same and state.recovered and "kept as" not in state.recovered else 2
        os._exit(status)
    _, result = os.waitpid(child, 0)
    home.root.chmod(0o700)
    assert os.waitstatus_to_exitcode(result) == 0
    assert home.state.read_bytes() == b""


@given(st.data())
def test_no_byte_can_be_lost_or_changed_unnoticed(data: st.DataObject) -> None:
    whole = codec.encode({"spaces": {"a": space("a", data.draw(st.text(max_size=30)))}}, 1, 3, CREATED)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(codec.DamagedError):
        codec.meta(whole[:cut])
    place = data.draw(st.integers(256, len(whole) - 1))
    flipped = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    with pytest.raises(codec.DamagedError):
        codec.meta(flipped)


@given(st.binary(max_size=400))
def test_any_other_bytes_are_damage_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(codec.DamagedError):
        codec.meta(data)
