"""Unfinished files of writers, for those who hold the store's lock alone: then all of them are stale."""

import contextlib
import os
from pathlib import Path

from nuvtui import atomic
from nuvtui.store import failure
from nuvtui.store.store import Store


def find(store: Store) -> list[Path]:
    """Paths of all of them. Raises StoreError."""
    found = []
    with failure.store_errors("Looking for temporaries"):
        for folder in (store.home.packs, store.home.index, store.home.snapshots, store.objects):
            with os.scandir(folder) as listing:
                found += [
                    folder / item.name
                    for item in listing
                    if item.name.startswith(atomic.TEMPORARY) and item.is_file(follow_symlinks=False)
                ]
    return found


def sweep(store: Store) -> int:
    """Remove them; returns how many there were. Raises StoreError."""
    swept = 0
    for path in find(store):
        with contextlib.suppress(FileNotFoundError), failure.store_errors("Removing a temporary"):
            os.unlink(path)
            swept += 1
    return swept
