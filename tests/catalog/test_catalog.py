"""Reading and changing the state: what is in the file, and who sees what when."""

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tinydb import TinyDB
from tinydb.table import Table as TinyTable

from nuvtui.catalog.catalog import Catalog
from nuvtui.catalog.schema import member_key, stage_key
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model.distribution import Distribution, Strategies, TargetResult
from nuvtui.model.export import ExportRecord
from nuvtui.model.roles import Role
from nuvtui.model.space import Instance, Member, Message
from nuvtui.model.stage import Stage, StateRef
from nuvtui.paths import Home
from tests.catalog.records import CREATED, snapshot, space


@pytest.fixture
def state(home: Home) -> Catalog:
    made = Catalog(home)
    made.create()
    return made


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_a_store_it_says_so(home: Home) -> None:
    state = Catalog(home)
    assert not state.exists()
    assert state.stamp() == ()
    for use in (state.read, lambda: state.transaction().__enter__()):
        with pytest.raises(NuvError) as error:
            use()
        assert error.value.exit_code == Exit.NOT_FOUND
        assert str(home.root) in error.value.title
    assert not home.root.exists()


def test_a_new_state_is_private_and_empty(home: Home) -> None:
    os.umask(0)
    state = Catalog(home)
    state.create()
    assert state.exists()
    assert _mode(home.root) == 0o700
    assert {path.name: _mode(path) for path in home.root.iterdir()} == {
        "state.json": 0o600,
        "state.lock": 0o600,
    }
    assert state.read().spaces.all() == []


def test_creating_again_changes_nothing(state: Catalog, home: Home) -> None:
    with state.transaction() as change:
        change.spaces.put(space("1"))
    before = home.state.read_bytes()
    Catalog(home).create()
    assert home.state.read_bytes() == before


def test_a_shared_state_keeps_its_group_bits_whatever_the_umask(home: Home) -> None:
    home.root.mkdir(mode=0o770)
    os.umask(0o077)
    state = Catalog(home, shared=True)
    state.create()
    with Catalog(home).transaction() as change:  # somebody who does not know that it is shared
        change.spaces.put(space("1"))
    modes = {path.name: _mode(path) for path in home.root.iterdir()}
    assert modes == {"state.json": 0o660, "state.json.1": 0o660, "state.lock": 0o660}


def test_a_private_state_can_be_opened_to_the_group(state: Catalog, home: Home) -> None:
    with state.transaction() as change:
        change.spaces.put(space("1"))
    Catalog(home, shared=True).create()
    with state.transaction() as change:
        change.spaces.put(space("2"))
    assert {_mode(path) for path in home.root.iterdir()} == {0o660}


def test_a_state_in_a_folder_of_the_group_is_the_groups(home: Home) -> None:
    home.root.mkdir()
    home.root.chmod(0o2770)
    Catalog(home).create()
    assert {_mode(path) for path in home.root.iterdir()} == {0o660}


def test_every_kind_of_record_comes_back(state: Catalog, home: Home) -> None:
    reference = StateRef("i" * 16, "f" * 16)
    instance = Instance("i" * 16, "1", "Master", "/data/b\\xe4r/wörk", CREATED)
    members = [Member("1", "alice", Role.ADMINISTRATOR), Member("1", "bob", Role.VIEWER, "i" * 16)]
    stage = Stage("1", "alice", reference, CREATED, files=["a b", "ü"], tables=["t"])
    distribution = Distribution(
        "d", "1", reference, "alice", CREATED, Strategies(), "see\nthis", "completed",
        [TargetResult("j", "study/review", "completed", backup="e" * 16)],
    )  # fmt: skip
    export = ExportRecord(
        "e",
        "1",
        "i",
        "analysis",
        None,
        "analysis",
        "alice",
        CREATED,
        "running",
        "docker",
        "docker.io/a/b:1",
        True,
    )
    message = Message("m", "i", "alice", "look \u2028 here", CREATED, "d", ["bob"])
    with state.transaction() as change:
        change.spaces.put(space("1"))
        change.instances.put(instance)
        for member in members:
            change.members.put(member)
        change.snapshots.put(snapshot(7))
        change.stages.put(stage)
        change.distributions.put(distribution)
        change.exports.put(export)
        change.messages.put(message)
    view = Catalog(home).read()
    assert view.spaces.get("1") == space("1")
    assert view.instances.get("i" * 16) == instance
    assert [view.members.get(member_key("1", "alice")), view.members.get(f"1/{'i' * 16}/bob")] == members
    assert view.snapshots.all() == [snapshot(7)]
    assert view.stages.get(stage_key("1", "alice")) == stage
    assert view.distributions.all() == [distribution]
    assert view.exports.all() == [export]
    assert view.messages.all() == [message]


