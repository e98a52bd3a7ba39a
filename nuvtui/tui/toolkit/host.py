"""What widgets and dialogs need of the app that they run in."""

from typing import Protocol

from nuvtui.errors import NuvError
from nuvtui.tui.toolkit.jobs import Jobs


class Host(Protocol):
    """The app, as the toolkit knows it."""

    @property
    def jobs(self) -> Jobs:
        """Work outside the event loop."""

    def show_error(self, error: NuvError) -> None:
        """Show an error in a dialog."""

    def action_help(self) -> None:
        """Show the help for what has the focus."""
