"""Submitting a task from a screen: in a thread, since it writes to the store."""

from collections.abc import Callable
from typing import Any

from nuvtui import config
from nuvtui.errors import NuvError
from nuvtui.tui.common.shell import ShellTarget


def submit(
    node: ShellTarget,
    kind: str,
    arguments: dict[str, Any],
    title: str,
    done: Callable[[str], Any],
    *,
    space: str = "",
    instance: str = "",
    subject: str = "",
    before: Callable[[], Any] | None = None,
    failed: Callable[[NuvError], Any] | None = None,
) -> None:
    """Submit a task and call `done` with its id. `before` runs first, in the same thread; a NuvError of it stops all."""
    nuv = node.nuv

    def work() -> str:
        from pathlib import Path

        from nuvtui.model.names import path_to_text
        from nuvtui.worker.request import Request
        from nuvtui.worker.submit import submit as start

        if before is not None:
            before()
        services = nuv.services
        settings = config.for_task(services.settings)
        return start(
            services.home,
            Request(
                kind=kind,
                arguments=arguments,
                title=title,
                user=services.user,
                space=space,
                instance=instance,
                subject=subject,
                settings=settings,
                cwd=path_to_text(str(Path.cwd())),
            ),
        )

    node.load(work, done, group=f"submit {kind}", failed=failed)
