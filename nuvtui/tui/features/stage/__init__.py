"""Stage: what is collected for a distribution."""

from nuvtui.tui.common.feature import PaneSpec, feature
from nuvtui.tui.features.stage.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    pane=PaneSpec("stage", "nuvtui.tui.features.stage.pane", "Stage", beside=True),
    key="3",
    styles="stage.tcss",
)
