"""Events of screens and dialogs that are left before they are whole."""

from typing import Any

from textual import events
from textual.screen import Screen

LAYING_OUT = (events.Mount, events.Resize, events.ScreenResume)
"""Events on which screens lay out what they hold."""


def too_late(screen: Screen[Any], event: events.Event) -> bool:
    """True where `screen` was left already, and `event` would lay out what it holds."""
    return isinstance(event, LAYING_OUT) and screen not in screen.app.screen_stack
