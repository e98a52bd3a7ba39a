"""Spaces and instances: begin, list, create, delete, and find by what people type."""

import builtins
import contextlib
import os
import shlex
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from nuvtui import atomic, clock
from nuvtui.catalog.view import View
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text, slugify, text_to_path
from nuvtui.model.policy import Policy
from nuvtui.model.roles import Action, Role
from nuvtui.model.space import DISTRIBUTED, MASTER, Instance, Member, Space
from nuvtui.paths import DOT, Workspace, find_workspace
from nuvtui.services import identity
from nuvtui.services.context import Context

T = TypeVar("T")

IGNORE_FILE = """\
# What snapshots and exports leave out, in gitignore syntax.
.venv/
__pycache__/
.ipynb_checkpoints/
node_modules/
"""


class Location(msgspec.Struct, frozen=True):
    """Where somebody is: a space and one of its instances."""

    space: Space
    instance: Instance


class SpaceInfo(msgspec.Struct, frozen=True):
    """A space as lists show it."""

    id: str
    name: str
    created: str
    instances: int
    snapshots: int
    role: Role | None


def pick(
    key: str,
    candidates: Sequence[T],
    kind: str,
    id_of: Callable[[T], str],
    names: Callable[[T], Sequence[str]],
) -> T:
    """The one candidate that `key` means: its id, one of its names, or a unique prefix of its id (4 or more).

    Raises NuvError (exit code 3) where there is none, (exit code 2) where it could be several, naming them.
    """
    matches = [c for c in candidates if id_of(c) == key]
    matches = matches or [c for c in candidates if key in names(c)]
    matches = matches or [c for c in candidates if len(key) >= 4 and id_of(c).startswith(key)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        some = ", ".join(id_of(c)[:8] for c in matches[:6]) + (" …" if len(matches) > 6 else "")
        raise NuvError(f"{kind} {key!r} is ambiguous", f"it could be {some}", "Use the id.", Exit.USAGE)
    known = [names(c)[0] if names(c) and names(c)[0] else id_of(c)[:8] for c in candidates[:6]]
    hint = (
        f"There {'is' if len(known) == 1 else 'are'}: {', '.join(known)}{' …' if len(candidates) > 6 else ''}."
        if known
        else ""
    )
    raise NuvError(f"No {kind} {key!r}", "" if known else "there is none yet", hint, Exit.NOT_FOUND)


class SpacesService:
    """Spaces of this store."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def locate(self, start: Path) -> Location | None:
        """The space and instance whose workspace `start` lies in, or None."""
        if not self._context.exists:
            return None
        view = self._context.view()
        workspace = find_workspace(start)
        while workspace is not None:
            text = path_to_text(str(workspace.root.resolve()))
            for instance in view.instances.all():
                if instance.workspace == text:
                    return Location(self._context.space(view, instance.space), instance)
            parent = workspace.root.parent
            workspace = None if parent == workspace.root else find_workspace(parent)
        return None

    def list(self) -> builtins.list[SpaceInfo]:
        """Every space, by name, with the acting user's role in it."""
        if not self._context.exists:
            return []
        view = self._context.view()
        instances = view.instances.all()
        counts: dict[str, int] = {}
        for record in view.snapshots.all():
            counts[record.space] = counts.get(record.space, 0) + 1
        return sorted(
            (
                SpaceInfo(
                    space.id,
                    space.name,
                    space.created,
                    sum(i.space == space.id for i in instances),
                    counts.get(space.id, 0),
                    self._context.role(view, space.id, None),
                )
                for space in view.spaces.all()
            ),
            key=lambda info: info.name,
        )

    def find(self, key: str) -> Space:
        """The space that `key` (name, id or prefix) means."""
        return pick(key, self._context.view().spaces.all(), "space", lambda s: s.id, lambda s: (s.name,))

    def init(self, path: Path, name: str | None = None) -> Location:
        """Make the folder `path` the workspace of a new space's Master; the acting user administers it.

        Raises NuvError where the folder is no folder (2), is a workspace already (5), or the name is taken (5).
        """
        root = _folder(path, "Give the folder of your project.")
        name = name or root.name or "space"
        _check_name(name, "space", " Name the space: `nuvtui init --space NAME`.")
        space = Space(clock.new_id(), name, clock.now())
        master = Instance(clock.new_id(), space.id, MASTER, path_to_text(str(root)), clock.now())
        shared_root = self._context.home.workspace(space.id)
        distributed = Instance(
            clock.new_id(), space.id, DISTRIBUTED, path_to_text(str(shared_root)), clock.now()
        )
        self._refuse_taken(Workspace(root))
        self._context.establish()
        with self._context.state.transaction() as tx:
            self.refuse_nested(tx, root)
            if any(other.name == name for other in tx.spaces.all()):
                raise NuvError(
                    f"A space {name!r} exists already",
                    "",
                    "Choose another name: `nuvtui init --space NAME`.",
                    Exit.CONFLICT,
                )
            prepare_workspace(Workspace(root))
            self._context.make_folder(shared_root.parents[1])
            self._context.make_folder(shared_root.parent)
            self._context.make_folder(shared_root)
            prepare_workspace(Workspace(shared_root))
            tx.spaces.put(space)
            tx.instances.put(master)
            tx.instances.put(distributed)
            tx.members.put(Member(space.id, self._context.user, Role.ADMINISTRATOR))
        # After they are known: cut off before, the folder is as one that an older nuvtui made.
        self._claim(master, root)
        self._claim(distributed, shared_root)
        return Location(space, master)

    def _claim(self, instance: Instance, root: Path) -> None:
        try:
            self._context.claim(instance, Workspace(root))
        except OSError as error:
            raise _unwritable(root, error) from error

    def stranger(self, start: Path) -> NuvError:
        """What is said (3) where `start` lies in no workspace of this store: whose it is, and what to do."""
        workspace = find_workspace(start)
        found = identity.read(workspace) if workspace is not None else None
        if workspace is None or (found is None and not (self._context.exists and self.list())):
            return NuvError(
                "No space here",
                f"{start} is in no workspace",
                "Begin with `nuvtui init`, or name a space with `-s`.",
                Exit.NOT_FOUND,
            )
        if found is None:
            return NuvError(
                "No space here",
                f"{workspace.root} has a folder {DOT}, but is the workspace of no instance in this store",
                "Was the project moved here? `nuvtui instances move -s SPACE INSTANCE --path .` Else `nuvtui init`.",
                Exit.NOT_FOUND,
            )
        if not self._context.exists:
            return NuvError(
                f"There is no nuvtui store at {self._context.home.root}",
                f"{workspace.root} is the workspace of {found.name}, in the store {text_to_path(found.home)}",
                _other_store(found, workspace),
                Exit.NOT_FOUND,
            )
        return self._refusal(self._context.view(), workspace, found) or NuvError(
            "No space here",
            f"{workspace.root} is a copy of the workspace of {found.name}, which is elsewhere",
            "Work there (`nuvtui instances list -s SPACE` says where), or make an instance of this copy: "
            "`nuvtui instances create -s SPACE NAME --path .`",
            Exit.NOT_FOUND,
        )

    def _refuse_taken(self, workspace: Workspace) -> None:
        """Refuse a folder that is the workspace of an instance, be it of another store; a copy of one is free."""
        found = identity.read(workspace)
        if found is None:
            return
        view = self._context.view() if self._context.exists else None
        refusal = self._refusal(view, workspace, found)
        if refusal is not None:
            refusal.exit_code = Exit.CONFLICT
            raise refusal

    def _refusal(self, view: View | None, workspace: Workspace, found: identity.Identity) -> NuvError | None:
        """What is said of a folder that names an instance and is not registered; None: it is a copy."""
        instance = view.instances.get(found.instance) if view is not None else None
        if view is None or instance is None:
            return NuvError(
                f"{workspace.root} is the workspace of {found.name} in another store",
                f"that store was at {text_to_path(found.home)}; {self._context.home.root} does not know the instance",
                _other_store(found, workspace),
                Exit.NOT_FOUND,
            )
        registered = Workspace(Path(text_to_path(instance.workspace)))
        with contextlib.suppress(NuvError):
            there = identity.read(registered)
            if there is not None and there.instance == instance.id:
                return None
        space = self._context.space(view, instance.space)
        return NuvError(
            f"{workspace.root} is the workspace of {space.name}/{instance.name}",
            f"which is known to be at {registered.root}",
            f"Was the project moved here? `nuvtui instances move -s {shlex.quote(space.name)} "
            f"{shlex.quote(instance.name)} --path {shlex.quote(str(workspace.root))}`",
            Exit.NOT_FOUND,
        )

    def delete(self, space: str) -> None:
        """Forget a space, its instances and the records of its snapshots. Workspaces on disk stay as they are."""
        view = self._context.view()
        self._context.require(view, Action.MANAGE, space)
        _remove_schedules(view.policies.select(space=space))
        # First out of the lists, then the manifests: see SnapshotsService.delete.
        with self._context.state.transaction() as tx:
            mine = tx.instances.select(space=space)
            gone = {i.id for i in mine}
            snapshots = [s.id for s in tx.snapshots.select(space=space)]
            tx.messages.delete(*(m.id for m in tx.messages.all() if m.instance in gone))
            for table in (
                tx.snapshots, tx.exports, tx.distributions, tx.members, tx.stages, tx.policies, tx.instances,
            ):  # fmt: skip
                table.delete_where(space=space)
            tx.spaces.delete(space)
        for instance in mine:
            identity.forget(Workspace(Path(text_to_path(instance.workspace))), instance.id)
        for snapshot in snapshots:
            self._context.store.delete_manifest(snapshot)

    def refuse_nested(self, view: View, root: Path, but: str = "") -> None:
        """A workspace inside another (`but` that of instance `but`), or around the store home, would be captured
        twice: refuse.
        """
        home = self._context.home.root.resolve()
        if root == home or root in home.parents or home in root.parents:
            raise NuvError(
                f"{root} cannot become a workspace",
                f"the store home {home} and a workspace may not lie inside each other",
                "Choose another folder, or keep the store elsewhere: set NUVTUI_HOME.",
                Exit.CONFLICT,
            )
        for instance in view.instances.all():
            if instance.id == but:
                continue
            other = Path(text_to_path(instance.workspace))
            if root == other or other in root.parents or root in other.parents:
                space = self._context.space(view, instance.space)
                raise NuvError(
                    f"{root} cannot become a workspace",
                    f"{other} is the workspace of {space.name}/{instance.name}",
                    "Workspaces may not lie inside each other; choose another folder.",
                    Exit.CONFLICT,
                )


class InstancesService:
    """Instances of a space."""

    def __init__(self, context: Context, spaces: SpacesService) -> None:
        self._context = context
        self._spaces = spaces

    def list(self, space: str) -> builtins.list[Instance]:
        """Instances of a space: Master, the others by name, Distributed."""
        order = {MASTER: 0, DISTRIBUTED: 2}
        found = [i for i in self._context.view().instances.all() if i.space == space]
        return sorted(found, key=lambda i: (order.get(i.name, 1), i.name))

    def find(self, space: str, key: str) -> Instance:
        """The instance of a space that `key` (name, id or prefix) means."""
        return pick(key, self.list(space), "instance", lambda i: i.id, lambda i: (i.name,))

    def create(self, space: str, name: str, folder: Path) -> Instance:
        """Add an instance with the (new or existing) folder as its workspace.

        Raises NuvError: role (4), name taken or folder a workspace already (5), bad name or no folder (2).
        """
        _check_name(name, "instance")
        view = self._context.view()
        self._context.require(view, Action.MANAGE, space)
        root = _folder(folder, "Give a folder: `--path DIR`.")
        self._spaces._refuse_taken(Workspace(root))
        instance = Instance(clock.new_id(), space, name, path_to_text(str(root)), clock.now())
        with self._context.state.transaction() as tx:
            self._spaces.refuse_nested(tx, root)
            if any(i.space == space and i.name == name for i in tx.instances.all()):
                raise NuvError(
                    f"An instance {name!r} exists already", "", "Choose another name.", Exit.CONFLICT
                )
            prepare_workspace(Workspace(root))
            tx.instances.put(instance)
        self._spaces._claim(instance, root)
        return instance

    def move(self, instance: str, folder: Path) -> Instance:
        """Say that the workspace of an instance is at `folder` now (it was moved there already).

        Raises NuvError: role (4), no such folder, or an empty one (2), a workspace of another instance (5).
        """
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, Action.MANAGE, found.space)
        root = folder.resolve()
        if not root.is_dir():
            raise NuvError(f"{folder} is not a folder", "", "Move the project there first.", Exit.USAGE)
        workspace = Workspace(root)
        said = identity.read(workspace)
        if said is not None and said.instance != instance:
            raise NuvError(
                f"{root} is not the workspace of {found.name}",
                f"its {DOT} says that it is that of {said.name}",
                f"Is it the right folder all the same? Then delete {workspace.identity}, and try again.",
                Exit.CONFLICT,
            )
        if not workspace.dot.is_dir() and not any(root.iterdir()):
            raise NuvError(
                f"{root} is empty", "", "Is its disk mounted? Move the project there first.", Exit.USAGE
            )
        with self._context.exclusive(f"instance-{instance}", f"Instance {found.name}"):
            with self._context.state.transaction() as tx:
                self._spaces.refuse_nested(tx, root, instance)
                found = msgspec.structs.replace(found, workspace=path_to_text(str(root)))
                tx.instances.put(found)
            prepare_workspace(workspace)
            self._spaces._claim(found, root)
        return found

    def delete(self, instance: str) -> None:
        """Forget an instance and its snapshots. Its workspace on disk stays as it is.

        Raises NuvError: role (4); Master and Distributed cannot be deleted alone (6).
        """
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, Action.MANAGE, found.space)
        if found.permanent:
            space = shlex.quote(self._context.space(view, found.space).name)
            raise NuvError(
                f"{found.name} cannot be deleted alone",
                "every space has a Master and a Distributed instance",
                f"Delete the whole space instead: `nuvtui spaces delete {space}`.",
                Exit.REFUSED,
            )
        with self._context.exclusive(f"instance-{instance}", f"Instance {found.name}"):
            _remove_schedules(view.policies.select(id=instance))
            with self._context.state.transaction() as tx:
                snapshots = [s.id for s in tx.snapshots.select(instance=instance)]
                tx.snapshots.delete(*snapshots)
                tx.members.delete_where(instance=instance)
                tx.policies.delete(instance)
                tx.stages.delete(
                    *(f"{s.space}/{s.user}" for s in tx.stages.all() if s.source.instance == instance)
                )
                tx.instances.delete(instance)
            identity.forget(Workspace(Path(text_to_path(found.workspace))), instance)
            for snapshot in snapshots:
                self._context.store.delete_manifest(snapshot)


