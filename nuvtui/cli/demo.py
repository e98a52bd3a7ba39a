"""`demo`: the study, and (--headless) the main job run through on it."""

from pathlib import Path

import click

from nuvtui import sanitise
from nuvtui.cli.common import run_task, services
from nuvtui.cli.output import say, size
from nuvtui.errors import NuvError
from nuvtui.model.distribution import Strategies
from nuvtui.model.export import ExportSpec
from nuvtui.model.operations import Distribute, Export, Restore
from nuvtui.model.stage import StateRef
from nuvtui.services.spaces.service import Location


@click.command()
@click.option("--headless", is_flag=True, help="No screens: run the main job through and print each result.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("nuvtui-demo"),
    show_default=True,
    help="Where to put the study.",
)
@click.pass_context
def demo(ctx: click.Context, headless: bool, folder: Path) -> None:
    """A small real study to try everything on.

    The study keeps its own store in the folder, so that nothing of yours is touched and deleting the folder ends it.
    """
    from nuvtui.demo import study

    folder = folder.absolute()
    root = ctx.find_root()
    if root.obj.get("home") is None:
        # A store of its own beside the study, not inside a workspace.
        root.obj["home"] = str(folder.with_name(folder.name + "-store"))
    opened = services(ctx)
    if not study.exists(folder):
        location = study.lay_out(opened, folder, _print)
    else:
        found = opened.spaces.locate(folder / study.SPACE)
        if found is None:
            raise NuvError(
                f"The demo in {folder} has lost its store", "", "Delete the folder, or give another --dir."
            )
        location = found
    if headless:
        _main_job(ctx, location)
        say(f"Open it: nuvtui --home {opened.home.root} (in {folder / study.SPACE})")
        return
    ctx.exit(root.obj["screens"](opened, folder / study.SPACE))


def _print(text: str) -> None:
    print(sanitise.line(text))


def _main_job(ctx: click.Context, location: Location) -> None:
    """Preserve, share, hand over: each through the same tasks as the commands."""
    opened = services(ctx)
    space, master = location.space.id, location.instance.id
    changed = opened.changes.status(master)
    _print(f"Status: {len(changed.files)} files changed since the newest snapshot")
    timeline = opened.snapshots.list(master)
    diff = opened.changes.diff(StateRef(master, timeline[-1].id), StateRef(master, timeline[0].id))
    _print(f"Diff {diff.old} to {diff.new}: {len(diff.files)} files, {len(diff.tables)} tables")
    reviewer = opened.instances.find(space, "reviewer")
    plans = opened.distribution.dry_run(space, [reviewer.id], Strategies())
    _print(
        f"Dry run to reviewer: {len(plans[0].files.created)} files created, {len(plans[0].tables.created)} tables"
    )
    done = run_task(
        opened,
        Distribute(
            space,
            [reviewer.id],
            message="The package for the review: run analysis.py.",
            plans=[plan.plan for plan in plans],
        ),
        "Distribute to reviewer",
        space=space,
        instance=master,
    )
    assert done is not None
    _print(
        f"Distribution {done.id[:8]}: {done.status}, {done.targets[0].files.created} files to {done.targets[0].name}"
    )
    restored = run_task(
        opened,
        Restore(timeline[0].id, master),
        "Restore the newest snapshot",
        space=space,
        instance=master,
    )
    assert restored is not None
    _print(
        f"Restore {timeline[0].id[:8]}: {restored.files} files written; undo with snapshot {restored.backup[:8]}"
    )
    _export(ctx, location)


def _export(ctx: click.Context, location: Location) -> None:
    opened = services(ctx)
    spec = ExportSpec(
        application="penguins",
        instance=location.instance.id,
        snapshot=None,
        name="penguins-demo",
        engine=opened.settings.engine,
        with_files=True,
    )
    stops = [f for f in opened.exports.preflight(spec) if f.level == "stop"]
    if stops:
        _print("Export: NOT DONE")
        for finding in stops:
            _print(f"  {finding.subject}: {finding.text}")
        return
    try:
        record = run_task(
            opened,
            Export(spec),
            "Export penguins",
            space=location.space.id,
            instance=location.instance.id,
        )
    except NuvError as error:
        _print("Export: NOT DONE")
        _print(f"  {error}")
        return
    assert record is not None
    _print(f"Export {record.id[:8]}: {record.image}, {size(record.size)}, left out: {len(record.excluded)}")
    if record.needs_loading:
        from nuvtui.cli.exports import loading

        _print(f"First: {loading(record)}")
    _print(f"Run it: {record.run_command}")
