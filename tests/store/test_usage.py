"""How much space snapshots take."""

from pathlib import Path

import msgspec
import pytest

from nuvtui.model.snapshot import Snapshot
from nuvtui.store.store import Store
from nuvtui.store.usage import unique_bytes
from tests.store.helpers import FIRST, SECOND

pytestmark = pytest.mark.usefixtures("two_snapshots")


def test_unique_bytes_of_several(store: Store, tmp_path: Path) -> None:
    alone = unique_bytes(store, [FIRST])
    both = unique_bytes(store, [FIRST, SECOND])
    assert 0 < alone < 600
    assert both > 7000
    assert unique_bytes(store, []) == 0
    snapshot: Snapshot = store.read_manifest(SECOND)
    store.write_manifest(msgspec.structs.replace(snapshot, id="3" * 16))
    assert unique_bytes(store, [SECOND]) == 0
