"""Timeline: the Current State on top, then the snapshots of the instance, newest first."""

from nuvtui.tui.common.feature import PaneSpec, feature
from nuvtui.tui.features.timeline.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    pane=PaneSpec("timeline", "nuvtui.tui.features.timeline.pane", "Timeline", beside=True),
    key="1",
)