def test_a_transaction_sees_its_own_changes_and_nobody_else_does(state: Catalog, home: Home) -> None:
    with state.transaction() as change:
        for name in "abc":
            change.spaces.put(space(name))
    with state.transaction() as change:
        change.spaces.put(space("b", "renamed"))
        change.spaces.put(space("d"))
        change.spaces.delete("a")
        change.spaces.delete("never there")
        assert change.spaces.get("a") is None
        assert change.spaces.get("b") == space("b", "renamed")
        assert [s.id for s in change.spaces.all()] == ["b", "c", "d"]
        assert len(change.spaces) == 3
        assert "d" in change.spaces
        assert "a" not in change.spaces
        assert [s.id for s in Catalog(home).read().spaces.all()] == ["a", "b", "c"]
    assert [(s.id, s.name) for s in Catalog(home).read().spaces.all()] == [
        ("b", "renamed"), ("c", "study"), ("d", "study"),
    ]  # fmt: skip


def test_deleted_and_put_again_is_there(state: Catalog) -> None:
    with state.transaction() as change:
        change.spaces.put(space("a"))
    with state.transaction() as change:
        change.spaces.delete("a")
        change.spaces.put(space("a", "again"))
    assert state.read().spaces.all() == [space("a", "again")]


def test_a_block_that_raises_changes_nothing(state: Catalog, home: Home) -> None:
    before = {path.name: path.read_bytes() for path in home.root.iterdir()}

    def interrupted() -> None:
        with state.transaction() as change:
            change.spaces.put(space("a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name: path.read_bytes() for path in home.root.iterdir()} == before
    with state.transaction() as change:  # and the lock is free
        assert change.spaces.all() == []


def test_what_changes_nothing_is_not_written(state: Catalog, home: Home) -> None:
    with state.transaction() as change:
        change.spaces.put(space("a"))
    stamp = state.stamp()
    with state.transaction() as change:
        change.spaces.put(space("a", "other"))
        change.spaces.put(space("a"))
        change.spaces.delete("b")
    assert state.stamp() == stamp
    assert [path.name for path in state.backups()] == ["state.json.1"]


def test_the_stamp_differs_after_every_change_and_a_view_stays_what_it_was(state: Catalog) -> None:
    stamps = {state.stamp()}
    old = state.read()
    for number in range(5):
        with state.transaction() as change:
            change.spaces.put(space("a", str(number)))
        stamps.add(state.stamp())
    assert len(stamps) == 6
    assert old.spaces.all() == []
    assert state.read().spaces.all() == [space("a", "4")]
    assert state.read() is state.read()


def test_the_last_three_generations_are_kept(state: Catalog, home: Home) -> None:
    contents = [home.state.read_bytes()]
    for number in range(5):
        with state.transaction() as change:
            change.spaces.put(space("a", str(number)))
        contents.append(home.state.read_bytes())
    assert [path.read_bytes() for path in state.backups()] == contents[-2:-5:-1]


def test_the_file_is_a_tinydb_database(state: Catalog, home: Home) -> None:
    class Keyed(TinyTable):
        document_id_class = str  # type: ignore[assignment]

    class Database(TinyDB):
        table_class = Keyed

    with state.transaction() as change:
        change.snapshots.put(snapshot(1))
    with Database(home.state, access_mode="r") as database:
        assert database.table("snapshots").all() == [json.loads(msgspec.json.encode(snapshot(1)))]
        meta = database.table("meta").get(doc_id="state")  # type: ignore[call-overload]
        assert meta["version"] == 1


def test_what_cannot_come_back_is_refused_when_it_is_put(state: Catalog) -> None:
    with state.transaction() as change:
        with pytest.raises(TypeError, match="Space belongs here"):
            change.spaces.put(snapshot(1))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="surrogates"):
            change.spaces.put(space("a", "\udcff"))
        with pytest.raises(msgspec.ValidationError):
            change.spaces.put(space("a", 7))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="does not survive"):
            change.stages.put(Stage("1", "alice", StateRef("i"), CREATED, files=("a",)))  # type: ignore[arg-type]
    assert state.read().spaces.all() == []
    assert state.read().stages.all() == []


def test_a_second_transaction_in_the_same_thread_is_an_error_not_a_deadlock(state: Catalog) -> None:
    with state.transaction(), pytest.raises(RuntimeError, match="open in this thread"), state.transaction():
        pass


def test_threads_take_turns(state: Catalog) -> None:
    def add() -> None:
        for _ in range(10):
            with state.transaction() as change:
                old = change.spaces.get("counter")
                change.spaces.put(space("counter", str(int(old.name) + 1 if old else 1)))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.read().spaces.all() == [space("counter", "40")]


def test_a_lock_that_is_not_to_be_had_is_a_conflict(state: Catalog, home: Home) -> None:
    with state.transaction():
        with pytest.raises(NuvError) as error, Catalog(home, lock_seconds=0).transaction():
            pass
        assert error.value.exit_code == Exit.CONFLICT
        assert Catalog(home, lock_seconds=0).read().spaces.all() == []  # readers wait for nobody


def test_unknown_tables_survive_a_change(state: Catalog, home: Home) -> None:
    from nuvtui.catalog import codec

    home.state.write_bytes(codec.encode({"plugins": {"x": {"a": 1}}}, 1, 1, CREATED))
    with state.transaction() as change:
        change.spaces.put(space("a"))
    assert json.loads(home.state.read_bytes())["plugins"] == {"x": {"a": 1}}


