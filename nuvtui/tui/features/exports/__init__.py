"""Exports: images made of applications, the form for a new one, and what can be done with them."""

from nuvtui.tui.common.feature import PaneSpec, feature
from nuvtui.tui.features.exports.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    pane=PaneSpec("exports", "nuvtui.tui.features.exports.pane", "Exports"),
    key="4",
    routes={
        "exports.run": "run:ExportRun",
    },
    styles="exports.tcss",
)
