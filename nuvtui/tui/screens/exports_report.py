"""A text that fills the screen: the report of an export."""

from textual.widget import Widget

from nuvtui.tui.widgets.frame import Frame
from nuvtui.tui.widgets.log_view import LogView


class ReportScreen(Frame):
    """Shows a text; Esc leaves."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title_text = title
        self._text = text

    def body(self) -> list[Widget]:
        """The text."""
        return [LogView(id="report-body", classes="pane", title=self._title_text, raw=True)]

    def on_mount(self) -> None:
        """Show it."""
        view = self.query_one("#report-body", LogView)
        view.show_bytes(self._text.encode("utf-8", "surrogateescape"))
        view.action_wrap()
        view.focus()
