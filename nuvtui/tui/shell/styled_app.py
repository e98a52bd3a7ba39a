"""How the app looks: themes, signs, stylesheets, and what every update passes through on its way to the terminal."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.filter import LineFilter

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.paths import config_file
from nuvtui.tui.shell.registration import STYLES
from nuvtui.tui.toolkit import glyphs, theme
from nuvtui.tui.toolkit.screen_diff import ScreenDiff
from nuvtui.tui.toolkit.textual_private import CompositorUpdate, HookedApp


class StyledApp(HookedApp):
    """An app in the theme of the settings. Raises NuvError (exit code 2) where there is no such theme."""

    def __init__(self, settings: Settings) -> None:
        if settings.theme not in theme.THEMES:
            raise NuvError(
                f"No theme {settings.theme!r}", "", f"There are: {', '.join(theme.THEMES)}.", Exit.USAGE
            )
        self._line_filters: list[LineFilter] = []
        self._screen_diff = ScreenDiff()
        super().__init__()
        self.settings = settings
        self.glyphs = glyphs.ASCII if glyphs.only_ascii(settings.ascii) else glyphs.UNICODE
        self.animation_level = "none"
        for each in theme.themes(os.environ.get("TEXTUAL_COLOR_SYSTEM", "")):
            self.register_theme(each)
        self.theme = settings.theme
        self.stylesheet.set_variables(self.get_css_variables())
        self._styled = settings.theme
        self._styles_complete = False
        colourless = "NO_COLOR" in os.environ
        if colourless:
            self._line_filters.append(theme.Colourless())
        self._line_filters.append(theme.Harmless(self.glyphs is glyphs.ASCII))
        self.set_class(self.glyphs is glyphs.ASCII, "-ascii")
        self.set_class(colourless, "-colourless")

    def refresh_css(self, animate: bool = True) -> None:
        """Read the stylesheet again for another theme. Textual asks for it at the start too: it is read by then."""
        if self._styled != self.theme:
            self._styled = self.theme
            super().refresh_css(animate)

    def complete_styles(self) -> None:
        """Read the stylesheets of what is not there in the first frame, before any of it is made."""
        if not self._styles_complete:
            self._styles_complete = True
            for name in STYLES:
                self.stylesheet.read(Path(__file__).parents[1] / name)

    def push_screen(self, *screen: Any, **options: Any) -> Any:
        """Show another screen or dialog."""
        self.complete_styles()
        return super().push_screen(*screen, **options)

    def changed_update(self, update: CompositorUpdate) -> CompositorUpdate:
        """The cells that changed alone."""
        return self._screen_diff.update(update)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every line passes through on its way to the terminal."""
        return self._line_filters or super().get_line_filters()

    def action_theme(self) -> None:
        """The next theme."""
        names = list(theme.THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.notify(f"Theme {self.theme}. To keep it: theme: {self.theme} in {config_file()}", timeout=8)

    def draw_again(self) -> None:
        """Draw all again, whatever the terminal shows."""
        self._screen_diff.forget()
        self.screen.refresh(layout=True)
