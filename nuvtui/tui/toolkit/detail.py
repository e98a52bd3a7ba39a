"""A pane of wrapped text: descriptions, details, plans. Sanitised as all lines are."""

from collections.abc import Iterable

from textual.strip import Strip

from nuvtui import sanitise
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.lines import Line, LineWidget, Piece, line, width_of

MOST = 20_000
"""Lines that are laid out; a longer text belongs into a `LogView`."""


class DetailPane(LineWidget):
    """Shows lines, wrapped at words. `show(lines)` or `show_text(text)`."""

    SCOPES = ("scroll",)
    BINDINGS = bindings("scroll")

    def __init__(
        self,
        lines: Iterable[Line | str] = (),
        *,
        id: str | None = None,
        classes: str | None = None,
        title: str = "",
        can_focus: bool = True,
    ) -> None:
        super().__init__(id=id, classes=classes, title=title)
        self.can_focus = can_focus
        self._lines: list[Line] = [line(item) if isinstance(item, str) else item for item in lines]
        self._wrapped: list[Line] | None = None
        self._width = 0
        self._top = 0

    def show(self, lines: Iterable[Line | str], *, keep: bool = False) -> None:
        """Show `lines`, from the top or (`keep`) from where the view is."""
        new = [line(item) if isinstance(item, str) else item for item in lines]
        if new == self._lines:
            return
        self._lines = new
        self._wrapped = None
        if not keep:
            self._top = 0
        if self._auto_height:
            self.refresh(layout=True)
        else:
            self._top = max(0, min(self._top, len(self._rows) - self.size.height))
            self.refresh_changed()

    @property
    def _auto_height(self) -> bool:
        return self.styles.height is not None and self.styles.height.is_auto

    def show_text(self, text: str) -> None:
        """Show a text with its own line ends."""
        self.show(block_lines(text))

    @property
    def _rows(self) -> list[Line]:
        width = max(1, self.size.width - 1)
        if self._wrapped is None or self._width != width:
            self._wrapped = wrap_lines(self._lines, width)
            self._width = width
        return self._wrapped

    def get_content_height(self, _container: object, _viewport: object, width: int) -> int:
        """Lines that the text takes in `width` cells."""
        return max(1, len(wrap_lines(self._lines, max(1, width - 1))))

    def on_resize(self) -> None:
        """Keep the view within the text."""
        self.scroll_lines(0)

    def draw(self, y: int, width: int) -> Strip:
        """Line `y` of the screen."""
        base = self.style_of("")
        rows = self._rows
        at = self._top + y
        content = rows[at] if at < len(rows) else Line()
        bar = self.bar(y, self.size.height, self._top, self.size.height, len(rows))
        return Strip.join([self.strip(content, width - 1, base), Strip([bar])])

    def scroll_lines(self, count: int) -> None:
        """Move the view."""
        top = max(0, min(self._top + count, len(self._rows) - self.size.height))
        if top != self._top:
            self._top = top
            self.refresh()

    def action_down(self) -> None:
        """One line down."""
        self.scroll_lines(1)

    def action_up(self) -> None:
        """One line up."""
        self.scroll_lines(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self.scroll_lines(self.size.height)

    def action_page_up(self) -> None:
        """A page up."""
        self.scroll_lines(-self.size.height)

    def action_first(self) -> None:
        """To the beginning."""
        self.scroll_lines(-self._top)

    def action_last(self) -> None:
        """To the end."""
        self.scroll_lines(len(self._rows))

    def copied(self) -> Copy | None:
        """All of it."""
        text = "\n".join(sanitise.line(item.text).rstrip() for item in self._lines)
        return Copy(text, "the text") if text.strip() else None


def block_lines(text: str) -> list[Line]:
    """The lines of a text with its own line ends and tabs, sanitised."""
    return [line(part.expandtabs(4)) for part in sanitise.block(text).split("\n")]


def wrap_lines(lines: Iterable[Line], width: int) -> list[Line]:
    """The lines, each wrapped at words into `width` cells; continuations keep the indent."""
    out: list[Line] = []
    for item in lines:
        if item.right or sum(width_of(text) for text, _ in item.left) <= width:
            out.append(item)
        else:
            out += _wrap(item, width)
        if len(out) > MOST:
            return [*out[:MOST], line(("The rest is left out here.", "muted"))]
    return out


def _wrap(item: Line, width: int) -> list[Line]:
    text = item.text
    indent = min(len(text) - len(text.lstrip(" ")), width // 2)
    words: list[Piece] = []
    for content, tone in item.left:
        words += [(word, tone) for word in _words(sanitise.line(content))]
    out: list[Line] = []
    current: list[Piece] = []
    used = 0
    for content, tone in words:
        word = content
        while word:
            size = width_of(word)
            if used + size <= width:
                current.append((word, tone))
                used += size
                break
            if word.isspace():
                break
            if used > indent:
                out.append(Line(tuple(current)))
                current, used = ([(" " * indent, "")] if indent else []), indent
                continue
            room = max(1, width - used)
            head = word[:room]
            while width_of(head) > room and len(head) > 1:
                head = head[:-1]
            current.append((head, tone))
            out.append(Line(tuple(current)))
            current, used = ([(" " * indent, "")] if indent else []), indent
            word = word[len(head) :]
    if current:
        out.append(Line(tuple(current)))
    return out


def _words(text: str) -> list[str]:
    """Words and the spaces between them."""
    import re

    return re.findall(r" +|[^ ]+", text)