def _remove_schedules(policies: list[Policy]) -> None:
    """Nothing runs a policy whose instance is gone. Raises NuvError."""
    if policies:
        from nuvtui.services.policies import installing

        installing.remove_where_ours(policies)


def member_key(member: Member) -> str:
    """The key of a member in the state file."""
    return f"{member.space}/{member.instance or '*'}/{member.user}"


def prepare_workspace(workspace: Workspace) -> None:
    """Lay out `.nuvtui/` in a folder (created where missing); what is there stays.

    Raises NuvError (1) where the folder cannot be written.
    """
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        # Whoever may work in the project's folder may work with what nuvtui keeps in it.
        mode = stat.S_IMODE(workspace.root.stat().st_mode)
        for folder in (workspace.dot, workspace.applications):
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(mode)
        if not workspace.ignore.exists():
            atomic.write_file(workspace.ignore, IGNORE_FILE.encode(), 0o644)
            workspace.ignore.chmod(mode & 0o666)
    except OSError as error:
        raise _unwritable(workspace.root, error) from error


def _unwritable(root: Path, error: OSError) -> NuvError:
    return NuvError(
        f"{root} cannot become a workspace",
        f"{error.filename or root}: {error.strerror}",
        "Check who may write there.",
    )


def _other_store(found: identity.Identity, workspace: Workspace) -> str:
    """What to do where a workspace belongs to a store that is not the one that was found."""
    return (
        f"Use that store: `nuvtui --home {shlex.quote(text_to_path(found.home))} status`, or set NUVTUI_HOME; is its disk "
        f"mounted? To begin anew in this folder, delete {workspace.identity}, then `nuvtui init`."
    )


def _folder(path: Path, hint: str) -> Path:
    """The real path of a folder that may not exist yet. Raises NuvError (2) where something else is there."""
    root = Path(os.path.realpath(path))
    if os.path.lexists(root) and not root.is_dir():
        raise NuvError(f"{path} is not a folder", "", hint, Exit.USAGE)
    return root


def _check_name(name: str, kind: str, hint: str = "") -> None:
    if not name.strip() or len(name) > 100 or "/" in name or "," in name or not name.isprintable():
        raise NuvError(
            f"{name!r} cannot name {'an' if kind == 'instance' else 'a'} {kind}",
            "expected 1 to 100 printable characters without `/` and `,`",
            f"For example {slugify(name)!r}.{hint}",
            Exit.USAGE,
        )


__all__ = [
    "InstancesService",
    "Location",
    "SpaceInfo",
    "SpacesService",
    "member_key",
    "pick",
    "prepare_workspace",
]
