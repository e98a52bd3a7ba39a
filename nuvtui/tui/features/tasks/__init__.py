"""Tasks: all that run and all that have ended."""

from nuvtui.tui.common.feature import PaneSpec, feature
from nuvtui.tui.features.tasks.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    pane=PaneSpec("tasks", "nuvtui.tui.features.tasks.pane", "Tasks"),
    key="5",
)
