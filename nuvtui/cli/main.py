"""The root command, and its lazily loaded groups."""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nuvtui import __version__
from nuvtui.cli import streams
from nuvtui.cli.exit_status import exit_status
from nuvtui.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from nuvtui.bootstrap import Services

COMMANDS = {
    "demo": ("demo", "A small real study to try everything on."),
    "init": ("spaces", "Make a folder the workspace of a new space."),
    "status": ("snapshots", "What changed since the newest snapshot."),
    "spaces": ("spaces", "List, show, create and delete spaces."),
    "instances": ("spaces", "List, create and delete instances of a space."),
    "members": ("members", "Who may do what in a space."),
    "snapshots": ("snapshots", "Take, look into, compare, restore snapshots."),
    "tables": ("tables", "Import, look at, query, export tables."),
    "apps": ("apps", "Applications and their configuration."),
    "stage": ("stage", "Collect what is to be distributed."),
    "distribution": ("distribution", "Distribute the stage to other instances."),
    "exports": ("exports", "Turn applications into Docker images."),
    "remotes": ("remotes", "Places outside this machine that hold snapshots."),
    "push": ("remotes", "Send snapshots to a remote."),
    "pull": ("remotes", "Bring snapshots from a remote."),
    "clone": ("remotes", "Make a space here from a remote."),
    "policy": ("policy", "Snapshots by a schedule, which of them stay."),
    "tasks": ("tasks", "Long work in the background."),
    "store": ("store", "The snapshot store: check, free, repair."),
    "doctor": ("doctor", "What works here, what does not, what to do."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when their names are listed."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"nuvtui.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_module, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="nuvtui %(version)s")
@click.option("--home", metavar="DIR", help="Store home (default: $NUVTUI_HOME, else the XDG data folder).")
@click.option("--ascii", is_flag=True, default=None, help="Draw the screens with ASCII only.")
@click.option("--theme", metavar="NAME", help="Colour theme of the screens.")
@click.pass_context
def root(ctx: click.Context, home: str | None, ascii: bool | None, theme: str | None) -> None:
    """Preserve, share and hand over a research project.

    Without a command: the screens, on the space of the current folder.
    """
    ctx.obj |= {"home": home, "ascii": ascii, "theme": theme}
    if ctx.invoked_subcommand is None:
        from pathlib import Path

        from nuvtui.cli.common import services

        ctx.exit(ctx.obj["screens"](services(ctx), Path.cwd()))


def run(arguments: list[str], screens: "Callable[[Services, Path], int]") -> int:
    """Run the command line and return its exit code. `screens` opens the screens on the space of a folder."""
    obj: dict[str, Any] = {"screens": screens}

    def call() -> int:
        try:
            code = root.main(args=arguments, prog_name="nuvtui", standalone_mode=False, obj=obj)
            return code if isinstance(code, int) else Exit.DONE
        except click.exceptions.Exit as leaving:
            return leaving.exit_code
        except click.UsageError as error:
            error.show()
            return Exit.USAGE
        except click.ClickException as error:
            error.show()
            return Exit.FAILED
        except click.Abort as error:
            raise KeyboardInterrupt from error
        except SystemExit as leaving:
            # click's own answer to a pipe that nobody reads: `outcome` has a better one.
            raise streams.refused() or leaving.__context__ or leaving from None

    def recovered() -> str:
        opened = obj.get("services")
        return opened.recovered if opened is not None else ""

    return exit_status(call, recovered)
