"""Lines: pieces of text with a tone, and the base of widgets that draw themselves line by line.

Whatever text a piece holds is sanitised here, when it is drawn: no widget built on `LineWidget` can let an escape
sequence through. Tones are a small vocabulary that the theme gives colours to.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from nuvtui import sanitise
from nuvtui.tui.toolkit import theme
from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.glyphs import UNICODE, Glyphs

Tone = Literal["", "muted", "accent", "strong", "good", "warn", "bad", "added", "removed"]
"""How a piece is meant: the theme decides how it looks."""
Piece = tuple[str, Tone]


class Line(NamedTuple):
    """One line: pieces from the left, and pieces at the right end that are kept when there is little room."""

    left: tuple[Piece, ...] = ()
    right: tuple[Piece, ...] = ()

    @property
    def text(self) -> str:
        """The text alone, as it is copied and filtered."""
        left = "".join(text for text, _ in self.left)
        right = "".join(text for text, _ in self.right)
        return f"{left}  {right}" if right else left


def line(*pieces: str | Piece, right: Iterable[str | Piece] = ()) -> Line:
    """A line of pieces; a plain string has no tone."""
    return Line(
        tuple((piece, "") if isinstance(piece, str) else piece for piece in pieces),
        tuple((piece, "") if isinstance(piece, str) else piece for piece in right),
    )


class Cell(NamedTuple):
    """A column of a line."""

    text: str
    width: int = 0
    """Cells; 0: takes what the others leave."""
    tone: Tone = ""
    align: Literal["left", "right"] = "left"


def row(width: int, *cells: Cell, gap: int = 2) -> Line:
    """A line of aligned columns in `width` cells; columns that do not fit any more are left out at the right."""
    fixed = sum(cell.width for cell in cells)
    flexible = [cell for cell in cells if not cell.width]
    rest = max(0, width - fixed - gap * (len(cells) - 1))
    share = rest // len(flexible) if flexible else 0
    pieces: list[Piece] = []
    used = 0
    for cell in cells:
        size = cell.width or max(share, 8)
        if used and used + gap >= width:
            break
        if used:
            pieces.append((" " * gap, ""))
            used += gap
        size = min(size, width - used)
        pieces.append((fit(cell.text, size, cell.align), cell.tone))
        used += size
    return Line(tuple(pieces))


def width_of(text: str) -> int:
    """Cells that `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int, align: Literal["left", "right"] = "left", ellipsis: str = "…") -> str:
    """`text`, sanitised, in exactly `width` cells: cut with an ellipsis or filled with spaces."""
    text = sanitise.line(text[: 4 * width + 64])
    size = width_of(text)
    if size > width:
        return cut(text, width - 1) + ellipsis if width > 0 else ""
    space = " " * (width - size)
    return space + text if align == "right" else text + space


def cut(text: str, width: int) -> str:
    """The beginning of `text` in exactly `width` cells (a wide character cut in two becomes a space)."""
    if text.isascii():
        return text[:width].ljust(width)
    return set_cell_size(text, width)


class LineWidget(Widget, CommandTarget, can_focus=True):
    """A widget that draws itself line by line; the base of lists, tables, logs and details.

    It does its own scrolling: a subclass answers `draw(y, width)` for the lines on the screen.
    """

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None, title: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self._styles_of: dict[str, Style] = {}
        self._drawn: dict[int, Strip] = {}
        if title:
            self.set_title(title)

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""
        return getattr(self.app, "glyphs", UNICODE)

    def set_title(self, title: str, note: str = "") -> None:
        """The title in the border, and a note at its lower edge. Outside text is welcome: it is sanitised."""
        from textual.content import Content

        self.border_title = Content(sanitise.line(title))
        self.border_subtitle = Content(sanitise.line(note)) if note else None

    def notify_style_update(self) -> None:
        """Forget styles when the theme changes."""
        self._styles_of.clear()
        super().notify_style_update()

    def style_of(self, name: str) -> Style:
        """How a part of a line looks (`tone--muted`, `line--cursor`: `theme.line_styles`); empty: the widget itself."""
        if not self._styles_of:
            colourless = self.app.has_class("-colourless")
            self._styles_of = theme.line_styles(self.app.current_theme, colourless) | {"": self.rich_style}
        return self._styles_of[name]

    def refresh_line(self, y: int, count: int = 1) -> None:
        """Repaint `count` lines from line `y` of the screen's view of this widget."""
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, count))

    def pieces(self, pieces: Iterable[Piece], base: Style) -> list[Segment]:
        """Segments of sanitised pieces over a base style."""
        return [
            Segment(sanitise.line(text), base + self.style_of(f"tone--{tone}") if tone else base)
            for text, tone in pieces
        ]

    def strip(self, content: Line, width: int, base: Style) -> Strip:
        """A line in exactly `width` cells: the right part stays, the left one is cut."""
        left = Strip(self.pieces(content.left, base))
        if not content.right:
            return self._limited(left, width, base)
        right = Strip(self.pieces(content.right, base))
        room = width - right.cell_length - 1
        if room < 4:
            return self._limited(left, width, base)
        return Strip.join([self._limited(left, room, base), Strip([Segment(" ", base)]), right])

    def _limited(self, strip: Strip, width: int, base: Style) -> Strip:
        if strip.cell_length > width > 0:
            return Strip.join([strip.crop(0, width - 1), Strip([Segment(self.glyphs.ellipsis, base)])])
        return strip.adjust_cell_length(width, base)

    def bar(self, y: int, height: int, top: float, visible: int, total: int) -> Segment:
        """The cell at line `y` of a scrollbar of `height` lines."""
        style = self.rich_style
        if total <= visible or height <= 0:
            return Segment(" ", style)
        size = max(1, round(height * visible / total))
        start = round((height - size) * min(1.0, top / (total - visible)))
        inside = start <= y < start + size
        return Segment(self.glyphs.thumb if inside else " ", style + self.style_of("line--bar"))

    def render_line(self, y: int) -> Strip:
        """Line `y` of the content."""
        width = self.size.width
        if width <= 0:
            return Strip([])
        strip = self.draw(y, width).simplify()
        self._drawn[y] = strip
        return strip

    def refresh_changed(self) -> None:
        """Repaint the lines that look different from what was drawn last, and only those."""
        width, height = self.size
        if not width or len(self._drawn) < height:
            self.refresh()
            return
        for y in range(height):
            if self.draw(y, width).simplify() != self._drawn.get(y):
                self.refresh_line(y)

    def draw(self, y: int, width: int) -> Strip:
        """Line `y` in exactly `width` cells."""
        raise NotImplementedError

    def render(self) -> str:
        """Nothing: lines are drawn one by one."""
        return ""

    def get_content_width(self, container: object, _viewport: object) -> int:
        """As wide as there is room."""
        return getattr(container, "width", 0)

    def on_focus(self) -> None:
        """Draw the cursor as that of the focus."""
        self.focus_changed()

    def on_blur(self) -> None:
        """Draw the cursor as one without the focus."""
        self.focus_changed()

    def focus_changed(self) -> None:
        """Repaint what shows the focus."""

    def scroll_lines(self, count: int) -> None:
        """Move the view by lines; negative: up."""
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel."""
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel."""
        event.stop()
        self.scroll_lines(-3)
