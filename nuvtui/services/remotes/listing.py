"""Which snapshots of a remote are meant, where some of them can be damaged."""

from collections.abc import Sequence

from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import short
from nuvtui.model.remote import DamagedManifest, Listing
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.services.spaces.service import pick


def named(listing: Listing, texts: Sequence[str], remote: str) -> list[str]:
    """Ids of the snapshots that `texts` (id, prefix, name) mean, damaged ones too.

    Raises NuvError where one is not found: the damaged one, where there is one, since nobody knows its name.
    """
    there: list[SnapshotRecord | DamagedManifest] = [*listing.snapshots, *listing.damaged]
    found: list[str] = []
    for text in texts:
        try:
            each = pick(
                text,
                there,
                "snapshot",
                lambda s: s.id,
                lambda s: (s.name,) if s.name else (),
            )
        except NuvError as error:
            if error.exit_code == Exit.NOT_FOUND and listing.damaged:
                raise unreadable(listing.damaged[0], remote) from error
            raise
        found.append(each.id)
    return found


def unreadable(fault: DamagedManifest, remote: str) -> NuvError:
    """What is said where a snapshot on a remote is asked for of which only the id can be read."""
    return NuvError(
        f"Snapshot {short(fault.id)} on {remote} cannot be read",
        fault.reason,
        f"`nuvtui remotes check {remote}` says what suffers. "
        f"`nuvtui snapshots list --remote {remote}` shows the others: they can be had by their names. "
        f"`nuvtui remotes forget {remote} {short(fault.id)}` takes it off; who has it can push it again.",
    )
