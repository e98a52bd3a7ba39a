"""Distribution: push the staged objects to the Current State of other instances; dry run, history, recall.

A distribution always goes out from a snapshot: from the Current State, an automatic snapshot of it is taken first, so
that what was distributed can be named for ever. Each target is changed all or nothing (`transition.run`).
"""

import builtins
import contextlib
import shlex
import stat
from collections.abc import Callable, Collection, Iterator

import msgspec

from nuvtui import clock
from nuvtui.catalog.view import View
from nuvtui.errors import Cancelled, Exit, NuvError, PlanChangedError
from nuvtui.model.cause import Cause
from nuvtui.model.distribution import (
    Counts,
    Distribution,
    Strategies,
    Strategy,
    TargetPlan,
    TargetResult,
    TypePlan,
    folders_above,
    plan,
    plan_paths,
)
from nuvtui.model.names import path_to_text, short, text_to_path
from nuvtui.model.plan_digest import plan_digest
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Snapshot, same_table
from nuvtui.model.space import Instance, Message
from nuvtui.model.stage import Stage, StateRef
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.sharing.staging import STAGE_HINT, StagingService
from nuvtui.services.snapshots import archiver, changeset
from nuvtui.services.snapshots.changeset import IGNORE, HalfDoneError, Transition
from nuvtui.services.snapshots.objects import Objects, file_token, objects_of
from nuvtui.services.spaces.service import pick
from nuvtui.services.states.service import StatesService
from nuvtui.store.folders import Folders, opened
from nuvtui.store.recorded import holds


