"""Which remotes hold which snapshots, as this machine last saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services


def held(services: Services) -> Mapping[str, Sequence[str]] | None:
    """By snapshot, the remotes that hold it; None where there are no remotes. For a thread: reads the disk."""
    if not services.context.view().remotes.all():
        return None  # and nothing about remotes is imported
    return services.remotes.held()
