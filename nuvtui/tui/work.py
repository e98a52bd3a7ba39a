"""Handing work to tasks: the role is looked at first, then a detached worker does it; nobody waits here."""

import os
from pathlib import Path
from typing import Any

import msgspec

from nuvtui.model.names import path_to_text
from nuvtui.model.roles import Action
from nuvtui.tui.widgets.scoped import Scoped


def submit(
    node: Scoped,
    kind: str,
    arguments: dict[str, Any],
    title: str,
    *,
    instance: str = "",
    space: str = "",
    subject: str = "",
    needs: Action | None = Action.MODIFY,
) -> None:
    """Submit a task for `node`; the user is told that it started, or why it may not (NuvError 4) or cannot.

    `needs`: what the acting user's role in the instance must allow; None: the worker's own checks are enough.
    """
    nuv = node.nuv

    def start() -> str:
        from nuvtui.tasks.request import Request
        from nuvtui.tasks.submit import submit as submit_task

        services = nuv.services
        where = space
        if instance:
            view = services.context.view()
            where = where or services.context.instance(view, instance).space
            if needs is not None:
                services.context.require(view, needs, where, instance)
        return submit_task(
            services.home,
            Request(
                kind=kind,
                arguments=arguments,
                title=title,
                user=services.user,
                space=where,
                instance=instance,
                subject=subject,
                settings=msgspec.to_builtins(services.settings) | {"home": os.fspath(services.home.root)},
                cwd=path_to_text(os.fspath(Path.cwd())),
            ),
        )

    nuv.jobs.start(
        nuv,
        start,
        lambda task: nuv.notify(f"{title}: started", timeout=3),
        group=f"submit {kind} {instance} {subject}",
    )
