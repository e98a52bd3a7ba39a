"""Snapshots: take, list, find, rename, delete; and help with names that say something."""

import builtins
import datetime
import re
from collections.abc import Sequence

import msgspec

from nuvtui import clock
from nuvtui.errors import Exit, NuvError, PlanChangedError
from nuvtui.model import order, timeline
from nuvtui.model.names import slugify
from nuvtui.model.plan_digest import plan_digest
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Snapshot, SnapshotRecord, summarise
from nuvtui.model.space import Instance
from nuvtui.model.timeline import Timeline
from nuvtui.reporter import Reporter
from nuvtui.services.context import Context
from nuvtui.services.spaces.service import pick

_SAYS_NOTHING = re.compile(
    r"(?:snapshot|snap|backup|save|copy|test|temp|tmp|new|old|final|version|v|wip|draft|update|changes?)?[\s._-]*"
    r"(?:\d[\d\s:._T-]*)?(?:final|new|copy|v?\d+)?",
    re.IGNORECASE,
)

SCHEDULED = "by the policy"
"""Why an automatic snapshot was taken that a policy took."""


class SnapshotsService:
    """The snapshots of instances."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(
        self,
        instance_id: str,
        name: str = "",
        description: str = "",
        next_phase: str = "",
        reporter: Reporter | None = None,
        *,
        reread: bool = False,
        scheduled: bool = False,
    ) -> SnapshotRecord:
        """Take a snapshot: quick where no name is given, else named. Needs the editor role (4).

        `reread`: read every file, whatever its times say. `scheduled`: an automatic one, for a policy.
        """
        from nuvtui.reporter import Silent
        from nuvtui.services.snapshots import archiver  # lists of snapshots do without what takes them

        instance, name = self.check_create(instance_id, name)
        with self._context.exclusive(
            f"instance-{instance.id}", f"Instance {instance.name}", reporter=reporter
        ):
            snapshot = archiver.take(
                self._context,
                instance,
                "automatic" if scheduled else "named" if name else "quick",
                reporter or Silent(),
                name=name,
                description=description,
                next_phase=next_phase,
                reread=reread,
                sentence=SCHEDULED if scheduled else "",
            ).snapshot
        return summarise(snapshot)

    def check_create(self, instance_id: str, name: str) -> tuple[Instance, str]:
        """Where a snapshot would be taken, and its name, stripped. Raises NuvError: role (4), unusable name (2)."""
        view = self._context.view()
        instance = self._context.instance(view, instance_id)
        self._context.require(view, Action.MODIFY, instance.space, instance.id)
        return instance, check_name(name)

    def list(self, instance_id: str) -> builtins.list[SnapshotRecord]:
        """The timeline of an instance, newest first. Needs the viewer role (4)."""
        view = self._context.view()
        instance = self._context.instance(view, instance_id)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        return order.newest_first(s for s in view.snapshots.all() if s.instance == instance_id)

    def timeline(self, instance_id: str) -> Timeline:
        """The snapshots of an instance, newest first, with what happened between them. Needs the viewer role (4)."""
        view = self._context.view()
        instance = self._context.instance(view, instance_id)
        self._context.require(view, Action.VIEW, instance.space, instance.id)

        def called(identifier: str) -> str:
            """The name of an instance, with that of its space where it is another one."""
            found = view.instances.get(identifier)
            if found is None:
                return "a deleted instance"
            space = view.spaces.get(found.space) if found.space != instance.space else None
            return f"{space.name}/{found.name}" if space else found.name

        return timeline.made(
            instance.id,
            [
                *(s for s in view.snapshots.all() if s.instance == instance_id),
                *(s for s in self._context.elsewhere_records() if s.instance == instance_id),
            ],
            view.distributions.all(),
            called,
        )

    def find(self, instance_id: str, key: str) -> SnapshotRecord:
        """The snapshot of an instance that `key` (id, prefix, name or slug of the name) means."""
        here = self.list(instance_id)
        there = [s for s in self._context.elsewhere_records() if s.instance == instance_id]
        return pick(
            key,
            [*here, *there],
            "snapshot",
            lambda s: s.id,
            lambda s: (s.name, slugify(s.name)) if s.name else (),
        )

    def manifest(self, snapshot: str) -> Snapshot:
        """All that is recorded of a snapshot. Needs the viewer role (4)."""
        manifest = self._context.store.read_manifest(snapshot)
        self._context.require(self._context.view(), Action.VIEW, manifest.space.id, manifest.instance.id)
        return manifest

    def rename(self, snapshot: str, name: str) -> SnapshotRecord:
        """Give a snapshot a name; an automatic or quick one becomes a named one. Needs the editor role (4)."""
        name = check_name(name)
        if not name:
            raise NuvError("A name is missing", "expected at least one character", "", Exit.USAGE)
        manifest = self._context.local_store.read_manifest(snapshot)
        self._context.require(self._context.view(), Action.MODIFY, manifest.space.id, manifest.instance.id)
        manifest = msgspec.structs.replace(manifest, name=name, kind="named")
        self._context.local_store.write_manifest(manifest)
        with self._context.state.transaction() as tx:
            gone = tx.snapshots.get(snapshot) is None
            if not gone:
                tx.snapshots.put(summarise(manifest))
        if (
            gone
        ):  # deleted between reading and writing it: it must not come back, some of its objects may be gone
            self._context.store.delete_manifest(snapshot)
            raise NuvError(f"No snapshot {snapshot[:8]}", "it was deleted meanwhile", "", Exit.NOT_FOUND)
        return summarise(manifest)

    def disposable(
        self, instance_id: str, kind: str = "", older_than: datetime.timedelta | None = None
    ) -> builtins.list[SnapshotRecord]:
        """Snapshots of an instance of `kind` (automatic or quick; empty: both) taken longer ago than `older_than`.

        Newest first. A named snapshot is never among them. Needs the viewer role (4).
        """
        now = clock.parse(clock.now())
        return [
            record
            for record, taken in order.with_times(self.list(instance_id), now)
            if record.kind != "named"
            and (not kind or record.kind == kind)
            and (older_than is None or now - clock.parse(taken) > older_than)
        ]

    def freed_by(self, snapshots: builtins.list[str]) -> int:
        """Bytes of the store that no other snapshot needs: what deleting these would free at the next gc."""
        from nuvtui.store import usage

        return usage.unique_bytes(self._context.local_store, snapshots)

    def delete(self, snapshots: builtins.list[str], plan: str = "") -> None:
        """Delete snapshots. Their storage comes free at the next `store gc`, where no other state refers to it.

        Needs the editor role (4). Raises NuvError (5) where a running export or distribution works from one, or where
        they are not those of the dry run with the digest `plan` (see `deletion`).
        """
        view = self._context.view()
        for snapshot in snapshots:
            record = view.snapshots.get(snapshot)
            if record is None:
                raise NuvError(
                    f"No snapshot {snapshot} in this store",
                    "",
                    "One that only a remote holds is taken off there: `nuvtui remotes forget NAME SNAPSHOT`.",
                    Exit.NOT_FOUND,
                )
            self._context.require(view, Action.MODIFY, record.space, record.instance)
            used = [e for e in view.exports.all() if e.status == "running" and e.snapshot == snapshot]
            used_too = [
                d for d in view.distributions.all() if d.status == "running" and d.source.snapshot == snapshot
            ]
            if used or used_too:
                raise NuvError(
                    f"Snapshot {snapshot[:8]} is in use",
                    "a running export or distribution works from it",
                    "Wait for it to end: `nuvtui tasks list`.",
                    Exit.CONFLICT,
                )

        def approved(records: builtins.list[SnapshotRecord]) -> None:
            if plan and deletion(records) != plan:
                raise PlanChangedError("What would be deleted")

        self._context.forget(snapshots, approved)


def deletion(records: Sequence[SnapshotRecord]) -> str:
    """Digest of the plan to delete snapshots: which ones, as they are called now."""
    return plan_digest("delete", *sorted(f"{record.id} {record.kind} {record.name}" for record in records))


def check_name(name: str) -> str:
    """`name` stripped. Raises NuvError (2) where it is too long or holds control characters."""
    name = name.strip()
    if len(name) > 200 or not name.isprintable():
        raise NuvError(
            "This name cannot be used", "expected at most 200 printable characters", "", Exit.USAGE
        )
    return name


def naming_hint(name: str) -> str | None:
    """A sentence where `name` says nothing about what the snapshot is for, else None."""
    if not name or _SAYS_NOTHING.fullmatch(name.strip()):
        return "The time is recorded anyway: a name that says what this is will be found again, like paper-revision-2-data."
    return None


def suggest_names(changed: list[str], tables: list[str], first: bool) -> list[str]:
    """Names to start from, by what changed: at most three."""
    if first:
        return ["initial-import", "raw-data-as-received", "project-baseline"]
    out = []
    tops = sorted({path.split("/")[0] for path in changed})
    if tables:
        out.append(f"{slugify(tables[0])}-table-updated")
    if len(tops) == 1:
        out.append(f"{slugify(tops[0].rsplit('.', 1)[0])}-updated")
    elif tops:
        out.append(f"{slugify(tops[0].rsplit('.', 1)[0])}-and-{len(tops) - 1}-more-updated")
    return [*out, "pre-cleanup-baseline"][:3]
