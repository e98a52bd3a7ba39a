r"""What the command line writes to: any name can be written, and why a stream took no more is known.

They may be a terminal that knows few characters, a pipe whose reader leaves, a file on a full disk. What cannot be
written as it is becomes `\N…`. That the output was not taken is told apart from any other failure by the stream; talk
that nobody hears stops nothing.
"""

import contextlib
import io
import os
import sys
from typing import TextIO


class _Output(io.FileIO):
    """Standard output itself, which remembers why it took no more."""

    refused: OSError | None = None

    def write(self, data: "bytes | bytearray | memoryview", /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            self.refused = error
            raise


class _Talk(io.FileIO):
    """Standard error itself: where it takes no more, what is said is lost, and the work goes on."""

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def install() -> None:
    """Put these streams in the place of Python's own. For the beginning of the program."""
    sys.stdout = _instead(sys.stdout, _Output)
    sys.stderr = _instead(sys.stderr, _Talk)


def _instead(stream: TextIO, kind: type[io.FileIO]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # None: closed by whoever started us
        return stream
    try:
        raw = kind(stream.fileno(), "w", closefd=False)
    except OSError:
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )


def refused() -> OSError | None:
    """Why standard output took no more; None: it took everything."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.refused if isinstance(raw, _Output) else None


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
