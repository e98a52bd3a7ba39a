"""What becomes of a defect: a traceback in the program's own log, a sentence for the user."""

import contextlib
import os
import traceback

from nuvtui import clock, config
from nuvtui.errors import NuvError


def unexpected(error: BaseException) -> NuvError:
    """Log `error` with its traceback in the store home and return what the user is told."""
    log = None
    with contextlib.suppress(Exception):
        path = config.home(config.load()).log
        if path.parent.is_dir():
            text = f"{clock.now()} {''.join(traceback.format_exception(error))}\n"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            log = path
    return NuvError(
        "Unexpected error",
        f"{type(error).__name__}: {error}",
        f"This is a defect of nuvtui. Details are in {log}." if log else "This is a defect of nuvtui.",
    )
