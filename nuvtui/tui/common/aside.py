"""Heavy work for a screen in a process of its own: comparing states, what deleting would free, laying out the demo.

A comparison walks a whole workspace and may open the database. In a thread it would share the interpreter with the
keys, and load the database into the screens' process; so a child process does it and answers with JSON.

Request (standard input): `{"settings": …, "user": …, "what": …, "arguments": …}`. Answer (standard output):
`{"result": …}` or `{"error": {title, message, hint, exit_code}}`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.diff import Diff
from nuvtui.model.distribution import Strategies, TargetPlan
from nuvtui.model.export import Excluded, ExportSpec, Finding
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.stage import StateRef
from nuvtui.model.task import Failure

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services
    from nuvtui.model.table import ColumnStats, Rows

COMMAND = (sys.executable, "-P", "-m", "nuvtui.tui.common.aside")
MEMORY = "1GB"
"""What a query may use."""
CLIP = 4096
"""Longest cell of a query's result."""
SHOWN = 200
"""Things left out of an image that an outlook names."""


class Checked(msgspec.Struct, frozen=True):
    """What preflight says of an export."""

    findings: list[Finding]
    engine: str = ""
    """The engine that would be taken; empty: none."""


class Outlook(msgspec.Struct, frozen=True):
    """What the dry run of an export says, without the list of its files."""

    findings: list[Finding]
    """Of the content guard, and from which snapshot it was planned."""
    files: int
    bytes: int
    left_out: int
    excluded: list[Excluded]
    """The first `SHOWN` of those left out."""


def _no_answer() -> NuvError:
    return NuvError(
        "No answer came",
        "the process that looks for it was stopped, or met an unexpected error",
        "Try again; on the command line: nuvtui status",
    )


class Aside:
    """The questions of one asker: a new one ends the one before. For the event loop's thread."""

    def __init__(self) -> None:
        self._latest: Question | None = None

    def ask(self) -> Question:
        """A new question; what was asked before is not wanted any more."""
        self.stop()
        self._latest = Question()
        return self._latest

    def stop(self) -> None:
        """End what is running: nobody waits for it any more."""
        if self._latest is not None:
            self._latest.stop()
            self._latest = None


class Question:
    """One question, put in a thread. It can be given up from another one, even before it begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._given_up = False

    def stop(self) -> None:
        """Give it up."""
        with self._lock:
            self._given_up = True
            if self._child is not None:
                self._child.kill()

    def status(self, services: Services, instance: str) -> Diff:
        """What changed in the Current State since the newest snapshot. For a thread; raises NuvError."""
        return msgspec.convert(self._ask(services, "status", {"instance": instance}), Diff)

    def diff(self, services: Services, old: StateRef | None, new: StateRef) -> Diff:
        """What differs from `old` to `new`. For a thread; raises NuvError."""
        arguments = {"old": msgspec.to_builtins(old), "new": msgspec.to_builtins(new)}
        return msgspec.convert(self._ask(services, "diff", arguments), Diff)

    def query(self, services: Services, ref: StateRef, sql: str, limit: int) -> Rows:
        """The rows of a query over a state's tables; ended for good by `stop`. For a thread; raises NuvError."""
        from nuvtui.model.table import Rows

        arguments = {"state": msgspec.to_builtins(ref), "sql": sql, "limit": limit}
        return msgspec.convert(self._ask(services, "query", arguments), Rows)

    def distributions(self, services: Services, ref: StateRef, table: str) -> list[ColumnStats]:
        """How the values of a table's columns are spread. For a thread; raises NuvError."""
        from nuvtui.model.table import ColumnStats

        arguments = {"state": msgspec.to_builtins(ref), "table": table}
        return msgspec.convert(self._ask(services, "distributions", arguments), list[ColumnStats])

    def freed_by(self, services: Services, snapshots: list[str]) -> int:
        """Bytes that deleting snapshots would free. For a thread; raises NuvError."""
        return int(self._ask(services, "freed", {"snapshots": snapshots}))

    def dry_run(
        self, services: Services, space: str, targets: list[str], strategies: Strategies
    ) -> list[TargetPlan]:
        """What a distribution of the stage would do. For a thread; raises NuvError."""
        arguments = {"space": space, "targets": targets, "strategies": msgspec.to_builtins(strategies)}
        return msgspec.convert(self._ask(services, "dry-run", arguments), list[TargetPlan])

    def preflight(self, services: Services, spec: ExportSpec) -> Checked:
        """What stands in the way of an export. For a thread; raises NuvError."""
        return msgspec.convert(self._ask(services, "preflight", {"spec": msgspec.to_builtins(spec)}), Checked)

    def outlook(self, services: Services, spec: ExportSpec) -> Outlook:
        """What must not leave, and how much would go in. For a thread; raises NuvError."""
        return msgspec.convert(self._ask(services, "outlook", {"spec": msgspec.to_builtins(spec)}), Outlook)

    def plan(self, services: Services, spec: ExportSpec) -> Any:
        """The dry run of an export (`services.exports.ExportPlan`) as plain values. For a thread; raises NuvError."""
        return self._ask(services, "plan", {"spec": msgspec.to_builtins(spec)})

    def demo(self, services: Services, folder: Path) -> str:
        """Lay out the demo study in a folder; the id of its Master. For a thread; raises NuvError."""
        return str(self._ask(services, "demo", {"folder": path_to_text(str(folder))}))

    def _ask(self, services: Services, what: str, arguments: dict[str, Any]) -> Any:
        from nuvtui.worker.submit import worker_environment

        settings = msgspec.to_builtins(services.settings) | {"home": str(services.home.root)}
        request = {"settings": settings, "user": services.user, "what": what, "arguments": arguments}
        with self._lock:
            if self._given_up:
                raise _no_answer()
            child = self._child = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=worker_environment(),
            )
        answer, _ = child.communicate(msgspec.json.encode(request))
        with self._lock:
            self._child = None
        try:
            found = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            raise _no_answer() from None
        if "error" in found:
            error = msgspec.convert(found["error"], Failure)
            raise NuvError(error.title, error.message, error.hint, Exit(error.exit_code))
        return found["result"]


