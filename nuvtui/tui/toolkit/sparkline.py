"""How fast something writes: a curve of the last minutes, one sign for each second, and the figure of now."""

from collections import deque
from collections.abc import Sequence

from textual.strip import Strip

from nuvtui.tui.toolkit.lines import Line, LineWidget, line

LENGTH = 40
"""Seconds that the curve shows at most."""


class Sparkline(LineWidget, can_focus=False):
    """One line: `beat(rate)` once a second; `rate` is what came in that second. Still where nothing comes."""

    def __init__(self, unit: str, *, id: str | None = None) -> None:
        """`unit`: of what the rate is, `lines/s`."""
        super().__init__(id=id)
        self._unit = unit
        self._rates: deque[float] = deque(maxlen=LENGTH)

    @property
    def rates(self) -> list[float]:
        """What the curve shows, oldest first."""
        return list(self._rates)

    def add(self, rate: float) -> None:
        """Another second. Repaints only where something is to be seen of it."""
        before = self._line()
        if rate or any(self._rates):
            self._rates.append(max(0.0, rate))
        if self._line() != before:
            self.refresh()

    def _line(self) -> Line:
        if not any(self._rates):
            return Line()
        room = max(8, min(LENGTH, self.size.width - 20))
        shown = list(self._rates)[-room:]
        return line(
            ("log ", "muted"),
            (curve(shown, self.glyphs.levels), "accent"),
            (f" {round(shown[-1]):,} {self._unit}", "muted"),
        )

    def draw(self, y: int, width: int) -> Strip:
        """The line."""
        return self.strip(self._line() if y == 0 else Line(), width, self.style_of(""))


def curve(rates: Sequence[float], signs: Sequence[str]) -> str:
    """`rates` as signs, the highest one as the last sign; what is not zero is never shown as zero."""
    top = max(rates, default=0)
    if top <= 0:
        return signs[0] * len(rates)
    last = len(signs) - 1
    return "".join(signs[min(last, max(int(rate > 0), round(last * rate / top)))] for rate in rates)
