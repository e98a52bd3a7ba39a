"""The one place where what becomes of a run turns into an exit code and, where it failed, into a sentence."""

import os
import sys
from collections.abc import Callable

from nuvtui.errors import Exit, NuvError


def outcome(run: Callable[[], int], recovered: Callable[[], str]) -> int:
    """Call `run` and return the exit code: its own, or that of what it raised, told on standard error.

    `recovered` is asked at the end: a sentence where the state file was found damaged, else empty.
    """
    try:
        code = run()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return Exit.CANCELLED
    except NuvError as error:
        show(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader went away (`| head`): not an error, and nothing may complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
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
