"""How far something is: one line with a bar, a figure and what is worked on. Never animated by itself."""

from textual.strip import Strip

from nuvtui.tui.toolkit.amounts import amount
from nuvtui.tui.toolkit.lines import Line, LineWidget, Piece, fit, line


class ProgressBar(LineWidget, can_focus=False):
    """One line: `set(done, total, unit, what)`; `total` None: only the figure."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._state: tuple[int, int | None, str, str] = (0, None, "", "")

    def set(self, done: int, total: int | None, unit: str = "", what: str = "") -> None:
        """Show another state; repaints only where something is to be seen of it."""
        width = self.size.width
        before = self._line(width) if width else None
        self._state = (done, total, unit, what)
        if before != (self._line(width) if width else ()):
            self.refresh()

    def _line(self, width: int) -> Line:
        done, total, unit, what = self._state
        glyphs = self.glyphs
        pieces: list[Piece] = []
        if total:
            length = max(8, min(24, width // 4))
            full = min(length, length * done // total)
            pieces += [(glyphs.bar_full * full, "accent"), (glyphs.bar_empty * (length - full), "muted")]
            pieces.append((f" {min(100, 100 * done // total):3d} %  ", ""))
            pieces.append((f"{amount(done, unit)} of {amount(total, unit)}", "muted"))
        elif done:
            pieces.append((amount(done, unit), "muted"))
        if what:
            used = sum(len(text) for text, _ in pieces)
            pieces.append(("  " if pieces else "", ""))
            pieces.append((fit(what, max(0, width - used - 2), ellipsis=glyphs.ellipsis), "muted"))
        return line(*pieces)

    def draw(self, y: int, width: int) -> Strip:
        """The line."""
        return self.strip(self._line(width) if y == 0 else Line(), width, self.style_of(""))
