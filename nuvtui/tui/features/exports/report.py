"""A text that fills the screen: the report of an export."""

from collections.abc import Mapping, Sequence

from textual.widget import Widget

from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.log_view import LogView


class ReportScreen(BaseScreen):
    """Shows a text; Esc leaves."""

    SCOPES = ("report",)
    BINDINGS = bindings("report")
    HELP = "The report travels along: it is in the image as well."

    def __init__(self, title: str, text: str, values: Mapping[str, str | Sequence[str]]) -> None:
        """`values`: the words of its commands."""
        super().__init__()
        self._values = values
        self._title_text = title
        self._text = text

    def action_show(self) -> None:
        """It is shown already."""

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The export."""
        return self._values

    def body(self) -> list[Widget]:
        """The text."""
        return [LogView(id="report-body", classes="pane", title=self._title_text, raw=True)]

    def on_mount(self) -> None:
        """Show it."""
        view = self.query_one("#report-body", LogView)
        view.show_bytes(self._text.encode("utf-8", "surrogateescape"))
        view.action_wrap()
        view.focus()
