"""The one place where what becomes of a run turns into an exit code and, where it failed, into a sentence."""

import errno
import sys
from collections.abc import Callable

from nuvtui.cli import streams
from nuvtui.errors import Exit, NuvError


def exit_status(run: Callable[[], int], recovered: Callable[[], str]) -> int:
    """Call `run` and return the exit code: its own, or that of what it raised, told on standard error.

    `recovered` is asked at the end: a sentence where the state file was found damaged, else empty.
    """
    code: int = Exit.DONE
    try:
        code = run()
        streams.flush()
        return code
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return Exit.CANCELLED
    except NuvError as error:
        show(error)
        return error.exit_code
    except Exception as error:
        if (refused := streams.refused()) is not None:
            streams.let_go()
            if refused.errno == errno.EPIPE:  # the reader went away (`| head`): not an error
                return code
            show(
                NuvError(
                    "The output could not be written",
                    refused.strerror or str(refused),
                    "Is the disk full that it is redirected to? What the command did is done.",
                )
            )
            return Exit.FAILED
        # A defect of nuvtui: the traceback goes to its own log, the user gets a sentence.
        from nuvtui.cli.failure import unexpected

        show(unexpected(error))
        return Exit.FAILED
    finally:
        if sentence := recovered():
            show(
                NuvError(
                    "The state file was damaged",
                    sentence,
                    "See `nuvtui doctor`; `nuvtui store repair` adds what is missing.",
                )
            )


def show(error: NuvError) -> None:
    """Print an error on standard error, sanitised."""
    from nuvtui import sanitise

    text = error.title + (f": {error.message}" if error.message else "")
    print(f"nuvtui: {sanitise.block(text)}", file=sys.stderr)
    if error.hint:
        print(f"  {sanitise.block(error.hint)}", file=sys.stderr)