class DistributionService:
    """Distributions of a space."""

    def __init__(self, context: Context, states: StatesService, staging: StagingService) -> None:
        self._context = context
        self._states = states
        self._staging = staging

    # -- what would happen -------------------------------------------------------------------------------------------

    def dry_run(
        self, space: str, targets: builtins.list[str], strategies: Strategies
    ) -> builtins.list[TargetPlan]:
        """What a distribution of the stage would do to each target: created, replaced, removed, kept, by name.

        Each with a digest (`plan`), by which `distribute` tells whether it would still do the same.
        Raises NuvError: nothing staged (6), role (4), target is the source (2).
        """
        stage = self.check(space, targets)
        return self.foresee(targets, self.staged(stage, stage.source), strategies)

    def foresee(
        self, targets: builtins.list[str], source: Objects, strategies: Strategies
    ) -> builtins.list[TargetPlan]:
        """As `dry_run`, of any objects; the caller has checked the roles."""
        return [self._foreseen(target, source, strategies) for target in targets]

    def _foreseen(self, target: str, source: Objects, strategies: Strategies) -> TargetPlan:
        now = objects_of(self._context, StateRef(target))
        found = _plan(target, source, now, strategies)
        return msgspec.structs.replace(found, plan=_digest(target, source, now, strategies))

    # -- doing it ----------------------------------------------------------------------------------------------------

    def distribute(
        self,
        space: str,
        targets: builtins.list[str],
        strategies: Strategies,
        message: str = "",
        reporter: Reporter | None = None,
        task: str | None = None,
        identifier: str | None = None,
        plans: Collection[str] = (),
    ) -> Distribution:
        """Distribute the stage to `targets` (ids of instances, not empty).

        `plans`: digests of the dry runs that were approved; a target that would not be changed as one of them says is
        refused, and its result says so (`changed`). Empty: whatever the targets hold.
        A target that fails is as it was, the others are done: the status of the distribution and of each target
        says so. `identifier` is the id to give it (None: a new one). Raises NuvError before anything is touched:
        nothing staged (6), role (4), unknown target (3).
        """
        stage = self.check(space, targets)
        return self.carry_out(
            stage, targets, strategies, message, reporter or Silent(), task, identifier, plans
        )

    def carry_out(
        self,
        stage: Stage,
        targets: builtins.list[str],
        strategies: Strategies,
        message: str,
        reporter: Reporter,
        task: str | None = None,
        identifier: str | None = None,
        plans: Collection[str] = (),
    ) -> Distribution:
        """As `distribute`, of any stage; the caller has checked the roles."""
        with self._running(stage, targets, strategies, message, task, identifier) as distribution:
            source_ref = self.fix_source(stage.source, distribution.id, reporter)
            self._change(distribution.id, lambda d: msgspec.structs.replace(d, source=source_ref))
            source = self.staged(stage, source_ref)
            for target in targets:
                reporter.check()
                self._one(distribution, source, target, reporter, plans)
            return self._close(distribution.id)

    @contextlib.contextmanager
    def _running(
        self,
        stage: Stage,
        targets: builtins.list[str],
        strategies: Strategies,
        message: str,
        task: str | None,
        identifier: str | None,
    ) -> Iterator[Distribution]:
        """Record a distribution as running, under a lock that shows that its process lives."""
        view = self._context.view()
        distribution = Distribution(
            id=identifier or clock.new_id(),
            space=stage.space,
            source=stage.source,
            author=self._context.user,
            created=clock.now(),
            strategies=strategies,
            message=message,
            status="running",
            targets=[TargetResult(target, self._name(view, target), "waiting") for target in targets],
            files=stage.files,
            tables=stage.tables,
            applications=stage.applications,
            everything=stage.everything,
            task=task,
        )
        with self._context.exclusive(f"distribution-{distribution.id}", "This distribution"):
            with self._context.state.transaction() as tx:
                tx.distributions.put(distribution)
            try:
                yield distribution
            except BaseException:
                self._close(distribution.id)
                raise

    def fix_source(self, source: StateRef, distribution: str, reporter: Reporter) -> StateRef:
        """The snapshot that a distribution goes out from: of the Current State, one that is taken now."""
        if source.snapshot is not None:
            return source
        instance = self._context.instance(self._context.view(), source.instance)
        with self._context.exclusive(
            f"instance-{instance.id}", f"Instance {instance.name}", reporter=reporter
        ):
            snapshot = archiver.take(
                self._context,
                instance,
                "automatic",
                reporter,
                cause=Cause("source", distribution),
            ).snapshot
        return StateRef(instance.id, snapshot.id)

    def _one(
        self,
        distribution: Distribution,
        source: Objects,
        target: str,
        reporter: Reporter,
        plans: Collection[str],
    ) -> None:
        """Distribute to one target; its outcome goes into the record. Raises Cancelled, and what is a defect."""
        identifier, strategies, message = distribution.id, distribution.strategies, distribution.message
        result = TargetResult(target, self._name(self._context.view(), target), "waiting")
        try:
            instance = self._context.instance(self._context.view(), target)
            reporter.step(f"target-{target[:8]}", f"Distributing to {instance.name}")
            planned: builtins.list[TargetPlan] = []

            def make(backup: Snapshot) -> Transition:
                now = objects_of(self._context, StateRef(target, backup.id))
                if plans and _digest(target, source, now, strategies) not in plans:
                    raise PlanChangedError(instance.name)
                planned.append(_plan(target, source, now, strategies))
                return _transition(planned[0], source, now)

            def announce(backup: Snapshot) -> None:
                nonlocal result
                result = msgspec.structs.replace(result, status="applying", backup=backup.id)
                self._record(identifier, result)

            with self._context.exclusive(
                f"instance-{target}", f"Instance {instance.name}", reporter=reporter
            ):
                self._context.distinct(self._origin(distribution.source), [instance])
                outcome = changeset.run(
                    self._context, instance, Cause("distribution", identifier), make, reporter, announce
                )
            result = TargetResult(
                target,
                result.name,
                "completed",
                _counts(planned[0].files),
                _counts(planned[0].tables),
                _counts(planned[0].applications),
                outcome.backup.id,
                kept_files=outcome.kept,
                skipped=[path for path, _reason in outcome.skipped],
            )
        except HalfDoneError as error:
            text = f"{error}. {error.hint}"
            self._record(identifier, msgspec.structs.replace(result, status="interrupted", error=text))
            reporter.warning(f"{result.name}: {text}")
            return
        except BaseException as error:
            known = isinstance(error, NuvError | OSError)
            reason = str(error) if known else f"stopped by {type(error).__name__}"
            result = msgspec.structs.replace(
                result,
                status="cancelled" if isinstance(error, Cancelled) else "failed",
                error=f"{reason}. The target is as it was.",
                changed=isinstance(error, PlanChangedError),
            )
            self._record(identifier, result)
            if isinstance(error, Cancelled) or not known:
                raise
            reporter.warning(f"{result.name}: {result.error}")
            return
        self._record(identifier, result, message)

    def _record(self, identifier: str, result: TargetResult, message: str = "") -> None:
        with self._context.state.transaction() as tx:
            distribution = tx.distributions.get(identifier)
            if distribution is None:
                return
            targets = [result if t.instance == result.instance else t for t in distribution.targets]
            tx.distributions.put(msgspec.structs.replace(distribution, targets=targets))
            if message and result.status == "completed":
                tx.messages.put(
                    Message(
                        clock.new_id(), result.instance, self._context.user, message, clock.now(), identifier
                    )
                )

    def _change(self, identifier: str, change: Callable[[Distribution], Distribution]) -> Distribution:
        with self._context.state.transaction() as tx:
            distribution = tx.distributions.get(identifier)
            if distribution is None:
                raise NuvError(f"No distribution {identifier[:8]}", "", "", Exit.NOT_FOUND)
            distribution = change(distribution)
            tx.distributions.put(distribution)
        return distribution

    def _close(self, identifier: str) -> Distribution:
        """Give the distribution the status that its targets amount to."""

        def close(distribution: Distribution) -> Distribution:
            targets = _ended(distribution.targets)
            done = sum(t.status == "completed" for t in targets)
            status = "completed" if done == len(targets) else "partial" if done else "failed"
            if any(t.status == "interrupted" for t in targets):
                status = "interrupted"
            return msgspec.structs.replace(distribution, targets=targets, status=status)

        return self._change(identifier, close)

    # -- history -----------------------------------------------------------------------------------------------------

    def list(self, space: str) -> builtins.list[Distribution]:
        """Past and running distributions of a space, newest first. One whose process is gone is shown interrupted."""
        self._context.require_somewhere(self._context.view(), Action.VIEW, space)
        self._reap(space)
        found = [d for d in self._context.view().distributions.all() if d.space == space]
        return sorted(found, key=lambda d: d.created, reverse=True)

    def find(self, space: str, key: str) -> Distribution:
        """The distribution that `key` (id or prefix) means."""
        return pick(key, self.list(space), "distribution", lambda d: d.id, lambda _d: ())

    def _reap(self, space: str) -> None:
        """Mark as interrupted what says it is running while its process is gone."""
        for distribution in self._context.view().distributions.all():
            if distribution.space != space or distribution.status != "running":
                continue
            if self._context.busy(f"distribution-{distribution.id}"):
                continue
            with self._context.state.transaction() as tx:
                now = tx.distributions.get(distribution.id)
                if now is not None and now.status == "running":
                    targets = _ended(now.targets)
                    tx.distributions.put(msgspec.structs.replace(now, targets=targets, status="interrupted"))

    # -- recall ------------------------------------------------------------------------------------------------------

    def check_recall(self, identifier: str) -> Distribution:
        """The distribution to recall. Raises NuvError: none such (3), role (4), it runs or was recalled already (6)."""
        distribution = self._context.view().distributions.get(identifier)
        if distribution is None:
            raise NuvError(f"No distribution {identifier[:8]}", "", "", Exit.NOT_FOUND)
        self._context.require(self._context.view(), Action.MANAGE, distribution.space)
        if distribution.status in ("running", "recalled") or distribution.source.snapshot is None:
            raise NuvError(
                f"Distribution {identifier[:8]} cannot be recalled",
                f"it is {distribution.status}",
                "Only a finished distribution can be recalled, once.",
                Exit.REFUSED,
            )
        return distribution

    def recall(self, identifier: str, reporter: Reporter | None = None) -> Distribution:
        """Remove what a finished distribution brought from all its targets again, with an automatic snapshot first.

        What was changed in a target since then is kept and named in a warning. Needs the administrator role (4).
        Raises NuvError (6) while it runs or where it was recalled already.
        """
        reporter = reporter or Silent()
        distribution = self.check_recall(identifier)
        stage = Stage(
            distribution.space,
            distribution.author,
            distribution.source,
            distribution.created,
            distribution.everything,
            distribution.files,
            distribution.tables,
            distribution.applications,
        )
        source = self.staged(stage, distribution.source)
        for target in distribution.targets:
            if target.status not in ("completed", "interrupted"):
                continue
            instance = self._context.view().instances.get(target.instance)
            if instance is None:
                reporter.warning(f"{target.name} is gone: nothing to recall there")
                continue
            if instance.id == distribution.source.instance:
                reporter.warning(f"{target.name} is where it came from: kept there")
                continue
            if target.backup is None or self._context.view().snapshots.get(target.backup) is None:
                reporter.warning(
                    f"{target.name}: the automatic snapshot that tells what was there before is gone: kept"
                )
                continue
            before = self._context.store.read_manifest(target.backup)
            with self._context.exclusive(
                f"instance-{instance.id}", f"Instance {instance.name}", reporter=reporter
            ):
                self._context.distinct(self._origin(distribution.source), [instance])
                outcome = changeset.run(
                    self._context,
                    instance,
                    Cause("recall", identifier),
                    lambda backup, before=before: self._taken_back(  # type: ignore[misc]
                        distribution, source, before, backup, reporter
                    ),
                    reporter,
                )
            recalled = msgspec.structs.replace(
                target, status="recalled", backup=outcome.backup.id, kept_files=outcome.kept
            )
            self._record(identifier, recalled)
        return self._change(identifier, lambda d: msgspec.structs.replace(d, status="recalled"))

    def _taken_back(
        self,
        distribution: Distribution,
        source: Objects,
        before: Snapshot,
        now: Snapshot,
        reporter: Reporter,
    ) -> Transition:
        """Removals of what the distribution wrote and nobody changed since."""
        present = objects_of(self._context, StateRef(now.instance.id, now.id))
        earlier = objects_of(self._context, StateRef(before.instance.id, before.id))
        brought = _plan(now.instance.id, source, earlier, distribution.strategies)
        out = Transition([], [], [], {}, [], [], [], [])
        paths = [text_to_path(text) for text in [*brought.files.created, *brought.files.replaced]]
        # What the target's own ignore rules leave out is in no snapshot of it: looked at where it is.
        unseen = self._unseen(now.instance.id, [path for path in paths if path not in present.files], source)
        for path in paths:
            if path in present.files:
                same = file_token(present.files[path]) == file_token(source.files[path])
            elif path in unseen:
                same = unseen[path]
                out.known[path] = source.files[path]
            else:
                continue
            if same:
                out.files_removed.append(path)
            else:
                reporter.warning(f"{path_to_text(path)} was changed since: kept")
        emptied = _emptied(out.files_removed, [], present)
        out.files_removed += [
            path for path in emptied if path not in earlier.folders and path not in earlier.files
        ]
        for name in [*brought.tables.created, *brought.tables.replaced]:
            if name in present.tables and same_table(present.tables[name], source.tables[name]):
                out.tables_removed.append(name)
            elif name in present.tables:
                reporter.warning(f"Table {name} was changed since: kept")
        for slug in [*brought.applications.created, *brought.applications.replaced]:
            if (
                slug in present.applications
                and present.applications[slug].text == source.applications[slug].text
            ):
                out.applications_removed.append(slug)
            elif slug in present.applications:
                reporter.warning(f"Application {slug} was changed since: kept")
        return out

    def _unseen(self, target: str, paths: builtins.list[str], source: Objects) -> dict[str, bool]:
        """Which of `paths` are files or links in a workspace, and whether they are as `source` has them."""
        found = {}
        instance = self._context.instance(self._context.view(), target)
        with (
            opened(self._context.workspace(instance).root) as root,
            contextlib.closing(Folders(root)) as folders,
        ):
            for path in paths:
                above, _, name = path.rpartition("/")
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    if (status := folders.look(path)) and not stat.S_ISDIR(status.st_mode):
                        found[path] = holds(folders.open(above), name, source.files[path])
        return found

    # -- parts -------------------------------------------------------------------------------------------------------

    def stage(self, space: str) -> Stage:
        """What is staged. Raises NuvError (6) where nothing is, (4) where the acting user may not view its source."""
        stage = self._staging.get(space)
        if stage is None or stage.empty:
            raise NuvError(
                "Nothing is staged",
                "a distribution pushes what is in the stage",
                STAGE_HINT,
                Exit.REFUSED,
            )
        self._context.require(self._context.view(), Action.VIEW, stage.space, stage.source.instance)
        return stage

    def check(self, space: str, targets: builtins.list[str]) -> Stage:
        """What is staged. Raises NuvError: nothing (6), role (4), unknown target (3), none or the source itself (2)."""
        stage = self.stage(space)
        self.check_targets(stage.source, targets)
        return stage

    def check_targets(self, source: StateRef, targets: builtins.list[str]) -> None:
        """Raise NuvError: none (2), role (4), an unknown one (3), the source itself (2), the same place (5)."""
        view = self._context.view()
        if not targets:
            raise NuvError(
                "No target",
                "expected at least one instance",
                "Name them: `--targets INSTANCE,…`.",
                Exit.USAGE,
            )
        for target in targets:
            instance = self._context.instance(view, target)
            self._context.require(view, Action.MODIFY, instance.space, target)
            if target == source.instance and source.snapshot is None:
                raise NuvError(
                    f"{instance.name} is the source",
                    "the Current State cannot be distributed to itself",
                    "Stage from a snapshot to restore a part of it.",
                    Exit.USAGE,
                )
        self._context.distinct(
            self._origin(source), [self._context.instance(view, target) for target in targets]
        )

    def _origin(self, source: StateRef) -> Instance | None:
        """The instance that a source state is of; None where it is gone."""
        return self._context.view().instances.get(source.instance)

    def _name(self, view: View, target: str) -> str:
        instance: Instance = self._context.instance(view, target)
        return f"{self._context.space(view, instance.space).name}/{instance.name}"

    def staged(self, stage: Stage, ref: StateRef) -> Objects:
        """The staged objects in the state `ref`. Raises NuvError (3) where something staged is gone from it."""
        whole = objects_of(self._context, ref)
        if stage.everything:
            return whole
        paths = [text_to_path(text) for text in stage.files]
        for path in paths:
            if path not in whole.files and path not in whole.folders:
                raise _gone("--files", path_to_text(path))
        chosen = set(paths)

        def staged(path: str) -> bool:
            parts = path.split("/")
            return any("/".join(parts[:end]) in chosen for end in range(1, len(parts) + 1))

        for name in stage.tables:
            if name not in whole.tables:
                raise _gone("--tables", name, "table ")
        for slug in stage.applications:
            if slug not in whole.applications:
                raise _gone("--apps", slug, "application ")
        files = {path: entry for path, entry in whole.files.items() if staged(path)}
        parents = folders_above(files)
        return Objects(
            files,
            {path: entry for path, entry in whole.folders.items() if path in parents or staged(path)},
            {name: whole.tables[name] for name in stage.tables},
            {slug: whole.applications[slug] for slug in stage.applications},
            whole.rules,
        )


