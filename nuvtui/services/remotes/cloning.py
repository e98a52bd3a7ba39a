"""Clone: a space of another server, from a remote, as a space of this one."""

import contextlib
from pathlib import Path

import msgspec

from nuvtui import clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text, short, slugify, text_to_path
from nuvtui.model.operations import Clone
from nuvtui.model.order import newest_first
from nuvtui.model.remote import CloneResult, PullResult, RemoteRecord
from nuvtui.model.roles import Role
from nuvtui.model.snapshot import Ref, SnapshotRecord
from nuvtui.model.space import DISTRIBUTED, MASTER, Instance, Member, Space
from nuvtui.paths import Workspace
from nuvtui.reporter import Reporter
from nuvtui.services.context import Context
from nuvtui.services.remotes import arrival
from nuvtui.services.remotes.service import RemotesService
from nuvtui.services.remotes.space_state import SpaceState
from nuvtui.services.snapshots.restore import RestoreService
from nuvtui.services.spaces.service import SpacesService, pick, prepare_workspace


class CloneService:
    """Clones spaces."""

    def __init__(
        self, context: Context, remotes: RemotesService, spaces: SpacesService, restore: RestoreService
    ) -> None:
        self._context = context
        self._remotes = remotes
        self._spaces = spaces
        self._restore = restore

    def check(self, operation: Clone) -> None:
        """Raise NuvError for what can be told before the remote is asked: the address, and the folder (2, 5)."""
        from nuvtui.remote import url

        url.parse(operation.url)
        folder = Path(text_to_path(operation.path))
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise NuvError(
                f"{folder} is not empty",
                "a clone makes a new folder, or fills an empty one",
                "Give another folder: `nuvtui clone URL PATH`.",
                Exit.CONFLICT,
            )

    def unlock(self, operation: Clone, recovery: str) -> None:
        """Add the remote with a recovery sheet, for `clone` to find it. Raises NuvError."""
        self._remotes.add(self._free(), operation.url, settings=operation.settings, recovery=recovery)

    def _free(self) -> str:
        names = {record.id for record in self._context.view().remotes.all()}
        return next(
            each for each in ("origin", *(f"origin-{n}" for n in range(2, 10_000))) if each not in names
        )

    def clone(self, operation: Clone, reporter: Reporter) -> CloneResult:
        """Bring a space with all its snapshots, and make its Master's files, tables and applications in a folder.

        Raises NuvError. Cut off, what came stays in the store: the same call goes on from there.
        """
        self.check(operation)
        self._context.establish()
        record, added = self._remote(operation)
        try:
            with self._remotes.opened(record, reporter) as repository:
                listing = repository.snapshots()
                for fault in listing.damaged:
                    reporter.warning(f"Snapshot {short(fault.id)} is left out: {fault.reason}")
                records = listing.snapshots
                state = self._chosen(operation, self._remotes.spaces(repository), records)
                mine = [each for each in records if each.space == state.space.id]
                start = self._start(operation, state, mine)
            if self._context.view().spaces.get(state.space.id) is not None:
                raise NuvError(
                    f"The space {state.space.name} is in this store already",
                    "a clone is for a store that does not know it",
                    "`nuvtui pull` brings what is new; `nuvtui snapshots restore SNAPSHOT` brings a state back.",
                    Exit.CONFLICT,
                )
            with self._remotes.opened(record, reporter) as repository:
                from nuvtui.remote import pull

                view = self._context.view()
                for each in mine:
                    arrival.check(self._context, view, repository.manifest(each.id))
                pulled = pull.pull(repository, self._context.store, [each.id for each in mine], reporter)
        except NuvError:
            if added:
                self._remotes.remove(record.id)
            raise
        space, master = self._make(operation, state, start)
        self._remotes.register([each.id for each in mine])
        reporter.step("restore", "Making files, tables and applications")
        done = self._restore.restore(start.id, master.id, reporter)
        self._context.forget([done.backup])  # of the empty folder: it says nothing
        return CloneResult(
            Ref(space.id, space.name),
            Ref(master.id, master.name),
            master.workspace,
            start.id,
            _merged(pulled, mine),
        )

    def _remote(self, operation: Clone) -> tuple[RemoteRecord, bool]:
        """The remote at the address, added where it is not known yet."""
        from nuvtui.remote import url

        address = url.parse(operation.url).url
        for record in self._context.view().remotes.all():
            if record.url == address:
                return record, False
        return self._remotes.join(self._free(), operation.url, operation.settings), True

    def _chosen(
        self, operation: Clone, spaces: list[SpaceState], records: list[SnapshotRecord]
    ) -> SpaceState:
        held = {record.space for record in records}
        there = [state for state in spaces if state.space.id in held]
        if operation.space:
            return pick(operation.space, there, "space", lambda s: s.space.id, lambda s: (s.space.name,))
        if len(there) == 1:
            return there[0]
        names = ", ".join(state.space.name for state in there)
        raise NuvError(
            "Which space?" if there else f"{operation.url} holds no snapshot yet",
            f"the remote holds {names}" if there else "there is nothing to clone",
            "Name one: `--space NAME`."
            if there
            else "Push one first, from where the project is: `nuvtui push`.",
            Exit.USAGE if there else Exit.NOT_FOUND,
        )

    def _start(self, operation: Clone, state: SpaceState, mine: list[SnapshotRecord]) -> SnapshotRecord:
        """The snapshot that the folder becomes."""
        if operation.snapshot:
            return pick(
                operation.snapshot,
                mine,
                "snapshot",
                lambda s: s.id,
                lambda s: (s.name, slugify(s.name)) if s.name else (),
            )
        master = {instance.id for instance in state.instances if instance.name == MASTER}
        return newest_first([each for each in mine if each.instance in master] or mine)[0]

    def _make(self, operation: Clone, state: SpaceState, start: SnapshotRecord) -> tuple[Space, Instance]:
        """The space with its Master in the folder, and its Distributed in the store home."""
        context = self._context
        root = Path(text_to_path(operation.path))
        name = operation.name or state.space.name
        space = Space(state.space.id, name, clock.now())
        ids = {instance.name: instance.id for instance in state.instances}
        master = Instance(
            ids.get(MASTER, start.instance), space.id, MASTER, path_to_text(str(root)), clock.now()
        )
        shared = context.home.workspace(space.id)
        distributed = Instance(
            ids.get(DISTRIBUTED, clock.new_id()),
            space.id,
            DISTRIBUTED,
            path_to_text(str(shared)),
            clock.now(),
        )
        root.mkdir(parents=True, exist_ok=True)
        with context.state.transaction() as tx:
            self._spaces.refuse_nested(tx, root.resolve())
            if any(other.name == name for other in tx.spaces.all()):
                raise NuvError(
                    f"A space {name!r} exists already",
                    "",
                    "Choose another name: `nuvtui clone … --name NAME`.",
                    Exit.CONFLICT,
                )
            prepare_workspace(Workspace(root))
            for folder in (shared.parents[1], shared.parent, shared):
                context.make_folder(folder)
            prepare_workspace(Workspace(shared))
            tx.spaces.put(space)
            tx.instances.put(master)
            tx.instances.put(distributed)
            tx.members.put(Member(space.id, context.user, Role.ADMINISTRATOR))
        for instance, folder in ((master, root), (distributed, shared)):
            with contextlib.suppress(OSError):
                context.claim(instance, Workspace(folder))
        return space, master


def _merged(pulled: PullResult, mine: list[SnapshotRecord]) -> PullResult:
    """The result of the pull, with every snapshot that is here now: an earlier try may have brought some."""
    return msgspec.structs.replace(pulled, snapshots=[Ref(each.id, each.name) for each in mine])
