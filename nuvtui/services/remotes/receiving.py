"""The far side of a distribution to another server: dry run, distribution and recall, as the roles here allow.

What was staged elsewhere arrives as objects and a manifest. It becomes a snapshot in the timeline of the target space's
Distributed instance, so that what came can be named, looked into, and recalled; from there on it is a distribution
like any other.
"""

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.cause import Cause
from nuvtui.model.distribution import Distribution, TargetPlan
from nuvtui.model.far import (
    Ask,
    DistributeThere,
    FarInstance,
    FindTargets,
    PlanThere,
    RecallThere,
    Selection,
)
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Ref, Snapshot, summarise
from nuvtui.model.space import DISTRIBUTED, Instance, Space
from nuvtui.model.stage import Stage, StateRef
from nuvtui.reporter import Silent
from nuvtui.services.context import Context
from nuvtui.services.remotes import arrival
from nuvtui.services.sharing.distribution import DistributionService
from nuvtui.services.snapshots.objects import Objects
from nuvtui.services.spaces.service import InstancesService, SpacesService
from nuvtui.store import ignore, manifests


class Receiver:
    """Answers what other servers ask about distributions to this store."""

    def __init__(
        self,
        context: Context,
        distribution: DistributionService,
        spaces: SpacesService,
        instances: InstancesService,
    ) -> None:
        self._context = context
        self._distribution = distribution
        self._spaces = spaces
        self._instances = instances

    def __call__(self, body: bytes) -> bytes:
        """The answer to an encoded `Ask`. Raises NuvError."""
        try:
            ask = msgspec.msgpack.decode(body, type=Ask)
        except msgspec.DecodeError as error:
            raise NuvError(
                "nuvtui there does not understand what is asked",
                str(error),
                "Use the same version on both servers.",
            ) from error
        return msgspec.msgpack.encode(self._answer(ask))

    def _answer(self, ask: Ask) -> list[FarInstance] | list[TargetPlan] | Distribution:
        match ask:
            case FindTargets():
                return [self._find(name) for name in ask.names]
            case PlanThere():
                self._targets(ask.targets)
                return self._distribution.foresee(ask.targets, _objects(ask.selection), ask.strategies)
            case DistributeThere():
                return self._distribute(ask)
            case RecallThere():
                return self._distribution.recall(ask.distribution)

    def _find(self, name: str) -> FarInstance:
        space_key, _, key = name.rpartition("/")
        if not space_key:
            raise NuvError(
                f"Which space is {name!r} in?",
                "a target on another server is named with its space",
                "Such as `host:space/instance`.",
                Exit.USAGE,
            )
        space = self._spaces.find(space_key)
        found = self._instances.find(space.id, key)
        self._context.require(self._context.view(), Action.MODIFY, space.id, found.id)
        return FarInstance(found.id, f"{space.name}/{found.name}")

    def _targets(self, targets: list[str]) -> tuple[Space, Instance]:
        """The space of the targets, with its Distributed instance, where all of them may be distributed to."""
        self._distribution.check_targets(StateRef(""), targets)
        view = self._context.view()
        spaces = {self._context.instance(view, target).space for target in targets}
        if len(spaces) > 1:
            raise NuvError(
                "The targets are in several spaces",
                "a distribution to another server goes to one space there",
                "Distribute to one space after the other.",
                Exit.USAGE,
            )
        space = self._context.space(view, spaces.pop())
        return space, self._instances.find(space.id, DISTRIBUTED)

    def _distribute(self, ask: DistributeThere) -> Distribution:
        context = self._context
        known = context.view().distributions.get(ask.distribution)
        space, distributed = self._targets(ask.targets)
        if known is not None:
            raise NuvError(
                f"Distribution {ask.distribution[:8]} is there already",
                f"it is {known.status}",
                "`nuvtui distribution list` on that server says what became of it.",
                Exit.CONFLICT,
            )
        source = self._keep(ask, space, distributed)
        stage = Stage(
            space.id,
            context.user,
            source,
            "",
            ask.everything,
            ask.files,
            ask.tables,
            ask.applications,
        )
        done = self._distribution.carry_out(
            stage,
            ask.targets,
            ask.strategies,
            ask.message,
            Silent(),
            identifier=ask.distribution,
            plans=ask.plans,
        )
        if done.status == "failed" and source.snapshot is not None:
            context.forget([source.snapshot])  # nothing came of it
        return done

    def _keep(self, ask: DistributeThere, space: Space, distributed: Instance) -> StateRef:
        """What came, as a snapshot in the timeline of the Distributed instance."""
        context = self._context
        if not ask.origin.isprintable() or len(ask.origin) > 200 or len(ask.distribution) != 16:
            raise NuvError("What is asked makes no sense", "its origin or id is none", "", Exit.USAGE)
        manifest: Snapshot = msgspec.structs.replace(
            manifests.decode(ask.manifest, ask.snapshot),
            space=Ref(space.id, space.name),
            instance=Ref(distributed.id, distributed.name),
            name=f"from {ask.origin}",
            kind="automatic",
            parent=None,
            number=context.view().next_number(distributed.id),
            cause=Cause("source", ask.distribution),
            sentence=Cause("source", ask.distribution).sentence,
        )
        with context.local_store.using():
            if context.local_store.has_manifest(manifest.id):
                raise NuvError(
                    f"Snapshot {manifest.id[:8]} is there already", "it was sent before", "", Exit.CONFLICT
                )
            arrival.check_whole(context.local_store, manifest)
            context.local_store.write_manifest(manifest)
        with context.state.transaction() as tx:
            tx.snapshots.put(summarise(manifest))
        return StateRef(distributed.id, manifest.id)


def _objects(selection: Selection) -> Objects:
    import os

    return Objects(
        {os.fsdecode(path): entry for path, entry in selection.files.items()},
        {os.fsdecode(path): entry for path, entry in selection.folders.items()},
        {table.name: table for table in selection.tables},
        {part.slug: part for part in selection.applications},
        ignore.parse(selection.ignore),
    )
