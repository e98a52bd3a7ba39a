"""Remotes: what they hold; snapshots on the way there and back."""

from nuvtui.tui.common.feature import feature
from nuvtui.tui.features.remotes.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    routes={
        "remotes.all": "screen:Remotes",
        "remotes.push": "moving:ask_push",
        "remotes.pull": "moving:ask_pull",
    },
)
