"""Colours: dark and light themes, quiet or of high contrast; and what every line passes through before it is sent."""

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

# Greys with little colour: terminals with 256 colours show them as different greys.
DARK = Theme(
    name="nuvtui-dark",
    primary="#7fb4ca",
    secondary="#8a93a3",
    accent="#7fb4ca",
    foreground="#d3d7de",
    background="#181a1d",
    surface="#202327",
    panel="#2c3035",
    success="#93b88a",
    warning="#d9a864",
    error="#ea8c8a",
    dark=True,
    variables={"muted": "#9aa1ab", "line": "#444a53", "cursor": "#2f353d"},
)
LIGHT = Theme(
    name="nuvtui-light",
    primary="#1a5f79",
    secondary="#6a7280",
    accent="#1a5f79",
    foreground="#262b33",
    background="#fbfaf7",
    surface="#f2f1ec",
    panel="#e5e4dd",
    success="#2d6a2d",
    warning="#7a4f00",
    error="#a3170f",
    dark=False,
    variables={"muted": "#5a616c", "line": "#c9c8c0", "cursor": "#d7e4ea"},
)
CONTRAST = Theme(
    name="nuvtui-contrast",
    primary="#87dfff",
    secondary="#d0d0d0",
    accent="#87dfff",
    foreground="#ffffff",
    background="#000000",
    surface="#121212",
    panel="#1c1c1c",
    success="#87ff9f",
    warning="#ffd75f",
    error="#ffafaa",
    dark=True,
    variables={"muted": "#d0d0d0", "line": "#949494", "cursor": "#003353"},
)
CONTRAST_LIGHT = Theme(
    name="nuvtui-contrast-light",
    primary="#00456e",
    secondary="#303030",
    accent="#00456e",
    foreground="#000000",
    background="#ffffff",
    surface="#f4f4f4",
    panel="#eaeaea",
    success="#004d0e",
    warning="#633a00",
    error="#870012",
    dark=False,
    variables={"muted": "#3a3a3a", "line": "#6c6c6c", "cursor": "#cfe6f5"},
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST, CONTRAST_LIGHT)}


def themes(colours: str) -> list[Theme]:
    """The themes for a terminal that knows `colours` (see `terminal.color_system`).

    One with 16 colours would show the quiet ones as one grey: there each theme is made of the 16 themselves.
    """
    return [_coarse(each) for each in THEMES.values()] if colours == "standard" else list(THEMES.values())


def _coarse(theme: Theme) -> Theme:
    """`theme` in the 16 colours that every terminal has."""
    dark = theme.dark
    return Theme(
        name=theme.name,
        primary="#55ffff" if dark else "#0000aa",
        secondary="#aaaaaa" if dark else "#555555",
        accent="#55ffff" if dark else "#0000aa",
        foreground="#ffffff" if dark else "#000000",
        background="#000000" if dark else "#ffffff",
        surface="#000000" if dark else "#ffffff",
        panel="#000000" if dark else "#ffffff",
        success="#55ff55" if dark else "#00aa00",
        warning="#ffff55" if dark else "#aa5500",
        error="#ff5555" if dark else "#aa0000",
        dark=dark,
        variables={
            "muted": "#aaaaaa" if dark else "#555555",
            "line": "#555555" if dark else "#aaaaaa",
            "cursor": "#0000aa" if dark else "#aaaaaa",
        },
    )


def line_styles(theme: Theme, colourless: bool) -> dict[str, Style]:
    """How the pieces of lines look in `theme`, by name: `tone--…` for what is meant, `line--…` for what lines have.

    Worked out here, once, and not by the stylesheet: a component class costs every widget a pass over all its
    rules, at the start and whenever the focus moves. `colourless`: told apart by bold, underline, reverse alone.
    """
    own = theme.variables
    background, warning, accent = (theme.background or "#000000", theme.warning or "#ffffff", theme.accent)
    match = Color.parse(background).blend(Color.parse(warning), 0.3).hex
    return {
        "tone--muted": Style(color=own.get("muted")),
        "tone--accent": Style(color=accent),
        "tone--strong": Style(bold=True),
        "tone--good": Style(color=theme.success),
        "tone--warn": Style(color=warning),
        "tone--bad": Style(color=theme.error),
        "tone--added": Style(color=theme.success, bold=True, underline=True),
        "tone--removed": Style(color=theme.error, bold=True, underline=True),
        "line--cursor": Style(reverse=True) if colourless else Style(bgcolor=own.get("cursor")),
        "line--cursor-blurred": Style(bgcolor=theme.surface),
        "line--match": Style(bgcolor=match, underline=True),
        "line--match-current": (
            Style(reverse=True) if colourless else Style(color=background, bgcolor=warning, bold=True)
        ),
        "line--bar": Style(color=own.get("line")),
        "line--status": Style(bgcolor=theme.surface),
        "line--heading": Style(color=own.get("muted")),
        "line--choice": (
            Style(bold=True, reverse=True)
            if colourless
            else Style(color=background, bgcolor=accent, bold=True)
        ),
    }


class Colourless(LineFilter):
    """Drops every colour; bold, underline and reverse stay (NO_COLOR)."""

    def __init__(self) -> None:
        super().__init__()
        self._plain: dict[Style, Style] = {}

    def apply(self, segments: list[Segment], _background: Color) -> list[Segment]:
        """The segments without colours."""
        return [Segment(text, self._without(style), control) for text, style, control in segments]

    def _without(self, style: Style | None) -> Style | None:
        if style is None:
            return None
        plain = self._plain.get(style)
        if plain is None:
            plain = Style(
                bold=style.bold,
                underline=style.underline,
                reverse=style.reverse,
                italic=style.italic,
                meta=style.meta or None,
            )
            self._plain[style] = plain
        return plain


_PLAIN = str.maketrans("→…“”·", '>~"".')
"""Signs of our own sentences and their ASCII forms, as wide."""


class Harmless(LineFilter):
    """The last line of defence: no control character leaves for the terminal, whichever widget let it through.

    Widgets sanitise outside text themselves and show what was there; here it is only dropped (a control character
    has no width, so nothing moves). With `ascii`, every other character becomes `?`, as wide as it was.
    """

    def __init__(self, ascii: bool) -> None:
        super().__init__()
        self._ascii = ascii

    def apply(self, segments: list[Segment], _background: Color) -> list[Segment]:
        """The segments without control characters."""
        if all(text.isascii() and text.isprintable() for text, _, _ in segments):
            return segments
        return [Segment(self._clean(text), style, control) for text, style, control in segments]

    def _clean(self, text: str) -> str:
        if self._ascii and not text.isascii():
            from rich.cells import cell_len

            text = text.translate(_PLAIN)
            text = "".join(char if char.isascii() else "?" * cell_len(char) for char in text)
        if text.isprintable():
            return text
        return "".join(char for char in text if not _dangerous(char))


def _dangerous(char: str) -> bool:
    code = ord(char)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or 0x202A <= code <= 0x202E
