"""Operations carried out over the services: what is refused before a task exists, and what a task's worker does."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from nuvtui.errors import Exit, NuvError
from nuvtui.model import operations as op
from nuvtui.model.distribution import Distribution, TargetResult
from nuvtui.model.names import short, text_to_path
from nuvtui.reporter import Reporter

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services


def refuse(services: "Services", operation: op.Task) -> None:
    """Raise NuvError, as `carry_out` would, for what can be told before a task exists: names, roles, targets."""
    services.context.require_store()
    match operation:
        case op.TakeSnapshot():
            services.snapshots.check_create(operation.instance, operation.name)
        case op.Restore():
            services.restore.check(operation.snapshot, operation.instance)
        case op.Distribute() if operation.server is not None:
            services.distribution.stage(operation.space)
        case op.Distribute():
            services.distribution.check(operation.space, operation.targets)
        case op.Recall():
            services.distribution.check_recall(operation.distribution)
        case op.Export():
            services.exports.check(operation.spec)
        case op.Archive():
            services.exports.leaving(operation.export, "archived")
        case op.Push():
            services.exports.leaving(operation.export, "pushed")
        case op.Verify():
            services.exports.with_image(operation.export)
        case op.Load():
            services.exports.check_load(operation.space, Path(text_to_path(operation.path)))
        case op.ImportTable():
            services.tables.check_import(
                operation.instance, Path(text_to_path(operation.file)), operation.name
            )
        case op.Check() | op.Prune() | op.Repair():
            pass
        case op.PushSnapshots():
            services.remotes.check_push(operation.remote, operation.snapshots)
        case op.PullSnapshots() | op.CheckRemote() | op.PruneRemote():
            services.remotes.find(operation.remote)
        case op.Clone():
            services.clones.check(operation)
        case op.RunPolicy():
            services.policies.check_run(operation.instance)
        case _:
            assert_never(operation)


def carry_out(services: "Services", operation: op.Task, reporter: Reporter) -> Any:
    """Do `operation` and return its result. Raises NuvError."""
    _bring(services, operation, reporter)
    match operation:
        case op.TakeSnapshot():
            return services.snapshots.create(
                operation.instance,
                operation.name,
                operation.description,
                operation.next_phase,
                reporter,
                reread=operation.reread,
            )
        case op.Restore():
            return _restore(services, operation, reporter)
        case op.Distribute():
            return _distribute(services, operation, reporter)
        case op.Recall():
            found = services.distribution.check_recall(operation.distribution)
            recalls = services.distribution if found.server is None else services.far
            return recalls.recall(operation.distribution, reporter)
        case op.Export():
            return services.exports.create(operation.spec, reporter, operation.export or None)
        case op.Archive():
            return services.exports.archive(operation.export, Path(text_to_path(operation.path)), reporter)
        case op.Push():
            return services.exports.push(operation.export, operation.public_ok, reporter)
        case op.Verify():
            return services.exports.verify(operation.export, operation.again, reporter)
        case op.Load():
            path = Path(text_to_path(operation.path))
            return op.Loaded(services.exports.load(operation.space, path, reporter))
        case op.ImportTable():
            return services.tables.import_file(
                operation.instance,
                Path(text_to_path(operation.file)),
                operation.name,
                replace=operation.replace,
                options=operation.options,
                reporter=reporter,
            )
        case op.Check():
            return services.maintenance.check(operation.read_data, reporter)
        case op.Prune():
            return services.maintenance.gc(operation.dry_run, operation.grace, reporter)
        case op.Repair():
            return services.maintenance.repair(operation.dry_run, reporter)
        case op.PushSnapshots():
            return services.remotes.push(operation.remote, operation.snapshots, reporter)
        case op.PullSnapshots():
            return services.remotes.pull(operation.remote, operation.snapshots, reporter)
        case op.Clone():
            return services.clones.clone(operation, reporter)
        case op.CheckRemote():
            return services.remotes.check(operation.remote, operation.read_data, reporter)
        case op.RunPolicy():
            return services.policies.run(operation.instance, reporter, operation.plan)
        case op.PruneRemote():
            return services.remotes.prune(operation.remote, operation.dry_run, operation.grace, reporter)
        case _:
            assert_never(operation)


def _bring(services: "Services", operation: op.Task, reporter: Reporter) -> None:
    """Pull the snapshot that `operation` works from, where only a remote holds it."""
    snapshot: str | None = None
    match operation:
        case op.Restore():
            snapshot = operation.snapshot
        case op.Export():
            snapshot = operation.spec.snapshot
        case op.Distribute():
            stage = services.staging.get(operation.space)
            snapshot = stage.source.snapshot if stage is not None else None
    if snapshot is not None and services.context.view().remotes:
        services.remotes.bring(snapshot, reporter)


def _restore(services: "Services", operation: op.Restore, reporter: Reporter) -> op.RestoreResult:
    """Restore; a task that could not put every path in place has failed."""
    done = services.restore.restore(operation.snapshot, operation.instance, reporter, operation.plan)
    if done.skipped:
        raise NuvError(
            f"{len(done.skipped)} of the snapshot's paths could not be put in place",
            f"the file system cannot hold {', '.join(done.skipped[:5])}; all else is as in the snapshot",
            f"To undo: `nuvtui snapshots restore -i {short(done.instance)} {short(done.backup)}`.",
        )
    return done


def _distribute(services: "Services", operation: op.Distribute, reporter: Reporter) -> Distribution:
    """Distribute the stage; a task that did not reach every target has failed."""
    task = os.environ.get("NUVTUI_TASK")
    if operation.server is not None:
        done = services.far.distribute(operation, operation.server, reporter, task)
    else:
        done = services.distribution.distribute(
            operation.space,
            operation.targets,
            operation.strategies,
            operation.message,
            reporter,
            task,
            operation.distribution or None,
            operation.plans,
        )
    failed = [target for target in done.targets if target.status != "completed" or target.skipped]
    if failed:
        raise NuvError(
            f"{len(failed)} of {len(done.targets)} targets could not be distributed to",
            "; ".join(f"{target.name}: {target.error or _skipped(target)}" for target in failed),
            f"See `nuvtui distribution show {short(done.id)}`.",
            Exit.CONFLICT if any(target.changed for target in failed) else Exit.FAILED,
        )
    return done


def _skipped(target: TargetResult) -> str:
    return f"its file system cannot hold {', '.join(target.skipped[:5])}; the rest is done"
