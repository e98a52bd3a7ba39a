"""Entry point: `nuvtui` and `python -m nuvtui`."""

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

    from nuvtui.bootstrap import Services
    from nuvtui.config import Settings


def main() -> None:
    """Run the command line and exit with its code."""
    _names_are_utf8()
    if not sys.argv[1:]:
        sys.exit(_open())
    from nuvtui.cli import streams

    streams.install()
    if sys.argv[1:] == ["--version"]:
        sys.exit(_version())
    from nuvtui.cli.main import run

    sys.exit(run(sys.argv[1:], _screens))


def _version() -> int:
    """Say the version, without the command line's own imports."""
    from nuvtui import __version__
    from nuvtui.cli.exit_status import exit_status

    def say() -> int:
        print(f"nuvtui {__version__}")
        return 0

    return exit_status(say, str)


def _names_are_utf8() -> None:
    """In a locale that is not UTF-8, begin again: names of files are the same bytes wherever one looks from.

    (Else a snapshot of the same files would have other names there.) The terminal is still written to as it reads.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1" or not sys.executable:
        return
    import locale

    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", locale.getpreferredencoding(False))
    with contextlib.suppress(OSError):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _open() -> int:
    """The screens on the space of the current folder, without the command line's own imports."""
    # What is imported makes no garbage: looking for it is a sixth of the start. The app turns it on again.
    gc.disable()
    from pathlib import Path

    from nuvtui import config
    from nuvtui.cli.exit_status import exit_status
    from nuvtui.tui import run

    opened: list[Services] = []

    def services(settings: "Settings") -> "Services":
        from nuvtui.bootstrap import open_services

        opened.append(open_services(settings))
        return opened[0]

    return exit_status(
        lambda: run(config.load(), Path.cwd(), services), lambda: opened[0].recovered if opened else ""
    )


def program() -> NoReturn:
    """The program `nuvtui`: as `main`, and gone at once. What is to be durable is so by then."""
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:  # closed by whoever started us
                stream.flush()
    os._exit(code if isinstance(code, int) else 1)


def _screens(services: "Services", folder: "Path") -> int:
    """Open the screens: handed to the command line, which may not import them."""
    from nuvtui.tui import run

    return run(services.settings, folder, lambda _: services)


if __name__ == "__main__":
    program()
