"""The text of a file: coloured after its language, read on as one comes near the end of what was read."""

from collections.abc import Iterator, Sequence

from rich.segment import Segment
from textual.strip import Strip

from nuvtui import sanitise
from nuvtui.errors import NuvError
from nuvtui.tui.toolkit import syntax
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.lines import Piece
from nuvtui.tui.toolkit.log_index import BytesText
from nuvtui.tui.toolkit.log_view import LogView

AHEAD = 200
"""Lines before the end of what was read at which more is read."""
STEP = 1 << 20
"""Bytes read on at a time."""
MOST = 64 << 20
"""Bytes of a text that are kept."""
AT_ONCE = 32 << 10
"""Bytes up to which colours come with the text: a larger one is shown first."""


def colours(name: str, data: bytes) -> list[list[syntax.Span]]:
    """The spans of a text, for `CodeView.show_text`. For a thread."""
    lines = data[: syntax.MOST].decode("utf-8", "surrogateescape").split("\n")
    return syntax.of_file(name, [shown_line(text) for text in lines])


def shown_line(text: str) -> str:
    """A line as it is shown, so that colours find their places."""
    return sanitise.line(text.rstrip("\r").expandtabs(8))


class CodeView(LogView):
    """A `LogView` of a file's text. `show_text(name, data, rest, total)`; search, wrap and copy as there."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._spans: Sequence[Sequence[syntax.Span]] = ()
        self._rest: Iterator[bytes] | None = None
        self._total = 0
        self._pieces = BytesText(b"")
        self._reading = False
        self._shown = 0
        """Counts what was shown, to know what comes late."""
        self._said = ""
        super().__init__(id=id, classes=classes, raw=True, empty="Empty file.")

    def show_text(
        self,
        name: str,
        data: bytes,
        rest: Iterator[bytes] | None = None,
        total: int = 0,
        spans: Sequence[Sequence[syntax.Span]] | None = None,
    ) -> None:
        """Show a text that begins with `data`; `rest` gives what follows, in a thread.

        `name` says the language; `spans`: already coloured. `total`: bytes of the whole.
        """
        self._shown += 1
        self._path = None
        self._spans = spans or ()
        self._rest = rest
        self._total = total
        self._said = ""
        self._reading = False
        self._pieces = BytesText(data)
        self._begin(self._pieces, False, False)
        self.refresh_changed()
        if spans is None and name and not self.app.has_class("-colourless"):
            shown = self._shown
            self.load(
                lambda: colours(name, data),
                lambda found: self._colour(shown, found),
                group="colours",
                failed=lambda _error: None,
            )

    def _colour(self, shown: int, spans: Sequence[Sequence[syntax.Span]]) -> None:
        if shown == self._shown:
            self._spans = spans
            self.refresh_changed()

    # reading on

    def draw(self, y: int, width: int) -> Strip:
        """Line `y`; the last one looks whether more is to be read."""
        strip = super().draw(y, width)
        if y == self.size.height - 1:
            self._read_on()
        return strip

    def _read_on(self) -> None:
        if self._rest is None or self._reading:
            return
        near = self._layout.top[0] + self._layout.height + AHEAD >= self.rows
        if near or self.searching:
            self._reading = True
            self.call_later(self._read)

    def _read(self) -> None:
        rest, shown = self._rest, self._shown
        if rest is None:
            return

        def read() -> tuple[int, bytes, bool]:
            out = bytearray()
            for piece in rest:
                out += piece
                if len(out) >= STEP:
                    return shown, bytes(out), False
            return shown, bytes(out), True

        self.load(read, self._came_on, group="rest", failed=self._failed)

    def _came_on(self, found: tuple[int, bytes, bool]) -> None:
        shown, data, ended = found
        if shown != self._shown:
            return
        self._reading = False
        self._pieces.data += data
        if ended or len(self._pieces.data) >= MOST:
            self._rest = None
        self.look()
        self._refresh_status()

    def _failed(self, error: NuvError) -> None:
        self._rest = None
        self._said = f"{error.title}: {error.message}"
        self._refresh_status()

    def _status(self) -> list[Piece]:
        pieces = super()._status()
        read = len(self._pieces.data)
        if self._said:
            pieces.append((f"  {self._said}", "bad"))
        elif read < self._total:
            more = "more comes at its end" if self._rest is not None else "no more is shown"
            pieces.append((f"  the first {size(read)} of {size(self._total)}, {more}", "muted"))
        return pieces

    # colours

    def segments(self, number: int, text: str, start: int, end: int) -> list[Segment]:
        """What is drawn of a line: its colours, or what is searched."""
        if self.searching or number >= len(self._spans):
            return super().segments(number, text, start, end)
        return self.pieces(syntax.pieces(text, self._spans[number], start, end), self.style_of(""))
