"""The one line at the top: where one is, as whom, and what goes on."""

import msgspec
from textual.strip import Strip

from nuvtui.tui.toolkit.lines import LineWidget, Piece, line


class Where(msgspec.Struct, frozen=True):
    """What the header says. Names are outside text: sanitised where they are drawn."""

    space: str = ""
    instance: str = ""
    state: str = ""
    """`Current State`, or name or id of a snapshot."""
    role: str = ""
    running: int = 0
    """Running tasks."""
    unread: int = 0
    """Messages not yet read."""
    trouble: str = ""
    """A few words that stay until they are put right: `state recovered`."""


class Header(LineWidget, can_focus=False):
    """Shows a `Where`."""

    def __init__(self) -> None:
        super().__init__(id="header")
        self._where = Where()

    def show(self, where: Where) -> None:
        """Show another `Where`."""
        if where != self._where:
            self._where = where
            self.refresh()

    def draw(self, _y: int, width: int) -> Strip:
        """The line."""
        where = self._where
        left: list[Piece] = [(" nuvtui", "strong")]
        for at, name in enumerate(name for name in (where.space, where.instance, where.state) if name):
            left += [("  " if not at else " / ", "muted"), (name, "accent" if not at else "")]
        right: list[Piece] = []
        if where.trouble:
            right.append((f"{where.trouble}  ", "bad"))
        if where.unread:
            right.append((f"{where.unread} message{'s' if where.unread > 1 else ''}  ", "warn"))
        if where.running:
            right.append((f"{self.glyphs.running} {where.running} running  ", "accent"))
        if where.role:
            right.append((f"{where.role} ", "muted"))
        return self.strip(line(*left, right=right), width, self.style_of(""))