def answer(request: dict[str, Any]) -> Any:
    """Do what a request asks for. Raises NuvError."""
    from nuvtui.bootstrap import open_services
    from nuvtui.config import Settings

    services = open_services(msgspec.convert(request["settings"], Settings), request["user"])
    arguments = request["arguments"]
    match request["what"]:
        case "status":
            return services.changes.status(arguments["instance"])
        case "diff":
            old = msgspec.convert(arguments["old"], StateRef | None)
            return services.changes.diff(old, msgspec.convert(arguments["new"], StateRef))
        case "query":
            _bound()
            ref = msgspec.convert(arguments["state"], StateRef)
            return services.tables.query(ref, arguments["sql"], arguments["limit"], CLIP)
        case "distributions":
            _bound()
            ref = msgspec.convert(arguments["state"], StateRef)
            return services.tables.distributions(ref, arguments["table"])
        case "dry-run":
            return services.distribution.dry_run(
                arguments["space"], arguments["targets"], msgspec.convert(arguments["strategies"], Strategies)
            )
        case "preflight":
            findings, _, engine = services.exports.planner.preflight(
                msgspec.convert(arguments["spec"], ExportSpec)
            )
            return Checked(findings, engine.name if engine is not None else "")
        case "outlook":
            return _outlook(services, msgspec.convert(arguments["spec"], ExportSpec))
        case "plan":
            return services.exports.plan(msgspec.convert(arguments["spec"], ExportSpec))
        case "freed":
            return services.snapshots.freed_by(arguments["snapshots"])
        case "demo":
            from nuvtui.demo import study

            return study.lay_out(
                services, Path(text_to_path(arguments["folder"])), lambda text: None
            ).instance.id
    raise NuvError(f"No question {request['what']!r}", "", "", Exit.USAGE)


def _bound() -> None:
    """Hold SQL to a part of this machine: nobody knows what it asks for."""
    from nuvtui.tables import connection

    connection.bound(MEMORY, max(1, (os.cpu_count() or 2) - 1))


def _outlook(services: Services, spec: ExportSpec) -> Outlook:
    plan = services.exports.plan(spec)
    # What preflight found is in the plan too; only the guard's findings have a key or a path.
    found = [each for each in plan.findings if each.key or each.path or each.subject == "snapshot"]
    return Outlook(found, plan.files, plan.bytes, len(plan.excluded), plan.excluded[:SHOWN])


def main() -> None:
    """Answer the request on standard input."""
    try:
        out = {"result": msgspec.to_builtins(answer(msgspec.json.decode(sys.stdin.buffer.read())))}
    except NuvError as error:
        failure = Failure(error.title, error.message, error.hint, int(error.exit_code))
        out = {"error": msgspec.to_builtins(failure)}
    sys.stdout.buffer.write(msgspec.json.encode(out))


if __name__ == "__main__":
    main()
