"""Operations by name: what a task's worker calls. Arguments and results are plain JSON values."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import Strategies, TargetResult
from nuvtui.model.export import ExportSpec
from nuvtui.model.names import short, text_to_path
from nuvtui.reporter import Reporter

if TYPE_CHECKING:
    from nuvtui.services.use_cases import UseCases


class Operations:
    """Runs a named operation over the services."""

    def __init__(self, services: "UseCases") -> None:
        self._services = services
        self._operations: dict[str, Callable[..., Any]] = {
            "snapshot": _snapshot,
            "restore": _restore,
            "distribute": _distribute,
            "recall": _recall,
            "export": _export,
            "archive": _archive,
            "push": _push,
            "verify": _verify,
            "load": _load,
            "import-table": _import_table,
            "check": _check,
            "gc": _gc,
            "repair": _repair,
        }

    def run(self, kind: str, arguments: dict[str, Any], reporter: Reporter) -> Any:
        """Run the operation `kind`. Returns its result as plain values. Raises NuvError."""
        operation = self._operations.get(kind)
        if operation is None:
            raise NuvError(f"No operation {kind!r}", "", "", Exit.USAGE)
        return msgspec.to_builtins(operation(self._services, reporter, **arguments))


def _snapshot(
    services: "UseCases",
    reporter: Reporter,
    instance: str,
    name: str = "",
    description: str = "",
    next_phase: str = "",
    reread: bool = False,
) -> Any:
    """Take a snapshot."""
    return services.snapshots.create(instance, name, description, next_phase, reporter, reread=reread)


def _restore(services: "UseCases", reporter: Reporter, snapshot: str, instance: str | None = None) -> Any:
    """Restore a snapshot; a task that could not put every path in place has failed."""
    done = services.restore.restore(snapshot, instance, reporter)
    if done.skipped:
        raise NuvError(
            f"{len(done.skipped)} of the snapshot's paths could not be put in place",
            f"the file system cannot hold {', '.join(done.skipped[:5])}; all else is as in the snapshot",
            f"To undo: `nuvtui snapshots restore -i {short(done.instance)} {short(done.backup)}`.",
        )
    return done


def _distribute(
    services: "UseCases",
    reporter: Reporter,
    space: str,
    targets: list[str],
    strategies: dict[str, str],
    message: str = "",
    distribution: str | None = None,
) -> Any:
    """Distribute the stage; a task that did not reach every target has failed."""
    import os

    done = services.distribution.distribute(
        space,
        targets,
        msgspec.convert(strategies, Strategies),
        message,
        reporter,
        os.environ.get("NUVTUI_TASK"),
        distribution,
    )
    failed = [target for target in done.targets if target.status != "completed" or target.skipped]
    if failed:
        raise NuvError(
            f"{len(failed)} of {len(done.targets)} targets could not be distributed to",
            "; ".join(f"{target.name}: {target.error or _skipped(target)}" for target in failed),
            f"See `nuvtui distribution show {short(done.id)}`.",
        )
    return done


def _skipped(target: TargetResult) -> str:
    return f"its file system cannot hold {', '.join(target.skipped[:5])}; the rest is done"


def _recall(services: "UseCases", reporter: Reporter, distribution: str) -> Any:
    """Recall a distribution."""
    return services.distribution.recall(distribution, reporter)


def _export(services: "UseCases", reporter: Reporter, spec: dict[str, Any], export: str | None = None) -> Any:
    """Export an application."""
    return services.exports.create(msgspec.convert(spec, ExportSpec), reporter, export)


def _archive(services: "UseCases", reporter: Reporter, export: str, path: str) -> Any:
    """Write the archive of an export."""
    return services.exports.archive(export, Path(text_to_path(path)), reporter)


def _push(services: "UseCases", reporter: Reporter, export: str, public_ok: bool = False) -> Any:
    """Push an export's image."""
    return services.exports.push(export, public_ok, reporter)


def _verify(services: "UseCases", reporter: Reporter, export: str, again: bool = False) -> Any:
    """Run an export's image, compare it with the plan."""
    return services.exports.verify(export, again, reporter)


def _load(services: "UseCases", reporter: Reporter, space: str, path: str) -> Any:
    """Read an archive of an image back."""
    return {"images": services.exports.load(space, Path(text_to_path(path)), reporter)}


def _import_table(
    services: "UseCases",
    reporter: Reporter,
    instance: str,
    file: str,
    name: str | None = None,
    replace: bool = False,
    options: dict[str, Any] | None = None,
) -> Any:
    """Import a file as a table."""
    from nuvtui.model.table_import import ImportOptions

    return services.tables.import_file(
        instance,
        Path(text_to_path(file)),
        name,
        replace=replace,
        options=msgspec.convert(options or {}, ImportOptions),
        reporter=reporter,
    )


def _check(services: "UseCases", reporter: Reporter, read_data: bool = False) -> Any:
    """Check the store."""
    return services.maintenance.check(read_data, reporter)


def _gc(services: "UseCases", reporter: Reporter, dry_run: bool = False, grace: float | None = None) -> Any:
    """Free what no snapshot refers to."""
    return services.maintenance.gc(dry_run, grace, reporter)


def _repair(services: "UseCases", reporter: Reporter, dry_run: bool = False) -> Any:
    """Rebuild index and state."""
    return services.maintenance.repair(dry_run, reporter)
