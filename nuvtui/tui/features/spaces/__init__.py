"""Spaces, their instances, members and messages; the welcome where there is no space."""

from nuvtui.tui.common.feature import feature
from nuvtui.tui.features.spaces.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    routes={
        "spaces.overview": "overview:SpaceOverview",
        "spaces.all": "spaces:Spaces",
        "spaces.members": "members:Members",
        "spaces.startup": "startup:show_at_startup",
        "spaces.messages": "messages:show_unread",
        "spaces.message": "messages:show_one",
    },
    styles="spaces.tcss",
)
