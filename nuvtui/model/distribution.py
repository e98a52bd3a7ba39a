"""Distribution: strategies, and the pure plan of what happens to a target.

The plan compares two mappings of object name to a token of its content (any hashable; equal tokens mean equal
content). It knows nothing of disks, so the dry run and the real run are the same computation.
"""

import enum
from collections.abc import Iterable, Mapping

import msgspec

from nuvtui.model.kept import KeptFile
from nuvtui.model.stage import StateRef


class Strategy(enum.StrEnum):
    """What happens to objects of one type in the target."""

    OVERWRITE = "overwrite"
    EXTRA = "distribute-extra"
    MIRROR = "mirror"
    SKIP = "skip"


class ObjectType(enum.StrEnum):
    """The three types of objects that a state holds."""

    FILES = "files"
    TABLES = "tables"
    APPLICATIONS = "applications"


class Strategies(msgspec.Struct, frozen=True):
    """A strategy per type."""

    files: Strategy = Strategy.OVERWRITE
    tables: Strategy = Strategy.OVERWRITE
    applications: Strategy = Strategy.OVERWRITE

    def of(self, kind: ObjectType) -> Strategy:
        """The strategy for objects of `kind`."""
        return {
            ObjectType.FILES: self.files,
            ObjectType.TABLES: self.tables,
            ObjectType.APPLICATIONS: self.applications,
        }[kind]


class TypePlan(msgspec.Struct, frozen=True):
    """What a strategy does to the objects of one type: sorted names."""

    created: list[str] = []
    replaced: list[str] = []
    removed: list[str] = []
    kept: list[str] = []
    """Not written: only in the target, or there already (Distribute Extra), or equal."""


def plan(source: Mapping[str, object], target: Mapping[str, object], strategy: Strategy) -> TypePlan:
    """What `strategy` does when the objects of `source` are distributed over those of `target`.

    An object whose content is equal on both sides is kept: writing it again would change nothing.
    """
    if strategy is Strategy.SKIP:
        return TypePlan(kept=sorted(target))
    created = sorted(name for name in source if name not in target)
    same = {name for name in source if name in target}
    if strategy is Strategy.EXTRA:
        return TypePlan(created=created, kept=sorted(target))
    replaced = sorted(name for name in same if source[name] != target[name])
    only_target = [name for name in target if name not in source]
    equal = [name for name in same if source[name] == target[name]]
    if strategy is Strategy.MIRROR:
        return TypePlan(created, replaced, sorted(only_target), sorted(equal))
    return TypePlan(created, replaced, [], sorted([*only_target, *equal]))


def plan_paths(source: Mapping[str, object], target: Mapping[str, object], strategy: Strategy) -> TypePlan:
    """`plan` for paths, where a file on one side may stand where the other side has a folder.

    Such a clash counts as "same path": what replaces removes the target's side, Distribute Extra keeps it.
    """
    base = plan(source, target, strategy)
    if strategy is Strategy.SKIP:
        return base
    if not base.created:
        return base  # what stands on both sides is in nobody's way
    folders = folders_above(target)
    blocked = {
        path for path in base.created if path in folders or any(above in target for above in _above(path))
    }
    if not blocked:
        return base
    if strategy is Strategy.EXTRA:
        return TypePlan([path for path in base.created if path not in blocked], [], [], base.kept)
    below = folders_above(blocked)
    gone = {path for path in base.kept if path in below or any(above in blocked for above in _above(path))}
    return TypePlan(
        base.created,
        base.replaced,
        sorted({*base.removed, *gone}),
        [path for path in base.kept if path not in gone],
    )


def folders_above(paths: Iterable[str]) -> set[str]:
    """All folders that the paths lie in."""
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


class Server(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another server with a nuvtui store, reached by `ssh`."""

    address: str
    """`host` or `user@host`, as ssh knows it."""
    command: str = ""
    """How nuvtui is called there; empty: `nuvtui`."""


class TargetPlan(msgspec.Struct, frozen=True):
    """What a distribution does to one target instance."""

    instance: str
    files: TypePlan = TypePlan()
    tables: TypePlan = TypePlan()
    applications: TypePlan = TypePlan()
    plan: str = ""
    """Digest of all that this depends on: what a distribution is to be held to."""


class Counts(msgspec.Struct, frozen=True):
    """Objects per outcome."""

    created: int = 0
    replaced: int = 0
    removed: int = 0
    kept: int = 0


class TargetResult(msgspec.Struct, frozen=True):
    """How a distribution ended for one target."""

    instance: str
    name: str
    """`space/instance` at the time."""
    status: str
    """`waiting`, `applying`, `completed`, `failed` and `cancelled` (the target is as it was), `interrupted` (restore
    `backup`), `recalled`."""
    files: Counts = Counts()
    tables: Counts = Counts()
    applications: Counts = Counts()
    backup: str | None = None
    """Id of the automatic snapshot that was taken of the target first."""
    error: str = ""
    kept_files: list[KeptFile] = []
    """Files that were written in the target meanwhile and that no snapshot holds, with where they are now."""
    skipped: list[str] = []
    """Paths, in text form, that the target's file system cannot hold."""
    changed: bool = False
    """Failed, since what would be done is not what was approved."""


class Distribution(msgspec.Struct, frozen=True):
    """A past or running distribution."""

    id: str
    space: str
    source: StateRef
    author: str
    created: str
    strategies: Strategies
    message: str
    status: str
    """`running`, `completed`, `failed` (no target done), `partial`, `interrupted`, `recalled`."""
    targets: list[TargetResult]
    files: list[str] = []
    """Staged paths, in text form; `everything` where the whole state was staged."""
    tables: list[str] = []
    applications: list[str] = []
    everything: bool = False
    task: str | None = None
    server: Server | None = None
    """Where the targets are; None: here."""
