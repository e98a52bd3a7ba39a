"""Snapshots that arrive from elsewhere, pulled or pushed: whether they may, and their records in the state."""

import re
from collections.abc import Sequence

from nuvtui.catalog.transaction import Transaction
from nuvtui.catalog.view import View
from nuvtui.errors import Exit, NuvError
from nuvtui.model.roles import Action, Role
from nuvtui.model.snapshot import Snapshot, summarise
from nuvtui.model.space import DISTRIBUTED, Instance, Member, Space
from nuvtui.paths import Workspace
from nuvtui.services.context import Context
from nuvtui.services.spaces.service import prepare_workspace
from nuvtui.store import reach
from nuvtui.store.chunks import ZERO_ID
from nuvtui.store.store import Store

_ID = re.compile(r"[0-9a-f]{16}")


def check(context: Context, view: View, manifest: Snapshot) -> None:
    """Raise NuvError unless the acting user may have the snapshot listed here.

    Needs the editor role (4) in its instance; in its whole space where the instance is new; anybody may bring a new
    space. Refused (5): a manifest whose ids or names can be nobody's, or whose instance is another space's.
    """
    space, instance = manifest.space, manifest.instance
    known = view.instances.get(instance.id)
    if not (_possible(space.id, space.name) and _possible(instance.id, instance.name)):
        raise _refused(manifest, "its space or instance is called as none can be")
    if known is not None and known.space != space.id:
        raise _refused(manifest, f"its instance {known.name} belongs to another space here")
    if view.spaces.get(space.id) is not None:
        context.require(view, Action.MODIFY, space.id, known.id if known is not None else None)


def _possible(identifier: str, name: str) -> bool:
    """True where a space or instance can have this id, which folders are named by, and this name."""
    return (
        _ID.fullmatch(identifier) is not None
        and 0 < len(name) <= 200
        and name.isprintable()
        and "/" not in name
    )


def _refused(manifest: Snapshot, why: str) -> NuvError:
    return NuvError(
        f"Snapshot {manifest.id[:8]} cannot be listed here",
        why,
        "Nothing was changed. Is what it comes from to be trusted?",
        Exit.CONFLICT,
    )


def check_whole(store: Store, manifest: Snapshot) -> None:
    """Raise NuvError unless every object that the snapshot needs is in the store."""
    store.index.refresh()
    gone = store.lost_packs()
    for item in reach.objects(store, manifest, set()):
        places = store.index.places(item)
        if item != ZERO_ID and all(file.pack_of(position) in gone for file, position in places):
            raise NuvError(
                f"Snapshot {manifest.id[:8]} arrived without all of it",
                f"object {item.hex()[:16]} is not there",
                "Push again.",
            )


def register(context: Context, snapshots: Sequence[str]) -> None:
    """List snapshots whose manifests are in the store, with the space and the instance that they need.

    An instance that is new here gets a workspace in the store home: its files are brought there by a restore.
    """
    manifests = [context.store.read_manifest(each) for each in snapshots]
    with context.state.transaction() as tx:
        for manifest in manifests:
            if tx.spaces.get(manifest.space.id) is None:
                _new_space(context, tx, manifest)
            if tx.instances.get(manifest.instance.id) is None:
                _new_instance(context, tx, manifest)
        tx.snapshots.put(*[summarise(manifest) for manifest in manifests])


def _new_space(context: Context, tx: Transaction, manifest: Snapshot) -> None:
    name = _free_name(manifest.space.name, [s.name for s in tx.spaces.all()])
    tx.spaces.put(Space(manifest.space.id, name, manifest.created))
    tx.members.put(Member(manifest.space.id, context.user, Role.ADMINISTRATOR))


def _new_instance(context: Context, tx: Transaction, manifest: Snapshot) -> None:
    folder = context.home.workspace(manifest.space.id).with_name(
        DISTRIBUTED if manifest.instance.name == DISTRIBUTED else manifest.instance.id
    )
    prepare_workspace(Workspace(folder))
    name = _free_name(manifest.instance.name, [i.name for i in tx.instances.select(space=manifest.space.id)])
    tx.instances.put(Instance(manifest.instance.id, manifest.space.id, name, str(folder), manifest.created))


def _free_name(wanted: str, taken: Sequence[str]) -> str:
    number, name = 2, wanted
    while name in taken:
        name = f"{wanted}-{number}"
        number += 1
    return name
