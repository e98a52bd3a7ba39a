"""What a remote says of a space: its name and its instances, for a clone. Version 1 of `spaces/<id>/<version>`."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from nuvtui.catalog.view import View
from nuvtui.model.snapshot import Ref
from nuvtui.model.space import MASTER
from nuvtui.services.context import Context

if TYPE_CHECKING:
    from nuvtui.remote.repository import Repository

FORMAT = "nuvtui space"


class SpaceState(msgspec.Struct, frozen=True, kw_only=True):
    """A space as one of its servers last pushed it."""

    format: str = FORMAT
    version: int = 1
    space: Ref
    instances: list[Ref]
    """Master first."""


def encode(view: View, space: str) -> bytes:
    """What the state says of a space, as a blob's content; empty where it does not know the space."""
    record = view.spaces.get(space)
    if record is None:
        return b""
    instances = sorted(view.instances.select(space=space), key=lambda i: (i.name != MASTER, i.name))
    state = SpaceState(space=Ref(space, record.name), instances=[Ref(i.id, i.name) for i in instances])
    return msgspec.json.encode(state) + b"\n"


def space_blobs(
    context: Context, view: View, snapshots: Sequence[str], repository: "Repository"
) -> list[tuple[str, bytes]]:
    """Key and content of what has to be written of the spaces of `snapshots`: nothing, where the remote has it.

    A version is a number, counted up, so that the newest is the last one listed.
    """
    from nuvtui.remote.repository import versions

    found = []
    for space in sorted({context.store.read_manifest(each).space.id for each in snapshots}):
        content = encode(view, space)
        if not content:
            continue
        there = versions(repository, space)
        if repository.seal.readable and there and repository.content(there[-1]) == content:
            continue
        number = int(there[-1].rpartition("/")[2][:16], 16) + 1 if there else 1
        found.append((f"spaces/{space}/{number:016x}{_tail()}", content))
    return found


def _tail() -> str:
    import os

    return os.urandom(8).hex()


def read_spaces(repository: "Repository") -> list[SpaceState]:
    """The newest state of every space that the remote tells of; what cannot be read is left out."""
    from nuvtui.remote.repository import versions

    newest: dict[str, str] = {}
    for key in versions(repository, ""):
        newest[key.split("/")[1]] = key
    found = []
    for key in newest.values():
        with contextlib.suppress(msgspec.DecodeError):
            state = msgspec.json.decode(repository.content(key), type=SpaceState)
            if state.format == FORMAT and state.version == 1:
                found.append(state)
    return found
