"""What every use case needs: store, state, settings, and the user who asks, with the role check."""

import contextlib
import functools
import os
import pwd
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nuvtui import atomic
from nuvtui.catalog.catalog import Catalog
from nuvtui.catalog.view import View
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.model import roles
from nuvtui.model.names import short, text_to_path
from nuvtui.model.roles import Action, Role
from nuvtui.model.snapshot import Snapshot, SnapshotRecord
from nuvtui.model.space import Instance, Space
from nuvtui.model.stage import StateRef
from nuvtui.paths import DOT, Home, Workspace
from nuvtui.reporter import Reporter
from nuvtui.services import identity

if TYPE_CHECKING:
    from nuvtui.store.partial import ObjectSource
    from nuvtui.store.store import Store

LOOK = 0.2
"""Seconds between two looks at whether the wait for a lock was cancelled."""


def system_user() -> str:
    """The login name that the operating system reports for this process (not an environment variable)."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def no_store(home: Home) -> NuvError:
    """What is said where there is no store."""
    return NuvError(
        f"There is no nuvtui store at {home.root}",
        "no state.json and no snapshots are there",
        "Is its disk mounted? `--home` or NUVTUI_HOME names another one, `nuvtui init` in a project's folder makes one.",
        Exit.NOT_FOUND,
    )


class Elsewhere(Protocol):
    """What the remotes of this store hold."""

    def source(self) -> "ObjectSource":
        """Objects and manifests."""

    def records(self) -> list[SnapshotRecord]:
        """The snapshots that were seen there when they were last asked."""


class Context:
    """Adapters and the acting user; opened once, shared by all services."""

    def __init__(self, home: Home, settings: Settings, user: str) -> None:
        self.home = home
        self.settings = settings
        self.user = user
        self.elsewhere: Callable[[], Elsewhere] | None = None
        """What remotes hold; set by whoever puts the services together."""

    @functools.cached_property
    def store(self) -> "Store":
        """The snapshot store; what it lacks is read from remotes, where there are any.

        Raises NuvError (3) where there is none: only `establish` makes one.
        """
        from nuvtui.store.partial import PartialStore  # the timeline needs the state alone

        self.require_store()
        store = PartialStore(self.home, self._source)
        store.create()  # what an older nuvtui did without
        return store

    @functools.cached_property
    def local_store(self) -> "Store":
        """The store as it is here, for whoever checks, frees, repairs or pushes it. Raises as `store`."""
        from nuvtui.store.store import Store

        self.require_store()
        store = Store(self.home)
        store.create()
        return store

    def _source(self) -> "ObjectSource | None":
        """The remotes as a source of objects; None where there are none."""
        return self.elsewhere().source() if self.elsewhere is not None and len(self.view().remotes) else None

    def elsewhere_records(self) -> list[SnapshotRecord]:
        """Snapshots that only remotes hold, as far as this machine knows: nobody is asked."""
        view = self.view()
        if self.elsewhere is None or not len(view.remotes):
            return []
        return [record for record in self.elsewhere().records() if record.id not in view.snapshots]

    @functools.cached_property
    def state(self) -> Catalog:
        """The state file; whoever reads or changes it is told where there is none."""
        return Catalog(self.home)

    def establish(self, shared: bool = False) -> bool:
        """Make the store home, where it is not there; `shared`: for a group of users. Returns whether it is shared.

        For `init`, `demo` and `store init`: whatever else finds no store has the wrong home, or one that is not mounted.
        """
        from nuvtui.store.store import Store

        store = Store(self.home, shared)
        store.create()
        Catalog(self.home, shared).create()
        return store.shared

    def require_store(self) -> None:
        """Raise NuvError (3) where there is no store at the home."""
        if not self.exists:
            raise no_store(self.home)

    @property
    def exists(self) -> bool:
        """True where there is a store at the home, be it one that lost its state."""
        return self.state.exists() or self.home.snapshots.is_dir()

    def forget(
        self,
        snapshots: Sequence[str],
        approved: Callable[[list[SnapshotRecord]], None] = lambda _records: None,
    ) -> None:
        """Take snapshots off the list, then remove their manifests; `approved` may raise, and nothing is done.

        A crash between the two leaves snapshots that `store repair` lists again, never a listed one without manifest.
        """
        with self.state.transaction() as tx:
            approved([record for each in snapshots if (record := tx.snapshots.get(each)) is not None])
            tx.snapshots.delete(*snapshots)
        for snapshot in snapshots:
            self.store.delete_manifest(snapshot)

    def view(self) -> View:
        """What the state file holds now."""
        return self.state.read()

    def instance(self, view: View, instance: str) -> Instance:
        """The instance with id `instance`. Raises NuvError (exit code 3) where it is gone."""
        found = view.instances.get(instance)
        if found is None:
            raise NuvError(
                f"No instance {instance}",
                "it may have been deleted",
                "List them: `nuvtui instances list`.",
                Exit.NOT_FOUND,
            )
        return found

    def space(self, view: View, space: str) -> Space:
        """The space with id `space`. Raises NuvError (exit code 3) where it is gone."""
        found = view.spaces.get(space)
        if found is None:
            raise NuvError(
                f"No space {space}",
                "it may have been deleted",
                "List them: `nuvtui spaces list`.",
                Exit.NOT_FOUND,
            )
        return found

    def workspace(self, instance: Instance) -> Workspace:
        """The workspace of `instance`. Raises NuvError (6) where the folder is not there, or is not its workspace."""
        workspace = Workspace(Path(text_to_path(instance.workspace)))
        if not workspace.root.is_dir():
            raise NuvError(
                f"The workspace of {instance.name} is not there",
                f"expected a folder at {workspace.root}",
                f"Is its disk mounted? Where the project is elsewhere now: {self._move(instance)}.",
                Exit.REFUSED,
            )
        if not workspace.dot.is_dir():
            raise NuvError(
                f"{workspace.root} is not the workspace of {instance.name}",
                f"the folder is there, but no {DOT} in it",
                "Is its disk mounted? Where the project is elsewhere now, or lost its folder "
                f"{DOT}: {self._move(instance)}.",
                Exit.REFUSED,
            )
        found = identity.read(workspace)
        if found is not None and found.instance != instance.id:
            raise NuvError(
                f"{workspace.root} is not the workspace of {instance.name}",
                f"its {workspace.identity.relative_to(workspace.root)} says that it is that of {self._called(found)}",
                f"Put the right folder there, or say where it is: {self._move(instance)}. Is it the right one? "
                f"Then delete {workspace.identity}.",
                Exit.REFUSED,
            )
        return workspace

    def mark(self, instance: Instance, workspace: Workspace) -> None:
        """Say in the workspace whose it is, where nothing says so: one that an older nuvtui made.

        Raises NuvError (5) where another instance works in the same place.
        """
        if os.path.lexists(workspace.identity):
            return
        for other in self.view().instances.all():
            self.distinct(instance, [other])
        with contextlib.suppress(OSError):  # a workspace that may only be read is still worth a snapshot
            self.claim(instance, workspace)

    def claim(self, instance: Instance, workspace: Workspace) -> None:
        """Say in the folder that it is the workspace of `instance`, whatever it said before. Raises OSError."""
        space = self.space(self.view(), instance.space)
        identity.write(workspace, instance.id, f"{space.name}/{instance.name}", self.home)

    def distinct(self, source: Instance | None, targets: Sequence[Instance]) -> None:
        """Raise NuvError (5) where what is written to a target would be written to the source, or to another target.

        Compared is what is on the disk now: the same folder by a link or a bind mount, one inside the other. To be
        asked under the locks of the targets; a workspace that is not there is nobody's.
        """
        seen: list[tuple[Instance, identity.Place]] = []
        for instance in (*([source] if source is not None else []), *targets):
            with contextlib.suppress(OSError):
                here = identity.place(Path(text_to_path(instance.workspace)))
                for other, there in seen:
                    if other.id != instance.id and here.overlaps(there):
                        raise NuvError(
                            f"{instance.name} and {other.name} work in the same place",
                            f"{instance.workspace} and {other.workspace} are one folder, or one lies in the other",
                            f"Give one of them a folder of its own: {self._move(instance)}.",
                            Exit.CONFLICT,
                        )
                seen.append((instance, here))

    def _move(self, instance: Instance) -> str:
        """The command that says where a workspace is."""
        space = self.space(self.view(), instance.space)
        return f"`nuvtui instances move -s {shlex.quote(space.name)} {shlex.quote(instance.name)} --path DIR`"

    def _called(self, found: identity.Identity) -> str:
        home = text_to_path(found.home)
        elsewhere = found.instance not in self.view().instances and home != str(self.home.root)
        return f"{found.name}, in the store {home}" if elsewhere else found.name

    def manifest(self, ref: StateRef) -> Snapshot:
        """The manifest of the snapshot that `ref` names.

        Raises NuvError (3) where there is none, or it is not one of that instance: the role that was checked for
        the one instance must not open the snapshots of another.
        """
        assert ref.snapshot is not None
        manifest = self.store.read_manifest(ref.snapshot)
        if manifest.instance.id != ref.instance:
            raise NuvError(
                f"No snapshot {short(ref.snapshot)} in {self.instance(self.view(), ref.instance).name}",
                "it is one of another instance",
                "List them: `nuvtui snapshots list`.",
                Exit.NOT_FOUND,
            )
        return manifest

    def newest_sound(self, view: View, instance: str, reporter: Reporter | None = None) -> Snapshot | None:
        """The newest snapshot of an instance whose manifest can be read; None where there is none.

        For what it only saves work, or is counted against. Newer ones that cannot be read are told to `reporter`.
        """
        newest = view.newest(instance)
        if newest is None:
            return None
        try:
            return self.store.read_manifest(newest)
        except NuvError as error:
            reason = error.message
        passed, found = 1, None
        for snapshot in view.back_from_newest(instance)[1:]:
            try:
                found = self.store.read_manifest(snapshot)
                break
            except NuvError:
                passed += 1
        if reporter is not None:
            more = (
                f" and {passed - 1:,} before it cannot be read, and are"
                if passed > 1
                else " cannot be read, and is"
            )
            reporter.warning(
                f"Snapshot {short(newest)}{more} passed over ({reason}). `nuvtui store check` says more, "
                "`nuvtui store repair` sets aside what is damaged"
            )
        return found

    def role(self, view: View, space: str, instance: str | None) -> Role | None:
        """The acting user's role in the instance (None: in the space as a whole)."""
        held = [
            member.role
            for member in view.members.all()
            if member.space == space and member.user == self.user and member.instance in (None, instance)
        ]
        return roles.highest(held)

    def require(self, view: View, action: Action, space: str, instance: str | None = None) -> None:
        """Raise NuvError (exit code 4), naming the role needed and the role held, where `action` is not allowed."""
        held = self.role(view, space, instance)
        if not roles.allows(held, action):
            raise self._role_error(view, action, space, instance, held)

    def _role_error(
        self, view: View, action: Action, space: str, instance: str | None, held: Role | None
    ) -> NuvError:
        where = self.space(view, space).name
        if instance is not None:
            where += f"/{self.instance(view, instance).name}"
        elsewhere = roles.highest(
            [m.role for m in view.members.all() if m.space == space and m.user == self.user]
        )
        if held is not None:
            has = f"{self.user} has the role {held}"
        elif elsewhere is not None:
            has = f"{self.user} has the role {elsewhere} in another instance only"
        else:
            has = f"{self.user} is not a member"
        return NuvError(
            f"You may not {action}",
            f"{where} needs the role {roles.needed(action)}; {has}",
            "A space administrator can change that: `nuvtui members set USER ROLE`.",
            Exit.ROLE,
        )

    def require_somewhere(self, view: View, action: Action, space: str) -> None:
        """As `require`, where a role in any one instance of the space is enough."""
        held = roles.highest([m.role for m in view.members.all() if m.space == space and m.user == self.user])
        if not roles.allows(held, action):
            raise self._role_error(view, action, space, None, held)

    @contextlib.contextmanager
    def exclusive(
        self, name: str, what: str, timeout: float = 10.0, reporter: Reporter | None = None
    ) -> Iterator[None]:
        """Hold the lock `name`; `timeout` in seconds.

        Raises NuvError (exit code 5) naming `what` where another process keeps it, Cancelled where `reporter` is
        cancelled while it waits.
        """
        path = self.home.lock(name)
        self.make_folder(path.parent)
        deadline = time.monotonic() + timeout
        with contextlib.ExitStack() as stack:
            while True:
                left = deadline - time.monotonic()
                lock = atomic.locked(path, timeout=min(left, LOOK), what=what, mode=self.store.file_mode)
                try:
                    stack.enter_context(lock)
                    break
                except NuvError as error:
                    if error.exit_code != Exit.CONFLICT or left <= LOOK:
                        raise
                if reporter is not None:
                    reporter.check()
            yield

    def make_folder(self, folder: Path) -> None:
        """Create a folder of the store home; in a shared store the group may write to it. Raises StoreError."""
        from nuvtui.store import failure  # the timeline needs the state alone

        if folder.is_dir():
            return
        with failure.store_errors("Making a folder of the store"):
            atomic.make_folder(folder)

    def busy(self, name: str) -> bool:
        """True while some process holds the lock `name`."""
        path = self.home.lock(name)
        if not os.path.lexists(path):
            return False
        try:
            with atomic.locked(path, timeout=0, mode=self.store.file_mode):
                return False
        except NuvError:
            return True
