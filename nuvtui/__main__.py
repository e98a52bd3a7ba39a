"""Entry point: `nuvtui` and `python -m nuvtui`."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nuvtui.bootstrap import Services


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        from nuvtui import __version__

        print(f"nuvtui {__version__}")
        return
    from nuvtui.cli.main import run

    sys.exit(run(sys.argv[1:], _screens))


def _screens(services: "Services", folder: "Path") -> int:
    """Open the screens: handed to the command line, which may not import them."""
    from nuvtui.tui import run

    return run(services, folder)


if __name__ == "__main__":
    main()
