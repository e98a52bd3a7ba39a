"""What commands share: the options, finding space, instance and state, and running a task to its end."""

import functools
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from nuvtui.bootstrap import Services, open_services
from nuvtui.cli.output import emit
from nuvtui.errors import Exit, NuvError
from nuvtui.model.operations import Operation, Task, result_of
from nuvtui.model.space import Instance, Space
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskStatus, TaskView

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

CURRENT = ("current", "current-state", "now", ".")
"""What people may type for the Current State where a snapshot is asked for."""


def formatted(command: F) -> F:
    """Add `-f`, passed as `form`."""
    return click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(["tabulated", "json", "yaml"]),
        default="tabulated",
        help="How to print the result.",
    )(command)


def scoped(command: F) -> F:
    """Add `-s` and `-i`; the command gets a `Scope` as its first argument."""

    @click.option(
        "-s", "--space", "space_key", metavar="SPACE", help="Space (default: that of the current folder)."
    )
    @click.option(
        "-i", "--instance", "instance_key", metavar="INSTANCE", help="Instance (default: as for the space)."
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapper(
        ctx: click.Context, /, *args: Any, space_key: str | None, instance_key: str | None, **kwargs: Any
    ) -> Any:
        return command(Scope(services(ctx), space_key, instance_key), *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def from_snapshot(command: F) -> F:
    """Add `-p`, passed as `snapshot_key`."""
    return click.option(
        "-p",
        "--snapshot",
        "snapshot_key",
        metavar="SNAPSHOT",
        help="Snapshot: id, prefix or name (default: Current State).",
    )(command)


def detachable(command: F) -> F:
    """Add `--wait/--detach`, passed as `detach`."""
    return click.option(
        "--wait/--detach",
        "wait",
        default=True,
        help="Wait for the task to end (default), or print its id at once.",
    )(command)


def planned(command: F) -> F:
    """Add `--plan`, passed as `plan`: digests of dry runs, one of which what would be done has to have."""
    return click.option(
        "--plan",
        multiple=True,
        metavar="DIGEST",
        help="Only as the dry run with this digest said; refused (exit code 5) where it changed since. "
        "Repeat it for several targets.",
    )(command)


def services(ctx: click.Context, home: Path | None = None) -> Services:
    """The services of this invocation, opened once; `home`: the store home, whatever option or environment say."""
    root = ctx.find_root()
    if not isinstance(root.obj.get("services"), Services):
        from nuvtui import config

        flags = {key: root.obj.get(key) for key in ("home", "ascii", "theme")}
        if home is not None:
            flags["home"] = str(home)
        root.obj["services"] = open_services(config.load(flags))
    found: Services = root.obj["services"]
    return found


class Scope:
    """The space, instance and state that a command works on."""

    def __init__(self, services: Services, space_key: str | None, instance_key: str | None) -> None:
        self.services = services
        self._space_key = space_key
        self._instance_key = instance_key

    @functools.cached_property
    def _here(self) -> Any:
        return self.services.spaces.locate(Path.cwd())

    @functools.cached_property
    def space(self) -> Space:
        """The space. Raises NuvError (3) where none is named and the current folder is in none."""
        if self._space_key:
            return self.services.spaces.find(self._space_key)
        if self._here is None:
            raise self.services.spaces.stranger(Path.cwd())
        space: Space = self._here.space
        return space

    @functools.cached_property
    def instance(self) -> Instance:
        """The instance: named, that of the current folder, else the space's Master."""
        if self._instance_key:
            space, _, name = self._instance_key.rpartition("/")
            if space and self._space_key is None:
                self._space_key = space
            return self.services.instances.find(self.space.id, name)
        if self._here is not None and self._here.space.id == self.space.id:
            instance: Instance = self._here.instance
            return instance
        return self.services.instances.find(self.space.id, "Master")

    def state(self, key: str | None) -> StateRef:
        """The state that `key` means: None or `current` for the Current State, else a snapshot."""
        if key is None or key.lower() in CURRENT:
            return StateRef(self.instance.id)
        return StateRef(self.instance.id, self.services.snapshots.find(self.instance.id, key).id)

    def target(self, key: str) -> Instance:
        """The instance that `[SPACE/]INSTANCE` means."""
        space, _, name = key.rpartition("/")
        space_id = self.services.spaces.find(space).id if space else self.space.id
        return self.services.instances.find(space_id, name)


def run_task(
    scope_services: Services,
    operation: Operation[R],
    title: str,
    *,
    space: str = "",
    instance: str = "",
    subject: str = "",
    wait: bool = True,
    log: bool = False,
) -> R | None:
    """Submit a task and (`wait`) follow it to its end: progress on standard error for people, silence for pipes.

    Returns the task's result, or None where it was only submitted (its id is then printed, in the form that the
    command was asked for). Ctrl+C cancels the task; a hang-up leaves it running. Raises NuvError as the task did,
    and where it is refused before there is one.
    """
    from nuvtui.operations import refuse
    from nuvtui.worker.request import ask
    from nuvtui.worker.submit import submit

    refuse(scope_services, cast(Task, operation))
    request = ask(scope_services, operation, title, space=space, instance=instance, subject=subject)
    if not wait:
        task = submit(scope_services.home, request)
        form = (click.get_current_context(silent=True) or click.Context(click.Command(""))).params.get("form")
        emit({"task": task}, form or "tabulated", [(task,)])
        return None
    # A Ctrl+C while the task is started waits until somebody is there who cancels it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        task = submit(scope_services.home, request)
        view = follow(
            scope_services, task, log=log, begin=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before)
        )
        return cast(R, result_of(view))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow(
    scope_services: Services,
    task: str,
    *,
    log: bool = False,
    cancel: bool = True,
    begin: Callable[[], object] = lambda: None,
) -> TaskView:
    """Follow a task to its end and return it. Raises NuvError as the task did.

    `cancel`: Ctrl+C cancels the task. `begin` is called as soon as it would.
    """
    from nuvtui.cli.progress import Progress
    from nuvtui.worker.attach import attach
    from nuvtui.worker.lifecycle import cancel as cancel_task

    progress = Progress(sys.stderr)
    try:
        begin()
        view = attach(scope_services.home, task, progress.event, progress.log if log else None)
    except KeyboardInterrupt:
        progress.close()
        if cancel:
            print("Cancelling…", file=sys.stderr)
            cancel_task(scope_services.home, task)
        raise
    finally:
        progress.close()
    if view.status is TaskStatus.CANCELLED:
        raise NuvError(f"Task {task[:8]} was cancelled", "", "", Exit.CANCELLED)
    if view.error is not None:
        error = view.error
        raise NuvError(error.title, error.message, error.hint, Exit(error.exit_code))
    return view


def asks(command: F) -> F:
    """Add `--yes`, passed as `yes`: for every command that takes away what is there without its name being said.

    The rule: such a command calls `confirm` before it changes anything. At a terminal it asks; elsewhere it is refused
    without `--yes`. A word in the call that says as much (`--replace`, the strategy `mirror`) is an answer already, and
    what can be had back by name (a member's role, the stage) is not asked for.
    """
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(yes: bool, what: str) -> None:
    """Raise NuvError (6) unless `--yes` was said or a person at the terminal agrees. See `asks`."""
    if yes:
        return
    if (
        sys.stdin.isatty()
        and sys.stderr.isatty()
        and click.confirm(f"{what} Go on?", default=False, err=True)
    ):
        return
    raise NuvError("Not confirmed", what, "Say --yes.", Exit.REFUSED)