def test_a_record_that_is_not_what_its_table_holds_is_named_and_left(state: Catalog, home: Home) -> None:
    from nuvtui.catalog import codec

    home.state.write_bytes(codec.encode({"spaces": {"a": {"id": "a", "name": 7}}}, 1, 1, CREATED))
    before = home.state.read_bytes()
    with pytest.raises(NuvError, match="name") as error:
        state.read().spaces.all()
    assert error.value.exit_code == Exit.REFUSED
    assert state.read().instances.all() == []  # what nobody needs keeps nobody from working
    with pytest.raises(NuvError) as error, state.transaction() as change:
        change.spaces.all()
    assert error.value.exit_code == Exit.REFUSED
    assert home.state.read_bytes() == before


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "kept").write_text("kept")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_folder, _pipe])
def test_what_is_no_file_in_place_of_the_state_is_set_aside_as_damage_is(
    home: Home, make: Callable[[Path], None]
) -> None:
    Catalog(home).create()
    with Catalog(home).transaction() as tx:
        tx.spaces.put(space("1" * 16, "study 1"))
    with Catalog(home).transaction() as tx:
        tx.spaces.put(space("2" * 16, "study 2"))
    home.state.unlink()
    make(home.state)
    state = Catalog(home)
    assert len(state.read().spaces) == 1
    assert "not a file" in (state.recovered or "")
    (kept,) = state.damaged()
    assert not kept.is_file()
    assert make is not _folder or (kept / "kept").read_text() == "kept"
    # An earlier generation that is none: it is passed over, and makes way.
    home.state.unlink()
    newest = home.state.with_name("state.json.1")
    newest.unlink()
    make(newest)
    with Catalog(home).transaction() as tx:
        tx.spaces.put(space("3" * 16, "study 3"))
    with Catalog(home).transaction() as tx:
        tx.spaces.put(space("4" * 16, "study 4"))
    assert newest.is_file()
    assert {each.id for each in Catalog(home).read().spaces.all()} >= {
        space("3" * 16, "study 3").id,
        space("4" * 16, "study 4").id,
    }


@pytest.mark.parametrize("make", [_folder, _pipe])
def test_a_state_that_never_was_a_file_is_named_and_reset_sets_it_aside(
    home: Home, make: Callable[[Path], None]
) -> None:
    home.root.mkdir()
    make(home.state)
    for use in (Catalog(home).read, lambda: Catalog(home).transaction().__enter__()):
        with pytest.raises(NuvError, match="not a file") as error:
            use()
        assert str(home.state) in error.value.title
        assert "store repair" in error.value.hint
    assert Catalog(home).look().spaces.all() == []
    assert not home.state.is_file()
    assert Catalog(home).reset() is not None
    assert Catalog(home).read().spaces.all() == []


@pytest.mark.parametrize("make", [_folder, _pipe])
def test_a_lock_that_is_no_file_is_named_and_may_be_moved_away(
    home: Home, make: Callable[[Path], None]
) -> None:
    Catalog(home).create()
    lock = home.root / "state.lock"
    lock.unlink()
    make(lock)
    with pytest.raises(StoreError, match="not a file") as error, Catalog(home).transaction():
        pass
    assert "Move it away" in error.value.hint
    lock.rename(home.root / "elsewhere")
    with Catalog(home).transaction() as tx:
        tx.spaces.put(space("1" * 16, "study 1"))


def test_stale_temporaries_are_removed_and_fresh_ones_left(state: Catalog, home: Home) -> None:
    stale, fresh = home.root / ".nuvtui-tmp-1-a", home.root / ".nuvtui-tmp-2-b"
    for path in (stale, fresh):
        path.write_bytes(b"half a sta")
    os.utime(stale, (0, 0))
    with state.transaction() as change:
        change.spaces.put(space("a"))
    assert not stale.exists()
    assert fresh.exists()


def test_readers_and_writers_select_alike(state: Catalog) -> None:
    with state.transaction() as change:
        change.snapshots.put(*map(snapshot, range(3)))
        change.snapshots.put(msgspec.structs.replace(snapshot(1), name="another"))
        written = change.snapshots.select(name="another")
        both = change.snapshots.select(name="another", id=snapshot(2).id)
    assert written == state.read().snapshots.select(name="another")
    assert [record.id for record in written] == [snapshot(1).id]
    assert both == state.read().snapshots.select(name="another", id=snapshot(2).id) == []
    order = [record.id for record in state.read().snapshots.all()]
    assert order == [snapshot(number).id for number in range(3)]  # what is replaced keeps its place


def test_what_is_deleted_by_a_field_is_gone_and_nothing_else(state: Catalog) -> None:
    with state.transaction() as change:
        change.snapshots.put(*map(snapshot, range(4)))
        change.snapshots.delete_where(id=snapshot(2).id)
        change.snapshots.delete(snapshot(0).id, "not there")
    assert [record.id for record in state.read().snapshots.all()] == [snapshot(1).id, snapshot(3).id]
