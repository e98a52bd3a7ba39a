"""The features of the program, in the order of their panes: a new one is a line here."""

import importlib
from typing import Any

from nuvtui.tui.common.feature import Feature

NAMES = ("timeline", "contents", "stage", "exports", "tasks", "distribution", "spaces", "remotes")

FEATURES: tuple[Feature, ...] = tuple(
    importlib.import_module(f"nuvtui.tui.features.{name}").FEATURE for name in NAMES
)
PANES = tuple(feature.pane for feature in FEATURES if feature.pane is not None)
STYLES = (
    "toolkit/dialogs/dialogs.tcss",
    "shell/palette.tcss",
    "common/common.tcss",
    *(
        f"features/{name}/{feature.styles}"
        for name, feature in zip(NAMES, FEATURES, strict=True)
        if feature.styles
    ),
)
"""Stylesheets of what is not there in the first frame."""


def find(route: str) -> Any:
    """What a route of any feature leads to. Raises KeyError where no feature has it."""
    for feature in FEATURES:
        if route in feature.routes:
            return feature.find(route)
    raise KeyError(route)
