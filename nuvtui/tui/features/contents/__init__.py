"""Contents: any state of the instance in sections, and the history of what is in it."""

from nuvtui.tui.common.feature import PaneSpec, feature
from nuvtui.tui.features.contents.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    pane=PaneSpec("contents", "nuvtui.tui.features.contents.pane", "Contents", beside=True),
    key="2",
    routes={
        "contents.changes": "pane:show_changes",
    },
    styles="contents.tcss",
)
