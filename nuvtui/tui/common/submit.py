"""Submitting a task from a screen: in a thread, since it writes to the store."""

from collections.abc import Callable
from typing import Any

from nuvtui.errors import NuvError
from nuvtui.model.operations import Task
from nuvtui.tui.common.shell import ShellTarget


def submit(
    node: ShellTarget,
    operation: Task,
    title: str,
    done: Callable[[str], Any],
    *,
    space: str = "",
    instance: str = "",
    subject: str = "",
    before: Callable[[], Any] | None = None,
    failed: Callable[[NuvError], Any] | None = None,
) -> None:
    """Submit a task and call `done` with its id; what is refused before there is one is told as any other error.

    `before` runs first, in the same thread; a NuvError of it stops all.
    """
    nuv = node.nuv

    def work() -> str:
        from nuvtui.operations import refuse
        from nuvtui.worker.request import ask
        from nuvtui.worker.submit import submit as start

        if before is not None:
            before()
        services = nuv.services
        refuse(services, operation)
        return start(
            services.home, ask(services, operation, title, space=space, instance=instance, subject=subject)
        )

    node.load(work, done, group=f"submit {operation.kind}", failed=failed)
