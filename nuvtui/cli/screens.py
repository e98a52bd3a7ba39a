"""Starting the screens."""

import os
import sys
from pathlib import Path
from typing import Any

from nuvtui import config
from nuvtui.bootstrap import Services, open_services
from nuvtui.errors import Exit, NuvError


def start(flags: dict[str, Any]) -> int:
    """Open the screens on the space of the current folder. Returns the exit code."""
    return start_in(
        open_services(config.load({key: flags.get(key) for key in ("home", "ascii", "theme")})), Path.cwd()
    )


def start_in(services: Services, folder: Path) -> int:
    """Open the screens on the space of `folder`. Raises NuvError (2) where there is no terminal that can show them."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NuvError(
            "The screens need a terminal",
            "standard input or output is none",
            "Use the commands: nuvtui -h",
            Exit.USAGE,
        )
    if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        raise NuvError(
            "This terminal cannot show the screens",
            f"TERM is {os.environ.get('TERM', 'not set')!r}",
            "Set TERM (for example xterm-256color), or use the commands: nuvtui -h",
            Exit.USAGE,
        )
    from nuvtui.tui.app import run

    return run(services, folder)
