"""`tasks`."""

import click

from nuvtui import sanitise
from nuvtui.cli.common import follow, formatted, services
from nuvtui.cli.output import emit, moment, pairs, say
from nuvtui.model.task import TaskStatus


@click.group()
def tasks() -> None:
    """Long work in the background."""


@tasks.command("list")
@formatted
@click.pass_context
def list_(ctx: click.Context, form: str) -> None:
    """List tasks, newest first."""
    from nuvtui.worker.lifecycle import list_tasks

    found = list_tasks(services(ctx).home)
    rows = [(t.id[:8], t.status, t.title, t.user, moment(t.created), moment(t.finished)) for t in found]
    emit(found, form, rows, ("id", "status", "title", "user", "created", "finished"))


@tasks.command("get")
@click.argument("task")
@formatted
@click.pass_context
def get(ctx: click.Context, task: str, form: str) -> None:
    """Show a task: status, steps, result."""
    from nuvtui.worker.lifecycle import find

    view = find(services(ctx).home, task)
    emit(view, form)
    if form == "tabulated":
        rows = [
            ("Task", view.id),
            ("Title", view.title),
            ("Status", view.status + (" (interrupted)" if view.interrupted else "")),
            ("Created", moment(view.created)),
            ("Finished", moment(view.finished)),
        ]
        rows += [("Step", f"{step.title}{' (failed)' if step.failed else ''}") for step in view.steps]
        rows += [("Warning", warning) for warning in view.warnings]
        if view.more_warnings:
            rows.append(("", f"{view.more_warnings:,} more warnings"))
        if view.error:
            rows += [("Error", f"{view.error.title}: {view.error.message}"), ("Hint", view.error.hint)]
        pairs([row for row in rows if row[1]])


@tasks.command("cancel")
@click.argument("task")
@formatted
@click.pass_context
def cancel(ctx: click.Context, task: str, form: str) -> None:
    """Cancel a task and wait until it has stopped."""
    from nuvtui.worker import lifecycle

    home = services(ctx).home
    view = lifecycle.find(home, task)
    if view.status.ended:
        say(f"Task {view.id[:8]} has ended already: {view.status}.")
    else:
        lifecycle.cancel(home, view.id)
        view = lifecycle.view(home, view.id)
        say(f"Task {view.id[:8]}: {view.status}.")
    emit(view, form)


@tasks.command("attach")
@click.argument("task")
@formatted
@click.pass_context
def attach(ctx: click.Context, task: str, form: str) -> None:
    """Follow a task to its end; Ctrl+C leaves it running."""
    from nuvtui.worker.lifecycle import find

    view = find(services(ctx).home, task)
    if form == "tabulated":
        say(f"{sanitise.line(view.title)} ({view.status}); Ctrl+C leaves it running.")
    ended = follow(services(ctx), view.id, log=form == "tabulated", cancel=False)
    emit(ended.result, form)
    if form == "tabulated":
        say(f"Task {view.id[:8]}: {TaskStatus.COMPLETED}.")
