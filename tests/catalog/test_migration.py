"""From one version of the state to the next."""

import json
from typing import Any

import msgspec
import pytest

from nuvtui.catalog import codec
from nuvtui.catalog.catalog import Catalog
from nuvtui.catalog.schema import CatalogSchema, Documents
from nuvtui.errors import Exit, NuvError
from nuvtui.paths import Home
from tests.catalog.cuts import killed_at
from tests.catalog.records import CREATED, space


def _name(documents: Documents) -> Documents:
    """Version 1 to 2: spaces had a title, now it is called name."""
    for document in documents["spaces"].values():
        document["name"] = document.pop("title")
    return documents


def _shout(documents: Documents) -> Documents:
    """Version 2 to 3."""
    for document in documents["spaces"].values():
        document["name"] += "!"
    return documents


SCHEMA = CatalogSchema(3, {1: _name, 2: _shout})


def _old(home: Home) -> bytes:
    document: dict[str, Any] = msgspec.to_builtins(space("a", "study"))
    document["title"] = document.pop("name")
    home.root.mkdir()
    home.state.write_bytes(codec.encode({"spaces": {"a": document}}, 1, 5, CREATED))
    return home.state.read_bytes()


@pytest.mark.parametrize("way", ["read", "transaction"])
def test_steps_are_taken_in_order_after_a_backup(home: Home, way: str) -> None:
    old = _old(home)
    state = Catalog(home, schema=SCHEMA)
    if way == "read":
        assert state.read().spaces.all() == [space("a", "study!")]
    else:
        with state.transaction() as change:
            assert change.spaces.all() == [space("a", "study!")]
    assert json.loads(home.state.read_bytes())["meta"]["state"]["version"] == 3
    (backup,) = home.root.glob("state.json.v1-*")
    assert backup.read_bytes() == old
    assert state.recovered is None
    for number in range(5):  # more changes than there are generations
        with state.transaction() as change:
            change.spaces.put(space("b", str(number)))
    assert backup.read_bytes() == old
    assert Catalog(home, schema=SCHEMA).read().spaces.get("a") == space("a", "study!")


def test_a_step_that_fails_changes_nothing(home: Home) -> None:
    old = _old(home)
    with pytest.raises(codec.DamagedError):
        Catalog(home, schema=CatalogSchema(2, {1: lambda documents: documents})).read()
    assert home.state.read_bytes() == old


def test_without_a_way_it_says_so(home: Home) -> None:
    old = _old(home)
    with pytest.raises(NuvError, match="version 1") as error:
        Catalog(home, schema=CatalogSchema(3, {2: _shout})).read()
    assert error.value.exit_code == Exit.REFUSED
    assert home.state.read_bytes() == old


def test_a_damaged_file_is_recovered_from_an_older_version_and_migrated(home: Home) -> None:
    old = _old(home)
    home.state.with_name("state.json.1").write_bytes(old)
    home.state.write_bytes(b"")
    state = Catalog(home, schema=SCHEMA)
    assert state.read().spaces.all() == [space("a", "study!")]
    assert "is empty" in str(state.recovered)


def test_a_migration_can_be_cut_anywhere(home: Home) -> None:
    old = _old(home)

    def migrate() -> None:
        Catalog(home, schema=SCHEMA).read()

    number = 0
    while killed_at(number, migrate, half=True):
        data = home.state.read_bytes()
        assert data == old or codec.load(data).meta.version == 3
        if data != old:
            assert [path.read_bytes() for path in home.root.glob("state.json.v1-*")].count(old) >= 1
        for path in home.root.iterdir():
            path.unlink()
        home.state.write_bytes(old)
        number += 1
    assert number > 5
    assert Catalog(home, schema=SCHEMA).read().spaces.all() == [space("a", "study!")]