def _ended(results: list[TargetResult]) -> list[TargetResult]:
    """What the targets amount to when nothing goes on any more."""
    targets = []
    for target in results:
        if target.status == "applying":
            target = msgspec.structs.replace(
                target,
                status="interrupted",
                error=f"stopped half-way; restore the automatic snapshot {short(target.backup or '')}"
                " to have it as it was, or distribute again",
            )
        elif target.status == "waiting":
            target = msgspec.structs.replace(target, status="cancelled", error="not begun: as it was")
        targets.append(target)
    return targets


def _gone(option: str, name: str, kind: str = "") -> NuvError:
    return NuvError(
        f"{kind}{name} is not in the source state",
        "it is gone since it was staged, ignored, or nothing that a snapshot can hold",
        f"Take it out: `nuvtui stage remove {option} {shlex.quote(name)}`.",
        Exit.NOT_FOUND,
    )


def _plan(target: str, source: Objects, now: Objects, strategies: Strategies) -> TargetPlan:
    # An empty folder is in nobody's way: what comes goes into it, and what is in a folder that comes empty stays
    # (but for Mirror, which empties it).
    filled = source.filled
    mirror = strategies.files is Strategy.MIRROR
    files = plan_paths(
        {
            path: file_token(entry)
            for path, entry in source.files.items()
            if mirror or not (entry.kind == FOLDER and path in now.folders)
        },
        {
            path: file_token(entry)
            for path, entry in now.files.items()
            # The target's own ignore rules are its settings: only a staged one stands in their place.
            if not (entry.kind == FOLDER and path in filled) and (path != IGNORE or path in source.files)
        },
        # Nothing of a type staged: nothing of it is distributed, whatever the strategy. A mirror of nothing would
        # empty the target.
        strategies.files if source.files or source.folders else Strategy.SKIP,
    )
    # What the source leaves out it does not speak of: a mirror does not remove it.
    unspoken = {path for path in files.removed if changeset.left_out(source.rules, path)}
    removed = [path for path in files.removed if path not in unspoken]
    return TargetPlan(
        target,
        TypePlan(
            *(
                sorted(map(path_to_text, names))
                for names in (files.created, files.replaced, removed, [*files.kept, *unspoken])
            )
        ),
        plan(
            {name: part.fingerprint for name, part in source.tables.items()},
            {name: part.fingerprint for name, part in now.tables.items()},
            strategies.tables if source.tables else Strategy.SKIP,
        ),
        plan(
            {slug: part.text for slug, part in source.applications.items()},
            {slug: part.text for slug, part in now.applications.items()},
            strategies.applications if source.applications else Strategy.SKIP,
        ),
    )


