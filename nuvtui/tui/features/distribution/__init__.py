"""Distributions: the wizard, a running one, and past ones."""

from nuvtui.tui.common.feature import feature
from nuvtui.tui.features.distribution.commands import COMMANDS

FEATURE = feature(
    __name__,
    COMMANDS,
    routes={
        "distribution.wizard": "wizard:Wizard",
        "distribution.run": "run:DistributionRun",
        "distribution.history": "history:History",
    },
    styles="distribution.tcss",
)
