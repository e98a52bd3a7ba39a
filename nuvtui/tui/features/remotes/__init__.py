"""Remotes: the places outside this machine that hold snapshots."""

from nuvtui.tui.common.feature import feature
from nuvtui.tui.features.remotes.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    routes={"remotes.all": "screen:Remotes"},
    styles="remotes.tcss",
)
