"""Entry point: `nuvtui` and `python -m nuvtui`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        from nuvtui import __version__

        print(f"nuvtui {__version__}")
        return
    from nuvtui.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
