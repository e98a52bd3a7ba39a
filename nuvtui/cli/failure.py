"""What becomes of a defect: a traceback in the program's own log, a sentence for the user."""

import contextlib

from nuvtui import config, logfile
from nuvtui.errors import NuvError


def unexpected(error: BaseException) -> NuvError:
    """Log `error` with its traceback in the store home and return what the user is told."""
    log = None
    with contextlib.suppress(Exception):
        home = config.home(config.load())
        if home.root.is_dir():
            log = logfile.fault(home, error)
    return NuvError(
        "Unexpected error",
        f"{type(error).__name__}: {logfile.clean(str(error))}",
        f"This is a defect of nuvtui. Details are in {log}." if log else "This is a defect of nuvtui.",
    )
