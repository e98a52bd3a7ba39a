"""The log of the program itself."""

from pathlib import Path

from textual.widget import Widget

from nuvtui import logfile
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.log_view import LogView


class ProgramLog(BaseScreen):
    """Shows `nuvtui.log` as it grows, from its end."""

    SCOPES = ("program-log",)
    BINDINGS = bindings("program-log")
    HELP = (
        "What nuvtui itself has to tell: starts, faults with their tracebacks, what was slow. It lies in the store "
        "home, only you can read it; the setting log_level says how much is kept. / searches, Esc goes back."
    )

    def body(self) -> list[Widget]:
        """The log."""
        return [LogView(id="program-log", classes="pane", empty="Nothing is in the log yet.")]

    def on_mount(self) -> None:
        """Show it; where it lies is found out in a thread."""
        view = self.query_one(LogView)
        view.set_title("Log of the program", str(self.nuv.home.log))
        view.focus()
        self.load(lambda: logfile.path(self.nuv.home), self._show, group="log", waiting="reading the log")

    def _show(self, path: Path) -> None:
        view = self.query_one(LogView)
        view.set_title("Log of the program", str(path))
        view.show_file(path, growing=True)

    def copied(self) -> Copy | None:
        """Where it lies."""
        return Copy(str(self.nuv.home.log), "the path of the log", self.nuv.home.log)
