"""The child process that answers one query (`queries`): `python -m nuvtui.worker.answer`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from nuvtui.errors import NuvError
from nuvtui.model import queries
from nuvtui.model.names import text_to_path
from nuvtui.model.task import Failure
from nuvtui.reporter import Silent
from nuvtui.worker.queries import Answer, Asked

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services
    from nuvtui.model.export import ExportSpec

MEMORY = "1GB"
"""What a query may use."""
CLIP = 4096
"""Longest cell of a query's result."""
PATIENCE = "30s"
"""How long a remote that does not answer is tried: somebody looks at the screen and waits."""
SHOWN = 200
"""Things left out of an image that an outlook names."""


def answer(services: "Services", query: queries.AnyQuery) -> Any:
    """The answer to `query`. Raises NuvError."""
    match query:
        case queries.Status():
            return services.changes.status(query.instance)
        case queries.Compare():
            return services.changes.diff(query.old, query.new)
        case queries.Sql():
            services.tables.bound(MEMORY)
            return services.tables.query(query.state, query.sql, query.limit, CLIP)
        case queries.Spread():
            services.tables.bound(MEMORY)
            return services.tables.distributions(query.state, query.table)
        case queries.Freed():
            return services.snapshots.freed_by(query.snapshots)
        case queries.DryRun():
            return services.distribution.dry_run(query.space, query.targets, query.strategies)
        case queries.PlanRestore():
            return services.restore.dry_run(query.snapshot, query.instance)
        case queries.Preflight():
            findings, _, engine = services.exports.planner.preflight(query.spec)
            return queries.Checked(findings, engine.name if engine is not None else "")
        case queries.Foresee():
            return _outlook(services, query.spec)
        case queries.PlanExport():
            return services.exports.plan(query.spec)
        case queries.LayOutDemo():
            from nuvtui.demo import study

            folder = Path(text_to_path(query.folder))
            return study.lay_out(services, folder, lambda _text: None).instance.id
        case queries.AskRemote():
            return services.remotes.ask(query.remote)
        case queries.ListRemote():
            return services.remotes.snapshots(query.remote)
        case queries.PlanRemotePrune():
            return services.remotes.prune(query.remote, True, None, Silent())
        case queries.RecoverySheet():
            return services.remotes.recovery_sheet(query.remote)
        case queries.AddRemote():
            recipients = [services.remotes.own_recipient()] if query.encrypt else []
            return services.remotes.add(query.name, query.url, recipients)
        case _:
            assert_never(query)


def _outlook(services: "Services", spec: "ExportSpec") -> queries.Outlook:
    plan = services.exports.plan(spec)
    # What preflight found is in the plan too; only the guard's findings have a key or a path.
    found = [each for each in plan.findings if each.key or each.path or each.subject == "snapshot"]
    return queries.Outlook(found, plan.files, plan.bytes, len(plan.excluded), plan.excluded[:SHOWN])


def main() -> None:
    """Answer the query on standard input."""
    from nuvtui.bootstrap import open_services

    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    settings = msgspec.structs.replace(asked.settings, remote_patience=PATIENCE)
    try:
        found = answer(open_services(settings, asked.user), asked.query)
        said = Answer(msgspec.Raw(msgspec.json.encode(found)))
    except NuvError as error:
        said = Answer(error=Failure(error.title, error.message, error.hint, int(error.exit_code)))
    sys.stdout.buffer.write(msgspec.json.encode(said))


if __name__ == "__main__":
    main()