def _digest(target: str, source: Objects, now: Objects, strategies: Strategies) -> str:
    """What tells whether a distribution to a target would do the same again: all that it depends on."""
    return plan_digest("distribute", target, repr(strategies), source.digest, now.digest)


def _transition(planned: TargetPlan, source: Objects, now: Objects) -> Transition:
    """What has to be written and removed for `planned`."""
    written = [text_to_path(text) for text in [*planned.files.created, *planned.files.replaced]]
    removed = [text_to_path(text) for text in planned.files.removed]
    parents = sorted(folders_above(written))
    puts = [
        (path, source.folders[path])
        for path in parents
        if path in source.folders and path not in now.folders and path not in now.files
    ]
    puts += [(path, source.folders[path]) for path in parents if path in source.folders and path in now.files]
    puts += [(path, source.files[path]) for path in written]
    return Transition(
        sorted(puts, key=lambda put: put[0]),
        [*removed, *_emptied(removed, written, now)],
        [],
        {},
        [source.tables[name] for name in [*planned.tables.created, *planned.tables.replaced]],
        planned.tables.removed,
        [
            source.applications[slug]
            for slug in [*planned.applications.created, *planned.applications.replaced]
        ],
        planned.applications.removed,
    )


def _emptied(removed: list[str], written: list[str], now: Objects) -> list[str]:
    """Folders of the target that hold nothing any more."""
    if not removed:
        return []
    gone = set(removed)
    staying = [*(path for path in now.files if path not in gone), *written]
    needed = folders_above(staying).union(staying)
    return sorted(
        folder for folder in folders_above(removed) if folder not in needed and folder in now.folders
    )


def _counts(part: TypePlan) -> Counts:
    return Counts(len(part.created), len(part.replaced), len(part.removed), len(part.kept))
