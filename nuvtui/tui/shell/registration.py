"""All commands of the screens, by being imported: light, since the app needs them at its start."""

import nuvtui.tui.common.state_commands
import nuvtui.tui.features.exports.commands
import nuvtui.tui.features.stage.commands
import nuvtui.tui.features.tasks.commands  # noqa: F401
