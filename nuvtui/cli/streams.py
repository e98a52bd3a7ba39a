r"""What the command line writes to: any name can be written, and why a stream took no more is known.

Standard output may be a terminal that knows few characters, a pipe whose reader leaves, a file on a full disk. What
cannot be written as it is becomes `\N…`; that writing failed is told apart from any other failure by the stream.
"""

import contextlib
import io
import os
import sys


class _Raw(io.FileIO):
    """Standard output itself, which remembers why it took no more."""

    refused: OSError | None = None

    def write(self, data: "bytes | bytearray | memoryview", /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            self.refused = error
            raise


def install() -> None:
    """Put these streams in the place of Python's own. For the beginning of the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None: closed by whoever started us
            stream.reconfigure(errors="backslashreplace")
    with contextlib.suppress(OSError, ValueError):
        if isinstance(sys.stdout, io.TextIOWrapper):
            raw = _Raw(sys.stdout.fileno(), "w", closefd=False)
            sys.stdout = io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=sys.stdout.encoding,
                errors="backslashreplace",
                line_buffering=sys.stdout.line_buffering,
            )


def refused() -> OSError | None:
    """Why standard output took no more; None: it took everything."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.refused if isinstance(raw, _Raw) else None


def flush() -> None:
    """Write what is held back. Raises OSError."""
    if sys.stdout is not None:  # closed by whoever started us
        sys.stdout.flush()


def let_go() -> None:
    """What is still held back goes nowhere: nothing may complain about it at exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
